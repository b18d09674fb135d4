/*
 * Net reduction (rule 15): the changes of a window to one table, reduced to what is left of them
 * for each key. Pure: no connection, no clock.
 *
 * A row that moves to another key, or of which the stream left out unchanged values, keeps what is
 * known of it; what is not known is to be taken from the side's row under `origin`, the key that it
 * had before the window, before anything is deleted.
 *
 * What cannot be (a key inserted twice, a change to a row that is gone) sets `odd`: such a window
 * is to be replayed change by change, so that the server names the row.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "core/arena.h"
#include "move/apply_tables.h"

typedef enum NetVerb {
    NET_NOTHING, /* came and went */
    NET_DELETE,
    NET_INSERT,
    NET_UPDATE,
    NET_REPLACE, /* delete under its key, insert anew */
} NetVerb;

typedef struct NetRow {
    UT_hash_handle hh;
    const unsigned char *key; /* encoded, see net_key_values() */
    unsigned key_len;
    bool existed;                /* before the window, as far as the stream says */
    bool present;                /* after it */
    bool partial;                /* values are missing */
    const struct NetRow *origin; /* whose key the missing values are under; NULL: its own */
    unsigned char *image;
    uint32_t image_len;
    uint32_t image_cap;
    struct NetRow *next; /* APPLY_APPEND: no key, in the order they came */
} NetRow;

typedef struct Reduce {
    Arena *arena;
    const Binding *binding;
    NetRow *rows; /* uthash, in the order of first touch */
    int64_t row_count;
    NetRow *first_added;
    NetRow *last_added;
    size_t bytes; /* what it takes of memory, about */
    int64_t changes;
    bool odd;
    PgValue *merged; /* private */
    unsigned char *key_buf;
    size_t key_cap;
} Reduce;

Reduce *reduce_new(Arena *arena, const Binding *binding) RETURNS_NONNULL;
void reduce_clear(Reduce *reduce); /* what is not the arena's; accepts NULL */
void reduce_add(Reduce *reduce, const RowChange *change);

NetVerb net_verb(const Reduce *reduce, const NetRow *row);
NetRow *net_next(const Reduce *reduce, const NetRow *row); /* NULL begins */

/* Values point into the row. The image's by column; a key's only in the key's columns. */
void net_image_values(const Reduce *reduce, const NetRow *row, PgValue *ret);
void net_key_values(const Reduce *reduce, const NetRow *row, PgValue *ret);
