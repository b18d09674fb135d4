/*
 * What the parts of the spool share: see spool.c. Private to the spool.
 *
 * `lock` guards the list of segments and what is visible to the reader; everything under "writer"
 * is the writing thread's alone.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#include "move/spool.h"
#include "move/spool_block.h"

enum {
    SPOOL_PATH_BYTES = 4096,
    RECORD_HEADER_BYTES = 5, /* type, length of what follows */
    BEGIN_BYTES = 28,        /* commit, end, time, xid */
    LARGE_BYTES = 60,        /* the same, number, data bytes, file's bytes, raw bytes */
    SEGMENT_BYTES = 16 << 20,
    SPILL_BYTES = 1 << 20, /* a transaction above this gets a file of its own */
    POSITION_SHIFT = 23,   /* SpoolPosition.offset: the block's << this, + the record's within it */
};

typedef enum RecordType {
    RECORD_SEGMENT = 'S',  /* feed (4), end of what came before (8), the move's id */
    RECORD_RELATION = 'R', /* the message without a transaction's id; in a large one after its id */
    RECORD_BEGIN = 'B',
    RECORD_DATA = 'D', /* the same two forms */
    RECORD_COMMIT = 'C',
    RECORD_LARGE = 'L',
    RECORD_QUIET = 'Q', /* position (8) */
} RecordType;

typedef struct Record {
    RecordType type;
    const char *body;
    size_t len;
} Record;

/* The file of a large transaction, as a segment refers to it. */
typedef struct SpoolLarge {
    int64_t number;
    int64_t bytes; /* on disk */
} SpoolLarge;

typedef struct SpoolSegment {
    int64_t number;
    int64_t bytes; /* written */
    Lsn base;      /* end of what was before it */
    Lsn last;      /* end of what is in it and before it */
    SpoolLarge *large;
    int large_count;
    int large_size;
} SpoolSegment;

/* A transaction's end, as B and L records say it. */
typedef struct SpoolEnds {
    Lsn commit;
    Lsn end;
    int64_t time;
    unsigned xid;
} SpoolEnds;

typedef struct LargeRecord {
    SpoolEnds ends;
    int64_t number;
    int64_t data_bytes; /* of the file: behind are the aborted ids */
    int64_t file_bytes;
    int64_t raw_bytes;
} LargeRecord;

/* The last description of a table, as a message outside of streamed pieces. */
typedef struct KnownRelation {
    unsigned oid;
    char *message;
    size_t len;
    UT_hash_handle hh;
} KnownRelation;

/* One that a large transaction brings: known to others once that commits. */
typedef struct LargeRelation {
    unsigned xid;
    char *message;
    size_t len;
} LargeRelation;

/* A transaction in a file of its own: streamed while in progress, or grown too large for a block.
 */
typedef struct LargeTransaction {
    unsigned xid;
    int64_t number;
    int fd;            /* -1: nothing is written yet */
    int64_t bytes;     /* of the file */
    int64_t raw_bytes; /* of its records */
    int64_t changes;
    unsigned *aborted;
    size_t aborted_count, aborted_size;
    LargeRelation *relations;
    size_t relation_count, relation_size;
    UT_hash_handle hh;
} LargeTransaction;

/* A message, without the transaction's id that it has in a piece. */
typedef struct LargeItem {
    RecordType type;
    unsigned xid;
    char kind;
    const char *rest; /* behind the kind */
    size_t rest_len;
} LargeItem;

typedef enum OpenTransaction {
    OPEN_NONE,
    OPEN_SMALL,   /* in the block's buffer, from `mark` on */
    OPEN_LARGE,   /* in a file */
    OPEN_SKIPPED, /* is here already */
} OpenTransaction;

struct Spool {
    char *dir; /* <dir>/spool/<feed> */
    char *move_id;
    int feed;
    uint64_t id; /* of both */
    int dir_fd;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    SpoolSegment *segments; /* oldest first, without gaps */
    int segment_count, segment_size;
    SpoolPosition visible; /* segment and bytes up to which it is synced */
    bool woken;
    _Atomic int64_t bytes;
    _Atomic uint64_t synced;
    _Atomic uint64_t committed;
    atomic_bool rotate;

    /* writer */
    BlockCodec codec;
    Error failure; /* of writing: stays until spool_restart() */
    int fd;        /* of the last segment, -1: a new one is begun at the next block */
    int64_t fd_bytes, fd_synced;
    int64_t next_large;
    char *block;
    size_t used, block_size;
    unsigned block_flags;
    Lsn block_first;
    Lsn end;                 /* of what is here, synced or not */
    Lsn commit_end;          /* of the last transaction */
    SpoolLarge *block_large; /* what the block refers to */
    int block_large_count, block_large_size;
    size_t quiet_at; /* of the block's last record, where that is a quiet position; SIZE_MAX */
    KnownRelation *relations;
    OpenTransaction open;
    size_t mark, mark_quiet; /* where it begins, and quiet_at then */
    int64_t changes;
    SpoolEnds open_ends;
    LargeTransaction *large;    /* OPEN_LARGE */
    LargeTransaction *streamed; /* in progress, by xid */
    LargeTransaction *piece;    /* the one whose piece is open */
    LargeTransaction *buffered; /* whose bytes `tail` holds */
    char *tail;                 /* BLOCK_RAW_BYTES */
    size_t tail_used;
    Arena *arena;
};

char *spool_segment_path(const Spool *spool, int64_t number, char path[SPOOL_PATH_BYTES]);
char *spool_large_path(const Spool *spool, int64_t number, char path[SPOOL_PATH_BYTES]);

/* Grows an array so that one more has room. */
void *spool_grow(void *items, size_t count, size_t *size, size_t each);
void *spool_alloc(size_t size);

/* A segment that follows the others; under the lock. */
SpoolSegment *spool_add_segment(Spool *spool, int64_t number);
void spool_segment_clear(SpoolSegment *segment);
void spool_segment_refer(SpoolSegment *segment, SpoolLarge large);
bool spool_sync_dir(Spool *spool, Error *err) MUST_USE;

/* spool_scan.c: what is there, into the list of segments. */
bool spool_scan(Spool *spool, Error *err) MUST_USE;

/* The next record of `raw`, from *at on. False with why at a record that does not fit; at the end
 * *at == len and the type is 0. */
bool record_next(const char *raw, size_t len, size_t *at, Record *ret, const char **why);
bool record_parse_ends(const Record *record, SpoolEnds *ret);
bool record_parse_large(const Record *record, LargeRecord *ret);
/* "spool segment 3, offset 4711: ..." */
bool spool_damaged(const Spool *spool, const char *what, int64_t number, int64_t offset,
                   const char *why, Error *err);

/* spool_large.c: writing transactions in files of their own. */
LargeTransaction *large_new(Spool *spool, unsigned xid);
void large_free(LargeTransaction *large);
/* Removes the file as well. Accepts NULL. */
void large_discard(Spool *spool, LargeTransaction *large);
bool large_put(Spool *spool, LargeTransaction *large, const LargeItem *item, Error *err) MUST_USE;
void large_learn(LargeTransaction *large, const LargeItem *item);
/* Writes out what is buffered, so that the buffer is free for another. */
bool large_flush(Spool *spool, Error *err) MUST_USE;
void large_abort(LargeTransaction *large, unsigned subxid);
/* Everything on disk, name included. *ret_data_bytes: where the aborted ids begin. */
bool large_finish(Spool *spool, LargeTransaction *large, int64_t *ret_data_bytes,
                  Error *err) MUST_USE;
