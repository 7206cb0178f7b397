"""A TLS client, one thread of which ends in the middle of a TLS call; the next thread gets its id.

ends_inside.py PORT GATE FIRST SECOND

Waits for the file GATE, and sends FIRST over TLS. Then a thread sends it once more and ends while its library writes the
record. The thread that has its id from then on sends SECOND over a connection of its own, whose library works on memory.
Prints whether it got the id.
"""
import ctypes
import os
import socket
import ssl
import sys
import threading
import time

PORT, GATE, FIRST, SECOND = int(sys.argv[1]), *sys.argv[2:]
EXIT = 60
library = ctypes.CDLL(None)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
is_ending = False
ended = 0


def read(path):
    with open(path, "rb") as file:
        return file.read()


def callback(*_):
    global ended
    if is_ending:
        ended = threading.get_native_id()
        # Of this thread alone; the interpreter's lock is let go before the call.
        library.syscall(EXIT, 0)


def connect():
    return socket.create_connection(("127.0.0.1", PORT))


def over_memory(message):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    stream = plain.wrap_bio(incoming, outgoing, server_hostname="localhost")
    real = connect()
    while True:
        try:
            stream.do_handshake()
            break
        except ssl.SSLWantReadError:
            real.sendall(outgoing.read())
            incoming.write(real.recv(65536))
    real.sendall(outgoing.read())
    stream.write(message)
    real.sendall(outgoing.read())
    while True:
        incoming.write(real.recv(65536))
        try:
            stream.read(65536)
            break
        except ssl.SSLWantReadError:
            pass
    real.close()


def another(message, done):
    if threading.get_native_id() == ended:
        over_memory(message)
        done.append(True)


plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
plain.check_hostname = False
plain.verify_mode = ssl.CERT_NONE
context._msg_callback = callback
first, second = read(FIRST), read(SECOND)
while not os.path.exists(GATE):
    time.sleep(0.005)
stream = context.wrap_socket(connect())
stream.sendall(first)
stream.recv(65536)
is_ending = True
threading.Thread(target=stream.sendall, args=(first,), daemon=True).start()
while not ended or os.path.exists(f"/proc/self/task/{ended}"):
    time.sleep(0.005)
is_ending = False
done = []
for _ in range(1000):
    # The kernel gives the id that follows the last one, unless another program was faster.
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(ended - 1))
    thread = threading.Thread(target=another, args=(second, done))
    thread.start()
    thread.join()
    if done:
        break
print("the same id" if done else "another id", flush=True)
# The thread that ended is not known to have.
os._exit(0)
