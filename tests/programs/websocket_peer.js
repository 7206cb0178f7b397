// A WebSocket server or client of the package ws that has exactly the conversations of a script.
//
//     node websocket_peer.js server PORT_FILE SCRIPT [--deflate] [--pem PEM]
//     node websocket_peer.js client PORT GATE SCRIPT [--deflate] [--pem PEM] [--http2]
//
// Each conversation is a connection of its own, or a stream of one of HTTP/2 (RFC 8441); all are had at once. The client waits for the file GATE first. Whoever
// hears something else than the script says fails.
'use strict';
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const { WebSocket, WebSocketServer } = require('ws');
const [role, first, ...named] = process.argv.slice(2);
const gate = role === 'client' ? named.shift() : null;
const [script, ...rest] = named;
const conversations = JSON.parse(fs.readFileSync(script));
const pem = rest.includes('--pem') ? fs.readFileSync(rest[rest.indexOf('--pem') + 1]) : null;
// Short messages too.
const perMessageDeflate = rest.includes('--deflate') ? { threshold: 0 } : false;

function fail(why) {
  console.error(why);
  process.exit(1);
}

function send(socket, message) {
  const whole = message.binary ? Buffer.from(message.text) : message.text;
  const size = Math.ceil(whole.length / message.fragments);
  for (let at = 0; at < whole.length; at += size) {
    socket.send(whole.slice(at, at + size), { binary: message.binary, fin: at + size >= whole.length });
  }
}

function talk(socket, messages, me, done) {
  let next = 0;
  const speak = () => {
    while (next < messages.length && messages[next].by === me) send(socket, messages[next++]);
    if (next === messages.length) done();
  };
  socket.on('message', (data, isBinary) => {
    const expected = messages[next++];
    if (!expected || isBinary !== expected.binary || data.toString() !== expected.text) fail('another message came');
    speak();
  });
  socket.on('error', (error) => fail(error.message));
  speak();
}

function server() {
  const carrier = pem ? https.createServer({ key: pem, cert: pem }) : http.createServer();
  const serving = new WebSocketServer({ server: carrier, perMessageDeflate });
  serving.on('connection', (socket, request) => {
    const conversation = conversations.find((one) => one.path === request.url);
    talk(socket, conversation.messages, 'server', () => {});
  });
  carrier.listen(0, '127.0.0.1', () => {
    fs.writeFileSync(first + '.new', String(carrier.address().port));
    fs.renameSync(first + '.new', first);
  });
  process.on('SIGTERM', () => process.exit(0));
}

// A socket of the package on a stream that another one opened: what a server does behind its handshake, but that it masks.
function onStream(stream) {
  const socket = new WebSocket(null, undefined, {});
  socket._isServer = false;
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 1 << 30 });
  return socket;
}

function overHttp2(ended) {
  const session = http2.connect(`http://127.0.0.1:${first}`);
  session.on('error', (error) => fail(error.message));
  session.on('remoteSettings', ({ enableConnectProtocol }) => {
    if (!enableConnectProtocol) fail('no WebSockets over HTTP/2 here');
    for (const { path, headers, messages } of conversations) {
      const stream = session.request({
        ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': path, ':authority': 'localhost',
        'sec-websocket-version': '13', ...headers,
      }, { endStream: false });
      stream.on('response', ({ ':status': status }) => {
        if (status !== 200) fail(`status ${status}`);
        const socket = onStream(stream);
        talk(socket, messages, 'client', () => socket.close());
        socket.on('close', () => ended() && session.close());
      });
    }
  });
}

function client() {
  if (!fs.existsSync(gate)) return setTimeout(client, 5);
  let left = conversations.length;
  if (rest.includes('--http2')) {
    return overHttp2(() => {
      left -= 1;
      if (left === 0) console.log('done');
      return left === 0;
    });
  }
  for (const { path, headers, messages } of conversations) {
    const socket = new WebSocket(`${pem ? 'wss' : 'ws'}://localhost:${first}${path}`, {
      perMessageDeflate, headers, rejectUnauthorized: false, family: 4,
    });
    socket.on('open', () => talk(socket, messages, 'client', () => socket.close()));
    socket.on('close', () => { left -= 1; if (left === 0) console.log('done'); });
    socket.on('error', (error) => fail(error.message));
  }
}

({ server, client })[role]();
