/*
 * A table's keys in a hash, all of them in an arena of the table, given up as a whole. The limits
 * keep what is collected small beside the applier's own memory; a comparison of so many keys one by
 * one would not be faster than one of the whole table either.
 */
#include "move/touched.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "core/memory.h"

enum {
    MAX_KEYS = 100000,         /* a table */
    MAX_TABLE_BYTES = 8 << 20, /* likewise */
    MAX_BYTES = 16 << 20       /* all of them */
};

typedef struct Key {
    UT_hash_handle hh;
    const char **values;
    unsigned len;
    char bytes[]; /* values, each with its NUL */
} Key;

typedef struct Table {
    UT_hash_handle hh;
    char *schema;
    char *name;
    bool whole;
    Arena *arena;
    const char **columns;
    int column_count;
    Key *keys;
    size_t bytes;
    char id[]; /* schema, NUL, name */
} Table;

struct Touched {
    pthread_mutex_t *lock; /* no part of what a reader sees as constant */
    Table *tables;
    size_t bytes;
    char *scratch;
    size_t scratch_cap;
};

Touched *touched_new(void)
{
    Touched *touched = memory_zeroed(1, sizeof *touched);

    touched->lock = memory_new(sizeof *touched->lock);
    (void)pthread_mutex_init(touched->lock, NULL);
    return touched;
}

static void table_empty(Touched *touched, Table *table)
{
    HASH_CLEAR(hh, table->keys);
    arena_reset(table->arena);
    touched->bytes -= table->bytes;
    table->bytes = 0;
    table->columns = NULL;
    table->column_count = 0;
}

void touched_free(Touched *touched)
{
    if (!touched)
        return;
    Table *first = touched->tables;
    HASH_CLEAR(hh, touched->tables);
    for (Table *table = first, *next; table; table = next) {
        next = table->hh.next;
        table_empty(touched, table);
        arena_free(table->arena);
        free(table->schema);
        free(table->name);
        free(table);
    }
    (void)pthread_mutex_destroy(touched->lock);
    free(touched->lock);
    free(touched->scratch);
    free(touched);
}

static char *scratch_fit(Touched *touched, size_t size)
{
    if (size > touched->scratch_cap) {
        free(touched->scratch);
        touched->scratch_cap = size * 2;
        touched->scratch = memory_new(touched->scratch_cap);
    }
    return touched->scratch;
}

static Table *table_of(Touched *touched, const char *schema, const char *name)
{
    size_t schema_len = strlen(schema) + 1;
    size_t len = schema_len + strlen(name) + 1;
    char *id = scratch_fit(touched, len);
    Table *table = NULL;

    memcpy(id, schema, schema_len);
    memcpy(id + schema_len, name, len - schema_len);
    HASH_FIND(hh, touched->tables, id, len, table);
    if (table)
        return table;
    table = memory_zeroed(1, sizeof *table + len);
    memcpy(table->id, id, len);
    table->schema = memory_copy(schema);
    table->name = memory_copy(name);
    table->arena = arena_new();
    HASH_ADD_KEYPTR(hh, touched->tables, table->id, len, table);
    return table;
}

static void make_whole(Touched *touched, Table *table)
{
    table_empty(touched, table);
    table->whole = true;
}

static bool same_columns(const Table *table, const char *const *columns, int count)
{
    if (table->column_count != count)
        return false;
    for (int i = 0; i < count; i++)
        if (strcmp(table->columns[i], columns[i]) != 0)
            return false;
    return true;
}

static void set_columns(Table *table, const char *const *columns, int count)
{
    table->columns = arena_array(table->arena, (size_t)count, sizeof *table->columns);
    table->column_count = count;
    for (int i = 0; i < count; i++)
        table->columns[i] = arena_strdup(table->arena, columns[i]);
}

static size_t pack(Touched *touched, const TouchedKey *key)
{
    size_t len = 0;

    for (int i = 0; i < key->count; i++)
        len += strlen(key->values[i]) + 1;
    char *at = scratch_fit(touched, len);
    for (int i = 0; i < key->count; i++) {
        size_t size = strlen(key->values[i]) + 1;
        memcpy(at, key->values[i], size);
        at += size;
    }
    return len;
}

