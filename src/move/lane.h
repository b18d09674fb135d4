/*
 * Large rows, one stream at a time.
 *
 * libpq gives rows only whole: of the largest one a stream holds two copies, and its connection
 * keeps the room of one until it is closed. So a part of a table that has such a row waits until no
 * other such part is in work. It waits before it begins, when it holds nothing that the others
 * wait for once they have begun. All other streams together hold no more than LANE_FREE_BYTES of
 * rows.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/tables.h"
#include "pg/pg.h"

enum {
    LANE_FREE_BYTES = 16 << 20,
};

typedef struct Lane {
    atomic_bool taken;
} Lane;

/* The query that gives a row where the table, or the part of it that `range` ("WHERE ...", or "")
 * says, has a row that is too large for one of this many workers to hold beside the others. NULL:
 * it has none. Answered from what the rows themselves say of their values, which stay unread. */
const char *lane_question(Arena *arena, const Table *table, const char *range, int workers);

/* Asks; where there is such a row it waits its turn, and *ret_inside is true: then lane_leave(),
 * after the connection that reads the rows has been closed. */
bool lane_enter(Lane *lane, PGconn *source, const char *question, const atomic_bool *stop,
                bool *ret_inside, Error *err) MUST_USE;
void lane_leave(Lane *lane, bool *inside);
