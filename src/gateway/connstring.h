/*
 * The connection string that Neon's driver sends in a header with each
 * request. Only who and which database are taken from it: where to connect is
 * the gateway's to know, never the client's to say.
 */
#pragma once

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct ConnString {
    const char *user;
    const char *password;
    const char *host;
    const char *database;
} ConnString;

/* Messages are those that Neon's service gives, since programs may know them; they never quote
 * the text. */
bool connstring_parse(Arena *arena, const char *text, ConnString *ret, Error *err) MUST_USE;

/* The startup parameter `options` as PostgreSQL may see it: without endpoint=, project= and
 * neon_*: items, which only Neon's proxy understands. NULL where nothing is left. */
const char *options_clean(Arena *arena, const char *options);
/* Without a leading "endpoint=<id>;" or "endpoint=<id>$", a way around missing SNI. */
const char *password_clean(const char *password);
