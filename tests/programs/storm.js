// Many HTTPS connections at once on one event loop of Node.js; the words are those of storm.py.
//
//     node storm.js server PORT_FILE VALUES PEM
//     node storm.js client PORT GATE VALUES PORTS
'use strict';
const fs = require('fs');
const https = require('https');
const [role, ...words] = process.argv.slice(2);
const values = JSON.parse(fs.readFileSync(role === 'server' ? words[1] : words[2]));

function writeWhole(path, text) {
  fs.writeFileSync(path + '.new', text);
  fs.renameSync(path + '.new', path);
}

const body = (marker, value) => JSON.stringify({ [marker]: { card_number: value } });

function serve(portFile, pem) {
  const responses = Object.fromEntries(values.map((entry) => [entry.marker, entry.response]));
  const both = fs.readFileSync(pem);
  const server = https.createServer({ key: both, cert: both }, (request, answer) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const marker = Object.keys(JSON.parse(Buffer.concat(parts)))[0];
      const content = body(marker, responses[marker]);
      answer.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': content.length });
      answer.end(content);
    });
  });
  server.listen(0, '127.0.0.1', 1024, () => writeWhole(portFile, String(server.address().port)));
}

function connect(port, portsFile) {
  const ports = {};
  let open = values.length;
  for (const { marker, request: value } of values) {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    const content = body(marker, value);
    const post = (times) => {
      const request = https.request({
        agent, host: '127.0.0.1', port, path: '/v1/orders', method: 'POST', rejectUnauthorized: false,
        headers: { 'Content-Type': 'application/json', 'Content-Length': content.length },
      }, (answer) => {
        ports[marker] = request.socket.localPort;
        answer.resume();
        answer.on('end', () => {
          if (times > 1) { setImmediate(post, times - 1); return; }
          agent.destroy();
          open -= 1;
          if (open === 0) writeWhole(portsFile, JSON.stringify(ports));
        });
      });
      request.on('error', (error) => { console.error(error.message); process.exit(1); });
      request.end(content);
    };
    post(2);
  }
}

if (role === 'server') serve(words[0], words[2]);
else (function wait() {
  if (fs.existsSync(words[1])) connect(Number(words[0]), words[3]); else setTimeout(wait, 5);
})();
