/*
 * Opening a spool: what is there, and how much of it is good. The rules are in spool.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "move/spool_internal.h"

typedef struct Numbers {
    int64_t *items;
    size_t count, size;
} Numbers;

typedef struct Scan {
    Spool *spool;
    Numbers segments;
    Numbers large;    /* files */
    Numbers referred; /* of them, by L records */
    char *raw;
    size_t raw_size;
    Error *err;
    /* the segment at hand */
    SpoolSegment *segment;
    int fd;
    int64_t size;
    bool last;       /* only the last one may be torn */
    const char *why; /* what is wrong at `bad` */
    int64_t bad;
} Scan;

static void numbers_add(Numbers *numbers, int64_t number)
{
    numbers->items =
        spool_grow(numbers->items, numbers->count, &numbers->size, sizeof *numbers->items);
    numbers->items[numbers->count++] = number;
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static bool numbers_have(const Numbers *numbers, int64_t number)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (numbers->items[i] == number)
            return true;
    return false;
}

/* "s000000000012.seg" */
static int64_t name_number(const char *name, char letter, const char *suffix)
{
    char *end = NULL;

    if (name[0] != letter || name[1] < '0' || name[1] > '9')
        return 0;
    int64_t number = strtoll(name + 1, &end, 10);
    return strcmp(end, suffix) == 0 ? number : 0;
}

static bool list_files(Scan *scan)
{
    DIR *folder = opendir(scan->spool->dir);

    if (!folder)
        return error_set_errno(scan->err, "read \"%s\"", scan->spool->dir);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int64_t segment = name_number(entry->d_name, 's', ".seg");
        int64_t large = name_number(entry->d_name, 't', ".tx");
        if (segment)
            numbers_add(&scan->segments, segment);
        if (large)
            numbers_add(&scan->large, large);
    }
    (void)closedir(folder);
    if (scan->segments.count > 1)
        qsort(scan->segments.items, scan->segments.count, sizeof *scan->segments.items,
              compare_numbers);
    for (size_t i = 0; i < scan->large.count; i++)
        if (scan->large.items[i] >= scan->spool->next_large)
            scan->spool->next_large = scan->large.items[i] + 1;
    return true;
}

static bool is_bad(Scan *scan, int64_t offset, const char *why)
{
    scan->bad = offset;
    scan->why = why;
    return true;
}

/* The segment's first record says whose it is and what was before. */
static bool check_start(Scan *scan, const Record *record, Lsn *ret_base)
{
    const Spool *spool = scan->spool;

    if (record->type != RECORD_SEGMENT || record->len < 12)
        return is_bad(scan, 0, "it does not say whose it is");
    int feed = (int)get_u32(record->body);
    size_t len = record->len - 12;
    if (feed != spool->feed || len != strlen(spool->move_id) ||
        memcmp(record->body + 12, spool->move_id, len) != 0) {
        (void)error_set(scan->err, ERR_WRONG_STATE,
                        "the spool \"%s\" belongs to feed %d of the move \"%.*s\"", spool->dir,
                        feed, len < 64 ? (int)len : 64, record->body + 12);
        return error_hint(scan->err, "Use another --dir, or remove that folder if that move is "
                                     "over.");
    }
    *ret_base = get_u64(record->body + 4);
    return true;
}

static bool note_large(Scan *scan, const Record *record)
{
    LargeRecord large = {0};
    char path[SPOOL_PATH_BYTES];
    struct stat info;

    if (!record_parse_large(record, &large))
        return false;
    if (stat(spool_large_path(scan->spool, large.number, path), &info) < 0)
        return error_set_errno(scan->err, "read \"%s\"", path);
    if (info.st_size != large.file_bytes)
        return spool_damaged(scan->spool, "transaction", large.number,
                             info.st_size < large.file_bytes ? info.st_size : large.file_bytes,
                             "the file has another length than it should", scan->err);
    spool_segment_refer(scan->segment, (SpoolLarge){large.number, info.st_size});
    numbers_add(&scan->referred, large.number);
    return true;
}

/* Decompresses a block to see what it says of segments and files. */
static bool look_into(Scan *scan, const Block *block, Lsn *ret_base)
{
    const char *why = NULL;
    Record record = {0};
    size_t at = 0;

    if (scan->raw_size < block->raw) {
        free(scan->raw);
        scan->raw_size = block->raw;
        scan->raw = memory_zeroed(1, scan->raw_size);
    }
    if (!block_read_payload(&scan->spool->codec, scan->fd, block, scan->raw, &why, scan->err))
        return false;
    if (why)
        return is_bad(scan, block->offset, why);
    while (record_next(scan->raw, block->raw, &at, &record, &why) && record.type) {
        if (block->offset == 0 && *ret_base == UINT64_MAX && !check_start(scan, &record, ret_base))
            return false;
        if (scan->why)
            return true;
        if (record.type == RECORD_LARGE && !note_large(scan, &record))
            return scan->err->code ? false : is_bad(scan, block->offset, "a record is not whole");
    }
    return why ? is_bad(scan, block->offset, why) : true;
}

static bool scan_block(Scan *scan, int64_t offset, Block *ret, Lsn *base)
{
    const char *why = NULL;

    if (!block_read_header(scan->fd, offset, scan->size, ret, &why, scan->err))
        return false;
    if (why)
        return is_bad(scan, offset, why);
    if (ret->kind != BLOCK_SEGMENT)
        return is_bad(scan, offset, "a block of another kind of file");
    if ((scan->last || offset == 0 || (ret->flags & BLOCK_HAS_LARGE)) &&
        !look_into(scan, ret, base))
        return false;
    if (!scan->why && (ret->spool != scan->spool->id || ret->file != scan->segment->number))
        return is_bad(scan, offset, "a block of another file");
    return true;
}

