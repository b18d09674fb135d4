-- name: assess_target_not_empty
-- What users have made in the target's database: nothing that the server or an extension brought,
-- and nothing at all where homeport itself began to fill it (its state is there).
-- columns: object, fix
WITH thing (class, object, namespace) AS (
    SELECT 'pg_catalog.pg_class'::regclass, c.oid, c.relnamespace
      FROM pg_catalog.pg_class AS c
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, t.typnamespace
      FROM pg_catalog.pg_type AS t
           LEFT JOIN pg_catalog.pg_class AS r ON r.oid = t.typrelid
     WHERE t.typcategory <> 'A' AND t.typtype <> 'm' AND (t.typrelid = 0 OR r.relkind = 'c')
    UNION ALL
    SELECT 'pg_catalog.pg_namespace'::regclass, n.oid, n.oid
      FROM pg_catalog.pg_namespace AS n
     WHERE n.nspname !~ '^pg_(toast_)?temp_'
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, p.oid, p.pronamespace FROM pg_catalog.pg_proc AS p
    UNION ALL
    SELECT 'pg_catalog.pg_operator'::regclass, o.oid, o.oprnamespace FROM pg_catalog.pg_operator AS o
    UNION ALL
    SELECT 'pg_catalog.pg_collation'::regclass, o.oid, o.collnamespace
      FROM pg_catalog.pg_collation AS o
     WHERE o.collnamespace <> 'pg_catalog'::regnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_ts_config'::regclass, o.oid, o.cfgnamespace FROM pg_catalog.pg_ts_config AS o
    UNION ALL
    SELECT 'pg_catalog.pg_ts_dict'::regclass, o.oid, o.dictnamespace FROM pg_catalog.pg_ts_dict AS o
    UNION ALL
    SELECT 'pg_catalog.pg_cast'::regclass, o.oid, NULL FROM pg_catalog.pg_cast AS o
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_server'::regclass, o.oid, NULL FROM pg_catalog.pg_foreign_server AS o
    UNION ALL
    SELECT 'pg_catalog.pg_event_trigger'::regclass, o.oid, NULL FROM pg_catalog.pg_event_trigger AS o
    UNION ALL
    SELECT 'pg_catalog.pg_publication'::regclass, o.oid, NULL FROM pg_catalog.pg_publication AS o
    UNION ALL
    SELECT 'pg_catalog.pg_subscription'::regclass, o.oid, NULL
      FROM pg_catalog.pg_subscription AS o
      JOIN pg_catalog.pg_database AS d ON d.oid = o.subdbid
     WHERE d.datname = current_database()
    UNION ALL
    (SELECT 'pg_catalog.pg_largeobject'::regclass, o.oid, NULL::oid
       FROM pg_catalog.pg_largeobject_metadata AS o ORDER BY o.oid LIMIT 20)
)
SELECT CASE WHEN i.type IN ('table', 'partitioned table') THEN i.identity
            ELSE concat_ws(' ', i.type, i.identity) END AS object,
       NULL AS fix
  FROM thing AS t
       LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.namespace
       CROSS JOIN LATERAL pg_identify_object(t.class, t.object, 0) AS i
 WHERE (t.object >= 16384 OR t.class = 'pg_catalog.pg_largeobject'::regclass)
   AND (n.nspname IS NULL OR n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'homeport'))
   AND to_regclass('homeport.move') IS NULL
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = t.class AND e.objid = t.object AND e.deptype = 'e')
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_extension AS x
            WHERE t.class = 'pg_catalog.pg_namespace'::regclass AND x.extnamespace = t.object)
 ORDER BY t.class = 'pg_catalog.pg_class'::regclass DESC, 1
