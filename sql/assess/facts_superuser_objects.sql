-- name: assess_facts_superuser_objects
-- Objects of the source that only a superuser can make again: event triggers, functions in C or in an
-- untrusted language, base types, operator classes, foreign data wrappers, languages, publications
-- of all tables or of schemas, casts without a function.
-- $1 text[]  schemas to leave out
-- columns: facts (jsonb)
WITH thing (class, object, namespace) AS (
    SELECT 'pg_catalog.pg_event_trigger'::regclass, t.oid, NULL::oid
      FROM pg_catalog.pg_event_trigger AS t
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, p.oid, p.pronamespace
      FROM pg_catalog.pg_proc AS p
      JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
     WHERE NOT l.lanpltrusted OR p.proleakproof
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, t.typnamespace
      FROM pg_catalog.pg_type AS t
     WHERE t.typtype = 'b' AND t.typcategory <> 'A'
    UNION ALL
    SELECT 'pg_catalog.pg_opclass'::regclass, o.oid, o.opcnamespace FROM pg_catalog.pg_opclass AS o
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_data_wrapper'::regclass, w.oid, NULL
      FROM pg_catalog.pg_foreign_data_wrapper AS w
    UNION ALL
    SELECT 'pg_catalog.pg_language'::regclass, l.oid, NULL FROM pg_catalog.pg_language AS l
    UNION ALL
    SELECT 'pg_catalog.pg_cast'::regclass, c.oid, NULL
      FROM pg_catalog.pg_cast AS c
     WHERE c.castmethod = 'b'
    UNION ALL
    SELECT 'pg_catalog.pg_publication'::regclass, p.oid, NULL
      FROM pg_catalog.pg_publication AS p
     WHERE p.puballtables
)
SELECT coalesce(jsonb_agg(concat_ws(' ', i.type, i.identity) ORDER BY i.type, i.identity), '[]') AS facts
  FROM thing AS t
       LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.namespace
       CROSS JOIN LATERAL pg_identify_object(t.class, t.object, 0) AS i
 WHERE t.object >= 16384
   AND (n.nspname IS NULL OR n.nspname <> ALL ($1::text[]))
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = t.class AND e.objid = t.object AND e.deptype = 'e')
