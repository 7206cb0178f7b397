"""The demo's shop: takes orders, and hands out a customer with an e-mail address: app.py PORT_FILE"""
import http.server
import json
import os
import random
import string
import sys


def letters(count):
    return "".join(random.SystemRandom().choices(string.ascii_lowercase, k=count))


CUSTOMER = {"id": 17, "email": f"{letters(6)}.{letters(7)}@{letters(9)}.net", "since": "2021-04-01"}


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"status": "accepted"})

    def do_GET(self):
        self.answer(CUSTOMER)

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
# Renamed into place, so that whoever waits for the file reads a whole number.
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
