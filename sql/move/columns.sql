-- name: move_columns
-- The columns of tables, with what decides how their values travel and how they are compared.
-- `base` is the built-in type below any domains, 'enum', or empty. `transport` keeps rule 7:
-- binary, extension (binary where both sides have that extension at one version) or text.
-- `key` is the column's place in the table's key: the primary key, else the narrowest unique index
-- that is immediate, covers all rows and has only columns without NULL.
-- `enum_arms` numbers the labels of an enum that has few: the arms of a CASE.
-- $1 oid[]  tables
-- columns: table, number, name, type, base, transport, extension, generated, identity, not_null, deterministic, key, enum_arms
WITH RECURSIVE domains (type, base) AS (
    SELECT t.oid, t.oid
      FROM pg_catalog.pg_type AS t
     WHERE t.oid IN (SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
                      WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped)
    UNION ALL
    SELECT d.type, t.typbasetype
      FROM domains AS d
      JOIN pg_catalog.pg_type AS t ON t.oid = d.base
     WHERE t.typtype = 'd'
),
-- Built-in, and its binary form means the same on every server: no type whose bytes hold an OID
-- of a catalogue, depend on a locale, or are private to the server.
plain AS (
    SELECT t.oid
      FROM pg_catalog.pg_type AS t
     WHERE t.typtype = 'b'
       AND t.oid < 16384
       AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
       AND t.typsend <> 0
       AND t.typreceive <> 0
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS element WHERE element.typarray = t.oid)
       AND t.typname !~ '^(reg|pg_node_tree|pg_ndistinct|pg_dependencies|pg_mcv_list|pg_brin_)'
       AND t.typname NOT IN ('money', 'xml', 'aclitem', 'gtsvector',
                             'tsquery') -- of an empty one the binary form is refused by 16 and later
),
types AS (
    SELECT d.type,
           CASE WHEN t.typtype = 'e' THEN 'enum'
                WHEN t.typtype = 'b' AND t.oid < 16384
                 AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace THEN t.typname
                ELSE ''
           END AS base,
           CASE WHEN t.typtype = 'e' THEN 'binary'
                WHEN t.oid IN (SELECT oid FROM plain) THEN 'binary'
                WHEN element.oid IN (SELECT oid FROM plain) THEN 'binary'
                WHEN r.rngsubtype IN (SELECT oid FROM plain) THEN 'binary'
                WHEN element.oid IS NULL AND t.typtype = 'b' AND e.extname IS NOT NULL
                 AND t.typsend <> 0 AND t.typreceive <> 0 THEN 'extension'
                ELSE 'text'
           END AS transport,
           e.extname,
           CASE WHEN t.typtype = 'e' THEN (
               SELECT pg_catalog.string_agg(
                          pg_catalog.format('WHEN %L::%s THEN %s', l.enumlabel,
                                            pg_catalog.format_type(t.oid, NULL), l.number),
                          ' ' ORDER BY l.number)
                 FROM (SELECT g.enumlabel,
                              pg_catalog.row_number() OVER (ORDER BY g.enumsortorder) AS number
                         FROM pg_catalog.pg_enum AS g
                        WHERE g.enumtypid = t.oid) AS l
               HAVING pg_catalog.count(*) BETWEEN 1 AND 32)
           END AS enum_arms
      FROM domains AS d
      JOIN pg_catalog.pg_type AS t ON t.oid = d.base AND t.typtype <> 'd'
      LEFT JOIN pg_catalog.pg_type AS element ON element.oid = t.typelem AND element.typarray = t.oid
      LEFT JOIN pg_catalog.pg_range AS r ON t.oid IN (r.rngtypid, r.rngmultitypid)
      LEFT JOIN pg_catalog.pg_depend AS m
             ON m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND m.objid = t.oid
            AND m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
            AND m.deptype = 'e'
      LEFT JOIN pg_catalog.pg_extension AS e ON e.oid = m.refobjid
),
keys AS (
    SELECT DISTINCT ON (i.indrelid) i.indrelid, i.indkey, i.indnkeyatts
      FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
     WHERE i.indrelid = ANY ($1::oid[])
       AND i.indisunique
       AND i.indimmediate
       AND i.indisvalid
       AND i.indpred IS NULL
       AND i.indexprs IS NULL
       AND NOT EXISTS (
               SELECT
                 FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (at)
                 JOIN pg_catalog.pg_attribute AS a
                      ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.at]
                WHERE NOT a.attnotnull
                   OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS n
                               WHERE n.conrelid = a.attrelid AND n.contype = 'n'
                                 AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated))
     ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, c.relname
)
SELECT a.attrelid,
       a.attnum,
       a.attname,
       pg_catalog.format_type(a.atttypid, a.atttypmod),
       t.base,
       t.transport,
       CASE WHEN t.transport = 'extension' THEN t.extname END,
       a.attgenerated <> '',
       a.attidentity,
       a.attnotnull,
       COALESCE(l.collisdeterministic, true),
       COALESCE((SELECT p.at + 1
                   FROM pg_catalog.generate_series(0, k.indnkeyatts - 1) AS p (at)
                  WHERE k.indkey[p.at] = a.attnum
                  ORDER BY p.at
                  LIMIT 1), 0),
       t.enum_arms
  FROM pg_catalog.pg_attribute AS a
  JOIN types AS t ON t.type = a.atttypid
  LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
  LEFT JOIN keys AS k ON k.indrelid = a.attrelid
 WHERE a.attrelid = ANY ($1::oid[])
   AND a.attnum > 0
   AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
