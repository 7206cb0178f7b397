// A SOAP server of Node.js (soap) for the service of users.wsdl, with the answers of a script.
//
//     node soap_server.js server PORT_FILE SCRIPT WSDL
'use strict';
const fs = require('fs');
const http = require('http');
const soap = require('soap');
const [, portFile, script, wsdl] = process.argv.slice(2);
const calls = JSON.parse(fs.readFileSync(script));

function fail(why) {
  console.error(why);
  process.exit(1);
}

const methods = {};
for (const { method, request, response } of calls) {
  methods[method] = (given) => {
    for (const [name, value] of Object.entries(request)) {
      if (String(given[name]) !== String(value)) fail(`${method} was called with something else`);
    }
    return response;
  };
}
const server = http.createServer((request, answer) => answer.writeHead(404).end());
server.listen(0, '127.0.0.1', () => {
  soap.listen(server, '/v1/soap', { Users: { UsersPort: methods } }, fs.readFileSync(wsdl, 'utf8'), () => {
    fs.writeFileSync(portFile + '.new', String(server.address().port));
    fs.renameSync(portFile + '.new', portFile);
  });
});
process.on('SIGTERM', () => process.exit(0));
