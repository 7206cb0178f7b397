// A client of Node.js: posts the body of one file over HTTPS and prints the answer.
//
//     node https_client.js PORT GATE BODY
//
// It waits for the file GATE to exist.
'use strict';
const fs = require('fs');
const https = require('https');
const [port, gate, body] = process.argv.slice(2);

function post() {
  const request = https.request({
    host: '127.0.0.1', port, path: '/v1/orders', method: 'POST', rejectUnauthorized: false,
    headers: { 'Content-Type': 'application/json', 'Content-Length': fs.statSync(body).size },
  }, (answer) => {
    answer.pipe(process.stdout);
    answer.on('end', () => process.exit(0));
  });
  request.on('error', (error) => { console.error(error.message); process.exit(1); });
  request.end(fs.readFileSync(body));
}

(function wait() {
  if (fs.existsSync(gate)) post(); else setTimeout(wait, 5);
})();
