/*
 * A write as an app on Neon's driver makes it: a request POST /sql to the
 * gateway. Private to src/demo.
 */
#pragma once

#include "pg/pg.h"

typedef struct ClientQuery {
    const char *sql;
    const char *const *params;
    int count;
} ClientQuery;

/* One request and its answer; *ret: how many rows it changed. Any other status than 200 is a
 * failure. */
bool client_post(const char *socket_path, const PgUrl *login, const ClientQuery *query, int *ret,
                 Error *err) MUST_USE;
