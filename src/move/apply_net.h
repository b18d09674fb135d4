/*
 * One table's part of a window, set-wise on one connection: COPY of what changed into a staging
 * table; values that are not known are filled in from the rows' old keys; DELETE, UPDATE, and new
 * rows by COPY into the table itself. Every count is checked against what it should be (rule 18).
 *
 * A table whose rows have no unique key on the side gets its changes one by one instead (rule 17),
 * in the same transaction.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "move/apply_private.h"
#include "move/apply_reduce.h"

typedef struct RawChange {
    struct RawChange *next;
    RowChange change; /* values in the batch's arena */
} RawChange;

typedef struct TableBatch {
    struct TableBatch *next;
    const Binding *binding;
    void *owner;    /* the dispatcher's */
    Reduce *reduce; /* by key or only added; else: */
    RawChange *first;
    RawChange *last;
    int64_t changes;
    size_t bytes;
} TableBatch;

TableBatch *table_batch_new(Arena *arena, const Binding *binding) RETURNS_NONNULL;
void table_batch_clear(TableBatch *batch);
void table_batch_add(Arena *arena, TableBatch *batch, const RowChange *change);

typedef struct Stage Stage;

typedef struct NetSession {
    const Feed *feed; /* for what is touched; read only */
    PGconn *conn;
    Rows *rows;
    Stage *stages; /* by the binding's number */
    bool in_transaction;
} NetSession;

bool net_session_open(NetSession *session, const Feed *feed, const char *role, Error *err) MUST_USE;
void net_session_close(NetSession *session);

bool net_begin(NetSession *session, Error *err) MUST_USE;
bool net_commit(NetSession *session, Error *err) MUST_USE;
/* False: the connection is of no more use. */
bool net_rollback(NetSession *session) MUST_USE;
bool net_apply(NetSession *session, const TableBatch *batch, Error *err) MUST_USE;
