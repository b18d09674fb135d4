-- name: assess_database_privilege
-- What the target's database lacks of the source's own, and what PUBLIC may do with it that it may not
-- there. Of roles those that are there, under their own or their mapped name, and need no grant.
-- $1 jsonb  the source's (facts_database)
-- $2 jsonb  the role map: {"old": "new"}
-- columns: object, fix
WITH here AS (
    SELECT d.oid, d.datdba, d.datconnlimit, format('DATABASE %I', d.datname) AS named,
           coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba)) AS acl
      FROM pg_catalog.pg_database AS d
     WHERE d.datname = current_database()
), given AS (
    SELECT a.grantee, a.privilege_type AS privilege, a.is_grantable AS grantable
      FROM here CROSS JOIN pg_catalog.aclexplode(here.acl) AS a
), wanted AS (
    SELECT s.privilege, s.grantable, coalesce(r.oid, 0) AS grantee,
           coalesce(quote_ident(r.rolname), 'PUBLIC') AS named
      FROM jsonb_to_recordset($1::jsonb -> 'grants') AS s (role text, privilege text, grantable boolean)
           LEFT JOIN jsonb_each_text($2::jsonb) AS m ON m.key = s.role
           LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = coalesce(m.value, s.role)
     WHERE (s.role IS NULL OR NOT r.rolsuper)
)
SELECT concat(w.privilege, ' for ', w.named) AS object,
       format('GRANT %s ON %s TO %s%s;', w.privilege, here.named, w.named,
              CASE WHEN w.grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS fix
  FROM wanted AS w CROSS JOIN here
 WHERE w.grantee <> here.datdba
   AND NOT EXISTS (SELECT
                     FROM given AS g
                    WHERE g.grantee = w.grantee
                      AND g.privilege = w.privilege
                      AND g.grantable >= w.grantable)
UNION ALL
SELECT concat('no ', g.privilege, ' for PUBLIC'),
       format('REVOKE %s ON %s FROM PUBLIC;', g.privilege, here.named)
  FROM given AS g CROSS JOIN here
 WHERE g.grantee = 0
   AND NOT EXISTS (SELECT FROM wanted AS w WHERE w.grantee = 0 AND w.privilege = g.privilege)
UNION ALL
SELECT concat('connection limit = ', $1::jsonb ->> 'limit'),
       format('ALTER %s CONNECTION LIMIT %s;', here.named, $1::jsonb ->> 'limit')
  FROM here
 WHERE here.datconnlimit <> ($1::jsonb ->> 'limit')::integer
   AND ($1::jsonb ->> 'limit')::integer >= 0
UNION ALL
SELECT 'its comment',
       format('COMMENT ON %s IS %L;', here.named, $1::jsonb ->> 'comment')
  FROM here
 WHERE $1::jsonb ->> 'comment' <> coalesce(pg_catalog.shobj_description(here.oid, 'pg_database'), '')
 ORDER BY 1
