#include "move/apply_rows.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "core/memory.h"
#include "move/apply_sql.h"
#include "pg/pg.h"

enum {
    MAX_IN_FLIGHT = 1024, /* a power of two */
    FLUSH_EVERY = 128,    /* the server is asked for its replies so often */
    FLUSH_BYTES = 32 << 10,
    MAX_KEY = 120,
    POLL_MS = 200,
    MAX_MASK = 1700, /* columns of a table, at most 1600 */
};

typedef enum ExpectKind {
    EXPECT_DONE, /* whatever it counts */
    EXPECT_ROW,  /* one row */
    EXPECT_NO_OR_ONE,
    EXPECT_COMMIT,
    EXPECT_SYNC,
} ExpectKind;

typedef struct Expect {
    ExpectKind kind;
    const Binding *binding;
    char verb;
    char key[MAX_KEY];
} Expect;

typedef struct Prepared {
    UT_hash_handle hh;
    char name[24];
    RowStatement statement;
    char key[]; /* "7u", and which columns are known where not all are */
} Prepared;

struct Rows {
    PGconn *conn;
    const atomic_bool *stop;
    Arena *arena; /* of the statements */
    Prepared *prepared;
    int prepared_count;
    bool progress_prepared;
    Expect *expected; /* a ring */
    unsigned first;
    unsigned count;
    int unasked; /* statements since the server was asked for replies */
    size_t unflushed;
    int64_t committed;
    const char **params;
    int params_cap;
    char *scratch;
    size_t scratch_cap;
};

Rows *rows_new(PGconn *conn, const atomic_bool *stop)
{
    Rows *rows = memory_zeroed(1, sizeof *rows);

    *rows = (Rows){.conn = conn, .stop = stop, .arena = arena_new()};
    rows->expected = memory_zeroed(MAX_IN_FLIGHT, sizeof *rows->expected);
    return rows;
}

void rows_free(Rows *rows)
{
    if (!rows)
        return;
    HASH_CLEAR(hh, rows->prepared);
    arena_free(rows->arena);
    free(rows->expected);
    free(rows->params);
    free(rows->scratch);
    free(rows);
}

int64_t rows_committed(const Rows *rows)
{
    return rows->committed;
}

bool apply_error_passes(const Error *err)
{
    static const char *const classes[] = {"40", "53", "57P", "55P03"};

    if (err->code == ERR_CONNECT)
        return true;
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (err->code == ERR_SQL && strncmp(err->sqlstate, classes[i], strlen(classes[i])) == 0)
            return true;
    return false;
}

/* ---- replies ---- */

/* The server's words may quote values, of which only the key's may be shown: those of classes 22
 * (data) and P0 (raised by a function) are left out. */
static bool fail_change(const Rows *rows, const Expect *expect, const PGresult *res, Error *err)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *words = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
    const char *column = PQresultErrorField(res, PG_DIAG_COLUMN_NAME);
    const char *key = *expect->key ? expect->key : "";

    (void)pg_fail_result(rows->conn, res, err);
    if (err->code != ERR_SQL)
        return false;
    /* A TRUNCATE; the server's own hint is CASCADE, which would empty what is right. */
    if (!expect->binding && strcmp(state, "0A000") == 0)
        return error_hint(err, "Nothing was skipped: the stream waits at this change. Where the "
                               "other side has not got that foreign key, drop it; else bring the "
                               "table that is emptied up to date: --resync.");
    if (!expect->binding)
        return false;
    bool quotes = strncmp(state, "22", 2) == 0 || strncmp(state, "P0", 2) == 0;
    if (quotes || !words)
        words = "a value is refused";
    (void)error_set(err, ERR_SQL, "%s.%s%s%s: %s%s%s%s%s (SQLSTATE %s)", expect->binding->schema,
                    expect->binding->name, *key ? ", " : "", key, words,
                    constraint ? ", constraint " : "", constraint ? constraint : "",
                    column ? ", column " : "", column ? column : "", state);
    (void)snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state);
    return error_hint(err,
                      "Nothing was skipped: the stream waits at this change. Make room for it on "
                      "the side that is written to, then go on.");
}

