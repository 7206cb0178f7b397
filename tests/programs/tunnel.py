"""A proxy for a whole node: its sockets are in the network of a pod, and itself is elsewhere.

tunnel.py NAMESPACE PORT IP UPSTREAM   passes on what comes to PORT of the namespace to port UPSTREAM of IP, from there
"""
import ctypes
import os
import select
import socket
import sys

namespace, port, ip, upstream = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
own = os.open("/proc/self/ns/net", os.O_RDONLY)
pod = os.open(namespace, os.O_RDONLY)


def enter(network):
    if libc.setns(network, 0) != 0:
        sys.exit("tunnel.py: setns: %s" % os.strerror(ctypes.get_errno()))


def within_pod(make):
    enter(pod)
    try:
        return make()
    finally:
        enter(own)


listener = within_pod(lambda: socket.create_server(("127.0.0.1", int(port))))
print("listening", flush=True)
while True:
    client, _ = listener.accept()
    server = within_pod(lambda: socket.create_connection((ip, int(upstream)), timeout=20))
    other = {client: server, server: client}
    is_open = True
    while is_open:
        for one in select.select([client, server], [], [])[0]:
            data = one.recv(65536)
            other[one].sendall(data)
            is_open = is_open and bool(data)
    client.close()
    server.close()
