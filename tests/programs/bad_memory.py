"""Calls of a program that lies about its memory, and one that does not.

bad_memory.py SINK_PORT SERVER_PORT ORDER_FILE OUT_FILE GATE

Waits for GATE; then, over a connection to a sink that sends a few bytes first, sends from and receives into addresses that
are not its memory, or only in part, with lengths that are not true. Then sends the order to the server and reads the
answer. Writes what each call returned, with its errno, and the bytes it moved, to OUT_FILE.
"""
import ctypes
import json
import mmap
import os
import socket
import sys
import time

SINK_PORT, SERVER_PORT, ORDER, OUT, GATE = sys.argv[1:6]
PAGE = mmap.PAGESIZE
# Neither the first page of memory nor one of the kernel's.
WILD = [8, 0xFFFF_FFFF_8100_0000, 0x7FFF_FFFF_F000]
libc = ctypes.CDLL(None, use_errno=True)
# What is received does not wait (MSG_DONTWAIT, 0x40).
for name in ["send", "recv", "write", "read", "sendmsg", "recvmsg", "writev"]:
    getattr(libc, name).restype = ctypes.c_ssize_t
libc.mmap.restype = ctypes.c_void_p
size, pointer = ctypes.c_size_t, ctypes.c_void_p


class Vector(ctypes.Structure):
    _fields_ = [("base", pointer), ("length", size)]


class Message(ctypes.Structure):
    _fields_ = [("name", pointer), ("name_length", ctypes.c_uint32), ("vectors", pointer), ("count", size),
                ("control", pointer), ("control_length", size), ("flags", ctypes.c_int)]


while not os.path.exists(GATE):
    time.sleep(0.005)
sink = socket.create_connection(("127.0.0.1", int(SINK_PORT)))
fd = sink.fileno()
results, moved = [], {"sent": 0, "received": 0}


def call(way, name, *arguments):
    ctypes.set_errno(0)
    result = getattr(libc, name)(fd, *arguments)
    results.append([name, result, ctypes.get_errno() if result < 0 else 0])
    moved[way] += max(result, 0)


# Two pages, of which the second is not to be read or written.
pages = libc.mmap(None, size(2 * PAGE), 3, 0x22, -1, 0)
assert libc.mprotect(pointer(pages + PAGE), size(PAGE), 0) == 0
ctypes.memset(pages, ord("x"), PAGE)
edge = pages + PAGE - 100

# So that there is something to receive.
sink.recv(1, socket.MSG_PEEK)
for address in WILD + [edge]:
    for length in [200, PAGE, 1 << 31, (1 << 63) - 1]:
        call("sent", "send", pointer(address), size(length), 0)
        call("sent", "write", pointer(address), size(length))
    call("received", "recv", pointer(address), size(200), 0x40)
    for flags in [0, 2]:
        message = Message(None, 0, address, 3, None, 0, 0)
        call("sent", "sendmsg", pointer(address), flags)
        call("sent", "sendmsg", ctypes.byref(message), 0)
        call("received", "recvmsg", pointer(address), 0x40)
    call("sent", "writev", pointer(address), 3)
    call("sent", "sendmmsg", pointer(address), 4, 0)
good = ctypes.create_string_buffer(b"good", 4)
for address in WILD + [edge]:
    vectors = (Vector * 3)((ctypes.addressof(good), 4), (address, 300), (ctypes.addressof(good), 4))
    call("sent", "writev", vectors, 3)
    call("sent", "writev", vectors, -1)
    call("sent", "writev", vectors, 1 << 20)
    message = Message(None, 0, ctypes.addressof(vectors), 3, None, 0, 0)
    call("sent", "sendmsg", ctypes.byref(message), 0)
    message.count = 1 << 40
    call("sent", "sendmsg", ctypes.byref(message), 0)
sink.close()

server = socket.create_connection(("127.0.0.1", int(SERVER_PORT)))
with open(ORDER, "rb") as file:
    order = file.read()
server.sendall(order)
moved["sent"] += len(order)
moved["received"] += len(server.recv(65536))
server.close()
with open(OUT + ".new", "w") as file:
    json.dump({"results": results, **moved}, file)
os.rename(OUT + ".new", OUT)
