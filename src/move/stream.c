#include "move/stream.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"

/* Of several rows in one message, the target's cost a message falls away; more
 * than this brings nothing more (docs/benchmarks.md). */
enum {
    BUFFER_SIZE = 64 * 1024,
    CHECK_EVERY = 8 << 20
};

typedef struct Stream {
    PGconn *source;
    PGconn *target;
    StreamWatch *watch;
    size_t used;
    size_t since_check;
    char buffer[BUFFER_SIZE];
} Stream;

static bool start_copy(PGconn *conn, const char *sql, ExecStatusType wanted, const char *side,
                       Error *err)
{
    auto_result PGresult *res = PQexec(conn, sql);

    if (PQresultStatus(res) == wanted)
        return true;
    (void)pg_fail_result(conn, res, err);
    return error_add_context(err, "%s", side);
}

static bool take_result(PGconn *conn, PGresult *res, const char *side, int64_t *ret_rows,
                        Error *err)
{
    if (PQresultStatus(res) == PGRES_COMMAND_OK) {
        *ret_rows = strtoll(PQcmdTuples(res), NULL, 10);
        return true;
    }
    (void)pg_fail_result(conn, res, err);
    return error_add_context(err, "%s", side);
}

/* The results of a COPY that has ended; the first one is "COPY n" or the reason
 * why not. A connection that broke inside COPY gives its result for ever. */
static bool end_copy(PGconn *conn, const char *side, int64_t *ret_rows, Error *err)
{
    bool ok = true;
    bool first = true;

    for (;;) {
        auto_result PGresult *res = PQgetResult(conn);
        if (!res)
            break;
        if (first)
            ok = take_result(conn, res, side, ret_rows, err);
        first = false;
        if (PQstatus(conn) == CONNECTION_BAD)
            break;
    }
    if (ok && first) {
        (void)pg_fail_conn(conn, err);
        return error_add_context(err, "%s", side);
    }
    return ok;
}

/* The target has refused rows, or the connection is gone: its own word on it. */
static bool fail_target(Stream *stream, Error *err)
{
    int64_t ignored = 0;

    (void)PQputCopyEnd(stream->target, "given up");
    if (!end_copy(stream->target, "target", &ignored, err))
        return false;
    return error_set(err, ERR_CONNECT, "target: COPY was given up without a reason");
}

static bool send_bytes(Stream *stream, const char *data, size_t len, Error *err)
{
    /* In slices, as libpq copies what it is given into a buffer of that size. */
    while (len > 0) {
        size_t slice = len < BUFFER_SIZE ? len : BUFFER_SIZE;
        if (PQputCopyData(stream->target, data, (int)slice) != 1)
            return fail_target(stream, err);
        data += slice;
        len -= slice;
        stream->since_check += slice;
        stream->watch->sent += (int64_t)slice;
        (void)atomic_fetch_add_explicit(stream->watch->bytes, (int_fast64_t)slice,
                                        memory_order_relaxed);
        if (stream->watch->passed)
            stream->watch->passed(stream->watch->context, stream->watch->rows, stream->watch->sent);
    }
    return true;
}

static bool flush_buffer(Stream *stream, Error *err)
{
    size_t len = stream->used;

    stream->used = 0;
    return send_bytes(stream, stream->buffer, len, err);
}

/* During COPY FROM a server speaks only to complain. Without this look an
 * error of the first row would be learnt after the last one was sent. */
static bool target_complains(PGconn *target)
{
    struct pollfd wait = {.fd = PQsocket(target), .events = POLLIN};

    return poll(&wait, 1, 0) > 0;
}

static bool look_around(Stream *stream, Error *err)
{
    stream->since_check = 0;
    if (atomic_load_explicit(stream->watch->stop, memory_order_relaxed))
        return error_set(err, ERR_CANCELLED, "stopped because another part failed");
    if (!cancel_check(err))
        return false;
    return !target_complains(stream->target) || fail_target(stream, err);
}

static bool pass_row(Stream *stream, const char *row, size_t len, Error *err)
{
    if (stream->watch->identities && !identity_rows_map(stream->watch->identities, &row, &len, err))
        return false;
    if (stream->used + len > BUFFER_SIZE && !flush_buffer(stream, err))
        return false;
    if (len >= BUFFER_SIZE) {
        if (!send_bytes(stream, row, len, err))
            return false;
    } else {
        memcpy(stream->buffer + stream->used, row, len);
        stream->used += len;
    }
    return stream->since_check < CHECK_EVERY || look_around(stream, err);
}

static bool pump_rows(Stream *stream, Error *err)
{
    for (;;) {
        char *row = NULL;
        int len = PQgetCopyData(stream->source, &row, 0);

        if (len == -1)
            return flush_buffer(stream, err);
        if (len < 0) {
            (void)pg_fail_conn(stream->source, err);
            return error_add_context(err, "source");
        }
        stream->watch->rows++;
        bool ok = pass_row(stream, row, (size_t)len, err);
        PQfreemem(row);
        if (!ok)
            return false;
    }
}

bool stream_rows(const StreamEnd *source, const StreamEnd *target, StreamWatch *watch,
                 int64_t *ret_rows, Error *err)
{
    Stream stream = {.source = source->conn, .target = target->conn, .watch = watch};
    int64_t sent = 0;
    int64_t taken = 0;

    if (!start_copy(source->conn, source->copy, PGRES_COPY_OUT, "source", err) ||
        !start_copy(target->conn, target->copy, PGRES_COPY_IN, "target", err) ||
        !pump_rows(&stream, err))
        return false;
    /* The source first: rows that it did not finish must never be committed. */
    if (!end_copy(source->conn, "source", &sent, err))
        return false;
    if (PQputCopyEnd(target->conn, NULL) != 1)
        return fail_target(&stream, err);
    if (!end_copy(target->conn, "target", &taken, err))
        return false;
    if (sent != taken)
        return error_set(err, ERR_FORMAT,
                         "the source sent %" PRId64 " rows and the target took %" PRId64, sent,
                         taken);
    *ret_rows = taken;
    return true;
}
