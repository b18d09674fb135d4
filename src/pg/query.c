#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/text.h"
#include "pg/pg.h"

enum {
    MAX_STATEMENT = 64 << 20
};

void pg_result_cleanup(PGresult **res)
{
    PQclear(*res);
    *res = NULL;
}

/* Some builds give it with its folders. */
static const char *file_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path ? path : "";
}

/* Any field that a server sends may be missing. */
bool pg_fail_result(const PGconn *conn, const PGresult *res, Error *err)
{
    const char *primary = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
    const char *origin = PQresultErrorField(res, PG_DIAG_SOURCE_FILE);

    /* No SQLSTATE means that the connection broke, not the statement. */
    if (!state)
        return pg_fail_conn(conn, err);
    if (cancel_requested())
        return cancel_check(err);

    /* 57P01 and the like, class 08: the server goes away under us. 08P01 is said of a message that
     * it did not understand, also of a value in COPY's binary form. */
    bool lost = strncmp(state, "57P0", 4) == 0 ||
                (strncmp(state, "08", 2) == 0 && strcmp(state, "08P01") != 0);
    (void)error_set(err, lost ? ERR_CONNECT : ERR_SQL, "%s%s%.*s%s",
                    primary ? primary : "statement failed", detail ? " (" : "",
                    detail ? (int)strcspn(detail, "\n") : 0, detail ? detail : "",
                    detail ? ")" : "");
    (void)snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state);
    (void)snprintf(err->origin, sizeof err->origin, "%s", file_name(origin));
    if (hint)
        (void)error_hint(err, "%s", hint);
    return lost ? pg_add_lost(conn, err) : false;
}

static bool result_is_ok(const PGresult *res)
{
    switch (PQresultStatus(res)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        return true;
    default:
        return false;
    }
}

bool pg_query(PGconn *conn, const char *sql, int count, const char *const *params, PGresult **ret,
              Error *err)
{
    auto_result PGresult *res = PQexecParams(conn, sql, count, NULL, params, NULL, NULL, 0);

    if (!result_is_ok(res))
        return pg_fail_result(conn, res, err);
    *ret = res;
    res = NULL;
    return true;
}

/* Until PQgetResult() does not block; false: not by then. What is lost is said by that. */
static bool wait_result(PGconn *conn, double until_s)
{
    bool there = true;

    while (there && PQisBusy(conn)) {
        struct pollfd wait = {.fd = PQsocket(conn), .events = POLLIN};
        double left_s = until_s - clock_seconds();

        if (left_s <= 0)
            return false;
        there = poll(&wait, 1, (int)(left_s * 1000) + 1) <= 0 || PQconsumeInput(conn);
    }
    return true;
}

bool pg_query_within(PGconn *conn, const char *sql, const PgParams *params, int patience_ms,
                     PGresult **ret, Error *err)
{
    double until_s = clock_seconds() + patience_ms / 1000.0;
    auto_result PGresult *res = NULL;

    if (!PQsendQueryParams(conn, sql, params->count, NULL, params->values, NULL, NULL, 0))
        return pg_fail_conn(conn, err);
    if (wait_result(conn, until_s)) {
        res = PQgetResult(conn);
        if (!result_is_ok(res))
            return pg_fail_result(conn, res, err);
    }
    /* Its end leaves the connection idle. */
    if (!res || !wait_result(conn, until_s))
        return error_set(err, ERR_CONNECT, "the server has not answered in %.1f s",
                         patience_ms / 1000.0);
    PQclear(PQgetResult(conn));
    *ret = res;
    res = NULL;
    return true;
}

/* libpq takes the bytes by a pointer to int. */
static PQArgBlock call_argument(Arena *arena, const char *bytes, size_t len)
{
    void *copy = arena_alloc(arena, len);

    memcpy(copy, bytes, len);
    return (PQArgBlock){.len = (int)len, .isint = 0, .u.ptr = copy};
}

