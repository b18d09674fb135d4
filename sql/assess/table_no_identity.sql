-- name: assess_table_no_identity
-- Tables whose rows the change stream could not name: published, their UPDATE and DELETE fail in the
-- live app. A replica identity is a primary key that is not deferrable, or what REPLICA IDENTITY
-- says. The fix is a unique index that would do, where there is one.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I', n.nspname, c.relname) AS object,
       CASE WHEN k.primary_key AND c.relreplident <> 'd'
            THEN format('ALTER TABLE %I.%I REPLICA IDENTITY DEFAULT;', n.nspname, c.relname)
            WHEN k.unique_index IS NOT NULL
            THEN format('ALTER TABLE %I.%I REPLICA IDENTITY USING INDEX %I;',
                        n.nspname, c.relname, k.unique_index)
            ELSE format('ALTER TABLE %I.%I REPLICA IDENTITY FULL;',
                        n.nspname, c.relname)
       END AS fix
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       CROSS JOIN LATERAL (
           SELECT coalesce(bool_or(i.indisprimary), false) AS primary_key,
                  coalesce(bool_or(i.indisreplident), false) AS chosen,
                  min(x.relname) FILTER (WHERE NOT i.indisprimary) AS unique_index
             FROM pg_catalog.pg_index AS i
             JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
            WHERE i.indrelid = c.oid
              AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready
              AND i.indpred IS NULL AND i.indexprs IS NULL
              AND NOT EXISTS (
                      SELECT
                        FROM pg_catalog.pg_attribute AS a
                       WHERE a.attrelid = c.oid AND NOT a.attnotnull
                         AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
       ) AS k
 WHERE c.relkind = 'r'
   AND c.relpersistence = 'p'
   AND CASE c.relreplident
            WHEN 'f' THEN false
            WHEN 'd' THEN NOT k.primary_key
            WHEN 'i' THEN NOT k.chosen
            ELSE true
       END
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
             JOIN pg_catalog.pg_extension AS x ON x.oid = e.refobjid
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.refclassid = 'pg_catalog.pg_extension'::regclass
              AND e.deptype = 'e'
              AND c.oid <> ALL (coalesce(x.extconfig, '{}')))
 ORDER BY 1
