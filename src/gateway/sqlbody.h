/*
 * The body of POST /sql: one query, or a batch of them, with parameters as
 * PostgreSQL's text form.
 */
#pragma once

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"

typedef enum ArrayMode {
    ARRAY_MODE_UNSAID,
    ARRAY_MODE_OFF,
    ARRAY_MODE_ON
} ArrayMode;

typedef struct SqlQuery {
    const char *text;
    const char **params; /* NULL: an SQL NULL */
    int param_count;
    ArrayMode array_mode;
} SqlQuery;

typedef struct SqlBody {
    SqlQuery *queries;
    int count;
    bool batch;
    bool hurries; /* it may have set how long a statement may take */
} SqlBody;

/* The message is that of the reply. */
bool sqlbody_parse(Arena *arena, const char *data, size_t len, SqlBody *ret, Error *err) MUST_USE;

/* By the first keyword of a statement: where it begins or ends a transaction, it must not be sent
 * together with what follows it; nor where it is COPY, to which that would be the data. */
bool statement_goes_alone(const char *sql);
