/*
 * A spool's files. Whatever the bytes: opening and reading give whole transactions, or one clear
 * error, and a spool that was opened can be written to and read on.
 *
 * The first byte says what the rest is: 0 a segment as it is; 1 the records of a block, which gets
 * a valid header; 2 the same for the file of a large transaction, after a segment that refers to
 * it; 3 messages for the writer, each with two bytes of length before it.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "move/spool_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory where there is such a place: every run syncs. */
static char folder[64];

static void remove_folder(void)
{
    Error err = ERROR_INIT;

    (void)!file_remove_tree(folder, &err);
}

static void make_folder(void)
{
    if (folder[0])
        return;
    (void)snprintf(folder, sizeof folder, "%s/homeport-fuzz-spool-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder) || atexit(remove_folder) != 0)
        abort();
}

static void clear_folder(void)
{
    char path[256];
    Error err = ERROR_INIT;

    (void)snprintf(path, sizeof path, "%s/spool", folder);
    if (!file_remove_tree(path, &err))
        abort();
}

static Spool *open_spool(Error *err)
{
    Spool *spool = NULL;

    return spool_open(folder, "m", 1, &spool, err) ? spool : NULL;
}

static int create(const char *name)
{
    char path[256];
    Error err = ERROR_INIT;

    (void)snprintf(path, sizeof path, "%s/spool/1", folder);
    if (!file_make_dir(path, 0700, &err))
        abort();
    (void)snprintf(path, sizeof path, "%s/spool/1/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        abort();
    return fd;
}

static uint64_t spool_id(void)
{
    static uint64_t id;
    Error err = ERROR_INIT;

    if (id == 0) {
        Spool *spool = open_spool(&err);
        assert(spool);
        id = spool->id;
        spool_close(spool);
    }
    return id;
}

static size_t put_start(char *raw)
{
    raw[0] = RECORD_SEGMENT;
    put_u32(raw + 1, 13);
    put_u32(raw + 5, 1);
    put_u64(raw + 9, 0);
    raw[17] = 'm';
    return 18;
}

static void write_one(int fd, Block block, const char *raw, size_t len)
{
    BlockCodec codec = {0};
    Error err = ERROR_INIT;

    if (!block_write(&codec, fd, &block, raw, len, &err))
        abort();
    block_codec_clear(&codec);
}

static void make_segment(const uint8_t *data, size_t size, uint64_t id)
{
    char *raw = malloc(size + 64);
    auto_close int fd = create("s000000000001.seg");

    assert(raw);
    size_t used = put_start(raw);
    memcpy(raw + used, data, size);
    write_one(fd,
              (Block){.kind = BLOCK_SEGMENT,
                      .flags = BLOCK_HAS_LARGE | BLOCK_HAS_RELATIONS,
                      .spool = id,
                      .file = 1,
                      .last = UINT64_MAX},
              raw, used + size);
    free(raw);
}

static void make_large(const uint8_t *data, size_t size, uint64_t id)
{
    uint8_t record[RECORD_HEADER_BYTES + LARGE_BYTES] = {RECORD_LARGE};
    auto_close int fd = create("t000000000001.tx");
    char *at = (char *)record;

    write_one(fd, (Block){.kind = BLOCK_LARGE, .spool = id, .file = 1}, (const char *)data, size);
    uint64_t bytes = (uint64_t)lseek(fd, 0, SEEK_END);
    put_u32(at + 1, LARGE_BYTES);
    at += RECORD_HEADER_BYTES;
    put_u64(at, 100);
    put_u64(at + 8, 110);
    put_u64(at + BEGIN_BYTES, 1);
    put_u64(at + BEGIN_BYTES + 8, bytes);
    put_u64(at + BEGIN_BYTES + 16, bytes);
    put_u64(at + BEGIN_BYTES + 24, size);
    make_segment(record, sizeof record, id);
}

static void make_raw(const uint8_t *data, size_t size)
{
    auto_close int fd = create("s000000000001.seg");

    if (write(fd, data, size) != (ssize_t)size)
        abort();
}

/* As the receiver would. */
static void write_messages(const uint8_t *data, size_t size)
{
    Error err = ERROR_INIT;
    Spool *spool = open_spool(&err);
    Lsn lsn = 0;
    Lsn last = 0;

    assert(spool);
    while (size >= 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        len = len < size ? len : size;
        bool ok = len == 0 ? spool_sync(spool, &lsn, &err)
                           : spool_write(spool, 0, (const char *)data, len, &err);
        if (!ok)
            assert(err.code == ERR_FORMAT);
        if (!ok && !spool_restart(spool, &lsn, &err))
            abort();
        assert(lsn >= last);
        last = lsn;
        data += len;
        size -= len;
    }
    spool_close(spool);
}

static void read_all(Spool *spool)
{
    SpoolReader *reader = NULL;
    SpoolItem item = {.kind = SPOOL_QUIET};
    Error err = ERROR_INIT;
    bool inside = false;

    if (!spool_read(spool, 0, &reader, &err))
        abort();
    while (item.kind != SPOOL_NOTHING) {
        if (!spool_next(reader, 0, &item, &err)) {
            assert(err.code == ERR_FORMAT || err.code == ERR_IO);
            assert(err.message[0]);
            break;
        }
        assert(item.kind == SPOOL_NOTHING ||
               inside == (item.kind == SPOOL_CHANGE || item.kind == SPOOL_COMMIT));
        inside = item.kind == SPOOL_BEGIN || item.kind == SPOOL_CHANGE;
    }
    spool_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = ERROR_INIT;

    if (size < 2 || size > BLOCK_RAW_BYTES)
        return 0;
    make_folder();
    clear_folder();
    uint64_t id = spool_id();
    switch (data[0] & 3) {
    case 0:
        make_raw(data + 1, size - 1);
        break;
    case 1:
        make_segment(data + 1, size - 1, id);
        break;
    case 2:
        make_large(data + 1, size - 1, id);
        break;
    default:
        write_messages(data + 1, size - 1);
    }
    Spool *spool = open_spool(&err);
    if (!spool) {
        assert(err.code == ERR_FORMAT || err.code == ERR_WRONG_STATE || err.code == ERR_IO);
        return 0;
    }
    read_all(spool);
    spool_close(spool);
    return 0;
}
