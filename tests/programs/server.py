"""An HTTP/1.1 server over TLS or plain TCP that counts its own bytes.

server.py PORT_FILE COUNTS_FILE ANSWERS_FOLDER [PEM]

Listens on a free port of 127.0.0.1 and writes it to PORT_FILE. A request for /NAME is answered with the raw bytes of
ANSWERS_FOLDER/NAME, if there is such a file; with ANSWERS_FOLDER/NAME.sendfile the file is sent as a body by sendfile;
/silent is never answered, only read; /wait/NAME waits for that file, and makes NAME.asked before. All else gets a short
JSON. On SIGTERM the bytes sent and received are written to COUNTS_FILE.
"""
import json
import os
import signal
import socket
import ssl
import sys
import threading
import time

PORT_FILE, COUNTS_FILE, ANSWERS = sys.argv[1:4]
PEM = sys.argv[4] if len(sys.argv) > 4 else None
ACCEPTED = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{"status":"accepted"}'
counts = {"sent": 0, "received": 0}
lock = threading.Lock()
threads = []


def write_whole(path, text):
    """Whoever waits for the file finds it complete."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def wait_for(path):
    write_whole(path + ".asked", "")
    while not os.path.exists(path):
        time.sleep(0.005)


class Connection:
    def __init__(self, stream):
        self.stream = stream
        self.buffer = bytearray()

    def fill(self):
        data = self.stream.recv(65536)
        with lock:
            counts["received"] += len(data)
        self.buffer += data
        if not data:
            raise EOFError

    def line_end(self, mark):
        while True:
            at = self.buffer.find(mark)
            if at >= 0:
                return at + len(mark)
            self.fill()

    def take(self, count):
        """Drops `count` bytes without keeping them all."""
        while count > len(self.buffer):
            count -= len(self.buffer)
            self.buffer.clear()
            self.fill()
        del self.buffer[:count]

    def head(self):
        end = self.line_end(b"\r\n\r\n")
        head = self.buffer[:end].decode("latin-1")
        del self.buffer[:end]
        return head

    def drop_body(self, head):
        headers = dict(line.lower().split(":", 1) for line in head.split("\r\n")[1:] if ":" in line)
        if "chunked" in headers.get("transfer-encoding", ""):
            size = None
            while size != 0:
                end = self.line_end(b"\r\n")
                size = int(self.buffer[:end], 16)
                self.take(end + size + 2)
        else:
            self.take(int(headers.get("content-length", 0)))

    def send(self, data):
        self.stream.sendall(data)
        with lock:
            counts["sent"] += len(data)

    def answer(self, name):
        if name == "silent":
            return
        path = os.path.join(ANSWERS, name)
        if os.path.isfile(path + ".sendfile"):
            length = os.path.getsize(path + ".sendfile")
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
            self.send(head.encode())
            with open(path + ".sendfile", "rb") as file:
                sent = 0
                while sent < length:
                    sent += os.sendfile(self.stream.fileno(), file.fileno(), sent, length - sent)
            with lock:
                counts["sent"] += sent
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                self.send(file.read())
        else:
            self.send(ACCEPTED)

    def serve(self):
        while True:
            head = self.head()
            self.drop_body(head)
            path = head.split(" ", 2)[1].split("?")[0]
            if path.startswith("/wait/"):
                wait_for(os.path.join(ANSWERS, os.path.basename(path)))
            self.answer(os.path.basename(path))


def serve(stream):
    try:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if PEM:
            stream = context.wrap_socket(stream, server_side=True)
        Connection(stream).serve()
    except (EOFError, OSError, ValueError):
        pass
    finally:
        stream.close()


def finish(*_):
    for thread in list(threads):
        thread.join(timeout=2)
    write_whole(COUNTS_FILE, json.dumps(counts))
    os._exit(0)


# The library is mapped by the import, with and without PEM.
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
if PEM:
    context.load_cert_chain(PEM)
signal.signal(signal.SIGTERM, finish)
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
write_whole(PORT_FILE, str(listener.getsockname()[1]))
while True:
    stream, _ = listener.accept()
    thread = threading.Thread(target=serve, args=(stream,), daemon=True)
    threads.append(thread)
    thread.start()
