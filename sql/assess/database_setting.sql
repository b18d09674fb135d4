-- name: assess_database_setting
-- Those settings that the target does not have: of the database, and of roles that are there under
-- their own or their mapped name. Lists of names are written as they are kept, other values quoted.
-- $1 jsonb  the source's settings (facts_database_settings)
-- $2 jsonb  the role map: {"old": "new"}
-- columns: object, fix
SELECT concat(CASE WHEN w.home IS NULL THEN 'database' ELSE concat('role ', quote_ident(w.home)) END,
              ': ', w.name, ' = ', w.value) AS object,
       format('ALTER %s SET %s = %s;',
              CASE WHEN w.home IS NULL THEN format('DATABASE %I', current_database())
                   WHEN w.in_database THEN format('ROLE %I IN DATABASE %I', w.home, current_database())
                   ELSE format('ROLE %I', w.home) END,
              w.quoted_name,
              CASE WHEN lower(w.name) IN ('search_path', 'datestyle', 'temp_tablespaces',
                                          'session_preload_libraries', 'local_preload_libraries')
                        AND w.value <> ''
                   THEN w.value ELSE quote_literal(w.value) END) AS fix
  FROM (SELECT coalesce(m.value, s.role) AS home, s.in_database, s.name, s.value,
               (SELECT string_agg(quote_ident(p.part), '.' ORDER BY p.at)
                  FROM unnest(string_to_array(s.name, '.')) WITH ORDINALITY AS p (part, at)
               ) AS quoted_name
          FROM jsonb_to_recordset($1::jsonb) AS s (role text, in_database boolean, name text, value text)
               LEFT JOIN jsonb_each_text($2::jsonb) AS m ON m.key = s.role) AS w
 WHERE (w.home IS NULL OR EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = w.home))
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_db_role_setting AS t
                  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = t.setrole
            WHERE (t.setdatabase <> 0) = w.in_database
              AND (t.setdatabase = 0
                   OR t.setdatabase = (SELECT d.oid FROM pg_catalog.pg_database AS d
                                        WHERE d.datname = current_database()))
              AND r.rolname::text IS NOT DISTINCT FROM w.home
              AND w.name || '=' || w.value = ANY (t.setconfig))
 ORDER BY 1
