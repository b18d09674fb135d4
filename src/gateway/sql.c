/*
 * A batch goes to the server in one flight: START TRANSACTION, the queries,
 * COMMIT, and one Sync, so that the server skips everything behind the first
 * error. A query that itself ends the transaction would make what follows it
 * share the fate of that Sync, where Neon commits each one; such batches go
 * step by step.
 *
 * Nothing is sent to the client before the last ReadyForQuery: an error that
 * comes late, COMMIT's as well, must still be able to be the answer.
 */
#include "gateway/sql.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "gateway/pool.h"
#include "gateway/session.h"
#include "gateway/sqlbody.h"
#include "gateway/sqloptions.h"
#include "gateway/trust.h"
#include "gateway/value.h"

enum {
    FREE_OUT = 64 * 1024 /* that every request may have */
};

typedef struct Column {
    const char *name;
    uint32_t type;
    bool shadowed; /* a later column has its name, which wins in an object */
} Column;

struct Work {
    LIST_ENTRY(Work) link;
    Worker *worker;
    HttpExchange *exchange;
    Arena *arena;
    ConnString who;
    SqlBody body;
    SqlOptions options;
    bool stepwise;
    bool in_rows; /* the current query's fields have been written */
    bool first_row;
    bool overflow;
    bool failed;
    bool copying;
    bool committing; /* COMMIT has been sent */
    int at;          /* statements that are complete: START TRANSACTION is 0 in a batch */
    int statements;
    PoolTicket *ticket;
    Backend *backend;
    Bytes out;
    size_t charged; /* to the budget, for `out` */
    Column *columns;
    int column_count;
    WireError error;
    double started;
};

/* ---- replies ---- */

void sql_add_error(Bytes *out, const WireError *error)
{
    bytes_add_char(out, '{');
    for (int i = 0; i < FIELD_COUNT; i++) {
        bytes_addf(out, i ? ",\"%s\":" : "\"%s\":", wire_field_names[i]);
        if (error->fields[i])
            value_add_string(out, error->fields[i], strlen(error->fields[i]));
        else
            bytes_add_text(out, "null");
    }
    bytes_add_char(out, '}');
}

/* A UUID of version 4 in form: unique, but not secret, so a random number for each is not worth its
 * price. The worker's own random half and a counter make it. */
static void add_request_id(Worker *worker, Bytes *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char r[16];
    uint64_t count = ++worker->request_count;

    memcpy(r, worker->request_salt, sizeof r);
    for (size_t i = 0; i < sizeof count; i++)
        r[15 - i] ^= (unsigned char)(count >> 8 * i);
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    bytes_add_text(out, "neon-request-id: ");
    for (size_t i = 0; i < sizeof r; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            bytes_add_char(out, '-');
        bytes_add_char(out, digits[r[i] >> 4]);
        bytes_add_char(out, digits[r[i] & 15]);
    }
    bytes_add_text(out, "\r\n");
}

static void reply(Worker *worker, HttpExchange *exchange, int status, const char *headers,
                  Bytes *body)
{
    bool cors = worker->gateway->options->cors;
    Bytes all = bytes_init(SIZE_MAX);

    add_request_id(worker, &all);
    if (cors)
        bytes_add_text(&all, SQL_ORIGIN);
    if (headers)
        bytes_add_text(&all, headers);
    bytes_add_char(&all, '\0');
    metric_add(&worker->metrics.replies[status / 100 < 6 ? status / 100 : 5], 1);
    metric_add(&worker->metrics.bytes_out[PROTOCOL_HTTP], bytes_len(body));
    http_reply(
        exchange,
        &(HttpReply){.status = status, .type = "application/json", .headers = bytes_data(&all)},
        body);
    bytes_free(&all);
}

static void reply_error(Worker *worker, HttpExchange *exchange, int status, const WireError *error)
{
    Bytes body = bytes_init(SIZE_MAX);

    metrics_error(&worker->metrics, PROTOCOL_HTTP, error->fields[FIELD_CODE]);
    sql_add_error(&body, error);
    reply(worker, exchange, status, status == 503 || status == 429 ? "retry-after: 1\r\n" : NULL,
          &body);
    bytes_free(&body);
}

