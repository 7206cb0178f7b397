"""A client that uses the OpenSSL inside the wheel of cryptography, without a socket: both ends are in one process.

openssl_peer.py LIBRARY GATE BODY COUNTS

LIBRARY is the wheel's shared object, or a stripped copy. Says "ready" once it is mapped, waits for the file GATE, sends
BODY from one end to the other through memory, and writes what the library took and gave to COUNTS.
"""
import importlib.util
import json
import os
import sys
import time

LIBRARY, GATE, BODY, COUNTS = sys.argv[1:5]
spec = importlib.util.spec_from_file_location("cryptography.hazmat.bindings._rust", LIBRARY)
rust = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = rust
spec.loader.exec_module(rust)
ffi, lib = rust._openssl.ffi, rust._openssl.lib
print("ready", flush=True)
while not os.path.exists(GATE):
    time.sleep(0.005)
with open(BODY, "rb") as file:
    body = file.read()


def end(context, server):
    ssl = lib.SSL_new(context)
    into, out = lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
    lib.SSL_set_bio(ssl, into, out)
    (lib.SSL_set_accept_state if server else lib.SSL_set_connect_state)(ssl)
    return ssl, into, out


def pump(source, target):
    buffer = ffi.new("char[]", 16384)
    while (count := lib.BIO_read(source, buffer, 16384)) > 0:
        assert lib.BIO_write(target, buffer, count) == count


pem = sys.argv[5].encode()
server_context = lib.SSL_CTX_new(lib.TLS_method())
assert lib.SSL_CTX_use_certificate_file(server_context, pem, lib.SSL_FILETYPE_PEM) == 1
assert lib.SSL_CTX_use_PrivateKey_file(server_context, pem, lib.SSL_FILETYPE_PEM) == 1
client, client_in, client_out = end(lib.SSL_CTX_new(lib.TLS_method()), False)
server, server_in, server_out = end(server_context, True)
for _ in range(8):
    lib.SSL_do_handshake(client)
    pump(client_out, server_in)
    lib.SSL_do_handshake(server)
    pump(server_out, client_in)
assert lib.SSL_write(client, body, len(body)) == len(body)
pump(client_out, server_in)
buffer = ffi.new("char[]", len(body))
received = lib.SSL_read(server, buffer, len(body))
assert ffi.buffer(buffer, received)[:] == body
with open(COUNTS, "w") as file:
    json.dump({"sent": len(body), "received": received}, file)
