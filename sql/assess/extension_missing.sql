-- name: assess_extension_missing
-- Extensions of the source that the target's server does not offer, and which package brings them.
-- $1 jsonb  the source's extensions (facts_extensions)
-- columns: object, fix
WITH major AS (
    SELECT current_setting('server_version_num')::integer / 10000 AS number
), packaged AS (
    SELECT p.name, p.package
      FROM (VALUES ('vector', 'pgvector'), ('postgis', 'postgis-3'),
                   ('postgis_topology', 'postgis-3'), ('postgis_raster', 'postgis-3'),
                   ('postgis_tiger_geocoder', 'postgis-3'), ('postgis_sfcgal', 'postgis-3'),
                   ('pg_cron', 'cron'), ('pg_partman', 'partman'), ('hypopg', 'hypopg'),
                   ('hll', 'hll'), ('ip4r', 'ip4r'), ('pgtap', 'pgtap'), ('rum', 'rum'),
                   ('pgaudit', 'pgaudit'), ('pg_repack', 'repack'), ('semver', 'semver'),
                   ('pg_hint_plan', 'pg-hint-plan'), ('unit', 'unit'), ('prefix', 'prefix'),
                   ('plv8', 'plv8'), ('pgrouting', 'pgrouting'), ('plpgsql_check', 'plpgsql-check'),
                   ('pg_similarity', 'similarity'), ('rdkit', 'rdkit'), ('age', 'age'),
                   ('plperl', 'plperl'), ('plperlu', 'plperl'), ('plpython3u', 'plpython3'),
                   ('pltcl', 'pltcl'), ('pltclu', 'pltcl'), ('wal2json', 'wal2json'),
                   ('timescaledb', 'timescaledb'), ('pg_graphql', 'pg-graphql'),
                   ('pg_uuidv7', 'uuidv7'), ('pg_ivm', 'ivm'), ('roaringbitmap', 'roaringbitmap')
           ) AS p (name, package)
)
SELECT format('%I', e.name) AS object,
       CASE WHEN e.name IN ('pg_session_jwt', 'pgrag', 'pg_mooncake', 'pg_tiktoken', 'neon_auth')
            THEN format('-- %s exists at Neon only; on the source, once nothing uses it: DROP EXTENSION %I;',
                        e.name, e.name)
            WHEN p.package IS NOT NULL
            THEN format('-- Debian (apt.postgresql.org): apt-get install postgresql-%s-%s',
                        m.number, p.package)
            ELSE format('-- install the package that has %s.control for PostgreSQL %s (those of PostgreSQL itself are in Debian''s postgresql-%s, elsewhere in postgresql-contrib)',
                        e.name, m.number, m.number)
       END AS fix
  FROM jsonb_to_recordset($1::jsonb) AS e (name text, version text)
       CROSS JOIN major AS m
       LEFT JOIN packaged AS p ON p.name = e.name
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS a WHERE a.name = e.name)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS x WHERE x.extname = e.name)
 ORDER BY e.name
