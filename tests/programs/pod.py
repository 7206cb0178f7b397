"""One end of a conversation between two pods, over plain TCP.

pod.py serve PORT ANSWER_FILE      answers each request with an HTTP response whose body is that file
pod.py ask IP PORT GATES BODY_FILE asks for each file of the folder GATES that appears, once, and posts that body; ends
                                   when the file `end` appears
"""
import os
import socket
import sys
import time


def head(stream):
    data = b""
    while b"\r\n\r\n" not in data:
        more = stream.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += stream.recv(65536)
    return head


def serve(port, answer):
    listener = socket.create_server(("0.0.0.0", int(port)))
    while True:
        stream, _ = listener.accept()
        while head(stream):
            with open(answer, "rb") as file:
                body = file.read()
            lines = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            stream.sendall(lines + body)
        stream.close()


def ask(ip, port, gates, body):
    asked = set()
    while "end" not in asked:
        for gate in sorted(os.listdir(gates)):
            if gate in asked:
                continue
            asked.add(gate)
            with open(body, "rb") as file:
                data = file.read()
            with socket.create_connection((ip, int(port)), timeout=20) as stream:
                lines = b"POST /%s HTTP/1.1\r\nHost: till.shop.svc\r\nContent-Type: application/json\r\n" % gate.encode()
                stream.sendall(lines + b"Content-Length: %d\r\n\r\n" % len(data) + data)
                if head(stream) is None:
                    sys.exit("pod.py: no answer")
        time.sleep(0.01)


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
