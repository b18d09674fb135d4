/*
 * Rows read again while writers are at work (rule 35). Private to src/move/verify*.c.
 *
 * A row is read on the source, then everything that is committed there is waited for, then the row
 * is read on the target, and once more on the source. The same on both sides: it was on its way.
 * Unchanged on the source, and otherwise on the target: it differs. Else it has changed meanwhile,
 * and the next round tells; after some rounds it counts as touched, to be compared another time.
 */
#pragma once

#include "move/verify.h"
#include "move/verify_live.h"

/* A row as one side has it. */
typedef struct RowState {
    int64_t times; /* 0: it is not there */
    uint64_t hashes[VERIFY_HASHES];
    uint64_t version; /* changes with every update; 0: not known */
} RowState;

typedef struct Again {
    VerifyRun *run;
    const VerifyLive *live;
    PGconn *conns[VERIFY_SIDES]; /* each statement has a snapshot of its own; made when needed */
    Arena *arena;                /* of the list */
    VerifyTable *table;
    Suspect *list;
    int count;
    int cap;
    int64_t rechecked;      /* rows that were on their way */
    int64_t changing;       /* rows that changed each time they were looked at */
    struct AgainLeft *left; /* as many as there are tables */
    int left_count;
} Again;

/* A table that could not be compared. */
typedef struct AgainLeft {
    const VerifyTable *table;
    const char *why;
    bool emptied; /* it may be tried again at once */
    bool passing; /* it can be compared when nobody writes */
} AgainLeft;

bool row_states_equal(const RowState *a, const RowState *b);

/* Rows of one table, by their keys or hashes, as one connection sees them. */
typedef struct RowsAsked {
    PGconn *conn;
    VerifySide side;
    const VerifyTable *table;
    const Suspect *rows;
    int count;
} RowsAsked;

/* ret has as many. */
bool rows_read(const RowsAsked *asked, RowState *ret, Error *err) MUST_USE;

bool again_connect(Again *again, Error *err) MUST_USE;
void again_close(Again *again);
/* Until everything that is committed on the source by now is applied. */
bool again_wait(Again *again, Error *err) MUST_USE;
bool again_suspect(Again *again, VerifyTable *table, const Suspect *suspect, Error *err) MUST_USE;
/* The whole table, another time. */
void again_leave_table(Again *again, const AgainLeft *left);
/* Of the table that was compared last. */
bool again_was_emptied(const Again *again, const VerifyTable *table);
/* Those that were left count as touched: the last chance to compare them is when nobody writes. */
void again_keep_left(const Again *again);
/* Judges all that are suspected. */
bool again_flush(Again *again, Error *err) MUST_USE;
