/*
 * A table as the stream describes it, bound to the table of that name on the side it goes to: which
 * of the stream's columns go where, how a row is found, what has to be kept in mind. And a change
 * of the stream in these terms.
 *
 * A binding is made anew for each new description, from the side's catalogue as it is then. A
 * description that does not fit is ERR_WRONG_STATE with *schema_change set.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/identity.h"
#include "pg/lsn.h"
#include "pg/pgoutput.h"

typedef enum ApplyWay {
    APPLY_BY_KEY, /* a unique key of the side is the stream's identity */
    APPLY_APPEND, /* no identity: the source refuses UPDATE and DELETE, rows are only added */
    APPLY_BY_ROW, /* one row that looks like it, one by one and in order (rule 17) */
} ApplyWay;

typedef struct BoundColumn {
    int source; /* index in the stream's description */
    const char *name;
    const char *quoted;
    const char *type;   /* below domains, without modifier */
    bool key;           /* part of the identity */
    bool always;        /* GENERATED ALWAYS AS IDENTITY: cannot be set by UPDATE */
    bool identifier;    /* mapped on its way (identity.h) */
    const char *equals; /* OPERATOR(...) of the index that finds rows by this column; NULL: none */
} BoundColumn;

typedef struct BoundParent {
    const char *schema;
    const char *name;
} BoundParent;

typedef struct BoundReferrer {
    const char *schema;
    const char *name;
    bool partitioned; /* the stream names its partitions instead */
} BoundReferrer;

typedef struct Binding {
    int id; /* names its prepared statements and its staging table */
    const PgRelation *relation;
    const char *schema; /* as in the stream: progress and messages */
    const char *name;
    const char *from; /* for UPDATE and DELETE: with ONLY where that has a meaning */
    const char *into; /* for INSERT, COPY and TRUNCATE */
    bool partitioned; /* rows of `into` may lie in several tables: ctid alone names none */
    bool elsewhere;   /* `into` is the root of partitions: TRUNCATE of this one cannot be done */
    ApplyWay way;
    BoundColumn *columns; /* that are applied: generated ones are not */
    int column_count;
    int *key; /* indexes into columns; the identity */
    int key_count;
    bool whole_old;  /* identity FULL: the stream has the whole old row */
    bool replace;    /* a column outside of the key cannot be set: an update is delete and insert */
    bool key_always; /* the same of a column of the key, for what changes it */
    BoundParent *parents; /* rule 19 */
    int parent_count;
    BoundReferrer *referrers; /* without whom it cannot be truncated */
    int referrer_count;
    bool has_children;  /* where foreign keys act: a DELETE would take rows of others with it */
    Lsn position;       /* what commits before is there */
    int64_t changed_in; /* ordered: number of the last transaction that updated or deleted in it */
    const char **key_names; /* as many as key_count */
    bool identifiers;       /* some of its columns are mapped */
    void *owner;            /* the dispatcher's: what it keeps of the table */
} Binding;

typedef struct BindRequest {
    PGconn *conn;
    Arena *arena;
    const Identities *identities; /* NULL: none */
    bool triggers_fire;           /* foreign keys act on this side, so their parents are read too */
    bool *schema_change;          /* set where the description does not fit */
} BindRequest;

bool binding_make(const BindRequest *request, const PgRelation *relation, Binding **ret,
                  Error *err) MUST_USE;

/* A change in the binding's columns. */
typedef struct RowChange {
    char op;            /* 'I', 'U', 'D' */
    const PgValue *now; /* I, U: by the binding's columns; unchanged ones filled in where the
                           message itself has them */
    const PgValue *old; /* U, D: the identity's columns (all of them with whole_old) */
    bool key_changed;
} RowChange;

/* Room for the widest table's row, twice: reused from change to change. */
typedef struct RowScratch {
    PgValue *now;
    PgValue *old;
    int cap;
} RowScratch;
void row_scratch_clear(RowScratch *scratch);

/* Points into the message and the scratch. ERR_FORMAT where it has not the shape it should. The one
 * place where values pass on their way: what maps identifiers maps them here. */
bool row_change_read(const Binding *binding, const PgOutput *message, const IdentityWay *identities,
                     RowScratch *scratch, RowChange *ret, Error *err) MUST_USE;

bool values_equal(const PgValue *a, const PgValue *b);
/* "(id)=(5)" for messages, cut where long. */
void key_text(const Binding *binding, const PgValue *row, char *buf, size_t size);
