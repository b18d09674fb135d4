/*
 * One run on one connection: the same statements as drizzle-kit, in the same
 * order, by the simple protocol, untrimmed.
 *
 * What drizzle-kit lacks: a lock against a second homeport, a lock on the table
 * against a second drizzle-kit, a limit to waiting for locks, and errors that
 * say where.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/text.h"
#include "migrations/internal.h"

enum {
    DEFAULT_LOCK_TIMEOUT_MS = 10000,
    DEFAULT_WAIT_S = 600,
    POLL_MS = 200,
    EXCERPT_MAX = 120
};

/* ---- begin and end ---- */

static bool take_lock(const Run *run, Error *err)
{
    const MigrationsOptions *options = run->options;
    const char *params[] = {options_schema(options), options_table(options)};
    int wait_s = options->wait_seconds ? options->wait_seconds : DEFAULT_WAIT_S;
    double deadline = clock_seconds() + wait_s;

    for (;;) {
        auto_result PGresult *res = NULL;
        if (!pg_query(run->conn, sql_migrations_lock, 2, params, &res, err))
            return false;
        if (pg_cell_bool(res, 0, 0))
            return true;
        if (clock_seconds() > deadline) {
            (void)error_set(err, ERR_WRONG_STATE,
                            "another homeport has been applying migrations for more than %d s",
                            wait_s);
            return error_hint(err, "See pg_stat_activity for application_name \"homeport ...\".");
        }
        if (!cancel_sleep_ms(POLL_MS, err))
            return false;
    }
}

static bool limit_lock_waits(const Run *run, Error *err)
{
    int ms = run->options->lock_timeout_ms;

    if (ms < 0)
        return true;
    return pg_execf(run->conn, err, "SET %s lock_timeout = %d",
                    run->options->scratch ? "SESSION" : "LOCAL", ms ? ms : DEFAULT_LOCK_TIMEOUT_MS);
}

static bool make_table(Run *run, Error *err)
{
    const TableStatements *sql = &run->statements;
    bool to_1_0 = run->folder->layout == MIGRATIONS_FOLDERS;

    /* drizzle-kit asks for the schema even where it is there, which needs CREATE on the database.
     */
    if (!run->status.schema_exists && !pg_exec(run->conn, sql->create_schema, err))
        return error_add_context(err, "create the schema \"%s\"", options_schema(run->options));
    if (!run->status.table_exists) {
        if (!pg_exec(run->conn, to_1_0 ? sql->create_1_0 : sql->create_0_x, err))
            return error_add_context(err, "create the table \"%s\"", options_table(run->options));
        run->created = true;
    }
    /* drizzle-kit's INSERT waits for it; one that came first has to end before we read. */
    if (!run->options->scratch && !pg_exec(run->conn, sql->lock, err))
        return error_add_context(err, "lock the table \"%s\"", options_table(run->options));
    return true;
}

bool run_begin(Run *run, Error *err)
{
    /* Migrations see the search path and formats that drizzle-kit's connection would have. */
    if (!pg_exec(run->conn, "RESET ALL", err) || !take_lock(run, err) ||
        !table_statements(run->arena, run->conn, run->options, &run->statements, err))
        return false;
    if (!run->options->scratch && !pg_exec(run->conn, "BEGIN", err))
        return false;
    if (!limit_lock_waits(run, err) ||
        !table_read(run->arena, run->conn, run->options, &run->statements, &run->status, err) ||
        !make_table(run, err))
        return false;
    /* Again: what was committed while we waited for the lock. */
    if (!table_read(run->arena, run->conn, run->options, &run->statements, &run->status, err))
        return false;
    compare_states(run->arena, run->folder, &run->status);
    return true;
}

static void end_session(const Run *run)
{
    const char *params[] = {options_schema(run->options), options_table(run->options)};
    Error ignored = ERROR_INIT;
    auto_result PGresult *res = NULL;

    /* A connection that is gone has given everything back already. */
    (void)!pg_query(run->conn, sql_migrations_unlock, 2, params, &res, &ignored);
    (void)!pg_exec(run->conn, "RESET ALL", &ignored);
    (void)!pg_exec(run->conn, sql_pg_session, &ignored);
}

bool run_commit(Run *run, Error *err)
{
    if (!run->options->scratch && !pg_exec(run->conn, "COMMIT", err)) {
        (void)error_add_context(err, "commit the run");
        return error_hint(err, "Nothing was changed: all of the run was rolled back.");
    }
    end_session(run);
    return true;
}

