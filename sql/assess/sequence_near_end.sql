-- name: assess_sequence_near_end
-- Sequences that have used 80 % or more of their numbers, counting only what the integer column
-- that they feed can hold. Those that begin again at their end are left out.
-- $1 text[]  schemas to leave out
-- columns: object, fix
WITH fed AS (
    SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS column_number
      FROM pg_catalog.pg_depend AS d
     WHERE d.classid = 'pg_catalog.pg_class'::regclass
       AND d.refclassid = 'pg_catalog.pg_class'::regclass
       AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    UNION
    SELECT d.refobjid, f.adrelid, f.adnum
      FROM pg_catalog.pg_depend AS d
      JOIN pg_catalog.pg_attrdef AS f ON f.oid = d.objid
     WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
       AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid = 0
), numbers AS (
    SELECT c.oid, n.nspname, c.relname, s.seqstart, s.seqincrement, s.seqtypid,
           CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE')
                THEN coalesce(pg_sequence_last_value(c.oid), s.seqstart) END AS used,
           least(s.seqmax, min(CASE a.atttypid WHEN 'int2'::regtype THEN 32767
                                               WHEN 'int4'::regtype THEN 2147483647 END)) AS top,
           greatest(s.seqmin, max(CASE a.atttypid WHEN 'int2'::regtype THEN -32768
                                                  WHEN 'int4'::regtype THEN -2147483648 END)) AS bottom,
           min(format('ALTER TABLE %I.%I ALTER COLUMN %I TYPE bigint;', tn.nspname, t.relname,
                      a.attname)) FILTER (WHERE a.atttypid IN ('int2'::regtype, 'int4'::regtype)
                      ) AS widen
      FROM pg_catalog.pg_sequence AS s
      JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
           LEFT JOIN fed AS f ON f.sequence = c.oid
           LEFT JOIN pg_catalog.pg_attribute AS a
                  ON a.attrelid = f.relation AND a.attnum = f.column_number
           LEFT JOIN pg_catalog.pg_class AS t ON t.oid = f.relation
           LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
     WHERE NOT s.seqcycle
       AND c.relpersistence <> 't'
       AND n.nspname <> ALL ($1::text[])
     GROUP BY c.oid, n.nspname, c.relname, s.seqstart, s.seqincrement, s.seqtypid, s.seqmin, s.seqmax
), share AS (
    SELECT m.*,
           CASE WHEN m.seqincrement > 0
                THEN (m.used::numeric - m.bottom) / nullif(m.top::numeric - m.bottom, 0)
                ELSE (m.top::numeric - m.used) / nullif(m.top::numeric - m.bottom, 0)
           END AS part
      FROM numbers AS m
)
SELECT format('%I.%I: %s of %s', x.nspname, x.relname, x.used,
              CASE WHEN x.seqincrement > 0 THEN x.top ELSE x.bottom END) AS object,
       CASE WHEN x.widen IS NOT NULL OR x.seqtypid <> 'int8'::regtype
            THEN concat_ws(E'\n', x.widen,
                           format('ALTER SEQUENCE %I.%I AS bigint;', x.nspname, x.relname))
            ELSE format('ALTER SEQUENCE %I.%I %s;', x.nspname, x.relname,
                        CASE WHEN x.seqincrement > 0 THEN 'NO MAXVALUE' ELSE 'NO MINVALUE' END)
       END AS fix
  FROM share AS x
 WHERE x.part >= 0.8
 ORDER BY 1
