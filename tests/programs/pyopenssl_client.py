"""A client of an old pyOpenSSL, whose OpenSSL is inside the wheel of cryptography: posts the bytes of one file.

pyopenssl_client.py PACKAGES LIBRARY PORT GATE REQUEST COUNTS

PACKAGES is the folder of both; LIBRARY is the wheel's shared object, or a stripped copy. Says "ready" once it is mapped,
waits for the file GATE, sends REQUEST to 127.0.0.1:PORT, reads the answer, and writes what the library took and gave to
COUNTS.
"""
import importlib.util
import json
import os
import socket
import sys
import time
import warnings

PACKAGES, LIBRARY, PORT, GATE, REQUEST, COUNTS = sys.argv[1:7]
warnings.simplefilter("ignore")
sys.path.insert(0, PACKAGES)
spec = importlib.util.spec_from_file_location("cryptography.hazmat.bindings._openssl", LIBRARY)
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
from OpenSSL import SSL  # noqa: E402

print("ready", flush=True)
while not os.path.exists(GATE):
    time.sleep(0.005)
with open(REQUEST, "rb") as file:
    request = file.read()
connection = SSL.Connection(SSL.Context(SSL.SSLv23_METHOD), socket.create_connection(("127.0.0.1", int(PORT))))
connection.set_connect_state()
connection.do_handshake()
sent = 0
while sent < len(request):
    sent += connection.send(request[sent:])
answer, wanted = b"", None
while wanted is None or len(answer) < wanted:
    answer += connection.recv(65536)
    head, end, _ = answer.partition(b"\r\n\r\n")
    if wanted is None and end:
        fields = [line.split(b":") for line in head.lower().split(b"\r\n")[1:]]
        wanted = len(head) + 4 + next(int(field[1]) for field in fields if field[0] == b"content-length")
connection.shutdown()
connection.close()
with open(COUNTS, "w") as file:
    json.dump({"sent": sent, "received": len(answer)}, file)
