#include "cli/demo_mover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

enum {
    LOG_MODE = 0600,
    STOP_WITHIN_S = 3,
    LOOK_MS = 10,
};

/* ---- the process itself ---- */

static void send_step(void *context, const char *text)
{
    const int *fd = context;
    DemoNote note = {.kind = DEMO_NOTE_STEP};

    (void)snprintf(note.text, sizeof note.text, "%s", text);
    (void)!send(*fd, &note, sizeof note, MSG_NOSIGNAL);
}

/* One that is not taken is as good as the next. */
static void send_progress(void *context, const MoveProgress *progress)
{
    const int *fd = context;
    DemoNote note = {.kind = DEMO_NOTE_PROGRESS, .progress = *progress};

    note.progress.step = NULL;
    (void)!send(*fd, &note, sizeof note, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool demo_child_let_go(const char *log)
{
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, LOG_MODE);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    /* Its own session: a Ctrl-C at the terminal is for the demo alone. */
    (void)setsid();
    return out >= 0 && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
           dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0;
}

static NORETURN void mover_run(const Config *config, const char *log, int fd)
{
    auto_arena Arena *arena = arena_new();
    MoveWatch watch = {.step = send_step, .progress = send_progress, .context = &fd};
    LiveOptions options = {.log = log};
    MoveReport report = {0};
    DemoNote ended = {.kind = DEMO_NOTE_ENDED};
    char word = 0;

    if (!demo_child_let_go(log) || recv(fd, &word, 1, 0) != 1)
        _exit(1);
    bool ok = move_live(arena, config, &options, &watch, &report, &ended.error);
    if (!ok)
        log_error("the mover has ended", kv_str("reason", ended.error.message),
                  kv_str("hint", ended.error.hint));
    (void)!send(fd, &ended, sizeof ended, MSG_NOSIGNAL | MSG_DONTWAIT);
    _exit(ok ? 0 : error_exit_status(&ended.error));
}

/* ---- our side of it ---- */

bool demo_child_fork(DemoPlace *place, pid_t *ret_pid, int *ret_fd, Error *err)
{
    pid_t parent = getpid();
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set_errno(err, "make a socket pair");
    pid_t pid = fork();
    if (pid == 0) {
        /* However the demo ends: its servers are gone then, and nobody would end the child. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
            _exit(1);
        demo_forked(place);
        cancel_forked();
    }
    file_close(pid == 0 ? &ends[0] : &ends[1]);
    if (pid < 0) {
        (void)error_set_errno(err, "start a process");
        file_close(&ends[0]);
        return false;
    }
    *ret_pid = pid;
    *ret_fd = pid == 0 ? ends[1] : ends[0];
    return true;
}

void demo_child_end(pid_t pid)
{
    double deadline = clock_seconds() + STOP_WITHIN_S;

    (void)kill(pid, SIGTERM);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        if (clock_seconds() > deadline)
            (void)kill(pid, SIGKILL);
        (void)poll(NULL, 0, LOOK_MS);
    }
}

bool demo_mover_fork(const Config *config, DemoPlace *place, DemoMover *ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *log = arena_printf(scratch, "%s/mover.log", demo_folder(place));
    pid_t pid = 0;
    int fd = -1;

    if (!demo_child_fork(place, &pid, &fd, err))
        return false;
    if (pid == 0)
        mover_run(config, log, fd);
    *ret = (DemoMover){.pid = pid, .fd = fd};
    return true;
}

bool demo_mover_begin(const DemoMover *mover, Error *err)
{
    char word = 'b';

    if (send(mover->fd, &word, 1, MSG_NOSIGNAL) == 1)
        return true;
    return error_set_errno(err, "speak to the mover");
}

/* The next note; false: there will be none any more. */
static bool take_note(DemoMover *mover, int timeout_ms, DemoNote *ret)
{
    struct pollfd waits[] = {
        {.fd = mover->fd,   .events = POLLIN},
        {.fd = cancel_fd(), .events = POLLIN}
    };

    ret->kind = DEMO_NOTE_NONE;
    if (poll(waits, COUNT_OF(waits), timeout_ms) <= 0 || waits[0].revents == 0)
        return true;
    ssize_t n = recv(mover->fd, ret, sizeof *ret, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n != (ssize_t)sizeof *ret)
        return false;
    if (ret->kind == DEMO_NOTE_ENDED && ret->error.code != ERR_NONE) {
        mover->failed = true;
        mover->error = ret->error;
    }
    return ret->kind != DEMO_NOTE_ENDED;
}

static bool fail_ended(const DemoMover *mover, Error *err)
{
    if (mover->failed) {
        *err = mover->error;
        return false;
    }
    return error_set(err, ERR_WRONG_STATE, "the mover has ended");
}

bool demo_mover_next(DemoMover *mover, int timeout_ms, DemoNote *ret, Error *err)
{
    bool goes_on = take_note(mover, timeout_ms, ret);

    return cancel_check(err) && (goes_on || fail_ended(mover, err));
}

bool demo_mover_explain(DemoMover *mover, Error *err)
{
    DemoNote note;

    if (err->code != ERR_CONNECT)
        return false;
    do {
        if (!take_note(mover, LOOK_MS, &note))
            return fail_ended(mover, err);
    } while (note.kind != DEMO_NOTE_NONE);
    return false;
}

void demo_mover_end(DemoMover *mover)
{
    if (mover->pid <= 0)
        return;
    demo_child_end(mover->pid);
    file_close(&mover->fd);
    mover->pid = 0;
}
