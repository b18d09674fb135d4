// The gateway's endpoint as one would write it in Node with pg: HTTPS with keep-alive, a pool, results
// as texts in arrays, and DISCARD ALL between requests, which the next one does not wait for unless it
// gets the same connection. One process, as the gateway is.
//
// usage: node server.mjs PORT CERT KEY DRIVER_FOLDER
import { readFileSync } from "node:fs";
import https from "node:https";
import { createRequire } from "node:module";

const [port, cert, key, folder] = process.argv.slice(2);
const require = createRequire(folder + "/index.js");
const pg = require("pg");
const asText = { getTypeParser: () => (value) => value };
const pools = new Map();
const poolOf = (text) => {
  let pool = pools.get(text);
  if (!pool) {
    const url = new URL(text);
    pool = new pg.Pool({ host: "127.0.0.1", port: Number(process.env.PGPORT), user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password), database: decodeURIComponent(url.pathname.slice(1)), max: 20 });
    pools.set(text, pool);
  }
  return pool;
};
const answer = async (text, body) => {
  const { query, params } = JSON.parse(body);
  const client = await poolOf(text).connect();
  let broken;
  try {
    const r = await client.query({ text: query, values: params, rowMode: "array", types: asText });
    return JSON.stringify({ fields: r.fields, rows: r.rows, command: r.command, rowCount: r.rowCount, rowAsArray: true });
  } catch (e) {
    broken = e;
    throw e;
  } finally {
    client.query("DISCARD ALL").then(() => client.release(), () => client.release(broken ?? true));
  }
};
https
  .createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", async () => {
      let status = 200;
      const text = await answer(request.headers["neon-connection-string"], Buffer.concat(chunks)).catch((e) => {
        status = 400;
        return JSON.stringify({ message: e.message, code: e.code });
      });
      response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
      response.end(text);
    });
  })
  .listen(Number(port), "127.0.0.1");
