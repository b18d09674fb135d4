/*
 * Each call on a file that the spool makes fails once, in turn: while it is written, opened and
 * read. What was synced is there and can be read, what was not comes again from the server, and in
 * the end everything is there, once and in order.
 */
#include "spool_helpers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- the calls ---- */

static int calls_left; /* until the one that fails; 0: none does */

static bool fails(void)
{
    if (calls_left == 0 || --calls_left > 0)
        return false;
    errno = EIO;
    return true;
}

#define WRAP(type, failure, name, params, args)                                                    \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        return fails() ? (failure) : __real_##name args;                                           \
    }

#define WRAP_BOTH(type, failure, name, params, args)                                               \
    WRAP(type, failure, name, params, args)                                                        \
    WRAP(type, failure, name##64, params, args)

WRAP_BOTH(int, -1, open, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP_BOTH(int, -1, fstat, (int fd, void *info), (fd, info))
WRAP_BOTH(int, -1, ftruncate, (int fd, off_t len), (fd, len))
WRAP_BOTH(ssize_t, -1, pwrite, (int fd, const void *data, size_t len, off_t at),
          (fd, data, len, at))
WRAP_BOTH(ssize_t, -1, pread, (int fd, void *data, size_t len, off_t at), (fd, data, len, at))
WRAP_BOTH(void *, MAP_FAILED, mmap,
          (void *at, size_t len, int protection, int flags, int fd, off_t offset),
          (at, len, protection, flags, fd, offset))
WRAP(int, -1, fsync, (int fd), (fd))
WRAP(int, -1, fdatasync, (int fd), (fd))
WRAP(int, -1, unlink, (const char *path), (path))
WRAP(DIR *, NULL, opendir, (const char *path), (path))

static int open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    assert_int_equal(closedir(dir), 0);
    return count;
}

/* ---- what the server sends ---- */

enum {
    LARGE_XID = 50,
    LARGE_ROW = 300000 /* more than is gathered before it is written */
};

static const char *const whole =
    "B100 It:0 C105 B200 It:1 C205 B300 It:2 It:3 C305 B400 It:4 C405 ";

/* Where each transaction ends, and what is read up to there. */
static const struct {
    Lsn end;
    int length;
} ends[] = {
    {0,   0                                                                             },
    {105, sizeof "B100 It:0 C105 " - 1                                                  },
    {205, sizeof "B100 It:0 C105 B200 It:1 C205 " - 1                                   },
    {305, sizeof "B100 It:0 C105 B200 It:1 C205 B300 It:2 It:3 C305 " - 1               },
    {405, sizeof "B100 It:0 C105 B200 It:1 C205 B300 It:2 It:3 C305 B400 It:4 C405 " - 1},
};

static int length_until(Lsn end)
{
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (ends[i].end == end)
            return ends[i].length;
    fail_msg("no transaction ends at %d", (int)end);
    return 0;
}

static bool write_one(Spool *spool, Bytes bytes, Error *err)
{
    return spool_write(spool, 0, bytes.data, bytes.len, err);
}

static bool sync_one(Spool *spool, Error *err)
{
    Lsn lsn = 0;

    return spool_sync(spool, &lsn, err);
}

static bool write_row(Spool *spool, Lsn commit, const char *id, Error *err)
{
    return write_one(spool, message_begin(commit, (unsigned)commit), err) &&
           write_one(spool, message_relation(0, TABLE, "t"), err) &&
           write_one(spool, message_insert(0, TABLE, id, "x"), err) &&
           write_one(spool, message_ends('C', 0, commit, commit + 5), err) && sync_one(spool, err);
}

static bool write_long_row(Spool *spool, unsigned xid, const char *id, Error *err)
{
    Bytes head = message_of('I', xid);
    char *message = malloc(sizeof head.data + LARGE_ROW + 1);

    assert_non_null(message);
    bytes_number(&head, TABLE, 4);
    bytes_number(&head, 'N', 1);
    bytes_number(&head, 2, 2);
    bytes_value(&head, id);
    bytes_number(&head, 't', 1);
    bytes_number(&head, LARGE_ROW, 4);
    memcpy(message, head.data, head.len);
    (void)noise(message + head.len, LARGE_ROW, 1);
    bool ok = spool_write(spool, 0, message, head.len + LARGE_ROW, err);
    free(message);
    return ok;
}

/* In two pieces, with a subtransaction that is aborted and one that is not. */
static bool write_streamed(Spool *spool, Lsn commit, Error *err)
{
    return write_one(spool, message_stream_start(LARGE_XID, true), err) &&
           write_one(spool, message_relation(LARGE_XID, TABLE, "t"), err) &&
           write_long_row(spool, LARGE_XID, "2", err) &&
           write_one(spool, message_insert(LARGE_XID + 1, TABLE, "9", "aborted"), err) &&
           write_one(spool, message_of('E', 0), err) && sync_one(spool, err) &&
           write_one(spool, message_stream_abort(LARGE_XID, LARGE_XID + 1), err) &&
           write_one(spool, message_stream_start(LARGE_XID, false), err) &&
           write_long_row(spool, LARGE_XID + 2, "3", err) &&
           write_one(spool, message_of('E', 0), err) &&
           write_one(spool, message_ends('c', LARGE_XID, commit, commit + 5), err) &&
           sync_one(spool, err);
}

/* All that ends behind `from`: what a server sends that is told this position. */
static bool write_from(Spool *spool, Lsn from, Error *err)
{
    return (from >= 105 || write_row(spool, 100, "0", err)) &&
           (from >= 205 || write_row(spool, 200, "1", err)) &&
           (from >= 305 || write_streamed(spool, 300, err)) &&
           (from >= 405 || write_row(spool, 400, "4", err));
}

static void check_read(Spool *spool, const char *wanted, int length)
{
    auto_arena Arena *arena = arena_new();
    const char *found = read_all(arena, spool, 0);

    if (strncmp(found, wanted, (size_t)length) != 0)
        fail_msg("read: %s", found);
}

static void check_whole(Spool *spool)
{
    auto_arena Arena *arena = arena_new();

    assert_string_equal(read_all(arena, spool, 0), whole);
}

static const char *folder_of(Arena *arena, void **state, int round)
{
    return arena_printf(arena, "%s/%d", (const char *)*state, round);
}

static void check_error(const Error *err)
{
    assert_int_equal(err->code, ERR_IO);
    assert_non_null(strstr(err->message, "Input/output error"));
}

/* ---- while it is written ---- */

/* The stream begins anew where the spool is: in the same process, or in the next. */
static void write_on(const char *dir, Spool *spool, bool same)
{
    Error err = ERROR_INIT;
    Lsn synced = spool_synced(spool);

    if (!same) {
        spool_close(spool);
        spool = open_spool(dir);
    }
    Lsn from = restart(spool);
    assert_true(from >= synced);
    check_read(spool, whole, length_until(from));
    if (!write_from(spool, from, &err))
        fail_msg("%s", err.message);
    assert_int_equal(spool_synced(spool), 405);
    check_whole(spool);
    spool_close(spool);
    spool = open_spool(dir);
    check_whole(spool);
    spool_close(spool);
}

static int fail_writing(void **state, bool same)
{
    int before = open_files();

    for (int call = 1;; call++) {
        auto_arena Arena *arena = arena_new();
        const char *dir = folder_of(arena, state, call + (same ? 1000 : 0));
        Spool *spool = open_spool(dir);
        Error err = ERROR_INIT;

        calls_left = call;
        bool ok = write_from(spool, 0, &err);
        bool unmade = calls_left > 0;
        calls_left = 0;
        assert_int_equal(ok, unmade);
        if (!ok)
            check_error(&err);
        write_on(dir, spool, same);
        assert_int_equal(open_files(), before);
        if (unmade)
            return call - 1;
    }
}

static void what_was_synced_is_there_whatever_fails_while_it_is_written(void **state)
{
    assert_true(fail_writing(state, true) > 15);
    assert_true(fail_writing(state, false) > 15);
}

/* ---- while it is opened ---- */

static void add_file(const char *dir, const char *name, const char *text)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/spool/1/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

/* What crashes leave: a torn end, a segment that was only just made, a transaction without its end.
 */
static const struct {
    const char *name;
    const char *text;
} left[] = {
    {"s000000000001.seg", "torn off: HPSB is how a block would begin, which it is not"},
    {"s000000000002.seg", ""                                                          },
    {"t000000000007.tx",  "nobody refers to it"                                       },
};

static void what_a_crash_left_is_cut_off_when_nothing_fails_any_more(void **state)
{
    int before = open_files();

    for (size_t i = 0; i < COUNT_OF(left); i++) {
        auto_arena Arena *arena = arena_new();
        const char *dir = folder_of(arena, state, (int)i);
        Spool *spool = open_spool(dir);
        Error err = ERROR_INIT;
        bool opened = false;
        int calls = 0;

        assert_true(write_from(spool, 0, &err));
        spool_close(spool);
        while (!opened) {
            add_file(dir, left[i].name, left[i].text);
            err = ERROR_INIT;
            calls_left = ++calls;
            opened = spool_open(dir, "m1", 1, &spool, &err);
            bool unmade = calls_left > 0;
            calls_left = 0;
            assert_int_equal(opened, unmade);
            if (!opened)
                check_error(&err);
        }
        assert_true(calls > 5);
        check_whole(spool);
        spool_close(spool);
        assert_int_equal(open_files(), before);
    }
}

/* ---- while it is read ---- */

static void what_could_not_be_read_is_read_the_next_time(void **state)
{
    auto_arena Arena *arena = arena_new();
    Spool *spool = open_spool(*state);
    Error err = ERROR_INIT;
    bool unmade = false;
    int calls = 0;

    assert_true(write_from(spool, 0, &err));
    int before = open_files();
    while (!unmade) {
        SpoolReader *reader = NULL;
        const char *found = "";

        err = ERROR_INIT;
        calls_left = ++calls;
        if (spool_read(spool, 0, &reader, &err))
            found = read_some(arena, reader, 1000);
        else
            check_error(&err);
        unmade = calls_left > 0;
        calls_left = 0;
        spool_reader_close(reader);
        const char *why = strstr(found, "! ");
        if (why)
            assert_non_null(strstr(why, "Input/output error"));
        /* Nothing of a transaction is left out before what could not be read. */
        assert_memory_equal(found, whole, why ? (size_t)(why - found) : strlen(found));
        assert_int_equal(unmade, strcmp(found, whole) == 0);
        assert_int_equal(open_files(), before);
    }
    assert_true(calls > 10);
    check_whole(spool);
    spool_close(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(what_was_synced_is_there_whatever_fails_while_it_is_written),
        SPOOL_TEST(what_a_crash_left_is_cut_off_when_nothing_fails_any_more),
        SPOOL_TEST(what_could_not_be_read_is_read_the_next_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
