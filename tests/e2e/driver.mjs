// What an app does with Neon's driver, over HTTP and WebSockets. Prints one JSON object; run with the
// driver's folder as first argument.
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/index.js");
const { neon, neonConfig, Pool, Client } = require("@neondatabase/serverless");
if (typeof WebSocket === "undefined" || process.env.USE_WS) neonConfig.webSocketConstructor = require("ws");
const url = process.env.DATABASE_URL;
const sql = neon(url);
const query = (text, params) => (sql.query ? sql.query(text, params) : sql(text, params));
const out = {};
const caught = async (promise) => {
  try {
    await promise;
    return null;
  } catch (e) {
    const { name, message, code, severity, detail, schema, table, column, constraint, position, routine } = e;
    return { name, message, code, severity, detail, schema, table, column, constraint, position, routine };
  }
};

out.values = (await sql`select ${1}::int as i, ${"x"}::text as t, ${null}::text as n, 9007199254740993::int8 as big,
  1.10::numeric as num, true as b, '{"a":[1]}'::jsonb as j, array[1,2,null] as ia, array['a,b','c"d'] as ta,
  '2024-01-02 03:04:05.678+00'::timestamptz as ts, '\\x00ff'::bytea as by`)[0];
out.values.ts = out.values.ts.toISOString();
out.values.by = Buffer.from(out.values.by).toString("hex");
out.full = await neon(url, { fullResults: true })`select 1 as a, 2 as b`;
out.array = await neon(url, { arrayMode: true })`select 1 as a, 2 as b`;
await sql`create table if not exists e2e(id int primary key, v text not null)`;
await sql`delete from e2e`;
out.insert = await neon(url, { fullResults: true })`insert into e2e values (1, 'one'), (2, 'two') returning id`;
out.unique = await caught(sql`insert into e2e values (1, 'again')`);
out.notnull = await caught(sql`insert into e2e values (3, null)`);
out.syntax = await caught(query("selec 1", []));
out.password = await caught(neon(url.replace(/:[^:@/]+@/, ":wrong@"))`select 1`);
out.batch = await sql.transaction([sql`insert into e2e values (4, 'four')`, sql`select count(*)::int as n from e2e`]);
out.batchError = await caught(sql.transaction([sql`insert into e2e values (5, 'five')`, sql`select 1/0`]));
out.isolation = await sql.transaction([sql`show transaction_isolation`, sql`show transaction_read_only`], {
  isolationLevel: "RepeatableRead", readOnly: true });
out.after = await sql`select id from e2e order by id`;
out.buffer = await query("select $1::text as b", [Buffer.from([0, 255])]).then((r) => (r.rows ?? r)[0].b);
out.large = (await query("select repeat('x', 1000000) as x", []).then((r) => (r.rows ?? r)[0].x)).length;
out.tooLarge = await caught(query("select length($1)", ["x".repeat(70 << 20)]));
out.resultTooLarge = await caught(query("select repeat('x', 1000) from generate_series(1, 80000)", []));

const pool = new Pool({ connectionString: url });
out.pool = (await pool.query("select $1::int + 1 as n", [41])).rows;
const session = await pool.connect();
await session.query("begin");
await session.query("create temp table t(a int)");
await session.query("insert into t values (1)");
out.session = (await session.query("select a from t")).rows;
await session.query("rollback");
session.release();
await pool.end();

neonConfig.pipelineConnect = false;
const client = new Client(url);
await client.connect();
const heard = new Promise((resolve) => client.on("notification", (n) => resolve(n.payload)));
await client.query("listen news");
await client.query("notify news, 'hello'");
out.notification = await heard;
await client.end();
neonConfig.pipelineConnect = "password";
out.poolPassword = await (async () => {
  const bad = new Pool({ connectionString: url.replace(/:[^:@/]+@/, ":wrong@") });
  bad.on("error", () => {});
  const e = await caught(bad.query("select 1"));
  await bad.end();
  return e;
})();
console.log(JSON.stringify(out));
