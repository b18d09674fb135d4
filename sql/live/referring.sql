-- name: live_referring
-- These tables, and all whose rows go or change by foreign keys when rows of them do, and so on; each
-- behind those that it refers to, where they do not refer to each other. Tables with rows of their own.
-- $1 text[]  schemas
-- $2 text[]  tables
-- columns: schema, table
WITH RECURSIVE link (parent, child, acts) AS MATERIALIZED (
    SELECT p.oid, c.oid,
           pg_catalog.bool_or(f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r'))
      FROM pg_catalog.pg_constraint AS f
     CROSS JOIN LATERAL (SELECT f.confrelid
                          UNION
                         SELECT t.relid FROM pg_catalog.pg_partition_tree(f.confrelid) AS t (relid)) AS p (oid)
     CROSS JOIN LATERAL (SELECT f.conrelid
                          UNION
                         SELECT t.relid FROM pg_catalog.pg_partition_tree(f.conrelid) AS t (relid)) AS c (oid)
     WHERE f.contype = 'f'
       AND f.conparentid = 0
     GROUP BY 1, 2
), member (oid) AS (
    SELECT c.oid
      FROM unnest($1::text[], $2::text[]) AS w (schema, name)
      JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
      JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
    UNION
    SELECT l.child
      FROM member AS m
      JOIN link AS l ON l.parent = m.oid
     WHERE l.acts
), level (oid, number) AS (
    SELECT oid, 0::bigint FROM member
    UNION
    SELECT l.child, v.number + 1
      FROM level AS v
      JOIN link AS l ON l.parent = v.oid AND l.child <> l.parent
      JOIN member AS m ON m.oid = l.child
     WHERE v.number < (SELECT pg_catalog.count(*) FROM member)
)
SELECT n.nspname, c.relname
  FROM level AS v
  JOIN pg_catalog.pg_class AS c ON c.oid = v.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r'
 GROUP BY 1, 2
 ORDER BY pg_catalog.max(v.number), 1, 2
