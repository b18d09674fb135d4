-- name: apply_keys
-- Unique indexes by which one row can be found, a row for each column: whole, immediate, without
-- expressions. The operator is the index's own equality, written so that no search path is needed.
-- $1 oid  table
-- columns: index, column, operator, not_null
SELECT i.indexrelid,
       a.attname,
       pg_catalog.format('OPERATOR(%I.%s)', n.nspname, e.oprname),
       a.attnotnull
  FROM pg_catalog.pg_index AS i
 CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (at)
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.at]
  JOIN pg_catalog.pg_opclass AS o ON o.oid = i.indclass[k.at]
  JOIN pg_catalog.pg_amop AS m
         ON m.amopfamily = o.opcfamily
        AND m.amoplefttype = o.opcintype
        AND m.amoprighttype = o.opcintype
        AND m.amopstrategy = 3
        AND m.amoppurpose = 's'
  JOIN pg_catalog.pg_operator AS e ON e.oid = m.amopopr
  JOIN pg_catalog.pg_namespace AS n ON n.oid = e.oprnamespace
 WHERE i.indrelid = $1::oid
   AND i.indisunique
   AND i.indimmediate
   AND i.indisvalid
   AND i.indpred IS NULL
   AND i.indexprs IS NULL
 ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid, k.at
