"""Many TLS connections at once on one asyncio event loop, each with values of its own.

storm.py server PORT_FILE VALUES PEM
storm.py client PORT GATE VALUES PORTS

VALUES is a JSON list of {"marker": …, "request": …, "response": …}. The client waits for the file GATE, opens a connection
for each entry, all at once, and on each posts {MARKER: {"card_number": REQUEST}} twice; the server answers with
{MARKER: {"card_number": RESPONSE}}. At the end the client writes {MARKER: its own port} to PORTS.
"""
import asyncio
import json
import os
import ssl
import sys


def write_whole(path, text):
    """Whoever waits for the file finds it complete."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def body(marker, value):
    return json.dumps({marker: {"card_number": value}}).encode()


async def message(reader):
    """Head and body of a message with a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return await reader.readexactly(int(line.split(b":")[1]))
    return b""


async def serve(port_file, values, pem):
    responses = {entry["marker"]: entry["response"] for entry in values}

    async def answer(reader, writer):
        try:
            while True:
                marker = next(iter(json.loads(await message(reader))))
                content = body(marker, responses[marker])
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
                writer.write(head.encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context, backlog=1024)
    write_whole(port_file, str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


async def connect(port, gate, values, ports_file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    while not os.path.exists(gate):
        await asyncio.sleep(0.005)
    ports = {}
    all_connected = asyncio.Event()

    async def one(entry):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        ports[entry["marker"]] = writer.get_extra_info("sockname")[1]
        if len(ports) == len(values):
            all_connected.set()
        await all_connected.wait()
        content = body(entry["marker"], entry["request"])
        head = (
            "POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        for _ in range(2):
            writer.write(head.encode() + content)
            await writer.drain()
            await message(reader)
        writer.close()

    await asyncio.gather(*(one(entry) for entry in values))
    write_whole(ports_file, json.dumps(ports))


role, *words = sys.argv[1:]
with open(words[1] if role == "server" else words[2]) as file:
    entries = json.load(file)
if role == "server":
    asyncio.run(serve(words[0], entries, words[2]))
else:
    asyncio.run(connect(int(words[0]), words[1], entries, words[3]))
