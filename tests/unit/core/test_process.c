#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/process.h"
#include "tests/unit/folder.h"

#define ARGV(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define SHELL(script) ARGV("/bin/sh", "-c", script)

static char *run(Arena *arena, const ProcessOptions *options)
{
    ProcessResult result = {0};
    Error err = ERROR_INIT;

    if (!process_run(arena, options, &result, &err))
        fail_msg("%s", err.message);
    assert_int_equal(result.status, 0);
    return result.out;
}

static void arguments_arrive_as_they_are(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const char *const *argv =
        ARGV("printf", "<%s>", "a b", "$HOME `id` *", "'\"\\", "", "-n", "\n");

    assert_string_equal(run(arena, &(ProcessOptions){.argv = argv}),
                        "<a b><$HOME `id` *><'\"\\><><-n><\n>");
}

static void environment_is_ours_with_changes_on_top(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const char *const env[] = {"HP_ADDED=x=y", "HP_CHANGED=new", "HP_REMOVED",
                               "HP_EMPTY=",    "HP_NEVER_THERE", NULL};

    assert_int_equal(setenv("HP_KEPT", "kept", 1), 0);
    assert_int_equal(setenv("HP_CHANGED", "old", 1), 0);
    assert_int_equal(setenv("HP_CHANGED_NOT", "same", 1), 0);
    assert_int_equal(setenv("HP_REMOVED", "old", 1), 0);
    assert_string_equal(
        run(arena, &(ProcessOptions){.argv = SHELL("env | grep ^HP_ | sort"), .env = env}),
        "HP_ADDED=x=y\nHP_CHANGED=new\nHP_CHANGED_NOT=same\nHP_EMPTY=\nHP_KEPT=kept\n");
    assert_string_equal(getenv("HP_CHANGED"), "old"); /* ours stays */
}

static void exit_status_is_the_programs_or_128_and_the_signal(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        int status;
    } cases[] = {
        {"exit 0",        0  },
        {"exit 1",        1  },
        {"exit 127",      127},
        {"exit 255",      255},
        {"kill -9 $$",    137},
        {"kill -TERM $$", 143},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        ProcessResult result = {.status = -1};
        Error err = ERROR_INIT;

        assert_true(
            process_run(arena, &(ProcessOptions){.argv = SHELL(cases[i].script)}, &result, &err));
        assert_int_equal(result.status, cases[i].status);
    }
}

