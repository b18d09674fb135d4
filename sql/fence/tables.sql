-- name: fence_tables
-- The tables to be fenced, with all that they inherit from and all that inherits from them: a
-- statement fires only the triggers of the table that it names. A listed table that is not there has
-- the state 'missing'; whole: the trigger is what we made.
-- $1 text[]  schemas
-- $2 text[]  tables
-- columns: schema, name, state, whole
WITH RECURSIVE listed AS (
    SELECT l.schema, l.name, c.oid
      FROM unnest($1::text[], $2::text[]) AS l (schema, name)
      LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = l.schema
      LEFT JOIN pg_catalog.pg_class AS c
        ON c.relnamespace = n.oid AND c.relname = l.name AND c.relkind IN ('r', 'p')
), family (oid) AS (
    SELECT oid FROM listed WHERE oid IS NOT NULL
    UNION
    SELECT i.kin
      FROM family AS f
      JOIN (SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits
            UNION ALL
            SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits) AS i (oid, kin) USING (oid)
)
SELECT n.nspname AS schema, c.relname AS name, COALESCE(t.tgenabled::text, 'none') AS state,
       COALESCE(t.tgtype = 62 AND t.tgqual IS NULL AND t.tgattr::text = '' AND p.proname = 'fence'
                AND p.pronamespace = pg_catalog.to_regnamespace('homeport'), false) AS whole
  FROM family AS f
  JOIN pg_catalog.pg_class AS c USING (oid)
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_trigger AS t
    ON t.tgrelid = c.oid AND t.tgname = 'homeport_fence' AND NOT t.tgisinternal
  LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
 WHERE c.relkind IN ('r', 'p')
   AND c.relpersistence <> 't'
UNION ALL
SELECT schema, name, 'missing', false FROM listed WHERE oid IS NULL
 ORDER BY 1, 2
