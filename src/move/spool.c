/*
 * Problem: the source has to be told that it may forget its WAL long before the target has it. So
 * what came must survive any crash of ours, be found whole or not at all, and be cheap: a sync of
 * the disk for each transaction is not.
 *
 * Files, in <dir>/spool/<feed>/:
 *   s<number>.seg   segments, appended to one after the other
 *   t<number>.tx    a large transaction each
 *
 * Both are sequences of blocks: a header (spool_block.c; checksums of itself and of the payload,
 * the file's number and the block's offset, so that nothing old or moved is taken for what belongs
 * there) and a zstd frame. A segment's block holds whole records, and of small transactions all of
 * them: a transaction that is not finished is never in a segment, so losing a connection costs no
 * repair. A record is a type, a length and a body; transactions are B, D and R (messages as they
 * came), C.
 *
 * A transaction that the server streams while it is in progress, or that grows beyond SPILL_BYTES,
 * is collected in a file of its own: an endless row of records, cut into blocks without regard to
 * their bounds, so that a row of hundreds of megabytes needs no buffer. The ids of aborted
 * subtransactions are at its end, and its records are left out by them: the file is only appended
 * to. When it commits, the file is synced and an L record in the segment refers to it. Files
 * without such a record are removed when the spool is opened.
 *
 * Opening: every header is walked, the last segment is checked wholly. A block that is not good is
 * torn when nothing behind it was written after a sync that had covered its place: each block tells
 * up to where its file was synced when it was written. Then the file is cut off there. Otherwise
 * something that was promised is damaged, and the spool is refused. A last block that was synced
 * and has been damaged looks like a torn one: the receiver finds out, as the slot is confirmed
 * beyond our end. A new segment begins then: so what is known of relations need not be found again.
 *
 * A failed sync is never tried again: the kernel may have dropped the pages and called them clean.
 * The file is cut back to what was synced before, and the server sends the rest again.
 */
#include "move/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "move/spool_internal.h"

void *spool_grow(void *items, size_t count, size_t *size, size_t each)
{
    if (count < *size)
        return items;
    *size = *size ? *size * 2 : 8;
    return memory_resized(items, *size, each);
}

char *spool_segment_path(const Spool *spool, int64_t number, char path[SPOOL_PATH_BYTES])
{
    (void)snprintf(path, SPOOL_PATH_BYTES, "%s/s%012" PRId64 ".seg", spool->dir, number);
    return path;
}

char *spool_large_path(const Spool *spool, int64_t number, char path[SPOOL_PATH_BYTES])
{
    (void)snprintf(path, SPOOL_PATH_BYTES, "%s/t%012" PRId64 ".tx", spool->dir, number);
    return path;
}

bool spool_damaged(const Spool *spool, const char *what, int64_t number, int64_t offset,
                   const char *why, Error *err)
{
    (void)error_set(err, ERR_FORMAT, "spool \"%s\": %s %" PRId64 ", offset %" PRId64 ": %s",
                    spool->dir, what, number, offset, why);
    return error_hint(err, "The disk or somebody has changed it. What it held cannot be had from "
                           "the source again. Before a cutover `homeport abort`, then `homeport "
                           "move` copies all again; after one the way back is lost, and `homeport "
                           "finish` ends the move.");
}

bool spool_sync_dir(Spool *spool, Error *err)
{
    if (fsync(spool->dir_fd) < 0)
        return error_set_errno(err, "sync the folder \"%s\"", spool->dir);
    return true;
}

/* ---- records ---- */

bool record_next(const char *raw, size_t len, size_t *at, Record *ret, const char **why)
{
    *ret = (Record){0};
    if (*at == len)
        return true;
    if (len - *at < RECORD_HEADER_BYTES) {
        *why = "a block ends within a record";
        return false;
    }
    size_t body = get_u32(raw + *at + 1);
    if (len - *at - RECORD_HEADER_BYTES < body) {
        *why = "a record is longer than its block";
        return false;
    }
    *ret = (Record){.type = (RecordType)(unsigned char)raw[*at],
                    .body = raw + *at + RECORD_HEADER_BYTES,
                    .len = body};
    *at += RECORD_HEADER_BYTES + body;
    return true;
}

