-- Values that are easily changed on the way, by family of types. Each table
-- has a row of NULLs: row 0.
CREATE SCHEMA zoo_values;

CREATE TABLE zoo_values.numbers (
    id integer PRIMARY KEY, small smallint, normal integer, big bigint,
    exact numeric, scaled numeric(20, 6), single real, double double precision, truth boolean
);
INSERT INTO zoo_values.numbers VALUES
    (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1, 0, 0, 0, 0, 0, 0, 0, false),
    (2, -32768, -2147483648, -9223372036854775808, 'NaN', 'NaN', 'NaN', 'NaN', true),
    (3, 32767, 2147483647, 9223372036854775807, 'Infinity', 99999999999999.999999,
        'Infinity', 'Infinity', true),
    (4, 1, 1, 1, '-Infinity', -0.000001, '-Infinity', '-Infinity', false),
    (5, 1, 1, 1, 1.0, 1, '-0', '-0', false),
    (6, 1, 1, 1, 1.00, 1, '1e-45', '5e-324', false),
    (7, 1, 1, 1, 1.000000000000000000000000000000, 1, '1.1754944e-38',
        '2.2250738585072014e-308', false),
    (8, 1, 1, 1, 1e131071, 1, '3.4028235e+38', '1.7976931348623157e+308', false),
    (9, 1, 1, 1, ('1e-16383')::numeric, 1, 0.1, 0.1, false),
    (10, 1, 1, 1, 0.00, 1, 16777217, 9007199254740993, false),
    (11, 1, 1, 1, -0.0, 1, 1::real / 3, 1::double precision / 3, false),
    (12, 1, 1, 1, repeat('1234567890', 1000)::numeric / 7, 1, 0.3::real, 0.1 + 0.2::double precision,
        true);

