"""Posts an order whose body the kernel sends out of a file: kernel_client.py PORT FILE sendfile|splice COUNTS

With splice it takes the answer out of the socket the same way, and writes to COUNTS how many bytes that were.
"""
import json
import os
import socket
import sys

port, name, way, counts = int(sys.argv[1]), *sys.argv[2:5]
length = os.path.getsize(name)
with socket.create_connection(("127.0.0.1", port)) as connection, open(name, "rb") as file:
    connection.sendall(
        f"POST /{way} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\nConnection: close\r\n\r\n".encode()
    )
    if way == "sendfile":
        connection.sendfile(file)
    else:
        source, sink = os.pipe()
        while piped := os.splice(file.fileno(), sink, 16384):
            while piped > 0:
                piped -= os.splice(source, connection.fileno(), piped)
    answer = b""
    if way == "sendfile":
        while read := connection.recv(65536):
            answer += read
    else:
        while piped := os.splice(connection.fileno(), sink, 65536):
            answer += os.read(source, piped)
        with open(counts, "w") as file:
            json.dump({"spliced": len(answer)}, file)
sys.exit(0 if answer.startswith(b"HTTP/1.1 200") else 1)
