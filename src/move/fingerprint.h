/*
 * A fingerprint of a database's whole catalogue (rule 20): tables, columns, types, functions,
 * indexes, constraints, policies, triggers, views, sequences, privileges ... of everything but the
 * system's and homeport's own. One query, some milliseconds: it is asked every minute and inside
 * the fence. Compared with the same side's own, taken when the schema was moved; a difference is
 * named object by object.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct FingerprintLine {
    const char *object; /* "table public.orders", "column public.orders.note", "index ..." */
    const char *hash;   /* md5 of its definition */
} FingerprintLine;

typedef struct Fingerprint {
    FingerprintLine *lines; /* by object, COLLATE "C" */
    int count;
    char sum[33]; /* md5 over all of them */
} Fingerprint;

bool fingerprint_take(PGconn *conn, Arena *arena, Fingerprint *ret, Error *err) MUST_USE;

typedef struct FingerprintChange {
    char kind; /* '+' new, '-' gone, '~' changed */
    const char *object;
} FingerprintChange;

/* From what was to what is. */
void fingerprint_compare(Arena *arena, const Fingerprint *before, const Fingerprint *now,
                         FingerprintChange **ret, int *ret_count);

/* Both have it alike, or neither has it. */
bool fingerprint_alike(const Fingerprint *a, const Fingerprint *b, const char *object);

/* As text, to be kept in the state database, and back. */
const char *fingerprint_text(Arena *arena, const Fingerprint *print) RETURNS_NONNULL;
bool fingerprint_parse(Arena *arena, const char *text, Fingerprint *ret, Error *err) MUST_USE;
