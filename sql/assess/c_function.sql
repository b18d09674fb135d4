-- name: assess_c_function
-- Functions in C that belong to no extension: they need their library on the target's server.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT i.identity AS object,
       format('-- copy %s to the server (SHOW dynamic_library_path), built for its version',
              p.probin) AS fix
  FROM pg_catalog.pg_proc AS p
  JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang AND l.lanname = 'c'
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
       CROSS JOIN LATERAL pg_identify_object('pg_catalog.pg_proc'::regclass, p.oid, 0) AS i
 WHERE p.oid >= 16384
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid
              AND e.deptype = 'e')
 ORDER BY 1
