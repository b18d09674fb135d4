// Pools of the driver and of pg while the server behind changes. Reads words, and prints one JSON object
// for each: "ask" has each of them answer a query on four connections at a time, "lost" tells the codes
// with which idle connections have ended so far.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2] + "/index.js");
const { neon, neonConfig, Pool } = require("@neondatabase/serverless");
const pg = require("pg");
if (typeof WebSocket === "undefined") neonConfig.webSocketConstructor = require("ws");
const url = process.env.DATABASE_URL;
const sql = neon(url);
const pools = { websocket: new Pool({ connectionString: url, max: 4 }), tcp: new pg.Pool({ connectionString: url, max: 4 }) };
const lost = { websocket: [], tcp: [] };
for (const name in pools) pools[name].on("error", (error) => lost[name].push(error.code));

const rows = (pool) => Promise.all([1, 2, 3, 4].map(async () => (await pool.query("select name from side")).rows[0].name));
const words = {
  ask: async () => ({ http: (await sql`select name from side`)[0].name, websocket: await rows(pools.websocket), tcp: await rows(pools.tcp) }),
  lost: async () => lost,
};

for await (const word of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(await words[word]().catch((error) => ({ error: String(error), code: error.code }))));
for (const name in pools) await pools[name].end();
