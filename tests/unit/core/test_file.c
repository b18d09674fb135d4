#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/folder.h"

static const char *in(Arena *arena, void **state, const char *name)
{
    return arena_printf(arena, "%s/%s", (const char *)*state, name);
}

static void write_file(const char *path, const void *data, size_t len, unsigned mode)
{
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
}

static void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text), 0600);
}

static char *read_text(Arena *arena, const char *path)
{
    Error err = ERROR_INIT;
    char *text = NULL;

    assert_true(file_read(arena, path, 1 << 20, &text, NULL, &err));
    return text;
}

static unsigned mode_of(const char *path)
{
    struct stat info = {0};

    assert_int_equal(lstat(path, &info), 0);
    return info.st_mode & 07777;
}

/* ---- reading ---- */

static void reading_gives_all_bytes_and_a_nul_behind_them(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = in(arena, state, "f");
    Error err = ERROR_INIT;
    char *data = NULL;
    size_t len = 99;

    write_file(path, "a\0b\n", 4, 0600);
    assert_true(file_read(arena, path, 100, &data, &len, &err));
    assert_int_equal(len, 4);
    assert_memory_equal(data, "a\0b\n", 5);

    write_file(path, "", 0, 0600);
    assert_true(file_read(arena, path, 100, &data, &len, &err));
    assert_int_equal(len, 0);
    assert_string_equal(data, "");
}

