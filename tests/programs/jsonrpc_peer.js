// A JSON-RPC server or client of Node.js (jayson), over HTTP/1.1, with the calls of a script.
//
//     node jsonrpc_peer.js server PORT_FILE SCRIPT
//     node jsonrpc_peer.js client PORT GATE SCRIPT [--batch]
//
// The client waits for the file GATE and makes the calls one after another, or all of them in one request. Whoever meets something else than the script
// says fails.
'use strict';
const fs = require('fs');
const { isDeepStrictEqual } = require('util');
const jayson = require('jayson');
const [role, first, ...named] = process.argv.slice(2);
const gate = role === 'client' ? named.shift() : null;
const calls = JSON.parse(fs.readFileSync(named[0]));

function fail(why) {
  console.error(why);
  process.exit(1);
}

function server() {
  const methods = {};
  for (const { method, params, result } of calls) {
    methods[method] = (given, callback) => {
      if (!isDeepStrictEqual(given, params)) fail(`${method} was called with something else`);
      callback(null, result);
    };
  }
  const serving = new jayson.Server(methods).http();
  serving.listen(0, '127.0.0.1', () => {
    fs.writeFileSync(first + '.new', String(serving.address().port));
    fs.renameSync(first + '.new', first);
  });
  process.on('SIGTERM', () => process.exit(0));
}

function client() {
  if (!fs.existsSync(gate)) return setTimeout(client, 5);
  const speaking = jayson.Client.http({ host: '127.0.0.1', port: first, path: '/v1/rpc' });
  if (named.includes('--batch')) {
    const batch = calls.map(({ method, params }) => speaking.request(method, params));
    return speaking.request(batch, (error, answers) => {
      if (error) fail(error.message);
      if (!isDeepStrictEqual(answers.map(({ result }) => result), calls.map(({ result }) => result))) fail('another answer came');
      console.log('done');
      process.exit(0);
    });
  }
  const next = (at) => {
    if (at === calls.length) {
      console.log('done');
      process.exit(0);
    }
    speaking.request(calls[at].method, calls[at].params, (error, answer) => {
      if (error) fail(error.message);
      if (!isDeepStrictEqual(answer.result, calls[at].result)) fail(`${calls[at].method} was answered with something else`);
      next(at + 1);
    });
  };
  next(0);
}

({ server, client })[role]();
