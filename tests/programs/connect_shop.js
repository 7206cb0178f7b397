// A server or client of Connect for the service of shop.proto, that exchanges exactly what a script says. The server
// answers Connect, gRPC and gRPC-Web.
//
//     node connect_shop.js server PORT_FILE SCRIPT DESCRIPTORS http1|http2
//     node connect_shop.js client PORT GATE SCRIPT DESCRIPTORS http1|http2 connect|grpc-web|grpc [json] [gzip] [get]
//     node connect_shop.js client PORT GATE SCRIPT DESCRIPTORS http1 grpc-web-text
//
// The last is the client that gRPC-Web itself has for browsers, with base64.
// The client waits for the file GATE and makes all calls at once. Whoever meets something else than the script says
// fails.
'use strict';
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const protobuf = require('@bufbuild/protobuf');
const { FileDescriptorSetSchema } = require('@bufbuild/protobuf/wkt');
const { createClient } = require('@connectrpc/connect');
const connect = require('@connectrpc/connect-node');
const [role, ...words] = process.argv.slice(2);
const [first, ...named] = words;
const gate = role === 'client' ? named.shift() : null;
const [script, descriptors, version, ...rest] = named;
const read = (file) => JSON.parse(fs.readFileSync(file));
const files = protobuf.createFileRegistry(protobuf.fromBinary(FileDescriptorSetSchema, fs.readFileSync(descriptors)));
const Orders = files.getService('shop.Orders');
const [Order, Receipt] = ['shop.Order', 'shop.Receipt'].map((name) => files.getMessage(name));
const order = (message) => protobuf.fromJson(Order, message);
const receipt = (message) => protobuf.fromJson(Receipt, message);

function fail(why) {
  console.error(why);
  process.exit(1);
}

function same(what, seen, expected) {
  for (const [name, value] of expected) {
    if (seen.get(name) !== value) fail(`${what}: ${name} is not as scripted`);
  }
}

function equal(schema, seen, expected) {
  return seen.length === expected.length && seen.every((one, at) => protobuf.equals(schema, one, expected[at]));
}

function scripted(calls, name, requests, context) {
  const call = calls.find((one) => one.method === name && one.requests[0].id === requests[0].id);
  if (!equal(Order, requests, call.requests.map(order))) fail(`${name} was called with other messages`);
  same('a call', context.requestHeader, call.metadata);
  for (const [key, value] of call.initial) context.responseHeader.set(key, value);
  for (const [key, value] of call.trailers) context.responseTrailer.set(key, value);
  return call.responses.map(receipt);
}

async function whole(stream) {
  const all = [];
  for await (const one of stream) all.push(one);
  return all;
}

function serve() {
  const calls = read(script);
  const implementation = {};
  for (const method of Orders.methods) {
    const requests = async (given) => (/^(client|bidi)/.test(method.methodKind) ? whole(given) : [given]);
    implementation[method.localName] = /^(server|bidi)/.test(method.methodKind)
      ? async function* answer(given, context) { yield* scripted(calls, method.name, await requests(given), context); }
      : async (given, context) => scripted(calls, method.name, await requests(given), context)[0];
  }
  const handler = connect.connectNodeAdapter({
    routes: (router) => router.service(Orders, implementation),
    readMaxBytes: 1 << 26,
    writeMaxBytes: 1 << 26,
  });
  const server = (version === 'http1' ? http : http2).createServer(handler);
  server.listen(0, '127.0.0.1', () => {
    fs.writeFileSync(first + '.new', String(server.address().port));
    fs.renameSync(first + '.new', first);
  });
  process.on('SIGTERM', () => process.exit(0));
}

async function make(client, call) {
  const method = Orders.methods.find((one) => one.name === call.method);
  let header = new Headers();
  let trailer = new Headers();
  const options = {
    headers: new Headers(call.metadata),
    onHeader: (fields) => { header = fields; },
    onTrailer: (fields) => { trailer = fields; },
  };
  const messages = call.requests.map(order);
  const streams = /^(client|bidi)/.test(method.methodKind);
  const given = streams ? (async function* all() { yield* messages; })() : messages[0];
  const answer = client[method.localName](given, options);
  const answers = /^(server|bidi)/.test(method.methodKind) ? await whole(answer) : [await answer];
  if (!equal(Receipt, answers, call.responses.map(receipt))) fail(`${call.method} was answered with other messages`);
  same('an answer', header, call.initial);
  same('an answer', trailer, call.trailers);
}

// Calls as the client of Connect makes them, by the package grpc-web.
function textClient(base) {
  global.XMLHttpRequest = require('xhr2');
  const web = require('grpc-web');
  const client = new web.GrpcWebClientBase({ format: 'text' });
  const headers = (fields) => new Headers(Object.entries(fields ?? {}));
  const calls = {};
  for (const method of Orders.methods) {
    const streams = method.methodKind === 'server_streaming';
    const described = new web.MethodDescriptor(
      `/${Orders.typeName}/${method.name}`, streams ? web.MethodType.SERVER_STREAMING : web.MethodType.UNARY,
      Object, Object,
      (message) => protobuf.toBinary(Order, message), (bytes) => protobuf.fromBinary(Receipt, bytes),
    );
    calls[method.localName] = (given, options) => {
      const [url, fields] = [base + described.getName(), Object.fromEntries(options.headers)];
      const answers = [];
      const over = new Promise((done, refused) => {
        const stream = streams
          ? client.serverStreaming(url, given, fields, described)
          : client.rpcCall(url, given, fields, described, (error, answer) => (error ? refused(error) : answers.push(answer)));
        stream.on('metadata', (seen) => options.onHeader(headers(seen)));
        stream.on('status', (status) => {
          options.onTrailer(headers(status.metadata));
          setImmediate(done);
        });
        stream.on('error', refused);
        if (streams) stream.on('data', (answer) => answers.push(answer));
      });
      return streams
        ? (async function* all() { await over; yield* answers; })()
        : over.then(() => answers[0]);
    };
  }
  return calls;
}

function connectClient(base) {
  const [protocol, ...more] = rest;
  const createTransport = {
    connect: connect.createConnectTransport,
    'grpc-web': connect.createGrpcWebTransport,
    grpc: connect.createGrpcTransport,
  }[protocol];
  const gzip = more.includes('gzip');
  const transport = createTransport({
    baseUrl: base,
    httpVersion: version === 'http1' ? '1.1' : '2',
    useBinaryFormat: !more.includes('json'),
    useHttpGet: more.includes('get'),
    // Nothing that the server could choose, unless it is to be gzip.
    acceptCompression: gzip ? [connect.compressionGzip] : [],
    ...(gzip ? { sendCompression: connect.compressionGzip } : {}),
  });
  return createClient(Orders, transport);
}

async function talk() {
  const client = (rest[0] === 'grpc-web-text' ? textClient : connectClient)(`http://127.0.0.1:${first}`);
  while (!fs.existsSync(gate)) await new Promise((then) => setTimeout(then, 5));
  await Promise.all(read(script).map((call) => make(client, call)));
  console.log('done');
  process.exit(0);
}

({ server: serve, client: () => talk().catch((error) => fail(error.message)) })[role]();
