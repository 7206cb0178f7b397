"""A client of awscrt, which has s2n-tls inside: posts the bytes of one file.

awscrt_client.py PACKAGES PORT GATE BODY

PACKAGES is the folder of the package. Says "ready" once the library is mapped, and waits for the file GATE.
"""
import io
import os
import sys
import time

PACKAGES, PORT, GATE, BODY = sys.argv[1:5]
sys.path.insert(0, PACKAGES)
from awscrt import http  # noqa: E402
from awscrt.io import (  # noqa: E402
    ClientBootstrap,
    ClientTlsContext,
    DefaultHostResolver,
    EventLoopGroup,
    SocketOptions,
    TlsContextOptions,
)

print("ready", flush=True)
while not os.path.exists(GATE):
    time.sleep(0.005)
with open(BODY, "rb") as file:
    body = file.read()
group = EventLoopGroup(1)
options = TlsContextOptions()
options.verify_peer = False
connection = http.HttpClientConnection.new(
    host_name="127.0.0.1",
    port=int(PORT),
    bootstrap=ClientBootstrap(group, DefaultHostResolver(group)),
    socket_options=SocketOptions(),
    tls_connection_options=ClientTlsContext(options).new_connection_options(),
).result(60)
headers = http.HttpHeaders(
    [("Host", "localhost"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
)
stream = connection.request(http.HttpRequest("POST", "/v1/orders", headers, io.BytesIO(body)))
stream.activate()
status = stream.completion_future.result(60)
assert status == 200, status
connection.close().result(60)
