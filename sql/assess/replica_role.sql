-- name: assess_replica_role
-- Tries the setting under which triggers and foreign keys rest; it ends with this statement. An error
-- is the answer: a role that may not set it. (The function that asks for the right is of version 15.)
-- columns: set_config
SELECT set_config('session_replication_role', 'replica', true)
