// @vercel/postgres: a pooled client, a direct one, and the tagged template, all from the environment.
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/index.js");
const { sql, createClient, createPool, db } = require("@vercel/postgres");
const out = {};
out.sql = (await sql`select ${7}::int as n`).rows;
const pool = createPool();
out.pool = (await pool.query("select 8 as n")).rows;
await pool.end();
const client = createClient();
await client.connect();
await client.query("begin");
out.client = (await client.query("select 9 as n")).rows;
await client.query("commit");
await client.end();
await db.end();
console.log(JSON.stringify(out));
