#include "http/stream.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/memory.h"

enum {
    READ_BYTES = 16 * 1024,
    BULK_BYTES = 128 * 1024,     /* once a plain peer has shown that it has much to say */
    READ_ROUNDS = 8,             /* before others get their turn */
    COALESCED_BYTES = 16 * 1024, /* what is copied together rather than queued apart */
    HELD_BYTES = 1000,           /* the same of what is held: little, which is quick to be had */
    READ_AT_LEAST = 32 * 1024    /* by a reader that goes on */
};

typedef struct Chunk {
    struct Chunk *next;
    char *ptr;
    size_t from;
    size_t len;
    size_t cap;
} Chunk;

struct Stream {
    struct event_base *base;
    struct event *readable;
    struct event *writable;
    struct event *gone;
    struct event *soon; /* stream_again() */
    struct event *more; /* TLS holds what no descriptor tells of */
    StreamHandler *handler;
    void *arg;
    SSL *tls;
    Bytes input;
    size_t input_limit;
    Chunk *out;
    Chunk **out_last;
    size_t queued;
    size_t unsent_before; /* when its reader was looked at */
    uint64_t bytes_in;
    uint64_t bytes_out;
    int fd;
    int depth;        /* of handlers that run */
    int least;        /* how many bytes make the socket readable, */
    int least_wanted; /* and shall when the handlers have run */
    bool handshaking;
    bool wants_write_to_read; /* TLS cannot go on reading before it has written */
    bool dry; /* what TLS holds is a part of a record: the descriptor tells of the rest */
    bool paused;
    bool full;
    bool closed;
    bool shut;
    bool borrowed;
    bool tcp;
    bool doomed;
    bool drain_told;
    bool bulk;
    bool again;
    bool held; /* what is queued waits for the end of the loop's turn, not for the peer */
};

static void stream_destroy(Stream *stream)
{
    for (Chunk *chunk = stream->out, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk->ptr);
        free(chunk);
    }
    if (stream->tls && !stream->borrowed)
        SSL_free(stream->tls);
    if (!stream->borrowed)
        (void)close(stream->fd);
    bytes_free(&stream->input);
    free(stream);
}

static void enter(Stream *stream)
{
    stream->depth++;
}

/* Where what an event brought is let lie anew by its handler, there is nothing to do. */
static void set_least(Stream *stream)
{
    if (stream->least != stream->least_wanted && stream->depth == 0 && !stream->closed &&
        setsockopt(stream->fd, SOL_SOCKET, SO_RCVLOWAT, &stream->least_wanted,
                   sizeof stream->least_wanted) == 0)
        stream->least = stream->least_wanted;
}

static void leave(Stream *stream)
{
    if (--stream->depth > 0)
        return;
    if (stream->doomed)
        stream_destroy(stream);
    else
        set_least(stream);
}

static void tell(Stream *stream, StreamEvent event)
{
    if (!stream->doomed)
        stream->handler(stream->arg, event);
}

static void arm(Stream *stream)
{
    if (stream->doomed)
        return;
    if (stream->closed) {
        (void)event_del(stream->readable);
        (void)event_del(stream->writable);
        (void)event_del(stream->gone);
        return;
    }
    bool reading = stream->handshaking || (!stream->paused && !stream->full);
    bool writing = (stream->out && !stream->held) || stream->wants_write_to_read;
    if (reading) {
        (void)event_add(stream->readable, NULL);
    } else {
        (void)event_del(stream->readable);
        (void)event_add(stream->gone, NULL);
    }
    if (writing)
        (void)event_add(stream->writable, NULL);
    else
        (void)event_del(stream->writable);
}

static void fail(Stream *stream)
{
    if (stream->closed)
        return;
    stream->closed = true;
    arm(stream);
    tell(stream, STREAM_CLOSED);
}

/* OpenSSL wants none left of earlier calls; to clear them where there are none costs ten times as
 * much as to look. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

/* ---- writing ---- */