static void output_goes_to_a_file_where_asked(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = arena_printf(arena, "%s/out", (const char *)*state);
    ProcessResult result = {0};
    struct stat info;
    Error err = ERROR_INIT;
    char *text = NULL;

    for (int i = 0; i < 2; i++) { /* the second time over the first */
        ProcessOptions options = {.argv = SHELL(i ? "echo a; echo b >&2" : "echo longer than that"),
                                  .stdout_path = path};
        assert_true(process_run(arena, &options, &result, &err));
        assert_string_equal(result.out, "");
    }
    assert_string_equal(result.err_tail, "b\n");
    assert_true(file_read(arena, path, 100, &text, NULL, &err));
    assert_string_equal(text, "a\n");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void input_is_a_file_or_nothing(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = arena_printf(arena, "%s/in", (const char *)*state);
    Error err = ERROR_INIT;

    assert_string_equal(run(arena, &(ProcessOptions){.argv = ARGV("cat")}), "");
    assert_true(file_replace(path, "from a file\n", 12, &err));
    assert_string_equal(run(arena, &(ProcessOptions){.argv = ARGV("cat"), .stdin_path = path}),
                        "from a file\n");
}

static void it_runs_in_the_folder_given(void **state)
{
    auto_arena Arena *arena = arena_new();

    assert_string_equal(run(arena, &(ProcessOptions){.argv = ARGV("pwd"), .dir = *state}),
                        arena_printf(arena, "%s\n", (const char *)*state));
}

static void large_output_is_kept_up_to_16_MiB_and_read_to_the_end(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char *out = run(arena, &(ProcessOptions){.argv = SHELL("yes | head -c 1000000")});

    assert_int_equal(strlen(out), 1000000);
    /* The program is not stopped by nobody reading on. */
    out = run(arena, &(ProcessOptions){.argv = SHELL("yes | head -c 17000000 && echo end >&2")});
    assert_in_range(strlen(out), 16000000, 16 << 20);
}

static void of_errors_the_end_is_kept(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ProcessResult result = {0};
    Error err = ERROR_INIT;

    /* Both at once, more than a pipe holds: neither waits for the other. */
    ProcessOptions options = {.argv = SHELL("seq 1 100000 | tee /dev/stderr")};
    assert_true(process_run(arena, &options, &result, &err));
    assert_int_equal(strlen(result.out), 588895);
    assert_in_range(strlen(result.err_tail), 127 * 1024, 128 * 1024);
    assert_string_equal(result.err_tail + strlen(result.err_tail) - 14, "\n99999\n100000\n");

    options.argv = SHELL("echo short >&2");
    assert_true(process_run(arena, &options, &result, &err));
    assert_string_equal(result.err_tail, "short\n");
}

static bool is_gone(const char *pid_text)
{
    return kill((pid_t)strtol(pid_text, NULL, 10), 0) < 0 && errno == ESRCH;
}

static void what_takes_too_long_is_stopped(void **state)
{
    static const char *const scripts[] = {
        "echo $$ > pid; exec tail -f /dev/null",
        "echo $$ > pid; exec >/dev/null 2>&1; exec tail -f /dev/null", /* gone silent */
        "tail -f /dev/null & echo $! > pid; wait",                     /* with what it started */
    };

    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        auto_arena Arena *arena = arena_new();
        ProcessResult result = {.status = -1};
        Error err = ERROR_INIT;
        char *pid = NULL;
        double started = clock_seconds();
        ProcessOptions options = {.argv = SHELL(scripts[i]), .timeout_ms = 200, .dir = *state};

        assert_false(process_run(arena, &options, &result, &err));
        assert_int_equal(err.code, ERR_PROGRAM);
        assert_string_equal(err.message, "/bin/sh did not end within 0.2 s");
        assert_int_equal(result.status, -1);
        assert_true(clock_seconds() - started < 2.5);
        assert_true(file_read(arena, arena_printf(arena, "%s/pid", (const char *)*state), 100, &pid,
                              NULL, &err));
        for (double now = started; !is_gone(pid) && now < started + 20;)
            now = clock_seconds();
        assert_true(is_gone(pid));
    }
}

static void what_does_not_want_to_stop_is_killed(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ProcessResult result = {0};
    Error err = ERROR_INIT;
    ProcessOptions options = {.argv = SHELL("trap '' TERM; exec tail -f /dev/null"),
                              .timeout_ms = 50};

    assert_false(process_run(arena, &options, &result, &err));
    assert_int_equal(err.code, ERR_PROGRAM);
}

static void within_the_time_limit_nothing_is_said(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_string_equal(
        run(arena, &(ProcessOptions){.argv = ARGV("echo", "x"), .timeout_ms = 60000}), "x\n");
}

static void a_program_runs_as_the_user_given(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ProcessResult result = {0};
    Error err = ERROR_INIT;

    if (getuid() != 0)
        skip();
    assert_string_equal(
        run(arena, &(ProcessOptions){.argv = SHELL("id -un; id -Gn; id -ru"),
                                     .user = "nobody",
                                     .dir = "/"}),
        arena_printf(arena, "nobody\nnogroup\n%d\n", (int)getpwnam("nobody")->pw_uid));
    assert_false(process_run(arena, &(ProcessOptions){.argv = ARGV("id"), .user = "no-such-user"},
                             &result, &err));
    assert_int_equal(err.code, ERR_PROGRAM);
    assert_non_null(strstr(err.message, "no-such-user"));
}

static void a_missing_program_is_named_with_a_hint(void **state)
{
    (void)state;
    static const char *const names[] = {"no-such-program-anywhere", "/no/such/program", "/etc",
                                        "/etc/passwd"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        auto_arena Arena *arena = arena_new();
        ProcessResult result = {.status = -1};
        Error err = ERROR_INIT;

        assert_false(process_run(arena, &(ProcessOptions){.argv = ARGV(names[i])}, &result, &err));
        assert_int_equal(err.code, ERR_PROGRAM);
        assert_string_equal(err.message, arena_printf(arena, "%s is not here", names[i]));
        assert_true(*err.hint);
        assert_int_equal(result.status, -1);
    }
}

