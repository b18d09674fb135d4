/*
 * The keeper: one transaction on the source that exports the snapshot under
 * which everything is read, and holds ACCESS SHARE on every table, so that
 * what the snapshot shows stays there (MOVE.md 3). Writers are not blocked;
 * DDL on these tables waits until the copy is done.
 *
 * When its connection is lost the snapshot is gone: ERR_SNAPSHOT.
 */
#pragma once

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/tables.h"
#include "pg/pg.h"

typedef struct Keeper {
    PGconn *conn;
    const char *snapshot; /* for SET TRANSACTION SNAPSHOT and pg_dump --snapshot */
} Keeper;

bool keeper_open(Arena *arena, const PgUrl *source, Keeper *ret, Error *err) MUST_USE;
void keeper_close(Keeper *keeper);

/* ACCESS SHARE on all of them; each must still have the storage that the
 * snapshot sees, else ERR_SNAPSHOT: start again with a new keeper. */
bool keeper_lock(Keeper *keeper, const Table *tables, int count, Error *err) MUST_USE;

/* Still there? Asked now and then, which also keeps idle connections open. */
bool keeper_ping(Keeper *keeper, Error *err) MUST_USE;

/* A connection whose transaction reads under the keeper's snapshot. ERR_SNAPSHOT where it is gone.
 */
bool keeper_join(const Keeper *keeper, const PgUrl *source, const char *role, PGconn **ret,
                 Error *err) MUST_USE;
