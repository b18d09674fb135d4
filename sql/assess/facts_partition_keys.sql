-- name: assess_facts_partition_keys
-- Tables partitioned by ranges of text in the order of the database: under another collation a row
-- may belong to another partition than the one it is in.
-- $1 text[]  schemas to leave out
-- columns: facts (jsonb)
SELECT coalesce(jsonb_agg(format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname),
                '[]') AS facts
  FROM pg_catalog.pg_partitioned_table AS p
  JOIN pg_catalog.pg_class AS c ON c.oid = p.partrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE p.partstrat = 'r'
   AND 'pg_catalog."default"'::regcollation = ANY (p.partcollation::oid[])
   AND n.nspname <> ALL ($1::text[])
