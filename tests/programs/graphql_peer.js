// A GraphQL server (graphql-http) or client (graphql-request) of Node.js, with the requests of a script.
//
//     node graphql_peer.js server PORT_FILE SCRIPT
//     node graphql_peer.js client PORT GATE SCRIPT
//
// The script has the schema, what each field of Query and Mutation answers, and the requests with the data that is
// expected. The client waits for the file GATE and sends them one after another. Whoever meets something else fails.
'use strict';
const fs = require('fs');
const http = require('http');
const { isDeepStrictEqual } = require('util');
const { buildSchema } = require('graphql');
const { createHandler } = require('graphql-http/lib/use/http');
const { GraphQLClient } = require('graphql-request');
const [role, first, ...named] = process.argv.slice(2);
const gate = role === 'client' ? named.shift() : null;
const { schema, answers, requests } = JSON.parse(fs.readFileSync(named[0]));

function server() {
  const rootValue = Object.fromEntries(Object.entries(answers).map(([name, answer]) => [name, () => answer]));
  const serving = http.createServer(createHandler({ schema: buildSchema(schema), rootValue }));
  serving.listen(0, '127.0.0.1', () => {
    fs.writeFileSync(first + '.new', String(serving.address().port));
    fs.renameSync(first + '.new', first);
  });
  process.on('SIGTERM', () => process.exit(0));
}

async function client() {
  while (!fs.existsSync(gate)) await new Promise((then) => setTimeout(then, 5));
  for (const { path, query, variables, data } of requests) {
    const answer = await new GraphQLClient(`http://127.0.0.1:${first}${path}`).request(query, variables ?? undefined);
    // Objects of the package have no prototype.
    if (!isDeepStrictEqual(JSON.parse(JSON.stringify(answer)), data)) throw new Error('another answer came');
  }
  console.log('done');
  process.exit(0);
}

({ server, client: () => client().catch((error) => { console.error(error.message.slice(0, 300)); process.exit(1); }) })[role]();
