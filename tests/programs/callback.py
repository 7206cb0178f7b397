"""A TLS client that writes what looks like TLS to another socket in the middle of its TLS calls.

callback.py PORT OTHER_PORT GATE MESSAGE MODE

Waits for the file GATE, connects, and sends MESSAGE twice. While its library writes or reads a record, a callback sends
records of random bytes to OTHER_PORT. MODE is "socket", or "memory": then the library works on memory, and that other
socket is the only one that is used inside its calls.
"""
import os
import socket
import ssl
import sys
import time

port, other_port, gate, path, mode = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
lengths = [32, 1200, 40]


def record(length):
    return b"\x17\x03\x03" + length.to_bytes(2, "big") + os.urandom(length)


def callback(*_):
    # Right types, but not the lengths that the plaintext gives.
    lengths.append(lengths.pop(0))
    other.sendall(record(lengths[0]))


while not os.path.exists(gate):
    time.sleep(0.005)
other = socket.create_connection(("127.0.0.1", int(other_port)))
real = socket.create_connection(("127.0.0.1", int(port)))
with open(path, "rb") as file:
    message = file.read()
context._msg_callback = callback
if mode == "memory":
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    stream = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            stream.do_handshake()
            break
        except ssl.SSLWantReadError:
            real.sendall(outgoing.read())
            incoming.write(real.recv(65536))
    real.sendall(outgoing.read())
    for _ in range(2):
        stream.write(message)
        real.sendall(outgoing.read())
else:
    stream = context.wrap_socket(real)
    for _ in range(2):
        stream.sendall(message)
        stream.recv(65536)
stream = None
real.close()
