-- name: assess_facts_roles
-- Every role that the source's schema names, and where: as the owner of an object, or as one that
-- an object is granted to, a policy applies to or default privileges concern. Read from the
-- catalogues themselves: pg_shdepend has no entry for the superuser made by initdb. Privileges that
-- came with the server or an extension are left out, as pg_dump leaves them out.
-- $1 text[]  schemas to leave out
-- columns: facts (jsonb)
WITH thing (class, object, subobject, namespace, owner, acl) AS (
    SELECT 'pg_catalog.pg_class'::regclass, c.oid, 0, c.relnamespace, c.relowner, c.relacl
      FROM pg_catalog.pg_class AS c
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, c.oid, a.attnum, c.relnamespace, NULL, a.attacl
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
     WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'pg_catalog.pg_namespace'::regclass, n.oid, 0, n.oid, n.nspowner, n.nspacl
      FROM pg_catalog.pg_namespace AS n
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, p.oid, 0, p.pronamespace, p.proowner, p.proacl
      FROM pg_catalog.pg_proc AS p
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, 0, t.typnamespace, t.typowner, t.typacl
      FROM pg_catalog.pg_type AS t
           LEFT JOIN pg_catalog.pg_class AS r ON r.oid = t.typrelid
     WHERE t.typisdefined AND t.typcategory <> 'A' AND t.typtype <> 'm'
       AND (t.typrelid = 0 OR r.relkind = 'c')
    UNION ALL
    SELECT 'pg_catalog.pg_operator'::regclass, o.oid, 0, o.oprnamespace, o.oprowner, NULL
      FROM pg_catalog.pg_operator AS o
    UNION ALL
    SELECT 'pg_catalog.pg_opclass'::regclass, o.oid, 0, o.opcnamespace, o.opcowner, NULL
      FROM pg_catalog.pg_opclass AS o
    UNION ALL
    SELECT 'pg_catalog.pg_opfamily'::regclass, o.oid, 0, o.opfnamespace, o.opfowner, NULL
      FROM pg_catalog.pg_opfamily AS o
    UNION ALL
    SELECT 'pg_catalog.pg_collation'::regclass, o.oid, 0, o.collnamespace, o.collowner, NULL
      FROM pg_catalog.pg_collation AS o
    UNION ALL
    SELECT 'pg_catalog.pg_conversion'::regclass, o.oid, 0, o.connamespace, o.conowner, NULL
      FROM pg_catalog.pg_conversion AS o
    UNION ALL
    SELECT 'pg_catalog.pg_ts_config'::regclass, o.oid, 0, o.cfgnamespace, o.cfgowner, NULL
      FROM pg_catalog.pg_ts_config AS o
    UNION ALL
    SELECT 'pg_catalog.pg_ts_dict'::regclass, o.oid, 0, o.dictnamespace, o.dictowner, NULL
      FROM pg_catalog.pg_ts_dict AS o
    UNION ALL
    SELECT 'pg_catalog.pg_statistic_ext'::regclass, o.oid, 0, o.stxnamespace, o.stxowner, NULL
      FROM pg_catalog.pg_statistic_ext AS o
    UNION ALL
    SELECT 'pg_catalog.pg_language'::regclass, o.oid, 0, NULL, o.lanowner, o.lanacl
      FROM pg_catalog.pg_language AS o
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_data_wrapper'::regclass, o.oid, 0, NULL, o.fdwowner, o.fdwacl
      FROM pg_catalog.pg_foreign_data_wrapper AS o
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_server'::regclass, o.oid, 0, NULL, o.srvowner, o.srvacl
      FROM pg_catalog.pg_foreign_server AS o
    UNION ALL
    SELECT 'pg_catalog.pg_event_trigger'::regclass, o.oid, 0, NULL, o.evtowner, NULL
      FROM pg_catalog.pg_event_trigger AS o
    UNION ALL
    SELECT 'pg_catalog.pg_publication'::regclass, o.oid, 0, NULL, o.pubowner, NULL
      FROM pg_catalog.pg_publication AS o
    UNION ALL
    (SELECT DISTINCT ON (o.lomowner, o.lomacl::text)
            'pg_catalog.pg_largeobject'::regclass, o.oid, 0, NULL::oid, o.lomowner, o.lomacl
       FROM pg_catalog.pg_largeobject_metadata AS o)
), moved AS (
    SELECT t.class, t.object, t.subobject, t.owner,
           CASE WHEN t.acl::text IS DISTINCT FROM i.initprivs::text THEN t.acl END AS acl
      FROM thing AS t
           LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.namespace
           LEFT JOIN pg_catalog.pg_init_privs AS i
                  ON i.classoid = t.class AND i.objoid = t.object AND i.objsubid = t.subobject
     WHERE (n.nspname IS NULL OR n.nspname <> ALL ($1::text[])
            OR n.nspname IN ('pg_catalog', 'information_schema'))
       AND (t.object >= 16384 OR t.class = 'pg_catalog.pg_largeobject'::regclass
            OR t.acl IS NOT NULL)
), named AS (
    SELECT m.owner AS role, 'owner' AS use, m.class, m.object, m.subobject
      FROM moved AS m
     WHERE (m.object >= 16384 OR m.class = 'pg_catalog.pg_largeobject'::regclass)
       AND m.owner IS NOT NULL
       AND NOT EXISTS (
               SELECT
                 FROM pg_catalog.pg_depend AS e
                WHERE e.classid = m.class AND e.objid = m.object AND e.deptype = 'e')
    UNION
    SELECT r.role, 'grant', m.class, m.object, m.subobject
      FROM moved AS m
           CROSS JOIN aclexplode(m.acl) AS x
           CROSS JOIN LATERAL (VALUES (x.grantee), (x.grantor)) AS r (role)
     WHERE r.role <> 0
       AND (r.role >= 16384 OR (m.object >= 16384 AND r.role = 10))
       AND r.role IS DISTINCT FROM m.owner
    UNION
    SELECT r.role, 'grant', 'pg_catalog.pg_policy'::regclass, p.oid, 0
      FROM pg_catalog.pg_policy AS p
           CROSS JOIN unnest(p.polroles) AS r (role)
     WHERE r.role <> 0
    UNION
    SELECT r.role, 'grant', 'pg_catalog.pg_default_acl'::regclass, d.oid, 0
      FROM pg_catalog.pg_default_acl AS d
           CROSS JOIN aclexplode(d.defaclacl) AS x
           CROSS JOIN LATERAL (VALUES (d.defaclrole), (x.grantee), (x.grantor)) AS r (role)
     WHERE r.role <> 0
    UNION
    SELECT u.umuser, 'grant', 'pg_catalog.pg_user_mapping'::regclass, u.umid, 0
      FROM pg_catalog.pg_user_mappings AS u
     WHERE u.umuser <> 0
)
SELECT coalesce(jsonb_agg(jsonb_build_object(
           'role', a.rolname,
           'use', n.use,
           'object', CASE WHEN i.type IN ('table', 'table column') THEN i.identity
                          ELSE concat_ws(' ', i.type, i.identity) END)), '[]') AS facts
  FROM named AS n
  JOIN pg_catalog.pg_roles AS a ON a.oid = n.role
       CROSS JOIN LATERAL pg_identify_object(n.class, n.object, n.subobject) AS i
