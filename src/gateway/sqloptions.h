/*
 * What a request's headers say of its result, and of the transaction that a
 * batch is. Private to src/gateway.
 */
#pragma once

#include "core/arena.h"
#include "core/error.h"
#include "http/server.h"

typedef struct SqlOptions {
    const char *isolation; /* as SQL, NULL: none */
    const char *echo;      /* the reply's headers for a batch */
    bool raw;
    bool array_mode;
    bool read_only;
    bool deferrable;
} SqlOptions;

bool sqloptions_read(Arena *arena, const HttpRequest *request, bool batch, SqlOptions *ret,
                     Error *err) MUST_USE;
/* The statement that begins the transaction. */
const char *sqloptions_begin(Arena *arena, const SqlOptions *options);
