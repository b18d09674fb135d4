/*
 * Rows from one connection to the other: COPY TO STDOUT here, COPY FROM STDIN
 * there, nothing in between but one buffer.
 *
 * Back-pressure is the sockets' own: while the target takes no more we do not
 * read, and the source waits. Memory is the buffer, plus what libpq holds of
 * the row in hand: it gives rows only whole, so up to twice the largest one.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "move/identity.h"
#include "pg/pg.h"

typedef struct StreamEnd {
    PGconn *conn;
    const char *copy; /* COPY ... TO STDOUT or FROM STDIN */
} StreamEnd;

typedef struct StreamWatch {
    atomic_int_fast64_t *bytes; /* counted up as they are sent */
    int64_t sent;               /* of this stream alone */
    int64_t rows;               /* likewise; the last one may not be whole yet */
    void (*passed)(void *context, int64_t rows, int64_t bytes); /* so many so far; may be NULL */
    void *context;
    const atomic_bool *stop;  /* somebody else failed: give up soon */
    IdentityRows *identities; /* maps each row, which is in text then; NULL: as they are */
} StreamWatch;

/* Both sides must count the same rows. On failure both connections may be in
 * any state: roll back or close them. Says which side failed: ERR_CONNECT of
 * either side can be tried again. */
bool stream_rows(const StreamEnd *source, const StreamEnd *target, StreamWatch *watch,
                 int64_t *ret_rows, Error *err) MUST_USE;
