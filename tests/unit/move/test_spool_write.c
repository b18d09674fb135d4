/*
 * What the spool's writer refuses, what stands in its way, and that nothing of what was synced is
 * lost by it.
 */
#include "spool_helpers.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "move/spool_internal.h"

/* ---- a library that has no memory, by --wrap ---- */

static bool no_memory;

ZSTD_CCtx *__real_ZSTD_createCCtx(void);
ZSTD_CCtx *__wrap_ZSTD_createCCtx(void);
ZSTD_DCtx *__real_ZSTD_createDCtx(void);
ZSTD_DCtx *__wrap_ZSTD_createDCtx(void);
size_t __real_ZSTD_compressCCtx(ZSTD_CCtx *context, void *to, size_t size, const void *from,
                                size_t len, int level);
size_t __wrap_ZSTD_compressCCtx(ZSTD_CCtx *context, void *to, size_t size, const void *from,
                                size_t len, int level);

ZSTD_CCtx *__wrap_ZSTD_createCCtx(void)
{
    return no_memory ? NULL : __real_ZSTD_createCCtx();
}

ZSTD_DCtx *__wrap_ZSTD_createDCtx(void)
{
    return no_memory ? NULL : __real_ZSTD_createDCtx();
}

/* What it needs of memory it takes when it compresses. */
size_t __wrap_ZSTD_compressCCtx(ZSTD_CCtx *context, void *to, size_t size, const void *from,
                                size_t len, int level)
{
    return __real_ZSTD_compressCCtx(context, to, no_memory ? 1 : size, from, len, level);
}

/* ---- what does not follow ---- */

static void refuses(Spool *spool, Bytes message, const char *why)
{
    Error err = ERROR_INIT;
    Lsn lsn = 0;

    assert_false(spool_write(spool, 0, message.data, message.len, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" is not in: %s", why, err.message);
    /* It stays, until the stream begins anew: what is whole then is what was synced. */
    Bytes row = message_insert(0, TABLE, "9", "x");
    Error later = ERROR_INIT;
    assert_false(spool_write(spool, 0, row.data, row.len, &later));
    assert_string_equal(later.message, err.message);
    assert_false(spool_sync(spool, &lsn, &later));
    assert_int_equal(restart(spool), 105);
}

static void a_message_that_does_not_follow_is_refused_and_nothing_is_lost(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    put_relation(spool, 100);
    (void)sync_spool(spool);
    refuses(spool, message_insert(0, TABLE, "1", "x"), "message 'I' outside of a transaction");
    refuses(spool, message_ends('C', 0, 200, 205), "message 'C' outside of a transaction");
    refuses(spool, message_ends('c', 50, 200, 205), "transaction 50 commits that has not begun");

    put(spool, message_begin(200, 9));
    refuses(spool, message_begin(300, 10), "message 'B' in a transaction");
    put(spool, message_begin(200, 9));
    refuses(spool, message_ends('C', 0, 210, 215), "a commit does not fit its begin");
    put(spool, message_begin(200, 9));
    refuses(spool, message_ends('C', 0, 200, 200), "a commit does not fit its begin");
    put(spool, message_begin(200, 9));
    refuses(spool, message_stream_start(50, true), "message 'S' in a transaction");
    put(spool, message_begin(200, 9));
    refuses(spool, message_ends('c', 50, 200, 205), "message 'c' in a transaction");

    put_row(spool, 200, "1");
    (void)sync_spool(spool);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 B200 It:1 C205 ");
    spool_close(spool);
}

static void a_message_that_has_no_place_in_a_piece_is_refused(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);
    Bytes odd = message_of('\x01', 50);

    put_relation(spool, 100);
    (void)sync_spool(spool);
    put(spool, message_stream_start(50, true));
    refuses(spool, message_begin(200, 9), "message 'B' in a piece of a transaction");
    put(spool, message_stream_start(50, true));
    refuses(spool, odd, "message '?' in a piece of a transaction");
    put(spool, message_stream_start(50, true));
    refuses(spool, (Bytes){.data = "I\0\0", .len = 3}, "ends too early at byte 1 of 3");
    put(spool, message_stream_start(50, true));
    put(spool, message_of('E', 0));
    refuses(spool, message_ends('c', 50, 200, 200), "transaction 50 commits that has not begun");

    put_piece(spool, 50, true, (Bytes[]){message_insert(50, TABLE, "1", "x")}, 1);
    put(spool, message_ends('c', 50, 200, 205));
    (void)sync_spool(spool);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 B200 It:1 C205 ");
    spool_close(spool);
}