static void what_cannot_be_started_is_no_exit_status(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = arena_printf(arena, "%s/program", (const char *)*state);
    ProcessResult result = {.status = -1};
    Error err = ERROR_INIT;

    assert_true(file_replace(path,
                             "\x7f"
                             "ELF, but no more",
                             18, &err));
    assert_int_equal(chmod(path, 0700), 0);
    assert_false(process_run(arena, &(ProcessOptions){.argv = ARGV(path)}, &result, &err));
    assert_int_equal(err.sys_errno, ENOEXEC);
    assert_non_null(strstr(err.message, "exec"));

    ProcessOptions nowhere = {.argv = ARGV("true"), .dir = "/no/such/folder"};
    assert_false(process_run(arena, &nowhere, &result, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    assert_non_null(strstr(err.message, "chdir"));

    ProcessOptions no_input = {.argv = ARGV("true"), .stdin_path = "/no/such/file"};
    assert_false(process_run(arena, &no_input, &result, &err));
    assert_int_equal(err.sys_errno, ENOENT);

    ProcessOptions no_output = {.argv = ARGV("true"), .stdout_path = "/no/such/file"};
    assert_false(process_run(arena, &no_output, &result, &err));
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(result.status, -1);
}

static int count_open(bool for_children)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] != '.' && fd != dirfd(dir))
            count += !for_children || (fd > 2 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC));
    }
    (void)closedir(dir);
    return count;
}

static void no_descriptor_leaks(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    int before = count_open(false);
    /* What our own parent left open for everybody is not ours to close. */
    int inherited = count_open(true);
    char *out = run(arena, &(ProcessOptions){.argv = ARGV("ls", "/proc/self/fd")});
    int lines = 0;

    for (const char *at = out; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 3 + inherited + 1); /* and the folder that ls reads */
    assert_int_equal(count_open(false), before);
}

static void signals_are_the_programs_own_again(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    sigset_t blocked;
    sigset_t before;
    unsigned long long ignored = 0;

    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGUSR1);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    assert_true(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    char *out = run(
        arena, &(ProcessOptions){.argv = ARGV("grep", "-E", "SigBlk|SigIgn", "/proc/self/status")});
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    sigset_t after;
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, &after), 0);
    assert_true(sigismember(&after, SIGUSR1)); /* and ours stayed ours */

    assert_non_null(strstr(out, "SigBlk:\t0000000000000000"));
    assert_int_equal(sscanf(strstr(out, "SigIgn:"), "SigIgn: %llx", &ignored), 1);
    assert_int_equal(ignored & (1ULL << (SIGPIPE - 1) | 1ULL << (SIGHUP - 1)), 0);
}

static void it_has_a_process_group_of_its_own(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    int pid = 0;
    int group = 0;
    char *out = run(arena, &(ProcessOptions){.argv = ARGV("cat", "/proc/self/stat")});

    assert_int_equal(sscanf(out, "%d (cat) %*c %*d %d", &pid, &group), 2);
    assert_int_equal(group, pid);
    assert_int_not_equal(group, getpgrp());
}

static int run_while_cancelled(void *context)
{
    Arena *arena = arena_new();
    ProcessResult result = {0};
    Error err = ERROR_INIT;
    double started = clock_seconds();

    (void)context;
    cancel_install();
    (void)raise(SIGTERM);
    if (process_run(arena, &(ProcessOptions){.argv = ARGV("tail", "-f", "/dev/null")}, &result,
                    &err))
        return 1;
    arena_free(arena);
    if (err.code != ERR_CANCELLED)
        return 2;
    return clock_seconds() - started < 2.5 ? 0 : 3;
}

static void a_request_to_stop_stops_it_at_once(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_int_equal(in_child(arena, run_while_cancelled, NULL, NULL), 0);
}

