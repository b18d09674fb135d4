/*
 * The mover's side is a list of calls, each a connection that does one request:
 *
 *     reading -> asked (handed out, at work) -> answered (what is left is sent) -> gone
 *
 * Nothing blocks: what a slow caller does not take waits in its call's buffer. A call that was
 * handed out lives until its answer, even where its caller has hung up.
 */
#include "move/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"

enum {
    MAX_LINE = 1 << 20,
    FIRST_ROOM = 4096,
    BACKLOG = 16,
    RETRY_MS = 20
};

#define SOCKET_NAME "control.sock"
#define NEW_SOCKET_NAME "control.sock.new"

/* For a request to come whole, and for the last answers to leave when the mover ends. */
static const double patience_s = 10.0;
static const double farewell_s = 1.0;

typedef enum CallState {
    CALL_READING,
    CALL_ASKED,
    CALL_ANSWERED
} CallState;

typedef struct Buffer {
    char *ptr;
    size_t len;
    size_t cap;
} Buffer;

struct ControlCall {
    ControlCall *next;
    CallState state;
    int fd; /* -1: hung up */
    double deadline_s;
    Buffer in;
    Buffer out; /* what is not sent yet */
    json_t *request;
};

struct Control {
    int fd;
    int dir_fd;
    ControlCall *calls;
};

/* ---- both sides ---- */

/* A path may be longer than an address has room for; the way by the folder's descriptor is not. */
static socklen_t address_of(const char *dir, int dir_fd, const char *name,
                            struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof address->sun_path)
        (void)snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", dir_fd,
                       name);
    return (socklen_t)sizeof *address;
}

static int open_dir(const char *dir)
{
    return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* It stays open: somebody else closes it. */
static int descriptor_keep(int *fd)
{
    int kept = *fd;

    *fd = -1;
    return kept;
}

/* A connected socket, or -1 with errno: EAGAIN where somebody listens who does not take calls now.
 */
static int dial(const char *dir, int dir_fd)
{
    struct sockaddr_un address;
    socklen_t len = address_of(dir, dir_fd, SOCKET_NAME, &address);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, len) < 0)
        return -1;
    return descriptor_keep(&fd);
}

static void buffer_clear(Buffer *buffer)
{
    free(buffer->ptr);
    *buffer = (Buffer){0};
}

static char *buffer_room(Buffer *buffer, size_t len)
{
    size_t wanted = buffer->len + len;

    if (wanted > buffer->cap) {
        size_t cap = buffer->cap ? buffer->cap : FIRST_ROOM;
        while (cap < wanted)
            cap *= 2;
        buffer->ptr = memory_resized(buffer->ptr, 1, cap);
        buffer->cap = cap;
    }
    return buffer->ptr + buffer->len;
}

static void buffer_drop(Buffer *buffer, size_t len)
{
    memmove(buffer->ptr, buffer->ptr + len, buffer->len - len);
    buffer->len -= len;
}

/* One line into the buffer; false where it would be too long. */
static bool buffer_add_json(Buffer *buffer, const json_t *value)
{
    size_t len = json_dumpb(value, NULL, 0, JSON_COMPACT);

    if (len == 0 || len > MAX_LINE)
        return false;
    char *line = buffer_room(buffer, len + 1);
    (void)json_dumpb(value, line, len, JSON_COMPACT);
    line[len] = '\n';
    buffer->len += len + 1;
    return true;
}

/* -1: nothing whole yet. */
static ptrdiff_t buffer_line(const Buffer *buffer)
{
    const char *end = buffer->len ? memchr(buffer->ptr, '\n', buffer->len) : NULL;

    return end ? end - buffer->ptr : -1;
}

/* ---- errors as JSON ---- */

