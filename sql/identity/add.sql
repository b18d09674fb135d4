-- name: identity_add
-- Some of the map, as home needs it for a comparison.
-- $1 text[]  home's ids
-- $2 text[]  what they are at the source
-- columns: none
INSERT INTO pg_temp.homeport_identities (home, source)
SELECT m.home, m.source
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS m (home, source)
    ON CONFLICT DO NOTHING
