/*
 * What goes from the receiver's network thread to its disk thread: chunks of messages, at most a
 * few megabytes of them. Private to the receiver.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "pg/lsn.h"
#include "pg/replication.h"

enum {
    CHUNK_BYTES = 256 << 10,
};

typedef enum ChunkKind {
    CHUNK_MESSAGES, /* packed: see chunk_next() */
    CHUNK_ALONE,    /* one large message, as libpq gave it */
    CHUNK_RESTART,  /* the connection is gone: forget what is not whole */
} ChunkKind;

typedef struct Chunk {
    struct Chunk *next;
    ChunkKind kind;
    size_t used;
    ReplicationMessage alone;
    char data[]; /* CHUNK_BYTES of a CHUNK_MESSAGES */
} Chunk;

/* One of a chunk. data NULL: a keepalive, start is its position. */
typedef struct ChunkItem {
    Lsn start;
    const char *data;
    size_t len;
} ChunkItem;

Chunk *chunk_new(ChunkKind kind);
void chunk_free(Chunk *chunk); /* accepts NULL */
/* Whether there is room for a message of this length. */
bool chunk_fits(const Chunk *chunk, size_t len);
void chunk_add(Chunk *chunk, const ChunkItem *item);
/* The item at *at, which moves on; false at the end. */
bool chunk_next(const Chunk *chunk, size_t *at, ChunkItem *ret);
size_t chunk_bytes(const Chunk *chunk);