static bool check_count(const Expect *expect, PGresult *res, Error *err)
{
    const char *text = PQcmdTuples(res);
    bool one = strcmp(text, "1") == 0;
    const char *verb = expect->verb == ROW_INSERT   ? "INSERT"
                       : expect->verb == ROW_DELETE ? "DELETE"
                                                    : "UPDATE";

    if (one || (expect->kind == EXPECT_NO_OR_ONE && strcmp(text, "0") == 0))
        return true;
    (void)error_set(
        err, ERR_WRONG_STATE, "%s.%s, %s: %s changed %s rows on the side that is written to, not 1",
        expect->binding->schema, expect->binding->name, expect->key, verb, *text ? text : "no");
    return error_hint(err,
                      "The two sides are not the same there: somebody else wrote to this side, or "
                      "the table was not copied whole. `homeport move --resync` copies it again.");
}

static bool check_result(Rows *rows, const Expect *expect, PGresult *res, Error *err)
{
    ExecStatusType status = PQresultStatus(res);

    if (expect->kind == EXPECT_SYNC && status == PGRES_PIPELINE_SYNC)
        return true;
    if (status == PGRES_PIPELINE_ABORTED)
        return error_set(err, ERR_WRONG_STATE, "a statement came after one that failed");
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return fail_change(rows, expect, res, err);
    if (expect->kind == EXPECT_ROW || expect->kind == EXPECT_NO_OR_ONE)
        return check_count(expect, res, err);
    if (expect->kind == EXPECT_COMMIT) {
        if (strcmp(PQcmdStatus(res), "COMMIT") != 0)
            /* not run: a statement that failed has been answered before */
            return error_set(err, ERR_WRONG_STATE, "the server rolled back what was committed");
        rows->committed++;
    }
    return true;
}

static bool take_reply(Rows *rows, Error *err)
{
    Expect *expect = &rows->expected[rows->first];
    auto_result PGresult *res = PQgetResult(rows->conn);

    rows->first = (rows->first + 1) % MAX_IN_FLIGHT;
    rows->count--;
    /* not run: libpq has a result for all that was sent, also where the connection is lost */
    if (!res) {
        (void)error_set(err, ERR_CONNECT, "a reply is missing");
        return pg_add_lost(rows->conn, err);
    }
    bool ok = check_result(rows, expect, res, err);
    if (expect->kind != EXPECT_SYNC) {
        PGresult *end = PQgetResult(rows->conn);
        bool more = end != NULL;
        PQclear(end);
        /* not run: what is prepared, or has parameters, is one statement */
        if (more && ok)
            return error_set(err, ERR_FORMAT, "a statement has several results");
    }
    return ok;
}

static bool wait_socket(const Rows *rows, bool writing, Error *err)
{
    struct pollfd wait = {.fd = PQsocket(rows->conn),
                          .events = (short)(POLLIN | (writing ? POLLOUT : 0))};

    if (wait.fd < 0)
        return pg_fail_conn(rows->conn, err);
    int ready = poll(&wait, 1, POLL_MS);
    if (ready < 0 && errno != EINTR)
        return error_set_errno(err, "wait for the server"); /* not run: no memory for poll() */
    if (atomic_load(rows->stop))
        return error_set(err, ERR_CANCELLED, "stopped");
    if (ready > 0 && (wait.revents & (POLLIN | POLLHUP | POLLERR)) && !PQconsumeInput(rows->conn))
        return pg_fail_conn(rows->conn, err);
    return true;
}

