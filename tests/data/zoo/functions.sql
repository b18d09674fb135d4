-- Functions of every language and shape, procedures, aggregates, operators,
-- operator classes, languages, access methods, transforms.
CREATE SCHEMA zoo_code;

CREATE FUNCTION zoo_code.add_one(integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
    LEAKPROOF PARALLEL SAFE COST 3 AS 'SELECT $1 + 1';
COMMENT ON FUNCTION zoo_code.add_one(integer) IS 'one more';
-- Overloads.
CREATE FUNCTION zoo_code.add_one(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS 'SELECT $1 + 1.0';
CREATE FUNCTION zoo_code.add_one("Value" text, suffix text DEFAULT E'it''s \\ "1"\n')
    RETURNS text LANGUAGE sql STABLE AS $$SELECT "Value" || suffix$$;

CREATE FUNCTION zoo_code.atomic(a integer, b integer DEFAULT 2) RETURNS integer
    LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC
        SELECT a + b;
        SELECT zoo_code.add_one(a) * b;
    END;
CREATE FUNCTION zoo_code.returns_expression(text) RETURNS text
    LANGUAGE sql IMMUTABLE RETURN pg_catalog.upper($1) || '!';

CREATE FUNCTION zoo_code.quoting() RETURNS text LANGUAGE plpgsql AS $body$
DECLARE
    "Strange name" text := $$it's \n a "body" with $1 and 100% of ümlauts$$;
BEGIN
    -- A comment; with a semicolon
    RETURN "Strange name" || E'\t\\' || $q$ $$ nested $$ $q$;
END;
$body$;
CREATE FUNCTION zoo_code.many_out(INOUT a integer, OUT b text, OUT c zoo_types.point3)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = 'zoo', 'pg_temp' SET work_mem = '8MB'
    AS $$BEGIN b := a::text; c := ROW(a, a, a); END$$;
CREATE FUNCTION zoo_code.table_of(n integer)
    RETURNS TABLE (i integer, "Square" bigint) LANGUAGE plpgsql IMMUTABLE ROWS 7 COST 50
    AS $$BEGIN RETURN QUERY SELECT g, g::bigint * g FROM pg_catalog.generate_series(1, n) AS g; END$$;
CREATE FUNCTION zoo_code.sum_all(VARIADIC parts numeric[]) RETURNS numeric
    LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.sum(p) FROM pg_catalog.unnest(parts) AS p';
CREATE FUNCTION zoo_code.first_of(anyarray) RETURNS anyelement
    LANGUAGE sql IMMUTABLE AS 'SELECT $1[1]';
CREATE FUNCTION zoo_code.common(anycompatible, anycompatible) RETURNS anycompatible
    LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION zoo_code.no_argument() RETURNS void LANGUAGE plpgsql
    AS 'BEGIN PERFORM 1; END' PARALLEL RESTRICTED;
CREATE FUNCTION zoo_code.internal_length(text) RETURNS integer
    LANGUAGE internal IMMUTABLE STRICT AS 'textlen';
-- From a library that every server has.
CREATE FUNCTION zoo_code.c_wrapper(integer, integer) RETURNS void
    LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_call_handler';

CREATE PROCEDURE zoo_code.transfer(a integer, INOUT b integer DEFAULT 0)
    LANGUAGE plpgsql AS $$BEGIN b := a + b; COMMIT; END$$;
CREATE PROCEDURE zoo_code.sql_procedure(text) LANGUAGE sql AS $$SELECT pg_catalog.length($1)$$;
COMMENT ON PROCEDURE zoo_code.transfer(integer, integer) IS 'a procedure';

-- Used by constraints, indexes and generated columns further on.
CREATE FUNCTION zoo_code.is_even(integer) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 % 2 = 0; END';
CREATE FUNCTION zoo_code.normal(text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS 'SELECT pg_catalog.lower(pg_catalog.btrim($1))';
-- Finds its helper by its own search_path alone.
CREATE FUNCTION zoo_code.twice(integer) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE SET search_path = zoo_code
    AS 'BEGIN RETURN add_one($1) + add_one($1) - 2; END';

-- Aggregates: plain, parallel and moving, ordered-set, variadic, hypothetical.
CREATE AGGREGATE zoo_code.product(numeric) (
    SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1', COMBINEFUNC = numeric_mul,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE zoo_code.product(numeric) IS 'an aggregate';
CREATE AGGREGATE zoo_code.moving_sum(integer) (
    SFUNC = int4pl, STYPE = integer, INITCOND = '0',
    MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer, MINITCOND = '0'
);
CREATE AGGREGATE zoo_code.my_percentile(double precision ORDER BY anyelement) (
    SFUNC = ordered_set_transition, STYPE = internal,
    FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA
);
CREATE AGGREGATE zoo_code.my_rank(VARIADIC "any" ORDER BY VARIADIC "any") (
    SFUNC = ordered_set_transition_multi, STYPE = internal,
    FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL
);
CREATE AGGREGATE zoo_code.count_rows(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0');

-- Operators, with a commutator and a negator, and a prefix operator.
CREATE FUNCTION zoo_code.abs_lt(integer, integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT pg_catalog.abs($1) < pg_catalog.abs($2)';
CREATE FUNCTION zoo_code.abs_le(integer, integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT pg_catalog.abs($1) <= pg_catalog.abs($2)';
CREATE FUNCTION zoo_code.abs_eq(integer, integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT pg_catalog.abs($1) = pg_catalog.abs($2)';
CREATE FUNCTION zoo_code.abs_ge(integer, integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT pg_catalog.abs($1) >= pg_catalog.abs($2)';
CREATE FUNCTION zoo_code.abs_gt(integer, integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT pg_catalog.abs($1) > pg_catalog.abs($2)';
CREATE FUNCTION zoo_code.abs_cmp(integer, integer) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT pg_catalog.btint4cmp(pg_catalog.abs($1), pg_catalog.abs($2))';
CREATE OPERATOR zoo_code.|<| (LEFTARG = integer, RIGHTARG = integer,
    FUNCTION = zoo_code.abs_lt, COMMUTATOR = OPERATOR(zoo_code.|>|),
    NEGATOR = OPERATOR(zoo_code.|>=|), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR zoo_code.|<=| (LEFTARG = integer, RIGHTARG = integer,
    FUNCTION = zoo_code.abs_le, COMMUTATOR = OPERATOR(zoo_code.|>=|));
CREATE OPERATOR zoo_code.|=| (LEFTARG = integer, RIGHTARG = integer,
    FUNCTION = zoo_code.abs_eq, COMMUTATOR = OPERATOR(zoo_code.|=|),
    RESTRICT = eqsel, JOIN = eqjoinsel, MERGES);
CREATE OPERATOR zoo_code.|>=| (LEFTARG = integer, RIGHTARG = integer,
    FUNCTION = zoo_code.abs_ge, COMMUTATOR = OPERATOR(zoo_code.|<=|),
    NEGATOR = OPERATOR(zoo_code.|<|));
CREATE OPERATOR zoo_code.|>| (LEFTARG = integer, RIGHTARG = integer,
    FUNCTION = zoo_code.abs_gt, COMMUTATOR = OPERATOR(zoo_code.|<|));
CREATE OPERATOR zoo_code.@#@ (RIGHTARG = integer, FUNCTION = zoo_code.add_one);
COMMENT ON OPERATOR zoo_code.|<| (integer, integer) IS 'smaller by absolute value';
COMMENT ON OPERATOR zoo_code.@#@ (NONE, integer) IS 'a prefix operator';

CREATE OPERATOR FAMILY zoo_code.abs_family USING btree;
CREATE OPERATOR CLASS zoo_code.abs_ops FOR TYPE integer USING btree FAMILY zoo_code.abs_family AS
    OPERATOR 1 zoo_code.|<|, OPERATOR 2 zoo_code.|<=|, OPERATOR 3 zoo_code.|=|,
    OPERATOR 4 zoo_code.|>=|, OPERATOR 5 zoo_code.|>|,
    FUNCTION 1 zoo_code.abs_cmp(integer, integer);
COMMENT ON OPERATOR CLASS zoo_code.abs_ops USING btree IS 'integers by their absolute value';
COMMENT ON OPERATOR FAMILY zoo_code.abs_family USING btree IS 'the family of it';
CREATE OPERATOR FAMILY zoo_code.empty_family USING gin;

-- Its functions must be ours: a dump takes a language without them for an extension's.
CREATE FUNCTION zoo_code.language_call() RETURNS language_handler
    LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION zoo_code.language_inline(internal) RETURNS void
    LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION zoo_code.language_validator(oid) RETURNS void
    LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE zoo_language HANDLER zoo_code.language_call
    INLINE zoo_code.language_inline VALIDATOR zoo_code.language_validator;
COMMENT ON LANGUAGE zoo_language IS 'PL/pgSQL by another name';
CREATE FUNCTION zoo_code.in_zoo_language() RETURNS integer
    LANGUAGE zoo_language AS 'BEGIN RETURN 42; END';
CREATE ACCESS METHOD zoo_heap TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD zoo_heap IS 'heap by another name';
CREATE TRANSFORM FOR integer LANGUAGE sql (
    FROM SQL WITH FUNCTION prsd_lextype(internal),
    TO SQL WITH FUNCTION int4recv(internal)
);
CREATE DEFAULT CONVERSION zoo_code.my_latin1 FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION zoo_code.my_latin1 IS 'a conversion';

\if :has_plperl
CREATE EXTENSION plperl;
CREATE FUNCTION zoo_code.in_perl(text) RETURNS text LANGUAGE plperl IMMUTABLE AS $perl$
    my ($text) = @_;
    $text =~ s/\\(.)/[$1]/g;
    return scalar reverse($text) . "'\$\"";
$perl$;
\endif
