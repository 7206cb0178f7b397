"""A TLS client that maps its library only when it is about to use it: late.py PORT GATE MESSAGE SECONDS

It waits for the file GATE, maps the library, waits SECONDS, and sends MESSAGE.
"""
import os
import socket
import sys
import time

port, gate, path, seconds = sys.argv[1:]
while not os.path.exists(gate):
    time.sleep(0.005)
import ssl  # noqa: E402  here the library is mapped

time.sleep(float(seconds))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
with open(path, "rb") as file:
    message = file.read()
with context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)))) as stream:
    stream.sendall(message)
    stream.recv(65536)
