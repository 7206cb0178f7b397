"""Sends raw HTTP/1.1 requests from files over TLS or plain TCP, reads the answers, and counts its own bytes.

Waits for the file --gate first; with --early it connects, sends that file and reads an answer before it waits, and says
so by making the file --opened.
"""
import argparse
import json
import os
import signal
import socket
import ssl
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--counts", required=True)
parser.add_argument("--gate")
parser.add_argument("--tls", action="store_true")
parser.add_argument("--first-gate", help="file to wait for before anything else")
parser.add_argument("--early", help="file to send before the gate")
parser.add_argument("--opened", help="file to make once --early is answered")
parser.add_argument("--send", action="append", default=[], help="file to send after the gate")
parser.add_argument("--write", type=int, default=0, help="bytes of one write; 0: each file in one")
parser.add_argument("--answers", type=int, default=1, help="answers to read after each file")
parser.add_argument("--close-early", action="store_true", help="reset the connection after the last write")
parser.add_argument("--stay", help="file to wait for, with the connection open, before the end")
parser.add_argument("--forever", action="store_true", help="send the files again and again, and count in between")
parser.add_argument("--repeat", type=int, default=1, help="times to send the files")
parser.add_argument("--limit", type=int, default=100, help="seconds until it is killed by SIGALRM")
options = parser.parse_args()
counts = {"sent": 0, "received": 0}
buffer = bytearray()


def fill():
    data = stream.recv(65536)
    counts["received"] += len(data)
    if not data:
        sys.exit("client.py: the connection was closed before the answer was complete")
    buffer.extend(data)


def line_end(mark):
    while True:
        at = buffer.find(mark)
        if at >= 0:
            return at + len(mark)
        fill()


def drop(count):
    while count > len(buffer):
        count -= len(buffer)
        buffer.clear()
        fill()
    del buffer[:count]


def read_answer():
    end = line_end(b"\r\n\r\n")
    lines = buffer[:end].decode("latin-1").lower().split("\r\n")[1:]
    drop(end)
    headers = dict(line.split(":", 1) for line in lines if ":" in line)
    if "chunked" in headers.get("transfer-encoding", ""):
        size = None
        while size != 0:
            end = line_end(b"\r\n")
            size = int(buffer[:end], 16)
            drop(end + size + 2)
    else:
        drop(int(headers.get("content-length", 0)))


def send(path, answers):
    with open(path, "rb") as file:
        data = file.read()
    size = options.write or len(data)
    view = memoryview(data)
    for start in range(0, len(data), size):
        piece = view[start:start + size]
        while piece:
            # Blocking: all of the piece in one call, unless a signal comes.
            sent = stream.send(piece)
            counts["sent"] += sent
            piece = piece[sent:]
    for _ in range(answers):
        read_answer()


def connect():
    stream = socket.create_connection(("127.0.0.1", options.port))
    stream.settimeout(None)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not options.tls:
        return stream
    return context.wrap_socket(stream, server_hostname="localhost")


def wait_for(path):
    while path and not os.path.exists(path):
        time.sleep(0.005)


def write_counts():
    """Whoever waits for the file finds it complete."""
    with open(options.counts + ".new", "w") as file:
        json.dump(counts, file)
    os.rename(options.counts + ".new", options.counts)


# Nothing here has a time-out of its own, as that would make the socket non-blocking.
signal.alarm(options.limit)
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
stream = None
wait_for(options.first_gate)
if options.early:
    stream = connect()
    send(options.early, 1)
    with open(options.opened, "w"):
        pass
wait_for(options.gate)
stream = stream or connect()
rounds = 0
while options.forever or rounds < options.repeat:
    for name in options.send:
        send(name, options.answers)
    rounds += 1
    if options.forever:
        write_counts()
if options.stay:
    write_counts()
    wait_for(options.stay)
if options.close_early:
    # SO_LINGER of 0 s: a reset instead of an orderly end.
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
stream.close()
write_counts()
