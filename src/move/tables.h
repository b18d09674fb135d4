/*
 * What has rows: the tables of a database and their columns, as one side's
 * snapshot sees them. Read once, before the work; shared by copy and verify.
 *
 * Everything lives in the caller's arena and is not changed afterwards, so
 * several threads may read it.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

typedef struct TableColumn {
    int number; /* attnum: gaps where columns were dropped */
    const char *name;
    const char *quoted;    /* as SQL writes it */
    const char *type;      /* with its modifier: "character varying(20)" */
    const char *base;      /* below domains: "int4", "_text", "enum"; "" where it is not built in */
    bool binary_ok;        /* its binary form means the same on every server (rule 7) */
    const char *extension; /* binary is right only where both sides have this extension at one
                              version; NULL: does not apply, binary_ok decides */
    bool generated;        /* not copied: the target computes it */
    char identity;         /* 'a' always, 'd' by default, '\0' */
    bool not_null;
    bool deterministic;    /* collation: equal means the same bytes */
    const char *enum_arms; /* "WHEN 'a'::public.mood THEN 1 ...": labels as numbers, in order; NULL:
                              no enum, or one with many */
    bool identifier;       /* its values are mapped on their way (identity.h) */
    bool from_identifier;  /* generated from such a one: each side computes its own */
} TableColumn;

typedef struct Table {
    unsigned oid;
    const char *schema;
    const char *name;
    const char *qualified; /* "public"."orders" */
    unsigned relfilenode;  /* as the snapshot sees it (rule 3) */
    int64_t bytes;         /* main fork and TOAST */
    int64_t row_bytes;     /* main fork: all that an index or a key reads of most tables */
    int64_t blocks;        /* of the main fork */
    int64_t rows_estimate; /* -1: never analysed */
    bool unlogged;
    bool heap; /* its access method is heap: ctid ranges mean something */
    const char *owner;
    const char *condition; /* an extension's configuration table: which rows are the user's, as
                              "WHERE ..."; NULL: all */
    const char *root;     /* a partition by hash over an enum, whose rows may belong to a sibling on
                             another server: the partitioned table at the top, quoted, to send them
                             to and to compare as a whole; NULL: rows stay in their table */
    TableColumn *columns; /* in the table's order */
    int column_count;
    const int *key; /* indexes into columns, in the key's order */
    int key_count;  /* 0: it has no key */
} Table;

/* Every ordinary table with rows of its own, largest first: partitions as themselves, inheritance
 * parents to be read by ONLY. What is left out is said in sql/move/tables.sql. */
bool tables_list(PGconn *conn, Arena *arena, Table **ret, int *ret_count, Error *err) MUST_USE;

/* NULL where there is none of this name. */
const Table *tables_find(const Table *tables, int count, const char *schema, const char *name);

/* NULL where there is none of this name. */
const TableColumn *table_column_find(const Table *table, const char *name);

/* Of all columns but the generated ones, quoted and joined by ", ": for COPY by name. "" for a
 * table without such columns. */
const char *table_column_list(Arena *arena, const Table *table) RETURNS_NONNULL;
