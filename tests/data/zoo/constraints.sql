-- Constraints of every kind, with rows that make their order matter.
CREATE SCHEMA zoo_rules;

-- Two tables that refer to each other, and one to itself, child before parent.
CREATE TABLE zoo_rules.department (id integer PRIMARY KEY, head integer NOT NULL);
CREATE TABLE zoo_rules.person (id integer PRIMARY KEY, department integer NOT NULL
    REFERENCES zoo_rules.department DEFERRABLE INITIALLY DEFERRED,
    boss integer REFERENCES zoo_rules.person ON DELETE SET NULL);
ALTER TABLE zoo_rules.department ADD CONSTRAINT head_is_person FOREIGN KEY (head)
    REFERENCES zoo_rules.person DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO zoo_rules.department SELECT g, g FROM generate_series(1, 10) AS g;
INSERT INTO zoo_rules.person SELECT g, 1 + g % 10, nullif(g + 1, 101) FROM generate_series(1, 100) AS g;
COMMIT;
ALTER TABLE zoo_rules.person ADD CONSTRAINT boss_not_self CHECK (boss <> id);

-- Composite and partial matches, every action, a key that is only an index.
CREATE TABLE zoo_rules.parent (a integer, b text, c integer UNIQUE, d uuid,
    PRIMARY KEY (a, b));
CREATE UNIQUE INDEX parent_d ON zoo_rules.parent (d);
INSERT INTO zoo_rules.parent SELECT g, 'b' || g, g * 10, md5(g::text)::uuid FROM generate_series(1, 20) AS g;
CREATE TABLE zoo_rules.child (
    id integer PRIMARY KEY, a integer DEFAULT 1, b text DEFAULT 'b1', c integer, d uuid,
    CONSTRAINT full_match FOREIGN KEY (a, b) REFERENCES zoo_rules.parent MATCH FULL
        ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT to_unique FOREIGN KEY (c) REFERENCES zoo_rules.parent (c)
        ON UPDATE SET DEFAULT ON DELETE RESTRICT,
    CONSTRAINT to_index FOREIGN KEY (d) REFERENCES zoo_rules.parent (d)
        ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT "other order" FOREIGN KEY (b, a) REFERENCES zoo_rules.parent (b, a)
        ON DELETE SET DEFAULT
);
INSERT INTO zoo_rules.child SELECT g, 1 + g % 20, 'b' || 1 + g % 20, 10 + 10 * (g % 20),
    CASE WHEN g % 3 > 0 THEN md5((1 + g % 20)::text)::uuid END FROM generate_series(1, 60) AS g;
INSERT INTO zoo_rules.child VALUES (61, NULL, NULL, NULL, NULL);

-- Checks: with functions, over several columns, named oddly, not validated
-- with rows that break them.
CREATE TABLE zoo_rules.checked (
    id integer PRIMARY KEY CHECK (id > 0), even integer CHECK (zoo_code.is_even(even)),
    a integer, b integer, late integer, parent_a integer, parent_b text,
    CONSTRAINT "a < ""b""" CHECK (a < b), CONSTRAINT twice CHECK (zoo_code.twice(a) >= a)
);
INSERT INTO zoo_rules.checked SELECT g, g * 2, g, g + 1, -g, g, 'none' FROM generate_series(1, 10) AS g;
ALTER TABLE zoo_rules.checked ADD CONSTRAINT not_valid_check CHECK (late > 0) NOT VALID;
ALTER TABLE zoo_rules.checked ADD CONSTRAINT not_valid_key FOREIGN KEY (parent_a, parent_b)
    REFERENCES zoo_rules.parent NOT VALID;
COMMENT ON CONSTRAINT "a < ""b""" ON zoo_rules.checked IS 'a comment on a constraint';
COMMENT ON CONSTRAINT not_valid_key ON zoo_rules.checked IS 'broken by every row';
-- A domain whose newer constraint its older rows break.
CREATE TABLE zoo_rules.late_domain (id integer PRIMARY KEY, v zoo_types.late_check);
INSERT INTO zoo_rules.late_domain VALUES (1, -1), (2, 1);
ALTER DOMAIN zoo_types.late_check ADD CONSTRAINT now_positive CHECK (VALUE > 0) NOT VALID;

-- Unique, deferrable, covering, by an existing index, exclusion.
CREATE TABLE zoo_rules.uniques (
    id integer CONSTRAINT "pk ""named""" PRIMARY KEY USING INDEX TABLESPACE pg_default,
    a integer, b integer, c text, d text,
    UNIQUE (a) DEFERRABLE INITIALLY DEFERRED,
    UNIQUE (b) DEFERRABLE,
    CONSTRAINT covering UNIQUE (c) INCLUDE (a, d) WITH (fillfactor = 80)
);
CREATE UNIQUE INDEX taken_over ON zoo_rules.uniques (d, c);
ALTER TABLE zoo_rules.uniques ADD CONSTRAINT renamed_by_this UNIQUE USING INDEX taken_over;
INSERT INTO zoo_rules.uniques SELECT g, g, g, 'c' || g, NULL FROM generate_series(1, 40) AS g;
CREATE TABLE zoo_rules.bookings (
    room circle, during tsrange, cancelled boolean NOT NULL DEFAULT false, n integer,
    EXCLUDE USING gist (room WITH &&, during WITH &&) WHERE (NOT cancelled),
    CONSTRAINT one_at_a_time EXCLUDE USING gist (during WITH &&) WHERE (n = 1)
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT as_unique EXCLUDE USING btree (n WITH =)
);
INSERT INTO zoo_rules.bookings SELECT circle(point(g, g), 0.1), tsrange('2026-01-01'::timestamp + g * '1 h'::interval,
    '2026-01-01'::timestamp + g * '1 h'::interval + '30 min'), g % 5 = 0, g FROM generate_series(1, 30) AS g;
CREATE TABLE zoo_rules.not_null_without_key (a integer NOT NULL, b text NOT NULL);
INSERT INTO zoo_rules.not_null_without_key VALUES (1, ''), (1, '');
