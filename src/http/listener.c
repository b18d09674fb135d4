#include "http/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"

enum {
    BACKLOG = 1024,
    ACCEPTED_AT_ONCE = 64
};

struct Listener {
    struct event *readable;
    struct event *retry;
    ListenerAccept *accept;
    void *arg;
    int fd;
};

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    Listener *listener = arg;

    (void)fd;
    (void)what;
    (void)event_add(listener->readable, NULL);
}

/* A client that vanishes without a word must not keep its transaction and its locks for ever. No
 * TCP_USER_TIMEOUT: it would end one that only does not read for a while as well. */
static void set_keepalive(int fd)
{
    static const int on = 1;
    static const int idle_s = 60;
    static const int interval_s = 10;
    static const int count = 3;

    /* Fails on Unix sockets, whose peers cannot vanish. */
    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval pause = {.tv_usec = 100 * 1000L};
    Listener *listener = arg;

    (void)what;
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        int accepted = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            set_keepalive(accepted);
            listener->accept(listener->arg, accepted, (struct sockaddr *)&peer);
            continue;
        }
        /* Out of descriptors: the connection stays where it is, and asking at once would spin. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            (void)event_del(listener->readable);
            (void)event_add(listener->retry, &pause);
        }
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* What is left of the last one that listened there. */
static void remove_socket(const Address *address)
{
    struct sockaddr_un local;
    struct stat there;

    memcpy(&local, &address->storage, sizeof local);
    if (lstat(local.sun_path, &there) == 0 && S_ISSOCK(there.st_mode))
        (void)unlink(local.sun_path);
}

static bool open_socket(const Address *address, int *ret, Error *err)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        return error_set_errno(err, "open a socket");
    if (address->storage.ss_family == AF_UNIX)
        remove_socket(address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address->storage, address->len) == 0 &&
        listen(fd, BACKLOG) == 0) {
        *ret = fd;
        return true;
    }
    (void)error_set_errno(err, "listen");
    if (err->sys_errno == EACCES)
        (void)error_hint(err, "Ports below 1024 need the capability CAP_NET_BIND_SERVICE.");
    (void)close(fd);
    return false;
}

/* A socket that listens is in the way of one that would not share. */
bool listener_check(const Address *address, Error *err)
{
    const struct sockaddr *there = (const struct sockaddr *)&address->storage;
    bool local = address->storage.ss_family == AF_UNIX;
    auto_close int fd =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        return error_set_errno(err, "open a socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool taken = local ? connect(fd, there, address->len) == 0 || errno == EAGAIN
                       : bind(fd, there, address->len) != 0 && errno == EADDRINUSE;
    return !taken || error_set(err, ERR_WRONG_STATE, "another process listens there already");
}

bool listener_new(struct event_base *base, const Address *address, ListenerAccept *accept,
                  void *arg, Listener **ret, Error *err)
{
    int fd = -1;

    if (!open_socket(address, &fd, err))
        return false;
    Listener *listener = memory_zeroed(1, sizeof *listener);
    *listener = (Listener){.accept = accept, .arg = arg, .fd = fd};
    listener->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, listener);
    listener->retry = event_new(base, -1, 0, on_retry, listener);
    must(listener->readable && listener->retry && event_add(listener->readable, NULL) == 0,
         "memory");
    *ret = listener;
    return true;
}

void listener_free(Listener *listener)
{
    if (!listener)
        return;
    event_free(listener->readable);
    event_free(listener->retry);
    (void)close(listener->fd);
    free(listener);
}