static int run_while_held(void *context)
{
    Arena *arena = arena_new();
    ProcessOptions options = {.argv = SHELL("trap '' TERM; kill -TERM $PPID; sleep 0.2"),
                              .grace_ms = 50};
    ProcessResult result = {.status = -1};
    Error err = ERROR_INIT;

    (void)context;
    cancel_install();
    cancel_hold(true);
    if (!process_run(arena, &options, &result, &err) || result.status != 0)
        return 1;
    double began = clock_seconds();
    options.argv = ARGV("tail", "-f", "/dev/null");
    options.stop_while_held = true;
    if (process_run(arena, &options, &result, &err) || err.code != ERR_CANCELLED)
        return 2;
    options.argv = SHELL("trap '' TERM; exec tail -f /dev/null");
    if (process_run(arena, &options, &result, &err) || err.code != ERR_CANCELLED)
        return 3;
    arena_free(arena);
    return clock_seconds() - began < 2 ? 0 : 4;
}

static void a_request_that_is_held_stops_what_may_be_stopped_then(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_int_equal(in_child(arena, run_while_held, NULL, NULL), 0);
}

static void what_was_started_with_a_variable_gets_the_signal_and_nothing_else_does(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const char variable[] = "OF_THIS_TEST=a b";
    const char *const env[] = {variable, "OTHER=OF_THIS_TEST=a", NULL};
    /* The shell ends; what it has left in its session and another do not. */
    const char *pids =
        run(arena, &(ProcessOptions){.argv = SHELL("tail -f /dev/null >/dev/null 2>&1 & echo $!; "
                                                   "setsid tail -f /dev/null >/dev/null 2>&1 & "
                                                   "echo $!"),
                                     .env = env});
    char *end = NULL;
    pid_t ours = (pid_t)strtol(pids, &end, 10);
    pid_t daemon = (pid_t)strtol(end, NULL, 10);

    while (getsid(daemon) == getsid(0))
        (void)poll(NULL, 0, 10);
    assert_int_equal(process_signal_all(getsid(0), "OF_THIS_TEST=a", SIGKILL), 0);
    assert_int_equal(process_signal_all(getsid(0), "THIS_TEST=a b", SIGKILL), 0);
    assert_int_equal(process_signal_all(getsid(0), variable, 0), 1);
    assert_int_equal(kill(ours, 0), 0);
    while (process_signal_all(getsid(0), variable, SIGKILL) > 0)
        (void)poll(NULL, 0, 10);
    assert_int_equal(process_signal_all(daemon, variable, SIGKILL), 1);
}

/* As started by somebody who ignores SIGCHLD: the kernel then forgets how children ended. */
static int run_without_statuses(void *context)
{
    Arena *arena = arena_new();
    ProcessResult result = {.status = -1};
    Error err = ERROR_INIT;

    (void)context;
    (void)signal(SIGCHLD, SIG_IGN);
    if (process_run(arena, &(ProcessOptions){.argv = ARGV("false")}, &result, &err))
        return 1; /* what is not known is no success */
    if (err.code != ERR_IO)
        return 2;
    cancel_install();
    if (!process_run(arena, &(ProcessOptions){.argv = ARGV("false")}, &result, &err))
        return 3;
    arena_free(arena);
    return result.status == 1 ? 0 : 4;
}

static void a_failure_is_seen_also_where_nobody_waits_for_children(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_int_equal(in_child(arena, run_without_statuses, NULL, NULL), 0);
}

static void check_says_why_by_the_last_line(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        const char *message;
        int status;
    } cases[] = {
        {"echo first >&2; echo 'pg_dump: error: no' >&2; exit 1",
         "sh failed (status 1): pg_dump: error: no",                                                                           1  },
        {"echo 'pg_dump: error: no' >&2; printf 'pg_dump: detail: SELECT 1\\n 2\\n' >&2; exit 1",
         "sh failed (status 1): pg_dump: error: no",                                                                           1  },
        {"printf 'one\\r\\n\\n\\n' >&2; exit 3",                                                  "sh failed (status 3): one", 3  },
        {"echo on stdout; exit 2",                                                                "sh failed (status 2)",      2  },
        {"kill -9 $$",                                                                            "sh failed (status 137)",    137},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        ProcessResult result = {.status = -1};
        Error err = ERROR_INIT;

        assert_false(
            process_check(arena, &(ProcessOptions){.argv = SHELL(cases[i].script)}, &result, &err));
        assert_int_equal(err.code, ERR_PROGRAM);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(result.status, cases[i].status);
    }
}

