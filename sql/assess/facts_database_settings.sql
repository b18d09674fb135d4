-- name: assess_facts_database_settings
-- What ALTER DATABASE ... SET and ALTER ROLE ... SET have set for sessions of the source's database:
-- pg_dump of one database carries none of it.
-- columns: facts (jsonb)
SELECT coalesce(jsonb_agg(jsonb_build_object(
           'role', r.rolname,
           'in_database', s.setdatabase <> 0,
           'name', split_part(c.line, '=', 1),
           'value', substr(c.line, strpos(c.line, '=') + 1))), '[]') AS facts
  FROM pg_catalog.pg_db_role_setting AS s
       LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
       CROSS JOIN unnest(s.setconfig) AS c (line)
 WHERE (s.setdatabase = 0
        OR s.setdatabase = (SELECT d.oid FROM pg_catalog.pg_database AS d
                             WHERE d.datname = current_database()))
   AND (s.setrole = 0) = (r.rolname IS NULL)