/* Until no more than `target` replies are missing. */
static bool pump(Rows *rows, unsigned target, Error *err)
{
    if (rows->count > target && rows->unasked > 0) {
        if (!PQsendFlushRequest(rows->conn))
            return pg_fail_conn(rows->conn, err);
        rows->unasked = 0;
    }
    while (rows->count > target) {
        int unsent = PQflush(rows->conn);
        if (unsent < 0)
            return pg_fail_conn(rows->conn, err);
        if (!PQisBusy(rows->conn)) {
            if (!take_reply(rows, err))
                return false;
        } else if (!wait_socket(rows, unsent > 0, err)) {
            return false;
        }
    }
    return true;
}

/* Sends what is buffered, reading meanwhile: the server may wait for us to read. */
static bool push(Rows *rows, Error *err)
{
    rows->unflushed = 0;
    for (;;) {
        int unsent = PQflush(rows->conn);
        if (unsent < 0)
            return pg_fail_conn(rows->conn, err);
        if (unsent == 0)
            return true;
        if (!wait_socket(rows, true, err))
            return false;
        while (rows->count > 0 && !PQisBusy(rows->conn))
            if (!take_reply(rows, err))
                return false;
    }
}

/* After something was queued for the connection. */
static bool sent(Rows *rows, ExpectKind kind, size_t bytes, Error *err)
{
    rows->expected[(rows->first + rows->count) % MAX_IN_FLIGHT].kind = kind;
    rows->count++;
    rows->unflushed += bytes + 32;
    if (kind == EXPECT_SYNC) {
        rows->unasked = 0; /* a sync flushes as well */
    } else if (++rows->unasked >= FLUSH_EVERY) {
        if (!PQsendFlushRequest(rows->conn))
            return pg_fail_conn(rows->conn, err);
        rows->unasked = 0;
    }
    if (rows->unflushed > FLUSH_BYTES && !push(rows, err))
        return false;
    return rows->count < MAX_IN_FLIGHT - 2 || pump(rows, MAX_IN_FLIGHT / 2, err);
}

static Expect *next_expect(Rows *rows, const Binding *binding)
{
    Expect *expect = &rows->expected[(rows->first + rows->count) % MAX_IN_FLIGHT];

    assert(rows->count < MAX_IN_FLIGHT);
    expect->binding = binding;
    expect->key[0] = '\0';
    expect->verb = '\0';
    return expect;
}

/* ---- statements ---- */

bool rows_enter(Rows *rows, Error *err)
{
    if (PQpipelineStatus(rows->conn) != PQ_PIPELINE_OFF)
        return true;
    if (PQsetnonblocking(rows->conn, 1) != 0 || !PQenterPipelineMode(rows->conn))
        return pg_fail_conn(rows->conn, err);
    return true;
}

static bool send_sync(Rows *rows, Error *err)
{
    (void)next_expect(rows, NULL);
    if (!PQpipelineSync(rows->conn))
        return pg_fail_conn(rows->conn, err);
    return sent(rows, EXPECT_SYNC, 0, err);
}

bool rows_leave(Rows *rows, Error *err)
{
    if (PQpipelineStatus(rows->conn) == PQ_PIPELINE_OFF)
        return true;
    if (!send_sync(rows, err) || !pump(rows, 0, err))
        return false;
    if (!PQexitPipelineMode(rows->conn) || PQsetnonblocking(rows->conn, 0) != 0)
        return pg_fail_conn(rows->conn, err);
    return true;
}

bool rows_statement(Rows *rows, const char *sql, const Binding *binding, Error *err)
{
    (void)next_expect(rows, binding);
    if (!PQsendQueryParams(rows->conn, sql, 0, NULL, NULL, NULL, NULL, 0))
        return pg_fail_conn(rows->conn, err);
    return sent(rows, EXPECT_DONE, strlen(sql), err);
}

bool rows_begin(Rows *rows, Error *err)
{
    return rows_enter(rows, err) && rows_statement(rows, "BEGIN READ WRITE", NULL, err) &&
           rows_statement(rows, "SET CONSTRAINTS ALL DEFERRED", NULL, err);
}

