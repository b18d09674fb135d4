-- name: assess_owner_privilege
-- Roles that are to own what arrives, and that this role of the target cannot give objects to
-- (ALTER ... OWNER TO asks for the right to SET ROLE to them). The fix begins with the option that
-- gives this role their place, in a comment; a superuser's right is none to be granted.
-- $1 jsonb  which roles are used where (facts_roles)
-- $2 jsonb  the role map: {"old": "new"}
-- columns: object, fix
SELECT format('%I', t.rolname) AS object,
       translate(format('-- with %s this role owns what %s would; ', o.options, t.rolname)
                 || CASE WHEN t.rolsuper THEN 'a superuser is nobody to act for' ELSE 'or else' END,
                 E'\n\r', '  ')
       || CASE WHEN t.rolsuper THEN ''
               ELSE format(E'\nGRANT %I TO %I;', t.rolname, current_user) END AS fix
  FROM (SELECT coalesce(m.value, r.role) AS home,
               -- As one word of a command that a shell is given.
               string_agg(DISTINCT '--map-role '
                          || CASE WHEN q.pair ~ '^[A-Za-z0-9_.=-]+$' THEN q.pair
                                  ELSE '''' || pg_catalog.replace(q.pair, '''', '''\''''') || '''' END, ' ') AS options
          FROM jsonb_to_recordset($1::jsonb) AS r (role text, use text)
               CROSS JOIN LATERAL (SELECT r.role || '=' || current_user) AS q (pair)
               LEFT JOIN jsonb_each_text($2::jsonb) AS m ON m.key = r.role
         WHERE r.use = 'owner'
           AND (m.value IS NOT NULL
                OR r.role NOT IN ('neon_superuser', 'cloud_admin', 'neon_service'))
         GROUP BY 1) AS o
  JOIN pg_catalog.pg_roles AS t ON t.rolname = o.home
 WHERE NOT pg_has_role(t.oid, CASE WHEN current_setting('server_version_num')::integer >= 160000
                                   THEN 'SET' ELSE 'MEMBER' END)
 ORDER BY t.rolname
