"""A server of grpcio, and a client of it in the same process: gRPC over TLS, one call.

grpc_peer.py PEM GATE BODY

Says "ready" once the library is mapped, waits for the file GATE, sends the bytes of BODY, gets them back and says
"done".
"""
import concurrent.futures
import os
import sys
import time

import grpc

PEM, GATE, BODY = sys.argv[1:4]
with open(PEM, "rb") as file:
    pem = file.read()
key, certificate = pem[: pem.index(b"-----BEGIN CERT")], pem[pem.index(b"-----BEGIN CERT") :]


def echo(request, _context):
    return request


handler = grpc.unary_unary_rpc_method_handler(echo)
server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Orders", {"Place": handler})])
port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
server.start()
print("ready", flush=True)
while not os.path.exists(GATE):
    time.sleep(0.005)
with open(BODY, "rb") as file:
    body = file.read()
options = [("grpc.ssl_target_name_override", "localhost")]
with grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(certificate), options) as channel:
    assert channel.unary_unary("/shop.Orders/Place")(body, timeout=60) == body
server.stop(5).wait()
print("done", flush=True)
