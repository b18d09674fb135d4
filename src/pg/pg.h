/*
 * PostgreSQL through libpq: connect, query, quote.
 *
 * A PGconn belongs to one thread. Every connection made here is registered, so
 * that what blocks in libpq ends when the owner presses Ctrl-C: always close
 * with pg_close(), never PQfinish().
 *
 * Sessions are set up alike on every server, so that text output means the
 * same on both sides: see sql/pg/session.sql.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "pg/url.h"
#include "sql.gen.h"

/* Connects and sets the session up. `role` is what this connection is for
 * ("copy 2", "keeper"): it becomes application_name "homeport <role>". */
bool pg_connect(const PgUrl *url, const char *role, PGconn **ret, Error *err) MUST_USE;
/* For a session that was set up before url->encoding was known, or again. */
bool pg_use_encoding(PGconn *conn, const PgUrl *url, Error *err) MUST_USE;
void pg_close(PGconn *conn); /* accepts NULL */

/* Tries again, with backoff, while the error is ERR_CONNECT of a passing kind
 * (refused, starting up, shutting down, lost); up to `seconds`, and not past pg_deadline_begin()'s
 * deadline. */
bool pg_connect_retry(const PgUrl *url, const char *role, int seconds, PGconn **ret,
                      Error *err) MUST_USE;

/* Breaks every connection that there is, so that threads which block in libpq return; their
 * servers end what they were doing within a second or two. Happens by itself when a stop is asked
 * for (core/cancel.h): then no new connection is made either. */
void pg_interrupt_all(void);
/* From that moment of clock_seconds() on, and until pg_deadline_end(), every connection of this
 * process is lost, so that nothing waits for a server any longer; from a request to stop on if that
 * comes before, also while it is held back. One at a time. */
bool pg_deadline_begin(double at_s, Error *err) MUST_USE;
void pg_deadline_end(void); /* also where none was begun */
/* For what waits for something else than a connection: at least 1; 0: there is no deadline. */
int pg_deadline_left_ms(void);

/* Where the SQLSTATE begins in what libpq says at its most verbose of a connection that was
 * refused:
 * "...: FATAL:  28P01: message". NULL: the server said none. */
const char *pg_find_code(const char *text);
/* The SQLSTATE with which the server refuses this connection; ret is left as it is where it says
 * none until then (clock_seconds()). Connects once more. */
void pg_ask_code(const char *const *keywords, const char *const *values, double until_s,
                 char ret[6]);

/* One statement with text parameters ($1...), text results. */
bool pg_query(PGconn *conn, const char *sql, int count, const char *const *params, PGresult **ret,
              Error *err) MUST_USE;
typedef struct PgParams {
    const char *const *values;
    int count;
} PgParams;

/* The same for who cannot wait longer: ERR_CONNECT then. After a failure the connection is of no
 * use any more. */
bool pg_query_within(PGconn *conn, const char *sql, const PgParams *params, int patience_ms,
                     PGresult **ret, Error *err) MUST_USE;
/* Statements without parameters whose rows do not matter; several may be joined by ';'. */
bool pg_exec(PGconn *conn, const char *sql, Error *err) MUST_USE;
/* The same, formatted: only identifiers and literals quoted by the functions below go in. */
bool pg_execf(PGconn *conn, Error *err, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_USE;
/* First column of the first row, in the arena; NULL for an SQL NULL or no row. */
bool pg_query_text(PGconn *conn, Arena *arena, const char *sql, char **ret, Error *err) MUST_USE;
bool pg_query_i64(PGconn *conn, const char *sql, int64_t *ret, Error *err) MUST_USE;
/* A setting of this session whose value is in no log of the server: log_statement and the like
 * write down statements with their parameters, but of a function call by the protocol only its
 * name. */
bool pg_set_secret(PGconn *conn, const char *name, const char *value, Error *err) MUST_USE;

#define PG_LOCK_NOT_AVAILABLE "55P03" /* lock_timeout */

/* Fills err from a failed result: SQLSTATE, message, server's hint; a lost
 * connection is ERR_CONNECT. res may be NULL. Always false. What an error is about is told by its
 * SQLSTATE and origin, as messages are in the server's language (lc_messages). */
bool pg_fail_result(const PGconn *conn, const PGresult *res, Error *err);
/* The same for a connection-level failure. */
bool pg_fail_conn(const PGconn *conn, Error *err);
/* Says before err's message that the connection was lost, and to which server. Always false. */
bool pg_add_lost(const PGconn *conn, Error *err);

/* Quoted for SQL text. */
char *pg_ident(Arena *arena, const char *name) RETURNS_NONNULL;
char *pg_qualified(Arena *arena, const char *schema, const char *name) RETURNS_NONNULL;
char *pg_literal(Arena *arena, const char *value) RETURNS_NONNULL; /* NULL gives NULL */
/* {"a","b"} for a text[] parameter. */
char *pg_text_array(Arena *arena, const char *const *items, int count) RETURNS_NONNULL;

/* A cell of a result; NULL for SQL NULL. */
const char *pg_cell(const PGresult *res, int row, int col);
int64_t pg_cell_i64(const PGresult *res, int row, int col); /* 0 for NULL */
bool pg_cell_bool(const PGresult *res, int row, int col);

void pg_result_cleanup(PGresult **res);
void pg_conn_cleanup(PGconn **conn);
#define auto_result CLEANUP(pg_result_cleanup)
#define auto_conn CLEANUP(pg_conn_cleanup)
