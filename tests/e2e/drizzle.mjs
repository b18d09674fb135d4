// drizzle-orm over neon-http and neon-serverless, and node-postgres with the same URL.
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/index.js");
const { neon, neonConfig, Pool } = require("@neondatabase/serverless");
const http = require("drizzle-orm/neon-http");
const serverless = require("drizzle-orm/neon-serverless");
const { pgTable, serial, text, timestamp, integer } = require("drizzle-orm/pg-core");
const { relations, eq, sql } = require("drizzle-orm");
if (typeof WebSocket === "undefined") neonConfig.webSocketConstructor = require("ws");
const url = process.env.DATABASE_URL;
const users = pgTable("dz_users", { id: serial("id").primaryKey(), name: text("name").notNull().unique(),
  createdAt: timestamp("created_at", { withTimezone: true }).defaultNow() });
const posts = pgTable("dz_posts", { id: serial("id").primaryKey(), userId: integer("user_id").references(() => users.id),
  tags: text("tags") });
const usersRelations = relations(users, ({ many }) => ({ posts: many(posts) }));
const postsRelations = relations(posts, ({ one }) => ({ user: one(users, { fields: [posts.userId], references: [users.id] }) }));
const schema = { users, posts, usersRelations, postsRelations };
const db = http.drizzle(neon(url), { schema });
const out = {};
await db.execute(sql`drop table if exists dz_posts`);
await db.execute(sql`drop table if exists dz_users`);
await db.execute(sql`create table dz_users(id serial primary key, name text not null unique, created_at timestamptz default now())`);
await db.execute(sql`create table dz_posts(id serial primary key, user_id int references dz_users(id), tags text)`);
out.inserted = await db.insert(users).values([{ name: "ann" }, { name: "bob" }]).returning({ id: users.id, name: users.name });
await db.insert(posts).values([{ userId: 1, tags: "a" }, { userId: 1, tags: "b" }]);
out.relational = (await db.query.users.findMany({ with: { posts: true }, orderBy: (u, { asc }) => asc(u.id) }))
  .map((u) => ({ name: u.name, posts: u.posts.length, date: u.createdAt instanceof Date }));
out.updated = await db.update(users).set({ name: "anna" }).where(eq(users.id, 1)).returning({ name: users.name });
out.batch = (await db.batch([db.insert(users).values({ name: "cy" }).returning({ name: users.name }), db.select({ name: users.name }).from(users)]))
  .map((rows) => rows.length);
try {
  await db.insert(users).values({ name: "bob" });
} catch (e) {
  out.code = e.code ?? e.cause?.code;
}
if (db.$count) out.count = await db.$count(users);
const pool = new Pool({ connectionString: url });
const ws = serverless.drizzle(pool, { schema });
out.transaction = await ws.transaction(async (tx) => {
  await tx.insert(users).values({ name: "dee" });
  return (await tx.select().from(users)).length;
});
out.rolledBack = await ws.transaction(async (tx) => {
  await tx.insert(users).values({ name: "eve" });
  tx.rollback();
}).catch((e) => e.constructor.name);
out.left = (await ws.select().from(users)).length;
await pool.end();
const pg = require("pg");
const client = new pg.Client({ connectionString: url });
await client.connect();
out.pg = (await client.query("select count(*)::int as n from dz_users where name <> $1", ["zed"])).rows;
await client.end();
console.log(JSON.stringify(out));
