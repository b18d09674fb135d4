-- name: assess_connections_few
-- Whether this role can open as many more sessions in this database as the move wants; the session
-- that asks is counted as free. Its strictest limit, where that is too low.
-- $1 integer  how many are wanted
-- $2 text     what they are wanted on: source or target
-- columns: object, fix, free
SELECT format('%s: %s, %s free, %s wanted', $2::text, l.limited_by, greatest(l.free, 0), $1::integer)
           AS object,
       l.fix, l.free
  FROM pg_catalog.pg_roles AS r
       CROSS JOIN pg_catalog.pg_database AS d
       CROSS JOIN LATERAL (
           VALUES (current_setting('max_connections')::integer
                   - CASE WHEN r.rolsuper THEN 0
                          ELSE current_setting('superuser_reserved_connections')::integer
                               + coalesce(current_setting('reserved_connections', true)::integer, 0)
                     END
                   - (SELECT sum(s.numbackends) FROM pg_catalog.pg_stat_database AS s) + 1,
                   format('max_connections = %s', current_setting('max_connections')),
                   format('ALTER SYSTEM SET max_connections = %s; -- then restart the server',
                          current_setting('max_connections')::integer + $1::integer)),
                  (CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper
                        THEN r.rolconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity AS a
                                                WHERE a.usesysid = r.oid) + 1 END,
                   format('CONNECTION LIMIT %s of role %I', r.rolconnlimit, r.rolname),
                   format('ALTER ROLE %I CONNECTION LIMIT %s;', r.rolname,
                          r.rolconnlimit + $1::integer)),
                  (CASE WHEN d.datconnlimit >= 0 AND NOT r.rolsuper
                        THEN d.datconnlimit - (SELECT s.numbackends FROM pg_catalog.pg_stat_database AS s
                                                WHERE s.datid = d.oid) + 1 END,
                   format('CONNECTION LIMIT %s of database %I', d.datconnlimit, d.datname),
                   format('ALTER DATABASE %I CONNECTION LIMIT %s;', d.datname,
                          d.datconnlimit + $1::integer))
       ) AS l (free, limited_by, fix)
 WHERE r.rolname = current_user
   AND d.datname = current_database()
   AND l.free < $1::integer
 ORDER BY l.free
 LIMIT 1
