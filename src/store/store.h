/*
 * The state that outlives a process, in SQLite: what was done, so that it is
 * not done twice. Statements come from the files of sql/store.
 *
 * Every write is synced before the call returns (synchronous=FULL): a state is
 * durable before it is acted upon. One writer; readers (status) see the last
 * committed state. Never holds a secret.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct Store Store;

typedef struct StoreValue {
    const char *text; /* NULL: the number, or SQL NULL with is_null */
    int64_t number;
    bool is_null;
} StoreValue;

#define STORE_TEXT(value) ((StoreValue){.text = (value), .is_null = (value) == NULL})
#define STORE_INT(value) ((StoreValue){.number = (value)})

/* What stands for ?1, ?2, ... */
typedef struct StoreValues {
    const StoreValue *list;
    int count;
} StoreValues;

#define STORE_VALUES(...)                                                                          \
    ((StoreValues){(StoreValue[]){__VA_ARGS__},                                                    \
                   (int)(sizeof((StoreValue[]){__VA_ARGS__}) / sizeof(StoreValue))})
#define STORE_NO_VALUES ((StoreValues){NULL, 0})

/* Creates the file (0600) and its tables where they are missing. A file of a
 * later version of homeport is refused. */
bool store_open(const char *path, Store **ret, Error *err) MUST_USE;
void store_close(Store *store); /* accepts NULL */
void store_cleanup(Store **store);
#define auto_store CLEANUP(store_cleanup)

/* One statement without result. */
bool store_run(Store *store, const char *sql, StoreValues values, Error *err) MUST_USE;

/* The rows of one statement: texts in the arena, NULL for SQL NULL. `cells` is never NULL. */
typedef struct StoreRows {
    int rows;
    int columns;
    const char **cells; /* row by row */
} StoreRows;

bool store_query(Store *store, Arena *arena, const char *sql, StoreValues values, StoreRows *ret,
                 Error *err) MUST_USE;
const char *store_cell(const StoreRows *rows, int row, int column);
int64_t store_cell_i64(const StoreRows *rows, int row, int column); /* 0 for NULL */