static void reply_message(Worker *worker, HttpExchange *exchange, int status, const char *message)
{
    WireError error = wire_error(http_arena(exchange), NULL, NULL, message);

    reply_error(worker, exchange, status, &error);
}

static void work_log(Work *work, int status)
{
    double took = clock_seconds() - work->started;
    int slow_ms = work->worker->gateway->options->slow_ms;

    metrics_time(&work->worker->metrics.latency[PROTOCOL_HTTP], took);
    if (slow_ms > 0 && took * 1000 >= slow_ms)
        log_info("slow request", kv_str("protocol", "http"), kv_str("database", work->who.database),
                 kv_str("role", work->who.user), kv_i64("status", status),
                 kv_i64("queries", work->body.count), kv_i64("duration_ms", (int64_t)(took * 1e3)));
    else if (log_level() == LOG_DEBUG)
        log_debug("request", kv_str("protocol", "http"), kv_str("database", work->who.database),
                  kv_str("role", work->who.user), kv_i64("status", status),
                  kv_i64("queries", work->body.count),
                  kv_i64("duration_us", (int64_t)(took * 1e6)));
}

/* Its server is not its any more. The arena goes with the exchange. */
static void work_end(Work *work)
{
    LIST_REMOVE(work, link);
    bytes_free(&work->out);
    budget_give(&work->worker->gateway->budget, work->charged, false);
}

static void work_reply_error(Work *work, int status)
{
    work_log(work, status);
    work_end(work);
    reply_error(work->worker, work->exchange, status, &work->error);
}

static void work_reply(Work *work)
{
    Bytes out = work->out;

    work->out = bytes_init(0);
    work_log(work, 200);
    work_end(work);
    reply(work->worker, work->exchange, 200, work->options.echo, &out);
    bytes_free(&out);
}

/* ---- results ---- */

static const SqlQuery *current_query(const Work *work)
{
    int index = work->body.batch ? work->at - 1 : work->at;

    return index >= 0 && index < work->body.count ? &work->body.queries[index] : NULL;
}

static bool is_array_mode(const Work *work)
{
    const SqlQuery *query = current_query(work);

    return !query || query->array_mode == ARRAY_MODE_UNSAID ? work->options.array_mode
                                                            : query->array_mode == ARRAY_MODE_ON;
}

static void query_open(Work *work)
{
    if (work->body.batch && work->at > 1)
        bytes_add_char(&work->out, ',');
    bytes_add_text(&work->out, "{\"fields\":[");
}

static void query_open_rows(Work *work)
{
    bytes_add_text(&work->out, "],\"rows\":[");
    work->in_rows = true;
    work->first_row = true;
}

static void shadow_columns(Column *columns, int count)
{
    for (int i = 0; i < count; i++)
        for (int later = i + 1; later < count && !columns[i].shadowed; later++)
            columns[i].shadowed = strcmp(columns[i].name, columns[later].name) == 0;
}

static void add_number(Bytes *out, const char *key, int64_t value)
{
    bytes_add_text(out, key);
    bytes_add_int(out, value);
}

/* False: the server sent what cannot be. */
static bool take_fields(Work *work, const char *payload, size_t len)
{
    int count = len >= 2 ? wire_u16(payload) : 0;
    const char *at = payload + 2;
    const char *end = payload + len;

    query_open(work);
    work->columns = arena_array(work->arena, (size_t)count, sizeof *work->columns);
    work->column_count = count;
    for (int i = 0; i < count; i++) {
        const char *nul = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;
        if (!nul || end - nul < 19)
            return false;
        const char *rest = nul + 1;
        work->columns[i] = (Column){
            .name = arena_strdup(work->arena, at),
            .type = wire_u32(rest + 6),
        };
        bytes_add_text(&work->out, i ? ",{\"name\":" : "{\"name\":");
        value_add_string(&work->out, at, (size_t)(nul - at));
        add_number(&work->out, ",\"dataTypeID\":", wire_u32(rest + 6));
        add_number(&work->out, ",\"tableID\":", wire_u32(rest));
        add_number(&work->out, ",\"columnID\":", wire_u16(rest + 4));
        add_number(&work->out, ",\"dataTypeSize\":", (int16_t)wire_u16(rest + 10));
        add_number(&work->out, ",\"dataTypeModifier\":", (int32_t)wire_u32(rest + 12));
        bytes_add_text(&work->out, ",\"format\":\"text\"}");
        at = rest + 18;
    }
    if (!is_array_mode(work))
        shadow_columns(work->columns, count);
    query_open_rows(work);
    return true;
}

