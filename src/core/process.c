#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"

enum {
    MAX_OUT = 16 << 20,
    ERR_TAIL = 8192,
    CANNOT_START = 127,
    USER_ENTRY = 16384,
    STOP_GRACE_MS = 3000
};

extern char **environ;

bool process_find(Arena *arena, const char *name, char **ret)
{
    const char *path = getenv("PATH");

    if (strchr(name, '/')) {
        *ret = arena_strdup(arena, name);
        return access(name, X_OK) == 0;
    }
    if (!path || !*path)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path) {
        size_t len = strcspn(path, ":");
        char *file = arena_printf(arena, "%.*s/%s", (int)len, path, name);
        if (len > 0 && access(file, X_OK) == 0) {
            *ret = file;
            return true;
        }
        path += len + (path[len] == ':');
    }
    return false;
}

static size_t name_len(const char *pair)
{
    return strcspn(pair, "=");
}

static bool is_overridden(const char *pair, const char *const *env)
{
    for (size_t i = 0; env && env[i]; i++)
        if (name_len(env[i]) == name_len(pair) && strncmp(env[i], pair, name_len(pair)) == 0)
            return true;
    return false;
}

static char **build_environment(Arena *arena, const char *const *env)
{
    size_t ours = 0;
    size_t extra = 0;

    while (environ[ours])
        ours++;
    while (env && env[extra])
        extra++;

    char **merged = arena_array(arena, ours + extra + 1, sizeof *merged);
    size_t count = 0;
    for (size_t i = 0; i < ours; i++)
        if (!is_overridden(environ[i], env))
            merged[count++] = environ[i];
    for (size_t i = 0; i < extra; i++)
        if (env[i][name_len(env[i])] == '=')
            merged[count++] = arena_strdup(arena, env[i]);
    return merged;
}

typedef struct Launch {
    const ProcessOptions *options;
    char *file;
    char **argv;
    char **env;
    struct passwd *user;
    int in;
    int out;
    int err;
} Launch;

static NORETURN void child_fail(const char *what)
{
    const char *reason = strerror(errno);

    (void)!write(STDERR_FILENO, what, strlen(what));
    (void)!write(STDERR_FILENO, ": ", 2);
    (void)!write(STDERR_FILENO, reason, strlen(reason));
    _exit(CANNOT_START);
}

/* Between fork and exec in a process that may have threads: system calls only. */
static NORETURN void child_run(const Launch *launch)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setpgid(0, 0);
    /* If we are killed, what we started must not go on behind our back. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);

    if (dup2(launch->in, STDIN_FILENO) < 0 || dup2(launch->out, STDOUT_FILENO) < 0 ||
        dup2(launch->err, STDERR_FILENO) < 0)
        child_fail("dup2");
    if (launch->user && (setgroups(0, NULL) < 0 || setgid(launch->user->pw_gid) < 0 ||
                         setuid(launch->user->pw_uid) < 0))
        child_fail("setuid");
    /* setuid clears it. */
    if (launch->user)
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (launch->options->dir && chdir(launch->options->dir) < 0)
        child_fail("chdir");
    (void)execve(launch->file, launch->argv, launch->env);
    child_fail("exec");
}

typedef struct Stream {
    int fd;
    Text text;
    size_t tail; /* keep only about this much of the end; 0: everything */
} Stream;

static void stream_take(Stream *stream, const char *buf, size_t len)
{
    Text *text = &stream->text;

    if (stream->tail && text->len + len > stream->tail) {
        size_t drop = text->len + len - stream->tail;
        if (drop > text->len)
            drop = text->len;
        memmove(text->ptr, text->ptr + drop, text->len - drop);
        text->len -= drop;
    }
    text_add_n(text, buf, len);
}

static void stream_read(Stream *stream)
{
    char buf[4096];
    ssize_t n = read(stream->fd, buf, sizeof buf);

    if (n > 0)
        stream_take(stream, buf, (size_t)n);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        file_close(&stream->fd);
}

/* Why the child is to be stopped: false with err set. */
static bool may_go_on(const ProcessOptions *options, double started, Error *err)
{
    if (!cancel_check(err))
        return false;
    if (options->timeout_ms > 0 && (clock_seconds() - started) * 1000 > options->timeout_ms)
        return error_set(err, ERR_PROGRAM, "%s did not end within %d s", options->argv[0],
                         options->timeout_ms / 1000);
    return true;
}

static bool pump(const ProcessOptions *options, Stream *out, Stream *errors, Error *err)
{
    double started = clock_seconds();

    while (out->fd >= 0 || errors->fd >= 0) {
        struct pollfd fds[] = {
            {.fd = out->fd,     .events = POLLIN},
            {.fd = errors->fd,  .events = POLLIN},
            {.fd = cancel_fd(), .events = POLLIN}
        };

        (void)poll(fds, COUNT_OF(fds), 200);
        if (out->fd >= 0 && fds[0].revents)
            stream_read(out);
        if (errors->fd >= 0 && fds[1].revents)
            stream_read(errors);
        if (!may_go_on(options, started, err))
            return false;
    }
    return true;
}

