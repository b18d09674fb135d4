-- name: identity_create
-- The map as home needs it for a comparison: each id of home's, and what it is at the source. Ids
-- that are used at the source only stand for what closes the map to a permutation, so that a row
-- that was not mapped at all does not look right.
-- columns: none
CREATE TEMPORARY TABLE homeport_identities (
    home text COLLATE "C" PRIMARY KEY,
    source text COLLATE "C" NOT NULL
)
