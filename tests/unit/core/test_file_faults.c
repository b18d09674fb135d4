/*
 * Every call to the system that core/file makes fails once, in turn. Whatever fails, the promise of
 * the function holds: old content or new content, never half; an error that says so, or success;
 * and nothing is left open or lying about.
 *
 * The linker puts the functions here in the place of the system's (tests/unit/meson.build).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/unit/folder.h"

/* ---- the calls ---- */

static int calls_left;  /* until the one that fails; 0: none does */
static bool in_trouble; /* reads and writes take some bytes at once, every second is interrupted */

static bool fails(void)
{
    if (calls_left == 0 || --calls_left > 0)
        return false;
    errno = EIO;
    return true;
}

static bool is_interrupted(void)
{
    static int calls;

    if (!in_trouble || ++calls % 2 == 0)
        return false;
    errno = EINTR;
    return true;
}

static size_t portion(size_t len)
{
    return in_trouble && len > 3 ? 3 : len;
}

/* WRAP(result, on failure, name, (parameters), (arguments)) */
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
WRAP_BOTH(int, -1, stat, (const char *path, void *info), (path, info))
WRAP_BOTH(int, -1, lstat, (const char *path, void *info), (path, info))
WRAP_BOTH(int, -1, ftruncate, (int fd, off_t len), (fd, len))
WRAP_BOTH(ssize_t, -1, pwrite, (int fd, const void *data, size_t len, off_t at),
          (fd, data, len, at))
WRAP_BOTH(ssize_t, -1, pread, (int fd, void *data, size_t len, off_t at), (fd, data, len, at))
WRAP_BOTH(void *, MAP_FAILED, mmap,
          (void *at, size_t len, int protection, int flags, int fd, off_t offset),
          (at, len, protection, flags, fd, offset))
WRAP_BOTH(int, -1, nftw, (const char *path, void *each, int fds, int flags),
          (path, each, fds, flags))
WRAP(int, -1, fsync, (int fd), (fd))
WRAP(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, -1, rename, (const char *from, const char *to), (from, to))
WRAP(int, -1, unlink, (const char *path), (path))
WRAP(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, -1, flock, (int fd, int operation), (fd, operation))

ssize_t __real_read(int fd, void *data, size_t len);
ssize_t __wrap_read(int fd, void *data, size_t len);
ssize_t __wrap_read(int fd, void *data, size_t len)
{
    return fails() || is_interrupted() ? -1 : __real_read(fd, data, portion(len));
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    return fails() || is_interrupted() ? -1 : __real_write(fd, data, portion(len));
}

/* Whatever close() says, the descriptor is closed. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    bool failed = fails();

    return __real_close(fd) < 0 || failed ? -1 : 0;
}

/* ---- what is checked after each ---- */

static int count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    assert_int_equal(closedir(dir), 0);
    return count;
}

static int open_files(void)
{
    return count_entries("/proc/self/fd");
}

typedef struct Try {
    Arena *arena;
    const char *folder;
    const char *path; /* a file in it */
    Error err;
    bool ok;
} Try;

static const char old_text[] = "what was there before";
static const char new_text[] = "what is to be there, and is longer";

static void write_old(const Try *try)
{
    int fd = open(try->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, old_text, strlen(old_text)), strlen(old_text));
    assert_int_equal(close(fd), 0);
}

static char *content(const Try *try)
{
    char *text = arena_alloc(try->arena, 100);
    int fd = open(try->path, O_RDONLY);

    assert_true(fd >= 0);
    assert_true(read(fd, text, 99) >= 0);
    assert_int_equal(close(fd), 0);
    return text;
}

typedef struct Round {
    void (*prepare)(const Try *);
    void (*act)(Try *);
    void (*check)(const Try *);
    bool in_trouble;
} Round;

/* Calls `act` again and again, in each round the next call failing, until none was left to fail.
 * `check` judges each round; the error must be there exactly when it failed. Returns the rounds. */
static int fail_each(void **state, const Round *steps)
{
    for (int round = 1;; round++) {
        auto_arena Arena *arena = arena_new();
        Try try = {.arena = arena, .folder = *state, .err = ERROR_INIT};

        try.path = arena_printf(arena, "%s/file", try.folder);
        steps->prepare(&try);
        int before = open_files();
        calls_left = round;
        in_trouble = steps->in_trouble;
        steps->act(&try);
        bool all_succeeded = calls_left > 0;
        calls_left = 0;
        in_trouble = false;

        assert_int_equal(open_files(), before);
        assert_int_equal(try.err.code != ERR_NONE, !try.ok);
        if (!try.ok) {
            assert_int_equal(try.err.code, ERR_IO);
            assert_true(*try.err.message);
        }
        steps->check(&try);
        if (all_succeeded) {
            assert_true(try.ok);
            return round - 1;
        }
        assert_true(round < 100);
    }
}

