#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "demo/caretaker.h"

/* A folder with a "server" that writes its process id into its data and waits to be stopped. */
typedef struct Fixture {
    Arena *arena;
    char folder[64];
    CaretakerOrder order;
} Fixture;

static void write_server(const Fixture *fixture, const char *text)
{
    Error err;

    assert_true(file_replace(fixture->order.postgres, text, strlen(text), &err));
    assert_int_equal(chmod(fixture->order.postgres, 0755), 0);
}

static int make_fixture(void **state)
{
    static Fixture fixture;
    Error err;

    fixture = (Fixture){.arena = arena_new()};
    (void)snprintf(fixture.folder, sizeof fixture.folder, "/tmp/homeport-unit-XXXXXX");
    if (!mkdtemp(fixture.folder))
        return -1;
    fixture.order = (CaretakerOrder){
        .folder = fixture.folder,
        .postgres = arena_printf(fixture.arena, "%s/postgres", fixture.folder),
    };
    for (int i = 0; i < CARETAKER_SERVERS; i++) {
        fixture.order.data[i] = arena_printf(fixture.arena, "%s/data%d", fixture.folder, i);
        fixture.order.log[i] = arena_printf(fixture.arena, "%s/log%d", fixture.folder, i);
        if (!file_make_dir(fixture.order.data[i], 0700, &err))
            return -1;
    }
    write_server(&fixture, "#!/bin/sh\necho $$ >\"$2/pid.new\"\nmv \"$2/pid.new\" \"$2/pid\"\n"
                           "exec sleep 600\n");
    *state = &fixture;
    return 0;
}

static int remove_fixture(void **state)
{
    Fixture *fixture = *state;
    Error err;

    arena_free(fixture->arena);
    return file_remove_tree(fixture->folder, &err) ? 0 : -1;
}

static double deadline_of_test(void)
{
    return clock_seconds() + 20;
}

static pid_t server_pid(const Fixture *fixture, int server)
{
    const char *path = arena_printf(fixture->arena, "%s/pid", fixture->order.data[server]);
    double deadline = deadline_of_test();
    char *text;
    Error err;

    while (!file_read(fixture->arena, path, 64, &text, NULL, &err)) {
        assert_true(clock_seconds() < deadline);
        (void)poll(NULL, 0, 10);
    }
    return (pid_t)strtol(text, NULL, 10);
}

static bool runs(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static void finish_stops_servers_and_removes_the_folder(void **state)
{
    Fixture *fixture = *state;
    pid_t pids[CARETAKER_SERVERS];
    Caretaker caretaker;
    Error err;

    assert_true(caretaker_start(&fixture->order, &caretaker, &err));
    for (int i = 0; i < CARETAKER_SERVERS; i++) {
        assert_true(caretaker_start_server(&caretaker, i, &err));
        pids[i] = server_pid(fixture, i);
        assert_true(runs(pids[i]));
    }
    assert_int_equal(caretaker_lost_server(&caretaker), -1);
    assert_true(caretaker_finish(&caretaker));
    for (int i = 0; i < CARETAKER_SERVERS; i++)
        assert_false(runs(pids[i]));
    assert_false(file_exists(fixture->folder));
    assert_true(caretaker_finish(&caretaker)); /* once is enough */
}

static void nothing_stays_when_we_are_killed(void **state)
{
    Fixture *fixture = *state;
    double deadline = deadline_of_test();
    pid_t us = fork();

    if (us == 0) {
        Caretaker caretaker;
        Error err;

        if (caretaker_start(&fixture->order, &caretaker, &err) &&
            caretaker_start_server(&caretaker, 0, &err))
            for (;;)
                (void)pause();
        _exit(1);
    }
    pid_t server = server_pid(fixture, 0);
    assert_int_equal(kill(us, SIGKILL), 0);
    assert_int_equal(waitpid(us, NULL, 0), us);
    while (file_exists(fixture->folder) || runs(server)) {
        assert_true(clock_seconds() < deadline);
        (void)poll(NULL, 0, 10);
    }
}

static void dismissed_leaves_all_as_it_is(void **state)
{
    Fixture *fixture = *state;
    Caretaker caretaker;
    Error err;

    assert_true(caretaker_start(&fixture->order, &caretaker, &err));
    assert_true(caretaker_start_server(&caretaker, 0, &err));
    pid_t server = server_pid(fixture, 0);
    assert_true(caretaker_dismiss(&caretaker, &err));
    assert_true(runs(server));
    assert_true(file_exists(fixture->folder));
    assert_true(caretaker_finish(&caretaker)); /* has nothing to say any more */
    assert_true(runs(server));
    assert_int_equal(kill(server, SIGKILL), 0);
}

static void lost_server_is_told_by_its_number(void **state)
{
    Fixture *fixture = *state;
    double deadline = deadline_of_test();
    Caretaker caretaker;
    char *log;
    Error err;

    write_server(fixture, "#!/bin/sh\necho FATAL >&2\nexit 1\n");
    assert_true(caretaker_start(&fixture->order, &caretaker, &err));
    assert_true(caretaker_start_server(&caretaker, 1, &err));
    while (caretaker_lost_server(&caretaker) != 1) {
        assert_true(clock_seconds() < deadline);
        (void)poll(NULL, 0, 10);
    }
    assert_int_equal(caretaker_lost_server(&caretaker), 1); /* asked again, it is still so */
    assert_true(file_read(fixture->arena, fixture->order.log[1], 100, &log, NULL, &err));
    assert_string_equal(log, "FATAL\n");
    assert_true(caretaker_finish(&caretaker));
    assert_false(file_exists(fixture->folder));
}

static void server_that_ignores_its_stop_is_killed(void **state)
{
    Fixture *fixture = *state;
    Caretaker caretaker;
    Error err;

    write_server(fixture, "#!/bin/sh\ntrap '' QUIT INT TERM\necho $$ >\"$2/pid.new\"\n"
                          "mv \"$2/pid.new\" \"$2/pid\"\nwhile :; do sleep 1; done\n");
    assert_true(caretaker_start(&fixture->order, &caretaker, &err));
    assert_true(caretaker_start_server(&caretaker, 0, &err));
    pid_t server = server_pid(fixture, 0);
    assert_true(caretaker_finish(&caretaker));
    assert_false(runs(server));
    assert_false(file_exists(fixture->folder));
}

int main(void)
{
#define WITH_FOLDER(name) cmocka_unit_test_setup_teardown(name, make_fixture, remove_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(finish_stops_servers_and_removes_the_folder),
        WITH_FOLDER(nothing_stays_when_we_are_killed),
        WITH_FOLDER(dismissed_leaves_all_as_it_is),
        WITH_FOLDER(lost_server_is_told_by_its_number),
        WITH_FOLDER(server_that_ignores_its_stop_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
