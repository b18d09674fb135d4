-- name: identity_foreign_keys
-- Foreign keys that join a listed column to one that is not: one side would get new identifiers, the
-- other keep the old ones.
-- $1 text[]  schemas of the listed columns
-- $2 text[]  their tables
-- $3 text[]  their names
-- columns: object, missing
WITH RECURSIVE family (rel, name) AS (
    SELECT c.oid, l.name
      FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]))
           AS l (schema, tab, name)
      JOIN pg_catalog.pg_namespace AS n ON n.nspname = l.schema
      JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = l.tab
     UNION
    SELECT i.inhrelid, f.name
      FROM family AS f
      JOIN pg_catalog.pg_inherits AS i ON i.inhparent = f.rel
),
joined AS (
    SELECT f.conname, f.conrelid, f.confrelid, h.attname AS here, t.attname AS there,
           EXISTS (SELECT FROM family AS l WHERE l.rel = f.conrelid AND l.name = h.attname) AS here_listed,
           EXISTS (SELECT FROM family AS l WHERE l.rel = f.confrelid AND l.name = t.attname) AS there_listed
      FROM pg_catalog.pg_constraint AS f
     CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey)) AS k (here, there)
      JOIN pg_catalog.pg_attribute AS h ON h.attrelid = f.conrelid AND h.attnum = k.here
      JOIN pg_catalog.pg_attribute AS t ON t.attrelid = f.confrelid AND t.attnum = k.there
     WHERE f.contype = 'f'
       AND f.conparentid = 0
)
SELECT format('%s: %s.%I -> %s.%I', quote_ident(j.conname), h.name, j.here, t.name, j.there),
       CASE WHEN j.here_listed THEN format('%s.%I', t.name, j.there) ELSE format('%s.%I', h.name, j.here) END
  FROM joined AS j
 CROSS JOIN LATERAL (SELECT format('%I.%I', n.nspname, c.relname)
                       FROM pg_catalog.pg_class AS c
                       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                      WHERE c.oid = j.conrelid) AS h (name)
 CROSS JOIN LATERAL (SELECT format('%I.%I', n.nspname, c.relname)
                       FROM pg_catalog.pg_class AS c
                       JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                      WHERE c.oid = j.confrelid) AS t (name)
 WHERE j.here_listed <> j.there_listed
 ORDER BY 1
