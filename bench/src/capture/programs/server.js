// Answers with the files `1k` and `64k` of a folder, over TLS.
const fs = require('node:fs');
const https = require('node:https');
const [folder, port] = process.argv.slice(2);
const bodies = new Map(['1k', '64k'].map((name) => ['/' + name, fs.readFileSync(folder + '/' + name)]));
const keys = { key: fs.readFileSync(folder + '/key.pem'), cert: fs.readFileSync(folder + '/cert.pem') };
const server = https.createServer(keys, (request, response) => {
  const body = bodies.get(request.url);
  response.writeHead(body ? 200 : 404, { 'content-type': 'application/json', 'content-length': body ? body.length : 0 });
  response.end(body);
});
server.keepAliveTimeout = 600000;
server.listen(Number(port), '127.0.0.1');
