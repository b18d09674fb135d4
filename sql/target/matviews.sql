-- name: target_matviews
-- Materialised views in the order in which they can be refreshed: each after those it reads, also
-- through views.
-- columns: schema, name, depth
WITH RECURSIVE reads (reader, read) AS (
    SELECT DISTINCT r.ev_class, d.refobjid
      FROM pg_catalog.pg_rewrite AS r
      JOIN pg_catalog.pg_depend AS d
           ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
          AND d.objid = r.oid
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refobjid <> r.ev_class
      JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid AND c.relkind IN ('m', 'v')
),
depths (oid, depth) AS (
    SELECT oid, 0 FROM pg_catalog.pg_class WHERE relkind IN ('m', 'v')
    UNION
    SELECT reads.reader, depths.depth + 1
      FROM depths
      JOIN reads ON reads.read = depths.oid
)
SELECT n.nspname, c.relname, pg_catalog.max(depths.depth)
  FROM depths
  JOIN pg_catalog.pg_class AS c ON c.oid = depths.oid AND c.relkind = 'm'
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 GROUP BY 1, 2
 ORDER BY 3, 1, 2
