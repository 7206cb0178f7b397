"""Two ends of sockets that are not TCP, which count their own bytes.

messages.py receive KIND WAY PLACE COUNTS NUMBER     binds, writes its address to the file PLACE, receives NUMBER messages
                                                     (a stream: as many bytes as sent), answers each with the same bytes
                                                     when WAY ends in "+answer"
messages.py send KIND WAY PLACE COUNTS GATE FILE…    waits for GATE, sends each file as one message

KIND: udp4, udp6, mapped (an IPv6 socket and IPv4 addresses), unix_stream, unix_datagram, unix_packet, abstract (a
stream by a name without a file). WAY of sending: sendto, connected, sendmsg, sendmmsg; of receiving: recvfrom, recvmsg,
recvmmsg, recvmmsg_one (MSG_WAITFORONE), connected.
"""
import ctypes
import json
import os
import signal
import socket
import sys
import time

ROLE, KIND, WAY, PLACE, COUNTS = sys.argv[1:6]
FAMILIES = {"udp4": socket.AF_INET, "udp6": socket.AF_INET6, "mapped": socket.AF_INET6}
TYPES = {"unix_stream": socket.SOCK_STREAM, "abstract": socket.SOCK_STREAM, "unix_packet": socket.SOCK_SEQPACKET}
HOSTS = {"udp4": "127.0.0.1", "udp6": "::1", "mapped": "::ffff:127.0.0.1"}
LIMIT = 70000
WAITFORONE = 0x10000
counts = {"sent": 0, "received": 0}
kept = []


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Header(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.POINTER(Vector)),
                ("number", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Entry(ctypes.Structure):
    _fields_ = [("header", Header), ("length", ctypes.c_uint)]


libc = ctypes.CDLL(None, use_errno=True)


class Batch:
    """An array of messages in two buffers each, that stays where it is from call to call."""

    def __init__(self, number, length):
        self.buffers = [ctypes.create_string_buffer(length) for _ in range(number)]
        self.vectors = (Vector * (2 * number))()
        self.entries = (Entry * number)()
        self.length = length
        for index in range(number):
            self.entries[index].header.vectors = ctypes.pointer(self.vectors[2 * index])
            self.entries[index].header.number = 2
            self.lay(index, length)

    def lay(self, index, length):
        base = ctypes.addressof(self.buffers[index])
        half = length // 2
        self.vectors[2 * index] = Vector(base, half)
        self.vectors[2 * index + 1] = Vector(base + half, length - half)

    def send(self, fd, messages):
        for index, message in enumerate(messages):
            ctypes.memmove(self.buffers[index], message, len(message))
            self.lay(index, len(message))
        done = libc.sendmmsg(fd, self.entries, len(messages), 0)
        return [self.entries[index].length for index in range(max(done, 0))]

    def receive(self, fd, number, flags):
        done = libc.recvmmsg(fd, self.entries, number, flags, None)
        if done < 0:
            raise OSError(ctypes.get_errno(), "recvmmsg")
        return [self.buffers[index].raw[:self.entries[index].length] for index in range(done)]


def write_whole(path, text):
    """Whoever waits for the file finds it complete."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def keep(end):
    """It stays open to the end of the program."""
    kept.append(end)
    return end


def make():
    if KIND in FAMILIES:
        return socket.socket(FAMILIES[KIND], socket.SOCK_DGRAM)
    return socket.socket(socket.AF_UNIX, TYPES.get(KIND, socket.SOCK_DGRAM))


def bind(end):
    if KIND in FAMILIES:
        end.bind((HOSTS[KIND] if KIND != "mapped" else "::", 0))
        write_whole(PLACE, str(end.getsockname()[1]))
    else:
        name = "\0" + PLACE if KIND == "abstract" else PLACE + ".socket"
        end.bind(name)
        if KIND != "unix_datagram":
            end.listen(4)
        write_whole(PLACE, name.replace("\0", "@"))


def address():
    with open(PLACE) as file:
        text = file.read()
    if KIND in FAMILIES:
        return HOSTS[KIND], int(text)
    return text.replace("@", "\0", 1) if text.startswith("@") else text


def receive():
    number = int(sys.argv[6])
    end = keep(make())
    bind(end)
    if KIND in ("unix_stream", "abstract", "unix_packet"):
        end = keep(end.accept()[0])
    way, _, answer = WAY.partition("+")
    batch = Batch(8, LIMIT) if way.startswith("recvmmsg") else None
    seen = 0
    while seen < number:
        peer = None
        if way == "recvmsg":
            data, _, _, peer = end.recvmsg(LIMIT)
            messages = [data]
        elif batch:
            messages = batch.receive(end.fileno(), min(8, number - seen), WAITFORONE if way == "recvmmsg_one" else 0)
        else:
            data, peer = end.recvfrom(LIMIT)
            messages = [data]
            if way == "connected" and not seen and peer:
                end.connect(peer)
        if messages == [b""]:
            break
        for data in messages:
            counts["received"] += len(data)
            if answer:
                sent = end.sendto(data, peer) if peer and way != "connected" else end.send(data)
                counts["sent"] += sent
        seen += len(messages)


def send():
    gate, files = sys.argv[6], sys.argv[7:]
    messages = []
    for name in files:
        with open(name, "rb") as file:
            messages.append(file.read())
    while not os.path.exists(gate):
        time.sleep(0.005)
    end = keep(make())
    way, _, answer = WAY.partition("+")
    if way != "sendto" and not (way == "sendmsg" and KIND in FAMILIES):
        end.connect(address())
    if way == "sendmmsg":
        batch = Batch(8, max(map(len, messages)))
        for start in range(0, len(messages), 8):
            counts["sent"] += sum(batch.send(end.fileno(), messages[start:start + 8]))
            time.sleep(0.02)
    for data in messages if way != "sendmmsg" else []:
        if way == "sendto":
            counts["sent"] += end.sendto(data, address())
        elif way == "sendmsg":
            half = len(data) // 2
            to = [address()] if KIND in FAMILIES else []
            counts["sent"] += end.sendmsg([data[:half], data[half:]], [], 0, *to)
        elif TYPES.get(KIND) == socket.SOCK_STREAM:
            end.sendall(data)
            counts["sent"] += len(data)
        else:
            counts["sent"] += end.send(data)
        if answer:
            left = len(data)
            while left > 0:
                got = len(end.recv(LIMIT))
                counts["received"] += got
                left = left - got if TYPES.get(KIND) == socket.SOCK_STREAM else 0


if ROLE == "receive":
    receive()
else:
    send()
write_whole(COUNTS, json.dumps(counts))
# A server lives on: who it is can be looked up.
while True:
    signal.pause()