bool rows_settle(Rows *rows, Error *err)
{
    return pump(rows, 0, err);
}

bool rows_commit(Rows *rows, Error *err)
{
    if (!rows_settle(rows, err))
        return false;
    (void)next_expect(rows, NULL);
    if (!PQsendQueryParams(rows->conn, "COMMIT", 0, NULL, NULL, NULL, NULL, 0))
        return pg_fail_conn(rows->conn, err);
    return sent(rows, EXPECT_COMMIT, 0, err) && send_sync(rows, err) && push(rows, err);
}

bool rows_finish(Rows *rows, Error *err)
{
    return rows_settle(rows, err);
}

static bool send_prepare(Rows *rows, const char *name, const char *sql, const Binding *binding,
                         Error *err)
{
    (void)next_expect(rows, binding);
    if (!PQsendPrepare(rows->conn, name, sql, 0, NULL))
        return pg_fail_conn(rows->conn, err);
    return sent(rows, EXPECT_DONE, strlen(sql), err);
}

bool rows_progress(Rows *rows, int feed, const char *schema, const char *name, Lsn lsn, Error *err)
{
    char number[16];
    char text[LSN_TEXT_SIZE];
    const char *params[] = {number, schema ? schema : "", name ? name : "", lsn_text(lsn, text)};

    (void)snprintf(number, sizeof number, "%d", feed);
    if (!rows->progress_prepared) {
        if (!send_prepare(rows, "homeport_progress", sql_apply_set_progress, NULL, err))
            return false;
        rows->progress_prepared = true;
    }
    (void)next_expect(rows, NULL);
    if (!PQsendQueryPrepared(rows->conn, "homeport_progress", 4, params, NULL, NULL, 0))
        return pg_fail_conn(rows->conn, err);
    return sent(rows, EXPECT_DONE, 0, err);
}

static bool is_partial(const Binding *binding, const RowChange *change)
{
    for (int i = 0; change->now && i < binding->column_count; i++)
        if (change->now[i].kind == PG_VALUE_UNCHANGED)
            return true;
    return false;
}

static size_t statement_key(const Binding *binding, const RowChange *change, RowVerb verb,
                            char *key, bool *known)
{
    size_t len = (size_t)snprintf(key, 32, "%d%c", binding->id, (char)verb);

    for (int i = 0; i < binding->column_count; i++)
        known[i] = !change->now || change->now[i].kind != PG_VALUE_UNCHANGED;
    if (is_partial(binding, change))
        for (int i = 0; i < binding->column_count; i++)
            key[len++] = known[i] ? '1' : '0';
    return len;
}

static bool statement_for(Rows *rows, const Binding *binding, const RowChange *change, RowVerb verb,
                          Prepared **ret, Error *err)
{
    char key[MAX_MASK + 32];
    bool known[MAX_MASK];
    Prepared *found = NULL;

    assert(binding->column_count < MAX_MASK);
    size_t len = statement_key(binding, change, verb, key, known);
    HASH_FIND(hh, rows->prepared, key, len, found);
    if (!found) {
        found = arena_alloc(rows->arena, sizeof *found + len + 1);
        memcpy(found->key, key, len);
        found->statement = row_statement(rows->arena, binding, verb, known);
        (void)snprintf(found->name, sizeof found->name, "homeport_%d", ++rows->prepared_count);
        HASH_ADD_KEYPTR(hh, rows->prepared, found->key, len, found);
        if (found->statement.sql &&
            !send_prepare(rows, found->name, found->statement.sql, binding, err))
            return false;
    }
    *ret = found;
    return true;
}

