/*
 * One change after the other through a pipeline of prepared statements, on one connection.
 *
 * Every reply is read and its row count checked before anything is committed: rows_commit() waits
 * for all that was sent. What is in flight is bounded in number and bytes, and replies are read
 * while sending, so neither side can wait for the other for ever.
 *
 * An error names the table, the key, the SQLSTATE and the constraint, and no other value. After it,
 * rows_abort(), or close the connection.
 */
#pragma once

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "move/apply_tables.h"
#include "pg/lsn.h"

typedef struct Rows Rows;

/* Belongs to the connection as long as both live; `stop` ends waits. */
Rows *rows_new(PGconn *conn, const atomic_bool *stop);
void rows_free(Rows *rows); /* accepts NULL; the connection is not touched */

/* Into and out of the pipeline, in a transaction or not. Leaving waits for all replies. */
bool rows_enter(Rows *rows, Error *err) MUST_USE;
bool rows_leave(Rows *rows, Error *err) MUST_USE;

/* BEGIN READ WRITE, with deferrable constraints deferred. */
bool rows_begin(Rows *rows, Error *err) MUST_USE;
/* `cascaded`: a parent changed in the same transaction, and foreign keys act here (rule 19). */
bool rows_change(Rows *rows, const Binding *binding, const RowChange *change, bool cascaded,
                 Error *err) MUST_USE;
/* Without parameters, whatever it counts. `binding` is named where it fails; may be NULL. */
bool rows_statement(Rows *rows, const char *sql, const Binding *binding, Error *err) MUST_USE;
/* name NULL: the floor. */
bool rows_progress(Rows *rows, int feed, const char *schema, const char *name, Lsn lsn,
                   Error *err) MUST_USE;
/* All replies so far are read and good. */
bool rows_settle(Rows *rows, Error *err) MUST_USE;
/* Settles, then sends COMMIT; its own reply is read with what comes next, or by rows_finish(). */
bool rows_commit(Rows *rows, Error *err) MUST_USE;
bool rows_finish(Rows *rows, Error *err) MUST_USE;
int64_t rows_committed(const Rows *rows); /* COMMITs answered, ever */

/* Out of the pipeline, with what was begun rolled back. False: the connection is of no more use. */
bool rows_abort(Rows *rows) MUST_USE;

/* Tried again from what is committed: a lost connection, a deadlock, a lack of room or memory. */
bool apply_error_passes(const Error *err);
