// An HTTP server or client of Node.js that exchanges exactly what a script says: HTTP/1.1 or HTTP/2, over TLS with PEM.
//
//     node http_peer.js http1|http2 server PORT_FILE SCRIPT [PEM]
//     node http_peer.js http1|http2 client PORT GATE SCRIPT EARLY [PEM]
//
// The client sends the script of EARLY first, if it is not "-", says "opened", waits for the file GATE, and sends SCRIPT
// over the same connection: at once with http2, one after another with http1. With PAUSE among the arguments it first sends
// half of the first body of SCRIPT, says "opened" then, and goes on when the file GATE is there. Whoever meets something
// else than the script says fails.
'use strict';
const fs = require('fs');
const pauses = process.argv.includes('PAUSE');
const [version, role, ...rest] = process.argv.slice(2).filter((word) => word !== 'PAUSE');
const http = { http1: require('http'), http2: require('http2') }[version];
const https = { http1: require('https'), http2: http }[version];
const read = (file) => JSON.parse(fs.readFileSync(file));
const bytes = (text) => Buffer.from(text, 'base64');
// Bodies go out in pieces of this size, so that streams take turns.
const PIECE = 6000;

function fail(why) {
  console.error(why);
  process.exit(1);
}

function same(what, seen, expected) {
  for (const [name, value] of expected) {
    if (seen[name] !== value) fail(`${what}: ${name} is not as scripted`);
  }
}

function whole(stream, then) {
  const parts = [];
  stream.on('data', (part) => parts.push(part));
  stream.on('end', () => then(Buffer.concat(parts)));
  stream.on('error', (error) => fail(error.message));
}

// What is to happen in the middle of the next body that goes out.
let pause = null;

function write(stream, body, end, half = body.length / 2) {
  if (body.length === 0) return end();
  const next = () => setImmediate(write, stream, body.subarray(PIECE), end, half);
  const last = body.length <= half ? pause : null;
  if (!last) return stream.write(body.subarray(0, PIECE), next);
  pause = null;
  last(() => stream.write(body.subarray(0, PIECE), next));
}

function server(portFile, script, pem) {
  const exchanges = read(script);
  // The script of a client that is joined has an early part in a file beside.
  if (fs.existsSync(script + '.early')) exchanges.push(...read(script + '.early'));
  const answer = (request, response) => whole(request, (body) => {
    const found = exchanges.find((one) => one.method === request.method && one.path === request.url);
    if (!found) {
      response.writeHead(404);
      return response.end();
    }
    if (found.body !== null && !body.equals(bytes(found.body))) fail(`${found.method} has another body`);
    same('a request', request.headers, found.headers);
    same('a request', request.trailers, found.trailers);
    const { headers, body: content, trailers } = found.answer;
    const all = Object.fromEntries(headers);
    if (version === 'http1' && trailers.length > 0) all.trailer = trailers.map((one) => one[0]).join(', ');
    response.writeHead(200, all);
    if (request.method === 'HEAD') return response.end();
    if (trailers.length > 0) response.addTrailers(Object.fromEntries(trailers));
    write(response, bytes(content), () => response.end());
  });
  const both = pem && fs.readFileSync(pem);
  const secure = { key: both, cert: both };
  const serving = version === 'http1'
    ? (pem ? https.createServer(secure, answer) : http.createServer(answer))
    : (pem ? http.createSecureServer(secure, answer) : http.createServer(answer));
  serving.keepAliveTimeout = 0;
  serving.listen(0, '127.0.0.1', () => {
    fs.writeFileSync(portFile + '.new', String(serving.address().port));
    fs.renameSync(portFile + '.new', portFile);
  });
  process.on('SIGTERM', () => process.exit(0));
}

function judged(exchange, status, headers, body, trailers, done) {
  if (status !== 200) fail(`${exchange.method} was answered with ${status}`);
  same('an answer', headers, exchange.answer.headers);
  if (exchange.method === 'HEAD') return done();
  if (!body.equals(bytes(exchange.answer.body))) fail('an answer has another body');
  same('an answer', trailers, exchange.answer.trailers);
  done();
}

function send1(agent, port, exchange, done) {
  const { request } = agent.isTls ? https : http;
  const headers = Object.fromEntries(exchange.headers);
  if (exchange.trailers.length > 0) {
    headers.trailer = exchange.trailers.map((one) => one[0]).join(', ');
    headers['transfer-encoding'] = 'chunked';
  }
  const options = {
    host: 'localhost', family: 4, port, agent, path: exchange.path, method: exchange.method, headers,
    rejectUnauthorized: false,
  };
  const sending = request(options, (answer) => whole(answer, (body) => {
    judged(exchange, answer.statusCode, answer.headers, body, answer.trailers, done);
  }));
  sending.on('error', (error) => fail(error.message));
  if (exchange.trailers.length > 0) sending.addTrailers(Object.fromEntries(exchange.trailers));
  if (exchange.body === '') return sending.end();
  write(sending, bytes(exchange.body), () => sending.end());
}

function send2(session, exchange, done) {
  const headers = { ':method': exchange.method, ':path': exchange.path, ...Object.fromEntries(exchange.headers) };
  // Go reads only trailers that were announced.
  if (exchange.trailers.length > 0) headers.trailer = exchange.trailers.map((one) => one[0]).join(', ');
  const options = { waitForTrailers: exchange.trailers.length > 0, endStream: exchange.body === '' };
  const stream = session.request(headers, options);
  let answer = {};
  let trailers = {};
  stream.on('response', (fields) => { answer = fields; });
  stream.on('trailers', (fields) => { trailers = fields; });
  stream.on('wantTrailers', () => stream.sendTrailers(Object.fromEntries(exchange.trailers)));
  whole(stream, (body) => judged(exchange, answer[':status'], answer, body, trailers, done));
  if (exchange.body !== '') write(stream, bytes(exchange.body), () => stream.end());
}

function client(port, gate, script, earlyScript, pem) {
  const early = earlyScript === '-' ? [] : read(earlyScript);
  let send;
  let close;
  if (version === 'http1') {
    const agent = new (pem ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
    agent.isTls = Boolean(pem);
    send = (exchange, done) => send1(agent, port, exchange, done);
    close = () => agent.destroy();
  } else {
    // Opened with the first request, so that auditor sees its beginning unless it comes late.
    let session;
    send = (exchange, done) => {
      session ??= http.connect(`${pem ? 'https' : 'http'}://localhost:${port}`, { rejectUnauthorized: false, family: 4 });
      session.on('error', (error) => fail(error.message));
      send2(session, exchange, done);
    };
    close = () => session.close();
  }
  const inTurn = (list, done) => {
    if (list.length === 0) return done();
    send(list[0], () => inTurn(list.slice(1), done));
  };
  const atOnce = (list, done) => {
    let left = list.length;
    for (const exchange of list) send(exchange, () => { left -= 1; if (left === 0) done(); });
  };
  const wait = (then) => (fs.existsSync(gate) ? then() : setTimeout(wait, 5, then));
  const go = () => (version === 'http2' ? atOnce : inTurn)(read(script), () => { close(); console.log('done'); });
  if (pauses) {
    pause = (then) => { console.log('opened'); wait(then); };
    inTurn(read(script), () => { close(); console.log('done'); });
  } else {
    inTurn(early, () => { console.log('opened'); wait(go); });
  }
}

({ server, client })[role](...rest);
