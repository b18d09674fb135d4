/*
 * The keeper: one transaction on the source that exports the snapshot under
 * which everything is read, and holds ACCESS SHARE on every table, so that
 * what the snapshot shows stays there (rule 3). Writers are not blocked;
 * DDL on these tables waits until the copy is done.
 *
 * When its connection is lost the snapshot is gone: ERR_SNAPSHOT.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/tables.h"
#include "pg/pg.h"

typedef struct Keeper {
    PGconn *conn;
    const char *snapshot; /* for SET TRANSACTION SNAPSHOT and pg_dump --snapshot */
    int patience_s;       /* with tables that somebody has locked */
    pthread_mutex_t in_use;
} Keeper;

/* `snapshot` is one that somebody else has exported, a replication slot's: it is exported again for
 * those who come later (rule 3). NULL: one of its own. */
bool keeper_open(Arena *arena, const PgUrl *source, const char *snapshot, Keeper *ret,
                 Error *err) MUST_USE;
void keeper_close(Keeper *keeper);

/* tables_list(), which opens the tables and so may have to wait for a lock. */
bool keeper_list(Keeper *keeper, Arena *arena, Table **ret, int *ret_count, Error *err) MUST_USE;

/* ACCESS SHARE on all of them; each must still have the storage, name and columns that
 * the snapshot sees, else ERR_SNAPSHOT: start again with a new keeper. */
bool keeper_lock(Keeper *keeper, const Table *tables, int count, Error *err) MUST_USE;

/* Still there? Asked now and then, which also keeps idle connections open. */
bool keeper_ping(Keeper *keeper, Error *err) MUST_USE;

/*
 * Before a table is read by a connection that has joined. A statement of the
 * owner's that waits for the keeper's lock makes all who come later wait behind
 * it: for ever, as the keeper waits for them. Then (*ret_locked is false) the
 * table is read by the keeper's own connection, which has its lock. Borrowed
 * by one at a time; after a failure there the snapshot is gone.
 */
bool keeper_try_table(PGconn *joined, const Table *table, bool *ret_locked, Error *err) MUST_USE;
PGconn *keeper_borrow(Keeper *keeper);
void keeper_return(Keeper *keeper);

/* A connection whose transaction reads under the keeper's snapshot. ERR_SNAPSHOT where it is gone.
 */
bool keeper_join(const Keeper *keeper, const PgUrl *source, const char *role, int patience_s,
                 PGconn **ret, Error *err) MUST_USE;
