-- name: assess_large_objects
-- How many large objects there are, in one row; a stream does not carry them. None: no row.
-- columns: object, fix
SELECT CASE count(*) WHEN 1 THEN format('1 large object, %s', min(l.oid))
                     ELSE format('%s large objects, from %s to %s', to_char(count(*), 'FM999,999,999,999'),
                                 min(l.oid), max(l.oid)) END AS object,
       NULL AS fix
  FROM pg_catalog.pg_largeobject_metadata AS l
HAVING count(*) > 0
