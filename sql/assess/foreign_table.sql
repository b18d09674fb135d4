-- name: assess_foreign_table
-- Foreign tables: their rows are on another server, which the target must reach. The password of a
-- user mapping is in a dump only where the source's role may read it.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I (server %I)', n.nspname, c.relname, s.srvname) AS object,
       (SELECT string_agg(
                   format('ALTER USER MAPPING FOR %s SERVER %I OPTIONS (SET password ''...'');',
                          CASE WHEN u.umuser = 0 THEN 'public' ELSE quote_ident(u.usename) END,
                          u.srvname), E'\n' ORDER BY u.usename)
          FROM pg_catalog.pg_user_mappings AS u
         WHERE u.srvid = s.oid) AS fix
  FROM pg_catalog.pg_foreign_table AS f
  JOIN pg_catalog.pg_class AS c ON c.oid = f.ftrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver
 WHERE n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.deptype = 'e')
 ORDER BY 1
