"""A service that exports spans and logs with OpenTelemetry's SDK over OTLP, or a receiver of them.

telemetry.py server PORT_FILE SCRIPT http|grpc
telemetry.py client PORT GATE SCRIPT http|grpc [gzip]

The receiver parses what it gets with the published messages, and fails unless the attributes of the script are in it. The
service waits for the file GATE.
"""
import concurrent.futures
import gzip
import http.server
import json
import os
import signal
import sys
import time

role, first, second, *rest = sys.argv[1:]
if role == "client":
    gate, (script, *rest) = second, rest
else:
    script = second
transport = rest[0]
with open(script) as file:
    wanted = json.load(file)


def fail(why):
    print(why, file=sys.stderr, flush=True)
    os._exit(1)


def tell(port):
    with open(first + ".new", "w") as file:
        file.write(str(port))
    os.rename(first + ".new", first)


def judge_spans(request):
    spans = [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
    for span, expected in zip(spans, wanted["spans"], strict=True):
        seen = {attribute.key: attribute.value.string_value for attribute in span.attributes}
        if seen != expected["attributes"]:
            fail("a span has other attributes")


def judge_logs(request):
    records = [record for one in request.resource_logs for scope in one.scope_logs for record in scope.log_records]
    if [record.body.string_value for record in records] != wanted["logs"]:
        fail("other logs came")


def serve():
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    signals = {
        "/v1/traces": (trace_service_pb2.ExportTraceServiceRequest, trace_service_pb2.ExportTraceServiceResponse, judge_spans),
        "/v1/logs": (logs_service_pb2.ExportLogsServiceRequest, logs_service_pb2.ExportLogsServiceResponse, judge_logs),
    }
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if transport == "grpc":
        return serve_grpc()

    class Receiver(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            request, response, judge = signals[self.path]
            judge(request.FromString(body))
            answer = response().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    tell(server.server_address[1])
    server.serve_forever()


def serve_grpc():
    import grpc
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request, context):
            judge_spans(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    class Logs(logs_service_pb2_grpc.LogsServiceServicer):
        def Export(self, request, context):
            judge_logs(request)
            return logs_service_pb2.ExportLogsServiceResponse()

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tell(port)
    server.wait_for_termination()


def exporters():
    compress = "gzip" in rest
    if transport == "http":
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        compression = Compression.Gzip if compress else Compression.NoCompression
        base = f"http://127.0.0.1:{first}/v1"
        return (
            OTLPSpanExporter(endpoint=f"{base}/traces", compression=compression),
            OTLPLogExporter(endpoint=f"{base}/logs", compression=compression),
        )
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    compression = grpc.Compression.Gzip if compress else grpc.Compression.NoCompression
    more = {"endpoint": f"http://127.0.0.1:{first}", "insecure": True, "compression": compression}
    return OTLPSpanExporter(**more), OTLPLogExporter(**more)


def export():
    import logging

    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    spans, logs = exporters()
    tracing, logging_ = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=600_000))
    logging_.add_log_record_processor(BatchLogRecordProcessor(logs, schedule_delay_millis=600_000))
    while not os.path.exists(gate):
        time.sleep(0.005)
    tracer = tracing.get_tracer("shop")
    for span in wanted["spans"]:
        with tracer.start_as_current_span(span["name"], attributes=span["attributes"]):
            pass
    logger = logging.getLogger("shop")
    logger.propagate = False
    logger.addHandler(LoggingHandler(logger_provider=logging_))
    for record in wanted["logs"]:
        logger.warning(record)
    if not (tracing.force_flush(30_000) and logging_.force_flush(30_000)):
        fail("something was not exported")
    print("done", flush=True)
    os._exit(0)


signal.alarm(100)
{"server": serve, "client": export}[role]()
