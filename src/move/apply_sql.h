/*
 * The statements of the applier, from a binding. Pure.
 *
 * Values travel as text. Whatever is compared is compared by the operator of the index that finds
 * the row, or, where no key does, by the text form with NULL equal to NULL (rule 17). Parameters
 * are cast to the column's type without its modifier, so that nothing is cut off on the way in.
 */
#pragma once

#include <stdbool.h>

#include "core/arena.h"
#include "move/apply_tables.h"

typedef enum RowVerb {
    ROW_INSERT = 'i',
    ROW_UPDATE = 'u',
    ROW_MOVE = 'k',     /* an update that changes the key */
    ROW_CASCADED = 'c', /* the same where a cascade may have made it already (rule 19) */
    ROW_REPLACE = 'r',  /* delete and insert: for what UPDATE cannot set */
    ROW_DELETE = 'd',
} RowVerb;

typedef struct RowParam {
    bool old;   /* of the old row, else of the new one */
    int column; /* index into the binding's columns */
} RowParam;

typedef struct RowStatement {
    const char *sql; /* NULL: there is nothing that could be set */
    RowParam *params;
    int param_count;
} RowStatement;

/* How this change is made: the verb, by what the binding needs and what the change is. */
RowVerb row_verb(const Binding *binding, const RowChange *change, bool cascaded);
/* known: by column, of the new row; NULL: all of them. */
RowStatement row_statement(Arena *arena, const Binding *binding, RowVerb verb, const bool *known);

/* Set-wise. The staging table has: op "char" ('d', 'u', 'f'), m integer (number of the set of known
 * columns), c0... (the row), o0... (the key under which a moved row was found before: only columns
 * of the key). */
const char *stage_name(Arena *arena, const Binding *binding);
const char *stage_create(Arena *arena, const Binding *binding);
const char *stage_copy_deletes(Arena *arena, const Binding *binding); /* op, key */
const char *stage_copy_rows(Arena *arena, const Binding *binding); /* op, m, all columns, old key */
const char *net_delete(Arena *arena, const Binding *binding);
/* Rows of set m, `known` by column. */
const char *net_update(Arena *arena, const Binding *binding, int m, const bool *known);
/* What set m lacks, from the side's rows under their old keys: before those are deleted. */
const char *net_fill(Arena *arena, const Binding *binding, int m, const bool *known);
/* After filling: the rows that are to be inserted from staging, not by COPY. */
const char *net_insert(Arena *arena, const Binding *binding);
const char *net_copy(Arena *arena, const Binding *binding);
