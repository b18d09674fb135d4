/*
 * One message of the pgoutput plugin, protocols 1 and 2, decoded in place.
 * Format: PostgreSQL's documentation, "Logical Replication Message Formats".
 *
 * Pure: bytes in, struct out, nothing kept. Everything points into the message's bytes, so values
 * are not NUL-terminated. Whatever does not have the right shape is ERR_FORMAT with its offset.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "pg/lsn.h"

typedef enum PgOutputKind {
    PGOUTPUT_BEGIN = 'B',
    PGOUTPUT_COMMIT = 'C',
    PGOUTPUT_ORIGIN = 'O',
    PGOUTPUT_RELATION = 'R',
    PGOUTPUT_TYPE = 'Y',
    PGOUTPUT_INSERT = 'I',
    PGOUTPUT_UPDATE = 'U',
    PGOUTPUT_DELETE = 'D',
    PGOUTPUT_TRUNCATE = 'T',
    PGOUTPUT_MESSAGE = 'M',
    PGOUTPUT_STREAM_START = 'S',
    PGOUTPUT_STREAM_STOP = 'E',
    PGOUTPUT_STREAM_COMMIT = 'c',
    PGOUTPUT_STREAM_ABORT = 'A',
} PgOutputKind;

typedef enum PgValueKind {
    PG_VALUE_NULL = 'n',
    PG_VALUE_UNCHANGED = 'u', /* a TOASTed value that was not changed: it is not in the message */
    PG_VALUE_TEXT = 't',
    PG_VALUE_BINARY = 'b',
} PgValueKind;

typedef struct PgValue {
    PgValueKind kind;
    const char *data; /* not terminated */
    int len;
} PgValue;

typedef struct PgTuple {
    int count; /* 0: there is none */
    PgValue *values;
} PgTuple;

typedef struct PgRelationColumn {
    const char *name; /* copied and terminated */
    bool key;         /* part of the replica identity (all columns where it is FULL) */
    unsigned type;
    int typmod;
} PgRelationColumn;

typedef struct PgRelation {
    unsigned oid;
    const char *schema; /* copied; "" in the message means pg_catalog */
    const char *name;
    char identity; /* 'd' default, 'n' nothing, 'f' full, 'i' index */
    PgRelationColumn *columns;
    int column_count;
} PgRelation;

typedef struct PgOutput {
    PgOutputKind kind;
    unsigned xid; /* B, S, c, A; and of changes inside a streamed piece: their (sub)transaction */
    unsigned subxid;     /* A: what is aborted; the same as xid: all of it */
    Lsn commit;          /* B, C, c: where the commit record begins */
    Lsn end;             /* C, c: behind it */
    int64_t time;        /* B, C, c: microseconds since 2000-01-01 UTC */
    bool first;          /* S: the transaction's first piece */
    PgRelation relation; /* R; column names live in the arena */
    unsigned oid;        /* I, U, D: of the relation */
    char old_kind;       /* U, D: 'K' key only, 'O' whole row, '\0' none */
    PgTuple old_row;
    PgTuple new_row;
    unsigned *oids; /* T */
    int oid_count;
    bool cascade;
    bool restart_identity;
    bool transactional;  /* M */
    Lsn lsn;             /* M */
    const char *prefix;  /* M, O: terminated */
    const char *content; /* M */
    int content_len;
} PgOutput;

/* `in_stream`: the message stands between a stream start and a stream stop, where changes carry
 * their transaction's id. */
bool pgoutput_decode(Arena *arena, const char *data, size_t len, bool in_stream, PgOutput *ret,
                     Error *err) MUST_USE;