/* How many bytes went; 0: not now; -1: broken. */
static ssize_t write_some(Stream *stream, const char *data, size_t len)
{
    if (!stream->tls) {
        ssize_t n = send(stream->fd, data, len, MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    forget_errors();
    int n = SSL_write(stream->tls, data, len > INT32_MAX ? INT32_MAX : (int)len);
    if (n > 0)
        return n;
    int why = SSL_get_error(stream->tls, n);
    return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void chunk_free(Chunk *chunk)
{
    free(chunk->ptr);
    free(chunk);
}

static void end_writing(Stream *stream)
{
    if (stream->tls)
        (void)SSL_shutdown(stream->tls);
    (void)shutdown(stream->fd, SHUT_WR);
}

/* False where the connection broke. */
static bool flush(Stream *stream)
{
    stream->held = false;
    while (stream->out) {
        Chunk *chunk = stream->out;
        ssize_t n = write_some(stream, chunk->ptr + chunk->from, chunk->len - chunk->from);
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        chunk->from += (size_t)n;
        stream->queued -= (size_t)n;
        stream->bytes_out += (uint64_t)n;
        if (chunk->from < chunk->len)
            continue;
        stream->out = chunk->next;
        if (!stream->out)
            stream->out_last = &stream->out;
        chunk_free(chunk);
    }
    return true;
}

static void tell_drained(Stream *stream)
{
    if (stream->out || stream->drain_told || stream->handshaking)
        return;
    stream->drain_told = true;
    if (stream->shut)
        end_writing(stream);
    tell(stream, STREAM_DRAINED);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    Stream *stream = arg;

    (void)fd;
    (void)what;
    enter(stream);
    bool read_again = stream->handshaking || stream->wants_write_to_read;
    stream->wants_write_to_read = false;
    if (!stream->handshaking) {
        if (!flush(stream))
            fail(stream);
        else
            tell_drained(stream);
    }
    if (read_again && !stream->doomed && !stream->closed)
        event_active(stream->readable, EV_READ, 0);
    arm(stream);
    leave(stream);
}

static void queue_chunk(Stream *stream, char *ptr, size_t from, size_t len, size_t cap)
{
    Chunk *chunk = memory_zeroed(1, sizeof *chunk);

    assert(stream->out_last);
    *chunk = (Chunk){.ptr = ptr, .from = from, .len = len, .cap = cap};
    *stream->out_last = chunk;
    stream->out_last = &chunk->next;
    stream->queued += len - from;
}

static void queue_copy(Stream *stream, const char *data, size_t len)
{
    Chunk *last =
        stream->out ? (Chunk *)(void *)((char *)stream->out_last - offsetof(Chunk, next)) : NULL;

    if (last && last->cap - last->len >= len) {
        memcpy(last->ptr + last->len, data, len);
        last->len += len;
        stream->queued += len;
        return;
    }
    size_t room = stream->held ? HELD_BYTES : COALESCED_BYTES;
    size_t cap = len > room ? len : room;
    char *copy = memory_new(cap);
    memcpy(copy, data, len);
    queue_chunk(stream, copy, 0, len, cap);
}

/* Broken is told from the loop, never from within a write: callers need not expect it there. */
static void break_soon(Stream *stream)
{
    stream->wants_write_to_read = false;
    event_active(stream->soon, EV_TIMEOUT, 0);
    stream->closed = true;
    arm(stream);
}

/* What was only held goes now. False: it breaks. */
static bool release(Stream *stream)
{
    if (!stream->held || flush(stream))
        return true;
    break_soon(stream);
    return false;
}

/* That everything has gone is told from the loop as well; no system call where it has already. */
static void after_write(Stream *stream)
{
    if (stream->out && !stream->held)
        (void)event_add(stream->writable, NULL);
    else
        event_active(stream->soon, EV_TIMEOUT, 0);
}

void stream_write(Stream *stream, const void *data, size_t len)
{
    ssize_t n = 0;

    if (len == 0 || stream->closed || stream->doomed || stream->shut)
        return;
    stream->drain_told = false;
    if (!stream->out && !stream->handshaking) {
        n = write_some(stream, data, len);
        if (n < 0) {
            break_soon(stream);
            return;
        }
        stream->bytes_out += (uint64_t)n;
    }
    if ((size_t)n < len)
        queue_copy(stream, (const char *)data + n, len - (size_t)n);
    if (release(stream))
        after_write(stream);
}

void stream_write_soon(Stream *stream, const void *data, size_t len)
{
    if (len == 0 || stream->closed || stream->doomed || stream->shut)
        return;
    stream->drain_told = false;
    stream->held = stream->held || (!stream->out && !stream->handshaking);
    queue_copy(stream, data, len);
    after_write(stream);
}

void stream_write_bytes(Stream *stream, Bytes *bytes)
{
    if (bytes_len(bytes) <= COALESCED_BYTES) {
        stream_write(stream, bytes_data(bytes), bytes_len(bytes));
        bytes_clear(bytes);
        return;
    }
    size_t len;
    char *ptr = bytes_take(bytes, &len);
    if (stream->closed || stream->doomed || stream->shut) {
        free(ptr);
        return;
    }
    stream->drain_told = false;
    stream->held = stream->held || (!stream->out && !stream->handshaking);
    queue_chunk(stream, ptr, 0, len, len);
    if (release(stream))
        after_write(stream);
}

size_t stream_queued(const Stream *stream)
{
    return stream->queued;
}

size_t stream_unsent(const Stream *stream)
{
    int queued = 0;

    if (ioctl(stream->fd, SIOCOUTQ, &queued) < 0 || queued < 0)
        queued = 0;
    return stream->queued + (size_t)queued;
}

void stream_watch_reader(Stream *stream)
{
    stream->unsent_before = stream_unsent(stream);
}

bool stream_reader_goes_on(Stream *stream)
{
    size_t before = stream->unsent_before;

    stream_watch_reader(stream);
    return stream->unsent_before + READ_AT_LEAST <= before;
}

void stream_shutdown(Stream *stream)
{
    if (stream->shut || stream->closed)
        return;
    stream->shut = true;
    stream->drain_told = false;
    after_write(stream);
}

/* ---- reading ---- */

/* How many bytes came; 0: none now; -1: end or broken. */
static ssize_t read_some(Stream *stream, char *into, size_t len)
{
    if (!stream->tls) {
        ssize_t n = recv(stream->fd, into, len, 0);
        if (n > 0)
            return n;
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    forget_errors();
    int n = SSL_read(stream->tls, into, (int)len);
    stream->dry = n <= 0;
    if (n > 0)
        return n;
    int why = SSL_get_error(stream->tls, n);
    if (why == SSL_ERROR_WANT_WRITE)
        stream->wants_write_to_read = true;
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static bool handshake(Stream *stream)
{
    ERR_clear_error();
    int done = SSL_accept(stream->tls);
    if (done == 1) {
        stream->handshaking = false;
        tell(stream, STREAM_READY);
        if (!stream->doomed && stream->out)
            (void)event_add(stream->writable, NULL);
        return true;
    }
    int why = SSL_get_error(stream->tls, done);
    stream->wants_write_to_read = why == SSL_ERROR_WANT_WRITE;
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        fail(stream);
    return false;
}

void stream_let_lie(Stream *stream, int bytes)
{
    if (!stream->tcp || stream->tls || stream->doomed || bytes_len(&stream->input) > 0)
        return;
    stream->least_wanted = bytes + 1;
    set_least(stream);
}

static void fill(Stream *stream)
{
    ssize_t total = 0;
    bool broken = false;

    for (int round = 0; round < READ_ROUNDS; round++) {
        size_t unread = bytes_len(&stream->input);
        size_t room = stream->input_limit > unread ? stream->input_limit - unread : 0;
        size_t size = stream->bulk ? BULK_BYTES : READ_BYTES;
        size = size < room ? size : room;
        char *into = size > 0 ? bytes_reserve(&stream->input, size) : NULL;
        if (!into)
            break;
        ssize_t n = read_some(stream, into, size);
        if (n <= 0) {
            broken = n < 0;
            break;
        }
        bytes_commit(&stream->input, (size_t)n);
        total += n;
        stream->least_wanted = 1;
        stream->bulk = !stream->tls && (size_t)n == size;
        if (bytes_len(&stream->input) >= stream->input_limit)
            break;
        /* A short read has emptied the socket, unless TLS has more of it in its own buffer. */
        if ((size_t)n < size && !(stream->tls && SSL_has_pending(stream->tls)))
            break;
    }
    stream->bytes_in += (uint64_t)total;
    stream->full = bytes_len(&stream->input) >= stream->input_limit;
    if (total > 0)
        tell(stream, STREAM_READ);
    if (broken && !stream->doomed)
        fail(stream);
}

/* What TLS holds by itself no descriptor tells of. It is read after the loop has looked at others
 * and at its timers, which it does not do for an event that is made active. */
static void read_more_soon(Stream *stream)
{
    const struct timeval at_once = {0};

    if (stream->paused || stream->full || stream->closed || stream->handshaking)
        return;
    if (stream->tls && !stream->dry && SSL_has_pending(stream->tls))
        (void)event_add(stream->more, &at_once);
}

/* After its owner had a look at the input. */
static void settle(Stream *stream)
{
    if (stream->doomed)
        return;
    stream->full = bytes_len(&stream->input) >= stream->input_limit;
    arm(stream);
    read_more_soon(stream);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    Stream *stream = arg;

    (void)fd;
    (void)what;
    enter(stream);
    if (!stream->closed && (!stream->handshaking || handshake(stream)) && !stream->doomed &&
        !stream->paused && !stream->closed)
        fill(stream);
    settle(stream);
    leave(stream);
}

/* The peer has closed its side. Where we read, that comes up behind what it sent before. */
static void on_gone(evutil_socket_t fd, short what, void *arg)
{
    Stream *stream = arg;

    (void)fd;
    (void)what;
    enter(stream);
    if (stream->handshaking || (!stream->paused && !stream->full))
        (void)event_del(stream->gone);
    else
        fail(stream);
    leave(stream);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    Stream *stream = arg;

    (void)fd;
    (void)what;
    enter(stream);
    if (stream->held && !stream->closed)
        stream->closed = !flush(stream);
    if (stream->closed) {
        tell(stream, STREAM_CLOSED);
    } else {
        tell_drained(stream);
        if (stream->again && !stream->doomed && !stream->paused) {
            stream->again = false;
            if (bytes_len(&stream->input) > 0)
                tell(stream, STREAM_READ);
        }
    }
    settle(stream);
    leave(stream);
}

void stream_again(Stream *stream)
{
    if (stream->closed || stream->doomed)
        return;
    stream->again = true;
    event_active(stream->soon, EV_TIMEOUT, 0);
}

void stream_read_enable(Stream *stream, bool enable)
{
    if (stream->paused == !enable || stream->closed || stream->doomed)
        return;
    stream->paused = !enable;
    stream->full = bytes_len(&stream->input) >= stream->input_limit;
    arm(stream);
    read_more_soon(stream);
}

/* ---- life ---- */

Stream *stream_new(struct event_base *base, int fd, StreamHandler *handler, void *arg)
{
    Stream *stream = memory_zeroed(1, sizeof *stream);
    int on = 1;

    *stream = (Stream){.base = base,
                       .fd = fd,
                       .handler = handler,
                       .arg = arg,
                       .input = bytes_init(SIZE_MAX),
                       .input_limit = STREAM_INPUT_MAX,
                       .least = 1,
                       .least_wanted = 1,
                       .drain_told = true};
    stream->out_last = &stream->out;
    /* Fails on Unix sockets, which do not hold small writes back anyway. */
    stream->tcp = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
    stream->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, stream);
    stream->writable = event_new(base, fd, EV_WRITE, on_writable, stream);
    stream->gone = event_new(base, fd, EV_CLOSED | EV_PERSIST, on_gone, stream);
    stream->soon = event_new(base, -1, 0, on_soon, stream);
    stream->more = event_new(base, -1, 0, on_readable, stream);
    must(stream->readable && stream->writable && stream->gone && stream->soon && stream->more,
         "memory");
    (void)event_add(stream->gone, NULL);
    arm(stream);
    return stream;
}

void stream_free(Stream *stream)
{
    char rest[256];

    if (!stream || stream->doomed)
        return;
    stream->doomed = true;
    /* What is left unread would make a reset of the connection's end. */
    if (stream->least > 1)
        (void)recv(stream->fd, rest, sizeof rest, MSG_DONTWAIT);
    event_free(stream->readable);
    event_free(stream->writable);
    event_free(stream->gone);
    event_free(stream->soon);
    event_free(stream->more);
    if (stream->depth == 0)
        stream_destroy(stream);
}

void stream_set_handler(Stream *stream, StreamHandler *handler, void *arg)
{
    stream->handler = handler;
    stream->arg = arg;
}

int stream_fd(const Stream *stream)
{
    return stream->fd;
}

void stream_accept_tls(Stream *stream, SSL_CTX *ctx)
{
    assert(!stream->tls);
    stream->tls = SSL_new(ctx);
    must(stream->tls && SSL_set_fd(stream->tls, stream->fd) == 1, "memory");
    SSL_set_accept_state(stream->tls);
    stream->handshaking = true;
    arm(stream);
}

void stream_use_tls(Stream *stream, SSL *tls)
{
    (void)SSL_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    stream->tls = tls;
}

SSL *stream_tls(const Stream *stream)
{
    return stream->tls;
}

void stream_borrow(Stream *stream)
{
    stream->borrowed = true;
}

Bytes *stream_input(Stream *stream)
{
    return &stream->input;
}

void stream_set_input_limit(Stream *stream, size_t bytes)
{
    stream->input_limit = bytes;
}

uint64_t stream_bytes_in(const Stream *stream)
{
    return stream->bytes_in;
}

uint64_t stream_bytes_out(const Stream *stream)
{
    return stream->bytes_out;
}