static void check_gives_the_result_of_success(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ProcessResult result = {.status = -1};
    Error err = ERROR_INIT;

    assert_true(process_check(arena, &(ProcessOptions){.argv = ARGV("echo", "x")}, &result, &err));
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "x\n");
    assert_true(process_check(arena, &(ProcessOptions){.argv = ARGV("true")}, NULL, &err));
    assert_false(process_check(arena, &(ProcessOptions){.argv = ARGV("/no/such")}, NULL, &err));
}

static void a_program_is_found_in_path_order(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *folder = *state;
    char *before = arena_strdup(arena, getenv("PATH"));
    char *found = NULL;
    Error err = ERROR_INIT;

    assert_true(file_make_dir(arena_printf(arena, "%s/a/prog", folder), 0700, &err)); /* a folder */
    assert_true(file_make_dir(arena_printf(arena, "%s/b", folder), 0700, &err));
    assert_true(file_make_dir(arena_printf(arena, "%s/c", folder), 0700, &err));
    assert_true(file_make_dir(arena_printf(arena, "%s/d", folder), 0700, &err));
    for (const char *name = "bcd"; *name; name++) {
        const char *path = arena_printf(arena, "%s/%c/prog", folder, *name);
        assert_true(file_replace(path, "", 0, &err));
        assert_int_equal(chmod(path, *name == 'b' ? 0600 : 0700), 0); /* b: not to be run */
    }
    const char *path = arena_printf(arena, ":%s/none:%s/a::%s/b:%s/c:%s/d", folder, folder, folder,
                                    folder, folder);
    assert_int_equal(setenv("PATH", path, 1), 0);
    assert_true(process_find(arena, "prog", &found));
    assert_string_equal(found, arena_printf(arena, "%s/c/prog", folder));
    assert_false(process_find(arena, "sh", &found));

    assert_int_equal(setenv("PATH", "", 1), 0); /* as good as none: the usual places */
    assert_true(process_find(arena, "sh", &found));
    assert_int_equal(unsetenv("PATH"), 0);
    assert_true(process_find(arena, "sh", &found));
    assert_int_equal(setenv("PATH", before, 1), 0);

    assert_true(process_find(arena, "/bin/sh", &found));
    assert_string_equal(found, "/bin/sh");
    assert_false(process_find(arena, "./sh", &found));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_arrive_as_they_are),
        cmocka_unit_test(environment_is_ours_with_changes_on_top),
        cmocka_unit_test(exit_status_is_the_programs_or_128_and_the_signal),
        IN_FOLDER(output_goes_to_a_file_where_asked),
        IN_FOLDER(input_is_a_file_or_nothing),
        IN_FOLDER(it_runs_in_the_folder_given),
        cmocka_unit_test(large_output_is_kept_up_to_16_MiB_and_read_to_the_end),
        cmocka_unit_test(of_errors_the_end_is_kept),
        IN_FOLDER(what_takes_too_long_is_stopped),
        cmocka_unit_test(what_does_not_want_to_stop_is_killed),
        cmocka_unit_test(within_the_time_limit_nothing_is_said),
        cmocka_unit_test(a_program_runs_as_the_user_given),
        cmocka_unit_test(a_missing_program_is_named_with_a_hint),
        IN_FOLDER(what_cannot_be_started_is_no_exit_status),
        cmocka_unit_test(no_descriptor_leaks),
        cmocka_unit_test(signals_are_the_programs_own_again),
        cmocka_unit_test(it_has_a_process_group_of_its_own),
        cmocka_unit_test(a_request_to_stop_stops_it_at_once),
        cmocka_unit_test(a_request_that_is_held_stops_what_may_be_stopped_then),
        cmocka_unit_test(what_was_started_with_a_variable_gets_the_signal_and_nothing_else_does),
        cmocka_unit_test(a_failure_is_seen_also_where_nobody_waits_for_children),
        cmocka_unit_test(check_says_why_by_the_last_line),
        cmocka_unit_test(check_gives_the_result_of_success),
        IN_FOLDER(a_program_is_found_in_path_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
