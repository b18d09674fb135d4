-- name: assess_locale_different
-- Where the target's database sorts, classifies or stores characters otherwise than the source's,
-- and the statements that make it again as the source's is. Names that mean the same to the
-- operating system (en_US.UTF-8 and en_US.utf8) are equal.
-- $1 jsonb  the source's locale (facts_locale)
-- $2 text   which aspect: encoding, collation, ctype or provider
-- columns: object, fix
WITH source AS (
    SELECT s.encoding, s.lc_collate, s.lc_ctype, s.provider, s.locale, s.rules
      FROM jsonb_to_record($1::jsonb)
           AS s (encoding text, lc_collate text, lc_ctype text, provider text, locale text, rules text)
), target AS (
    SELECT d.datname, d.datdba, pg_encoding_to_char(d.encoding) AS encoding,
           d.datcollate::text AS lc_collate, d.datctype::text AS lc_ctype,
           coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
           coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale
      FROM pg_catalog.pg_database AS d
     WHERE d.datname = current_database()
), aspect AS (
    SELECT a.name, a.source, a.target
      FROM source AS s CROSS JOIN target AS t
           CROSS JOIN LATERAL (VALUES
               ('encoding', s.encoding, t.encoding),
               ('collation', CASE s.provider WHEN 'c' THEN s.lc_collate ELSE s.locale END,
                             CASE t.provider WHEN 'c' THEN t.lc_collate ELSE t.locale END),
               ('ctype', s.lc_ctype, t.lc_ctype),
               ('provider', CASE s.provider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE s.provider END,
                            CASE t.provider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE t.provider END)
           ) AS a (name, source, target)
)
SELECT format('%s: source %s, target %s', a.name, a.source, a.target) AS object,
       concat_ws(E'\n',
           '-- connected to another database of the target, such as postgres:',
           format('DROP DATABASE %I;', t.datname),
           concat(
               format('CREATE DATABASE %I OWNER %s TEMPLATE template0 ENCODING %L',
                      t.datname, t.datdba::regrole, s.encoding),
               CASE WHEN current_setting('server_version_num')::integer >= 150000
                    THEN format(' LOCALE_PROVIDER %s',
                                CASE s.provider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END)
               END,
               CASE s.provider WHEN 'i' THEN format(' ICU_LOCALE %L', s.locale)
                               WHEN 'b' THEN format(' BUILTIN_LOCALE %L', s.locale)
               END,
               CASE WHEN s.rules IS NOT NULL THEN format(' ICU_RULES %L', s.rules) END,
               format(' LC_COLLATE %L LC_CTYPE %L;', s.lc_collate, s.lc_ctype))) AS fix
  FROM aspect AS a CROSS JOIN source AS s CROSS JOIN target AS t
 WHERE a.name = $2::text
   AND replace(regexp_replace(lower(a.source), '[-_]', '', 'g'), 'posix', 'c')
       IS DISTINCT FROM replace(regexp_replace(lower(a.target), '[-_]', '', 'g'), 'posix', 'c')
