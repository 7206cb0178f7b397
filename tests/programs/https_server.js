// An HTTPS server of Node.js that answers everything with a short JSON.
//
//     node https_server.js PORT_FILE PEM
'use strict';
const fs = require('fs');
const https = require('https');
const [portFile, pem] = process.argv.slice(2);
const both = fs.readFileSync(pem);
const content = '{"status":"accepted"}';
const server = https.createServer({ key: both, cert: both }, (request, answer) => {
  request.resume();
  request.on('end', () => {
    answer.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': content.length });
    answer.end(content);
  });
});
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  fs.writeFileSync(portFile + '.new', String(server.address().port));
  fs.renameSync(portFile + '.new', portFile);
});