/* What a server said need not be UTF-8. */
static json_t *error_to_json(const Error *error)
{
    auto_arena Arena *scratch = arena_new();

    return json_pack("{s:b, s:{s:s, s:i, s:s, s:s, s:s}}", "ok", 0, "error", "code",
                     error_code_name(error->code), "errno", error->sys_errno, "sqlstate",
                     error->sqlstate, "message", text_readable(scratch, error->message), "hint",
                     text_readable(scratch, error->hint));
}

static ErrorCode code_of(const char *name)
{
    for (int code = ERR_NONE + 1; code <= ERR_CANCELLED; code++)
        if (strcmp(error_code_name((ErrorCode)code), name) == 0)
            return (ErrorCode)code;
    return ERR_WRONG_STATE;
}

static bool error_from_json(const json_t *answer, Error *err)
{
    const json_t *error = json_object_get(answer, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *sqlstate = json_string_value(json_object_get(error, "sqlstate"));
    const char *hint = json_string_value(json_object_get(error, "hint"));

    (void)error_set(err, code_of(code ? code : ""), "%s",
                    message ? message : "the mover refused without saying why");
    err->sys_errno = (int)json_integer_value(json_object_get(error, "errno"));
    (void)snprintf(err->sqlstate, sizeof err->sqlstate, "%.5s", sqlstate ? sqlstate : "");
    if (hint && *hint)
        (void)error_hint(err, "%s", hint);
    return false;
}

/* ---- the mover's side ---- */

bool control_listen(const char *dir, Control **ret, Error *err)
{
    struct sockaddr_un address;
    auto_close int dir_fd = open_dir(dir);
    auto_close int other = dir_fd < 0 ? -1 : dial(dir, dir_fd);

    if (dir_fd < 0)
        return error_set_errno(err, "open the folder \"%s\"", dir);
    if (other >= 0 || errno == EAGAIN)
        return error_set(err, ERR_WRONG_STATE, "another mover listens in \"%s\"", dir);

    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t len = address_of(dir, dir_fd, NEW_SOCKET_NAME, &address);
    (void)unlinkat(dir_fd, NEW_SOCKET_NAME, 0);
    /* On Linux the file that bind() makes has the socket's own mode: it is never open to others,
     * not even for a moment. Renamed, it takes a dead mover's place at once. */
    if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) < 0 ||
        bind(fd, (const struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0 ||
        fchmodat(dir_fd, NEW_SOCKET_NAME, S_IRUSR | S_IWUSR, 0) < 0 ||
        renameat(dir_fd, NEW_SOCKET_NAME, dir_fd, SOCKET_NAME) < 0)
        return error_set_errno(err, "listen on \"%s/%s\"", dir, SOCKET_NAME);

    Control *control = memory_zeroed(1, sizeof *control);
    control->fd = descriptor_keep(&fd);
    control->dir_fd = descriptor_keep(&dir_fd);
    *ret = control;
    return true;
}

static void call_hang_up(ControlCall *call)
{
    file_close(&call->fd);
    buffer_clear(&call->out);
}

static void call_free(ControlCall *call)
{
    call_hang_up(call);
    buffer_clear(&call->in);
    json_decref(call->request);
    free(call);
}

/* As much as the caller takes now. */
static void call_send(ControlCall *call)
{
    while (call->fd >= 0 && call->out.len > 0) {
        ssize_t n = send(call->fd, call->out.ptr, call->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            buffer_drop(&call->out, (size_t)n);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else if (errno != EINTR)
            call_hang_up(call);
    }
}

void control_event(ControlCall *call, json_t *event)
{
    /* Who does not read misses events, rather than filling our memory. */
    if (call->fd >= 0 && call->out.len < MAX_LINE)
        (void)buffer_add_json(&call->out, event);
    json_decref(event);
    call_send(call);
}

void control_answer(ControlCall *call, json_t *answer)
{
    if (!json_object_get(answer, "ok"))
        (void)json_object_set_new(answer, "ok", json_true());
    call->state = CALL_ANSWERED;
    call->deadline_s = clock_seconds() + patience_s; /* for the caller to take it */
    if (call->fd >= 0 && !buffer_add_json(&call->out, answer)) {
        Error error = ERROR_INIT;
        (void)error_set(&error, ERR_FORMAT, "the answer is larger than %d bytes, or not UTF-8",
                        MAX_LINE);
        json_t *instead = error_to_json(&error);
        (void)buffer_add_json(&call->out, instead);
        json_decref(instead);
    }
    json_decref(answer);
    call_send(call);
}

void control_fail(ControlCall *call, const Error *error)
{
    control_answer(call, error_to_json(error));
}

const char *control_verb(const ControlCall *call)
{
    return json_string_value(json_object_get(call->request, "verb"));
}

const json_t *control_params(const ControlCall *call)
{
    return call->request;
}

static void call_refuse(ControlCall *call, const char *why)
{
    Error error = ERROR_INIT;

    (void)error_set(&error, ERR_FORMAT, "%s", why);
    control_fail(call, &error);
}

/* True when its request is there, whole and of the right shape. */
static bool call_parse(ControlCall *call)
{
    ptrdiff_t len = buffer_line(&call->in);
    json_error_t error;

    if (len < 0 ? call->in.len > MAX_LINE : len > MAX_LINE) {
        call_refuse(call, "the request is too long");
        return false;
    }
    if (len < 0)
        return false;
    call->request = json_loadb(call->in.ptr, (size_t)len, JSON_REJECT_DUPLICATES, &error);
    buffer_clear(&call->in);
    if (control_verb(call)) {
        call->state = CALL_ASKED;
        return true;
    }
    call_refuse(call, "the request is no JSON object with a verb");
    return false;
}

/* True when a request has come whole. */
static bool call_read(ControlCall *call)
{
    for (;;) {
        ssize_t n = recv(call->fd, buffer_room(&call->in, FIRST_ROOM), FIRST_ROOM, MSG_DONTWAIT);
        if (n <= 0) {
            /* What does not wait is not interrupted. */
            if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
                call_hang_up(call);
            return false;
        }
        call->in.len += (size_t)n;
        if (call_parse(call))
            return true;
        if (call->state != CALL_READING)
            return false;
    }
}

/* Takes out of the list who has nothing to get any more. *ret_wait_s: until the next who is too
 * slow. */
static int control_sweep(Control *control, double *ret_wait_s)
{
    double now = clock_seconds();
    int count = 0;

    for (ControlCall **at = &control->calls; *at;) {
        ControlCall *call = *at;
        bool timed = call->state != CALL_ASKED;
        bool sent = call->state == CALL_ANSWERED && call->out.len == 0;
        if (timed && (call->fd < 0 || sent || now >= call->deadline_s)) {
            *at = call->next;
            call_free(call);
            continue;
        }
        if (timed && call->deadline_s - now < *ret_wait_s)
            *ret_wait_s = call->deadline_s - now;
        at = &call->next;
        count++;
    }
    return count;
}

static void control_accept(Control *control, int room)
{
    while (room-- > 0) {
        int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return; /* none left, or one that hung up again; out of descriptors: tried again later
                     */
        ControlCall *call = memory_zeroed(1, sizeof *call);
        call->fd = fd;
        call->deadline_s = clock_seconds() + patience_s;
        ControlCall **last = &control->calls;
        while (*last)
            last = &(*last)->next;
        *last = call; /* first come, first served */
    }
}

/* Waits until something happens on some connection, and does what is to be done but reading. */
static bool control_wait(Control *control, int count, double wait_s, Error *err)
{
    struct pollfd waits[CONTROL_MAX_CALLS + 2];
    ControlCall *calls[CONTROL_MAX_CALLS];
    nfds_t used = 0;

    for (ControlCall *call = control->calls; call && used < CONTROL_MAX_CALLS; call = call->next) {
        int events = (call->state == CALL_READING ? POLLIN : 0) | (call->out.len ? POLLOUT : 0);
        waits[used] = (struct pollfd){.fd = call->fd, .events = (short)events};
        calls[used++] = call;
    }
    nfds_t call_count = used;
    if (count < CONTROL_MAX_CALLS)
        waits[used++] = (struct pollfd){.fd = control->fd, .events = POLLIN};
    if (!cancel_requested())
        waits[used++] = (struct pollfd){.fd = cancel_fd(), .events = POLLIN};

    if (poll(waits, used, wait_s > 0 ? (int)(wait_s * 1000) + 1 : 0) < 0 && errno != EINTR)
        return error_set_errno(err, "wait for commands"); /* not run: no memory for poll() */
    for (nfds_t i = 0; i < call_count; i++)
        if (waits[i].revents & (POLLHUP | POLLERR) && calls[i]->state != CALL_READING)
            call_hang_up(calls[i]);
        else if (waits[i].revents & POLLOUT)
            call_send(calls[i]);
    control_accept(control, CONTROL_MAX_CALLS - count);
    return true;
}

static ControlCall *control_read(Control *control)
{
    for (ControlCall *call = control->calls; call; call = call->next)
        if (call->state == CALL_READING && call->fd >= 0 && call_read(call))
            return call;
    return NULL;
}

bool control_next(Control *control, int timeout_ms, ControlCall **ret, Error *err)
{
    double deadline_s = clock_seconds() + timeout_ms / 1000.0;
    bool stopping = cancel_requested();

    for (;;) {
        ControlCall *call = control_read(control);
        double wait_s = call ? 0 : deadline_s - clock_seconds();
        int count = control_sweep(control, &wait_s);
        if (call) {
            *ret = call;
            return true;
        }
        if (!control_wait(control, count, wait_s, err))
            return false;
        bool over = clock_seconds() >= deadline_s;
        if (over || cancel_requested() != stopping) {
            *ret = control_read(control);
            return true;
        }
    }
}

void control_close(Control *control)
{
    if (!control)
        return;

    /* Nobody finds us any more; who has been answered gets the rest. */
    (void)unlinkat(control->dir_fd, SOCKET_NAME, 0);
    double deadline_s = clock_seconds() + farewell_s;
    for (ControlCall *call = control->calls; call; call = call->next)
        while (call->state == CALL_ANSWERED && call->out.len > 0 && clock_seconds() < deadline_s) {
            struct pollfd wait = {.fd = call->fd, .events = POLLOUT};
            (void)poll(&wait, 1, (int)(farewell_s * 1000));
            call_send(call);
        }
    while (control->calls) {
        ControlCall *call = control->calls;
        control->calls = call->next;
        call_free(call);
    }
    file_close(&control->fd);
    file_close(&control->dir_fd);
    free(control);
}

/* ---- a command's side ---- */

/* Until the mover can be read from (POLLIN) or written to (POLLOUT), or the owner has had enough.
 * patience_ms: 0 for ever. */
static bool wait_for(int fd, short events, int patience_ms, Error *err)
{
    const double deadline_s = clock_seconds() + patience_ms / 1000.0;
    struct pollfd waits[] = {
        {.fd = fd,          .events = events},
        {.fd = cancel_fd(), .events = POLLIN}
    };

    for (;;) {
        double left_s = deadline_s - clock_seconds();
        int timeout_ms = patience_ms == 0 ? -1 : left_s > 0 ? (int)(left_s * 1000) + 1 : 0;
        int ready = poll(waits, COUNT_OF(waits), timeout_ms);
        if (ready > 0)
            return cancel_check(err);
        if (ready == 0)
            return error_set(err, ERR_CONNECT, "the mover is busy: it has not answered in %.1f s",
                             patience_ms / 1000.0);
        /* not run: the pipe of cancel_fd() says that a signal came; else there is no memory */
        if (errno != EINTR)
            return error_set_errno(err, "wait for the mover");
    }
}

static bool send_all(int fd, Buffer *out, Error *err)
{
    while (out->len > 0) {
        ssize_t n = send(fd, out->ptr, out->len, MSG_NOSIGNAL);
        if (n > 0)
            buffer_drop(out, (size_t)n);
        else if (errno == EPIPE || errno == ECONNRESET)
            return true; /* it may have said why */
        else if (errno != EAGAIN && errno != EINTR)
            return error_set_errno(err, "ask the mover"); /* not run: for want of memory alone */
        else if (!wait_for(fd, POLLOUT, 0, err))
            return false;
    }
    return true;
}

static bool send_request(int fd, const json_t *request, Error *err)
{
    Buffer out = {0};
    bool sent = buffer_add_json(&out, request)
                    ? send_all(fd, &out, err)
                    : error_set(err, ERR_USAGE, "the request to the mover is too long");

    buffer_clear(&out);
    return sent;
}

/* More bytes into `in`. */
static bool receive(int fd, Buffer *in, int patience_ms, Error *err)
{
    if (!wait_for(fd, POLLIN, patience_ms, err))
        return false;
    ssize_t n = recv(fd, buffer_room(in, FIRST_ROOM), FIRST_ROOM, 0);
    if (n > 0)
        in->len += (size_t)n;
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        return error_set(err, ERR_CONNECT, "the mover ended before it answered");
    return true;
}

/* The next line as JSON, the caller's. */
static bool next_object(int fd, Buffer *in, int patience_ms, json_t **ret, Error *err)
{
    json_error_t error;
    ptrdiff_t len = 0;

    while ((len = buffer_line(in)) < 0) {
        if (in->len > MAX_LINE)
            return error_set(err, ERR_FORMAT, "the mover's answer is too long");
        if (!receive(fd, in, patience_ms, err))
            return false;
    }
    json_t *value = json_loadb(in->ptr, (size_t)len, 0, &error);
    buffer_drop(in, (size_t)len + 1);
    if (!json_is_object(value)) {
        json_decref(value);
        return error_set(err, ERR_FORMAT, "the mover's answer is no JSON object");
    }
    *ret = value;
    return true;
}

static bool read_answer(int fd, const ControlWatch *watch, json_t **ret, Error *err)
{
    Buffer in = {0};
    json_t *value = NULL;
    bool read = false;

    while ((read = next_object(fd, &in, watch->patience_ms, &value, err)) &&
           !json_object_get(value, "ok")) {
        if (watch->on_event)
            watch->on_event(watch->context, value);
        json_decref(value);
        value = NULL;
    }
    buffer_clear(&in);
    if (!read)
        return false;
    if (!json_is_true(json_object_get(value, "ok"))) {
        (void)error_from_json(value, err);
        json_decref(value);
        return false;
    }
    *ret = value;
    return true;
}

static bool connect_mover(const char *dir, int *ret_fd, Error *err)
{
    auto_close int dir_fd = open_dir(dir);
    double deadline_s = clock_seconds() + patience_s;
    int fd = -1;

    while (dir_fd >= 0 && (fd = dial(dir, dir_fd)) < 0 && errno == EAGAIN &&
           clock_seconds() < deadline_s)
        if (!cancel_sleep_ms(RETRY_MS, err))
            return false;
    if (fd < 0)
        return error_set(err, ERR_CONNECT, "no mover listens in \"%s\": %s", dir, strerror(errno));
    *ret_fd = fd;
    return true;
}

bool control_listens(const char *dir)
{
    auto_close int dir_fd = open_dir(dir);
    auto_close int fd = dir_fd < 0 ? -1 : dial(dir, dir_fd);

    return fd >= 0 || (dir_fd >= 0 && errno == EAGAIN);
}

bool control_call(const char *dir, json_t *request, const ControlWatch *watch, json_t **ret,
                  Error *err)
{
    static const ControlWatch patient = {0};
    auto_close int fd = -1;
    bool answered = connect_mover(dir, &fd, err) && send_request(fd, request, err) &&
                    read_answer(fd, watch ? watch : &patient, ret, err);

    json_decref(request);
    return answered;
}