bool record_parse_ends(const Record *record, SpoolEnds *ret)
{
    if (record->len < BEGIN_BYTES)
        return false;
    *ret = (SpoolEnds){.commit = get_u64(record->body),
                       .end = get_u64(record->body + 8),
                       .time = (int64_t)get_u64(record->body + 16),
                       .xid = get_u32(record->body + 24)};
    return true;
}

bool record_parse_large(const Record *record, LargeRecord *ret)
{
    if (record->len != LARGE_BYTES || !record_parse_ends(record, &ret->ends))
        return false;
    ret->number = (int64_t)get_u64(record->body + BEGIN_BYTES);
    ret->data_bytes = (int64_t)get_u64(record->body + BEGIN_BYTES + 8);
    ret->file_bytes = (int64_t)get_u64(record->body + BEGIN_BYTES + 16);
    ret->raw_bytes = (int64_t)get_u64(record->body + BEGIN_BYTES + 24);
    return ret->number > 0 && ret->data_bytes >= 0 && ret->file_bytes >= ret->data_bytes &&
           ret->raw_bytes >= 0;
}

/* ---- segments ---- */

SpoolSegment *spool_add_segment(Spool *spool, int64_t number)
{
    size_t size = (size_t)spool->segment_size;

    spool->segments =
        spool_grow(spool->segments, (size_t)spool->segment_count, &size, sizeof *spool->segments);
    spool->segment_size = (int)size;
    SpoolSegment *segment = &spool->segments[spool->segment_count++];
    *segment = (SpoolSegment){.number = number};
    return segment;
}

void spool_segment_clear(SpoolSegment *segment)
{
    free(segment->large);
    *segment = (SpoolSegment){0};
}

void spool_segment_refer(SpoolSegment *segment, SpoolLarge large)
{
    size_t size = (size_t)segment->large_size;

    segment->large =
        spool_grow(segment->large, (size_t)segment->large_count, &size, sizeof *segment->large);
    segment->large_size = (int)size;
    segment->large[segment->large_count++] = large;
}

/* ---- opening ---- */

/* FNV-1a */
static uint64_t make_id(const char *move_id, int feed)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (const char *p = move_id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3U;
    return (hash ^ (uint64_t)(unsigned)feed) * 0x100000001b3U;
}

static Spool *spool_new(const char *dir, const char *move_id, int feed)
{
    Spool *spool = memory_zeroed(1, sizeof *spool);
    size_t dir_size = strlen(dir) + sizeof "/spool/-2147483648";

    spool->dir = memory_zeroed(1, dir_size);
    (void)snprintf(spool->dir, dir_size, "%s/spool/%d", dir, feed);
    spool->move_id = memory_copy(move_id);
    spool->feed = feed;
    spool->id = make_id(move_id, feed);
    spool->dir_fd = -1;
    spool->fd = -1;
    spool->quiet_at = SIZE_MAX;
    spool->next_large = 1;
    spool->arena = arena_new();
    (void)pthread_mutex_init(&spool->lock, NULL);
    clock_cond_init(&spool->changed);
    return spool;
}

static bool open_folder(Spool *spool, Error *err)
{
    if (strlen(spool->dir) > SPOOL_PATH_BYTES - 64)
        return error_set(err, ERR_USAGE, "path is too long: \"%s\"", spool->dir);
    if (!file_make_dir(spool->dir, 0700, err))
        return false;
    spool->dir_fd = open(spool->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->dir_fd < 0)
        return error_set_errno(err, "open \"%s\"", spool->dir);
    return true;
}

bool spool_open(const char *dir, const char *move_id, int feed, Spool **ret, Error *err)
{
    Spool *spool = spool_new(dir, move_id, feed);

    if (!open_folder(spool, err) || !spool_scan(spool, err)) {
        spool_close(spool);
        return false;
    }
    *ret = spool;
    return true;
}

