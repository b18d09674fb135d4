/*
 * Which database a connection leads to, whatever its address says.
 */
#pragma once

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"
#include "pg/pg.h"

typedef struct DatabaseId {
    const char *cluster; /* its system identifier; NULL where it is not told */
    const char *oid;
    const char *started; /* the server, with microseconds */
} DatabaseId;

/* Outside a transaction: a server may refuse a part of it. */
bool database_id_read(PGconn *conn, Arena *arena, DatabaseId *ret, Error *err) MUST_USE;

/* One database of one server that runs. False also where that cannot be told. */
bool database_id_same(const DatabaseId *a, const DatabaseId *b);

/* To be kept: the same as long as the database is not made anew, also after its server's restart.
 */
const char *database_id_text(Arena *arena, const DatabaseId *id) RETURNS_NONNULL;
