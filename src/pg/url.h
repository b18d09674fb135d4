/*
 * A connection text as the owner gives it: a postgresql:// URL or libpq's
 * keyword=value form.
 *
 * Holds a password, so it is never printed: what people and logs see is
 * url_redacted(), in which passwords are "***".
 */
#pragma once

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct PgUrl {
    /* For PQconnectdbParams: what is not empty; NULL at the end. */
    const char **keywords;
    const char **values;
    const char *host; /* as given, or the socket folder; "" where libpq's default applies */
    const char *port;
    const char *user;     /* "" where libpq's default applies */
    const char *database; /* "" likewise */
    const char *redacted; /* postgresql://user:***@host:port/db?sslmode=... */
    const char *encoding; /* of what sessions send and get: url_set_encoding(); NULL: UTF8 */
} PgUrl;

/* `what` names the side in errors: "source", "target". Unknown parameters and
 * bad percent-encoding are ERR_USAGE, and the message never quotes the password. */
bool url_parse(Arena *arena, const char *text, const char *what, PgUrl *ret, Error *err) MUST_USE;

/* By its name and port, as they were given. */
bool url_same_server(const PgUrl *a, const PgUrl *b);

/* Where two databases are of one encoding, their texts are carried in it: converted to UTF8 and
 * back, bytes that mean no character would not arrive. Of the parsed text it says nothing. */
void url_set_encoding(PgUrl *url, const char *encoding);

/* The same server, another database. */
PgUrl url_with_database(Arena *arena, const PgUrl *url, const char *database);

/* For programs such as pg_dump: a connection string without the password, and
 * the password as "PGPASSWORD=..." for ProcessOptions.env (NULL: none). */
const char *url_for_program(Arena *arena, const PgUrl *url) RETURNS_NONNULL;
const char *url_password_env(Arena *arena, const PgUrl *url);

/* What Neon calls its pooled endpoints: the first label of the host ends in "-pooler". */
bool url_is_neon_pooler(const PgUrl *url);
/* The direct host of such an endpoint. */
char *url_direct_host(Arena *arena, const PgUrl *url) RETURNS_NONNULL;
