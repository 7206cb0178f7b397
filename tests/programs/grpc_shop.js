// A server or client of grpc-js for the service of shop.proto, that exchanges exactly what a script says.
//
//     node grpc_shop.js server PORT_FILE SCRIPT DESCRIPTORS [--pem PEM] [--gzip] [--reflect]
//     node grpc_shop.js client PORT GATE SCRIPT DESCRIPTORS [--pem PEM] [--gzip] [--reflect]
//
// The client waits for the file GATE and makes all calls at once. With --reflect it asks for the services before, in
// version 1 of reflection, as the server then answers. Whoever meets something else than the script says fails.
'use strict';
const fs = require('fs');
const path = require('path');
const { isDeepStrictEqual } = require('util');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const [role, ...words] = process.argv.slice(2);
const [first, ...named] = words;
const gate = role === 'client' ? named.shift() : null;
const [script, descriptors, ...rest] = named;
// Of a descriptor set the loader takes a map for the entries it is made of, and names as they are written there.
const entries = (map) => Object.entries(map).map(([key, value]) => ({ key, value }));
function asLoaded(name, value) {
  if (name === 'attributes') return entries(value);
  if (value?.cardNumber) value.card_number = value.cardNumber;
  return value;
}
const read = (file) => JSON.parse(fs.readFileSync(file), asLoaded);
const package_ = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(descriptors), { arrays: true, defaults: true });
const { Orders } = grpc.loadPackageDefinition(package_).shop;
const pem = rest.includes('--pem') ? fs.readFileSync(rest[rest.indexOf('--pem') + 1]) : null;
const gzip = rest.includes('--gzip');
const { ReflectionService } = rest.includes('--reflect') ? require('@grpc/reflection') : {};
const options = {
  'grpc.max_receive_message_length': -1,
  'grpc.default_compression_algorithm': gzip ? grpc.compressionAlgorithms.gzip : grpc.compressionAlgorithms.identity,
};

function fail(why) {
  console.error(why);
  process.exit(1);
}

// What a message is once it was sent and received: with the defaults that the sender left out.
const order = (message) => Orders.service.Place.requestDeserialize(Orders.service.Place.requestSerialize(message));
const receipt = (message) => Orders.service.Place.responseDeserialize(Orders.service.Place.responseSerialize(message));

function metadata(fields) {
  const all = new grpc.Metadata();
  for (const [name, value] of fields) all.add(name, value);
  return all;
}

function same(what, seen, expected) {
  for (const [name, value] of expected) {
    if (!seen.get(name).includes(value)) fail(`${what}: ${name} is not as scripted`);
  }
}

function answer(method, calls, call, requests, callback) {
  const scripted = calls.find((one) => one.method === method && one.requests[0].id === requests[0].id);
  if (!isDeepStrictEqual(requests, scripted.requests.map(order))) fail(`${method} was called with other messages`);
  same('a call', call.metadata, scripted.metadata);
  call.sendMetadata(metadata(scripted.initial));
  if (callback) return callback(null, scripted.responses[0], metadata(scripted.trailers));
  for (const response of scripted.responses) call.write(response);
  call.end(metadata(scripted.trailers));
}

function serve() {
  const calls = read(script);
  const handlers = {};
  for (const [name, { requestStream, responseStream }] of Object.entries(Orders.service)) {
    handlers[name] = (call, callback) => {
      const then = (requests) => answer(name, calls, call, requests, responseStream ? null : callback);
      if (!requestStream) return then([call.request]);
      const requests = [];
      call.on('data', (request) => requests.push(request));
      call.on('end', () => then(requests));
    };
  }
  const server = new grpc.Server(options);
  server.addService(Orders.service, handlers);
  if (rest.includes('--reflect')) new ReflectionService(package_).addToServer(server);
  const credentials = pem
    ? grpc.ServerCredentials.createSsl(null, [{ private_key: pem, cert_chain: pem }])
    : grpc.ServerCredentials.createInsecure();
  server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
    if (error) fail(error.message);
    fs.writeFileSync(first + '.new', String(port));
    fs.renameSync(first + '.new', first);
  });
  process.on('SIGTERM', () => process.exit(0));
}

function make(client, call, done) {
  const { requestStream, responseStream } = Orders.service[call.method];
  const answers = [];
  const left = new Set(['metadata', 'status', 'answers']);
  const met = (what) => { left.delete(what); if (left.size === 0) done(); };
  const judged = () => {
    if (!isDeepStrictEqual(answers, call.responses.map(receipt))) fail(`${call.method} was answered with other messages`);
    met('answers');
  };
  const callback = (error, response) => {
    if (error) fail(error.message);
    answers.push(response);
    judged();
  };
  const words = [...(requestStream ? [] : [call.requests[0]]), metadata(call.metadata)];
  const running = client[call.method](...words, ...(responseStream ? [] : [callback]));
  if (requestStream) {
    for (const request of call.requests) running.write(request);
    running.end();
  }
  if (responseStream) {
    running.on('data', (response) => answers.push(response));
    running.on('end', judged);
    running.on('error', (error) => fail(error.message));
  }
  running.on('metadata', (fields) => { same('an answer', fields, call.initial); met('metadata'); });
  running.on('status', (status) => { same('an answer', status.metadata, call.trailers); met('status'); });
}

// What the server tells of a service: the descriptors of its files.
function askForServices(credentials, done) {
  const file = path.join(path.dirname(require.resolve('@grpc/reflection')), '../proto/grpc/reflection/v1/reflection.proto');
  const { ServerReflection } = grpc.loadPackageDefinition(loader.loadSync(file)).grpc.reflection.v1;
  const client = new ServerReflection(`localhost:${first}`, credentials, options);
  const questions = client.ServerReflectionInfo();
  const answers = [];
  questions.on('data', (answer) => answers.push(answer));
  questions.on('error', (error) => fail(error.message));
  questions.on('end', () => {
    const [list, files] = answers;
    if (!list.listServicesResponse.service.some(({ name }) => name === 'shop.Orders')) fail('the service is not told of');
    if (files.fileDescriptorResponse.fileDescriptorProto.length === 0) fail('files are missing');
    client.close();
    done();
  });
  questions.write({ listServices: '*' });
  questions.write({ fileContainingSymbol: 'shop.Orders' });
  questions.end();
}

function talk() {
  const credentials = pem ? grpc.credentials.createSsl(pem) : grpc.credentials.createInsecure();
  const client = new Orders(`localhost:${first}`, credentials, options);
  (function wait() {
    if (!fs.existsSync(gate)) return setTimeout(wait, 5);
    if (rest.includes('--reflect')) askForServices(credentials, all);
    else all();
  })();
  function all() {
    const calls = read(script);
    let left = calls.length;
    for (const call of calls) {
      make(client, call, () => { left -= 1; if (left === 0) { client.close(); console.log('done'); } });
    }
  }
}

({ server: serve, client: talk })[role]();