static void store_key(Touched *touched, Table *table, const TouchedKey *key)
{
    size_t len = pack(touched, key);
    Key *found = NULL;

    HASH_FIND(hh, table->keys, touched->scratch, len, found);
    if (found)
        return;
    found = arena_alloc(table->arena, sizeof *found + len);
    memcpy(found->bytes, touched->scratch, len);
    found->len = (unsigned)len;
    found->values = arena_array(table->arena, (size_t)key->count, sizeof *found->values);
    const char *at = found->bytes;
    for (int i = 0; i < key->count; i++) {
        found->values[i] = at;
        at += strlen(at) + 1;
    }
    HASH_ADD_KEYPTR(hh, table->keys, found->bytes, len, found);
    size_t bytes = sizeof *found + len + (size_t)key->count * sizeof *found->values + 16;
    table->bytes += bytes;
    touched->bytes += bytes;
    if (HASH_COUNT(table->keys) > MAX_KEYS || table->bytes > MAX_TABLE_BYTES ||
        touched->bytes > MAX_BYTES)
        make_whole(touched, table);
}

static void add_locked(Touched *touched, Table *table, const char *const *columns,
                       const TouchedKey *key)
{
    if (table->whole)
        return;
    if (!table->columns)
        set_columns(table, columns, key->count);
    if (same_columns(table, columns, key->count))
        store_key(touched, table, key);
    else
        make_whole(touched, table);
}

void touched_declare(Touched *touched, const char *schema, const char *name)
{
    touched_add_whole(touched, schema, name);
}

void touched_add(Touched *touched, const char *schema, const char *name, const char *const *columns,
                 const TouchedKey *key)
{
    (void)pthread_mutex_lock(touched->lock);
    add_locked(touched, table_of(touched, schema, name), columns, key);
    (void)pthread_mutex_unlock(touched->lock);
}

void touched_add_whole(Touched *touched, const char *schema, const char *name)
{
    (void)pthread_mutex_lock(touched->lock);
    make_whole(touched, table_of(touched, schema, name));
    (void)pthread_mutex_unlock(touched->lock);
}

static void take_keys(Table *table, Arena *arena, TouchedTable *ret)
{
    int columns = table->column_count;
    const char **names = arena_array(arena, (size_t)columns, sizeof *names);

    for (int i = 0; i < columns; i++)
        names[i] = arena_strdup(arena, table->columns[i]);
    ret->columns = names;
    ret->column_count = columns;
    ret->keys = arena_array(arena, HASH_COUNT(table->keys), sizeof *ret->keys);
    for (const Key *key = table->keys; key; key = key->hh.next) {
        const char **values = arena_array(arena, (size_t)columns, sizeof *values);
        for (int i = 0; i < columns; i++)
            values[i] = arena_strdup(arena, key->values[i]);
        ret->keys[ret->key_count++] = (TouchedKey){.values = values, .count = columns};
    }
}

void touched_take(Touched *touched, Arena *arena, TouchedTable **ret, int *ret_count)
{
    int count = 0;

    (void)pthread_mutex_lock(touched->lock);
    TouchedTable *taken = arena_array(arena, HASH_COUNT(touched->tables), sizeof *taken);
    for (Table *table = touched->tables; table; table = table->hh.next) {
        if (!table->whole && !table->keys)
            continue;
        TouchedTable *one = &taken[count++];
        *one = (TouchedTable){
            .schema = arena_strdup(arena, table->schema),
            .name = arena_strdup(arena, table->name),
            .whole = table->whole,
        };
        take_keys(table, arena, one);
        table_empty(touched, table);
        table->whole = false;
    }
    (void)pthread_mutex_unlock(touched->lock);
    *ret = taken;
    *ret_count = count;
}

void touched_put_back(Touched *touched, const TouchedTable *tables, int count)
{
    (void)pthread_mutex_lock(touched->lock);
    for (int i = 0; i < count; i++) {
        Table *table = table_of(touched, tables[i].schema, tables[i].name);

        if (tables[i].whole)
            make_whole(touched, table);
        for (int k = 0; k < tables[i].key_count; k++)
            add_locked(touched, table, tables[i].columns, &tables[i].keys[k]);
    }
    (void)pthread_mutex_unlock(touched->lock);
}

int64_t touched_count(const Touched *touched, int *ret_whole)
{
    int64_t keys = 0;
    int whole = 0;

    (void)pthread_mutex_lock(touched->lock);
    for (const Table *table = touched->tables; table; table = table->hh.next) {
        keys += (int64_t)HASH_COUNT(table->keys);
        whole += table->whole;
    }
    (void)pthread_mutex_unlock(touched->lock);
    *ret_whole = whole;
    return keys;
}
