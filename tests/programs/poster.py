"""Posts raw HTTP/1.1 requests over one connection, as it is told.

poster.py PORT [tls]

For each path on standard input, a line each: sends the bytes of that file, reads an answer and prints its status. Where
the server closed the connection, "closed" is printed, and the next one goes over another connection.
"""
import socket
import ssl
import sys

PORT = int(sys.argv[1])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def connect():
    stream = socket.create_connection(("127.0.0.1", PORT))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(stream, server_hostname="localhost") if "tls" in sys.argv else stream


def post(stream, message):
    stream.sendall(message)
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = stream.recv(65536)
        if not data:
            raise EOFError
        answer += data
    head, rest = answer.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
    while len(rest) < length:
        data = stream.recv(65536)
        if not data:
            raise EOFError
        rest += data
    return lines[0].split(" ")[1]


stream = None
for path in sys.stdin:
    with open(path.rstrip("\n"), "rb") as file:
        message = file.read()
    try:
        stream = stream or connect()
        print(post(stream, message), flush=True)
    except (EOFError, OSError):
        stream = None
        print("closed", flush=True)
