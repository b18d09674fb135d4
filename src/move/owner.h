/*
 * Whose the schema `homeport` of a database is. It belongs to one move, and with it the fence, what
 * settings were before it, and the progress of feeds: all have one name for every move. The owner's
 * id is the schema's comment; a schema that has none, as older versions made it, is the first
 * comer's. Slots and publications have the move's id in their names and belong to nobody else.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"

/* The schema is there and this move's from then on. In the caller's transaction, which may write.
 * ERR_WRONG_STATE where it is another's. */
bool owner_claim(PGconn *conn, const char *move_id, Error *err) MUST_USE;
/* It is this move's or nobody's; else ERR_WRONG_STATE, which names the other and what to do. */
bool owner_check(PGconn *conn, const char *move_id, Error *err) MUST_USE;
/* *ret: the id of the move that it belongs to where that is another one, else NULL. */
bool owner_other(PGconn *conn, Arena *arena, const char *move_id, const char **ret,
                 Error *err) MUST_USE;
