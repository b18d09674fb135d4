-- name: fence_prepare
-- homeport's own schema, and what default_transaction_read_only was before the fence: role_name is
-- '' for the database, else a role in this database; previous NULL: it was not set. Several
-- statements, run by the simple protocol in one transaction.
-- columns: none
CREATE SCHEMA IF NOT EXISTS homeport;
CREATE TABLE IF NOT EXISTS homeport.fence_setting (
    role_name text PRIMARY KEY,
    previous text
)