static void add_value(Work *work, const Column *column, const char *text, size_t len)
{
    if (work->options.raw)
        value_add_string(&work->out, text, len);
    else
        value_add_typed(&work->out, column->type, text, len);
}

static void add_cell(Work *work, const Column *column, bool array, const char *text, size_t len)
{
    if (!array) {
        value_add_string(&work->out, column->name, strlen(column->name));
        bytes_add_char(&work->out, ':');
    }
    if (text)
        add_value(work, column, text, len);
    else
        bytes_add_text(&work->out, "null");
}

static bool take_row(Work *work, const char *payload, size_t len)
{
    const char *at = payload + 2;
    const char *end = payload + len;
    int count = len >= 2 ? wire_u16(payload) : -1;
    bool array = is_array_mode(work);
    bool first = true;

    if (count != work->column_count || !work->in_rows)
        return false;
    if (!work->first_row)
        bytes_add_char(&work->out, ',');
    work->first_row = false;
    bytes_add_char(&work->out, array ? '[' : '{');
    for (int i = 0; i < count; i++) {
        if (end - at < 4)
            return false;
        uint32_t size = wire_u32(at);
        bool null = size == UINT32_MAX;
        at += 4;
        if (!null && size > (size_t)(end - at))
            return false;
        if (array || !work->columns[i].shadowed) {
            if (!first)
                bytes_add_char(&work->out, ',');
            first = false;
            add_cell(work, &work->columns[i], array, null ? NULL : at, size);
        }
        at += null ? 0 : size;
    }
    bytes_add_char(&work->out, array ? ']' : '}');
    return true;
}

static void query_close(Work *work, const char *tag)
{
    CommandTag done = wire_read_tag(work->arena, tag);

    if (!work->in_rows) {
        query_open(work);
        query_open_rows(work);
    }
    bytes_add_text(&work->out, "],\"command\":");
    value_add_string(&work->out, done.command, strlen(done.command));
    if (done.rows >= 0)
        add_number(&work->out, ",\"rowCount\":", done.rows);
    else
        bytes_add_text(&work->out, ",\"rowCount\":null");
    bytes_add_text(&work->out,
                   is_array_mode(work) ? ",\"rowAsArray\":true}" : ",\"rowAsArray\":false}");
    work->in_rows = false;
    work->column_count = 0;
}

/* ---- sending ---- */

static void add_statement(Work *work, Bytes *out, int index)
{
    if (work->body.batch && index == 0) {
        wire_add_statement(out, sqloptions_begin(work->arena, &work->options), NULL, 0, false);
    } else if (work->body.batch && index == work->statements - 1) {
        work->committing = true;
        wire_add_statement(out, "COMMIT", NULL, 0, false);
    } else {
        const SqlQuery *query = &work->body.queries[work->body.batch ? index - 1 : index];
        wire_add_statement(out, query->text, query->params, query->param_count, true);
    }
}

static void send_statements(Work *work)
{
    Bytes messages = bytes_init(SIZE_MAX);
    int to = work->stepwise ? work->at + 1 : work->statements;

    for (int i = work->at; i < to; i++)
        add_statement(work, &messages, i);
    wire_add_sync(&messages);
    backend_send(work->backend, &messages);
    bytes_free(&messages);
}

/* ---- what comes back ---- */

static void work_detach(Work *work, bool reusable)
{
    Backend *backend = work->backend;

    work->backend = NULL;
    backend_set_user(backend, NULL);
    if (reusable)
        pool_release(backend);
    else
        pool_discard(backend);
}

/* Ends it at once, whatever the server still does. */
static void work_break(Work *work, int status)
{
    backend_cancel(work->backend);
    work_detach(work, false);
    work_reply_error(work, status);
}

static WireError too_large_error(const Work *work)
{
    uint64_t limit = work->worker->gateway->options->max_response_bytes;

    return wire_error(work->arena, NULL, NULL,
                      arena_printf(work->arena, "response is too large (max is %llu bytes)",
                                   (unsigned long long)limit));
}

static bool work_overflow(Work *work)
{
    work->error = too_large_error(work);
    work_break(work, 507);
    return false;
}

