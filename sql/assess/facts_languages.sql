-- name: assess_facts_languages
-- The languages that the source's own functions are written in, less those that an extension of the
-- source brings (extension_missing speaks of these) and those made by CREATE LANGUAGE, which the
-- dump makes again.
-- $1 text[]  schemas to leave out
-- columns: facts (jsonb)
SELECT coalesce(jsonb_agg(DISTINCT l.lanname), '[]') AS facts
  FROM pg_catalog.pg_proc AS p
  JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
 WHERE p.oid >= 16384
   AND l.oid < 16384
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid
              AND e.deptype = 'e')
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_language'::regclass AND e.objid = l.oid
              AND e.deptype = 'e' AND l.lanname <> 'plpgsql')
