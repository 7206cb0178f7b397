"""A client of curl_cffi, whose libcurl has BoringSSL inside: posts the bytes of one file.

curl_cffi_client.py PORT GATE BODY

Says "ready" once the library is mapped, and waits for the file GATE.
"""
import os
import sys
import time

from curl_cffi import requests
from curl_cffi.const import CurlHttpVersion

PORT, GATE, BODY = sys.argv[1:4]
print("ready", flush=True)
while not os.path.exists(GATE):
    time.sleep(0.005)
with open(BODY, "rb") as file:
    body = file.read()
headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
answer = requests.post(
    f"https://127.0.0.1:{PORT}/v1/orders",
    data=body,
    headers=headers,
    verify=False,
    http_version=CurlHttpVersion.V1_1,
    timeout=60,
)
assert answer.status_code == 200, answer.status_code
