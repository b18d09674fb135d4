-- name: assess_facts_settings
-- The defaults under which the app's sessions on the source turn values into text and back, and
-- what the time is. Not this session's own (reset_val).
-- columns: facts (jsonb)
SELECT jsonb_object_agg(s.name, s.reset_val) AS facts
  FROM pg_catalog.pg_settings AS s
 WHERE s.name IN ('TimeZone', 'DateStyle', 'IntervalStyle', 'default_text_search_config',
                  'default_transaction_isolation', 'standard_conforming_strings', 'array_nulls',
                  'transform_null_equals', 'bytea_output', 'extra_float_digits', 'xmloption')
