#include "move/receive_queue.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum {
    ITEM_HEADER = 12, /* start, length + 1; 0: a keepalive */
};

Chunk *chunk_new(ChunkKind kind)
{
    Chunk *chunk = memory_new(sizeof *chunk + (kind == CHUNK_MESSAGES ? CHUNK_BYTES : 0));

    *chunk = (Chunk){.kind = kind};
    return chunk;
}

void chunk_free(Chunk *chunk)
{
    if (!chunk)
        return;
    replication_release(&chunk->alone);
    free(chunk);
}

bool chunk_fits(const Chunk *chunk, size_t len)
{
    return len <= CHUNK_BYTES - ITEM_HEADER && chunk->used <= CHUNK_BYTES - ITEM_HEADER - len;
}

void chunk_add(Chunk *chunk, const ChunkItem *item)
{
    uint32_t len = item->data ? (uint32_t)item->len + 1 : 0;
    char *at = chunk->data + chunk->used;

    assert(chunk->kind == CHUNK_MESSAGES && chunk_fits(chunk, item->len));
    memcpy(at, &item->start, sizeof item->start);
    memcpy(at + sizeof item->start, &len, sizeof len);
    if (item->data)
        memcpy(at + ITEM_HEADER, item->data, item->len);
    chunk->used += ITEM_HEADER + item->len;
}

bool chunk_next(const Chunk *chunk, size_t *at, ChunkItem *ret)
{
    uint32_t len = 0;

    if (chunk->kind == CHUNK_ALONE) {
        *ret = (ChunkItem){chunk->alone.start, chunk->alone.data, chunk->alone.len};
        return (*at)++ == 0;
    }
    if (*at >= chunk->used)
        return false;
    const char *from = chunk->data + *at;
    *ret = (ChunkItem){0};
    memcpy(&ret->start, from, sizeof ret->start);
    memcpy(&len, from + sizeof ret->start, sizeof len);
    if (len) {
        ret->data = from + ITEM_HEADER;
        ret->len = len - 1;
    }
    *at += ITEM_HEADER + ret->len;
    return true;
}

size_t chunk_bytes(const Chunk *chunk)
{
    return chunk->kind == CHUNK_ALONE ? chunk->alone.len : chunk->used;
}
