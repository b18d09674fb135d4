#include "demo/caretaker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"

enum {
    CONTROL_FD = 3,
    LOOK_EVERY_MS = 100,
    STOP_WITHIN_S = 7,
    REMOVE_WITHIN_S = 5,
};

/* What is said on the socket. We say '0' or '1': start that server; the caretaker says the same: it
 * ended. */
enum {
    WORD_FIRST_SERVER = '0',
    WORD_DISMISS = 'd',
};

/* ---- the process itself ---- */

static NORETURN void server_run(const CaretakerOrder *order, int server)
{
    static char path[] = "PATH=/usr/bin:/bin";
    static char locale[] = "LC_ALL=C";
    static char zone[] = "TZ=UTC";
    char *const env[] = {path, locale, zone, NULL};
    char *argv[] = {strdup(order->postgres), strdup("-D"), strdup(order->data[server]), NULL};
    const int asked[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};

    for (size_t i = 0; i < COUNT_OF(asked); i++)
        (void)signal(asked[i], SIG_DFL);
    (void)setpgid(0, 0);
    if (order->other_user &&
        (setgroups(0, NULL) < 0 || setgid(order->gid) < 0 || setuid(order->uid) < 0))
        _exit(1);

    int log = open(order->log[server], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
        _exit(1);
    (void)close(CONTROL_FD);
    (void)execve(order->postgres, argv, env);
    _exit(1);
}

/* A start that cannot be done shows as a lost server. */
static pid_t server_start(const CaretakerOrder *order, int server)
{
    pid_t pid = fork();

    if (pid == 0)
        server_run(order, server);
    return pid;
}

static bool is_gone(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) != 0;
}

static void servers_stop(const pid_t *pids)
{
    double deadline = clock_seconds() + STOP_WITHIN_S;

    /* Immediate: nobody will start them again, so nothing need be written. */
    for (int i = 0; i < CARETAKER_SERVERS; i++)
        if (pids[i] > 0)
            (void)kill(pids[i], SIGQUIT);
    for (int i = 0; i < CARETAKER_SERVERS; i++) {
        while (pids[i] > 0 && !is_gone(pids[i])) {
            if (clock_seconds() > deadline)
                (void)kill(-pids[i], SIGKILL);
            (void)poll(NULL, 0, 10);
        }
    }
}

/* Something of ours that is being stopped as well (initdb, pg_dump) may still write for a moment.
 */
static bool folder_remove(const char *folder)
{
    double deadline = clock_seconds() + REMOVE_WITHIN_S;
    Error ignored;

    while (!file_remove_tree(folder, &ignored)) {
        if (clock_seconds() > deadline)
            return false;
        (void)poll(NULL, 0, 50);
    }
    return true;
}

static void say(char word)
{
    (void)!send(CONTROL_FD, &word, 1, MSG_NOSIGNAL);
}

static void look_for_lost(pid_t *pids)
{
    for (int i = 0; i < CARETAKER_SERVERS; i++)
        if (pids[i] > 0 && is_gone(pids[i])) {
            pids[i] = 0;
            say((char)(WORD_FIRST_SERVER + i));
        }
}

static NORETURN void caretaker_run(const CaretakerOrder *order)
{
    pid_t pids[CARETAKER_SERVERS] = {0};

    for (;;) {
        struct pollfd control = {.fd = CONTROL_FD, .events = POLLIN};
        char word;

        if (poll(&control, 1, LOOK_EVERY_MS) > 0) {
            ssize_t n = recv(CONTROL_FD, &word, 1, 0);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                break;
            if (word == WORD_DISMISS)
                _exit(0);
            if (word >= WORD_FIRST_SERVER && word < WORD_FIRST_SERVER + CARETAKER_SERVERS)
                pids[word - WORD_FIRST_SERVER] = server_start(order, word - WORD_FIRST_SERVER);
        }
        look_for_lost(pids);
    }
    servers_stop(pids);
    _exit(folder_remove(order->folder) ? 0 : 1);
}

/* Nothing of ours must stay open through it: who reads our output waits for its end. */
static bool let_go(int control)
{
    const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    int null = open("/dev/null", O_RDWR);

    for (size_t i = 0; i < COUNT_OF(ignored); i++)
        (void)signal(ignored[i], SIG_IGN);
    /* Its own session: a Ctrl-C at the terminal is for us alone. */
    (void)setsid();
    if (null < 0 || dup2(control, CONTROL_FD) < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
        return false;
    return close_range(CONTROL_FD + 1, ~0U, 0) == 0 && chdir("/") == 0;
}

/* ---- our side of it ---- */

bool caretaker_start(const CaretakerOrder *order, Caretaker *ret, Error *err)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set_errno(err, "make a socket pair");
    pid_t pid = fork();
    if (pid == 0) {
        if (!let_go(ends[1]))
            _exit(1);
        caretaker_run(order);
    }
    file_close(&ends[1]);
    if (pid < 0) {
        (void)error_set_errno(err, "start the caretaker");
        file_close(&ends[0]);
        return false;
    }
    *ret = (Caretaker){.pid = pid, .fd = ends[0]};
    return true;
}

static bool tell(const Caretaker *caretaker, char word, Error *err)
{
    if (send(caretaker->fd, &word, 1, MSG_NOSIGNAL) == 1)
        return true;
    return error_set_errno(err, "speak to the caretaker of the servers");
}

bool caretaker_start_server(const Caretaker *caretaker, int server, Error *err)
{
    return tell(caretaker, (char)(WORD_FIRST_SERVER + server), err);
}

int caretaker_lost_server(const Caretaker *caretaker)
{
    char word;

    if (recv(caretaker->fd, &word, 1, MSG_DONTWAIT | MSG_PEEK) != 1)
        return -1;
    return word - WORD_FIRST_SERVER;
}

static bool wait_for_end(const Caretaker *caretaker)
{
    int status = 0;

    while (waitpid(caretaker->pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool caretaker_dismiss(Caretaker *caretaker, Error *err)
{
    if (!tell(caretaker, WORD_DISMISS, err))
        return false;
    file_close(&caretaker->fd);
    bool ok = wait_for_end(caretaker);
    caretaker->pid = 0;
    return ok || error_set(err, ERR_PROGRAM, "the caretaker of the servers ended badly");
}

bool caretaker_finish(Caretaker *caretaker)
{
    if (caretaker->pid <= 0)
        return true;
    file_close(&caretaker->fd);
    bool ok = wait_for_end(caretaker);
    caretaker->pid = 0;
    return ok;
}