CREATE TABLE zoo_values.texts (
    id integer PRIMARY KEY, plain text, padded char(8), limited varchar(20), ident name,
    one "char", collated text COLLATE "C", unlimited_bpchar bpchar
);
INSERT INTO zoo_values.texts VALUES
    (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1, '', '', '', '', '', '', ''),
    (2, ' ', ' ', ' ', ' ', ' ', ' ', ' '),
    (3, '\N', '\N', '\N', '\N', '\', '\N', '\N'),
    (4, '\.', '\.', '\.', '\.', '.', '\.', '\.'),
    (5, E'line\nfeed', E'a\nb', E'a\r\nb', E'a\nb', E'\n', E'\r', E'\n'),
    (6, E'tab\there\\tand back\\slash\\', E'\t', E'\t\\t', E'\t', E'\t', E'\t', E'\\'),
    (7, E'\b\f\v\x01\x1b\x7f', E'\x01', E'\x02', E'\x03', E'\x04', E'\x05', E'\x06'),
    (8, 'Grüße, Ⅷ, 日本語, 👩‍👩‍👧, e' || U&'\0301', 'äöü', '日本', 'ß', 'z', 'é', 'ñ'),
    (9, U&'\FEFF' || 'bom' || U&'\200B\202E\2028', 'x', 'x', repeat('n', 63), '"', '"', ''''),
    (10, 'NULL', 'NULL', 'null', 'NULL', 'N', '{NULL}', 'NULL'),
    (11, E'\r\n\\.\r\n', 'trail   ', 'trail   ', 'trail   ', '0', 'trail   ', 'trail   '),
    (12, '"', '""', ',', '(,)', '{', '{}', '}'),
    (13, repeat('compressible ', 20000), 'x', 'x', 'x', 'x', 'x', 'x'),
    (14, (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 40000) AS g),
        'x', 'x', 'x', 'x', 'x', 'x'),
    (15, U&'\+01F600' || U&'\+10FFFF' || U&'\E000', 'x', 'x', 'x', 'x', 'x', 'x');

CREATE TABLE zoo_values.bytes (id integer PRIMARY KEY, data bytea, bits bit(11), several varbit);
INSERT INTO zoo_values.bytes VALUES
    (0, NULL, NULL, NULL),
    (1, '', B'00000000000', B''),
    (2, '\x00', B'11111111111', B'1'),
    (3, (SELECT string_agg(decode(lpad(to_hex(g), 2, '0'), 'hex'), '' ORDER BY g)
           FROM generate_series(0, 255) AS g), B'10101010101', B'0000000001'),
    (4, '\x5c2e', B'00000000001', B'101'),
    (5, '\x5c4e0a0d09', B'10000000000', repeat('10', 4000)::varbit),
    (6, (SELECT string_agg(decode(md5(g::text), 'hex'), '' ORDER BY g)
           FROM generate_series(1, 60000) AS g), B'00000000000', B'0'),
    (7, decode(repeat('00', 300000), 'hex'), B'00000000000', B'0');

CREATE TABLE zoo_values.times (
    id integer PRIMARY KEY, day date, stamp timestamp, stamp_tz timestamptz, clock time,
    clock_tz timetz, span interval, rounded timestamp(0), milli timestamptz(3),
    months interval YEAR TO MONTH, seconds interval SECOND(2)
);
INSERT INTO zoo_values.times VALUES
    (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1, 'infinity', 'infinity', 'infinity', '00:00', '00:00+00', '0', 'infinity', 'infinity', '0', '0'),
    (2, '-infinity', '-infinity', '-infinity', '24:00', '24:00:00-15:59:59',
        '178000000 years', '-infinity', '-infinity', '178000000 years', '59.99'),
    (3, '4713-01-01 BC', '4713-01-01 00:00:00 BC', '4713-01-01 00:00:00+00 BC',
        '23:59:59.999999', '23:59:59.999999+15:59:59', '-178000000 years', '0001-01-01 BC',
        '0044-03-15 12:00:00+00 BC', '-1 year', '-0.01'),
    (4, '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00',
        '00:00:00.000001', '12:00+05:45', '1 mon -1 day +00:00:00.000001', 'epoch', 'epoch',
        '11 mons', '1.5'),
    (5, '2000-02-29', '2026-03-29 02:30:00.123456', '2026-03-29 02:30:00.123456+01', '12:34:56.7',
        '01:02:03.000004-08', '-1 year -2 mons +3 days -04:05:06.789', '2026-01-01', '2026-01-01',
        '2 years', '3'),
    (6, '1582-10-10', '1883-11-18 12:03:57', '1883-11-18 12:03:57-05', '12:00', '12:00Z',
        '2147483647 days', '1999-12-31 23:59:59', '1999-12-31 23:59:59.999+00', '0', '0'),
    (7, '1999-12-31', '1999-12-31 24:00:00', '2016-12-31 23:59:60+00', '23:59:60', '00:00-12:30',
        '30 days', '2026-01-01', '2026-01-01', '0', '0'),
    (8, '1999-12-31', '1999-12-31', '1999-12-31', '12:00', '12:00+00', '1 mon',
        '2026-01-01', '2026-01-01', '0', '0'),
    (9, '1999-12-31', '1999-12-31', '1999-12-31', '12:00', '12:00+00', '720:00:00',
        '2026-01-01', '2026-01-01', '0', '0');

CREATE TABLE zoo_values.documents (id integer PRIMARY KEY, binary_json jsonb, text_json json,
    path jsonpath);
INSERT INTO zoo_values.documents VALUES
    (0, NULL, NULL, NULL),
    (1, 'null', 'null', '$'),
    (2, '{}', ' { } ', '$.a[*] ? (@ > 1)'),
    (3, '[]', '[ ]', 'strict $."odd \"key\""'),
    (4, '{"b": 1, "a": [1, 1.0, 1.00, 1e2, -0, 1e-7]}', '{"b": 1, "a": 2,  "b": 3}', '$.**{2 to last}'),
    (5, '1.50', '1.50', 'lax $[last]'),
    (6, '"Grüße 👋 \ud83d\ude00 \u0001 \\ \" \/ \n\t"', '"\u00fc \ud83d\ude00 \/"', '$'),
    (7, '{"": "", "ü": {"\\": [[[[]]]]}}', E'{"a":\t1,\n "b":\n2}', '$'),
    (8, (SELECT jsonb_object_agg('key ' || g, repeat(md5(g::text), 3)) FROM generate_series(1, 500) AS g),
        (SELECT json_agg(g) FROM generate_series(1, 3000) AS g), '$'),
    (9, '12345678901234567890123456789012345678901234567890.123', '1e400', '$');

CREATE TABLE zoo_values.network (id integer PRIMARY KEY, host inet, net cidr, mac macaddr,
    mac8 macaddr8, guid uuid);
INSERT INTO zoo_values.network VALUES
    (0, NULL, NULL, NULL, NULL, NULL),
    (1, '0.0.0.0/0', '0.0.0.0/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00',
        '00000000-0000-0000-0000-000000000000'),
    (2, '192.168.1.5/24', '192.168.1.0/24', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff',
        'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    (3, '::1', '2001:db8::/32', '08:00:2b:01:02:03', '08:00:2b:ff:fe:01:02:03',
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
    (4, '::ffff:1.2.3.4/128', '::/0', '08:00:2b:01:02:04', '08:00:2b:01:02:03:04:05',
        '01020304-0506-0708-090a-0b0c0d0e0f10'),
    (5, '10.1.2.3', '10.1.2.3/32', '08:00:2b:01:02:04', '08:00:2b:01:02:03:04:06',
        '7fffffff-8000-4000-8000-000000000000');

CREATE TABLE zoo_values.shapes (id integer PRIMARY KEY, p point, l line, s lseg, b box, open path,
    closed path, poly polygon, c circle);
INSERT INTO zoo_values.shapes VALUES
    (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1, '(0,0)', '{1,0,0}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1))',
        '((0,0),(1,0),(1,1))', '<(0,0),1>'),
    (2, '(Infinity,-Infinity)', '{1,-1,NaN}', '[(NaN,0),(0,-0)]', '(Infinity,0),(-Infinity,-0)',
        '[(0.1,0.2)]', '((1e300,1e-300))', '((0.1,0.1))', '<(NaN,0),Infinity>'),
    (3, '(-0,0.1)', '{0.1,0.2,0.3}', '[(0.1,0.2),(0.3,0.4)]', '(0.3,0.4),(0.1,0.2)', '[(1,2),(3,4),(5,6)]',
        '((1,2),(3,4),(5,6))', '((1,2),(3,4),(5,6),(7,8))', '<(0.1,0.2),0>');

CREATE TABLE zoo_values.searches (id integer PRIMARY KEY, vector tsvector, query tsquery);
INSERT INTO zoo_values.searches VALUES
    (0, NULL, NULL),
    (1, '', ''),
    (2, 'a:1A,2B,3C,4 b c:16383', 'a & !b | (c <-> d)'),
    (3, '''it''''s'' ''with space'' ''back\\slash'' ''ü'':7', '''it''''s'':*AB <3> ''x y'''),
    (4, to_tsvector('english', 'The quick brown foxes jumped over the lazy dogs'),
        plainto_tsquery('english', 'quick foxes'));

CREATE TABLE zoo_values.amounts (id integer PRIMARY KEY, price money);
INSERT INTO zoo_values.amounts VALUES (0, NULL), (1, '0'), (2, '-92233720368547758.08'),
    (3, '92233720368547758.07'), (4, '-0.01'), (5, '1234.56');

CREATE TABLE zoo_values.intervals_of (id integer PRIMARY KEY, r4 int4range, r8 int8range,
    rn numrange, rt tsrange, rz tstzrange, rd daterange, own zoo_types.time_range,
    words zoo_types.text_range, office zoo_types.office_hours,
    m4 int4multirange, mn nummultirange, mz tstzmultirange, own_many zoo_types."time ranges");
INSERT INTO zoo_values.intervals_of (id) VALUES (0);
INSERT INTO zoo_values.intervals_of VALUES
    (1, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty',
        '{}', '{}', '{}', '{}'),
    (2, '(,)', '(,5)', '[1.0,1.00]', '[-infinity,infinity]', '(-infinity,)',
        '[4713-01-01 BC,infinity)', '[00:00,24:00]', '["",)', '[09:00,17:00)', '{(,)}',
        '{[1.0,2.0),[3.00,]}', '{[2026-01-01 00:00:00+00,)}', '{[00:00,01:00),[02:00,03:00]}'),
    (3, '[-2147483648,2147483646]', '[1,10]', '(NaN,)', '[2026-01-01,2026-01-02)',
        '[2026-01-01 00:00:00+00,2026-01-02 00:00:00+02)', '[2026-01-01,2026-01-01]',
        '(00:00,00:00:00.000001)', '["a,b","c""d\\e")', '(08:00,18:00)', '{[1,2),[5,7),[9,9]}',
        '{}', '{}', '{}');

CREATE TABLE zoo_values.own_types (id integer PRIMARY KEY, mood zoo_types.mood,
    mixed zoo_types."Mixed Case Enum", few zoo_types.positive, small zoo_types.small_positive,
    list zoo_types.int_list, point zoo_types.point3, nest zoo_types.nested,
    changed zoo_types.changed, nothing zoo_types.no_attribute, checked zoo_types.checked_point,
    word zoo_types.word, moods zoo_types.mood_list);
INSERT INTO zoo_values.own_types (id, small) VALUES (0, NULL);
INSERT INTO zoo_values.own_types VALUES
    (1, 'it''s "great"', '', 1, DEFAULT, '{}', ROW(1, 2, 3), ROW(NULL, NULL, NULL, NULL, NULL),
        ROW(NULL, NULL, NULL), ROW(), ROW(0, 0, 0), '', '{}'),
    (2, 'größer\', 'a', 2147483647, 99, '{1,NULL,3}', ROW('-0', 'NaN', 'Infinity'),
        ROW(E'a "quoted", (text)\\ \n', ROW(1, NULL, -0.0),
            ARRAY[ROW(1, 2, 3), NULL, ROW(NULL, NULL, NULL)]::zoo_types.point3[], 'so-so', 5),
        ROW(7, '', '2026-01-01'), NULL, ROW(NULL, NULL, 1), E'a; b\\', '{sad,NULL,"so-so"}'),
    (3, 'with space, comma', 'A', 14, 1, '[5:6]={1,2}', ROW(0.1, 0.2, 0.3),
        ROW('', NULL, '{}', 'it''s "great"', 1), ROW(NULL, 'NULL', 'infinity'), ROW(),
        ROW(1e-300, 1, 1), 'NULL', '{"with space, comma","größer\\"}');

CREATE TABLE zoo_values.arrays (id integer PRIMARY KEY, ints integer[], texts text[],
    stamps timestamptz[], numbers numeric[], blobs bytea[], documents jsonb[], moods zoo_types.mood[],
    points zoo_types.point3[], nests zoo_types.nested[], ranges int4range[],
    own_ranges zoo_types.time_range[], words zoo_types.word[], few zoo_types.positive[],
    boxes box[], chars "char"[], vector int2vector, oids oidvector, lists zoo_types.int_list[],
    tags zoo_types."Mixed Case Enum"[]);
INSERT INTO zoo_values.arrays (id) VALUES (0);
INSERT INTO zoo_values.arrays VALUES
    (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
        '', '', '{}', '{}'),
    (2, '{NULL}', '{NULL,"NULL","",null," "}', '{infinity,-infinity,NULL}', '{NaN,1.0,1.00,Infinity}',
        ARRAY['\x00', '\x5c2c7b7d22', NULL]::bytea[], ARRAY['{"a": "\"{}\\"}', 'null', NULL]::jsonb[],
        ARRAY['it''s "great"', 'größer\', 'with space, comma', NULL]::zoo_types.mood[],
        ARRAY[ROW(1, NULL, 'NaN'), NULL]::zoo_types.point3[],
        ARRAY[ROW('"', ROW(1, 1, 1), ARRAY[ROW(1, 2, 3)]::zoo_types.point3[], 'sad', 1)]::zoo_types.nested[],
        '{empty,"[1,2)","(,)",NULL}', '{"[10:00,11:00)"}', '{a;"b;c";"NULL"}', '{1,2,NULL}',
        '{(1,1),(0,0);(3,3),(2,2)}', '{a,"","{"}', '1 2 -3', '1 2 4294967295',
        '{"{1,2}",NULL}', '{"",a,A}'),
    (3, '[-2:0][5:6]={{1,2},{3,NULL},{5,6}}', '[0:1]={"a,b","c\"d\\e"}', '[2:2]={2026-01-01 00:00:00+00}',
        '{{{1}},{{2}}}', NULL, NULL, '[3:4]={sad,ok}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
        '', '', '{}', '{}');

-- Objects by name: their text form is what must arrive, their OIDs differ.
CREATE TABLE zoo_values.catalogue (id integer PRIMARY KEY, class regclass, kind regtype,
    function regprocedure, function_name regproc, operator regoperator, role regrole,
    namespace regnamespace, config regconfig, dictionary regdictionary, sort regcollation,
    classes regclass[], relation zoo_types.relation, raw oid, grants aclitem[]);
INSERT INTO zoo_values.catalogue (id) VALUES (0);
INSERT INTO zoo_values.catalogue VALUES
    (1, 'zoo_values.texts', 'zoo_types.mood', 'zoo_code.add_one(integer)', 'zoo_code.quoting',
        'zoo_code.|<|(integer,integer)', 'zoo_owner', 'zoo', 'pg_catalog.english',
        'pg_catalog.simple', 'pg_catalog."C"', '{zoo_values.texts,pg_catalog.pg_class,NULL}',
        'zoo_values.bytes', 4294967295, '{zoo_reader=r/zoo_owner,=r/zoo_owner}'),
    (2, 'pg_catalog.pg_class', 'integer[]', 'pg_catalog.now()', 'pg_catalog.now',
        'pg_catalog.+(integer,integer)', '"Zoo ""Röle"" 1"', 'pg_catalog', 'pg_catalog.simple',
        'pg_catalog.english_stem', 'zoo_types."my C"', '{}', 'zoo_values.catalogue', 0, '{}'),
    -- Gone: an OID without an object is written as a number.
    (3, 4294900001::oid::regclass, 4294900002::oid::regtype, 0::regprocedure, 0::regproc,
        0::regoperator, 4294900003::oid::regrole, 4294900004::oid::regnamespace,
        4294900005::oid::regconfig, 4294900006::oid::regdictionary, 0::regcollation,
        ARRAY[4294900007::oid::regclass], NULL, 1, NULL);

CREATE TABLE zoo_values.system (id integer PRIMARY KEY, lsn pg_lsn, place tid, xid xid, xid8 xid8,
    cid cid, snapshot pg_snapshot, old_snapshot txid_snapshot, cursor refcursor);
INSERT INTO zoo_values.system (id) VALUES (0);
INSERT INTO zoo_values.system VALUES
    (1, '0/0', '(0,0)', '0', '0', '0', '1:1:', '1:1:', ''),
    (2, 'FFFFFFFF/FFFFFFFF', '(4294967295,65535)', '4294967295', '18446744073709551615',
        '4294967295', '10:20:10,14,15', '10:20:10,14,15', 'a "cursor"');

\if :has_xml
CREATE TABLE zoo_values.markup (id integer PRIMARY KEY, body xml);
SET xmloption = content;
INSERT INTO zoo_values.markup VALUES (0, NULL), (1, ''),
    (2, '<a b="&lt;&quot;">ü <!-- c --><![CDATA[<x>]]></a>'),
    (3, 'text, <b/> and more'), (4, '<?xml version="1.0" standalone="yes"?><root/>');
\endif
