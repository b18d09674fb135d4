-- The zoo: a database that holds one of every kind of object and value that
-- pg_dump carries, and of those that are easy to lose on the way.
--
--   psql -X -q -d DATABASE -f tests/data/zoo/zoo.sql      (as a superuser)
--
-- Loads on PostgreSQL 14 to 18. What a version or a build lacks is left out by
-- the variables below; tests/integration/zoo.py says what must have arrived.
-- Roles belong to the cluster: load roles.sql on the target as well.
\set ON_ERROR_STOP on
\set QUIET on
\pset pager off
\o /dev/null
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
SET lc_monetary = 'C';
SET extra_float_digits = 1;
SET search_path = '';

SELECT current_setting('server_version_num')::int >= 150000 AS at_least_15,
       current_setting('server_version_num')::int >= 160000 AS at_least_16,
       current_setting('server_version_num')::int >= 170000 AS at_least_17,
       current_setting('server_version_num')::int >= 180000 AS at_least_18
\gset

-- Is this built with libxml?
CREATE FUNCTION pg_temp.has_xml() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM '<a/>'::pg_catalog.xml;
    RETURN true;
EXCEPTION WHEN feature_not_supported THEN
    RETURN false;
END $$;

CREATE FUNCTION pg_temp.has_available(name text) RETURNS boolean LANGUAGE sql AS $$
    SELECT pg_catalog.count(*) > 0 FROM pg_catalog.pg_available_extensions AS e WHERE e.name = $1
$$;

-- A language whose files are there may still lack its library (libperl).
CREATE FUNCTION pg_temp.has_language(name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE pg_catalog.format('CREATE EXTENSION %I', name);
    EXECUTE pg_catalog.format('DROP EXTENSION %I', name);
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$;

SELECT pg_temp.has_xml() AS has_xml,
       pg_temp.has_language('plperl') AS has_plperl,
       pg_temp.has_available('zoo_ext') AS has_zoo_ext,
       pg_temp.has_available('hstore') AND pg_temp.has_available('ltree') AS has_contrib,
       (SELECT 'lz4' = ANY (enumvals) FROM pg_catalog.pg_settings
         WHERE name = 'default_toast_compression') AS has_lz4,
       (SELECT pg_catalog.count(*) > 0 FROM pg_catalog.pg_collation
         WHERE collprovider = 'i') AS has_icu
\gset
-- Left out although it is there, since the target of the move lacks it: psql -v without_lz4=1
\if :{?without_xml}
\set has_xml false
\endif
\if :{?without_plperl}
\set has_plperl false
\endif
\if :{?without_zoo_ext}
\set has_zoo_ext false
\endif
\if :{?without_contrib}
\set has_contrib false
\endif
\if :{?without_lz4}
\set has_lz4 false
\endif
\if :{?without_icu}
\set has_icu false
\endif

\ir roles.sql
\ir types.sql
\ir functions.sql
\ir values.sql
\ir tables.sql
\ir partitions.sql
\ir constraints.sql
\ir indexes.sql
\ir names.sql
\ir views.sql
\ir triggers.sql
\ir search.sql
\ir extensions.sql
\ir security.sql
\ir large-objects.sql
\if :at_least_15
\ir zoo-15.sql
\endif
\if :at_least_16
\ir zoo-16.sql
\endif
\if :at_least_17
\ir zoo-17.sql
\endif
\if :at_least_18
\ir zoo-18.sql
\endif
\ir last.sql
\o
