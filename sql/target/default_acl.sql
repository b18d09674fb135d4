-- name: target_default_acl
-- What target_create_marks notes of the default privileges, empty, where it has not.
-- columns: none
CREATE TABLE IF NOT EXISTS homeport.default_acl (role oid, namespace oid, kind "char", acl aclitem[])
