/*
 * How two databases are compared. Private to src/move/verify*.c.
 *
 * Each side has one snapshot, shared by its connections. Every table is scanned
 * once on each side, in parts of ctid ranges that several connections share,
 * and gives for each bucket of its rows a count and two sums of 64-bit row
 * hashes, 128 bits in all (rule 35). A bucket is a range of the key. Where both
 * sides agree, that was all. The rows of a bucket that differs are fetched from
 * both sides as (key, hashes), in the key's order, and merged as they arrive:
 * memory does not grow with the table. Tables without a key are compared as
 * multisets, their buckets being parts of the hash.
 *
 * verify_sql.c     the SQL of a table: hash, bucket, key
 * verify_plan.c    tables of both sides side by side, and their buckets
 * verify_scan.c    the sums, by workers
 * verify_rows.c    rows that differ, of tables with a key
 * verify_values.c  what differs within them
 * verify_bags.c    tables without a key
 * verify_schema.c  objects (views: verify_deparse.c, privileges: verify_acl.c);
 * verify_states.c, verify_sequences.c: what they hold
 *
 * While writers are at work (verify_live.h) a row that differs is only suspected, and looked at
 * again:
 *
 * verify_live.c    the three comparisons
 * verify_again.c   suspected rows, read again on both sides
 * verify_counts.c  how many rows tables have, as far as the time allows
 *
 * Between servers of different versions:
 *
 * verify_changes.c whether a change of both schemas is one
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/archive.h"
#include "move/database.h"
#include "move/identity.h"
#include "move/move.h"
#include "move/tables.h"
#include "pg/pg.h"

enum {
    VERIFY_LISTED = 20,         /* rows of a table that are named without --all */
    VERIFY_LISTED_LIVE = 10000, /* with it, by a mover */
    VERIFY_HASHES = 2,
    VERIFY_SHOWN = 2000, /* characters of a value that are fetched to show where it differs */
};

typedef enum VerifySide {
    VERIFY_SOURCE,
    VERIFY_TARGET,
    VERIFY_SIDES
} VerifySide;

/* Order-free: sums of hashes modulo 2^64. */
typedef struct Bucket {
    int64_t rows;
    uint64_t sums[VERIFY_HASHES];
} Bucket;

/* How rows fall into buckets. */
typedef enum BucketKind {
    BUCKET_ONE,  /* a small table */
    BUCKET_KEY,  /* a range of a key column whose order is the same on every server */
    BUCKET_NAME, /* a range of a text key by COLLATE "C" */
    BUCKET_HASH, /* a part of the key's hash: key types without such an order */
    BUCKET_ROW,  /* no key: a part of the row's hash */
} BucketKind;

/* A column that both sides have. */
typedef struct VerifyColumn {
    const TableColumn *of[VERIFY_SIDES];
    const char *sql;  /* t."name" */
    const char *cast; /* "uuid": how it may be read alike on both sides; "" only by its text */
    bool nullable;    /* on either side */
} VerifyColumn;

typedef struct VerifyTable {
    const char *name;               /* public.orders */
    const Table *of[VERIFY_SIDES];  /* NULL: there is none */
    const char *rows[VERIFY_SIDES]; /* FROM item, with the alias t */
    const Identities
        *mapped[VERIFY_SIDES]; /* they read identifiers through this; NULL: as they are */
    VerifyColumn *columns;
    int column_count;
    const int *key; /* indexes into columns */
    int key_count;
    bool recode;                       /* encodings differ: text is hashed as UTF-8 */
    const char *hashes[VERIFY_HASHES]; /* SQL of a row's */
    BucketKind kind;
    int bucket_column;  /* index into columns: of BUCKET_KEY and BUCKET_NAME */
    const char *bucket; /* SQL of a row's bucket; $1 is bounds where that is not NULL */
    const char *bounds; /* array literal, rising */
    int bucket_count;
    Bucket *buckets[VERIFY_SIDES];
    int64_t missing; /* found by merging */
    int64_t extra;
    int64_t different;
    int listed;
    int64_t unlisted;
} VerifyTable;

/* One side, with the connection that owns or holds its snapshot. */
typedef struct VerifyServer {
    const char *name; /* "source" */
    PgUrl url;
    PGconn *conn;
    DatabaseId id;
    const char *snapshot;
    const char *encoding;
    Table *tables;
    int table_count;
} VerifyServer;

/* A row that does not look alike on both sides. */
typedef struct Suspect {
    const char *const *keys;       /* texts of its key; NULL: a table without one */
    int64_t hashes[VERIFY_HASHES]; /* without a key: all rows of these hashes */
} Suspect;

