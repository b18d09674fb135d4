/*
 * The writer: messages into blocks, blocks into segments. See spool.c.
 *
 * What may be confirmed (rule 10). The server keeps what it needs to send every transaction
 * whose commit record begins at or behind what we confirmed, from that transaction's very first
 * change on, and sends exactly those after START_REPLICATION there: SnapBuildXactNeedsSkip()
 * compares the commit's position, and restart_lsn stays before the first change of whatever was
 * running. So confirming the end of our last transaction loses nothing of those that are in
 * progress, streamed ones included: pieces of them that we have do not count, they come again from
 * the start. A keepalive's position is what the server has decoded wholly: everything that commits
 * before it has been sent before it. It may thus be confirmed as well, also while streamed
 * transactions are in progress, whose commits are still to come, behind it. Only in the middle of a
 * transaction or of a piece it is not looked at: a server has no reason to say more there than
 * before, and we none to trust it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "move/spool_internal.h"

enum {
    STARTS_BYTES = 2 * BLOCK_RAW_BYTES
};

/* ---- the block's buffer ---- */

static char *block_reserve(Spool *spool, size_t len)
{
    if (spool->block_size - spool->used < len) {
        size_t size = spool->block_size ? spool->block_size * 2 : (size_t)2 * BLOCK_RAW_BYTES;
        while (size - spool->used < len)
            size *= 2;
        spool->block = memory_resized(spool->block, 1, size);
        spool->block_size = size;
    }
    char *at = spool->block + spool->used;
    spool->used += len;
    return at;
}

static char *add_record(Spool *spool, RecordType type, const char *body, size_t len)
{
    char *at = block_reserve(spool, RECORD_HEADER_BYTES + len);

    at[0] = (char)type;
    put_u32(at + 1, (uint32_t)len);
    if (body)
        memcpy(at + RECORD_HEADER_BYTES, body, len);
    spool->quiet_at = SIZE_MAX;
    return at + RECORD_HEADER_BYTES;
}

static void put_ends(char *at, const SpoolEnds *ends)
{
    put_u64(at, ends->commit);
    put_u64(at + 8, ends->end);
    put_u64(at + 16, (uint64_t)ends->time);
    put_u32(at + 24, ends->xid);
}

/* ---- segments ---- */

/* A block that begins a segment, from what is given, not from the buffer. */
static bool write_start(Spool *spool, const char *raw, size_t len, Error *err)
{
    Block block = {.kind = BLOCK_SEGMENT,
                   .flags = BLOCK_HAS_RELATIONS,
                   .spool = spool->id,
                   .file = spool->visible.segment + 1,
                   .offset = spool->fd_bytes};

    if (!block_write(&spool->codec, spool->fd, &block, raw, len, err))
        return error_add_context(err, "spool \"%s\"", spool->dir);
    spool->fd_bytes += BLOCK_HEADER_BYTES + (int64_t)block.stored;
    atomic_fetch_add(&spool->bytes, BLOCK_HEADER_BYTES + (int64_t)block.stored);
    return true;
}

/* Whose it is, what was before, and every relation known. */
static bool write_starts(Spool *spool, Error *err)
{
    char *raw = memory_zeroed(1, STARTS_BYTES);
    size_t id_len = strlen(spool->move_id);
    size_t used = RECORD_HEADER_BYTES + 12 + id_len;
    bool ok = true;

    raw[0] = RECORD_SEGMENT;
    put_u32(raw + 1, (uint32_t)(12 + id_len));
    put_u32(raw + RECORD_HEADER_BYTES, (uint32_t)spool->feed);
    put_u64(raw + RECORD_HEADER_BYTES + 4, atomic_load(&spool->synced));
    memcpy(raw + RECORD_HEADER_BYTES + 12, spool->move_id, id_len);
    for (const KnownRelation *known = spool->relations; known && ok; known = known->hh.next) {
        if (used + RECORD_HEADER_BYTES + known->len > BLOCK_RAW_BYTES) {
            ok = write_start(spool, raw, used, err);
            used = 0;
        }
        if (used + RECORD_HEADER_BYTES + known->len > STARTS_BYTES)
            continue; /* more than 1600 columns can take */
        raw[used] = RECORD_RELATION;
        put_u32(raw + used + 1, (uint32_t)known->len);
        memcpy(raw + used + RECORD_HEADER_BYTES, known->message, known->len);
        used += RECORD_HEADER_BYTES + known->len;
    }
    ok = ok && write_start(spool, raw, used, err);
    free(raw);
    return ok;
}

