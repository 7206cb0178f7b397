"""Receives findings as OpenTelemetry's log records or as signed webhooks, and does to their senders what receivers do.

    receiver.py otlp PORT FOLDER NAME
    receiver.py webhook PORT FOLDER NAME SECRET

What it takes is in FOLDER/NAME.jsonl, one finding a line; every body that it ever got, whatever it answered, in
FOLDER/NAME.raw. FOLDER/NAME.does says what it does with a request; it is read for each:

    ok                  takes it
    status N [SECONDS]  answers N, with Retry-After
    hang                does not answer as long as it says so
    forget              takes it and closes the connection without an answer
    refuse WORD         answers 400 where WORD is in the body, and takes the rest
    token WORD          answers 401 without `authorization: Bearer WORD`
"""
import gzip
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from standardwebhooks import Webhook

KIND, PORT, BASE = sys.argv[1], int(sys.argv[2]), os.path.join(*sys.argv[3:5])
VERIFIER = Webhook(sys.argv[5]) if KIND == "webhook" else None
WRITING = threading.Lock()


def does():
    try:
        with open(BASE + ".does") as file:
            return file.read().split()
    except FileNotFoundError:
        return ["ok"]


def append(name, data):
    with WRITING, open(name, "ab") as file:
        file.write(data)


def plain(value):
    """A value of an attribute, without its type around it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(inner) for inner in value.array_value.values]
    return getattr(value, kind)


def attributes(of):
    return {attribute.key: plain(attribute.value) for attribute in of.attributes}


def records(body):
    request = ExportLogsServiceRequest()
    request.ParseFromString(body)
    for of_resource in request.resource_logs:
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                yield {
                    "resource": attributes(of_resource.resource),
                    "scope": MessageToDict(of_scope.scope),
                    "attributes": attributes(record),
                    "severity": record.severity_number,
                    "time": record.time_unix_nano,
                    "event": record.event_name,
                    "body": record.body.string_value,
                }


def webhooks(body, headers):
    # Raises what it finds wrong.
    message = VERIFIER.verify(body.decode(), {name.lower(): value for name, value in headers.items()})
    assert message["type"] == "auditor.findings"
    for finding in message["data"]:
        yield {"message": headers["webhook-id"], "body": json.dumps(finding)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", more=()):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in more:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def take(self, body):
        try:
            found = list(webhooks(body, self.headers) if VERIFIER else records(body))
        except Exception as error:
            append(BASE + ".wrong", f"{type(error).__name__}: {error}\n".encode())
            return self.answer(401)
        append(BASE + ".jsonl", b"".join(json.dumps(record).encode() + b"\n" for record in found))
        return None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        append(BASE + ".raw", body)
        doing = does()
        append(BASE + ".did", " ".join(doing).encode() + b"\n")
        match doing:
            case ["status", status, *seconds]:
                return self.answer(int(status), more=[("Retry-After", second) for second in seconds])
            case ["hang"]:
                while does() == ["hang"]:
                    time.sleep(0.05)
                self.close_connection = True
                return None
            case ["refuse", word] if word.encode() in body:
                return self.answer(400)
            case ["token", word] if self.headers.get("authorization") != f"Bearer {word}":
                return self.answer(401)
        if self.take(body) is None and doing != ["forget"]:
            return self.answer(200, b"" if VERIFIER else ExportLogsServiceResponse().SerializeToString())
        self.close_connection = True
        return None


def forget_half_a_line():
    """What was not written whole when the last one was killed was not answered either."""
    if os.path.exists(BASE + ".jsonl"):
        with open(BASE + ".jsonl", "r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


forget_half_a_line()
Server(("127.0.0.1", PORT), Handler).serve_forever()