typedef struct VerifyRun {
    Arena *arena; /* the report's */
    const Config *config;
    const VerifyOptions *options;
    VerifyReport *report;
    int list_cap;
    VerifyServer sides[VERIFY_SIDES];
    int64_t seeds[VERIFY_HASHES];
    VerifyTable *tables;
    int table_count;
    Difference *notes; /* structure that rows show; used where the schema was not compared */
    int note_count;
    int note_cap;
    int jobs;
    const Identities *identities; /* NULL: none */
    VerifySide home;              /* its rows are read as the source would have them */
    struct Again *again; /* live: what differs is handed over there, and nothing is listed */
} VerifyRun;

/* Both schemas, dumped beside the scan by a thread of its own: the arena is the dump's. */
typedef struct VerifyDump {
    const VerifyRun *run;
    Arena *arena;
    Archive archives[VERIFY_SIDES];
} VerifyDump;

/* ---- verify.c ---- */

int verify_jobs(const Config *config);
bool verify_draw_seeds(VerifyRun *run, Error *err) MUST_USE;
/* Both sides under snapshots of their own, with what has rows there. */
bool verify_open(VerifyRun *run, Error *err) MUST_USE;
void verify_close(VerifyRun *run);
/* Names the rows of all tables whose buckets differ. */
bool verify_name_rows(VerifyRun *run, Error *err) MUST_USE;
/* Puts a table of which rows differ into the report. */
void verify_add_table(VerifyRun *run, const VerifyTable *table);
/* What a session under a snapshot has locked is given back at the end: an app that wants to
 * TRUNCATE does not wait for a whole comparison. */
bool verify_statement_begin(const VerifyRun *run, PGconn *conn, Error *err) MUST_USE;
bool verify_statement_end(const VerifyRun *run, PGconn *conn, Error *err) MUST_USE;
/* Another connection of this side under its snapshot. */
bool verify_join(const VerifyRun *run, VerifySide number, const char *role, PGconn **ret,
                 Error *err) MUST_USE;
/* A new session of this side's gets the map that its rows are read through, before it begins. */
bool verify_send_identities(const VerifyRun *run, VerifySide side, PGconn *conn,
                            Error *err) MUST_USE;
/* The same without the map: rows_read() brings what it needs of it. */
bool verify_expect_identities(const VerifyRun *run, VerifySide side, PGconn *conn,
                              Error *err) MUST_USE;
/* Counts a difference and lists it. The texts live in run->arena. */
void verify_add(VerifyRun *run, DifferenceKind kind, const char *object, const char *key,
                const char *detail);
/* The same for structure, kept until it is known whether the schema could be compared. */
void verify_note(VerifyRun *run, const char *object, const char *detail);
/* Whether one more of this table's rows is to be listed; counts it where it is. */
bool verify_lists(const VerifyRun *run, VerifyTable *table);
/* A name as people write it: quoted only where it must be. */
const char *verify_name(Arena *arena, const char *schema, const char *name) RETURNS_NONNULL;
/* A value for people: cut to `max` characters, control characters and what is not UTF-8 as
 * escapes. */
const char *verify_shown(Arena *arena, const char *value, size_t max) RETURNS_NONNULL;

/* ---- verify_sql.c ---- */

typedef struct SqlPart {
    const char *name; /* :name in the text */
    const char *sql;
} SqlPart;

/* A statement of sql/verify with its :names filled in; parts end with a NULL name. */
const char *verify_fill(Arena *arena, const char *sql, const SqlPart *parts) RETURNS_NONNULL;

/* Sets cast of every column. */
void verify_column_cast(VerifyColumn *column);
/* SQL of a row's 64-bit hash over all columns. */
const char *verify_hash_sql(Arena *arena, const VerifyTable *table, int64_t seed) RETURNS_NONNULL;
/* Its text as COPY writes it; NULL gives ''. */
const char *verify_text_sql(Arena *arena, const VerifyColumn *column) RETURNS_NONNULL;
/* The columns of the key as texts, and an order by their bytes. */
const char *verify_key_sql(Arena *arena, const VerifyTable *table) RETURNS_NONNULL;
const char *verify_key_order_sql(Arena *arena, const VerifyTable *table) RETURNS_NONNULL;
/* A condition: the row with this key. */
const char *verify_key_match_sql(Arena *arena, const VerifyTable *table,
                                 const char *const *values) RETURNS_NONNULL;
/* The type by whose order a key column can be cut into ranges, "" where there is none. */
const char *verify_range_type(const VerifyTable *table, const VerifyColumn *column) RETURNS_NONNULL;
/* Its value in that type. */
const char *verify_range_sql(Arena *arena, const VerifyTable *table,
                             const VerifyColumn *column) RETURNS_NONNULL;
/* Fills bucket by kind, and bucket_count where that is not given with the bounds. */
void verify_bucket_sql(Arena *arena, VerifyTable *table);
/* A condition: rows of these buckets, which rise. */
const char *verify_buckets_match_sql(Arena *arena, const VerifyTable *table, const int *buckets,
                                     int count) RETURNS_NONNULL;

/* ---- the steps ---- */