/* The server may have done what it was sent, so this must not read as "try again". */
static WireError starved_error(const Work *work)
{
    return wire_error(work->arena, "FATAL", work->committing ? "08007" : "08006",
                      "the gateway holds as much as it may (--max-memory) and gave the response "
                      "up; the outcome of the statement is unknown");
}

/* What it takes beyond a little is counted. False: there is no more to be had. */
static bool work_charge(Work *work)
{
    size_t cap = work->out.cap;

    if (cap <= FREE_OUT || cap == work->charged)
        return true;
    if (budget_take(&work->worker->gateway->budget, cap - work->charged, false)) {
        work->charged = cap;
        return true;
    }
    work->error = starved_error(work);
    work_break(work, 500);
    return false;
}

static bool work_confused(Work *work)
{
    work->error = wire_error(work->arena, NULL, NULL, "unexpected message from server");
    work_break(work, 400);
    return false;
}

static bool take_complete(Work *work, const char *tag)
{
    bool frame = work->body.batch && (work->at == 0 || work->at == work->statements - 1);

    if (!frame)
        query_close(work, tag);
    work->at++;
    return true;
}

/* Data for COPY FROM STDIN there is none: the server is told so, and its error is the answer. */
static bool take_copy_in(Work *work)
{
    Bytes messages = bytes_init(SIZE_MAX);
    size_t at = wire_begin(&messages, 'f');

    wire_add_cstring(&messages, "COPY FROM STDIN is not possible over HTTP");
    wire_end(&messages, at);
    /* The Sync that went with the statement was read as a part of the data. */
    wire_add_sync(&messages);
    work->copying = true;
    backend_send(work->backend, &messages);
    bytes_free(&messages);
    return true;
}

static void take_error(Work *work, const char *payload, size_t len)
{
    if (!work->failed)
        work->error = wire_read_error(work->arena, payload, len);
    work->failed = true;
}

static bool take_ready(Work *work)
{
    if (!work->failed && work->at < work->statements) {
        if (!work->stepwise)
            return work_confused(work);
        send_statements(work);
        return true;
    }
    /* What the COPY has left in the pipe is no one's to sort out. */
    work_detach(work, !work->copying);
    if (work->body.batch)
        bytes_add_text(&work->out, "]}");
    if (!work->failed && work->out.overflowed)
        work->error = too_large_error(work);
    if (work->failed || work->out.overflowed)
        work_reply_error(work, work->failed ? 400 : 507);
    else
        work_reply(work);
    return false;
}

static bool on_message(void *arg, char type, const char *payload, size_t len)
{
    Work *work = arg;
    bool fine = true;

    switch (type) {
    case 'T':
        fine = take_fields(work, payload, len);
        break;
    case 'D':
        fine = take_row(work, payload, len);
        break;
    case 'C':
        return take_complete(work, payload);
    case 'I':
        return take_complete(work, "");
    case 'E':
        take_error(work, payload, len);
        break;
    case 'Z':
        return take_ready(work);
    case 'G':
        return take_copy_in(work);
    case '1':
    case '2':
    case 'n':
    case 't':
        break;
    default:
        fine = false; /* COPY TO, above all */
        break;
    }
    if (!fine)
        return work_confused(work);
    return work->out.overflowed ? work_overflow(work) : work_charge(work);
}

static void on_lost(void *arg)
{
    Work *work = arg;
    bool large = work->backend->protocol_broken;
    bool starved = work->backend->starved;
    bool reset = work->backend->reset_failed;

    if (large || starved) {
        work->error = large ? too_large_error(work) : starved_error(work);
        work_break(work, large ? 507 : 500);
        return;
    }
    work_detach(work, false);
    /* The server's own last word (57P01: it is being shut down) says more than ours. */
    if (work->failed && !work->committing) {
        work_reply_error(work, 400);
        return;
    }
    if (reset)
        work->error = wire_error(work->arena, "FATAL", "08006",
                                 "the connection could not be cleaned for this request; its "
                                 "outcome is unknown");
    else
        work->error = wire_error(
            work->arena, "FATAL", work->committing ? "08007" : "08006",
            work->committing
                ? "the connection to the server was lost while the transaction was committed; "
                  "its outcome is unknown"
                : "the connection to the server was lost; the outcome of the statement is unknown");
    work_reply_error(work, 500);
}

