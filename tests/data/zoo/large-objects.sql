-- Large objects: numbers, owners, comments and privileges are part of them.
SELECT lo_from_bytea(900001, '\x000102ff');
SELECT lo_from_bytea(900002, '');
-- Several pages; one with a hole.
SELECT lo_from_bytea(900003, (SELECT string_agg(decode(md5(g::text), 'hex'), '' ORDER BY g)
                                FROM generate_series(1, 200000) AS g));
SELECT lo_from_bytea(900004, 'begin');
SELECT lo_put(900004, 1000000, 'after a hole');
SELECT lo_from_bytea(4294967200, 'a large number');
COMMENT ON LARGE OBJECT 900001 IS 'a large object with a "comment"';
ALTER LARGE OBJECT 900002 OWNER TO zoo_owner;
ALTER LARGE OBJECT 900003 OWNER TO zoo_writer;
GRANT SELECT, UPDATE ON LARGE OBJECT 900001 TO zoo_reader;
GRANT SELECT ON LARGE OBJECT 900003 TO PUBLIC;
CREATE TABLE zoo.refers_to_large (id integer PRIMARY KEY, content oid);
INSERT INTO zoo.refers_to_large VALUES (1, 900001), (2, 900002), (3, 900003), (4, 900004), (5, 4294967200);
