-- name: target_default_privileges
-- Statements that put the default privileges that are not as they were before the move back to that:
-- what was theirs is noted in homeport.default_acl, by target_create_marks. An entry for all schemas that
-- is not there means what the server brings (acldefault), one for a single schema means nothing more.
-- columns: sql
WITH entry AS (
    SELECT pg_catalog.quote_ident(r.rolname) || COALESCE(' IN SCHEMA ' || pg_catalog.quote_ident(n.nspname), '') AS head,
           CASE kind WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                     WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS'
           END AS objects,
           COALESCE(now.acl, brought.acl) AS acl,
           COALESCE(before.acl, brought.acl) AS wanted
      FROM (SELECT defaclrole AS role, defaclnamespace AS namespace, defaclobjtype AS kind, defaclacl AS acl
              FROM pg_catalog.pg_default_acl) AS now
      FULL JOIN homeport.default_acl AS before USING (role, namespace, kind)
      JOIN pg_catalog.pg_roles AS r ON r.oid = role
      LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = namespace
     CROSS JOIN LATERAL (
         SELECT CASE WHEN namespace = 0
                THEN pg_catalog.acldefault(CASE WHEN kind = 'S' THEN 's' ELSE kind END, role) END AS acl
     ) AS brought
     WHERE now.acl IS DISTINCT FROM before.acl AND (namespace = 0 OR n.oid IS NOT NULL)
),
statement (step, head, tail) AS (
    SELECT DISTINCT 1,
           head,
           'REVOKE ALL ON ' || objects || ' FROM '
           || CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(g.rolname) END
      FROM entry
     CROSS JOIN LATERAL pg_catalog.aclexplode(acl) AS a
      LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantee
     WHERE a.grantee = 0 OR g.oid IS NOT NULL
    UNION ALL
    SELECT 2,
           head,
           'GRANT ' || a.privilege_type || ' ON ' || objects || ' TO '
           || CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(g.rolname) END
           || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
      FROM entry
     CROSS JOIN LATERAL pg_catalog.aclexplode(wanted) AS a
      LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantee
     WHERE a.grantee = 0 OR g.oid IS NOT NULL
)
SELECT 'ALTER DEFAULT PRIVILEGES FOR ROLE ' || head || ' ' || tail
  FROM statement
 ORDER BY step, head, tail
