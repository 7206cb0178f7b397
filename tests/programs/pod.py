"""One end of a conversation between two pods, over TCP or UDP.

pod.py serve PORT ANSWER_FILE      answers each request with an HTTP response whose body is that file
pod.py ask IP PORT GATES BODY_FILE asks for each file of the folder GATES that appears, once, and posts that body; ends
                                   when the file `end` appears
pod.py serve_udp, ask_udp          the same with datagrams: what is asked for is a field of the body

With POD_PEM, a file with certificate and key, TCP is spoken with TLS. With POD_LOG, a file, the server writes a line to
it for each request: what was asked for, and the address that the client has for it.
"""
import json
import os
import socket
import ssl
import sys
import time

PEM, LOG = os.environ.get("POD_PEM"), os.environ.get("POD_LOG")


def log(path, peer):
    if LOG:
        with open(LOG, "a") as file:
            file.write("%s %s %d\n" % (path, peer[0].removeprefix("::ffff:"), peer[1]))


def read(file):
    with open(file, "rb") as file:
        return file.read()


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


def answer_all(stream, peer, answer):
    while request := head(stream):
        log(request.split(b" ")[1].decode().lstrip("/"), peer)
        body = read(answer)
        lines = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        stream.sendall(lines + body)
    stream.close()


def serve(port, answer):
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    context = None
    if PEM:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
    while True:
        stream, peer = listener.accept()
        try:
            answer_all(context.wrap_socket(stream, server_side=True) if context else stream, peer, answer)
        except OSError as error:
            # The client has gone without a word.
            print(error, file=sys.stderr)


def gates_of(gates):
    asked = set()
    while "end" not in asked:
        for gate in sorted(os.listdir(gates)):
            if gate not in asked:
                asked.add(gate)
                if gate != "end":
                    yield gate
        time.sleep(0.01)


def ask(ip, port, gates, body):
    for gate in gates_of(gates):
        data = read(body)
        stream = socket.create_connection((ip, int(port)), timeout=20)
        if PEM:
            stream = ssl._create_unverified_context().wrap_socket(stream)
        with stream:
            lines = b"POST /%s HTTP/1.1\r\nHost: till.shop.svc\r\nContent-Type: application/json\r\n" % gate.encode()
            stream.sendall(lines + b"Content-Length: %d\r\n\r\n" % len(data) + data)
            if head(stream) is None:
                sys.exit("pod.py: no answer")


def serve_udp(port, answer):
    stream = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    stream.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    stream.bind(("::", int(port)))
    while True:
        data, peer = stream.recvfrom(65536)
        log(json.loads(data)["gate"], peer)
        stream.sendto(read(answer), peer)


def ask_udp(ip, port, gates, body):
    for gate in gates_of(gates):
        # Each with a port of its own, as a resolver does.
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as stream:
            stream.settimeout(20)
            stream.connect((ip, int(port)))
            stream.send(b'{"gate":"%s",' % gate.encode() + read(body)[1:])
            stream.recv(65536)


{"serve": serve, "ask": ask, "serve_udp": serve_udp, "ask_udp": ask_udp}[sys.argv[1]](*sys.argv[2:])
