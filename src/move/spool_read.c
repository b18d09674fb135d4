/*
 * The reader: follows the writer through blocks that are synced. See spool.c.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "move/spool_internal.h"

/* Every description that ever came, so that the same is the same pointer. */
typedef struct Description {
    struct Description *next; /* of the same table */
    PgRelation relation;
    const char *message;
    size_t len;
} Description;

typedef struct Table {
    unsigned oid;
    Description *all;
    const PgRelation *known; /* NULL: not described where we are */
    const PgRelation *large; /* within the large transaction that is being read */
    UT_hash_handle hh;
} Table;

typedef enum Inside {
    INSIDE_NONE,
    INSIDE_SMALL,
    INSIDE_LARGE,
} Inside;

/* The file of a large transaction. */
typedef struct LargeReader {
    int fd; /* -1: none */
    LargeRecord record;
    int64_t offset; /* of the next block */
    int64_t left;   /* bytes of records that are still to come */
    char *raw;      /* BLOCK_RAW_BYTES, what is at hand of the current block */
    size_t raw_len, raw_at;
    unsigned *aborted; /* sorted */
    size_t aborted_count;
    char *joined; /* a record over several blocks */
    size_t joined_size;
} LargeReader;

struct SpoolReader {
    Spool *spool;
    Lsn from;
    BlockCodec codec;
    int fd; /* of the segment, -1: none yet */
    int64_t segment;
    int64_t offset; /* of the next block */
    int64_t block;  /* of the one at hand */
    char *raw;
    size_t raw_size, raw_len, at;
    Inside inside;
    bool skips; /* the transaction at hand is before `from` */
    SpoolEnds ends;
    LargeReader large;
    Table *tables;
    Arena *described; /* lives as long as the reader */
    Arena *arena;     /* of one item */
    PgOutput message;
};

/* ---- relations ---- */

static Table *find_table(SpoolReader *reader, unsigned oid)
{
    Table *found = NULL;

    HASH_FIND(hh, reader->tables, &oid, sizeof oid, found);
    if (!found) {
        found = memory_zeroed(1, sizeof *found);
        found->oid = oid;
        HASH_ADD(hh, reader->tables, oid, sizeof found->oid, found);
    }
    return found;
}

static const PgRelation *describe(SpoolReader *reader, Table *table, const PgRelation *relation,
                                  const char *message, size_t len)
{
    for (Description *at = table->all; at; at = at->next)
        if (at->len == len && memcmp(at->message, message, len) == 0)
            return &at->relation;

    Description *added = arena_alloc(reader->described, sizeof *added);
    *added = (Description){.next = table->all,
                           .relation = *relation,
                           .message = arena_strndup(reader->described, message, len),
                           .len = len};
    table->all = added;
    return &added->relation;
}

static bool learn(SpoolReader *reader, const char *message, size_t len, bool large, Error *err)
{
    PgOutput decoded = {0};

    arena_reset(reader->arena);
    if (!pgoutput_decode(reader->arena, message, len, false, &decoded, err))
        return false;
    if (decoded.kind != PGOUTPUT_RELATION)
        return error_set(err, ERR_FORMAT, "a record that should describe a table does not");

    Table *table = find_table(reader, decoded.relation.oid);
    bool is_new = true;
    for (const Description *at = table->all; at && is_new; at = at->next)
        is_new = !(at->len == len && memcmp(at->message, message, len) == 0);
    /* Once more, into what stays. */
    if (is_new && !pgoutput_decode(reader->described, message, len, false, &decoded, err))
        return false;
    const PgRelation *known = describe(reader, table, &decoded.relation, message, len);
    if (large)
        table->large = known;
    else
        table->known = known;
    return true;
}

static void forget_known(SpoolReader *reader)
{
    for (Table *table = reader->tables; table; table = table->hh.next)
        table->known = table->large = NULL;
}

static void forget_large(SpoolReader *reader)
{
    for (Table *table = reader->tables; table; table = table->hh.next)
        table->large = NULL;
}

static bool find_relation(SpoolReader *reader, unsigned oid, const PgRelation **ret, Error *err)
{
    Table *table = NULL;

    HASH_FIND(hh, reader->tables, &oid, sizeof oid, table);
    *ret = !table ? NULL : table->large ? table->large : table->known;
    return *ret || error_set(err, ERR_FORMAT, "a change of table %u, which was not described", oid);
}

