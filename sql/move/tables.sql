-- name: move_tables
-- Every table that has rows of its own, largest first, so that the longest work starts earliest:
-- ordinary tables, partitions as themselves, inheritance parents without their children. Not
-- temporary ones, not homeport's or Neon's own, and of extensions only configuration tables,
-- with the condition under which their rows are the user's.
-- Sizes are the files' now; all else is as the snapshot sees it (rule 3: relfilenode).
-- columns: oid, schema, name, relfilenode, bytes, blocks, rows_estimate, persistence, owner, heap, condition, root, row_bytes
SELECT c.oid,
       n.nspname,
       c.relname,
       c.relfilenode,
       s.main + COALESCE(pg_catalog.pg_relation_size(NULLIF(c.reltoastrelid, 0)), 0),
       s.main / pg_catalog.current_setting('block_size')::bigint,
       CASE WHEN c.reltuples < 0 OR c.relpages <= 0 THEN -1
            ELSE (c.reltuples::double precision / c.relpages
                  * (s.main / pg_catalog.current_setting('block_size')::bigint))::bigint
       END,
       c.relpersistence,
       pg_catalog.pg_get_userbyid(c.relowner),
       COALESCE(am.amname = 'heap', false),
       NULLIF(e.extcondition[pg_catalog.array_position(e.extconfig, c.oid)], ''),
       h.root,
       s.main
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
  LEFT JOIN pg_catalog.pg_depend AS d
         ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid
        AND d.objsubid = 0
        AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        AND d.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
 CROSS JOIN LATERAL (SELECT COALESCE(pg_catalog.pg_relation_size(c.oid, 'main'), 0)) AS s (main)
  -- A hash over an enum is one over OIDs, which differ between servers: rows of such a partition
  -- belong into whichever the target's own hash says, so they are sent to the root: the topmost
  -- table that is divided so. What is above it says the same everywhere.
  LEFT JOIN LATERAL (
       SELECT pg_catalog.format('%I.%I', rn.nspname, r.relname)
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
                        LIMIT 1)) AS h (root) ON true
 WHERE c.relkind = 'r'
   AND c.relpersistence IN ('p', 'u')
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'homeport')
   AND NOT (n.nspname IN ('neon', 'neon_utils', 'neon_migration')
            AND pg_catalog.pg_get_userbyid(n.nspowner) IN ('cloud_admin', 'neon_superuser', 'neon_service'))
   AND (e.oid IS NULL OR (c.oid = ANY (e.extconfig) AND e.extname NOT IN ('neon', 'neon_utils')))
 ORDER BY 5 DESC, c.oid