static int wait_for(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void stop_group(pid_t pid)
{
    double deadline = clock_seconds() + STOP_GRACE_MS / 1000.0;
    int status = 0;

    (void)kill(-pid, SIGTERM);
    while (clock_seconds() < deadline) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return;
        (void)poll(NULL, 0, 20);
    }
    (void)kill(-pid, SIGKILL);
    (void)wait_for(pid);
}

static bool open_ends(const ProcessOptions *options, Launch *launch, int *ret_out, int *ret_err,
                      Error *err)
{
    int out[2] = {-1, -1};
    int errors[2] = {-1, -1};
    const char *input = options->stdin_path ? options->stdin_path : "/dev/null";

    launch->in = open(input, O_RDONLY | O_CLOEXEC);
    if (launch->in < 0)
        return error_set_errno(err, "open \"%s\"", input);
    if (pipe2(errors, O_CLOEXEC) < 0)
        return error_set_errno(err, "make a pipe");
    launch->err = errors[1];
    *ret_err = errors[0];
    if (options->stdout_path) {
        launch->out = open(options->stdout_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        return launch->out >= 0 || error_set_errno(err, "create \"%s\"", options->stdout_path);
    }
    if (pipe2(out, O_CLOEXEC) < 0)
        return error_set_errno(err, "make a pipe");
    launch->out = out[1];
    *ret_out = out[0];
    return true;
}

/* Not getpwnam(), whose answer other threads overwrite. */
static bool find_user(Arena *arena, const char *name, struct passwd **ret, Error *err)
{
    struct passwd *entry = arena_alloc(arena, sizeof *entry);
    char *strings = arena_alloc(arena, USER_ENTRY);

    if (getpwnam_r(name, entry, strings, USER_ENTRY, ret) != 0 || !*ret)
        return error_set(err, ERR_PROGRAM, "there is no user \"%s\"", name);
    return true;
}

static bool prepare(Arena *arena, const ProcessOptions *options, Launch *launch, Error *err)
{
    size_t argc = 0;

    if (!process_find(arena, options->argv[0], &launch->file)) {
        (void)error_set(err, ERR_PROGRAM, "%s is not here", options->argv[0]);
        return error_hint(err, "Install it, or put its folder into PATH.");
    }
    while (options->argv[argc])
        argc++;
    launch->argv = arena_array(arena, argc + 1, sizeof *launch->argv);
    for (size_t i = 0; i < argc; i++)
        launch->argv[i] = arena_strdup(arena, options->argv[i]);
    launch->env = build_environment(arena, options->env);
    return !options->user || find_user(arena, options->user, &launch->user, err);
}

static void launch_close(Launch *launch)
{
    file_close(&launch->in);
    file_close(&launch->out);
    file_close(&launch->err);
}

bool process_run(Arena *arena, const ProcessOptions *options, ProcessResult *ret, Error *err)
{
    Launch launch = {.options = options, .in = -1, .out = -1, .err = -1};
    auto_close int out_fd = -1;
    auto_close int err_fd = -1;

    if (!prepare(arena, options, &launch, err))
        return false;
    if (!open_ends(options, &launch, &out_fd, &err_fd, err)) {
        launch_close(&launch);
        return false;
    }
    pid_t pid = fork();
    if (pid == 0)
        child_run(&launch);
    launch_close(&launch);
    if (pid < 0)
        return error_set_errno(err, "start %s", options->argv[0]);

    auto_arena Arena *buffers = arena_new();
    Stream out = {.fd = out_fd, .text = text_init(buffers, MAX_OUT)};
    Stream errors = {
        .fd = err_fd, .text = text_init(buffers, (size_t)2 * ERR_TAIL), .tail = ERR_TAIL};
    bool ok = pump(options, &out, &errors, err);
    out_fd = out.fd;
    err_fd = errors.fd;
    if (!ok) {
        stop_group(pid);
        return false;
    }
    *ret = (ProcessResult){
        .status = wait_for(pid),
        .out = arena_strdup(arena, text_str(&out.text)),
        .err_tail = arena_strdup(arena, text_str(&errors.text)),
    };
    return true;
}

/* Programs say why they failed in their last line. */
static const char *last_line(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

bool process_check(Arena *arena, const ProcessOptions *options, ProcessResult *ret, Error *err)
{
    ProcessResult result;

    if (!process_run(arena, options, &result, err))
        return false;
    if (result.status != 0) {
        const char *name = strrchr(options->argv[0], '/');
        return error_set(err, ERR_PROGRAM, "%s failed (status %d): %s",
                         name ? name + 1 : options->argv[0], result.status,
                         last_line(result.err_tail));
    }
    if (ret)
        *ret = result;
    return true;
}