/* Whether something behind the bad place was written when that place had been synced. */
static bool was_synced(Scan *scan, const char *path, bool *ret)
{
    auto_map FileMap map = {0};
    const char *why = NULL;
    Block block = {0};

    if (!file_map(path, &map, scan->err))
        return false;
    const unsigned char *bytes = map.data;
    for (int64_t at = scan->bad + 1; at < (int64_t)map.len && !*ret; at++) {
        const unsigned char *found =
            memmem(bytes + at, map.len - (size_t)at, "HPSB", strlen("HPSB"));
        if (!found)
            break;
        at = found - bytes;
        if (block_parse_header(found, at, (int64_t)map.len - at, &block, &why) &&
            block.spool == scan->spool->id)
            *ret = block.synced > scan->bad;
    }
    return true;
}

/* A torn end is cut off. What remains is synced: it may be that the process died, not the machine,
 * between writing and syncing. */
static bool cut_off(Scan *scan, const char *path)
{
    bool synced = false;

    if (scan->why) {
        if (!scan->last || !was_synced(scan, path, &synced) || synced)
            return scan->err->code ? false
                                   : spool_damaged(scan->spool, "segment", scan->segment->number,
                                                   scan->bad, scan->why, scan->err);
        if (ftruncate(scan->fd, scan->bad) < 0)
            return error_set_errno(scan->err, "cut off \"%s\"", path);
        scan->size = scan->bad;
    }
    if (scan->last && fdatasync(scan->fd) < 0)
        return error_set_errno(scan->err, "sync \"%s\"", path);
    return true;
}

static bool walk_segment(Scan *scan, Lsn *ret_base)
{
    int64_t offset = 0;

    while (offset < scan->size && !scan->why) {
        Block block = {0};
        if (!scan_block(scan, offset, &block, ret_base))
            return false;
        if (scan->why)
            break;
        offset += BLOCK_HEADER_BYTES + (int64_t)block.stored;
        if (block.last > scan->segment->last)
            scan->segment->last = block.last;
        if (block.first && block.last > scan->spool->commit_end)
            scan->spool->commit_end = block.last;
    }
    return true;
}

static bool scan_segment(Scan *scan, int64_t number, Lsn before)
{
    char path[SPOOL_PATH_BYTES];
    struct stat info;
    Lsn base = UINT64_MAX;

    auto_close int fd =
        open(spool_segment_path(scan->spool, number, path), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &info) < 0)
        return error_set_errno(scan->err, "open \"%s\"", path);
    scan->fd = fd;
    scan->size = info.st_size;
    scan->why = NULL;
    scan->segment = spool_add_segment(scan->spool, number);
    if (!walk_segment(scan, &base) || !cut_off(scan, path))
        return false;
    scan->segment->bytes = scan->size;
    scan->segment->base = base;
    if (base != UINT64_MAX && base > scan->segment->last)
        scan->segment->last = base;
    if (scan->size == 0 && !scan->last)
        return spool_damaged(scan->spool, "segment", number, 0, "it is empty", scan->err);
    if (scan->size > 0 && scan->spool->segment_count > 1 && base != before)
        return spool_damaged(scan->spool, "segment", number, 0,
                             "it does not begin where the one before ends", scan->err);
    if (scan->size > 0)
        return true;

    /* Not even its first block: as if it had never been. */
    if (unlink(path) < 0)
        return error_set_errno(scan->err, "remove \"%s\"", path);
    spool_segment_clear(scan->segment);
    scan->spool->segment_count--;
    return spool_sync_dir(scan->spool, scan->err);
}

static bool scan_segments(Scan *scan)
{
    Spool *spool = scan->spool;
    Lsn before = 0;

    for (size_t i = 0; i < scan->segments.count; i++) {
        int64_t number = scan->segments.items[i];
        if (i > 0 && number != scan->segments.items[i - 1] + 1)
            return spool_damaged(spool, "segment", scan->segments.items[i - 1] + 1, 0,
                                 "it is missing", scan->err);
        scan->last = i + 1 == scan->segments.count;
        if (!scan_segment(scan, number, before))
            return false;
        if (spool->segment_count > 0)
            before = spool->segments[spool->segment_count - 1].last;
    }
    return true;
}

/* Files of large transactions that did not come to their commit. */
static bool remove_orphans(Scan *scan)
{
    char path[SPOOL_PATH_BYTES];

    for (size_t i = 0; i < scan->large.count; i++)
        if (!numbers_have(&scan->referred, scan->large.items[i]) &&
            unlink(spool_large_path(scan->spool, scan->large.items[i], path)) < 0)
            return error_set_errno(scan->err, "remove \"%s\"", path);
    return true;
}

static void count_up(Spool *spool)
{
    for (int i = 0; i < spool->segment_count; i++) {
        const SpoolSegment *segment = &spool->segments[i];
        spool->end = segment->last;
        spool->visible = (SpoolPosition){segment->number, segment->bytes};
        atomic_fetch_add(&spool->bytes, segment->bytes);
        for (int j = 0; j < segment->large_count; j++)
            atomic_fetch_add(&spool->bytes, segment->large[j].bytes);
    }
    atomic_store(&spool->synced, spool->end);
    atomic_store(&spool->committed, spool->commit_end);
}

bool spool_scan(Spool *spool, Error *err)
{
    Error found = ERROR_INIT;
    Scan scan = {.spool = spool, .fd = -1, .err = &found};

    bool ok = list_files(&scan) && scan_segments(&scan) && remove_orphans(&scan);
    if (ok)
        count_up(spool);
    else
        *err = found;
    free(scan.segments.items);
    free(scan.large.items);
    free(scan.referred.items);
    free(scan.raw);
    return ok;
}
