-- name: verify_large_object_slices
-- Large objects as rows, of slices that are the same on both sides however pg_largeobject's pages are
-- cut: the server gives no more than 1 GB at once. One that is empty has a slice as well. OFFSET 0
-- keeps what opens and closes from being moved or done twice.
-- :slice 16777216
-- columns: loid, at, data
SELECT m.oid AS loid, s.at, pg_catalog.lo_get(m.oid, s.at, :slice) AS data
  FROM pg_catalog.pg_largeobject_metadata AS m
 CROSS JOIN LATERAL (
       SELECT pg_catalog.lo_lseek64(o.fd, 0, 2) AS size, pg_catalog.lo_close(o.fd) AS closed
         FROM (SELECT pg_catalog.lo_open(m.oid, 262144) AS fd OFFSET 0) AS o
       OFFSET 0) AS z
 CROSS JOIN LATERAL pg_catalog.generate_series(0, greatest(z.size - 1, 0), :slice::bigint) AS s (at)