/* Tables of both sides by name and the SQL of their rows. */
bool verify_pair(VerifyRun *run, Error *err) MUST_USE;
/* How the rows of one of them fall into buckets. */
bool verify_buckets(VerifyRun *run, VerifyTable *table, Error *err) MUST_USE;
/* Both, of all tables. */
bool verify_plan(VerifyRun *run, Error *err) MUST_USE;

/* Fills the buckets of every table that both sides have. */
bool verify_scan(VerifyRun *run, Error *err) MUST_USE;

/* Names the rows of tables whose buckets differ. */
bool verify_rows(VerifyRun *run, VerifyTable *table, PGconn *const streams[VERIFY_SIDES],
                 Error *err) MUST_USE;
bool verify_bags(VerifyRun *run, VerifyTable *table, PGconn *const streams[VERIFY_SIDES],
                 Error *err) MUST_USE;
/* Where none of these rows differs, though their sums do: never taken for equal. */
bool verify_no_row(VerifyRun *run, const VerifyTable *table, PGconn *const streams[VERIFY_SIDES],
                   Error *err) MUST_USE;

/* A row that both sides have with other values. `keys` are its key's texts. */
typedef struct DifferentRow {
    const char *const *keys;
    const char *key; /* for people */
} DifferentRow;

/* Lists the columns in which these rows (at most VERIFY_LISTED) differ, as `conns` see them. */
bool verify_values(VerifyRun *run, const VerifyTable *table, const DifferentRow *rows, int count,
                   PGconn *const conns[VERIFY_SIDES], Error *err) MUST_USE;

/* Rows of one table that differ, as they are counted and listed. */
typedef struct KeyedList {
    VerifyRun *run;
    VerifyTable *table;
    PGconn *const *conns; /* to read their values by */
    Arena *arena;         /* of `rows` */
    DifferentRow rows[VERIFY_LISTED];
    int count;
} KeyedList;
void keyed_one_sided(const KeyedList *list, VerifySide side, const char *const *keys);
bool keyed_different(KeyedList *list, const char *const *keys, Error *err) MUST_USE;
bool keyed_flush(KeyedList *list, Error *err) MUST_USE; /* at the end */

/* Rows of a table without a key that one side has more often than the other. */
typedef struct OddRow {
    int64_t hashes[VERIFY_HASHES];
    int64_t times[VERIFY_SIDES];
} OddRow;
typedef struct OddList {
    VerifyRun *run;
    VerifyTable *table;
    PGconn *const *conns;
    OddRow rows[VERIFY_LISTED];
    int count;
} OddList;
bool odd_add(OddList *list, const OddRow *row, Error *err) MUST_USE;
bool odd_flush(OddList *list, Error *err) MUST_USE;

bool verify_sequences(VerifyRun *run, Error *err) MUST_USE;
/* Materialised views' content, large objects' owners and privileges. */
bool verify_states(VerifyRun *run, Error *err) MUST_USE;

/* Dumps both schemas by one pg_dump. */
bool verify_dump(VerifyDump *dump, Error *err) MUST_USE;
void verify_schema(VerifyRun *run, const VerifyDump *dump);

/* Differences between two archives of one pg_dump; the roles of `a` are mapped. `emit` is called
 * for each. */
typedef struct SchemaCompare {
    const Config *config;
    void (*emit)(void *context, const char *object, const char *detail);
    void *context;
    int majors[VERIFY_SIDES]; /* of the servers: some deparse expressions otherwise than others */
} SchemaCompare;
void schema_compare(Arena *arena, const Archive *a, const Archive *b, const SchemaCompare *compare);

/* The privileges that pg_dump's statements come to when they are run one after the other, as
 * statements in an order of their own: what differs from the default of an object of this owner
 * (quoted). `maintain`: both servers know that privilege. */
const char *acl_sum(Arena *arena, const char *sql, const char *owner,
                    bool maintain) RETURNS_NONNULL;

/* Both schemas as one pg_dump wrote them. */
typedef struct SchemaSides {
    const Config *config; /* maps the source's roles */
    const Archive *archives[VERIFY_SIDES];
    int majors[VERIFY_SIDES];
} SchemaSides;
/* The first entry that is not alike on both and speaks of one of these objects, as fingerprints
 * name them, and how; NULL: there is none. */
const char *changes_unlike(Arena *arena, const SchemaSides *sides, const char *const *objects,
                           int count);

/* Definitions that say the same, whether a name that needs no quotes has some or not. */
bool defn_equal(const char *a, const char *b);
/* The same for a view, as a server before 16 writes it and one from 16 on. */
bool view_equal(const char *older, const char *newer);

/* ---- rows as they arrive ---- */

typedef struct RowStream {
    PGconn *conn;
    PGresult *res; /* the row in hand; NULL: none is left */
} RowStream;

bool stream_open(RowStream *stream, PGconn *conn, const char *sql, const char *param,
                 Error *err) MUST_USE;
bool stream_next(RowStream *stream, Error *err) MUST_USE;
void stream_close(RowStream *stream); /* gives up what is left */
