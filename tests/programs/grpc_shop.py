"""A server or client of grpcio for the service of shop.proto, that exchanges exactly what a script says.

grpc_shop.py server PORT_FILE SCRIPT DESCRIPTORS [--pem PEM] [--gzip] [--reflect]
grpc_shop.py server PORT_FILE SCRIPT DESCRIPTORS --web
grpc_shop.py client PORT GATE SCRIPT DESCRIPTORS [--pem PEM] [--gzip] [--early SCRIPT] [--reflect]

The client makes the calls of --early first, says "opened", waits for the file GATE, then makes all calls of SCRIPT at
once. With --reflect it asks for the services before, as the server then answers. With --web the
server is one of sonora and speaks gRPC-Web. Whoever meets something else than the
script says fails.
"""
import concurrent.futures
import json
import os
import signal
import sys
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

role, first, second, *rest = sys.argv[1:]
if role == "client":
    gate, (script, descriptors, *rest) = second, rest
else:
    script, (descriptors, *rest) = second, rest


def option(name):
    return rest[rest.index(name) + 1] if name in rest else None


def read(path):
    with open(path) as file:
        return json.load(file)


pool = descriptor_pool.DescriptorPool()
with open(descriptors, "rb") as file:
    for one in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
        pool.AddSerializedFile(one.SerializeToString())
service = pool.FindServiceByName("shop.Orders")
Order, Receipt = (
    message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in ("shop.Order", "shop.Receipt")
)
compression = grpc.Compression.Gzip if "--gzip" in rest else grpc.Compression.NoCompression
pem = option("--pem")
if pem:
    with open(pem, "rb") as file:
        both = file.read()
    key, certificate = both[: both.index(b"-----BEGIN CERT")], both[both.index(b"-----BEGIN CERT") :]
NO_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_metadata_size", 65536)]


def order(message):
    return json_format.ParseDict(message, Order())


def receipt(message):
    return json_format.ParseDict(message, Receipt())


def fail(why):
    print(why, file=sys.stderr, flush=True)
    os._exit(1)


def same(what, seen, expected):
    seen = [(field[0], field[1]) for field in seen or ()]
    for name, value in expected:
        if (name, value) not in seen:
            fail(f"{what}: {name} is not as scripted")


def kind(method):
    sides = [("stream" if streams else "unary") for streams in (method.client_streaming, method.server_streaming)]
    return "_".join(sides)


class Handler:
    """Answers the calls of one method."""

    def __init__(self, method, calls):
        self.method, self.calls = method, calls

    def __call__(self, request, context):
        requests = list(request) if self.method.client_streaming else [request]
        call = next(
            call
            for call in self.calls
            if call["method"] == self.method.name and call["requests"][0]["id"] == requests[0].id
        )
        if requests != [order(message) for message in call["requests"]]:
            fail(f"{self.method.name} was called with other messages")
        same("a call", context.invocation_metadata(), call["metadata"])
        if "--gzip" in rest:
            context.set_compression(compression)
        context.send_initial_metadata(call["initial"])
        context.set_trailing_metadata(call["trailers"])
        if call.get("refusal"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, call["refusal"])
        responses = [receipt(message) for message in call["responses"]]
        return iter(responses) if self.method.server_streaming else responses[0]


def serve():
    calls = read(script) + (read(script + ".early") if os.path.exists(script + ".early") else [])
    handlers = {
        method.name: getattr(grpc, kind(method) + "_rpc_method_handler")(
            Handler(method, calls), request_deserializer=Order.FromString, response_serializer=Receipt.SerializeToString
        )
        for method in service.methods
    }
    handlers = [grpc.method_handlers_generic_handler(service.full_name, handlers)]
    if "--web" in rest:
        serve_web(handlers)
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(16), compression=compression, options=NO_LIMIT
    )
    server.add_generic_rpc_handlers(handlers)
    if "--reflect" in rest:
        from grpc_reflection.v1alpha import reflection

        reflection.enable_server_reflection([service.full_name, reflection.SERVICE_NAME], server, pool)
    if pem:
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    tell(port)
    signal.sigwait({signal.SIGTERM})
    server.stop(2).wait()
    os._exit(0)


def tell(port):
    with open(first + ".new", "w") as file:
        file.write(str(port))
    os.rename(first + ".new", first)


def serve_web(handlers):
    import socketserver
    import threading
    import wsgiref.simple_server

    from sonora.wsgi import grpcWSGI

    class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
        daemon_threads = True

    class Quiet(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, *_):
            pass

    application = grpcWSGI()
    application.add_generic_rpc_handlers(handlers)
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, application, Server, Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell(server.server_port)
    signal.sigwait({signal.SIGTERM})
    os._exit(0)


def make(channel, call):
    try:
        called(channel, call)
    except grpc.RpcError as error:
        if error.details() != call.get("refusal"):
            fail(f"{call['method']} failed: {error.code()}")


def called(channel, call):
    method = service.methods_by_name[call["method"]]
    stub = getattr(channel, kind(method))(
        f"/{service.full_name}/{method.name}", Order.SerializeToString, Receipt.FromString
    )
    messages = [order(message) for message in call["requests"]]
    request = iter(messages) if method.client_streaming else messages[0]
    more = {"metadata": call["metadata"], "timeout": 60, "compression": compression}
    if method.server_streaming:
        running = stub(request, **more)
        answers = list(running)
    elif method.client_streaming:
        running = stub.future(request, **more)
        answers = [running.result()]
    else:
        answer, running = stub.with_call(request, **more)
        answers = [answer]
    if answers != [receipt(message) for message in call["responses"]]:
        fail(f"{method.name} was answered with other messages")
    same("an answer", running.initial_metadata(), call["initial"])
    same("an answer", running.trailing_metadata(), call["trailers"])


def ask_for_services(channel):
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    database = ProtoReflectionDescriptorDatabase(channel)
    if service.full_name not in database.get_services():
        fail("the service is not told of")
    found = descriptor_pool.DescriptorPool(database).FindServiceByName(service.full_name)
    if len(found.methods) != len(service.methods):
        fail("methods are missing")


def talk():
    target = f"localhost:{first}"
    if pem:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(certificate), NO_LIMIT)
    else:
        channel = grpc.insecure_channel(target, NO_LIMIT)
    for call in read(option("--early")) if option("--early") else []:
        make(channel, call)
    print("opened", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.005)
    if "--reflect" in rest:
        ask_for_services(channel)
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        for done in [threads.submit(make, channel, call) for call in read(script)]:
            done.result()
    channel.close()
    print("done", flush=True)


if role == "server":
    # Threads inherit it: only this one is told.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    serve()
else:
    signal.alarm(100)
    talk()
