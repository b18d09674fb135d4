-- name: move_indexes
-- What the archive does not say of indexes and constraints: their tables, and
-- for keys the definition of the index behind them, which can then be built
-- beside others (ADD PRIMARY KEY alone would lock the table against them).
-- Foreign keys have the table that they refer to.
-- columns: kind, oid, schema, table, relkind, contype, index_name, index_definition, deferrable, deferred, ref_schema, ref_table, ref_relkind, plain, collated
SELECT 'index',
       i.indexrelid,
       n.nspname,
       t.relname,
       t.relkind,
       '',
       NULL::name,
       NULL::text,
       false,
       false,
       NULL::name,
       NULL::name,
       NULL::"char",
       false,
       EXISTS (SELECT FROM pg_catalog.unnest(i.indcollation) AS c (oid) WHERE c.oid <> 0)
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
 WHERE n.nspname !~ '^pg_'
   AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'constraint',
       o.oid,
       n.nspname,
       t.relname,
       t.relkind,
       o.contype::text,
       x.relname,
       pg_catalog.pg_get_indexdef(x.oid),
       o.condeferrable,
       o.condeferred,
       rn.nspname,
       r.relname,
       r.relkind,
       -- WITHOUT OVERLAPS keys are made with their constraint only; they are GiST.
       COALESCE(o.contype IN ('p', 'u') AND t.relkind = 'r' AND am.amname = 'btree', false),
       COALESCE((SELECT pg_catalog.bool_or(c.oid <> 0)
                   FROM pg_catalog.pg_index AS i, pg_catalog.unnest(i.indcollation) AS c (oid)
                  WHERE i.indexrelid = x.oid), false)
  FROM pg_catalog.pg_constraint AS o
  JOIN pg_catalog.pg_class AS t ON t.oid = o.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
  LEFT JOIN pg_catalog.pg_class AS x ON x.oid = o.conindid AND o.contype <> 'f'
  LEFT JOIN pg_catalog.pg_am AS am ON am.oid = x.relam
  LEFT JOIN pg_catalog.pg_class AS r ON r.oid = o.confrelid AND o.contype = 'f'
  LEFT JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
 WHERE n.nspname !~ '^pg_'
   AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'statistics', e.oid, n.nspname, t.relname, t.relkind,
       '', NULL, NULL, false, false, NULL, NULL, NULL, false, false
  FROM pg_catalog.pg_statistic_ext AS e
  JOIN pg_catalog.pg_class AS t ON t.oid = e.stxrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
