-- name: assess_large_objects
-- How many large objects there are, in one row; a stream does not carry them. None: no row.
-- columns: object, fix
SELECT format('%s large objects, from %s to %s', count(*), min(l.oid), max(l.oid)) AS object,
       NULL AS fix
  FROM pg_catalog.pg_largeobject_metadata AS l
HAVING count(*) > 0