void run_abort(Run *run)
{
    Error ignored = ERROR_INIT;
    PGTransactionStatusType state = PQtransactionStatus(run->conn);

    if (state != PQTRANS_IDLE && state != PQTRANS_UNKNOWN)
        (void)!pg_exec(run->conn, "ROLLBACK", &ignored);
    end_session(run);
}

/* ---- the table ---- */

static bool exec_params(const Run *run, const char *sql, int count, const char *const *params,
                        Error *err)
{
    auto_result PGresult *res = NULL;

    return pg_query(run->conn, sql, count, params, &res, err);
}

bool run_upgrade_table(Run *run, Error *err)
{
    for (int r = 0; r < run->status.row_count; r++)
        if (run->status.rows[r].migration < 0) {
            (void)error_set(err, ERR_WRONG_STATE,
                            "the table of drizzle-kit 0.x cannot be upgraded to 1.0: row %s "
                            "belongs to no migration of the folder",
                            run->status.rows[r].id);
            return error_hint(err, "Bring the folder up to what the database has; drizzle-kit "
                                   "1.0 refuses as well.");
        }
    if (!pg_exec(run->conn, run->statements.add_name, err) ||
        !pg_exec(run->conn, run->statements.add_applied_at, err))
        return error_add_context(err, "upgrade the table");
    for (int r = 0; r < run->status.row_count; r++) {
        const MigrationRow *row = &run->status.rows[r];
        const char *params[] = {row->id, run->folder->list[row->migration].name};
        if (!exec_params(run, run->statements.set_upgraded, 2, params, err))
            return error_add_context(err, "upgrade row %s of the table", row->id);
    }
    run->status.named = true;
    return true;
}

bool run_record(Run *run, const Migration *migration, Error *err)
{
    bool named = run->status.named;
    char when[32];
    const char *params[] = {migration->hash, when, migration->name};

    (void)snprintf(when, sizeof when, "%" PRId64, migration->when_ms);
    if (!exec_params(run, named ? run->statements.insert_1_0 : run->statements.insert_0_x,
                     named ? 3 : 2, params, err))
        return error_add_context(err, "record %s", migration->tag);
    return true;
}

/* ---- statements ---- */

/* The next reply, NULL after the last. libpq would wait for it deaf to signals: a stop that is
 * asked for meanwhile is passed on to the server, whose reply then is that it was cancelled. */
static PGresult *next_reply(PGconn *conn)
{
    bool asked = false;

    while (PQisBusy(conn)) {
        struct pollfd waits[] = {
            {.fd = PQsocket(conn), .events = POLLIN},
            {.fd = cancel_fd(),    .events = POLLIN}
        };
        char ignored[256];

        (void)poll(waits, asked ? 1 : 2, -1);
        if (!asked && cancel_requested()) {
            PGcancel *cancel = PQgetCancel(conn);
            (void)PQcancel(cancel, ignored, sizeof ignored);
            PQfreeCancel(cancel);
            asked = true;
        }
        if (waits[0].revents && !PQconsumeInput(conn))
            break;
    }
    return PQgetResult(conn);
}

/* A copy from or to the client, which a migration does not have: nothing is sent, what comes is
 * thrown away. */
static void end_copy(PGconn *conn, ExecStatusType status)
{
    char *data = NULL;

    if (status == PGRES_COPY_IN)
        (void)PQputCopyEnd(conn, "a migration has no data to copy from");
    while (status == PGRES_COPY_OUT && PQgetCopyData(conn, &data, 0) > 0)
        PQfreemem(data);
}

/* Sends one piece and reads every reply; rows are thrown away as they come. *ret_position counts
 * characters from 1, 0 where the server did not say. */
static bool send_piece(PGconn *conn, const char *sql, int *ret_position, Error *err)
{
    bool ok = true;

    *ret_position = 0;
    if (!PQsendQuery(conn, sql))
        return pg_fail_conn(conn, err);
    (void)PQsetSingleRowMode(conn);
    for (PGresult *next; (next = next_reply(conn));) {
        auto_result PGresult *res = next;

        if (PQresultStatus(res) == PGRES_FATAL_ERROR && ok) {
            const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
            *ret_position = position ? (int)strtol(position, NULL, 10) : 0;
            ok = pg_fail_result(conn, res, err);
        }
        end_copy(conn, PQresultStatus(res));
        if (PQstatus(conn) == CONNECTION_BAD)
            break;
    }
    return ok && PQstatus(conn) == CONNECTION_BAD ? pg_fail_conn(conn, err) : ok;
}

