/*
 * Blocks: what the spool's files are made of. See spool.c for the format.
 *
 * Private to the spool.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

#include "core/arena.h"
#include "core/error.h"
#include "pg/lsn.h"

enum {
    BLOCK_HEADER_BYTES = 80,
    BLOCK_RAW_BYTES = 256 << 10, /* a block is closed when it holds this much */
    BLOCK_RAW_MAX = 4 << 20,     /* and no good one holds more than this */
};

typedef enum BlockKind {
    BLOCK_SEGMENT = 1, /* records of a segment */
    BLOCK_LARGE = 2,   /* a piece of the records of one large transaction: any cut of the bytes */
    BLOCK_ABORTED = 3, /* behind those: the ids of its aborted subtransactions */
} BlockKind;

enum {
    BLOCK_HAS_RELATIONS = 1,
    BLOCK_HAS_LARGE = 2, /* refers to files of large transactions */
};

typedef struct Block {
    BlockKind kind;
    unsigned flags;
    uint32_t stored; /* bytes behind the header */
    uint32_t raw;    /* the same when decompressed */
    uint32_t checksum;
    uint64_t spool;  /* which spool it belongs to */
    int64_t file;    /* number of the segment or large transaction */
    int64_t offset;  /* where in the file it begins */
    int64_t synced;  /* up to where the file was synced when this was written */
    Lsn first, last; /* of what is in it: first commit, last end; 0: neither */
} Block;

/* Buffers that are used again and again. One per thread. */
typedef struct BlockCodec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    char *stored;
    size_t stored_size;
} BlockCodec;

void block_codec_clear(BlockCodec *codec);

/* Compresses `raw` and writes header and payload at block->offset. Fills in the lengths. */
bool block_write(BlockCodec *codec, int fd, Block *block, const char *raw, size_t len,
                 Error *err) MUST_USE;

/* Reads a header at `offset` of a file of `size` bytes. False only where reading fails. `why` of a
 * bad one is for people. */
bool block_read_header(int fd, int64_t offset, int64_t size, Block *ret, const char **why,
                       Error *err) MUST_USE;
/* The header's own checks, on bytes in memory: `available` of them from the block's begin on. */
bool block_parse_header(const unsigned char *bytes, int64_t offset, int64_t available, Block *ret,
                        const char **why);
/* Reads and checks the payload and decompresses it into `raw` (block->raw bytes). */
bool block_read_payload(BlockCodec *codec, int fd, const Block *block, char *raw, const char **why,
                        Error *err) MUST_USE;

/* Little-endian numbers. */
void put_u32(char *at, uint32_t value);
void put_u64(char *at, uint64_t value);
uint32_t get_u32(const char *at);
uint64_t get_u64(const char *at);

bool file_write_at(int fd, const char *data, size_t len, int64_t offset);
/* As much as there is. -1: errno */
int64_t file_read_at(int fd, char *data, size_t len, int64_t offset);
