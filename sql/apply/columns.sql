-- name: apply_columns
-- A table of this side, a row for each column, in the table's order. The type is the one below
-- domains, without a modifier: a cast to it cuts nothing off. `root` is where rows of a partition by
-- hash over an enum are sent (such a hash is one over OIDs, which differ between servers).
-- $1 text  schema
-- $2 text  name
-- columns: oid, kind, root, name, type, type_oid, generated, identity, not_null, has_default
WITH RECURSIVE domains (type, base) AS (
    SELECT DISTINCT a.atttypid, a.atttypid
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = $1::text
       AND c.relname = $2::text
       AND a.attnum > 0
       AND NOT a.attisdropped
    UNION ALL
    SELECT d.type, t.typbasetype
      FROM domains AS d
      JOIN pg_catalog.pg_type AS t ON t.oid = d.base
     WHERE t.typtype = 'd'
)
SELECT c.oid,
       c.relkind,
       h.root,
       a.attname,
       pg_catalog.format_type(t.oid, -1),
       t.oid,
       a.attgenerated <> '',
       a.attidentity,
       a.attnotnull,
       a.atthasdef OR dt.typdefault IS NOT NULL
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN domains AS d ON d.type = a.atttypid
  JOIN pg_catalog.pg_type AS t ON t.oid = d.base AND t.typtype <> 'd'
  JOIN pg_catalog.pg_type AS dt ON dt.oid = a.atttypid
  LEFT JOIN LATERAL (
       SELECT pg_catalog.format('%I.%I', rn.nspname, r.relname) AS root
         FROM pg_catalog.pg_class AS r
         JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
        WHERE c.relispartition
          AND r.oid = (SELECT a.relid
                         FROM pg_catalog.pg_partition_ancestors(c.oid) WITH ORDINALITY AS a (relid, level)
                         JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = a.relid
                         JOIN pg_catalog.pg_opclass AS o ON o.oid = ANY (p.partclass)
                         JOIN pg_catalog.pg_opfamily AS f ON f.oid = o.opcfamily
                        WHERE p.partstrat = 'h'
                          AND f.opfname = 'enum_ops'
                        ORDER BY a.level DESC
                        LIMIT 1)) AS h ON true
 WHERE n.nspname = $1::text
   AND c.relname = $2::text
   AND c.relkind IN ('r', 'p')
 ORDER BY a.attnum
