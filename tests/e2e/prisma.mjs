// Prisma's client without its Rust engines, over pg and port 5432. The first argument is a folder with the
// generated client and its packages.
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/index.js");
const { PrismaClient } = require("./generated");
const { PrismaPg } = require("@prisma/adapter-pg");

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) });
const out = {};
await prisma.$executeRaw`create table "Team"(id serial primary key, name text not null unique)`;
await prisma.$executeRaw`create table "Player"(id serial primary key, name text not null, score bigint not null default 0, joined timestamptz(3)
  not null default now(), facts jsonb, tags text[], picture bytea, "teamId" int references "Team"(id))`;
out.nested = await prisma.team.create({
  data: { name: "red", players: { create: [{ name: "ann", score: 9007199254740993n, tags: ["a", "b c"] }, { name: "bob" }] } },
  select: { id: true, name: true, players: { select: { name: true, score: true }, orderBy: { id: "asc" } } },
});
out.many = await prisma.player.createMany({ data: [{ name: "cy", teamId: 1 }, { name: "dee", facts: { deep: [1, null, "ü"] } }] });
out.filtered = (await prisma.player.findMany({ where: { OR: [{ tags: { has: "b c" } }, { facts: { path: ["deep", "0"], equals: 1 } }] },
  orderBy: { name: "asc" } })).map((one) => [one.name, one.facts, one.joined instanceof Date]);
out.grouped = (await prisma.player.groupBy({ by: ["teamId"], _count: true, orderBy: { teamId: "asc" } })).map((one) => [one.teamId, one._count]);
out.bytes = Buffer.from((await prisma.player.update({ where: { id: 2 }, data: { picture: Buffer.from([0, 255]) } })).picture).toString("hex");
out.unique = await prisma.team.create({ data: { name: "red" } }).catch((error) => error.code);
out.batch = (await prisma.$transaction([prisma.team.create({ data: { name: "blue" } }), prisma.team.count()]))[1];
out.rolledBack = await prisma.$transaction(async (tx) => {
  await tx.team.create({ data: { name: "green" } });
  throw new Error("no");
}).catch((error) => error.message);
out.interactive = await prisma.$transaction(async (tx) => {
  await tx.player.deleteMany({ where: { teamId: null } });
  return tx.player.count();
}, { isolationLevel: "Serializable" });
out.teams = (await prisma.team.findMany({ orderBy: { id: "asc" } })).map((one) => one.name);
out.raw = await prisma.$queryRaw`select ${41}::int + 1 as n`;
out.parallel = (await Promise.all(Array.from({ length: 20 }, (_, i) => prisma.$queryRaw`select ${i}::int as n`))).map(([row]) => row.n);
await prisma.$disconnect();
console.log(JSON.stringify(out, (_, value) => (typeof value === "bigint" ? `${value}n` : value)));
