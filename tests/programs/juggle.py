"""TLS objects that work on memory, whose records are sent in ways that leave open whose they are.

juggle.py PORT OTHER_PORT GATE MESSAGE MODE

MODE "batched": two connections to PORT both encrypt MESSAGE before the records of either are sent. MODE "moved": one
connection sends MESSAGE, then encrypts it again and sends those records to OTHER_PORT instead, and then once more.
"""
import os
import socket
import ssl
import sys
import time

port, other_port, gate, path, mode = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
with open(path, "rb") as file:
    message = file.read()


class Connection:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", int(port)))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.socket.recv(65536))
        self.flush()

    def flush(self, to=None):
        (to or self.socket).sendall(self.outgoing.read())


while not os.path.exists(gate):
    time.sleep(0.005)
if mode == "batched":
    connections = [Connection(), Connection()]
    for connection in connections:
        connection.tls.write(message)
    for connection in connections:
        connection.flush()
else:
    connection = Connection()
    other = socket.create_connection(("127.0.0.1", int(other_port)))
    for to in None, other, None:
        connection.tls.write(message)
        connection.flush(to)
