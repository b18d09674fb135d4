/*
 * Writing a transaction into a file of its own: see spool.c.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "move/spool_internal.h"

LargeTransaction *large_new(Spool *spool, unsigned xid)
{
    LargeTransaction *large = memory_zeroed(1, sizeof *large);

    large->xid = xid;
    large->number = spool->next_large++;
    large->fd = -1;
    return large;
}

void large_free(LargeTransaction *large)
{
    if (!large)
        return;
    for (size_t i = 0; i < large->relation_count; i++)
        free(large->relations[i].message);
    free(large->relations);
    free(large->aborted);
    file_close(&large->fd);
    free(large);
}

void large_discard(Spool *spool, LargeTransaction *large)
{
    char path[SPOOL_PATH_BYTES];

    if (!large)
        return;
    if (spool->buffered == large) {
        spool->buffered = NULL;
        spool->tail_used = 0;
    }
    /* What cannot be removed now is when the spool is opened the next time. */
    if (large->fd >= 0 && unlink(spool_large_path(spool, large->number, path)) == 0)
        atomic_fetch_sub(&spool->bytes, large->bytes);
    large_free(large);
}

static bool large_create(const Spool *spool, LargeTransaction *large, Error *err)
{
    char path[SPOOL_PATH_BYTES];

    large->fd = open(spool_large_path(spool, large->number, path),
                     O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (large->fd < 0)
        return error_set_errno(err, "create \"%s\"", path);
    return true;
}

static bool large_write(Spool *spool, LargeTransaction *large, BlockKind kind, const char *raw,
                        size_t len, Error *err)
{
    Block block = {.kind = kind, .spool = spool->id, .file = large->number, .offset = large->bytes};

    if (large->fd < 0 && !large_create(spool, large, err))
        return false;
    if (!block_write(&spool->codec, large->fd, &block, raw, len, err))
        return error_add_context(err, "spool \"%s\"", spool->dir);
    int64_t size = BLOCK_HEADER_BYTES + (int64_t)block.stored;
    /* Begun now, the sync at the commit takes less long. */
    (void)sync_file_range(large->fd, large->bytes, size, SYNC_FILE_RANGE_WRITE);
    large->bytes += size;
    atomic_fetch_add(&spool->bytes, size);
    return true;
}

bool large_flush(Spool *spool, Error *err)
{
    LargeTransaction *large = spool->buffered;
    size_t len = spool->tail_used;

    spool->buffered = NULL;
    spool->tail_used = 0;
    return len == 0 || large_write(spool, large, BLOCK_LARGE, spool->tail, len, err);
}

static bool put_bytes(Spool *spool, LargeTransaction *large, const char *data, size_t len,
                      Error *err)
{
    if (spool->buffered != large && !large_flush(spool, err))
        return false;
    if (!spool->tail)
        spool->tail = memory_zeroed(1, BLOCK_RAW_BYTES);
    large->raw_bytes += (int64_t)len;
    while (len > 0) {
        size_t part = BLOCK_RAW_BYTES - spool->tail_used;
        part = len < part ? len : part;
        memcpy(spool->tail + spool->tail_used, data, part);
        spool->buffered = large;
        spool->tail_used += part;
        data += part;
        len -= part;
        if (spool->tail_used == BLOCK_RAW_BYTES && !large_flush(spool, err))
            return false;
    }
    return true;
}

bool large_put(Spool *spool, LargeTransaction *large, const LargeItem *item, Error *err)
{
    char header[RECORD_HEADER_BYTES + 5];

    assert(item->rest_len < UINT32_MAX - 5);
    header[0] = (char)item->type;
    put_u32(header + 1, (uint32_t)(item->rest_len + 5));
    put_u32(header + RECORD_HEADER_BYTES, item->xid);
    header[RECORD_HEADER_BYTES + 4] = item->kind;
    large->changes += item->type == RECORD_DATA;
    return put_bytes(spool, large, header, sizeof header, err) &&
           put_bytes(spool, large, item->rest, item->rest_len, err);
}

void large_learn(LargeTransaction *large, const LargeItem *item)
{
    for (size_t i = 0; i < large->relation_count; i++) {
        const LargeRelation *known = &large->relations[i];
        if (known->xid == item->xid && known->len == item->rest_len + 1 &&
            memcmp(known->message + 1, item->rest, item->rest_len) == 0)
            return;
    }
    large->relations = spool_grow(large->relations, large->relation_count, &large->relation_size,
                                  sizeof *large->relations);
    LargeRelation *added = &large->relations[large->relation_count++];
    *added = (LargeRelation){.xid = item->xid,
                             .message = memory_zeroed(1, item->rest_len + 1),
                             .len = item->rest_len + 1};
    added->message[0] = item->kind;
    memcpy(added->message + 1, item->rest, item->rest_len);
}

void large_abort(LargeTransaction *large, unsigned subxid)
{
    size_t kept = 0;

    large->aborted = spool_grow(large->aborted, large->aborted_count, &large->aborted_size,
                                sizeof *large->aborted);
    large->aborted[large->aborted_count++] = subxid;
    for (size_t i = 0; i < large->relation_count; i++) {
        if (large->relations[i].xid == subxid)
            free(large->relations[i].message);
        else
            large->relations[kept++] = large->relations[i];
    }
    large->relation_count = kept;
}

static bool write_aborted(Spool *spool, LargeTransaction *large, Error *err)
{
    enum {
        AT_ONCE = BLOCK_RAW_BYTES / 4
    };

    for (size_t i = 0; i < large->aborted_count; i++) {
        put_u32(spool->tail + i % AT_ONCE * 4, large->aborted[i]);
        bool full = i % AT_ONCE == AT_ONCE - 1 || i == large->aborted_count - 1;
        if (full &&
            !large_write(spool, large, BLOCK_ABORTED, spool->tail, (i % AT_ONCE + 1) * 4, err))
            return false;
    }
    return true;
}

bool large_finish(Spool *spool, LargeTransaction *large, int64_t *ret_data_bytes, Error *err)
{
    char path[SPOOL_PATH_BYTES];

    if (!large_flush(spool, err))
        return false;
    int64_t data_bytes = large->bytes;
    assert(spool->tail); /* it has records, which were gathered there */
    if (!write_aborted(spool, large, err))
        return false;
    if (large->fd >= 0 && fdatasync(large->fd) < 0)
        return error_set_errno(err, "sync \"%s\"", spool_large_path(spool, large->number, path));
    *ret_data_bytes = data_bytes;
    return spool_sync_dir(spool, err);
}
