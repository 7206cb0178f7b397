// A gateway that masks cards before it passes orders on over TLS.
//
// masking_gateway.js PORT UPSTREAM RELEASE: RELEASE is a file of JSON, {"unmasked": {"POST /v1/refunds": ["card"]}}: fields of
// operations that this release forgets to mask. It is read once, at the start, as code would be.
"use strict";
const fs = require("fs");
const http = require("http");
const https = require("https");

const [port, upstream, file] = process.argv.slice(2);
const release = JSON.parse(fs.readFileSync(file, "utf8"));
const agent = new https.Agent({ rejectUnauthorized: false, keepAlive: true });
const CARDS = ["card", "card_number"];

function mask(value, forgotten) {
  if (Array.isArray(value)) return value.map((item) => mask(item, forgotten));
  if (value === null || typeof value !== "object") return value;
  const masked = {};
  for (const [name, inner] of Object.entries(value)) {
    const hides = CARDS.includes(name) && typeof inner === "string" && !forgotten.includes(name);
    masked[name] = hides ? inner.slice(0, 6) + "******" + inner.slice(-4) : mask(inner, forgotten);
  }
  return masked;
}

http
  .createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += chunk));
    request.on("end", () => {
      const forgotten = release.unmasked[`${request.method} ${request.url}`] || [];
      const body = JSON.stringify(mask(JSON.parse(text), forgotten));
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const to = { host: "127.0.0.1", port: upstream, path: request.url, method: request.method, headers, agent };
      const passed = https.request(to, (answer) => {
        answer.resume();
        answer.on("end", () => response.writeHead(answer.statusCode, { "content-length": 0 }).end());
      });
      passed.on("error", () => response.writeHead(502, { "content-length": 0 }).end());
      passed.end(body);
    });
  })
  .listen(Number(port), "127.0.0.1");
