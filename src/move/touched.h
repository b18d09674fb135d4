/*
 * Which rows the stream has touched since they were last compared, so that the check at cutover
 * reads only them (rule 34). Keys exactly, up to a limit for each table; above it all of the
 * table counts as touched.
 *
 * Written by the applier's threads, taken by whoever verifies; safe from any thread. Not durable:
 * after a restart every table counts as wholly touched, until it has been compared whole.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct Touched Touched;

typedef struct TouchedKey {
    const char *const
        *values; /* text form, one for each of the key's columns, in the key's order */
    int count;
} TouchedKey;

typedef struct TouchedTable {
    const char *schema;
    const char *name;
    bool whole;                 /* too many, TRUNCATE, no key, or not compared since the start */
    const char *const *columns; /* of the key */
    int column_count;
    TouchedKey *keys;
    int key_count;
} TouchedTable;

Touched *touched_new(void);
void touched_free(Touched *touched); /* accepts NULL */

/* Every table that the move has, once, before the applier begins: whole. */
void touched_declare(Touched *touched, const char *schema, const char *name);
/* The same key twice is one key. */
void touched_add(Touched *touched, const char *schema, const char *name, const char *const *columns,
                 const TouchedKey *key);
void touched_add_whole(Touched *touched, const char *schema, const char *name);

/* What is touched now, taken out: later touches are collected anew, beginning with nothing. Put
 * back by touched_put_back() when the comparison could not be made or was not clean. */
void touched_take(Touched *touched, Arena *arena, TouchedTable **ret, int *ret_count);
void touched_put_back(Touched *touched, const TouchedTable *tables, int count);
int64_t touched_count(const Touched *touched, int *ret_whole); /* keys; tables that are whole */
