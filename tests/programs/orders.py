"""Sends one order after the other over TLS or plain TCP until it is told to stop, and notes when.

orders.py PORT ORDERS GATE STOP OUT [tls]

ORDERS is a folder with files 0, 1, 2, …: requests. Waits for GATE, then sends one after the other, every eighth on a new
connection, until STOP is there or they are used up. Writes for each, to OUT, its number and the time before and after, in
nanoseconds since 1970.
"""
import os
import socket
import ssl
import sys
import time

PORT, ORDERS, GATE, STOP, OUT = sys.argv[1:6]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def connect():
    stream = socket.create_connection(("127.0.0.1", int(PORT)))
    return context.wrap_socket(stream) if sys.argv[6:] == ["tls"] else stream


while not os.path.exists(GATE):
    time.sleep(0.005)
stream, number = None, 0
with open(OUT, "w", buffering=1) as out:
    while not os.path.exists(STOP) and os.path.exists(os.path.join(ORDERS, str(number))):
        if stream is None or number % 8 == 0:
            stream = connect()
        with open(os.path.join(ORDERS, str(number)), "rb") as file:
            order = file.read()
        before = time.time_ns()
        stream.sendall(order)
        answer = b""
        while not answer.endswith(b'"accepted"}'):
            more = stream.recv(65536)
            if not more:
                sys.exit("orders.py: the connection was closed before the answer was complete")
            answer += more
        out.write("%d %d %d\n" % (number, before, time.time_ns()))
        number += 1
        time.sleep(0.02)
