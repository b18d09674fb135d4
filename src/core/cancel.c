/*
 * A self-pipe: write() is the only thing besides a flag that a signal handler
 * may safely do, and a pipe makes the request visible to poll().
 */
#include "core/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_int signal_seen;
static atomic_bool held;
static int wake_pipe[2] = {-1, -1};

static void on_signal(int signal_number)
{
    int saved = errno;
    int expected = 0;

    if (!atomic_compare_exchange_strong(&signal_seen, &expected, signal_number) &&
        !atomic_load(&held))
        _exit(128 + signal_number); /* asked twice: the owner means it */
    (void)!write(wake_pipe[1], "x", 1);
    errno = saved;
}

void cancel_install(void)
{
    if (wake_pipe[0] >= 0 || pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return;

    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);

    /* A closed pipe is reported by write(), which is where we can say so. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigemptyset(&ignore.sa_mask);
    (void)sigaction(SIGPIPE, &ignore, NULL);

    /* Ignored by who started us, the kernel would throw our children's exit statuses away. */
    struct sigaction usual = {.sa_handler = SIG_DFL};
    (void)sigemptyset(&usual.sa_mask);
    (void)sigaction(SIGCHLD, &usual, NULL);
}

/* The pipe is shared with the parent until then, and what one of the two is asked would wake both,
 * again and again. */
void cancel_forked(void)
{
    if (wake_pipe[0] < 0)
        return;
    (void)close(wake_pipe[0]);
    (void)close(wake_pipe[1]);
    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        _exit(1); /* not run: two were closed above, so there is room for two */
    atomic_store(&signal_seen, 0);
}

bool cancel_pending(void)
{
    return atomic_load(&signal_seen) != 0;
}

bool cancel_requested(void)
{
    return cancel_pending() && !atomic_load(&held);
}

void cancel_hold(bool hold)
{
    atomic_store(&held, hold);
}

int cancel_fd(void)
{
    return wake_pipe[0];
}

int cancel_signal(void)
{
    return atomic_load(&signal_seen);
}

bool cancel_check(Error *err)
{
    return !cancel_requested() || cancel_error(err);
}

bool cancel_error(Error *err)
{
    return error_set(err, ERR_CANCELLED, "stopped by %s",
                     cancel_signal() == SIGTERM  ? "SIGTERM"
                     : cancel_signal() == SIGHUP ? "SIGHUP"
                                                 : "Ctrl-C");
}

bool cancel_sleep_ms(int ms, Error *err)
{
    struct pollfd wait = {.fd = wake_pipe[0], .events = POLLIN};

    if (!cancel_requested())
        (void)poll(&wait, cancel_pending() ? 0 : 1, ms);
    return cancel_check(err);
}
