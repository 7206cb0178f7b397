"""Clients that post an order a few times a second over TLS, whatever becomes of their servers.

steady.py FOLDER NAME...

For each NAME there is FOLDER/NAME.port, which is read at every connection, and FOLDER/NAME.order, the bytes of the request.
While FOLDER/pause is there nothing is sent, and FOLDER/paused is there once all answers have come. FOLDER/steady.counts
has, by name, how many requests were begun, how many were answered, and how many connections failed or broke.
"""
import json
import os
import socket
import ssl
import sys
import threading
import time

FOLDER, NAMES = sys.argv[1], sys.argv[2:]
EVERY = 0.05
counts = {name: {"begun": 0, "answered": 0, "broken": 0} for name in NAMES}
resting = {name: False for name in NAMES}
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def path(name):
    return os.path.join(FOLDER, name)


def connect(name):
    with open(path(name + ".port")) as file:
        port = int(file.read())
    stream = socket.create_connection(("127.0.0.1", port), timeout=5)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return context.wrap_socket(stream)
    except BaseException:
        stream.close()
        raise


def ask(stream, order):
    """Sends an order and reads the answer to its end."""
    stream.sendall(order)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += more(stream)
    head, body = answer.split(b"\r\n\r\n", 1)
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    while len(body) < length:
        body += more(stream)


def more(stream):
    data = stream.recv(65536)
    if not data:
        raise EOFError
    return data


def go_on(name):
    with open(path(name + ".order"), "rb") as file:
        order = file.read()
    stream = None
    while True:
        resting[name] = os.path.exists(path("pause"))
        if resting[name]:
            time.sleep(0.02)
            continue
        time.sleep(EVERY)
        try:
            stream = stream or connect(name)
            counts[name]["begun"] += 1
            ask(stream, order)
            counts[name]["answered"] += 1
        except (OSError, EOFError, ValueError, StopIteration):
            counts[name]["broken"] += 1
            if stream:
                stream.close()
            stream = None


for name in NAMES:
    threading.Thread(target=go_on, args=(name,), daemon=True).start()
while True:
    time.sleep(0.05)
    # Whoever waits for the file finds it complete.
    with open(path("steady.counts.new"), "w") as file:
        json.dump(counts, file)
    os.rename(path("steady.counts.new"), path("steady.counts"))
    if os.path.exists(path("pause")) and all(resting.values()):
        open(path("paused"), "w").close()