/* ---- from the pool ---- */

static void on_refused(Work *work, const WireError *error)
{
    const char *code = error->fields[FIELD_CODE];

    work->error = *error;
    for (int i = 0; i < FIELD_COUNT; i++)
        if (error->fields[i])
            work->error.fields[i] = arena_strdup(work->arena, error->fields[i]);
    if (error_is_login(error)) {
        log_info("login refused", kv_str("protocol", "http"),
                 kv_str("peer", http_request(work->exchange)->peer),
                 kv_str("database", work->who.database), kv_str("role", work->who.user),
                 kv_str("sqlstate", code));
        work_reply_error(work, 400);
    } else if (code && (strncmp(code, "53", 2) == 0 || strncmp(code, "57", 2) == 0))
        work_reply_error(work, 503);
    else
        work_reply_error(work, 500);
}

static void on_ready(void *arg, PoolOutcome outcome, Backend *backend, const WireError *error)
{
    Work *work = arg;

    work->ticket = NULL;
    switch (outcome) {
    case POOL_READY:
        work->backend = backend;
        backend->hurried = work->body.hurries;
        backend_set_user(backend, &(BackendUser){on_message, on_lost, work});
        send_statements(work);
        return;
    case POOL_REFUSED:
        on_refused(work, error);
        return;
    case POOL_THROTTLED:
        metric_add(&work->worker->metrics.throttled, 1);
        work->error =
            wire_error(work->arena, NULL, NULL, "too many failed logins, try again later");
        work_reply_error(work, 429);
        return;
    case POOL_TIMEOUT:
        work->error = wire_error(work->arena, NULL, NULL, "no connection became free in time");
        break;
    case POOL_FULL:
        work->error = wire_error(work->arena, NULL, NULL, "too many requests wait already");
        break;
    }
    work_reply_error(work, 503);
}

/* ---- requests ---- */

static bool read_request(Work *work, const HttpRequest *request, Error *err)
{
    const GatewayOptions *options = work->worker->gateway->options;
    const char *string = http_header(request, "neon-connection-string");

    if (!string)
        return error_set(err, ERR_FORMAT, "invalid header: neon-connection-string");
    if (!connstring_parse(work->arena, string, &work->who, err) ||
        !sqlbody_parse(work->arena, request->body, request->body_len, &work->body, err) ||
        !sqloptions_read(work->arena, request, work->body.batch, &work->options, err))
        return false;
    if (!login_is_served(options, work->who.user, work->who.database, err))
        return false;
    work->statements = work->body.count + (work->body.batch ? 2 : 0);
    for (int i = 0; work->body.batch && i < work->body.count; i++)
        work->stepwise = work->stepwise || statement_goes_alone(work->body.queries[i].text);
    work->out = bytes_init(options->max_response_bytes);
    if (work->body.batch)
        bytes_add_text(&work->out, "{\"results\":[");
    return true;
}

static Work *work_new(Worker *worker, HttpExchange *exchange)
{
    Arena *arena = http_arena(exchange);
    Work *work = arena_alloc(arena, sizeof *work);

    *work = (Work){.worker = worker, .exchange = exchange, .arena = arena};
    work->who.user = work->who.database = "-"; /* in the log, until it is known */
    work->started = clock_seconds();
    return work;
}

static void work_acquire(Work *work, PoolReady *ready)
{
    Worker *worker = work->worker;
    const char *peer = http_request(work->exchange)->peer;

    http_set_data(work->exchange, work);
    LIST_INSERT_HEAD(&worker->works, work, link);
    PoolTicket *ticket = pool_acquire(worker->pool, &work->who, peer, ready, work);
    /* Without a ticket it has its server already, or its reply, and is no more. */
    if (ticket)
        work->ticket = ticket;
}

/* ---- large requests of strangers ---- */

bool sql_is_known(void *arg, const HttpExchange *exchange)
{
    Worker *worker = arg;
    const HttpRequest *request = http_request(exchange);
    const char *string = http_header(request, "neon-connection-string");
    auto_arena Arena *arena = arena_new();
    unsigned char proof[PROOF_BYTES];
    ConnString who;
    Error ignored = ERROR_INIT;

    if (!string || !connstring_parse(arena, string, &who, &ignored))
        return false;
    proof_make(worker, who.password, proof);
    return throttle_knows(worker->gateway->throttle, &(Claim){request->peer, who.user, proof});
}