static void fit_params(Rows *rows, int count, size_t bytes)
{
    if (rows->params_cap < count) {
        free(rows->params);
        rows->params_cap = count * 2;
        rows->params = memory_zeroed((size_t)rows->params_cap, sizeof *rows->params);
    }
    /* A row of many megabytes is no reason to keep so much for ever. */
    if (rows->scratch_cap < bytes || rows->scratch_cap > bytes + (8U << 20)) {
        free(rows->scratch);
        rows->scratch_cap = bytes + 4096;
        rows->scratch = memory_new(rows->scratch_cap);
    }
}

/* libpq wants values that end in a NUL. */
static size_t set_params(Rows *rows, const RowStatement *statement, const RowChange *change)
{
    size_t bytes = 0;

    for (int i = 0; i < statement->param_count; i++) {
        RowParam param = statement->params[i];
        const PgValue *value = &(param.old ? change->old : change->now)[param.column];
        bytes += value->kind == PG_VALUE_TEXT ? (size_t)value->len + 1 : 0;
    }
    fit_params(rows, statement->param_count + 1, bytes);
    char *at = rows->scratch;
    for (int i = 0; i < statement->param_count; i++) {
        RowParam param = statement->params[i];
        const PgValue *value = &(param.old ? change->old : change->now)[param.column];

        rows->params[i] = value->kind == PG_VALUE_TEXT ? at : NULL;
        if (value->kind != PG_VALUE_TEXT)
            continue;
        memcpy(at, value->data, (size_t)value->len);
        at[value->len] = '\0';
        at += value->len + 1;
    }
    return bytes;
}

bool rows_change(Rows *rows, const Binding *binding, const RowChange *change, bool cascaded,
                 Error *err)
{
    RowVerb verb = row_verb(binding, change, cascaded);
    Prepared *prepared = NULL;

    /* A change to a table without an identity is malformed: row_change_read(). */
    assert(verb == ROW_INSERT || binding->way != APPLY_APPEND);
    if (verb == ROW_REPLACE && binding->has_children)
        return error_set(err, ERR_WRONG_STATE,
                         "%s.%s: a GENERATED ALWAYS value changes, which takes a DELETE here, and "
                         "that would take rows of other tables with it",
                         binding->schema, binding->name);
    if (!statement_for(rows, binding, change, verb, &prepared, err))
        return false;
    if (!prepared->statement.sql)
        return true;
    size_t bytes = set_params(rows, &prepared->statement, change);
    Expect *expect = next_expect(rows, binding);
    expect->verb = (char)verb;
    key_text(binding, change->op == 'I' ? change->now : change->old, expect->key, MAX_KEY);
    if (!PQsendQueryPrepared(rows->conn, prepared->name, prepared->statement.param_count,
                             rows->params, NULL, NULL, 0))
        return pg_fail_conn(rows->conn, err);
    return sent(rows, cascaded && verb == ROW_DELETE ? EXPECT_NO_OR_ONE : EXPECT_ROW, bytes, err);
}

bool rows_abort(Rows *rows)
{
    Error ignored = ERROR_INIT;

    if (PQstatus(rows->conn) != CONNECTION_OK || atomic_load(rows->stop))
        return false;
    if (PQpipelineStatus(rows->conn) != PQ_PIPELINE_OFF) {
        if (rows->count >= MAX_IN_FLIGHT - 1 || !send_sync(rows, &ignored))
            ignored = ERROR_INIT;
        while (rows->count > 0 && PQstatus(rows->conn) == CONNECTION_OK)
            if (!pump(rows, 0, &ignored) && ignored.code == ERR_CANCELLED)
                return false;
        if (!PQexitPipelineMode(rows->conn) || PQsetnonblocking(rows->conn, 0) != 0)
            return false;
    }
    /* What was prepared after the error never was. */
    HASH_CLEAR(hh, rows->prepared);
    arena_reset(rows->arena);
    rows->progress_prepared = false;
    return pg_exec(rows->conn, "ROLLBACK", &ignored) &&
           pg_exec(rows->conn, "DEALLOCATE ALL", &ignored);
}
