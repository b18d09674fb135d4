-- name: identity_columns
-- What is mapped: each listed column in its table and in every table that inherits from it, and
-- generated columns that are computed from one.
-- $1 text[]  schemas of the listed columns
-- $2 text[]  their tables
-- $3 text[]  their names
-- columns: place, schema, table, column, type, derived, in_partition_key, object
WITH RECURSIVE family (place, rel, name) AS (
    SELECT l.place, c.oid, l.name
      FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]))
           WITH ORDINALITY AS l (schema, tab, name, place)
      JOIN pg_catalog.pg_namespace AS n ON n.nspname = l.schema
      JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = l.tab AND c.relkind IN ('r', 'p')
     UNION
    SELECT f.place, i.inhrelid, f.name
      FROM family AS f
      JOIN pg_catalog.pg_inherits AS i ON i.inhparent = f.rel
),
domains (type, base) AS (
    SELECT t.oid, t.oid
      FROM pg_catalog.pg_type AS t
     UNION ALL
    SELECT d.type, t.typbasetype
      FROM domains AS d
      JOIN pg_catalog.pg_type AS t ON t.oid = d.base
     WHERE t.typtype = 'd'
),
found AS (
    SELECT f.place, f.rel, a.attnum, a.attname, a.atttypid, a.attgenerated
      FROM family AS f
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.rel AND a.attname = f.name AND a.attnum > 0
),
derived AS (
    SELECT f.place, f.rel, g.attnum, g.attname, g.atttypid
      FROM found AS f
      JOIN pg_catalog.pg_attribute AS g ON g.attrelid = f.rel AND g.attgenerated <> '' AND NOT g.attisdropped
      LEFT JOIN pg_catalog.pg_attrdef AS e ON e.adrelid = f.rel AND e.adnum = g.attnum
     WHERE g.attnum <> f.attnum
       AND EXISTS (
               SELECT
                 FROM pg_catalog.pg_depend AS d
                WHERE d.refclassid = 'pg_catalog.pg_class'::regclass
                  AND d.refobjid = f.rel
                  AND d.refobjsubid = f.attnum
                  AND (   (d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = f.rel AND d.objsubid = g.attnum)
                       OR (d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = e.oid)))
)
SELECT s.place, n.nspname, c.relname, s.attname,
       CASE WHEN b.typnamespace = 'pg_catalog'::regnamespace THEN b.typname::text ELSE '' END,
       s.derived,
       EXISTS (SELECT
                 FROM pg_catalog.pg_partitioned_table AS p
                WHERE p.partrelid = s.rel
                  AND (s.attnum = ANY (p.partattrs::int2[])
                       OR pg_catalog.pg_get_expr(p.partexprs, p.partrelid) IS NOT NULL)),
       format('%I.%I.%I', n.nspname, c.relname, s.attname)
  FROM (SELECT f.place, f.rel, f.attnum, f.attname, f.atttypid, f.attgenerated <> '' AS derived
          FROM found AS f
         UNION ALL
        SELECT d.place, d.rel, d.attnum, d.attname, d.atttypid, true
          FROM derived AS d) AS s
  JOIN pg_catalog.pg_class AS c ON c.oid = s.rel
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN domains AS o ON o.type = s.atttypid
  JOIN pg_catalog.pg_type AS b ON b.oid = o.base AND b.typtype <> 'd'
 ORDER BY s.place, n.nspname COLLATE "C", c.relname COLLATE "C", s.derived, s.attnum
