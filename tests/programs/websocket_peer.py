"""A WebSocket server or client of the package websockets that has exactly the conversations of a script.

websocket_peer.py server PORT_FILE SCRIPT [--deflate] [--pem PEM]
websocket_peer.py client PORT GATE SCRIPT [--deflate] [--pem PEM] [--joined]

Each conversation is a connection of its own, and all are had at once. The client waits for the file GATE first; with
--joined it has opened its connections by then, and exchanged a greeting, and says "opened". Whoever hears something else
than the script says fails.
"""
import asyncio
import json
import os
import signal
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

role, first, second, *rest = sys.argv[1:]
if role == "client":
    gate, (script, *rest) = second, rest
else:
    script = second
compression = "deflate" if "--deflate" in rest else None
pem = rest[rest.index("--pem") + 1] if "--pem" in rest else None
with open(script) as file:
    conversations = json.load(file)


def fail(why):
    print(why, file=sys.stderr, flush=True)
    os._exit(1)


def content(message):
    return message["text"].encode() if message["binary"] else message["text"]


def pieces(whole, count):
    size = -(-len(whole) // count)
    return [whole[at:at + size] for at in range(0, len(whole), size)]


async def talk(connection, messages, me):
    for message in messages:
        whole = content(message)
        if message["by"] == me:
            await connection.send(pieces(whole, message["fragments"]) if message["fragments"] > 1 else whole)
        elif await connection.recv() != whole:
            fail("another message came")


async def answer(connection):
    conversation = next(one for one in conversations if one["path"] == connection.request.path)
    if "--joined" in rest and await connection.recv() == "hello":
        await connection.send("hello")
    await talk(connection, conversation["messages"], "server")
    await connection.wait_closed()


async def have(conversation, opened, go):
    uri = f"{'wss' if pem else 'ws'}://localhost:{first}{conversation['path']}"
    joined = "--joined" in rest
    if not joined:
        await go.wait()
    more = {"compression": compression, "max_size": None, "additional_headers": conversation["headers"], "proxy": None}
    async with connect(uri, ssl=context if pem else None, **more) as connection:
        if joined:
            await connection.send("hello")
            await connection.recv()
            opened.release()
            await go.wait()
        await talk(connection, conversation["messages"], "client")


async def client():
    go, opened = asyncio.Event(), asyncio.Semaphore(0)
    tasks = [asyncio.create_task(have(conversation, opened, go)) for conversation in conversations]
    if "--joined" in rest:
        for _ in tasks:
            await opened.acquire()
    print("opened", flush=True)
    while not os.path.exists(gate):
        await asyncio.sleep(0.005)
    go.set()
    await asyncio.gather(*tasks)
    print("done", flush=True)


async def server():
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with serve(
        answer, "127.0.0.1", 0, compression=compression, max_size=None, ssl=context if pem else None
    ) as serving:
        with open(first + ".new", "w") as file:
            file.write(str(serving.sockets[0].getsockname()[1]))
        os.rename(first + ".new", first)
        await ended.wait()
        os._exit(0)


# The library is mapped by the import, with and without PEM.
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if role == "server" else ssl.PROTOCOL_TLS_CLIENT)
if role == "client":
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
elif pem:
    context.load_cert_chain(pem)
signal.alarm(100)
asyncio.run({"server": server, "client": client}[role]())
