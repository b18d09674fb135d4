-- name: assess_facts_locale
-- The encoding and the locale of the source's database, for the rules that compare them with the
-- target's. Columns that came with later versions are read through the row's JSON form.
-- columns: facts (jsonb)
SELECT jsonb_build_object(
           'encoding', pg_encoding_to_char(d.encoding),
           'lc_collate', d.datcollate,
           'lc_ctype', d.datctype,
           'provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
           'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
           'rules', to_jsonb(d) ->> 'daticurules') AS facts
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = current_database()
