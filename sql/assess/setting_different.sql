-- name: assess_setting_different
-- Those of these defaults that are others on the target.
-- $1 jsonb  the source's (facts_settings)
-- columns: object, fix
SELECT format('%s: source %s, target %s', s.name, f.value, s.reset_val) AS object,
       format('ALTER DATABASE %I SET %I = %s;', current_database(), s.name,
              CASE s.name WHEN 'DateStyle' THEN f.value ELSE quote_literal(f.value) END) AS fix
  FROM pg_catalog.pg_settings AS s
  JOIN jsonb_each_text($1::jsonb) AS f ON f.key = s.name
 WHERE CASE WHEN s.name = 'TimeZone' AND f.value IN ('GMT', 'UTC', 'Etc/UTC', 'Etc/GMT', 'Zulu', 'Etc/Zulu', 'UCT', 'Etc/UCT', 'Universal', 'Etc/Universal', 'Greenwich', 'Etc/Greenwich')
            THEN s.reset_val NOT IN ('GMT', 'UTC', 'Etc/UTC', 'Etc/GMT', 'Zulu', 'Etc/Zulu', 'UCT', 'Etc/UCT', 'Universal', 'Etc/Universal', 'Greenwich', 'Etc/Greenwich')
            ELSE s.reset_val IS DISTINCT FROM f.value
       END
 ORDER BY 1
