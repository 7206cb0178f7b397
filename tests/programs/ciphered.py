"""Two ends of a connection with an encryption of their own: each byte is combined with one of a key stream that both know.

ciphered.py GATE COUNTS_FILE MESSAGE_FILE TIMES

Waits for GATE, sends the message TIMES times to a thread of its own and gets as many bytes back; writes the bytes sent and
received to COUNTS_FILE.
"""
import hashlib
import json
import os
import socket
import sys
import threading
import time

GATE, COUNTS, MESSAGE, TIMES = sys.argv[1:5]
with open(MESSAGE, "rb") as file:
    PLAIN = file.read()
counts = {"sent": 0, "received": 0}
lock = threading.Lock()


def ciphered(number):
    """SHA-256 of a counter, as a block cipher in counter mode."""
    stream = bytearray()
    while len(stream) < len(PLAIN):
        stream += hashlib.sha256(b"%d/%d" % (number, len(stream))).digest()
    return bytes(one ^ other for one, other in zip(PLAIN, stream))


def exchange(stream, number):
    data = ciphered(number)
    stream.sendall(data)
    got = 0
    while got < len(data):
        got += len(stream.recv(len(data) - got))
    with lock:
        counts["sent"] += len(data)
        counts["received"] += got


def answer(listener):
    stream, _ = listener.accept()
    with stream:
        for number in range(int(TIMES)):
            exchange(stream, 2 * number)


while not os.path.exists(GATE):
    time.sleep(0.005)
listener = socket.create_server(("127.0.0.1", 0))
thread = threading.Thread(target=answer, args=[listener])
thread.start()
with socket.create_connection(listener.getsockname()) as stream:
    for number in range(int(TIMES)):
        exchange(stream, 2 * number + 1)
    thread.join()
with open(COUNTS + ".new", "w") as file:
    json.dump(counts, file)
os.rename(COUNTS + ".new", COUNTS)
