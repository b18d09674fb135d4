/* The socket by which other commands steer the mover: callers of every kind, and nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/clock.h"
#include "move/control.h"
#include "tests/unit/folder.h"

enum {
    PATIENCE_MS = 10000,
    LIMIT = 1 << 20
};

/* ---- a caller that does as it likes ---- */

static int dial(const char *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", dir);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* A line without its end, or "" when the mover hung up. */
static char *hear(Arena *arena, int fd)
{
    char *line = arena_alloc(arena, LIMIT + 1);
    size_t len = 0;

    while (len < LIMIT && recv(fd, line + len, 1, 0) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    return line;
}

/* ---- a command, in a thread of its own ---- */

typedef struct Command {
    pthread_t thread;
    const char *dir;
    const char *verb;
    int wanted; /* a number that the mover gives back */
    int events;
    int last_event;
    json_t *answer;
    bool answered;
    Error err;
} Command;

static void on_event(void *context, const json_t *event)
{
    Command *command = context;

    command->events++;
    command->last_event = (int)json_integer_value(json_object_get(event, "n"));
}

static void *command_main(void *arg)
{
    Command *command = arg;
    json_t *request = json_pack("{s:s, s:i}", "verb", command->verb, "wanted", command->wanted);
    ControlWatch watch = {
        .on_event = on_event,
        .context = command,
    };

    command->answered =
        control_call(command->dir, request, &watch, &command->answer, &command->err);
    return NULL;
}

static void command_start(Command *command, const char *dir, const char *verb, int wanted)
{
    *command = (Command){.dir = dir, .verb = verb, .wanted = wanted};
    assert_int_equal(pthread_create(&command->thread, NULL, command_main, command), 0);
}

static void command_end(Command *command)
{
    assert_int_equal(pthread_join(command->thread, NULL), 0);
}

static Control *listen_in(const char *dir)
{
    Control *control = NULL;
    Error err = ERROR_INIT;

    if (!control_listen(dir, &control, &err))
        fail_msg("%s", err.message);
    return control;
}

static ControlCall *next_call(Control *control)
{
    ControlCall *call = NULL;
    Error err = ERROR_INIT;
    double deadline_s = clock_seconds() + PATIENCE_MS / 1000.0;

    while (!call && clock_seconds() < deadline_s)
        assert_true(control_next(control, 100, &call, &err));
    assert_non_null(call);
    return call;
}

static ControlCall *no_call(Control *control, int ms)
{
    ControlCall *call = NULL;
    Error err = ERROR_INIT;

    assert_true(control_next(control, ms, &call, &err));
    return call;
}

static void a_command_gets_its_events_in_order_and_the_answer(void **state)
{
    Control *control = listen_in(*state);
    Command command;

    command_start(&command, *state, "cutover", 7);
    ControlCall *call = next_call(control);
    assert_string_equal(control_verb(call), "cutover");
    assert_int_equal(json_integer_value(json_object_get(control_params(call), "wanted")), 7);
    for (int n = 1; n <= 5; n++)
        control_event(call, json_pack("{s:s, s:i}", "event", "phase", "n", n));
    control_answer(call, json_pack("{s:b, s:i}", "ok", 1, "pause_ms", 340));
    command_end(&command);
    assert_true(command.answered);
    assert_int_equal(command.events, 5);
    assert_int_equal(command.last_event, 5);
    assert_int_equal(json_integer_value(json_object_get(command.answer, "pause_ms")), 340);
    json_decref(command.answer);
    control_close(control);
}

static void an_error_of_the_mover_is_the_commands_own(void **state)
{
    Control *control = listen_in(*state);
    Command command;
    Error error = ERROR_INIT;

    (void)error_set(&error, ERR_SQL, "table \"\xc3\xa4\": no right");
    (void)snprintf(error.sqlstate, sizeof error.sqlstate, "42501");
    (void)error_hint(&error, "Grant it.");
    command_start(&command, *state, "status", 0);
    control_fail(next_call(control), &error);
    command_end(&command);
    assert_false(command.answered);
    assert_null(command.answer);
    assert_int_equal(command.err.code, ERR_SQL);
    assert_string_equal(command.err.message, error.message);
    assert_string_equal(command.err.hint, "Grant it.");
    assert_string_equal(command.err.sqlstate, "42501");
    control_close(control);
}

static void an_error_that_is_not_utf8_still_ends_the_call(void **state)
{
    Control *control = listen_in(*state);
    Command command;
    Error error = ERROR_INIT;

    (void)error_set(&error, ERR_SQL, "broken \xff text");
    command_start(&command, *state, "status", 0);
    control_fail(next_call(control), &error);
    command_end(&command);
    assert_false(command.answered);
    assert_int_equal(command.err.code, ERR_SQL);
    assert_string_equal(command.err.message, "broken \\xff text");
    control_close(control);
}

static void several_commands_each_get_their_own_answer(void **state)
{
    enum {
        COUNT = 8
    };
    Control *control = listen_in(*state);
    Command commands[COUNT];
    ControlCall *calls[COUNT];

    for (int i = 0; i < COUNT; i++)
        command_start(&commands[i], *state, "status", i);
    for (int i = 0; i < COUNT; i++)
        calls[i] = next_call(control);
    for (int i = COUNT - 1; i >= 0; i--) {
        json_t *wanted = json_object_get(control_params(calls[i]), "wanted");
        control_answer(calls[i], json_pack("{s:b, s:O}", "ok", 1, "wanted", wanted));
    }
    for (int i = 0; i < COUNT; i++) {
        command_end(&commands[i]);
        assert_true(commands[i].answered);
        assert_int_equal(json_integer_value(json_object_get(commands[i].answer, "wanted")), i);
        json_decref(commands[i].answer);
    }
    control_close(control);
}

static void the_socket_is_the_owners_alone_whatever_the_umask(void **state)
{
    mode_t before = umask(0);
    Control *control = listen_in(*state);
    auto_arena Arena *arena = arena_new();
    const char *path = arena_printf(arena, "%s/control.sock", (const char *)*state);
    struct stat info;

    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(stat(arena_printf(arena, "%s.new", path), &info), -1);
    control_close(control);
    assert_int_equal(stat(path, &info), -1);
    (void)umask(before);
}

/* What bind() makes must be closed to others before anything else is done to it. */
static void a_bound_socket_is_never_open_to_others(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t before = umask(0);
    struct stat info;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/x", (const char *)*state);
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(stat(address.sun_path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    (void)umask(before);
    (void)close(fd);
}

static void a_dead_movers_socket_is_replaced_and_a_living_ones_is_not(void **state)
{
    Control *control = listen_in(*state);
    auto_arena Arena *arena = arena_new();
    const char *path = arena_printf(arena, "%s/control.sock", (const char *)*state);
    Control *second = NULL;
    Error err = ERROR_INIT;

    assert_false(control_listen(*state, &second, &err));
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_int_equal(rename(path, arena_printf(arena, "%s.kept", path)), 0);
    control_close(control);
    assert_int_equal(rename(arena_printf(arena, "%s.kept", path), path), 0);

    json_t *answer = NULL; /* as a killed mover leaves it */
    assert_false(control_call(*state, json_pack("{s:s}", "verb", "status"), NULL, &answer, &err));
    assert_int_equal(err.code, ERR_CONNECT);

    control = listen_in(*state);
    Command command;
    command_start(&command, *state, "status", 0);
    control_answer(next_call(control), json_pack("{s:b}", "ok", 1));
    command_end(&command);
    assert_true(command.answered);
    json_decref(command.answer);
    control_close(control);
}

static void nobody_listens(void **state)
{
    json_t *answer = NULL;
    Error err = ERROR_INIT;

    assert_false(control_call(*state, json_pack("{s:s}", "verb", "status"), NULL, &answer, &err));
    assert_int_equal(err.code, ERR_CONNECT);
    assert_false(
        control_call("/nonexistent", json_pack("{s:s}", "verb", "status"), NULL, &answer, &err));
    assert_int_equal(err.code, ERR_CONNECT);
    Control *control = NULL;
    assert_false(control_listen("/nonexistent", &control, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(control);
    control_close(NULL);
}

static void a_path_longer_than_an_address_works(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *dir = arena_strdup(arena, *state);
    Error err = ERROR_INIT;

    while (strlen(dir) < 300)
        dir = arena_printf(arena, "%s/a-folder-with-a-rather-long-name", dir);
    assert_true(file_make_dir(dir, 0700, &err));
    Control *control = listen_in(dir);
    Command command;
    command_start(&command, dir, "status", 3);
    control_answer(next_call(control), json_pack("{s:b}", "ok", 1));
    command_end(&command);
    assert_true(command.answered);
    json_decref(command.answer);
    control_close(control);
    assert_false(file_exists(arena_printf(arena, "%s/control.sock", dir)));
}

static void requests_without_a_shape_are_refused(void **state)
{
    static const char *const bad[] = {
        "\n",
        "nonsense\n",
        "[]\n",
        "{}\n",
        "{\"verb\": 3}\n",
        "{\"verb\": \"a\"} {}\n",
        "{\"verb\": \"a\", \"verb\": \"b\"}\n",
        "{\"verb\": \"\xff\"}\n",
    };
    Control *control = listen_in(*state);

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        auto_arena Arena *arena = arena_new();
        int fd = dial(*state);
        say(fd, bad[i]);
        assert_null(no_call(control, 100));
        assert_non_null(strstr(hear(arena, fd), "\"ok\":false"));
        assert_string_equal(hear(arena, fd), "");
        (void)close(fd);
    }
    control_close(control);
}

/* `len` bytes of a request without its end, while the mover reads. */
static void pour(Control *control, int fd, size_t len)
{
    char *bytes = malloc(len);

    assert_non_null(bytes);
    memset(bytes, ' ', len);
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        if (n < 0 && errno == EPIPE)
            break;
        assert_null(no_call(control, 0));
    }
    free(bytes);
}

static void a_line_is_limited_to_a_mebibyte(void **state)
{
    auto_arena Arena *arena = arena_new();
    Control *control = listen_in(*state);
    int fd = dial(*state);

    pour(control, fd, LIMIT + 2);
    assert_null(no_call(control, 50));
    assert_non_null(strstr(hear(arena, fd), "too long"));
    (void)close(fd);

    static const char request[] = "{\"verb\":\"x\"}";
    fd = dial(*state);
    pour(control, fd, LIMIT - strlen(request));
    say(fd, request);
    say(fd, "\n");
    ControlCall *call = next_call(control);
    json_t *answer = json_pack("{s:b}", "ok", 1);
    char *long_text = arena_alloc(arena, LIMIT + 1);
    memset(long_text, 'x', LIMIT);
    assert_int_equal(json_object_set_new(answer, "list", json_string(long_text)), 0);
    control_answer(call, answer);
    assert_non_null(strstr(hear(arena, fd), "the answer is larger"));
    (void)close(fd);
    control_close(control);
}

static void a_request_may_come_byte_by_byte_while_others_are_served(void **state)
{
    static const char request[] = "{\"verb\":\"slow\"}\n";
    auto_arena Arena *arena = arena_new();
    Control *control = listen_in(*state);
    int fd = dial(*state);
    ControlCall *slow = NULL;

    for (size_t i = 0; i + 1 < sizeof request; i++) {
        assert_int_equal(send(fd, request + i, 1, 0), 1);
        if (i == 5) {
            Command command;
            command_start(&command, *state, "status", 0);
            ControlCall *call = next_call(control);
            assert_string_equal(control_verb(call), "status");
            control_answer(call, json_pack("{s:b}", "ok", 1));
            command_end(&command);
            json_decref(command.answer);
        }
        slow = i + 2 < sizeof request ? no_call(control, 0) : next_call(control);
        assert_int_equal(slow != NULL, i + 2 == sizeof request);
    }
    assert_string_equal(control_verb(slow), "slow");
    control_answer(slow, json_pack("{s:b}", "ok", 1));
    assert_string_equal(hear(arena, fd), "{\"ok\":true}");
    (void)close(fd);
    control_close(control);
}

static void who_hangs_up_gives_up_watching_and_not_the_work(void **state)
{
    Control *control = listen_in(*state);
    int fd = dial(*state);

    say(fd, "{\"verb\":\"cutover\"}\n");
    ControlCall *call = next_call(control);
    (void)close(fd);
    for (int i = 0; i < 100; i++) {
        control_event(call, json_pack("{s:s}", "event", "phase"));
        assert_null(no_call(control, 0));
    }
    assert_string_equal(control_verb(call), "cutover");
    control_answer(call, json_pack("{s:b}", "ok", 1));

    fd = dial(*state); /* hangs up before it has said all, and after */
    say(fd, "{\"verb\":");
    assert_null(no_call(control, 20));
    (void)close(fd);
    assert_null(no_call(control, 20));
    fd = dial(*state);
    say(fd, "{\"verb\":\"stop\"}\n");
    (void)close(fd);
    call = next_call(control);
    assert_string_equal(control_verb(call), "stop");
    control_answer(call, json_pack("{s:b}", "ok", 1));
    assert_null(no_call(control, 0));
    control_close(control);
}

/* Events that nobody reads do not fill the memory; the answer comes all the same, and a caller that
 * has closed its sending side is still there. */
static void who_does_not_read_misses_events_but_not_the_answer(void **state)
{
    auto_arena Arena *arena = arena_new();
    Control *control = listen_in(*state);
    int fd = dial(*state);
    int heard = 0;
    bool is_answer = false;
    char *bytes = arena_alloc(arena, LIMIT);

    say(fd, "{\"verb\":\"status\"}\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    ControlCall *call = next_call(control);
    for (int i = 0; i < 100000; i++)
        control_event(call, json_pack("{s:s, s:s}", "event", "phase", "padding",
                                      "0123456789012345678901234567890123456789"));
    control_answer(call, json_pack("{s:b}", "ok", 1));
    while (!is_answer) {
        assert_null(no_call(control, 0));
        ssize_t n = recv(fd, bytes, LIMIT, MSG_DONTWAIT);
        for (ssize_t i = 0; i < n; i++)
            heard += bytes[i] == '\n';
        is_answer = n > 12 && memcmp(bytes + n - 12, "{\"ok\":true}\n", 12) == 0;
        assert_int_not_equal(n, 0);
    }
    assert_in_range(heard, 1000, 60000);
    (void)close(fd);
    control_close(control);
}

static void a_mover_that_ends_sends_what_it_has_answered(void **state)
{
    auto_arena Arena *arena = arena_new();
    Control *control = listen_in(*state);
    int asked = dial(*state);
    int waiting = dial(*state);

    say(asked, "{\"verb\":\"stop\"}\n");
    ControlCall *stop = next_call(control);
    say(waiting, "{\"verb\":\"status\"}\n");
    (void)next_call(control);
    control_answer(stop, json_pack("{s:b}", "ok", 1));
    control_close(control);
    assert_string_equal(hear(arena, asked), "{\"ok\":true}");
    assert_string_equal(hear(arena, waiting), "");
    (void)close(asked);
    (void)close(waiting);
}

static void a_command_learns_that_the_mover_ended(void **state)
{
    Control *control = listen_in(*state);
    Command command;

    command_start(&command, *state, "cutover", 0);
    (void)next_call(control);
    control_close(control);
    command_end(&command);
    assert_false(command.answered);
    assert_int_equal(command.err.code, ERR_CONNECT);
}

static void a_command_waits_no_longer_than_it_likes(void **state)
{
    Control *control = listen_in(*state);
    json_t *answer = NULL;
    Error err = ERROR_INIT;

    double began = clock_seconds();
    assert_false(control_call(*state, json_pack("{s:s}", "verb", "status"),
                              &(ControlWatch){.patience_ms = 50}, &answer, &err));
    assert_true(clock_seconds() - began >= 0.05);
    assert_int_equal(err.code, ERR_CONNECT);
    assert_non_null(strstr(err.message, "busy"));
    control_answer(next_call(control), json_pack("{s:b}", "ok", 1)); /* it has hung up */
    assert_null(no_call(control, 0));
    control_close(control);
}

static void more_callers_than_places_wait_their_turn(void **state)
{
    enum {
        COUNT = 70
    };
    Control *control = listen_in(*state);
    int fds[COUNT];
    ControlCall *calls[COUNT];
    int count = 0;

    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial(*state);
        say(fds[i], "{\"verb\":\"watch\"}\n");
        if (count < 64) {
            calls[count++] = next_call(control);
        } else {
            assert_null(no_call(control, 0));
        }
    }
    for (int i = 0; i < 64; i++)
        control_answer(calls[i], json_pack("{s:b}", "ok", 1));
    for (int i = 64; i < COUNT; i++)
        control_answer(next_call(control), json_pack("{s:b}", "ok", 1));
    for (int i = 0; i < COUNT; i++) {
        auto_arena Arena *arena = arena_new();
        assert_string_equal(hear(arena, fds[i]), "{\"ok\":true}");
        (void)close(fds[i]);
    }
    control_close(control);
}

static void waiting_ends_in_time(void **state)
{
    Control *control = listen_in(*state);
    double before = clock_seconds();

    assert_null(no_call(control, 60));
    assert_in_range((int)((clock_seconds() - before) * 1000), 55, 5000);
    control_close(control);
}

/* ---- a mover that does as it likes ---- */

typedef struct FakeMover {
    pthread_t thread;
    int fd;
    const char *line; /* what it says once it is asked, */
    int times;
} FakeMover;

static int pretend(const char *dir, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", dir);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void *fake_main(void *arg)
{
    const FakeMover *mover = arg;
    struct timeval soon = {.tv_usec = 200000};
    char some[4096];

    int fd = accept4(mover->fd, NULL, NULL, SOCK_CLOEXEC);
    /* Who has gone does not take all of it. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
    (void)recv(fd, some, sizeof some, 0);
    for (int i = 0; i < mover->times; i++)
        if (send(fd, mover->line, strlen(mover->line), MSG_NOSIGNAL) < 0)
            break;
    (void)close(fd);
    return NULL;
}

/* What a command is told that asks a mover which says `line` so many times, and ends. */
static Error told(const char *dir, json_t *request, const char *line, int times)
{
    FakeMover mover = {.line = line, .times = times, .fd = pretend(dir, 5)};
    auto_arena Arena *arena = arena_new();
    json_t *answer = NULL;
    Error err = ERROR_INIT;

    assert_int_equal(pthread_create(&mover.thread, NULL, fake_main, &mover), 0);
    assert_false(control_call(dir, request, NULL, &answer, &err));
    assert_null(answer);
    assert_int_equal(pthread_join(mover.thread, NULL), 0);
    (void)close(mover.fd);
    assert_int_equal(unlink(arena_printf(arena, "%s/control.sock", dir)), 0);
    return err;
}

static void an_answer_without_a_shape_is_refused(void **state)
{
    static const char *const bad[] = {"[]\n", "nonsense\n", "3\n", "{\n"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        Error err = told(*state, json_pack("{s:s}", "verb", "status"), bad[i], 1);
        assert_int_equal(err.code, ERR_FORMAT);
        assert_string_equal(err.message, "the mover's answer is no JSON object");
    }
    Error err = told(*state, json_pack("{s:s}", "verb", "status"), "{\"ok\":false}\n", 1);
    assert_int_equal(err.code, ERR_WRONG_STATE);
    assert_string_equal(err.message, "the mover refused without saying why");
    err = told(*state, json_pack("{s:s}", "verb", "status"), "endless", LIMIT / 4);
    assert_int_equal(err.code, ERR_FORMAT);
    assert_string_equal(err.message, "the mover's answer is too long");
}

/* The mover takes a part of it, says what it thinks of it, and hangs up. */
static void a_command_whose_request_is_not_taken_hears_why(void **state)
{
    auto_arena Arena *arena = arena_new();
    char *text = arena_alloc(arena, LIMIT);

    memset(text, 'x', LIMIT - 100);
    Error err =
        told(*state, json_pack("{s:s, s:s}", "verb", "status", "padding", text),
             "{\"ok\":false,\"error\":{\"code\":\"format\",\"message\":\"too much\"}}\n", 1);
    assert_string_equal(err.message, "too much");
    err = told(*state, json_pack("{s:s, s:s}", "verb", "status", "padding", text), "", 0);
    assert_int_equal(err.code, ERR_CONNECT);
    assert_string_equal(err.message, "the mover ended before it answered");
}

/* As many wait for it as the system lets. */
static void a_command_waits_where_a_mover_has_too_many_callers(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    FakeMover mover = {.fd = pretend(*state, 0), .line = "{\"ok\":true}\n", .times = 1};
    Command command;
    int others[64];
    int count = 0;

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock",
                   (const char *)*state);
    for (;; count++) {
        assert_in_range(count, 0, COUNT_OF(others) - 1);
        others[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(others[count], (const struct sockaddr *)&address, sizeof address) < 0)
            break;
    }
    assert_int_equal(errno, EAGAIN);
    (void)close(others[count]);
    command_start(&command, *state, "status", 0);
    /* Time to be turned away, again and again. */
    (void)poll(NULL, 0, 60);
    for (int i = 0; i < count; i++) {
        (void)close(accept4(mover.fd, NULL, NULL, SOCK_CLOEXEC));
        (void)close(others[i]);
    }
    (void)fake_main(&mover);
    command_end(&command);
    assert_true(command.answered);
    json_decref(command.answer);
    (void)close(mover.fd);
}

/* ---- the mover again ---- */

static void a_socket_that_cannot_be_made_is_said(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *path = arena_printf(arena, "%s/control.sock", (const char *)*state);
    Control *control = NULL;
    Error err = ERROR_INIT;

    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(control_listen(*state, &control, &err));
    assert_null(control);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, path));
}

static void who_hangs_up_without_a_word_is_noticed(void **state)
{
    Control *control = listen_in(*state);
    int fd = dial(*state);

    say(fd, "{\"verb\":\"status\"}\n");
    ControlCall *call = next_call(control);
    (void)close(fd);
    /* Or it would be woken by it for ever: here for as long as it is to wait. */
    double before = clock_seconds();
    assert_null(no_call(control, 30));
    assert_true(clock_seconds() - before >= 0.03);
    assert_string_equal(control_verb(call), "status");
    control_answer(call, json_pack("{s:b}", "ok", 1));
    assert_null(no_call(control, 0));
    control_close(control);
}

static void *ask_soon(void *arg)
{
    const int *fd = arg;

    (void)poll(NULL, 0, 30);
    say(*fd, "{\"verb\":\"late\"}\n");
    return NULL;
}

/* It looks up when the first who says nothing has had its time, and comes back all the same. */
static void a_long_wait_ends_with_a_request(void **state)
{
    Control *control = listen_in(*state);
    int fd = dial(*state);
    pthread_t thread;

    assert_null(no_call(control, 20));
    assert_int_equal(pthread_create(&thread, NULL, ask_soon, &fd), 0);
    ControlCall *call = no_call(control, 60000);
    assert_non_null(call);
    assert_string_equal(control_verb(call), "late");
    assert_int_equal(pthread_join(thread, NULL), 0);
    control_answer(call, json_pack("{s:b}", "ok", 1));
    (void)close(fd);
    control_close(control);
}

/* More than a socket takes at once. */
static void a_mover_that_ends_sends_the_whole_of_a_large_answer(void **state)
{
    auto_arena Arena *arena = arena_new();
    Control *control = listen_in(*state);
    Command command;
    char *text = arena_alloc(arena, LIMIT);

    memset(text, 'x', LIMIT - 100);
    command_start(&command, *state, "stop", 0);
    control_answer(next_call(control), json_pack("{s:b, s:s}", "ok", 1, "text", text));
    control_close(control);
    command_end(&command);
    assert_true(command.answered);
    assert_string_equal(json_string_value(json_object_get(command.answer, "text")), text);
    json_decref(command.answer);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_command_gets_its_events_in_order_and_the_answer),
        IN_FOLDER(an_error_of_the_mover_is_the_commands_own),
        IN_FOLDER(an_error_that_is_not_utf8_still_ends_the_call),
        IN_FOLDER(several_commands_each_get_their_own_answer),
        IN_FOLDER(the_socket_is_the_owners_alone_whatever_the_umask),
        IN_FOLDER(a_bound_socket_is_never_open_to_others),
        IN_FOLDER(a_dead_movers_socket_is_replaced_and_a_living_ones_is_not),
        IN_FOLDER(nobody_listens),
        IN_FOLDER(a_path_longer_than_an_address_works),
        IN_FOLDER(requests_without_a_shape_are_refused),
        IN_FOLDER(a_line_is_limited_to_a_mebibyte),
        IN_FOLDER(a_request_may_come_byte_by_byte_while_others_are_served),
        IN_FOLDER(who_hangs_up_gives_up_watching_and_not_the_work),
        IN_FOLDER(who_does_not_read_misses_events_but_not_the_answer),
        IN_FOLDER(a_mover_that_ends_sends_what_it_has_answered),
        IN_FOLDER(a_command_learns_that_the_mover_ended),
        IN_FOLDER(a_command_waits_no_longer_than_it_likes),
        IN_FOLDER(more_callers_than_places_wait_their_turn),
        IN_FOLDER(waiting_ends_in_time),
        IN_FOLDER(an_answer_without_a_shape_is_refused),
        IN_FOLDER(a_command_whose_request_is_not_taken_hears_why),
        IN_FOLDER(a_command_waits_where_a_mover_has_too_many_callers),
        IN_FOLDER(a_socket_that_cannot_be_made_is_said),
        IN_FOLDER(who_hangs_up_without_a_word_is_noticed),
        IN_FOLDER(a_long_wait_ends_with_a_request),
        IN_FOLDER(a_mover_that_ends_sends_the_whole_of_a_large_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
