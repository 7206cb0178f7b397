"""Sends and receives 64 bytes, 5,000 times, over TCP and over a UNIX domain socket, once the file GO is there."""
import os
import socket
import sys
import time

go, done = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
tcp = socket.create_connection(listener.getsockname()), listener.accept()[0]
unix = socket.socketpair()
while not os.path.exists(go):
    time.sleep(0.02)
for one, other in (tcp, unix):
    for _ in range(5000):
        one.sendall(b"x" * 64)
        other.recv(64)
open(done, "w").close()
time.sleep(600)
