// A server of Server-Sent Events in Node.js, over HTTP/1.1 or HTTP/2 without TLS.
//
//     node events.js http1|http2 server PORT_FILE SCRIPT
//
// The script has the events of each path; they are sent one by one, each as its lines say, and then the answer ends.
'use strict';
const fs = require('fs');
const [version, , portFile, script] = process.argv.slice(2);
const feeds = JSON.parse(fs.readFileSync(script));
const server = require(version === 'http1' ? 'http' : 'http2').createServer((request, answer) => {
  const feed = feeds.find((one) => one.path === request.url);
  if (!feed) {
    answer.writeHead(404);
    return answer.end();
  }
  answer.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const next = (at) => {
    if (at === feed.events.length) return answer.end();
    answer.write(feed.events[at].map((line) => line + '\n').join('') + '\n', () => setImmediate(next, at + 1));
  };
  next(0);
});
server.listen(0, '127.0.0.1', () => {
  fs.writeFileSync(portFile + '.new', String(server.address().port));
  fs.renameSync(portFile + '.new', portFile);
});
process.on('SIGTERM', () => process.exit(0));