static void an_empty_message_is_refused(void **state)
{
    Spool *spool = open_spool(*state);
    Error err = ERROR_INIT;

    assert_false(spool_write(spool, 0, "", 0, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_string_equal(err.message, "replication stream: an empty message");
    spool_close(spool);
}

/* ---- much ---- */

/* It ends in the middle of the stream, without a crash and without being told to. */
static void a_segment_that_is_full_is_followed_by_another(void **state)
{
    enum {
        ROWS = 26,
        ROW_BYTES = 900000,
    };
    Spool *spool = open_spool(*state);
    SpoolItem item = {0};
    Error err = ERROR_INIT;
    struct stat info;
    char path[SPOOL_PATH_BYTES];
    int rows = 0;

    put_relation(spool, 100);
    for (unsigned i = 0; i < ROWS; i++) {
        put(spool, message_begin(200 + i * 10, 9));
        put_large_row(spool, 0, "1", ROW_BYTES, i);
        put(spool, message_ends('C', 0, 200 + i * 10, 205 + i * 10));
    }
    /* Without a sync: what is full is synced by itself. */
    assert_true(spool_synced(spool) > 105 && spool_synced(spool) < 205 + (ROWS - 1) * 10);
    assert_int_equal(stat(spool_segment_path(spool, 1, path), &info), 0);
    assert_true(info.st_size >= SEGMENT_BYTES && info.st_size < SEGMENT_BYTES + 2 * ROW_BYTES);
    assert_int_equal(sync_spool(spool), 205 + (ROWS - 1) * 10);
    SpoolReader *reader = start_reading(spool, 200);
    while (spool_next(reader, 0, &item, &err) && item.kind != SPOOL_NOTHING)
        rows += item.kind == SPOOL_CHANGE && item.message->new_row.values[1].len == ROW_BYTES;
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(rows, ROWS);
    spool_reader_close(reader);
    spool_close(spool);
}

/* The buffer holds what is whole and not yet written, and behind it one that just stays small. */
static void a_row_of_almost_the_largest_size_fits_behind_others(void **state)
{
    Spool *spool = open_spool(*state);
    SpoolItem item = {0};
    Error err = ERROR_INIT;
    int lens[3] = {0};

    put_relation(spool, 100);
    put(spool, message_begin(200, 9));
    put_large_row(spool, 0, "1", 240000, 1);
    put(spool, message_ends('C', 0, 200, 205));
    put(spool, message_begin(300, 9));
    put_large_row(spool, 0, "2", 1040000, 2);
    put(spool, message_ends('C', 0, 300, 305));
    assert_int_equal(sync_spool(spool), 305);
    SpoolReader *reader = start_reading(spool, 0);
    for (int i = 0; i < 3;) {
        if (!spool_next(reader, 0, &item, &err))
            fail_msg("%s", err.message);
        if (item.kind == SPOOL_CHANGE)
            lens[i++] = item.message->new_row.values[1].len;
    }
    assert_int_equal(lens[1], 240000);
    assert_int_equal(lens[2], 1040000);
    spool_reader_close(reader);
    spool_close(spool);
}

/* ---- descriptions at the begin of a segment ---- */

/* A description with columns of 60 letters each, as a message to be freed. */
static char *wide_relation(unsigned oid, int columns, size_t *ret_len)
{
    Bytes head = message_of('R', 0);
    Bytes column = {.len = 0};

    bytes_number(&head, oid, 4);
    bytes_text(&head, "public");
    bytes_text(&head, "wide");
    bytes_number(&head, 'd', 1);
    bytes_number(&head, (unsigned)columns, 2);
    bytes_number(&column, 1, 1);
    bytes_text(&column, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh");
    bytes_number(&column, 25, 4);
    bytes_number(&column, 0xFFFFFFFF, 4);
    *ret_len = head.len + (size_t)columns * column.len;
    char *message = malloc(*ret_len);
    assert_non_null(message);
    memcpy(message, head.data, head.len);
    for (int i = 0; i < columns; i++)
        memcpy(message + head.len + (size_t)i * column.len, column.data, column.len);
    return message;
}

static void put_wide(Spool *spool, unsigned oid, int columns)
{
    Error err = ERROR_INIT;
    size_t len = 0;
    char *message = wide_relation(oid, columns, &len);

    if (!spool_write(spool, 0, message, len, &err))
        fail_msg("%s", err.message);
    free(message);
}

/* In one transaction, a row of each of these tables. */
static void put_rows(Spool *spool, Lsn commit, unsigned first, unsigned count)
{
    put(spool, message_begin(commit, 9));
    for (unsigned oid = first; oid < first + count; oid++)
        put(spool, message_insert(0, oid, "1", "x"));
    put(spool, message_ends('C', 0, commit, commit + 5));
}

/* A file of its own, at 110, is what pruning wants to be rid of: the next block begins a segment.
 */
static void begin_another_segment(Spool *spool)
{
    Error err = ERROR_INIT;

    put_piece(spool, 50, true,
              (Bytes[]){message_relation(50, OTHER_TABLE, "other"),
                        message_insert(50, OTHER_TABLE, "5", "x")},
              2);
    put(spool, message_ends('c', 50, 110, 115));
    assert_int_equal(sync_spool(spool), 115);
    assert_true(spool_prune(spool, 115, &err));
}

static void every_segment_describes_all_tables_however_many_and_wide(void **state)
{
    enum {
        TABLES = 5,
        WIDEST = 1600, /* as PostgreSQL has it: 100 kB and more each */
    };
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    for (unsigned i = 0; i < TABLES; i++)
        put_wide(spool, 100 + i, WIDEST);
    put_rows(spool, 100, 100, TABLES);
    begin_another_segment(spool);
    put_rows(spool, 200, 100, TABLES);
    assert_int_equal(sync_spool(spool), 205);
    static const char wanted[] = "B200 Iwide:1 Iwide:1 Iwide:1 Iwide:1 Iwide:1 C205 ";
    assert_string_equal(read_all(arena, spool, 115), wanted);
    spool_close(spool);
    spool = open_spool(*state);
    assert_string_equal(read_all(arena, spool, 115), wanted);
    spool_close(spool);
}

/* No server sends it; it must not write where there is no room. Its rows are refused, not read as
 * something else, and those of other tables are there. */
static void a_description_wider_than_any_table_is_left_out(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    put_wide(spool, 100, 9000);
    put_wide(spool, 101, 2);
    put_rows(spool, 100, 100, 2);
    begin_another_segment(spool);
    put_rows(spool, 200, 101, 1);
    put_rows(spool, 300, 100, 1);
    (void)sync_spool(spool);
    const char *text = read_all(arena, spool, 115);
    assert_memory_equal(text, "B200 Iwide:1 C205 B300 !", 24);
    assert_non_null(strstr(text, "a change of table 100, which was not described"));
    spool_close(spool);
}

/* ---- what stands in the way ---- */

static void set_limit(rlim_t bytes)
{
    struct rlimit limit = {0};

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static char *in_the_way(Arena *arena, const char *dir, const char *name)
{
    char *path = arena_printf(arena, "%s/spool/1/%s", dir, name);

    assert_int_equal(mkdir(path, 0700), 0);
    return path;
}

static void not_synced(Spool *spool, int error, const char *why)
{
    Error err = ERROR_INIT;
    Lsn lsn = 0;

    assert_false(spool_sync(spool, &lsn, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.sys_errno, error);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" is not in: %s", why, err.message);
    assert_int_equal(lsn, 0);
}

static void a_segment_that_cannot_be_made_is_made_after_a_restart(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    put_relation(spool, 100);
    begin_another_segment(spool);
    char *path = in_the_way(arena, *state, "s000000000002.seg");
    put_row(spool, 200, "1");
    not_synced(spool, EISDIR, path);
    assert_int_equal(spool_synced(spool), 115);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(restart(spool), 115);
    put_row(spool, 200, "1");
    assert_int_equal(sync_spool(spool), 205);
    assert_string_equal(read_all(arena, spool, 0),
                        "B100 It:0 C105 B110 Iother:5 C115 B200 It:1 C205 ");
    spool_close(spool);
}

/* The segment's file was made, and is gone when it should be removed again: somebody is at work
 * there who should not be. */
static void a_segment_that_was_taken_away_is_said(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);
    char path[SPOOL_PATH_BYTES];
    Error err = ERROR_INIT;
    Lsn lsn = 0;

    put_relation(spool, 100);
    begin_another_segment(spool);
    put_row(spool, 200, "1");
    set_limit(50);
    not_synced(spool, EFBIG, "write");
    set_limit(RLIM_INFINITY);
    assert_int_equal(unlink(spool_segment_path(spool, 2, path)), 0);
    assert_false(spool_restart(spool, &lsn, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    assert_non_null(strstr(err.message, "cut off segment 2 of"));
    spool_close(spool);
    spool = open_spool(*state);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 B110 Iother:5 C115 ");
    spool_close(spool);
}

static void does_not_write(Spool *spool, Bytes message, int error)
{
    Error err = ERROR_INIT;

    assert_false(spool_write(spool, 0, message.data, message.len, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.sys_errno, error);
}

static void check_large_again(Arena *arena, Spool *spool, const char *dir)
{
    set_limit(RLIM_INFINITY);
    assert_int_equal(restart(spool), 105);
    assert_int_not_equal(access(arena_printf(arena, "%s/spool/1/t000000000001.tx", dir), F_OK), 0);
    put_row(spool, 200, "1");
    assert_int_equal(sync_spool(spool), 205);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 B200 It:1 C205 ");
    spool_close(spool);
}

static void a_transaction_that_grew_large_and_has_no_room_is_taken_back(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    put_relation(spool, 100);
    (void)sync_spool(spool);
    put(spool, message_begin(200, 9));
    put_large_row(spool, 0, "1", 1000000, 1);
    put_large_row(spool, 0, "2", 100000, 2);
    /* Its last part is written at its commit. */
    set_limit(1000);
    does_not_write(spool, message_ends('C', 0, 200, 205), EFBIG);
    check_large_again(arena, spool, *state);
}

static void a_transaction_that_grows_large_where_no_file_can_be_is_taken_back(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);
    Bytes small = message_insert(0, TABLE, "2", "x");

    put_relation(spool, 100);
    (void)sync_spool(spool);
    char *path = in_the_way(arena, *state, "t000000000001.tx");
    put(spool, message_begin(200, 9));
    put_large_row(spool, 0, "1", 1048400, 1);
    for (int i = 0; i < 20 && spool->open == OPEN_SMALL; i++) {
        Error err = ERROR_INIT;
        if (spool_write(spool, 0, small.data, small.len, &err))
            continue;
        assert_int_equal(err.sys_errno, EISDIR);
        assert_non_null(strstr(err.message, path));
    }
    assert_int_not_equal(spool->open, OPEN_SMALL);
    assert_int_equal(rmdir(path), 0);
    check_large_again(arena, spool, *state);
}

static void a_streamed_transaction_whose_aborts_have_no_room_is_taken_back(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);

    put_relation(spool, 100);
    (void)sync_spool(spool);
    put_piece(spool, 50, true,
              (Bytes[]){message_insert(50, TABLE, "1", "a"), message_insert(51, TABLE, "2", "b")},
              2);
    put(spool, message_stream_abort(50, 51));
    set_limit(20);
    does_not_write(spool, message_ends('c', 50, 200, 205), EFBIG);
    check_large_again(arena, spool, *state);
}

static void a_library_without_memory_stops_it_and_it_goes_on(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);
    SpoolItem item = {0};
    Error err = ERROR_INIT;

    put_relation(spool, 100);
    no_memory = true;
    not_synced(spool, 0, "no memory for compression");
    no_memory = false;
    assert_int_equal(restart(spool), 0);
    put_relation(spool, 100);
    assert_int_equal(sync_spool(spool), 105);
    put_row(spool, 200, "1");
    no_memory = true;
    not_synced(spool, 0, "compress: ");
    SpoolReader *reader = start_reading(spool, 0);
    assert_false(spool_next(reader, 0, &item, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "no memory for decompression"));
    spool_reader_close(reader);
    no_memory = false;
    assert_int_equal(restart(spool), 105);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 ");
    spool_close(spool);
}

/* What is behind it can be read all the same. */
static void does_not_prune(const char *dir, char *(*name)(const Spool *, int64_t, char *))
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(dir);
    char path[SPOOL_PATH_BYTES];
    Error err = ERROR_INIT;

    put_relation(spool, 100);
    begin_another_segment(spool);
    put_row(spool, 300, "2");
    (void)sync_spool(spool);
    (void)name(spool, 1, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(spool_prune(spool, 115, &err));
    assert_int_equal(err.sys_errno, EISDIR);
    assert_non_null(strstr(err.message, path));
    assert_string_equal(read_all(arena, spool, 115), "B300 It:2 C305 ");
    spool_close(spool);
}

static void a_segment_that_cannot_be_removed_is_said_when_pruning(void **state)
{
    does_not_prune(*state, spool_segment_path);
}

static void a_large_file_that_cannot_be_removed_is_said_when_pruning(void **state)
{
    does_not_prune(*state, spool_large_path);
}

/* ---- opening ---- */

static void does_not_open(const char *dir, ErrorCode code, const char *why)
{
    Spool *spool = NULL;
    Error err = ERROR_INIT;

    assert_false(spool_open(dir, "m1", 1, &spool, &err));
    assert_null(spool);
    assert_int_equal(err.code, code);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" is not in: %s", why, err.message);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    char path[SPOOL_PATH_BYTES + 10];

    (void)snprintf(path, sizeof path, "%s/", (const char *)*state);
    size_t len = strlen(path);
    memset(path + len, 'x', sizeof path - len - 1);
    path[sizeof path - 1] = '\0';
    does_not_open(path, ERR_USAGE, "path is too long");
}

static void make_row(const char *dir)
{
    Spool *spool = open_spool(dir);

    put_relation(spool, 100);
    (void)sync_spool(spool);
    spool_close(spool);
}

static void a_segment_that_is_no_file_is_refused(void **state)
{
    auto_arena Arena *arena = arena_new();

    make_row(*state);
    char *path = in_the_way(arena, *state, "s000000000002.seg");
    does_not_open(*state, ERR_IO, path);
    assert_int_equal(rmdir(path), 0);
    path = in_the_way(arena, *state, "t000000000007.tx");
    does_not_open(*state, ERR_IO, path);
    assert_int_equal(rmdir(path), 0);
    Spool *spool = open_spool(*state);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 ");
    spool_close(spool);
}

/* A crash behind the first block of a segment: it ends where the one before does. */
static void a_segment_of_nothing_but_its_beginning_goes_on_where_the_one_before_ends(void **state)
{
    auto_arena Arena *arena = arena_new();
    char path[SPOOL_PATH_BYTES];
    const char *why = NULL;
    Block first = {0};
    Error err = ERROR_INIT;

    make_row(*state);
    Spool *spool = open_spool(*state);
    put_relation(spool, 200);
    (void)sync_spool(spool);
    (void)spool_segment_path(spool, 2, path);
    assert_true(block_read_header(spool->fd, 0, 1 << 20, &first, &why, &err) && !why);
    spool_close(spool);
    assert_int_equal(truncate(path, BLOCK_HEADER_BYTES + (int64_t)first.stored), 0);

    spool = open_spool(*state);
    assert_int_equal(restart(spool), 105);
    put_relation(spool, 200);
    assert_int_equal(sync_spool(spool), 205);
    assert_string_equal(read_all(arena, spool, 0), "B100 It:0 C105 B200 It:0 C205 ");
    spool_close(spool);
    spool = open_spool(*state);
    assert_string_equal(read_all(arena, spool, 105), "B200 It:0 C205 ");
    spool_close(spool);
}

/* Good blocks that say that they are something else, with others behind that were written later. */
static void first_or_other_block_is(const char *dir, bool first, BlockKind kind, const char *why)
{
    auto_arena Arena *arena = arena_new();
    char path[SPOOL_PATH_BYTES];
    char *content = NULL;
    size_t len = 0;
    const char *problem = NULL;
    Block block = {0};
    BlockCodec codec = {0};
    Error err = ERROR_INIT;

    Spool *spool = open_spool(dir);
    put_relation(spool, 100);
    (void)sync_spool(spool);
    put_row(spool, 200, "1");
    (void)sync_spool(spool);
    (void)spool_segment_path(spool, 1, path);
    assert_true(file_read(arena, path, 1 << 20, &content, &len, &err));
    for (int i = 0; i < (first ? 1 : 2); i++) {
        int64_t at = i == 0 ? 0 : BLOCK_HEADER_BYTES + (int64_t)block.stored;
        assert_true(block_read_header(spool->fd, at, (int64_t)len, &block, &problem, &err));
        assert_null(problem);
    }
    /* The same payload, so that what is behind stays in its place. */
    char *raw = arena_alloc(arena, block.raw + 1);
    assert_true(block_read_payload(&codec, spool->fd, &block, raw, &problem, &err) && !problem);
    if (first)
        raw[0] = RECORD_QUIET;
    uint32_t stored = block.stored;
    block.kind = kind;
    assert_true(block_write(&codec, spool->fd, &block, raw, block.raw, &err));
    assert_int_equal(block.stored, stored);
    block_codec_clear(&codec);
    spool_close(spool);
    does_not_open(dir, ERR_FORMAT,
                  arena_printf(arena, "segment 1, offset %d: %s", (int)block.offset, why));
}

static void a_segment_that_does_not_say_whose_it_is_is_refused(void **state)
{
    first_or_other_block_is(*state, true, BLOCK_SEGMENT, "it does not say whose it is");
}

static void a_block_of_a_large_transaction_in_a_segment_is_refused(void **state)
{
    first_or_other_block_is(*state, false, BLOCK_LARGE, "a block of another kind of file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(a_message_that_does_not_follow_is_refused_and_nothing_is_lost),
        SPOOL_TEST(a_message_that_has_no_place_in_a_piece_is_refused),
        SPOOL_TEST(an_empty_message_is_refused),
        SPOOL_TEST(a_segment_that_is_full_is_followed_by_another),
        SPOOL_TEST(a_row_of_almost_the_largest_size_fits_behind_others),
        SPOOL_TEST(every_segment_describes_all_tables_however_many_and_wide),
        SPOOL_TEST(a_description_wider_than_any_table_is_left_out),
        SPOOL_TEST(a_segment_that_cannot_be_made_is_made_after_a_restart),
        SPOOL_TEST(a_segment_that_was_taken_away_is_said),
        SPOOL_TEST(a_transaction_that_grew_large_and_has_no_room_is_taken_back),
        SPOOL_TEST(a_transaction_that_grows_large_where_no_file_can_be_is_taken_back),
        SPOOL_TEST(a_streamed_transaction_whose_aborts_have_no_room_is_taken_back),
        SPOOL_TEST(a_library_without_memory_stops_it_and_it_goes_on),
        SPOOL_TEST(a_segment_that_cannot_be_removed_is_said_when_pruning),
        SPOOL_TEST(a_large_file_that_cannot_be_removed_is_said_when_pruning),
        SPOOL_TEST(a_path_that_is_too_long_is_refused),
        SPOOL_TEST(a_segment_that_is_no_file_is_refused),
        SPOOL_TEST(a_segment_of_nothing_but_its_beginning_goes_on_where_the_one_before_ends),
        SPOOL_TEST(a_segment_that_does_not_say_whose_it_is_is_refused),
        SPOOL_TEST(a_block_of_a_large_transaction_in_a_segment_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