/* Where character number `position` begins. */
static const char *at_position(const char *sql, int position)
{
    for (; *sql && position > 1; position--)
        do
            sql++;
        while ((*sql & 0xC0) == 0x80);
    return sql;
}

/* On one line, cut; from the line of `at` where it is further in than the cut. */
static const char *excerpt(Arena *arena, const char *sql, const char *at)
{
    Text text = text_init(arena, EXCERPT_MAX + 8);
    const char *start = sql;

    if (at - sql > EXCERPT_MAX)
        for (start = at; start > sql && start[-1] != '\n';)
            start--;
    for (const char *p = start + strspn(start, " \t\r\n"); *p;) {
        size_t space = strspn(p, " \t\r\n");
        bool boundary = (*p & 0xC0) != 0x80;
        if (text.len >= EXCERPT_MAX && boundary && p[space]) {
            text_add(&text, "...");
            break;
        }
        if (space && p[space])
            text_add_char(&text, ' ');
        else if (!space)
            text_add_char(&text, *p);
        p += space ? space : 1;
    }
    return text_str(&text);
}

static const char *hint_for(const char *sqlstate)
{
    static const struct {
        const char *sqlstate;
        const char *hint;
    } hints[] = {
        {"25001", "It cannot run in a transaction. Run it by hand, then record it: "
                  "homeport migrations baseline --until TAG."   },
        {"42501", "The role of this connection may not do that: use the owner's."},
        {"55P03", "Somebody holds a lock on it: try again when they are done, or give a longer "
                  "--lock-timeout."                             },
        {"55P04", "Apply up to the migration that adds the value first: --until TAG, then the "
                  "rest."                                       },
    };

    for (size_t i = 0; i < COUNT_OF(hints); i++)
        if (strcmp(hints[i].sqlstate, sqlstate) == 0)
            return hints[i].hint;
    /* "already exists", of tables, schemas, columns, functions and other objects */
    if (strcmp(sqlstate, "42P07") == 0 || strcmp(sqlstate, "42P06") == 0 ||
        strcmp(sqlstate, "42701") == 0 || strcmp(sqlstate, "42723") == 0 ||
        strcmp(sqlstate, "42710") == 0)
        return "If the database has this migration already, record it: homeport migrations "
               "baseline.";
    return NULL;
}

/* The server quotes what it found at its position, and all the rest where a quote is never closed.
 * In other languages the quotation marks are those of Latin-1 or General Punctuation. */
static const char *message_of(Arena *arena, const char *message, bool at_secret)
{
    const char *at = message;
    bool ignored = false;

    if (at_secret)
        return arena_printf(arena, "%.*s***", (int)strcspn(message, "\"'\xC2\xE2"), message);
    return mask_passwords(arena, message, &at, &ignored);
}

static bool fail_piece(const Run *run, const Migration *migration, int index, int position,
                       Error *err)
{
    const MigrationPiece *piece = &migration->pieces[index];
    const char *at = at_position(piece->sql, position);
    Error cause = *err;
    int line = piece->line;

    /* Without a position: the first line that says something. */
    if (position == 0)
        at += strspn(at, " \t\r\n");
    for (const char *p = piece->sql; p < at; p++)
        line += *p == '\n';

    bool at_secret = false;
    const char *shown = mask_passwords(run->arena, piece->sql, &at, &at_secret);
    const char *said = message_of(run->arena, cause.message, at_secret);
    (void)error_set(err, cause.code, "%s, statement %d of %d (line %d): %.240s, in: %s",
                    migration->file, index + 1, migration->piece_count, line, said,
                    excerpt(run->arena, shown, at));
    memcpy(err->sqlstate, cause.sqlstate, sizeof err->sqlstate);

    const char *hint = hint_for(cause.sqlstate);
    const char *outcome =
        run->options->scratch ? ""
        : PQtransactionStatus(run->conn) == PQTRANS_IDLE
            ? "The transaction had been ended by a migration: see what is applied "
              "with `homeport migrations status`."
            : "Nothing was changed: all of the run is rolled back.";
    const char *advice = hint ? hint : cause.hint;
    return error_hint(err, "%s%s%s", outcome, *outcome && *advice ? " " : "", advice);
}

bool run_pieces(Run *run, const Migration *migration, Error *err)
{
    for (int i = 0; i < migration->piece_count; i++) {
        int position = 0;
        if (!cancel_check(err))
            return error_add_context(err, "%s", migration->file);
        if (!send_piece(run->conn, migration->pieces[i].sql, &position, err))
            return fail_piece(run, migration, i, position, err);
    }
    return true;
}
