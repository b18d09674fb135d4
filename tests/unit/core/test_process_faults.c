/*
 * Every call to the system that starts a program fails once, in turn, on our side of the fork and
 * on the program's. Whatever fails is said; nothing stays open, and no child is left.
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
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "core/process.h"
#include "tests/unit/folder.h"

static int calls_left; /* until the one that fails; 0: none does */

static bool fails(void)
{
    if (calls_left == 0 || --calls_left > 0)
        return false;
    errno = EMFILE;
    return true;
}

#define WRAP(type, failure, name, params, args)                                                    \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        return fails() ? (failure) : __real_##name args;                                           \
    }

WRAP(int, -1, open, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP(int, -1, open64, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP(int, -1, pipe2, (int *ends, int flags), (ends, flags))
WRAP(int, -1, fork, (void), ())
WRAP(int, -1, dup2, (int from, int to), (from, to))
WRAP(int, -1, setgroups, (size_t count, const gid_t *groups), (count, groups))
WRAP(int, -1, setgid, (gid_t group), (group))
WRAP(int, -1, setuid, (uid_t user), (user))
WRAP(int, -1, chdir, (const char *path), (path))
WRAP(int, EMFILE, getpwnam_r,
     (const char *name, struct passwd *entry, char *buf, size_t size, struct passwd **ret),
     (name, entry, buf, size, ret))

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

/* Runs it with the first call failing, then with the second, until one run has all it asks for.
 * Returns how many failed. */
static int fail_in_turn(const ProcessOptions *options, const char *out)
{
    for (int nth = 1;; nth++) {
        auto_arena Arena *arena = arena_new();
        ProcessResult result = {.status = -1};
        Error err = ERROR_INIT;
        int before = open_files();

        calls_left = nth;
        bool ok = process_run(arena, options, &result, &err);
        bool was_reached = calls_left == 0;
        calls_left = 0;

        assert_int_equal(open_files(), before);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        if (ok) {
            assert_false(was_reached);
            assert_int_equal(result.status, 0);
            assert_string_equal(result.out, out);
            return nth - 1;
        }
        assert_true(err.code == ERR_IO || err.code == ERR_PROGRAM);
        assert_true(*err.message);
        assert_int_equal(result.status, -1);
    }
}

static void whatever_fails_before_a_program_runs_is_said(void **state)
{
    const char *const argv[] = {"/bin/echo", "here", NULL};
    ProcessOptions options = {.argv = argv, .dir = *state};

    /* /dev/null, three pipes, the fork; then in the child three ends and the folder. */
    assert_int_equal(fail_in_turn(&options, "here\n"), 9);
}

static void whatever_fails_with_files_and_a_user_is_said(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *const argv[] = {"/bin/cat", NULL};
    char *in = arena_printf(arena, "%s/in", (const char *)*state);
    char *out = arena_printf(arena, "%s/out", (const char *)*state);
    ProcessOptions options = {
        .argv = argv, .stdin_path = in, .stdout_path = out, .user = "nobody", .dir = "/"};
    Error err = ERROR_INIT;
    char *text = NULL;

    if (getuid() != 0)
        skip();
    assert_true(file_replace(in, "from a file\n", 12, &err));
    /* The user's entry, two files, two pipes, the fork; three ends, three steps to the user, the
     * folder. */
    assert_int_equal(fail_in_turn(&options, ""), 13);
    assert_true(file_read(arena, out, 100, &text, NULL, &err));
    assert_string_equal(text, "from a file\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_fails_before_a_program_runs_is_said, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(whatever_fails_with_files_and_a_user_is_said, folder_make,
                                        folder_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