/* ---- segments ---- */

static bool damaged(SpoolReader *reader, const char *why, Error *err)
{
    return spool_damaged(reader->spool, "segment", reader->segment, reader->block, why, err);
}

/* Adds where it is to an error of a record's content. */
static bool damaged_record(SpoolReader *reader, Error *err)
{
    Error cause = *err;

    return cause.code == ERR_FORMAT ? damaged(reader, cause.message, err) : false;
}

static bool open_segment(SpoolReader *reader, int64_t number, Error *err)
{
    char path[SPOOL_PATH_BYTES];

    int fd = open(spool_segment_path(reader->spool, number, path), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(err, ERR_WRONG_STATE, "segment %" PRId64 " of \"%s\" is gone", number,
                         reader->spool->dir);
    if (fd < 0)
        return error_set_errno(err, "open \"%s\"", path);
    file_close(&reader->fd);
    reader->fd = fd;
    reader->segment = number;
    reader->offset = reader->block = 0;
    reader->raw_len = reader->at = 0;
    /* It describes again what is known. */
    forget_known(reader);
    return true;
}

static bool load_payload(SpoolReader *reader, const Block *block, Error *err)
{
    const char *why = NULL;

    if (reader->raw_size < block->raw) {
        free(reader->raw);
        reader->raw_size = block->raw;
        reader->raw = memory_zeroed(1, reader->raw_size);
    }
    reader->raw_len = reader->at = 0;
    if (!block_read_payload(&reader->codec, reader->fd, block, reader->raw, &why, err))
        return error_add_context(err, "spool \"%s\"", reader->spool->dir);
    if (why)
        return damaged(reader, why, err);
    reader->raw_len = block->raw;
    return true;
}

static bool load_header(SpoolReader *reader, int64_t limit, Block *ret, Error *err)
{
    const char *why = NULL;

    reader->block = reader->offset;
    if (!block_read_header(reader->fd, reader->offset, limit, ret, &why, err))
        return error_add_context(err, "spool \"%s\"", reader->spool->dir);
    if (!why && (ret->kind != BLOCK_SEGMENT || ret->spool != reader->spool->id ||
                 ret->file != reader->segment))
        why = "a block of another file";
    return why ? damaged(reader, why, err) : true;
}

/* How far the segment at hand may be read; whether another one follows it. */
static bool find_limit(SpoolReader *reader, int64_t *ret_limit, bool *ret_follows, Error *err)
{
    Spool *spool = reader->spool;
    struct stat info;

    (void)pthread_mutex_lock(&spool->lock);
    SpoolPosition visible = spool->visible;
    (void)pthread_mutex_unlock(&spool->lock);
    *ret_follows = visible.segment > reader->segment;
    *ret_limit = visible.offset;
    if (!*ret_follows)
        return true;
    if (fstat(reader->fd, &info) < 0)
        /* not run: a file that is open can be asked */
        return error_set_errno(err, "read a segment of \"%s\"", spool->dir);
    *ret_limit = info.st_size;
    return true;
}

/* The segment with the first thing that is not before `from`; 0: there is none at all. */
static int64_t first_segment(SpoolReader *reader)
{
    Spool *spool = reader->spool;
    int64_t found = 0;

    (void)pthread_mutex_lock(&spool->lock);
    for (int i = 0; i < spool->segment_count; i++) {
        found = spool->segments[i].number;
        if (spool->segments[i].last > reader->from)
            break;
    }
    (void)pthread_mutex_unlock(&spool->lock);
    return found;
}

/* *ret false: nothing is there yet. */
static bool load_block(SpoolReader *reader, bool *ret, Error *err)
{
    int64_t limit = 0;
    bool follows = false;

    *ret = false;
    if (reader->fd < 0) {
        int64_t number = first_segment(reader);
        if (number == 0)
            return true;
        if (!open_segment(reader, number, err))
            return false;
    }
    for (;;) {
        Block block = {0};
        if (!find_limit(reader, &limit, &follows, err))
            return false;
        if (reader->offset >= limit && !follows)
            return true;
        if (reader->offset >= limit) {
            if (!open_segment(reader, reader->segment + 1, err))
                return false;
            continue;
        }
        if (!load_header(reader, limit, &block, err))
            return false;
        bool wanted = block.last > reader->from || (block.flags & BLOCK_HAS_RELATIONS);
        if (wanted && !load_payload(reader, &block, err))
            return false;
        reader->offset += BLOCK_HEADER_BYTES + (int64_t)block.stored;
        *ret = wanted;
        if (wanted)
            return true;
    }
}

/* ---- large transactions ---- */

static bool large_damaged(SpoolReader *reader, int64_t offset, const char *why, Error *err)
{
    return spool_damaged(reader->spool, "transaction", reader->large.record.number, offset, why,
                         err);
}

static void large_close(SpoolReader *reader)
{
    LargeReader *large = &reader->large;

    file_close(&large->fd);
    free(large->aborted);
    large->aborted = NULL;
    large->aborted_count = 0;
    forget_large(reader);
}

static bool large_load(SpoolReader *reader, BlockKind kind, int64_t limit, Error *err)
{
    LargeReader *large = &reader->large;
    const char *why = NULL;
    Block block = {0};

    if (!block_read_header(large->fd, large->offset, limit, &block, &why, err))
        return error_add_context(err, "spool \"%s\"", reader->spool->dir);
    if (!why && (block.kind != kind || block.spool != reader->spool->id ||
                 block.file != large->record.number || block.raw > BLOCK_RAW_BYTES))
        why = "a block of another file";
    if (!why && !block_read_payload(&reader->codec, large->fd, &block, large->raw, &why, err))
        return error_add_context(err, "spool \"%s\"", reader->spool->dir);
    if (why)
        return large_damaged(reader, large->offset, why, err);
    large->offset += BLOCK_HEADER_BYTES + (int64_t)block.stored;
    large->raw_len = block.raw;
    large->raw_at = 0;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    unsigned left = *(const unsigned *)a;
    unsigned right = *(const unsigned *)b;

    return (left > right) - (left < right);
}

static bool read_aborted(SpoolReader *reader, int64_t size, Error *err)
{
    LargeReader *large = &reader->large;
    size_t room = 0;

    large->offset = large->record.data_bytes;
    while (large->offset < size) {
        if (!large_load(reader, BLOCK_ABORTED, size, err))
            return false;
        for (size_t at = 0; at + 4 <= large->raw_len; at += 4) {
            large->aborted =
                spool_grow(large->aborted, large->aborted_count, &room, sizeof *large->aborted);
            large->aborted[large->aborted_count++] = get_u32(large->raw + at);
        }
    }
    if (large->aborted_count > 1)
        qsort(large->aborted, large->aborted_count, sizeof *large->aborted, compare_ids);
    return true;
}

static bool large_open(SpoolReader *reader, const LargeRecord *record, Error *err)
{
    LargeReader *large = &reader->large;
    char path[SPOOL_PATH_BYTES];
    struct stat info;

    large->record = *record;
    large->left = record->raw_bytes;
    large->fd = open(spool_large_path(reader->spool, record->number, path), O_RDONLY | O_CLOEXEC);
    if (large->fd < 0 || fstat(large->fd, &info) < 0)
        return error_set_errno(err, "open \"%s\"", path);
    if (!large->raw)
        large->raw = memory_zeroed(1, BLOCK_RAW_BYTES);
    if (info.st_size != record->file_bytes)
        return large_damaged(reader, info.st_size, "the file has another length than it should",
                             err);
    if (!read_aborted(reader, info.st_size, err))
        return false;
    large->offset = 0;
    large->raw_len = large->raw_at = 0;
    return true;
}

/* The next `len` bytes of the records, in one piece. Memory is taken only for what is there. */
static bool large_take(SpoolReader *reader, size_t len, const char **ret, Error *err)
{
    LargeReader *large = &reader->large;
    size_t got = 0;

    assert(len > 0);
    if ((int64_t)len > large->left)
        return large_damaged(reader, large->offset, "it ends within a record", err);
    large->left -= (int64_t)len;
    if (large->raw_len - large->raw_at >= len) {
        *ret = large->raw + large->raw_at;
        large->raw_at += len;
        return true;
    }
    while (got < len) {
        if (large->raw_at == large->raw_len &&
            !large_load(reader, BLOCK_LARGE, large->record.data_bytes, err))
            return false;
        size_t part = large->raw_len - large->raw_at;
        part = len - got < part ? len - got : part;
        if (part == 0)
            continue;
        if (large->joined_size < got + part) {
            large->joined_size =
                large->joined_size * 2 > got + part ? large->joined_size * 2 : got + part;
            large->joined = memory_resized(large->joined, 1, large->joined_size);
        }
        memcpy(large->joined + got, large->raw + large->raw_at, part);
        large->raw_at += part;
        got += part;
    }
    *ret = large->joined;
    return true;
}

static bool large_is_kept(const LargeReader *large, unsigned xid)
{
    return large->aborted_count == 0 ||
           !bsearch(&xid, large->aborted, large->aborted_count, sizeof xid, compare_ids);
}

/* ---- items ---- */

static bool give_change(SpoolReader *reader, const char *data, size_t len, SpoolItem *ret,
                        Error *err)
{
    PgOutput *message = &reader->message;

    arena_reset(reader->arena);
    if (!pgoutput_decode(reader->arena, data, len, false, message, err))
        return false;
    SpoolItem item = {.kind = SPOOL_CHANGE,
                      .commit = reader->ends.commit,
                      .end = reader->ends.end,
                      .time = reader->ends.time,
                      .xid = reader->ends.xid,
                      .message = message};
    switch (message->kind) {
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        if (!find_relation(reader, message->oid, &item.relation, err))
            return false;
        break;
    case PGOUTPUT_TRUNCATE: {
        const PgRelation **relations =
            arena_array(reader->arena, (size_t)message->oid_count, sizeof(PgRelation *));
        for (int i = 0; i < message->oid_count; i++)
            if (!find_relation(reader, message->oids[i], &relations[i], err))
                return false;
        item.relations = relations;
        break;
    }
    case PGOUTPUT_MESSAGE:
        break;
    default:
        return error_set(err, ERR_FORMAT, "a record that should hold a change does not");
    }
    *ret = item;
    return true;
}

static SpoolItem frame_item(const SpoolReader *reader, SpoolKind kind)
{
    return (SpoolItem){.kind = kind,
                       .commit = reader->ends.commit,
                       .end = reader->ends.end,
                       .time = reader->ends.time,
                       .xid = reader->ends.xid};
}

/* Leaves ret alone where a record gives no item. */
static bool large_step(SpoolReader *reader, SpoolItem *ret, Error *err)
{
    LargeReader *large = &reader->large;
    const char *bytes = NULL;

    if (large->left == 0) {
        large_close(reader);
        reader->inside = INSIDE_NONE;
        *ret = frame_item(reader, SPOOL_COMMIT);
        return true;
    }
    int64_t at = large->offset;
    if (!large_take(reader, RECORD_HEADER_BYTES, &bytes, err))
        return false;
    assert(bytes);
    RecordType type = (RecordType)(unsigned char)bytes[0];
    size_t len = get_u32(bytes + 1);
    if (len < 5)
        return large_damaged(reader, at, "a record that is too short", err);
    if (!large_take(reader, len, &bytes, err))
        return false;
    if (!large_is_kept(large, get_u32(bytes)))
        return true;

    bool ok = false;
    if (type == RECORD_RELATION)
        ok = learn(reader, bytes + 4, len - 4, true, err);
    else if (type == RECORD_DATA)
        ok = give_change(reader, bytes + 4, len - 4, ret, err);
    else
        return large_damaged(reader, at, "a record of an unknown kind", err);
    if (ok)
        return true;
    Error cause = *err;
    return cause.code == ERR_FORMAT ? large_damaged(reader, at, cause.message, err) : false;
}

static void give_begin(SpoolReader *reader, size_t record_at, SpoolItem *ret)
{
    *ret = frame_item(reader, SPOOL_BEGIN);
    ret->position =
        (SpoolPosition){reader->segment, reader->block << POSITION_SHIFT | (int64_t)record_at};
}

static bool small_record(SpoolReader *reader, const Record *record, SpoolItem *ret, Error *err)
{
    switch (record->type) {
    case RECORD_DATA:
        return reader->skips || give_change(reader, record->body, record->len, ret, err);
    case RECORD_COMMIT:
        reader->inside = INSIDE_NONE;
        if (!reader->skips)
            *ret = frame_item(reader, SPOOL_COMMIT);
        return true;
    default:
        return error_set(err, ERR_FORMAT, "a record that does not belong into a transaction");
    }
}

/* What is wrong is said with its place, which may be in the transaction's own file. */
static bool begin_large(SpoolReader *reader, const Record *record, size_t at, SpoolItem *ret,
                        Error *err)
{
    LargeRecord large = {0};

    if (!record_parse_large(record, &large))
        return damaged(reader, "a record is not whole", err);
    if (large.ends.commit < reader->from)
        return true;
    reader->ends = large.ends;
    if (!large_open(reader, &large, err)) {
        large_close(reader);
        return false;
    }
    reader->inside = INSIDE_LARGE;
    give_begin(reader, at, ret);
    return true;
}

static bool outer_record(SpoolReader *reader, const Record *record, size_t at, SpoolItem *ret,
                         Error *err)
{
    switch (record->type) {
    case RECORD_SEGMENT:
        return true;
    case RECORD_QUIET:
        if (record->len != 8)
            return error_set(err, ERR_FORMAT, "a record is not whole");
        reader->ends = (SpoolEnds){.end = get_u64(record->body)};
        if (reader->ends.end <= reader->from)
            return true;
        give_begin(reader, at, ret);
        ret->kind = SPOOL_QUIET;
        return true;
    case RECORD_BEGIN:
        if (!record_parse_ends(record, &reader->ends))
            return error_set(err, ERR_FORMAT, "a record is not whole");
        reader->inside = INSIDE_SMALL;
        reader->skips = reader->ends.commit < reader->from;
        if (!reader->skips)
            give_begin(reader, at, ret);
        return true;
    default:
        return error_set(err, ERR_FORMAT, "a record of an unknown kind");
    }
}

/* A record of the block at hand. */
static bool step(SpoolReader *reader, SpoolItem *ret, Error *err)
{
    size_t at = reader->at;
    const char *why = NULL;
    Record record = {0};

    if (!record_next(reader->raw, reader->raw_len, &reader->at, &record, &why))
        return damaged(reader, why, err);
    bool ok = false;
    if (record.type == RECORD_RELATION)
        ok = learn(reader, record.body, record.len, false, err);
    else if (reader->inside == INSIDE_SMALL)
        ok = small_record(reader, &record, ret, err);
    else if (record.type == RECORD_LARGE)
        return begin_large(reader, &record, at, ret, err);
    else
        ok = outer_record(reader, &record, at, ret, err);
    if (ok && reader->at == reader->raw_len && reader->inside == INSIDE_SMALL)
        return damaged(reader, "a transaction does not end where it should", err);
    return ok || damaged_record(reader, err);
}

/* ---- waiting ---- */

static bool is_more(const SpoolReader *reader)
{
    const SpoolPosition *visible = &reader->spool->visible;

    return reader->fd < 0 ? visible->segment > 0
                          : visible->segment > reader->segment || visible->offset > reader->offset;
}

/* False: the time is over, or somebody woke us. */
static bool wait_for_more(SpoolReader *reader, const struct timespec *deadline)
{
    Spool *spool = reader->spool;
    int failed = 0;

    (void)pthread_mutex_lock(&spool->lock);
    while (!is_more(reader) && !spool->woken && !failed)
        failed = pthread_cond_timedwait(&spool->changed, &spool->lock, deadline);
    bool more = is_more(reader) && !spool->woken;
    spool->woken = false;
    (void)pthread_mutex_unlock(&spool->lock);
    return more;
}

/* ---- the interface ---- */

/* What is wanted has not been pruned. */
static bool check_begin(Spool *spool, Lsn from, Error *err)
{
    char base[LSN_TEXT_SIZE];
    char wanted[LSN_TEXT_SIZE];

    (void)pthread_mutex_lock(&spool->lock);
    Lsn first = spool->segment_count > 0 ? spool->segments[0].base : 0;
    (void)pthread_mutex_unlock(&spool->lock);
    if (from == 0 || first <= from)
        return true;
    return error_set(err, ERR_WRONG_STATE,
                     "the spool \"%s\" begins at %s: what follows %s is no longer there",
                     spool->dir, lsn_text(first, base), lsn_text(from, wanted));
}

bool spool_read(Spool *spool, Lsn from, SpoolReader **ret, Error *err)
{
    if (!check_begin(spool, from, err))
        return false;

    SpoolReader *reader = memory_zeroed(1, sizeof *reader);
    reader->spool = spool;
    reader->from = from;
    reader->fd = -1;
    reader->large.fd = -1;
    reader->described = arena_new();
    reader->arena = arena_new();
    *ret = reader;
    return true;
}

void spool_reader_close(SpoolReader *reader)
{
    Table *table = NULL;
    Table *next = NULL;

    if (!reader)
        return;
    large_close(reader);
    free(reader->large.raw);
    free(reader->large.joined);
    table = reader->tables;
    HASH_CLEAR(hh, reader->tables);
    for (; table; table = next) {
        next = table->hh.next;
        free(table);
    }
    block_codec_clear(&reader->codec);
    file_close(&reader->fd);
    free(reader->raw);
    arena_free(reader->described);
    arena_free(reader->arena);
    free(reader);
}

bool spool_next(SpoolReader *reader, int timeout_ms, SpoolItem *ret, Error *err)
{
    struct timespec deadline = clock_after_ms(timeout_ms > 0 ? timeout_ms : 0);
    SpoolItem item = {.kind = SPOOL_NOTHING};

    while (item.kind == SPOOL_NOTHING) {
        bool loaded = true;
        if (reader->inside == INSIDE_LARGE) {
            if (!large_step(reader, &item, err))
                return false;
            continue;
        }
        if (reader->at < reader->raw_len) {
            if (!step(reader, &item, err))
                return false;
            continue;
        }
        if (!load_block(reader, &loaded, err))
            return false;
        if (!loaded && !wait_for_more(reader, &deadline))
            break;
    }
    *ret = item;
    return true;
}

/* Describes what was described up to there. */
static bool replay_relations(SpoolReader *reader, int64_t block_offset, Error *err)
{
    int64_t limit = 0;
    bool follows = false;
    Block block = {0};

    if (!find_limit(reader, &limit, &follows, err))
        return false;
    for (;;) {
        if (reader->offset >= limit || reader->offset > block_offset)
            return error_set(err, ERR_WRONG_STATE, "no transaction begins there in the spool");
        if (!load_header(reader, limit, &block, err))
            return false;
        reader->offset += BLOCK_HEADER_BYTES + (int64_t)block.stored;
        if (reader->block == block_offset)
            return load_payload(reader, &block, err);
        if (!(block.flags & BLOCK_HAS_RELATIONS))
            continue;
        if (!load_payload(reader, &block, err))
            return false;
        for (SpoolItem unused; reader->at < reader->raw_len;) {
            const char *why = NULL;
            Record record = {0};
            (void)unused;
            if (!record_next(reader->raw, reader->raw_len, &reader->at, &record, &why))
                return damaged(reader, why, err);
            if (record.type == RECORD_RELATION &&
                !learn(reader, record.body, record.len, false, err))
                return damaged_record(reader, err);
        }
    }
}

bool spool_seek(SpoolReader *reader, SpoolPosition position, Error *err)
{
    int64_t block_offset = position.offset >> POSITION_SHIFT;
    size_t wanted = (size_t)(position.offset & ((1 << POSITION_SHIFT) - 1));

    large_close(reader);
    reader->inside = INSIDE_NONE;
    if (!open_segment(reader, position.segment, err) ||
        !replay_relations(reader, block_offset, err))
        return false;
    while (reader->at < wanted && reader->at < reader->raw_len) {
        const char *why = NULL;
        Record record = {0};
        if (!record_next(reader->raw, reader->raw_len, &reader->at, &record, &why))
            return damaged(reader, why, err);
        if (record.type == RECORD_RELATION && !learn(reader, record.body, record.len, false, err))
            return damaged_record(reader, err);
    }
    return reader->at == wanted ||
           error_set(err, ERR_WRONG_STATE, "no transaction begins there in the spool");
}
