"""A name server that knows one name.

names.py IP NAME ADDRESS   answers questions for NAME at IP, port 53: it is an alias of edge.NAME, which has ADDRESS
"""
import socket
import struct
import sys

ip, name, address = sys.argv[1:]


def labels(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(owner, kind, data):
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind((ip, 53))
while True:
    datagram, client = listener.recvfrom(4096)
    question = datagram[12:datagram.index(b"\0", 12) + 5]
    is_known = question[:-4].lower() == labels(name)
    is_for_ipv4 = question[-4:-2] == b"\0\1"
    answers = []
    if is_known:
        answers.append(record(b"\xc0\x0c", 5, labels("edge." + name)))
        if is_for_ipv4:
            answers.append(record(labels("edge." + name), 1, socket.inet_aton(address)))
    flags = 0x8180 if is_known else 0x8183
    head = datagram[:2] + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0)
    listener.sendto(head + question + b"".join(answers), client)
