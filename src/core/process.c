#include "core/process.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"

enum {
    MAX_OUT = 16 << 20,
    ERR_TAIL = 128 * 1024, /* pg_dump lists up to 100,000 bytes of tables behind its error */
    MAX_ENVIRON = 4 << 20,
    CANNOT_START = 127,
    USER_ENTRY = 16384,
    STOP_GRACE_MS = 3000,
    LONGEST_WAIT_MS = 50
};

extern char **environ;

static bool is_program(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

bool process_find(Arena *arena, const char *name, char **ret)
{
    const char *path = getenv("PATH");

    if (strchr(name, '/')) {
        *ret = arena_strdup(arena, name);
        return is_program(name);
    }
    if (!path || !*path)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path) {
        size_t len = strcspn(path, ":");
        char *file = arena_printf(arena, "%.*s/%s", (int)len, path, name);
        if (len > 0 && is_program(file)) {
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
    int failed; /* a StartFailure is written to it, or the program's start closes it */
} Launch;

typedef struct StartFailure {
    int sys_errno;
    char step[12];
} StartFailure;

static NORETURN void child_fail(const Launch *launch, const char *step)
{
    StartFailure failure = {.sys_errno = errno};

    for (size_t i = 0; step[i] && i + 1 < sizeof failure.step; i++)
        failure.step[i] = step[i];
    (void)!write(launch->failed, &failure, sizeof failure);
    _exit(CANNOT_START);
}

/* Between fork and exec in a process that may have threads: system calls only. All signals are
 * blocked at first: our handler must not run in here. */
static NORETURN void child_run(const Launch *launch)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    sigset_t none;

    for (size_t i = 0; i < COUNT_OF(ours); i++)
        (void)signal(ours[i], SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    /* If we are killed, what we started must not go on behind our back. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);

    if (dup2(launch->in, STDIN_FILENO) < 0 || dup2(launch->out, STDOUT_FILENO) < 0 ||
        dup2(launch->err, STDERR_FILENO) < 0)
        child_fail(launch, "dup2");
    if (launch->user && (setgroups(0, NULL) < 0 || setgid(launch->user->pw_gid) < 0 ||
                         setuid(launch->user->pw_uid) < 0))
        child_fail(launch, "setuid");
    /* setuid clears it. */
    if (launch->user)
        /* not run: another user cannot write what was counted */
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (launch->options->dir && chdir(launch->options->dir) < 0)
        child_fail(launch, "chdir");
    (void)execve(launch->file, launch->argv, launch->env);
    child_fail(launch, "exec");
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
        assert(len <= stream->tail);
        size_t drop = text->len + len - stream->tail;
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

typedef struct Run {
    const ProcessOptions *options;
    pid_t pid;
    double started;
} Run;

static void stop_group(pid_t pid, int grace_ms)
{
    double deadline = clock_seconds() + grace_ms / 1000.0;
    int status = 0;

    (void)kill(-pid, SIGTERM);
    while (clock_seconds() < deadline) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return;
        (void)poll(NULL, 0, 20);
    }
    (void)kill(-pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
}

static bool is_asked_to_stop(const Run *run)
{
    return run->options->stop_while_held ? cancel_pending() : cancel_requested();
}

/* False with err set when the child had to be stopped, and was. */
static bool may_go_on(const Run *run, Error *err)
{
    const ProcessOptions *options = run->options;
    bool asked = is_asked_to_stop(run);
    bool late =
        options->timeout_ms > 0 && (clock_seconds() - run->started) * 1000 > options->timeout_ms;

    if (!asked && !late)
        return true;
    if (asked)
        (void)cancel_error(err);
    else
        (void)error_set(err, ERR_PROGRAM, "%s did not end within %g s", options->argv[0],
                        options->timeout_ms / 1000.0);
    stop_group(run->pid, options->grace_ms ? options->grace_ms : STOP_GRACE_MS);
    return false;
}

/* A request that is held back stays readable, and nothing is to be done about it. */
static int wake_fd(const Run *run)
{
    return cancel_pending() && !is_asked_to_stop(run) ? -1 : cancel_fd();
}

static bool pump(const Run *run, Stream *out, Stream *errors, Error *err)
{
    while (out->fd >= 0 || errors->fd >= 0) {
        struct pollfd fds[] = {
            {.fd = out->fd,      .events = POLLIN},
            {.fd = errors->fd,   .events = POLLIN},
            {.fd = wake_fd(run), .events = POLLIN}
        };

        (void)poll(fds, COUNT_OF(fds), 200);
        if (out->fd >= 0 && fds[0].revents)
            stream_read(out);
        if (errors->fd >= 0 && fds[1].revents)
            stream_read(errors);
        if (!may_go_on(run, err))
            return false;
    }
    return true;
}

/* It may close its ends long before it ends. */
static bool await_end(const Run *run, int *ret_status, Error *err)
{
    int wait_ms = 1;
    int status = 0;

    for (pid_t got; (got = waitpid(run->pid, &status, WNOHANG)) != run->pid;) {
        if (got < 0 && errno != EINTR)
            return error_set_errno(err, "learn how %s ended", run->options->argv[0]);
        if (!may_go_on(run, err))
            return false;
        (void)poll(&(struct pollfd){.fd = wake_fd(run), .events = POLLIN}, 1, wait_ms);
        wait_ms = wait_ms * 2 < LONGEST_WAIT_MS ? wait_ms * 2 : LONGEST_WAIT_MS;
    }
    *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
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
    file_close(&launch->failed);
}

/* The child's process id; -1: there is none. */
static pid_t fork_child(const Launch *launch)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        child_run(launch);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* Returns once the program runs, in its own group, or is known not to. */
static bool start(Launch *launch, Run *run, Error *err)
{
    const char *name = launch->options->argv[0];
    StartFailure failure = {0};
    int ends[2] = {-1, -1};
    ssize_t got = -1;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(err, "make a pipe");
    auto_close int started = ends[0];
    launch->failed = ends[1];
    run->started = clock_seconds();
    run->pid = fork_child(launch);
    launch_close(launch);
    if (run->pid < 0)
        return error_set_errno(err, "start %s", name);
    do
        got = read(started, &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return true;
    (void)waitpid(run->pid, NULL, 0);
    errno = failure.sys_errno;
    return error_set_errno(err, "start %s: %s", name, failure.step);
}

bool process_run(Arena *arena, const ProcessOptions *options, ProcessResult *ret, Error *err)
{
    Launch launch = {.options = options, .in = -1, .out = -1, .err = -1, .failed = -1};
    Run run = {.options = options};
    auto_close int out_fd = -1;
    auto_close int err_fd = -1;
    int status = 0;

    if (!prepare(arena, options, &launch, err))
        return false;
    bool ok = open_ends(options, &launch, &out_fd, &err_fd, err) && start(&launch, &run, err);
    launch_close(&launch);
    if (!ok)
        return false;

    auto_arena Arena *buffers = arena_new();
    Stream out = {.fd = out_fd, .text = text_init(buffers, MAX_OUT)};
    Stream errors = {
        .fd = err_fd, .text = text_init(buffers, (size_t)2 * ERR_TAIL), .tail = ERR_TAIL};
    ok = pump(&run, &out, &errors, err);
    out_fd = out.fd;
    err_fd = errors.fd;
    if (!ok || !await_end(&run, &status, err))
        return false;
    *ret = (ProcessResult){
        .status = status,
        .out = arena_strdup(arena, text_str(&out.text)),
        .err_tail = arena_strdup(arena, text_str(&errors.text)),
    };
    return true;
}

/* Programs say why they failed in their last line; PostgreSQL's in the last that they call an
 * error, behind which details and hints may follow. Takes the end of the last line away. */
static const char *why_line(Arena *arena, char *text)
{
    size_t len = strlen(text);

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    const char *last = text;
    const char *error = NULL;
    for (char *line = arena_strdup(arena, text), *rest = line;
         (line = strtok_r(rest, "\r\n", &rest));) {
        last = line;
        if (strstr(line, ": error: "))
            error = line;
    }
    return error ? error : last;
}

bool process_check(Arena *arena, const ProcessOptions *options, ProcessResult *ret, Error *err)
{
    ProcessResult result;

    if (!process_run(arena, options, &result, err))
        return false;
    if (ret)
        *ret = result;
    if (result.status != 0) {
        const char *name = strrchr(options->argv[0], '/');
        const char *why = why_line(arena, result.err_tail);
        return error_set(err, ERR_PROGRAM, "%s failed (status %d)%s%s",
                         name ? name + 1 : options->argv[0], result.status, *why ? ": " : "", why);
    }
    return true;
}

static bool was_started_with(const char *pid, const char *variable)
{
    auto_arena Arena *scratch = arena_new();
    Error gone = ERROR_INIT;
    char *text = NULL;
    size_t len = 0;

    if (!file_read(scratch, arena_printf(scratch, "/proc/%s/environ", pid), MAX_ENVIRON, &text,
                   &len, &gone))
        return false;
    for (const char *at = text; at < text + len; at += strlen(at) + 1)
        if (strcmp(at, variable) == 0)
            return true;
    return false;
}

int process_signal_all(int session, const char *variable, int signal_number)
{
    DIR *processes = opendir("/proc");
    int count = 0;

    for (const struct dirent *entry; processes && (entry = readdir(processes));) {
        int pid = (int)strtol(entry->d_name, NULL, 10);

        if (pid <= 0 || pid == getpid() || getsid(pid) != session ||
            !was_started_with(entry->d_name, variable))
            continue;
        (void)kill(pid, signal_number);
        count++;
    }
    if (processes)
        (void)closedir(processes);
    return count;
}
