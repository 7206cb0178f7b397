"""Clients in Rust that PyPI has, each with a TLS library inside that has no symbols: posts the bytes of one file.

rust_client.py NAME PORT GATE BODY

Says "ready" once the library is mapped, and waits for the file GATE.
"""
import importlib
import os
import sys
import time

NAME, PORT, GATE, BODY = sys.argv[1:5]
library = importlib.import_module(NAME)
client = {
    "primp": lambda: library.Client(verify=False, timeout=60),
    "rnet": lambda: library.BlockingClient(verify=False, timeout=60),
}[NAME]()
print("ready", flush=True)
while not os.path.exists(GATE):
    time.sleep(0.005)
with open(BODY, "rb") as file:
    body = file.read()
data = {"content" if NAME == "primp" else "body": body}
answer = client.post(
    f"https://127.0.0.1:{PORT}/v1/orders", headers={"Content-Type": "application/json"}, **data
)
status = answer.status_code if NAME == "primp" else answer.status
assert status == 200, status
