-- name: assess_facts_database
-- What the source's database has of its own, and no dump of what is in it carries: who else than its
-- owner may do what with it (`role` null: PUBLIC), its connection limit, its comment.
-- columns: facts (jsonb)
SELECT jsonb_build_object(
           'grants', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                 'role', r.rolname, 'privilege', a.privilege_type,
                                 'grantable', a.is_grantable)), '[]')
                        FROM pg_catalog.aclexplode(
                                 coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS a
                             LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
                       WHERE a.grantee <> d.datdba
                         AND (a.grantee = 0) = (r.rolname IS NULL)),
           'limit', d.datconnlimit,
           'comment', pg_catalog.shobj_description(d.oid, 'pg_database')) AS facts
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = current_database()