bool pg_set_secret(PGconn *conn, const char *name, const char *value, Error *err)
{
    enum {
        SET_CONFIG = 2078 /* pg_catalog.set_config(text, text, boolean), on every server */
    };
    auto_arena Arena *scratch = arena_new();
    PQArgBlock arguments[] = {
        call_argument(scratch, name, strlen(name)), call_argument(scratch, value, strlen(value)),
        call_argument(scratch, "", 1), /* for the session */
    };
    int *answer = arena_alloc(scratch, strlen(value) + sizeof *answer); /* the value again */
    int len = 0;
    auto_result PGresult *res =
        PQfn(conn, SET_CONFIG, answer, &len, 0, arguments, COUNT_OF(arguments));

    return PQresultStatus(res) == PGRES_COMMAND_OK || pg_fail_result(conn, res, err);
}

bool pg_exec(PGconn *conn, const char *sql, Error *err)
{
    auto_result PGresult *res = PQexec(conn, sql);

    if (!result_is_ok(res))
        return pg_fail_result(conn, res, err);
    return true;
}

bool pg_execf(PGconn *conn, Error *err, const char *fmt, ...)
{
    auto_arena Arena *arena = arena_new();
    va_list args;

    va_start(args, fmt);
    char *sql = arena_vprintf(arena, fmt, args);
    va_end(args);
    return pg_exec(conn, sql, err);
}

bool pg_query_text(PGconn *conn, Arena *arena, const char *sql, char **ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql, 0, NULL, &res, err))
        return false;
    const char *cell = PQntuples(res) > 0 ? pg_cell(res, 0, 0) : NULL;
    *ret = cell ? arena_strdup(arena, cell) : NULL;
    return true;
}

bool pg_query_i64(PGconn *conn, const char *sql, int64_t *ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql, 0, NULL, &res, err))
        return false;
    *ret = PQntuples(res) > 0 ? pg_cell_i64(res, 0, 0) : 0;
    return true;
}

/* PQescapeIdentifier needs a connection only for its encoding, and ours is
 * UTF-8 or a server's own: in neither is a quote byte ever part of another character. */
static char *quote(Arena *arena, const char *value, char mark)
{
    size_t len = strlen(value);
    char *quoted = arena_alloc(arena, 2 * len + 3);
    size_t at = 0;

    quoted[at++] = mark;
    for (size_t i = 0; i < len; i++) {
        if (value[i] == mark)
            quoted[at++] = mark;
        quoted[at++] = value[i];
    }
    quoted[at] = mark;
    return quoted;
}

char *pg_ident(Arena *arena, const char *name)
{
    return quote(arena, name, '"');
}

char *pg_qualified(Arena *arena, const char *schema, const char *name)
{
    return arena_printf(arena, "%s.%s", pg_ident(arena, schema), pg_ident(arena, name));
}

/* standard_conforming_strings is on in every session of ours: a backslash is itself. */
char *pg_literal(Arena *arena, const char *value)
{
    return value ? quote(arena, value, '\'') : arena_strdup(arena, "NULL");
}

char *pg_text_array(Arena *arena, const char *const *items, int count)
{
    Text text = text_init(arena, MAX_STATEMENT);

    text_add_char(&text, '{');
    for (int i = 0; i < count; i++) {
        text_add(&text, i ? ",\"" : "\"");
        for (const char *p = items[i]; *p; p++) {
            if (*p == '"' || *p == '\\')
                text_add_char(&text, '\\');
            text_add_char(&text, *p);
        }
        text_add_char(&text, '"');
    }
    text_add_char(&text, '}');
    return arena_strdup(arena, text_str(&text));
}

const char *pg_cell(const PGresult *res, int row, int col)
{
    return PQgetisnull(res, row, col) ? NULL : PQgetvalue(res, row, col);
}

int64_t pg_cell_i64(const PGresult *res, int row, int col)
{
    const char *cell = pg_cell(res, row, col);

    return cell ? strtoll(cell, NULL, 10) : 0;
}

bool pg_cell_bool(const PGresult *res, int row, int col)
{
    const char *cell = pg_cell(res, row, col);

    return cell && cell[0] == 't';
}
