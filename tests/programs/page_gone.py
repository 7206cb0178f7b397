"""Sends a buffer of which one page is gone before the call ends: page_gone.py GATE COUNTS FILE

The call waits while nobody reads. The kernel has copied the front of the buffer by then, and the page goes.
"""
import array
import fcntl
import json
import mmap
import os
import socket
import sys
import termios
import threading
import time

gate, counts, name = sys.argv[1:4]
while not os.path.exists(gate):
    time.sleep(0.005)
with open(name, "rb") as file:
    content = file.read()
buffer = mmap.mmap(-1, len(content), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
buffer[:] = content
here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
sent = []
sender = threading.Thread(target=lambda: sent.append(here.send(buffer)))
sender.start()
waiting = array.array("i", [0])
while waiting[0] < 65536:
    fcntl.ioctl(there, termios.FIONREAD, waiting)
    time.sleep(0.005)
buffer.madvise(mmap.MADV_DONTNEED, mmap.PAGESIZE, mmap.PAGESIZE)
received = 0
while received < len(content):
    received += len(there.recv(65536))
sender.join()
with open(counts + ".new", "w") as file:
    json.dump({"sent": sum(sent), "received": received}, file)
os.rename(counts + ".new", counts)
