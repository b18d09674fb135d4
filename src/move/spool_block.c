#include "move/spool_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/crc32c.h"
#include "core/memory.h"

enum {
    BLOCK_MAGIC = 0x42535048, /* "HPSB" */
    BLOCK_VERSION = 1,
    COMPRESSION_LEVEL = 1,
    STORED_MAX = BLOCK_RAW_MAX + (BLOCK_RAW_MAX >> 6), /* what does not compress grows a little */
};

/* Where in the header. */
enum {
    AT_MAGIC = 0,
    AT_CHECKSUM = 4, /* of what is behind it in the header */
    AT_VERSION = 8,
    AT_KIND = 12,
    AT_FLAGS = 16,
    AT_STORED = 20,
    AT_RAW = 24,
    AT_PAYLOAD_CHECKSUM = 28,
    AT_SPOOL = 32,
    AT_FILE = 40,
    AT_OFFSET = 48,
    AT_SYNCED = 56,
    AT_FIRST = 64,
    AT_LAST = 72,
};

void put_u32(char *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

void put_u64(char *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

uint32_t get_u32(const char *at)
{
    uint32_t value = 0;

    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

uint64_t get_u64(const char *at)
{
    uint64_t value = 0;

    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

bool file_write_at(int fd, const char *data, size_t len, int64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = ENOSPC;
            return false;
        }
        data += n;
        len -= (size_t)n;
        offset += n;
    }
    return true;
}

int64_t file_read_at(int fd, char *data, size_t len, int64_t offset)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd, data + got, len - got, offset + (int64_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (int64_t)got;
}

void block_codec_clear(BlockCodec *codec)
{
    (void)ZSTD_freeCCtx(codec->compress);
    (void)ZSTD_freeDCtx(codec->decompress);
    free(codec->stored);
    *codec = (BlockCodec){0};
}

static void codec_make_room(BlockCodec *codec, size_t size)
{
    if (codec->stored_size >= size)
        return;
    free(codec->stored);
    codec->stored = memory_new(size);
    codec->stored_size = size;
}

static void header_format(const Block *block, char *header)
{
    put_u32(header + AT_MAGIC, BLOCK_MAGIC);
    put_u32(header + AT_VERSION, BLOCK_VERSION);
    put_u32(header + AT_KIND, block->kind);
    put_u32(header + AT_FLAGS, block->flags);
    put_u32(header + AT_STORED, block->stored);
    put_u32(header + AT_RAW, block->raw);
    put_u32(header + AT_PAYLOAD_CHECKSUM, block->checksum);
    put_u64(header + AT_SPOOL, block->spool);
    put_u64(header + AT_FILE, (uint64_t)block->file);
    put_u64(header + AT_OFFSET, (uint64_t)block->offset);
    put_u64(header + AT_SYNCED, (uint64_t)block->synced);
    put_u64(header + AT_FIRST, block->first);
    put_u64(header + AT_LAST, block->last);
    put_u32(header + AT_CHECKSUM, crc32c(0, header + AT_VERSION, BLOCK_HEADER_BYTES - AT_VERSION));
}

bool block_write(BlockCodec *codec, int fd, Block *block, const char *raw, size_t len, Error *err)
{
    size_t bound = ZSTD_compressBound(len);

    if (!codec->compress)
        codec->compress = ZSTD_createCCtx();
    if (!codec->compress)
        return error_set(err, ERR_IO, "no memory for compression");
    codec_make_room(codec, BLOCK_HEADER_BYTES + bound);

    char *payload = codec->stored + BLOCK_HEADER_BYTES;
    size_t stored = ZSTD_compressCCtx(codec->compress, payload, bound, raw, len, COMPRESSION_LEVEL);
    if (ZSTD_isError(stored))
        return error_set(err, ERR_IO, "compress: %s", ZSTD_getErrorName(stored));
    block->stored = (uint32_t)stored;
    block->raw = (uint32_t)len;
    block->checksum = crc32c(0, payload, stored);
    header_format(block, codec->stored);
    if (!file_write_at(fd, codec->stored, BLOCK_HEADER_BYTES + stored, block->offset))
        return error_set_errno(err, "write");
    return true;
}

static const char *header_problem(const Block *block, int64_t offset, int64_t available)
{
    if (block->offset != offset)
        return "a block of another place";
    if (block->kind < BLOCK_SEGMENT || block->kind > BLOCK_ABORTED)
        return "a block of an unknown kind";
    if (block->raw > BLOCK_RAW_MAX || block->stored > STORED_MAX)
        return "a block that is too large";
    if (available - BLOCK_HEADER_BYTES < block->stored)
        return "the file ends within a block";
    return NULL;
}

bool block_parse_header(const unsigned char *bytes, int64_t offset, int64_t available, Block *ret,
                        const char **why)
{
    const char *header = (const char *)bytes;

    if (available < BLOCK_HEADER_BYTES) {
        *why = "the file ends within a block's header";
        return false;
    }
    if (get_u32(header + AT_MAGIC) != BLOCK_MAGIC) {
        *why = "no block begins there";
        return false;
    }
    if (get_u32(header + AT_CHECKSUM) !=
        crc32c(0, header + AT_VERSION, BLOCK_HEADER_BYTES - AT_VERSION)) {
        *why = "the checksum of a block's header is wrong";
        return false;
    }
    if (get_u32(header + AT_VERSION) != BLOCK_VERSION) {
        *why = "a block of another version of the format";
        return false;
    }

    Block block = {
        .kind = (BlockKind)get_u32(header + AT_KIND),
        .flags = get_u32(header + AT_FLAGS),
        .stored = get_u32(header + AT_STORED),
        .raw = get_u32(header + AT_RAW),
        .checksum = get_u32(header + AT_PAYLOAD_CHECKSUM),
        .spool = get_u64(header + AT_SPOOL),
        .file = (int64_t)get_u64(header + AT_FILE),
        .offset = (int64_t)get_u64(header + AT_OFFSET),
        .synced = (int64_t)get_u64(header + AT_SYNCED),
        .first = get_u64(header + AT_FIRST),
        .last = get_u64(header + AT_LAST),
    };
    *why = header_problem(&block, offset, available);
    if (*why)
        return false;
    *ret = block;
    return true;
}

bool block_read_header(int fd, int64_t offset, int64_t size, Block *ret, const char **why,
                       Error *err)
{
    char header[BLOCK_HEADER_BYTES];

    int64_t got = file_read_at(fd, header, sizeof header, offset);
    if (got < 0)
        return error_set_errno(err, "read");
    *why = NULL;
    int64_t available = got < (int64_t)sizeof header ? got : size - offset;
    (void)block_parse_header((const unsigned char *)header, offset, available, ret, why);
    return true;
}

bool block_read_payload(BlockCodec *codec, int fd, const Block *block, char *raw, const char **why,
                        Error *err)
{
    codec_make_room(codec, block->stored + 1);
    int64_t got =
        file_read_at(fd, codec->stored, block->stored, block->offset + BLOCK_HEADER_BYTES);
    if (got < 0)
        return error_set_errno(err, "read");

    *why = NULL;
    if (got < (int64_t)block->stored) {
        *why = "the file ends within a block";
        return true;
    }
    if (crc32c(0, codec->stored, block->stored) != block->checksum) {
        *why = "the checksum of a block is wrong";
        return true;
    }
    if (!codec->decompress)
        codec->decompress = ZSTD_createDCtx();
    if (!codec->decompress)
        return error_set(err, ERR_IO, "no memory for decompression");
    size_t len =
        ZSTD_decompressDCtx(codec->decompress, raw, block->raw, codec->stored, block->stored);
    if (ZSTD_isError(len) || len != block->raw)
        *why = "a block cannot be decompressed";
    return true;
}
