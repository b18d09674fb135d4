/*
 * Identifiers that change on their way: a sign-in provider gives the app's users new ids, and the
 * columns that hold them are mapped wherever rows pass (rule 36, docs/decisions/0010).
 *
 * The map is a bijection from old ids (the source's) to new ones (home's). Towards home it is
 * applied as it is, backwards inverted. An id that is not in it follows the rule of that direction:
 * `stop` is an error that names it, `keep` lets it pass and notes it in the work folder. Whatever
 * the rule, an id that the map uses on the other side only never passes as it is: two users would
 * become one.
 *
 * identity_map.c   the file, the bijection, one id
 * identity_rows.c  rows of COPY
 * identity.c       which columns; what is pinned for a move; the map on a server, for comparisons
 *
 * Loaded once by a process and shared by its threads.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"
#include "move/tables.h"
#include "store/store.h"

typedef struct Identities Identities;

/* A listed column, as its parts. */
typedef struct IdentityColumn {
    const char *schema;
    const char *table;
    const char *column;
} IdentityColumn;

/* The file and the settings, checked; *ret NULL: none are set. Freed by identities_free(). */
bool identities_load(const Config *config, Identities **ret, Error *err) MUST_USE;
void identities_free(Identities *identities); /* accepts NULL */

int64_t identities_count(const Identities *identities);
int identities_columns(const Identities *identities, const IdentityColumn **ret);
/* The first id that is both an old and a new one; NULL: there is none. *ret_count: how many. */
const char *identities_chain(const Identities *identities, int *ret_count);

/* ---- one id ---- */

typedef struct IdentityText {
    const char *data; /* not terminated */
    int len;
} IdentityText;

typedef enum IdentityFate {
    IDENTITY_MAPPED,
    IDENTITY_UNKNOWN, /* not in the map at all: the rule of the direction says what then */
    IDENTITY_TAKEN,   /* the map gives it to another one on the side it goes to */
} IdentityFate;

/* What becomes of it; *ret is set where it is mapped, and lives as long as the map. */
IdentityFate identity_find(const Identities *identities, bool back, IdentityText id,
                           IdentityText *ret);
/* The same with the rules kept: *ret is what goes on. ERR_WRONG_STATE where it must not. */
bool identity_pass(const Identities *identities, bool back, IdentityText id, IdentityText *ret,
                   Error *err) MUST_USE;
/* Comparisons: the map closed to a permutation of all ids that are in it, the others as they are.
 * Terminated texts. */
const char *identity_home_of(const Identities *identities, const char *source);
const char *identity_source_of(const Identities *identities, const char *home);

/* Which way rows go. */
typedef struct IdentityWay {
    const Identities *map; /* NULL: none */
    bool back;
} IdentityWay;

/* Why the ids of the map, old and new, cannot be values of a type ("uuid", "int8"); NULL: they can.
 * As PostgreSQL writes them, or they would never be found. */
const char *identities_misfit(Arena *arena, const Identities *identities, const char *type);
bool identity_type_is_known(const char *type);

/* ---- ids that were kept ---- */

/* From here on they are noted in `dir`; those of an earlier run count. `fresh`: there is none. */
bool identities_note_in(Identities *identities, const char *dir, bool fresh, Error *err) MUST_USE;
int64_t identities_kept(const Identities *identities, bool back);
/* Adds to an object how many there are: identities_in_map, identities_kept, identities_kept_back.
 */
struct json_t;
void identities_status(const Identities *identities, struct json_t *status);

/* ---- a move's ---- */

/* What this move began with: `begun` false, or nothing copied yet, notes it. A map may only grow at
 * its end, by ids that were not kept before. identities NULL: the move must have begun without. */
bool identities_pin(const Identities *identities, Store *store, bool begun, Error *err) MUST_USE;

/* ---- where ---- */

/* Sets what a column is (tables.h) in every table that is listed, or inherits from one that is.
 * identities NULL: nothing. */
bool identities_mark(const Identities *identities, PGconn *conn, Table *tables, int count,
                     Error *err) MUST_USE;
/* One of sql/identity, which are asked with the list of columns. */
bool identities_query(const Identities *identities, PGconn *conn, const char *sql, PGresult **ret,
                      Error *err) MUST_USE;

/* Whether this row of sql/identity/columns.sql is about that column, which is mapped itself. */
bool identities_row_is(const PGresult *res, int row, const char *schema, const char *table,
                       const char *column);

/* ---- rows of COPY, in text ---- */

typedef struct IdentityRows IdentityRows;

/* NULL where no column of the table is mapped. Freed by identity_rows_free(). */
IdentityRows *identity_rows_new(const Identities *identities, bool back, const Table *table);
void identity_rows_free(IdentityRows *rows); /* accepts NULL */
void identity_rows_cleanup(IdentityRows **rows);
#define auto_identity_rows CLEANUP(identity_rows_cleanup)
/* The row with its ids mapped: in `row` where nothing changed, else until the next call. */
bool identity_rows_map(IdentityRows *rows, const char **row, size_t *len, Error *err) MUST_USE;

/* ---- on a server ---- */

/* A temporary table of this session, of home's ids and what they are at the source. Empty, it takes
 * no time inside a pause: then identities_send_some() has to bring what is read, or
 * identities_send_rest() all that is missing. NULL: nothing. */
bool identities_send(const Identities *identities, PGconn *home, Error *err) MUST_USE;
bool identities_send_none(const Identities *identities, PGconn *home, Error *err) MUST_USE;
bool identities_send_some(const Identities *identities, PGconn *home, const PGresult *ids,
                          Error *err) MUST_USE;
bool identities_send_rest(const Identities *identities, PGconn *home, Error *err) MUST_USE;
/* A FROM item with the alias t: home's rows of a table as the source would have them. NULL: no
 * column of it is mapped. */
const char *identities_rows_sql(Arena *arena, const Table *table);
/* What a mapped column is called in there as home has it. */
const char *identity_home_column(Arena *arena, const TableColumn *column) RETURNS_NONNULL;