static bool begin_segment(Spool *spool, Error *err)
{
    int64_t number = spool->visible.segment + 1;
    char path[SPOOL_PATH_BYTES];

    spool->fd = open(spool_segment_path(spool, number, path),
                     O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (spool->fd < 0)
        return error_set_errno(err, "create \"%s\"", path);
    spool->fd_bytes = 0;
    spool->fd_synced = 0;
    atomic_store(&spool->rotate, false);
    return write_starts(spool, err) && spool_sync_dir(spool, err);
}

/* Everything whole is on the disk: tell the reader. */
static void publish(Spool *spool, int64_t number)
{
    (void)pthread_mutex_lock(&spool->lock);
    if (spool->segment_count == 0 || spool->segments[spool->segment_count - 1].number != number)
        spool_add_segment(spool, number)->base = atomic_load(&spool->synced);
    SpoolSegment *segment = &spool->segments[spool->segment_count - 1];
    segment->bytes = spool->fd_bytes;
    segment->last = spool->end;
    for (int i = 0; i < spool->block_large_count; i++)
        spool_segment_refer(segment, spool->block_large[i]);
    spool->block_large_count = 0;
    spool->visible = (SpoolPosition){number, spool->fd_bytes};
    atomic_store(&spool->committed, spool->commit_end);
    atomic_store(&spool->synced, spool->end);
    (void)pthread_cond_broadcast(&spool->changed);
    (void)pthread_mutex_unlock(&spool->lock);
}

static int64_t writing_number(const Spool *spool)
{
    return spool->fd_synced > 0 ? spool->visible.segment : spool->visible.segment + 1;
}

static bool sync_segment(Spool *spool, Error *err)
{
    if (spool->fd < 0 || spool->fd_bytes == spool->fd_synced)
        return true;
    if (fdatasync(spool->fd) < 0)
        return error_set_errno(err, "sync segment %" PRId64 " of \"%s\"", writing_number(spool),
                               spool->dir);
    publish(spool, writing_number(spool));
    spool->fd_synced = spool->fd_bytes;
    return true;
}

static void close_segment(Spool *spool)
{
    file_close(&spool->fd);
    spool->fd_bytes = 0;
    spool->fd_synced = 0;
}

static size_t whole_bytes(const Spool *spool)
{
    return spool->open == OPEN_SMALL ? spool->mark : spool->used;
}

/* What is whole in the buffer goes to the file, what is open stays. */
static bool write_block(Spool *spool, Error *err)
{
    size_t len = whole_bytes(spool);

    if (len == 0)
        return true;
    /* All that is in it is applied: what comes now must not keep it. */
    if (spool->fd >= 0 && atomic_load(&spool->rotate) && spool->fd_bytes == spool->fd_synced)
        close_segment(spool);
    if (spool->fd < 0 && !begin_segment(spool, err))
        return false;
    Block block = {.kind = BLOCK_SEGMENT,
                   .flags = spool->block_flags,
                   .spool = spool->id,
                   .file = writing_number(spool),
                   .offset = spool->fd_bytes,
                   .synced = spool->fd_synced,
                   .first = spool->block_first,
                   .last = spool->end};
    if (!block_write(&spool->codec, spool->fd, &block, spool->block, len, err))
        return error_add_context(err, "spool \"%s\"", spool->dir);
    int64_t size = BLOCK_HEADER_BYTES + (int64_t)block.stored;
    spool->fd_bytes += size;
    atomic_fetch_add(&spool->bytes, size);
    memmove(spool->block, spool->block + len, spool->used - len);
    spool->used -= len;
    spool->mark = 0;
    spool->block_flags = 0;
    spool->block_first = 0;
    spool->quiet_at = spool->mark_quiet = SIZE_MAX;
    return true;
}

static bool end_full_segment(Spool *spool, Error *err)
{
    if (spool->fd < 0 || spool->used > 0 || spool->fd_bytes < SEGMENT_BYTES)
        return true;
    if (!sync_segment(spool, err))
        return false;
    close_segment(spool);
    return true;
}

/* Between transactions. */
static bool write_full_block(Spool *spool, Error *err)
{
    if (spool->used < BLOCK_RAW_BYTES)
        return true;
    return write_block(spool, err) && end_full_segment(spool, err);
}

/* ---- relations ---- */

static void know_relation(Spool *spool, const char *message, size_t len)
{
    KnownRelation *known = NULL;
    unsigned oid = 0;

    memcpy(&oid, message + 1, sizeof oid);
    HASH_FIND(hh, spool->relations, &oid, sizeof oid, known);
    if (!known) {
        known = memory_zeroed(1, sizeof *known);
        known->oid = oid;
        HASH_ADD(hh, spool->relations, oid, sizeof oid, known);
    }
    free(known->message);
    known->message = memory_zeroed(1, len);
    known->len = len;
    memcpy(known->message, message, len);
}

static void add_relation(Spool *spool, const char *message, size_t len)
{
    (void)add_record(spool, RECORD_RELATION, message, len);
    spool->block_flags |= BLOCK_HAS_RELATIONS;
}

/* ---- transactions ---- */

static bool decode(Spool *spool, const char *data, size_t len, PgOutput *ret, Error *err)
{
    arena_reset(spool->arena);
    return pgoutput_decode(spool->arena, data, len, spool->piece != NULL, ret, err);
}

static bool misplaced(const Spool *spool, char kind, Error *err)
{
    return error_set(err, ERR_FORMAT, "replication stream: message '%c' %s",
                     kind > ' ' && kind <= '~' ? kind : '?',
                     spool->open == OPEN_NONE ? "outside of a transaction" : "in a transaction");
}

static bool begin(Spool *spool, const PgOutput *message, Error *err)
{
    if (spool->open != OPEN_NONE)
        return misplaced(spool, PGOUTPUT_BEGIN, err);
    spool->open_ends =
        (SpoolEnds){.commit = message->commit, .time = message->time, .xid = message->xid};
    spool->changes = 0;
    /* Whatever commits before our end is here: pg/lsn.h. */
    if (message->commit < spool->end) {
        spool->open = OPEN_SKIPPED;
        return true;
    }
    spool->open = OPEN_SMALL;
    spool->mark = spool->used;
    spool->mark_quiet = spool->quiet_at;
    (void)add_record(spool, RECORD_BEGIN, NULL, BEGIN_BYTES);
    return true;
}

static LargeItem plain_item(const Spool *spool, RecordType type, const char *data, size_t len)
{
    return (LargeItem){type, spool->open_ends.xid, data[0], data + 1, len - 1};
}

/* It has grown too large for a block. */
static bool spill(Spool *spool, Error *err)
{
    size_t from = spool->mark + RECORD_HEADER_BYTES + BEGIN_BYTES;
    Record record = {0};
    const char *why = NULL;

    spool->large = large_new(spool, spool->open_ends.xid);
    spool->open = OPEN_LARGE;
    while (record_next(spool->block, spool->used, &from, &record, &why) && record.type) {
        LargeItem item = plain_item(spool, record.type, record.body, record.len);
        if (!large_put(spool, spool->large, &item, err))
            return false;
        if (record.type == RECORD_RELATION)
            large_learn(spool->large, &item);
    }
    spool->used = spool->mark;
    return true;
}

static bool put_open(Spool *spool, RecordType type, const char *data, size_t len, Error *err)
{
    if (spool->open == OPEN_LARGE) {
        LargeItem item = plain_item(spool, type, data, len);
        return large_put(spool, spool->large, &item, err);
    }
    if (spool->used - spool->mark + len > SPILL_BYTES)
        return spill(spool, err) && put_open(spool, type, data, len, err);
    if (type == RECORD_RELATION)
        add_relation(spool, data, len);
    else
        (void)add_record(spool, type, data, len);
    return true;
}

static bool relation(Spool *spool, const char *data, size_t len, Error *err)
{
    PgOutput message = {0};

    if (!decode(spool, data, len, &message, err))
        return false;
    know_relation(spool, data, len);
    switch (spool->open) {
    case OPEN_LARGE: {
        LargeItem item = plain_item(spool, RECORD_RELATION, data, len);
        large_learn(spool->large, &item);
        return large_put(spool, spool->large, &item, err);
    }
    case OPEN_SMALL:
        return put_open(spool, RECORD_RELATION, data, len, err);
    default:
        add_relation(spool, data, len);
        return true;
    }
}

static void add_quiet(Spool *spool, Lsn lsn)
{
    char body[8];

    put_u64(body, lsn);
    if (spool->quiet_at != SIZE_MAX) {
        memcpy(spool->block + spool->quiet_at, body, sizeof body);
    } else {
        size_t at = spool->used + RECORD_HEADER_BYTES;
        (void)add_record(spool, RECORD_QUIET, body, sizeof body);
        spool->quiet_at = at;
    }
    spool->end = lsn;
}

static void committed(Spool *spool, const SpoolEnds *ends)
{
    spool->end = ends->end;
    spool->commit_end = ends->end;
    if (!spool->block_first)
        spool->block_first = ends->commit;
}

/* Its file is complete and synced before anything refers to it. */
static bool commit_large(Spool *spool, LargeTransaction *large, const SpoolEnds *ends, Error *err)
{
    int64_t data_bytes = 0;
    char body[LARGE_BYTES];
    size_t size = (size_t)spool->block_large_size;

    if (large->changes == 0) {
        add_quiet(spool, ends->end);
        large_discard(spool, large);
        return true;
    }
    if (!large_finish(spool, large, &data_bytes, err))
        return false;
    put_ends(body, ends);
    put_u64(body + BEGIN_BYTES, (uint64_t)large->number);
    put_u64(body + BEGIN_BYTES + 8, (uint64_t)data_bytes);
    put_u64(body + BEGIN_BYTES + 16, (uint64_t)large->bytes);
    put_u64(body + BEGIN_BYTES + 24, (uint64_t)large->raw_bytes);
    (void)add_record(spool, RECORD_LARGE, body, sizeof body);
    spool->block_flags |= BLOCK_HAS_LARGE;
    spool->block_large = spool_grow(spool->block_large, (size_t)spool->block_large_count, &size,
                                    sizeof *spool->block_large);
    spool->block_large_size = (int)size;
    spool->block_large[spool->block_large_count++] = (SpoolLarge){large->number, large->bytes};
    committed(spool, ends);
    for (size_t i = 0; i < large->relation_count; i++) {
        know_relation(spool, large->relations[i].message, large->relations[i].len);
        add_relation(spool, large->relations[i].message, large->relations[i].len);
    }
    large_free(large);
    return true;
}

static void commit_small(Spool *spool, const SpoolEnds *ends)
{
    size_t begin_end = spool->mark + RECORD_HEADER_BYTES + BEGIN_BYTES;

    /* Nothing that we would have to apply: it is a position, no more. Relations come with changes.
     */
    if (spool->changes == 0 && spool->used == begin_end) {
        spool->used = spool->mark;
        spool->quiet_at = spool->mark_quiet;
        add_quiet(spool, ends->end);
        return;
    }
    put_ends(spool->block + spool->mark + RECORD_HEADER_BYTES, ends);
    (void)add_record(spool, RECORD_COMMIT, NULL, 0);
    committed(spool, ends);
}

static bool commit(Spool *spool, const PgOutput *message, Error *err)
{
    OpenTransaction open = spool->open;
    SpoolEnds ends = {message->commit, message->end, message->time, spool->open_ends.xid};

    if (open == OPEN_NONE)
        return misplaced(spool, PGOUTPUT_COMMIT, err);
    if (message->commit != spool->open_ends.commit || message->end <= message->commit)
        return error_set(err, ERR_FORMAT, "replication stream: a commit does not fit its begin");
    spool->open = OPEN_NONE;
    if (open == OPEN_SMALL)
        commit_small(spool, &ends);
    if (open == OPEN_LARGE) {
        LargeTransaction *large = spool->large;
        spool->large = NULL;
        if (!commit_large(spool, large, &ends, err)) {
            large_discard(spool, large);
            return false;
        }
    }
    return write_full_block(spool, err);
}

/* ---- transactions that are streamed while in progress ---- */

static LargeTransaction *find_streamed(Spool *spool, unsigned xid)
{
    LargeTransaction *found = NULL;

    HASH_FIND(hh, spool->streamed, &xid, sizeof xid, found);
    return found;
}

static void discard_streamed(Spool *spool, LargeTransaction *large)
{
    if (!large)
        return;
    HASH_DEL(spool->streamed, large);
    large_discard(spool, large);
}

static bool stream_start(Spool *spool, const PgOutput *message, Error *err)
{
    if (spool->open != OPEN_NONE)
        return misplaced(spool, PGOUTPUT_STREAM_START, err);
    LargeTransaction *large = find_streamed(spool, message->xid);
    if (message->first) {
        discard_streamed(spool, large);
        large = large_new(spool, message->xid);
        HASH_ADD(hh, spool->streamed, xid, sizeof large->xid, large);
    }
    if (!large)
        return error_set(err, ERR_FORMAT,
                         "replication stream: transaction %u goes on that has not begun",
                         message->xid);
    spool->piece = large;
    return true;
}

static bool stream_commit(Spool *spool, const PgOutput *message, Error *err)
{
    LargeTransaction *large = find_streamed(spool, message->xid);
    SpoolEnds ends = {message->commit, message->end, message->time, message->xid};

    if (spool->open != OPEN_NONE)
        return misplaced(spool, PGOUTPUT_STREAM_COMMIT, err);
    if (!large || message->end <= message->commit)
        return error_set(err, ERR_FORMAT,
                         "replication stream: transaction %u commits that has not begun",
                         message->xid);
    HASH_DEL(spool->streamed, large);
    if (message->commit < spool->end) {
        large_discard(spool, large);
        return true;
    }
    if (!commit_large(spool, large, &ends, err)) {
        large_discard(spool, large);
        return false;
    }
    return write_full_block(spool, err);
}

/* One that is not known: streamed in another session, its pieces are gone already. */
static void stream_abort(Spool *spool, const PgOutput *message)
{
    LargeTransaction *large = find_streamed(spool, message->xid);

    if (large && message->subxid == message->xid)
        discard_streamed(spool, large);
    else if (large)
        large_abort(large, message->subxid);
}

/* A message in a piece, kept without its transaction's id, which stands before it. */
static bool write_piece(Spool *spool, const char *data, size_t len, Error *err)
{
    PgOutput message = {0};
    RecordType type = RECORD_DATA;

    switch (data[0]) {
    case PGOUTPUT_STREAM_STOP:
        spool->piece = NULL;
        return large_flush(spool, err);
    case PGOUTPUT_TYPE:
    case PGOUTPUT_ORIGIN:
        return true;
    case PGOUTPUT_RELATION:
        type = RECORD_RELATION;
        if (!decode(spool, data, len, &message, err))
            return false;
        break;
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
    case PGOUTPUT_TRUNCATE:
    case PGOUTPUT_MESSAGE:
        break;
    default:
        return error_set(err, ERR_FORMAT,
                         "replication stream: message '%c' in a piece of a transaction",
                         data[0] > ' ' && data[0] <= '~' ? data[0] : '?');
    }
    if (len < 5)
        return decode(spool, data, len, &message, err);

    unsigned xid = (unsigned)(unsigned char)data[1] << 24 | (unsigned)(unsigned char)data[2] << 16 |
                   (unsigned)(unsigned char)data[3] << 8 | (unsigned char)data[4];
    LargeItem item = {type, xid, data[0], data + 5, len - 5};
    if (type == RECORD_RELATION)
        large_learn(spool->piece, &item);
    return large_put(spool, spool->piece, &item, err);
}

/* ---- the interface ---- */

static bool write_frame(Spool *spool, const char *data, size_t len, Error *err)
{
    PgOutput message = {0};

    if (!decode(spool, data, len, &message, err))
        return false;
    switch (message.kind) {
    case PGOUTPUT_BEGIN:
        return begin(spool, &message, err);
    case PGOUTPUT_COMMIT:
        return commit(spool, &message, err);
    case PGOUTPUT_STREAM_START:
        return stream_start(spool, &message, err);
    case PGOUTPUT_STREAM_COMMIT:
        return stream_commit(spool, &message, err);
    case PGOUTPUT_STREAM_ABORT:
        stream_abort(spool, &message);
        return true;
    default: /* types and origins say nothing that we need */
        return true;
    }
}

/* One that is not transactional came when it was written, and may come twice: nobody asks for it.
 */
static bool is_to_keep(const char *data, size_t len)
{
    return data[0] != PGOUTPUT_MESSAGE || (len > 1 && (data[1] & 1));
}

static bool write_message(Spool *spool, const char *data, size_t len, Error *err)
{
    if (spool->piece)
        return write_piece(spool, data, len, err);
    switch (data[0]) {
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
    case PGOUTPUT_TRUNCATE:
    case PGOUTPUT_MESSAGE:
        if (!is_to_keep(data, len) || spool->open == OPEN_SKIPPED)
            return true;
        if (spool->open == OPEN_NONE)
            return misplaced(spool, data[0], err);
        spool->changes++;
        return put_open(spool, RECORD_DATA, data, len, err);
    case PGOUTPUT_RELATION:
        return relation(spool, data, len, err);
    default:
        return write_frame(spool, data, len, err);
    }
}

/* Nothing is written any more after a failure: what it left behind is not known. */
static bool failed(Spool *spool, Error *err)
{
    if (spool->failure.code == ERR_NONE)
        spool->failure = *err;
    else
        *err = spool->failure;
    return false;
}

bool spool_write(Spool *spool, Lsn start, const char *data, size_t len, Error *err)
{
    (void)start;
    if (spool->failure.code)
        return failed(spool, err);
    if (len == 0)
        return error_set(err, ERR_FORMAT, "replication stream: an empty message");
    return write_message(spool, data, len, err) || failed(spool, err);
}

bool spool_write_quiet(Spool *spool, Lsn lsn, Error *err)
{
    if (spool->failure.code)
        return failed(spool, err);
    if (spool->open != OPEN_NONE || spool->piece || lsn <= spool->end)
        return true;
    add_quiet(spool, lsn);
    return write_full_block(spool, err) || failed(spool, err);
}

bool spool_sync(Spool *spool, Lsn *ret, Error *err)
{
    if (spool->failure.code)
        return failed(spool, err);
    if (!write_block(spool, err) || !sync_segment(spool, err) || !end_full_segment(spool, err))
        return failed(spool, err);
    assert(atomic_load(&spool->synced) == spool->end);
    *ret = spool->end;
    return true;
}

/* What is not a whole transaction. */
static void forget_open(Spool *spool)
{
    LargeTransaction *large = NULL;
    LargeTransaction *next = NULL;

    if (spool->open == OPEN_SMALL)
        spool->used = spool->mark;
    spool->open = OPEN_NONE;
    spool->quiet_at = SIZE_MAX;
    large_discard(spool, spool->large);
    spool->large = NULL;
    spool->piece = NULL;
    HASH_ITER(hh, spool->streamed, large, next)
    {
        discard_streamed(spool, large);
    }
}

/* Back to what was synced, in a new segment. */
static bool recover(Spool *spool, Error *err)
{
    char path[SPOOL_PATH_BYTES];

    if (spool->fd >= 0) {
        int64_t number = writing_number(spool);
        if (spool->fd_synced == 0 ? unlink(spool_segment_path(spool, number, path)) < 0
                                  : ftruncate(spool->fd, spool->fd_synced) < 0)
            return error_set_errno(err, "cut off segment %" PRId64 " of \"%s\"", number,
                                   spool->dir);
        /* Before the next segment is: it has to begin where this one ends after a crash, too. */
        if (spool->fd_synced > 0 && fdatasync(spool->fd) < 0)
            return error_set_errno(err, "sync segment %" PRId64 " of \"%s\"", number, spool->dir);
        atomic_fetch_sub(&spool->bytes, spool->fd_bytes - spool->fd_synced);
        close_segment(spool);
    }
    spool->used = 0;
    spool->block_flags = 0;
    spool->block_first = 0;
    for (int i = 0; i < spool->block_large_count; i++)
        if (unlink(spool_large_path(spool, spool->block_large[i].number, path)) == 0)
            atomic_fetch_sub(&spool->bytes, spool->block_large[i].bytes);
    spool->block_large_count = 0;
    spool->end = atomic_load(&spool->synced);
    spool->commit_end = atomic_load(&spool->committed);
    spool->failure = ERROR_INIT;
    return true;
}

bool spool_restart(Spool *spool, Lsn *ret, Error *err)
{
    forget_open(spool);
    if (spool->failure.code && !recover(spool, err))
        return false;
    return spool_sync(spool, ret, err);
}
