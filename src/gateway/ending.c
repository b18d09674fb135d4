#include "gateway/ending.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/memory.h"

static const double longest_s = 4; /* less than a forced pause has: its end is not held up by it */

struct Ending {
    LIST_ENTRY(Ending) link;
    Worker *worker;
    PGconn *conn;
    struct event *readable;
    double until;
};

static void ending_free(Ending *ending)
{
    event_free(ending->readable);
    PQfinish(ending->conn);
    free(ending);
}

/* False: the server has closed it. */
static bool throw_away(evutil_socket_t fd)
{
    char data[16 * 1024];
    ssize_t len = recv(fd, data, sizeof data, MSG_DONTWAIT);

    return len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR));
}

static void ending_wait(Ending *ending)
{
    double left = ending->until - clock_seconds();
    int left_ms = left > 0 ? (int)(left * 1000) : 0;
    struct timeval wait = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000L};

    (void)event_add(ending->readable, &wait);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    Ending *ending = arg;
    Worker *worker = ending->worker;

    if ((what & EV_TIMEOUT) == 0 && throw_away(fd)) {
        ending_wait(ending);
        return;
    }
    LIST_REMOVE(ending, link);
    ending_free(ending);
    worker_check_pause(worker);
}

void ending_begin(Worker *worker, PGconn *conn)
{
    Ending *ending = memory_zeroed(1, sizeof *ending);

    ending->worker = worker;
    ending->conn = conn;
    ending->until = clock_seconds() + longest_s;
    ending->readable =
        event_new(loop_base(worker->loop), PQsocket(conn), EV_READ, on_readable, ending);
    must(ending->readable, "memory");
    LIST_INSERT_HEAD(&worker->endings, ending, link);
    (void)shutdown(PQsocket(conn), SHUT_WR);
    ending_wait(ending);
}

void endings_clear(Worker *worker)
{
    Ending *next = NULL;

    for (Ending *ending = LIST_FIRST(&worker->endings); ending; ending = next) {
        next = LIST_NEXT(ending, link);
        ending_free(ending);
    }
    LIST_INIT(&worker->endings);
}