static void a_file_larger_than_the_limit_is_an_error(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = in(arena, state, "f");
    char untouched[] = "untouched";
    char *data = untouched;
    size_t len = 99;
    Error err = ERROR_INIT;

    write_text(path, "12345");
    assert_true(file_read(arena, path, 5, &data, &len, &err));
    assert_string_equal(data, "12345");

    data = untouched;
    len = 99;
    assert_false(file_read(arena, path, 4, &data, &len, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_ptr_equal(data, untouched);
    assert_int_equal(len, 99);
    assert_false(file_read(arena, path, 0, &data, &len, &err));
}

/* A pipe does not say how much is in it. */
static int write_pipe(const char *path, size_t len)
{
    pid_t pid = fork();

    if (pid == 0) {
        int fd = open(path, O_WRONLY);
        for (size_t i = 0; i < len; i++)
            if (write(fd, i % 2 ? "y" : "x", 1) != 1)
                break;
        _exit(0);
    }
    return pid;
}

static void a_pipe_is_read_to_its_end_under_the_same_limit(void **state)
{
    static const struct {
        size_t len;
        size_t limit;
        bool ok;
    } cases[] = {
        {0,     10,    true },
        {4095,  4095,  true },
        {4096,  4096,  true },
        {4097,  4096,  false},
        {9000,  20000, true },
        {20001, 20000, false},
        {1,     0,     false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        const char *path = in(arena, state, "pipe");
        Error err = ERROR_INIT;
        char *data = NULL;
        size_t len = 0;

        (void)unlink(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        pid_t pid = write_pipe(path, cases[i].len);
        assert_int_equal(file_read(arena, path, cases[i].limit, &data, &len, &err), cases[i].ok);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(err.code, cases[i].ok ? ERR_NONE : ERR_FORMAT);
        if (!cases[i].ok)
            continue;
        assert_int_equal(len, cases[i].len);
        assert_int_equal(strlen(data), cases[i].len);
        for (size_t at = 0; at < len; at++)
            assert_true(data[at] == (at % 2 ? 'y' : 'x'));
    }
}

static void a_file_that_says_it_is_empty_is_read(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Error err = ERROR_INIT;
    char *data = NULL;

    assert_true(file_read(arena, "/proc/self/status", 1 << 20, &data, NULL, &err));
    assert_non_null(strstr(data, "Name:\t"));
    assert_false(file_read(arena, "/proc/self/status", 10, &data, NULL, &err));
}

static void what_cannot_be_read_says_why(void **state)
{
    auto_arena Arena *arena = arena_new();
    Error err = ERROR_INIT;
    FileMap map = {0};
    char *data = NULL;

    assert_false(file_read(arena, in(arena, state, "none"), 10, &data, NULL, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    assert_non_null(strstr(err.message, "none"));
    assert_false(file_read(arena, *state, 10, &data, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_false(file_map(in(arena, state, "none"), &map, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    assert_false(file_map(*state, &map, &err));
    assert_null(data);
    assert_null(map.data);
}

static void a_map_has_the_files_bytes(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = in(arena, state, "f");
    Error err = ERROR_INIT;
    FileMap map = {0};

    write_file(path, "a\0b", 3, 0600);
    assert_true(file_map(path, &map, &err));
    assert_int_equal(map.len, 3);
    assert_memory_equal(map.data, "a\0b", 3);
    file_unmap(&map);
    assert_null(map.data);
    file_unmap(&map);

    write_file(path, "", 0, 0600);
    assert_true(file_map(path, &map, &err));
    assert_int_equal(map.len, 0);
    assert_non_null(map.data);
    file_unmap(&map);
}

/* ---- replacing ---- */

static void replaced_is_the_whole_content_and_for_the_owner_alone(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = in(arena, state, "f");
    Error err = ERROR_INIT;

    assert_true(file_replace(path, "first, and longer", 17, &err));
    assert_string_equal(read_text(arena, path), "first, and longer");
    assert_int_equal(mode_of(path), 0600);
    assert_true(file_replace(path, "second", 6, &err));
    assert_string_equal(read_text(arena, path), "second");

    /* Neither the old file's permissions nor those of a temporary file left behind. */
    write_file(path, "open to all", 11, 0666);
    write_file(in(arena, state, "f.tmp"), "longer than what comes", 22, 0666);
    assert_true(file_replace(path, "", 0, &err));
    assert_string_equal(read_text(arena, path), "");
    assert_int_equal(mode_of(path), 0600);
    assert_false(file_exists(in(arena, state, "f.tmp")));
}

static void a_link_in_the_way_is_not_written_through(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = in(arena, state, "f");
    const char *other = in(arena, state, "other");
    Error err = ERROR_INIT;

    write_text(other, "somebody's");
    assert_int_equal(symlink(other, path), 0);
    assert_true(file_replace(path, "ours", 4, &err));
    assert_string_equal(read_text(arena, path), "ours");
    assert_string_equal(read_text(arena, other), "somebody's");

    assert_int_equal(symlink(other, in(arena, state, "f.tmp")), 0);
    assert_false(file_replace(path, "more", 4, &err));
    assert_int_equal(err.sys_errno, ELOOP);
    assert_string_equal(read_text(arena, path), "ours");
    assert_string_equal(read_text(arena, other), "somebody's");
}

enum {
    LONG = 100000
};

typedef struct Reader {
    const char *path;
    atomic_bool stop;
    int rounds;
    int bad;
} Reader;

static bool is_one_letter(const char *data, size_t len)
{
    for (size_t i = 1; i < len; i++)
        if (data[i] != data[0])
            return false;
    return len == LONG;
}

static void *read_on(void *context)
{
    Reader *reader = context;

    while (!atomic_load(&reader->stop)) {
        auto_arena Arena *arena = arena_new();
        Error err = ERROR_INIT;
        char *data = NULL;
        size_t len = 0;

        if (!file_read(arena, reader->path, LONG, &data, &len, &err) || !is_one_letter(data, len))
            reader->bad++;
        reader->rounds++;
    }
    return NULL;
}

static void readers_see_the_old_content_or_the_new_one(void **state)
{
    auto_arena Arena *arena = arena_new();
    Reader reader = {.path = in(arena, state, "f")};
    char *data = arena_alloc(arena, LONG);
    Error err = ERROR_INIT;
    pthread_t thread;

    memset(data, 'a', LONG);
    assert_true(file_replace(reader.path, data, LONG, &err));
    assert_int_equal(pthread_create(&thread, NULL, read_on, &reader), 0);
    for (int i = 0; i < 60; i++) {
        memset(data, 'a' + i % 26, LONG);
        assert_true(file_replace(reader.path, data, LONG, &err));
    }
    atomic_store(&reader.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(reader.bad, 0);
    assert_true(reader.rounds > 0);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char path[PATH_MAX + 10];
    Error err = ERROR_INIT;

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_false(file_replace(path, "", 0, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(file_make_dir(path, 0700, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(file_make_dir("", 0700, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

static void a_secret_is_what_its_owner_alone_may_read(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = in(arena, state, "key");
    static const unsigned open_to_others[] = {0604, 0644, 0620, 0610, 0660, 0601};

    assert_true(file_is_secret(path)); /* who reads it says that it is not there */
    write_text(path, "secret");
    for (size_t i = 0; i < COUNT_OF(open_to_others); i++) {
        assert_int_equal(chmod(path, open_to_others[i]), 0);
        assert_false(file_is_secret(path));
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(file_is_secret(path));
    /* Of root's a group may be let read it: that of the service. */
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(file_is_secret(path), geteuid() == 0);
}

/* ---- folders ---- */

static void missing_folders_are_made_with_the_mode(void **state)
{
    auto_arena Arena *arena = arena_new();
    Error err = ERROR_INIT;

    assert_true(file_make_dir(in(arena, state, "a//b/c/"), 0700, &err));
    assert_int_equal(mode_of(in(arena, state, "a")), 0700);
    assert_int_equal(mode_of(in(arena, state, "a/b/c")), 0700);
    assert_true(file_make_dir(in(arena, state, "a/b/c"), 0755, &err));
    assert_int_equal(mode_of(in(arena, state, "a/b/c")), 0700); /* it was there */
    assert_true(file_make_dir("/", 0700, &err));
}

static void a_file_in_the_way_of_a_folder_is_an_error(void **state)
{
    auto_arena Arena *arena = arena_new();
    Error err = ERROR_INIT;

    write_text(in(arena, state, "f"), "");
    assert_false(file_make_dir(in(arena, state, "f"), 0700, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_false(file_make_dir(in(arena, state, "f/below"), 0700, &err));
    assert_int_equal(err.sys_errno, ENOTDIR);
}

static void removing_a_tree_stays_inside_of_it(void **state)
{
    auto_arena Arena *arena = arena_new();
    Error err = ERROR_INIT;

    assert_true(file_make_dir(in(arena, state, "outside"), 0700, &err));
    write_text(in(arena, state, "outside/kept"), "kept");
    assert_true(file_make_dir(in(arena, state, "tree/below/empty"), 0700, &err));
    write_file(in(arena, state, "tree/below/read-only"), "x", 1, 0400);
    assert_int_equal(symlink("../outside", in(arena, state, "tree/folder-link")), 0);
    assert_int_equal(symlink("../../outside/kept", in(arena, state, "tree/below/link")), 0);
    assert_int_equal(symlink("nowhere", in(arena, state, "tree/dangling")), 0);

    assert_true(file_remove_tree(in(arena, state, "tree"), &err));
    assert_false(file_exists(in(arena, state, "tree")));
    assert_string_equal(read_text(arena, in(arena, state, "outside/kept")), "kept");
}

static void of_a_link_only_the_link_is_removed(void **state)
{
    auto_arena Arena *arena = arena_new();
    struct stat info;
    Error err = ERROR_INIT;

    assert_true(file_make_dir(in(arena, state, "outside"), 0700, &err));
    assert_int_equal(symlink("outside", in(arena, state, "link")), 0);
    assert_int_equal(symlink("nowhere", in(arena, state, "dangling")), 0);
    assert_true(file_remove_tree(in(arena, state, "link"), &err));
    assert_true(file_remove_tree(in(arena, state, "dangling"), &err));
    assert_true(file_exists(in(arena, state, "outside")));
    assert_int_equal(lstat(in(arena, state, "link"), &info), -1);
    assert_int_equal(lstat(in(arena, state, "dangling"), &info), -1);
}

static void removing_what_is_not_there_is_fine(void **state)
{
    auto_arena Arena *arena = arena_new();
    Error err = ERROR_INIT;

    assert_true(file_remove_tree(in(arena, state, "none"), &err));
    write_text(in(arena, state, "f"), "");
    assert_true(file_remove_tree(in(arena, state, "f"), &err));
    assert_false(file_exists(in(arena, state, "f")));
    write_text(in(arena, state, "f"), "");
    assert_false(file_remove_tree(in(arena, state, "f/below"), &err)); /* not a path at all */
    assert_int_equal(err.sys_errno, ENOTDIR);
}

static void what_is_not_there_is_told_from_what_cannot_be_looked_at(void **state)
{
    auto_arena Arena *arena = arena_new();
    bool there = false;
    Error err = ERROR_INIT;

    write_text(in(arena, state, "f"), "");
    assert_true(file_find(in(arena, state, "f"), &there, &err));
    assert_true(there);
    assert_true(file_find(in(arena, state, "none/below"), &there, &err));
    assert_false(there);
    assert_false(file_find(in(arena, state, "f/below"), &there, &err));
    assert_int_equal(err.sys_errno, ENOTDIR);
    assert_non_null(strstr(err.message, "f/below"));
}

/* ---- locks ---- */

static void a_lock_is_held_by_one_and_names_its_holder(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = in(arena, state, "lock");
    int second = -1;
    int holder = 0;
    Error err = ERROR_INIT;

    assert_int_equal(file_lock_holder(path), 0); /* there is no file yet */
    auto_close int first = -1;
    assert_true(file_lock(path, &first, &holder, &err));
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(file_lock_holder(path), getpid());

    assert_false(file_lock(path, &second, &holder, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_int_equal(holder, getpid());
    assert_int_equal(second, -1);

    file_close(&first);
    assert_int_equal(first, -1);
    assert_int_equal(file_lock_holder(path), 0); /* though its number is still in the file */
    assert_true(file_lock(path, &first, &holder, &err));
}

/* Holds the lock until it is killed. */
static pid_t start_holder(const char *path)
{
    int ready[2];

    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = -1;
        int holder = 0;
        Error err = ERROR_INIT;
        if (file_lock(path, &fd, &holder, &err))
            (void)!write(ready[1], "x", 1);
        for (;;)
            (void)pause();
    }
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return pid;
}

static void a_lock_ends_with_its_process(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = in(arena, state, "lock");
    auto_close int fd = -1;
    int holder = 0;
    Error err = ERROR_INIT;

    /* What a process with a longer number left in the file. */
    write_text(path, "4194304123\n");
    pid_t other = start_holder(path);
    assert_int_equal(file_lock_holder(path), other);
    assert_false(file_lock(path, &fd, &holder, &err));
    assert_int_equal(holder, other);
    assert_non_null(strstr(err.message, arena_printf(arena, "%d", (int)other)));

    assert_int_equal(kill(other, SIGKILL), 0);
    assert_int_equal(waitpid(other, NULL, 0), other);
    assert_true(file_lock(path, &fd, &holder, &err));
    assert_int_equal(file_lock_holder(path), getpid());
}

static void a_lock_that_cannot_be_made_says_why(void **state)
{
    auto_arena Arena *arena = arena_new();
    int fd = -1;
    int holder = 7;
    Error err = ERROR_INIT;

    assert_false(file_lock(in(arena, state, "none/lock"), &fd, &holder, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(fd, -1);
    assert_int_equal(holder, 7);
}

/* ---- descriptors ---- */

static int without_standard_files(void *context)
{
    (void)context;
    for (int fd = 0; fd < 20; fd++)
        (void)close(fd);
    file_open_standard();
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) != 0) /* open, and for children, too */
            return 1;
    if (fcntl(STDERR_FILENO + 1, F_GETFD) != -1)
        return 2;
    /* What is printed is not lost unseen. */
    return write(STDOUT_FILENO, "x", 1) == -1 && errno == EBADF ? 0 : 3;
}

static int with_standard_files(void *context)
{
    struct stat before;
    struct stat after;

    (void)context;
    if (fstat(STDERR_FILENO, &before) < 0)
        return 1;
    file_open_standard();
    return fstat(STDERR_FILENO, &after) == 0 && before.st_ino == after.st_ino ? 0 : 2;
}

static void standard_files_are_open_where_nobody_gave_them(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_int_equal(in_child(arena, without_standard_files, NULL, NULL), 0);
    assert_int_equal(in_child(arena, with_standard_files, NULL, NULL), 0);
}

static void closing_what_is_closed_is_fine(void **state)
{
    (void)state;
    int fd = -1;
    FILE *stream = NULL;

    file_close(&fd);
    file_stream_close(&stream);
    stream = tmpfile();
    assert_non_null(stream);
    file_stream_close(&stream);
    assert_null(stream);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(reading_gives_all_bytes_and_a_nul_behind_them),
        IN_FOLDER(a_file_larger_than_the_limit_is_an_error),
        IN_FOLDER(a_pipe_is_read_to_its_end_under_the_same_limit),
        cmocka_unit_test(a_file_that_says_it_is_empty_is_read),
        IN_FOLDER(what_cannot_be_read_says_why),
        IN_FOLDER(a_map_has_the_files_bytes),
        IN_FOLDER(replaced_is_the_whole_content_and_for_the_owner_alone),
        IN_FOLDER(a_link_in_the_way_is_not_written_through),
        IN_FOLDER(readers_see_the_old_content_or_the_new_one),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
        IN_FOLDER(a_secret_is_what_its_owner_alone_may_read),
        IN_FOLDER(missing_folders_are_made_with_the_mode),
        IN_FOLDER(a_file_in_the_way_of_a_folder_is_an_error),
        IN_FOLDER(removing_a_tree_stays_inside_of_it),
        IN_FOLDER(of_a_link_only_the_link_is_removed),
        IN_FOLDER(removing_what_is_not_there_is_fine),
        IN_FOLDER(what_is_not_there_is_told_from_what_cannot_be_looked_at),
        IN_FOLDER(a_lock_is_held_by_one_and_names_its_holder),
        IN_FOLDER(a_lock_ends_with_its_process),
        IN_FOLDER(a_lock_that_cannot_be_made_says_why),
        cmocka_unit_test(standard_files_are_open_where_nobody_gave_them),
        cmocka_unit_test(closing_what_is_closed_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
