/*
 * What the source has sent, on our own disk, until it is applied: segments of compressed,
 * checksummed blocks in <dir>/spool/<feed>/. One writer (the receiver), one reader at a time (the
 * applier), which follows the writer within one process and starts again after a restart.
 *
 * Format and recovery: spool.c. What matters outside:
 *
 * - What spool_sync() has returned for is there after any crash. A torn last block is cut off when
 *   the spool is opened; anything else that is wrong is ERR_FORMAT with segment and offset.
 * - Every segment can be read alone: it begins with the Relation messages known so far, as the
 *   server sends each only once a session. A streamed transaction's Relation messages become
 *   known at its commit (pgoutput does not send them again then).
 * - A transaction that is streamed while in progress goes into a file of its own. At its commit the
 *   file is synced and the spool gets a record that refers to it. Pieces without such a record are
 *   thrown away when the spool is opened or the stream begins anew: the server sends them from
 *   the start. An abort of a subtransaction removes what was its own (and its children's, which the
 *   server aborts by messages of their own).
 * - Readers get whole committed transactions, in commit order, large ones too, in constant memory.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "pg/lsn.h"
#include "pg/pgoutput.h"

typedef struct Spool Spool;

/* Opens or makes it, cuts off a torn end. Refuses (ERR_WRONG_STATE) one of another move or feed. */
bool spool_open(const char *dir, const char *move_id, int feed, Spool **ret, Error *err) MUST_USE;
void spool_close(Spool *spool); /* accepts NULL; does not sync */

/* ---- the writer ---- */

/* A pgoutput message as it came. Nothing is kept of it before spool_sync(). Decodes what it needs:
 * pieces of streamed transactions are told from others by it. */
bool spool_write(Spool *spool, Lsn start, const char *data, size_t len, Error *err) MUST_USE;
/* The server has nothing before `lsn` that is still to come, and no transaction is open in the
 * spool: lets progress go on while the source is quiet. Ignored while one is open. */
bool spool_write_quiet(Spool *spool, Lsn lsn, Error *err) MUST_USE;
/* Compresses what is buffered, writes and fdatasyncs it, and wakes the reader. *ret: what may be
 * confirmed to the server (rule 10): the end of the last transaction that is wholly here, or the
 * last quiet position. */
bool spool_sync(Spool *spool, Lsn *ret, Error *err) MUST_USE;
/* The connection was lost: what is not a whole transaction is forgotten (rule 11). Then stream from
 * *ret on: the end of what is here, 0 where nothing is. */
bool spool_restart(Spool *spool, Lsn *ret, Error *err) MUST_USE;

int64_t spool_bytes(const Spool *spool); /* on disk; any thread */
Lsn spool_synced(const Spool *spool);    /* what spool_sync() last returned; any thread */
Lsn spool_committed(const Spool *spool); /* of it, the end of the last transaction; any thread */

/* ---- the reader ---- */

typedef struct SpoolPosition {
    int64_t segment;
    int64_t offset;
} SpoolPosition;

typedef enum SpoolKind {
    SPOOL_NOTHING, /* the time is over */
    SPOOL_BEGIN,   /* commit, end (0 where not known yet), time, xid of a transaction */
    SPOOL_CHANGE,  /* message: I, U, D, T or M, with its relation */
    SPOOL_COMMIT,  /* end is known */
    SPOOL_QUIET,   /* end: nothing before it is still to come */
} SpoolKind;

typedef struct SpoolItem {
    SpoolKind kind;
    Lsn commit;
    Lsn end;
    int64_t time; /* of the commit, microseconds since 2000-01-01 UTC */
    unsigned xid;
    const PgOutput *message;    /* valid until the next call */
    const PgRelation *relation; /* I, U, D: the table as the server described it last; valid until
                                   the reader is closed. A new description is a new pointer */
    const PgRelation *const *relations; /* T: as many as message->oid_count */
    SpoolPosition position; /* BEGIN, QUIET: where spool_seek() goes to read this again */
} SpoolItem;

typedef struct SpoolReader SpoolReader;

/* Begins with the first transaction whose commit is >= from; 0: with what is there. Refuses
 * (ERR_WRONG_STATE) where some of it was pruned. */
bool spool_read(Spool *spool, Lsn from, SpoolReader **ret, Error *err) MUST_USE;
void spool_reader_close(SpoolReader *reader);
/* Waits up to timeout_ms for something that is synced. Never returns what is not. */
bool spool_next(SpoolReader *reader, int timeout_ms, SpoolItem *ret, Error *err) MUST_USE;
/* Back (or forward) to a transaction's begin, to read it again. */
bool spool_seek(SpoolReader *reader, SpoolPosition position, Error *err) MUST_USE;
/* Wakes a spool_next() that waits, from any thread: it returns SPOOL_NOTHING at once. */
void spool_wake(Spool *spool);

/* Removes whole segments, and files of streamed transactions, of which everything ends at or below
 * `lsn` (rule 12). Any thread. */
bool spool_prune(Spool *spool, Lsn lsn, Error *err) MUST_USE;
