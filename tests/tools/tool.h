/* What the tools have in common: options, connections, an end at a chosen moment. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/error.h"
#include "pg/pg.h"

enum {
    TOOL_MAX_TABLES = 4000,
    TOOL_DIED = 77
};

/* Of its words to a server: at which it ends, or loses its connection, which it says. */
static long tool_die_at;
static long tool_lose_at;
static long tool_words;

static inline void tool_count_word(const PGconn *conn)
{
    if (tool_die_at == 0 && tool_lose_at == 0) /* as while it connects */
        return;
    tool_words++;
    if (tool_words == tool_die_at)
        _exit(TOOL_DIED);
    if (tool_words == tool_lose_at) {
        (void)fputs("lost: ", stderr);
        (void)shutdown(PQsocket(conn), SHUT_RDWR);
    }
}

PGresult *__real_PQexec(PGconn *conn, const char *sql);
PGresult *__wrap_PQexec(PGconn *conn, const char *sql);
PGresult *__real_PQexecParams(PGconn *conn, const char *sql, int count, const Oid *types,
                              const char *const *values, const int *lengths, const int *formats,
                              int format);
PGresult *__wrap_PQexecParams(PGconn *conn, const char *sql, int count, const Oid *types,
                              const char *const *values, const int *lengths, const int *formats,
                              int format);
int __real_PQsendQueryParams(PGconn *conn, const char *sql, int count, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats,
                             int format);
int __wrap_PQsendQueryParams(PGconn *conn, const char *sql, int count, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats,
                             int format);

PGresult *__wrap_PQexec(PGconn *conn, const char *sql)
{
    tool_count_word(conn);
    return __real_PQexec(conn, sql);
}

PGresult *__wrap_PQexecParams(PGconn *conn, const char *sql, int count, const Oid *types,
                              const char *const *values, const int *lengths, const int *formats,
                              int format)
{
    tool_count_word(conn);
    return __real_PQexecParams(conn, sql, count, types, values, lengths, formats, format);
}

int __wrap_PQsendQueryParams(PGconn *conn, const char *sql, int count, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats,
                             int format)
{
    tool_count_word(conn);
    return __real_PQsendQueryParams(conn, sql, count, types, values, lengths, formats, format);
}

/* The value behind --NAME, or `otherwise`. */
static inline const char *tool_option(int argc, char **argv, const char *name,
                                      const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return argv[i + 1];
    return otherwise;
}

static inline int tool_fail(const Error *err)
{
    (void)fprintf(stderr, "%s%s%s%s%s\n", err->message, *err->sqlstate ? " [" : "", err->sqlstate,
                  *err->sqlstate ? "]" : "", err->hint);
    return error_exit_status(err);
}

static inline bool tool_connect(Arena *arena, const char *text, PgUrl *url, PGconn **ret,
                                Error *err)
{
    return url_parse(arena, text, "server", url, err) && pg_connect(url, "tool", ret, err);
}
