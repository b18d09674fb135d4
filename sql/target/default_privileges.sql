-- name: target_default_privileges
-- Statements that put every default privilege of this database back to what the server brings.
-- columns: sql
WITH entry AS (
    SELECT d.defaclrole,
           pg_catalog.quote_ident(r.rolname) AS role,
           d.defaclnamespace = 0 AS everywhere,
           COALESCE(' IN SCHEMA ' || pg_catalog.quote_ident(n.nspname), '') AS in_schema,
           CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS'
           END AS objects,
           d.defaclacl
      FROM pg_catalog.pg_default_acl AS d
      JOIN pg_catalog.pg_roles AS r ON r.oid = d.defaclrole
      LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
),
statement (step, head, tail) AS (
    SELECT DISTINCT 1,
           role || in_schema,
           'REVOKE ALL ON ' || objects || ' FROM '
           || CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(g.rolname) END
      FROM entry
     CROSS JOIN LATERAL pg_catalog.aclexplode(defaclacl) AS a
      LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantee
     WHERE a.grantee = 0 OR g.oid IS NOT NULL
    UNION ALL
    SELECT 2, role, 'GRANT ALL ON ' || objects || ' TO ' || role FROM entry WHERE everywhere
    UNION ALL
    SELECT 2, role, CASE objects WHEN 'FUNCTIONS' THEN 'GRANT EXECUTE' ELSE 'GRANT USAGE' END
           || ' ON ' || objects || ' TO PUBLIC'
      FROM entry
     WHERE everywhere AND objects IN ('FUNCTIONS', 'TYPES')
)
SELECT 'ALTER DEFAULT PRIVILEGES FOR ROLE ' || head || ' ' || tail
  FROM statement
 ORDER BY step, head, tail