/* ---- each function ---- */

static void replace(Try *try)
{
    try->ok = file_replace(try->path, new_text, strlen(new_text), &try->err);
}

static void check_replaced(const Try *try)
{
    const char *text = content(try);

    assert_true(strcmp(text, new_text) == 0 || (!try->ok && strcmp(text, old_text) == 0));
    assert_int_equal(count_entries(try->folder), 1); /* no temporary file */
}

static void a_replaced_file_is_old_or_new_whatever_fails(void **state)
{
    /* open, fchmod, write, fsync, rename, the folder's open and fsync, two close */
    assert_int_equal(fail_each(state, &(Round){write_old, replace, check_replaced, false}), 9);
}

static void writing_in_small_portions_and_with_interruptions_is_whole(void **state)
{
    assert_true(fail_each(state, &(Round){write_old, replace, check_replaced, true}) > 9);
}

static void read_it(Try *try)
{
    char untouched[] = "untouched";
    char *data = untouched;
    size_t len = 99;

    try->ok = file_read(try->arena, try->path, 1000, &data, &len, &try->err);
    if (try->ok) {
        assert_string_equal(data, old_text);
        assert_int_equal(len, strlen(old_text));
    } else {
        assert_ptr_equal(data, untouched);
        assert_int_equal(len, 99);
    }
}

static void check_old(const Try *try)
{
    assert_string_equal(content(try), old_text);
}

static void what_is_read_is_whole_or_an_error(void **state)
{
    assert_true(fail_each(state, &(Round){write_old, read_it, check_old, false}) >= 4);
}

static void reading_in_small_portions_and_with_interruptions_is_whole(void **state)
{
    assert_true(fail_each(state, &(Round){write_old, read_it, check_old, true}) > 7);
}

static void map_it(Try *try)
{
    FileMap map = {.data = "untouched"};

    try->ok = file_map(try->path, &map, &try->err);
    if (try->ok)
        assert_memory_equal(map.data, old_text, strlen(old_text));
    else
        assert_string_equal(map.data, "untouched");
    if (try->ok)
        file_unmap(&map);
}

static void what_is_mapped_is_whole_or_an_error(void **state)
{
    assert_int_equal(fail_each(state, &(Round){write_old, map_it, check_old, false}), 4);
}

static void lock_it(Try *try)
{
    int fd = -1;
    int holder = 0;

    try->ok = file_lock(try->path, &fd, &holder, &try->err);
    assert_int_equal(fd >= 0, try->ok);
    file_close(&fd);
}

static void check_unlocked(const Try *try)
{
    assert_int_equal(file_lock_holder(try->path), 0);
}

static void a_lock_that_was_not_taken_is_nobodys(void **state)
{
    assert_int_equal(fail_each(state, &(Round){write_old, lock_it, check_unlocked, false}), 5);
}

static void make_folders(Try *try)
{
    try->ok = file_make_dir(arena_printf(try->arena, "%s/a/b", try->folder), 0700, &try->err);
}

static void remove_folders(const Try *try)
{
    Error err = ERROR_INIT;

    assert_true(file_remove_tree(arena_printf(try->arena, "%s/a", try->folder), &err));
}

static void check_folders(const Try *try)
{
    struct stat info = {0};
    const char *path = arena_printf(try->arena, "%s/a/b", try->folder);

    if (try->ok) {
        assert_int_equal(stat(path, &info), 0);
        assert_true(S_ISDIR(info.st_mode));
    }
}

static void folders_are_there_or_it_is_an_error(void **state)
{
    assert_true(fail_each(state, &(Round){remove_folders, make_folders, check_folders, false}) >=
                4);
}

static void remove_it(Try *try)
{
    try->ok = file_remove_tree(try->path, &try->err);
}

static void check_removed(const Try *try)
{
    assert_int_equal(count_entries(try->folder), try->ok ? 0 : 1);
}

static void a_tree_is_gone_or_it_is_an_error(void **state)
{
    assert_int_equal(fail_each(state, &(Round){write_old, remove_it, check_removed, false}), 2);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_replaced_file_is_old_or_new_whatever_fails),
        IN_FOLDER(writing_in_small_portions_and_with_interruptions_is_whole),
        IN_FOLDER(what_is_read_is_whole_or_an_error),
        IN_FOLDER(reading_in_small_portions_and_with_interruptions_is_whole),
        IN_FOLDER(what_is_mapped_is_whole_or_an_error),
        IN_FOLDER(a_lock_that_was_not_taken_is_nobodys),
        IN_FOLDER(folders_are_there_or_it_is_an_error),
        IN_FOLDER(a_tree_is_gone_or_it_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
