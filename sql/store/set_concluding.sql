-- name: store_set_concluding
-- $1 whether nothing is left to do but to drop the marks on the target
-- columns: none
UPDATE move SET concluding = ?1