static void forget_relations(Spool *spool)
{
    KnownRelation *known = spool->relations;

    HASH_CLEAR(hh, spool->relations);
    for (KnownRelation *next = NULL; known; known = next) {
        next = known->hh.next;
        free(known->message);
        free(known);
    }
}

void spool_close(Spool *spool)
{
    if (!spool)
        return;
    LargeTransaction *large = spool->streamed;
    HASH_CLEAR(hh, spool->streamed);
    for (LargeTransaction *next = NULL; large; large = next) {
        next = large->hh.next;
        large_free(large);
    }
    large_free(spool->large);
    forget_relations(spool);
    for (int i = 0; i < spool->segment_count; i++)
        spool_segment_clear(&spool->segments[i]);
    free(spool->segments);
    free(spool->block_large);
    free(spool->block);
    free(spool->tail);
    block_codec_clear(&spool->codec);
    file_close(&spool->fd);
    file_close(&spool->dir_fd);
    (void)pthread_mutex_destroy(&spool->lock);
    (void)pthread_cond_destroy(&spool->changed);
    arena_free(spool->arena);
    free(spool->move_id);
    free(spool->dir);
    free(spool);
}

/* ---- any thread ---- */

int64_t spool_bytes(const Spool *spool)
{
    return atomic_load(&spool->bytes);
}

Lsn spool_synced(const Spool *spool)
{
    return atomic_load(&spool->synced);
}

Lsn spool_committed(const Spool *spool)
{
    return atomic_load(&spool->committed);
}

void spool_wake(Spool *spool)
{
    (void)pthread_mutex_lock(&spool->lock);
    spool->woken = true;
    (void)pthread_cond_broadcast(&spool->changed);
    (void)pthread_mutex_unlock(&spool->lock);
}

static bool remove_file(Spool *spool, const char *path, int64_t bytes, Error *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return error_set_errno(err, "remove \"%s\"", path);
    atomic_fetch_sub(&spool->bytes, bytes);
    return true;
}

/* The segment is gone from the disk before the next one's: a crash leaves no gap in their row. What
 * it referred to is found without an owner then. */
static bool remove_segment(Spool *spool, const SpoolSegment *segment, Error *err)
{
    char path[SPOOL_PATH_BYTES];

    if (!remove_file(spool, spool_segment_path(spool, segment->number, path), segment->bytes,
                     err) ||
        !spool_sync_dir(spool, err))
        return false;
    for (int i = 0; i < segment->large_count; i++)
        if (!remove_file(spool, spool_large_path(spool, segment->large[i].number, path),
                         segment->large[i].bytes, err))
            return false;
    return true;
}

/* The oldest, where all of it is below `lsn`. The last one stays, as it knows where the spool ends.
 */
static bool take_oldest(Spool *spool, Lsn lsn, SpoolSegment *ret)
{
    bool found = false;

    (void)pthread_mutex_lock(&spool->lock);
    if (spool->segment_count > 1 && spool->segments[0].last <= lsn) {
        found = true;
        *ret = spool->segments[0];
        spool->segment_count--;
        memmove(&spool->segments[0], &spool->segments[1],
                (size_t)spool->segment_count * sizeof *spool->segments);
    } else if (spool->segment_count == 1 && spool->segments[0].last <= lsn) {
        /* So that it can go as well, if it is worth it. */
        atomic_store(&spool->rotate,
                     spool->segments[0].bytes > BLOCK_RAW_BYTES || spool->segments[0].large_count);
    }
    (void)pthread_mutex_unlock(&spool->lock);
    return found;
}

bool spool_prune(Spool *spool, Lsn lsn, Error *err)
{
    SpoolSegment segment = {0};
    bool ok = true;

    while (ok && take_oldest(spool, lsn, &segment)) {
        ok = remove_segment(spool, &segment, err);
        spool_segment_clear(&segment);
    }
    return ok;
}
