// A WebSocket server or client of the package ws that has exactly the conversations of a script.
//
//     node websocket_peer.js server PORT_FILE SCRIPT [--deflate] [--pem PEM]
//     node websocket_peer.js client PORT GATE SCRIPT [--deflate] [--pem PEM]
//
// Each conversation is a connection of its own, and all are had at once. The client waits for the file GATE first. Whoever
// hears something else than the script says fails.
'use strict';
const fs = require('fs');
const http = require('http');
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

function client() {
  if (!fs.existsSync(gate)) return setTimeout(client, 5);
  let left = conversations.length;
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
