"""The order of client.py over a TLS library that works on memory: memory_client.py PORT"""
import socket
import ssl
import sys

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing)


def until_done(step, *arguments):
    while True:
        try:
            done = step(*arguments)
            connection.sendall(outgoing.read())
            return done
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))


until_done(tls.do_handshake)
card = "54479158" + "20360245"
body = '{"customer":{"card":{"number":"' + card + '"}}}'
head = f"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
until_done(tls.write, (head + "\r\n\r\n" + body).encode())
answer = until_done(tls.read, 65536)
sys.exit(0 if b" 200 " in answer else 1)
