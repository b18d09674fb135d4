-- name: verify_large_objects
-- Owner, privileges and comment of each large object, with roles by the names that they have on the
-- other side.
-- $1 jsonb  roles that are called otherwise there: {"old": "new"}; null: left behind
-- $2 text   who owns what such a role owns here
-- columns: object, state
SELECT pg_catalog.format('LARGE OBJECT %s', m.oid),
       pg_catalog.concat_ws(
           ', ',
           'owner: ' || COALESCE(CASE WHEN pg_catalog.jsonb_exists($1::jsonb, o.rolname)
                                      THEN $1::jsonb ->> o.rolname::text
                                      ELSE o.rolname END, $2::text),
           'privileges: ' || p.granted,
           'comment: ' || pg_catalog.obj_description(m.oid, 'pg_largeobject'))
  FROM pg_catalog.pg_largeobject_metadata AS m
  JOIN pg_catalog.pg_roles AS o ON o.oid = m.lomowner
 CROSS JOIN LATERAL (
       SELECT pg_catalog.string_agg(
                  g.name || ' ' || g.privilege, '; ' ORDER BY g.name COLLATE "C", g.privilege)
         FROM (SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC'
                           WHEN pg_catalog.jsonb_exists($1::jsonb, r.rolname)
                           THEN $1::jsonb ->> r.rolname::text
                           ELSE r.rolname END,
                      a.privilege_type || CASE WHEN pg_catalog.bool_or(a.is_grantable) THEN '*' ELSE '' END
                 FROM pg_catalog.aclexplode(
                          COALESCE(m.lomacl, pg_catalog.acldefault('L', m.lomowner))) AS a
                 LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
                GROUP BY 1, a.privilege_type) AS g (name, privilege)
        WHERE g.name IS NOT NULL) AS p (granted)
 ORDER BY pg_catalog.format('LARGE OBJECT %s', m.oid) COLLATE "C"
