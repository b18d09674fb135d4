-- name: assess_partition_collation
-- The source's tables partitioned by ranges of text, where the target's database sorts text
-- otherwise.
-- $1 jsonb  the source's locale (facts_locale)
-- $2 jsonb  those tables (facts_partition_keys)
-- columns: object, fix
SELECT p.name AS object, NULL AS fix
  FROM jsonb_array_elements_text($2::jsonb) AS p (name)
       CROSS JOIN jsonb_to_record($1::jsonb) AS s (lc_collate text, provider text, locale text)
       CROSS JOIN pg_catalog.pg_database AS d
       CROSS JOIN LATERAL (
           SELECT CASE s.provider WHEN 'c' THEN s.lc_collate ELSE s.locale END AS source,
                  CASE coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')
                       WHEN 'c' THEN d.datcollate::text
                       ELSE coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')
                  END AS target) AS l
 WHERE d.datname = current_database()
   AND replace(regexp_replace(lower(l.source), '[-_]', '', 'g'), 'posix', 'c')
       IS DISTINCT FROM replace(regexp_replace(lower(l.target), '[-_]', '', 'g'), 'posix', 'c')
 ORDER BY 1
