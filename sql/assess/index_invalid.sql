-- name: assess_index_invalid
-- Indexes that a CREATE INDEX CONCURRENTLY left unfinished: nobody uses them and pg_dump does not
-- carry them.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I', n.nspname, c.relname) AS object,
       format('REINDEX INDEX CONCURRENTLY %I.%I; -- or: DROP INDEX CONCURRENTLY %1$I.%2$I;',
              n.nspname, c.relname) AS fix
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid
   AND c.relkind = 'i'
   AND n.nspname <> ALL ($1::text[])
 ORDER BY 1
