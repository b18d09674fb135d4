-- Names that need quoting, that look like something else, or differ by case alone.
CREATE SCHEMA "Odd ""Schema"".x";
CREATE SCHEMA "select";
CREATE SCHEMA "SELECT";
COMMENT ON SCHEMA "select" IS '--; DROP DATABASE x; \connect';

CREATE TABLE "Odd ""Schema"".x"."Table.with ""quotes"" and 'more'" (
    "Id" integer PRIMARY KEY, "with space" text, "with.dot" text, "with""quote" text,
    "with'apostrophe" text, "back\slash" text, "dollar$1" text, "per%cent" text, "100" text,
    "select" text, "ünï日本👋" text, "comma,(paren)" text, " leading" text, "trailing " text,
    "id" text, "ID" text, "--comment" text, "/*" text, ":colon" text, "{brace}" text, "=" text
);
INSERT INTO "Odd ""Schema"".x"."Table.with ""quotes"" and 'more'" ("Id", "with space", "id", "ID", "=")
    SELECT g, 'value ' || g, 'lower', 'upper', '=' FROM generate_series(1, 25) AS g;
COMMENT ON COLUMN "Odd ""Schema"".x"."Table.with ""quotes"" and 'more'"."with""quote" IS E'a "comment" with \'quotes\'\nand a second line;';
CREATE TABLE "Odd ""Schema"".x"."back\slash" ("\" text, "\\N" text);
INSERT INTO "Odd ""Schema"".x"."back\slash" VALUES ('\', '\\'), ('\N', '\\.');
SELECT 'CREATE TABLE "Odd ""Schema"".x"."line' || chr(10) || 'feed" ("tab' || chr(9) || 'bed" integer PRIMARY KEY, "line'
       || chr(10) || 'feed" text, "return' || chr(13) || '" text)'
\gexec
SELECT 'INSERT INTO "Odd ""Schema"".x"."line' || chr(10) || 'feed" VALUES (1, ''a'', ''b''), (2, NULL, '''')'
\gexec
SELECT 'CREATE INDEX "index' || chr(10) || 'with a line feed" ON "Odd ""Schema"".x"."line' || chr(10) || 'feed" ("line' || chr(10) || 'feed")'
\gexec
CREATE TABLE "select"."table" ("from" integer PRIMARY KEY, "where" text, "order" integer, "user" text);
INSERT INTO "select"."table" VALUES (1, 'reserved', 2, 'all');
CREATE TABLE "SELECT"."table" ("from" integer PRIMARY KEY, "where" text);
INSERT INTO "SELECT"."table" VALUES (1, 'another'), (2, 'schema');
CREATE TABLE zoo."Case" (id integer PRIMARY KEY);
CREATE TABLE zoo."CASE" (id integer PRIMARY KEY);
CREATE TABLE zoo."cAse" (id integer PRIMARY KEY);
INSERT INTO zoo."Case" VALUES (1);
INSERT INTO zoo."CASE" VALUES (1), (2);
INSERT INTO zoo."cAse" VALUES (1), (2), (3);
-- 63 bytes: ASCII; and two-byte letters that end before the 64th. Two that
-- differ in their last byte alone.
SELECT format('CREATE TABLE zoo.%I (%I integer PRIMARY KEY)', n, n)
  FROM unnest(ARRAY[repeat('a', 62) || '1', repeat('a', 62) || '2', repeat('ä', 31) || '1']) AS n
\gexec
SELECT format('INSERT INTO zoo.%I VALUES (1), (2)', n)
  FROM unnest(ARRAY[repeat('a', 62) || '1', repeat('a', 62) || '2', repeat('ä', 31) || '1']) AS n
\gexec
CREATE TABLE zoo."pg_temp.x" (a integer PRIMARY KEY);
CREATE TABLE zoo."$1" ("$1" integer PRIMARY KEY, "%s" text, "%d%n" text, "?" text);
INSERT INTO zoo."$1" VALUES (1, '%s', '%d%n', '?');
-- The names of homeport's own aliases must not matter, nor those of functions and types.
CREATE TABLE zoo."count" ("count" integer PRIMARY KEY, "t" text, "c" text, "n" text, "row" text,
    "text" text, "integer" text, "key" text, "hash" text, "md5" text, "current_user" text);
INSERT INTO zoo."count" VALUES (1, 't', 'c', 'n', 'row', 'text', 'integer', 'key', 'hash', 'md5', 'me');
CREATE TABLE public."table" (id integer PRIMARY KEY, note text);
INSERT INTO public."table" VALUES (1, 'in public');
CREATE TABLE public.pg_class (relname text PRIMARY KEY);
INSERT INTO public.pg_class VALUES ('not the catalogue');
CREATE TYPE "select"."Type ""x""" AS ENUM ('one');
CREATE TABLE "select"."uses type" ("Type ""x""" "select"."Type ""x"""[] PRIMARY KEY);
INSERT INTO "select"."uses type" VALUES ('{one}');
CREATE FUNCTION "select"."function ""f"" (1)"("arg ""a""" integer) RETURNS integer
    LANGUAGE sql AS 'SELECT "arg ""a"""';
CREATE VIEW "select"."view" AS SELECT "from" AS "FROM", "where" AS "a ""b""" FROM "select"."table";
