-- name: assess_role_missing
-- Roles that the source's schema names and the target lacks, with the role map applied: a role that
-- is mapped must be there under its new name. Roles that only the provider has, and that nobody
-- mapped, are not missed: the connecting role keeps what they own, and grants to them stay behind.
-- $1 jsonb  which roles are used where (facts_roles)
-- $2 jsonb  the role map: {"old": "new"}
-- $3 text   which use: owner or grant
-- columns: object, fix
SELECT concat(r.object, ' (', quote_ident(r.role),
              CASE WHEN m.value IS NOT NULL THEN concat(', mapped to ', quote_ident(m.value)) END,
              ')') AS object,
       format('CREATE ROLE %I;', coalesce(m.value, r.role)) AS fix
  FROM jsonb_to_recordset($1::jsonb) AS r (role text, use text, object text)
       LEFT JOIN jsonb_each_text($2::jsonb) AS m ON m.key = r.role
 WHERE r.use = $3::text
   AND (m.value IS NOT NULL OR r.role NOT IN ('neon_superuser', 'cloud_admin', 'neon_service'))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS t WHERE t.rolname = coalesce(m.value, r.role))
 ORDER BY r.role, r.object