static void on_asked(void *arg, PoolOutcome outcome, Backend *backend, const WireError *error)
{
    Work *work = arg;
    HttpExchange *exchange = work->exchange;

    if (outcome != POOL_READY) {
        on_ready(work, outcome, backend, error);
        return;
    }
    pool_return(backend);
    work_end(work);
    http_proceed(exchange);
}

void sql_ask(void *arg, HttpExchange *exchange)
{
    Worker *worker = arg;
    const HttpRequest *request = http_request(exchange);
    const char *string = http_header(request, "neon-connection-string");
    Work *work = work_new(worker, exchange);
    Error err = ERROR_INIT;

    if (!string || !connstring_parse(work->arena, string, &work->who, &err) ||
        !login_is_served(worker->gateway->options, work->who.user, work->who.database, &err)) {
        reply_message(worker, exchange, 400,
                      string ? err.message : "invalid header: neon-connection-string");
        return;
    }
    work_acquire(work, on_asked);
}

/* ---- requests ---- */

static void handle_query(Worker *worker, HttpExchange *exchange)
{
    const HttpRequest *request = http_request(exchange);
    Work *work = work_new(worker, exchange);
    Error err = ERROR_INIT;

    metric_add(&worker->metrics.requests[PROTOCOL_HTTP], 1);
    metric_add(&worker->metrics.bytes_in[PROTOCOL_HTTP], request->body_len);
    if (!read_request(work, request, &err)) {
        bytes_free(&work->out);
        work_log(work, 400);
        reply_message(worker, exchange, 400, err.message);
        return;
    }
    work_acquire(work, on_ready);
}

static void handle_options(Worker *worker, HttpExchange *exchange)
{
    static const char allowed[] =
        "allow: OPTIONS, POST\r\n"
        "access-control-max-age: 86400\r\n"
        "access-control-allow-headers: Authorization, Neon-Connection-String, "
        "Neon-Raw-Text-Output, "
        "Neon-Array-Mode, Neon-Pool-Opt-In, Neon-Batch-Read-Only, Neon-Batch-Isolation-Level, "
        "Neon-Batch-Deferrable\r\n";
    bool cors = worker->gateway->options->cors;
    Bytes body = bytes_init(0);

    reply(worker, exchange, 200, cors ? allowed : "allow: OPTIONS, POST\r\n", &body);
}

static void handle_unknown(Worker *worker, HttpExchange *exchange)
{
    Bytes body = bytes_init(SIZE_MAX);

    bytes_add_text(&body, "\"query is not supported\"");
    reply(worker, exchange, 400, NULL, &body);
    bytes_free(&body);
}

void sql_handle(void *arg, HttpExchange *exchange)
{
    Worker *worker = arg;
    const HttpRequest *request = http_request(exchange);
    bool ours = strcmp(request->path, "/sql") == 0;

    if (request->upgrade && session_start_websocket(worker, exchange))
        return;
    if (ours && strcmp(request->method, "POST") == 0)
        handle_query(worker, exchange);
    else if (ours && strcmp(request->method, "OPTIONS") == 0)
        handle_options(worker, exchange);
    else
        handle_unknown(worker, exchange);
}

void sql_gone(void *arg, HttpExchange *exchange)
{
    Work *work = http_data(exchange);

    (void)arg;
    if (!work)
        return;
    if (work->ticket) {
        pool_abandon(work->ticket);
    } else if (work->backend) {
        backend_cancel(work->backend);
        work_detach(work, false);
    }
    work_log(work, 499);
    work_end(work);
}

void sql_end_all(Worker *worker)
{
    Work *next;

    for (Work *work = LIST_FIRST(&worker->works); work; work = next) {
        next = LIST_NEXT(work, link);
        if (!work->backend)
            continue;
        work->error = wire_error(work->arena, "FATAL", "57P01",
                                 "ended because the gateway is being put before another server; "
                                 "the outcome of the statement is unknown");
        work_break(work, 500);
        next = LIST_FIRST(&worker->works);
        while (next && !next->backend)
            next = LIST_NEXT(next, link);
    }
}
