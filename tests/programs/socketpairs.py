"""UNIX domain stream sockets, each closed before the next is made: socketpairs.py GATE COUNTS

Says text on the first, what looks like a record of TLS on the second, and so on. Writes to COUNTS how many bytes of text
it sent, and how many others.
"""
import json
import os
import socket
import sys
import time

gate, counts = sys.argv[1:3]
TEXT = b'{"note":"no more than words"}'
RECORD = bytes([0x17, 3, 3, 0, 32]) + os.urandom(32)
while not os.path.exists(gate):
    time.sleep(0.005)
moved = {"sent": 0, "received": 0}
for number in range(200):
    here, there = socket.socketpair()
    words, kind = (RECORD, "received") if number % 2 else (TEXT, "sent")
    here.sendall(words)
    assert there.recv(1024) == words
    moved[kind] += len(words)
    here.close()
    there.close()
with open(counts + ".new", "w") as file:
    json.dump(moved, file)
os.rename(counts + ".new", counts)
