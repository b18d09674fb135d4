-- On another empty database `large`, with the roles of schema.sql:
--
--   psql -d large -f large-objects.sql
--   pg_dump -Fc -Z0 --blobs --exclude-table-data=*.* -d large -f large15.dump    and large17.dump
SELECT lo_from_bytea(100, 'first'), lo_from_bytea(101, 'second'), lo_from_bytea(200, 'third');
ALTER LARGE OBJECT 100 OWNER TO shop_owner;
ALTER LARGE OBJECT 101 OWNER TO shop_owner;
GRANT SELECT ON LARGE OBJECT 100 TO "shop ""reader""";
GRANT SELECT ON LARGE OBJECT 101 TO "shop ""reader""";
COMMENT ON LARGE OBJECT 200 IS 'alone';
