#include "gateway/client.h"

#include <assert.h>
#include <ctype.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text.h"
#include "gateway/backend.h"
#include "gateway/cancel.h"
#include "gateway/connstring.h"
#include "gateway/pool.h"
#include "gateway/relay.h"
#include "gateway/sql.h"
#include "http/address.h"
#include "http/websocket.h"

enum {
    LOGIN_MS = 10 * 1000,
    CLOSE_MS = 5 * 1000,
    INPUT_MAX = 64 * 1024,
    EARLY_MAX = 16 * 1024,  /* of each message before it is open, and of what comes behind */
    QUEUE_MAX = 256 * 1024, /* towards a peer that does not read: the other one is not read then */
    DISCARD_MAX = 16 << 20, /* of one who is told that it is over and goes on */
    MAX_OPTIONS = 16 * 1024,
    HELD_MS = 50,
    FULL_TRIES = 5 /* at a server that has no connection left, while idle ones are closed */
};

/* ---- life ---- */

static void set_deadline(Session *session, int ms)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};

    (void)event_add(session->deadline, &wait);
}

/* ---- what is told of it ---- */

static void count_bytes(Session *session)
{
    Metrics *metrics = &session->worker->metrics;
    uint64_t in = stream_bytes_in(session->client);
    uint64_t out = stream_bytes_out(session->client);

    metric_add(&metrics->bytes_in[session->protocol], in - session->bytes_in);
    metric_add(&metrics->bytes_out[session->protocol], out - session->bytes_out);
    session->bytes_in = in;
    session->bytes_out = out;
}

static void count_error(void *arg, const char *sqlstate)
{
    Session *session = arg;

    metrics_error(&session->worker->metrics, session->protocol, sqlstate);
}

static void waiting_begin(Session *session)
{
    if (session->since > 0)
        return;
    session->since = clock_seconds();
    gauge_add(&session->worker->metrics.sessions_waiting, 1);
}

static void waiting_end(Session *session)
{
    if (session->since == 0)
        return;
    metrics_time(&session->worker->metrics.wait[session->protocol],
                 clock_seconds() - session->since);
    gauge_add(&session->worker->metrics.sessions_waiting, -1);
    session->since = 0;
}

static void request_end(Session *session)
{
    double took = clock_seconds() - session->asked;
    int slow_ms = session->worker->gateway->options->slow_ms;
    const char *protocol = protocol_name(session->protocol);

    session->asked = 0;
    metrics_time(&session->worker->metrics.latency[session->protocol], took);
    if (slow_ms > 0 && took * 1000 >= slow_ms)
        log_info("slow request", kv_str("protocol", protocol),
                 kv_str("database", session->startup.database),
                 kv_str("role", session->startup.user),
                 kv_i64("duration_ms", (int64_t)(took * 1e3)));
    else if (log_level() == LOG_DEBUG)
        log_debug(
            "request", kv_str("protocol", protocol), kv_str("database", session->startup.database),
            kv_str("role", session->startup.user), kv_i64("duration_us", (int64_t)(took * 1e6)));
}

void session_log_refused(const Session *session, const char *sqlstate)
{
    log_info("login refused", kv_str("protocol", protocol_name(session->protocol)),
             kv_str("peer", session->peer), kv_str("database", session->startup.database),
             kv_str("role", session->startup.user), kv_str("sqlstate", sqlstate));
}

/* ---- end ---- */

static void release_backend(Session *session, bool cancel)
{
    Backend *backend = session->backend;

    if (!backend)
        return;
    session->backend = NULL;
    cancel_remove(session->worker->gateway->cancels, (uint32_t)PQbackendPID(backend->conn),
                  session->cancel_key);
    if (cancel)
        backend_cancel(backend);
    backend_free(backend);
    session->worker->sessions_served--;
}

Claim session_claim(const Session *session)
{
    bool has_proof = session->ws || !session->scram || session->shown;

    return (Claim){session->peer, session->startup.user, has_proof ? session->proof : NULL};
}

/* Its login is over, or will not be. */
static void leave_login(Session *session, bool abandon)
{
    Throttle *throttle = session->worker->gateway->throttle;
    Claim claim = session_claim(session);

    if (session->login && abandon)
        login_abandon(session->login);
    session->login = NULL;
    if (session->trying)
        throttle_end(throttle, &claim);
    session->trying = false;
    throttle_leave(throttle, &claim, &session->throttled);
}

void session_free(Session *session)
{
    Worker *worker = session->worker;

    if (session->pumping) {
        session->dead = true;
        return;
    }
    leave_login(session, true);
    cancel_forget(session->cancel);
    release_backend(session, !relay_is_answered(&session->relay));
    waiting_end(session);
    if (session->client)
        count_bytes(session);
    LIST_REMOVE(session, link);
    atomic_fetch_sub(&worker->gateway->clients, 1);
    gauge_add(&worker->metrics.clients[session->protocol], -1);
    websocket_free(session->ws);
    stream_free(session->client);
    if (session->peek)
        event_free(session->peek);
    if (session->fd >= 0)
        (void)close(session->fd);
    event_free(session->deadline);
    bytes_free(&session->frames);
    arena_free(session->arena);
    free(session);
    worker_check_pause(worker);
}

void session_write(Session *session, Bytes *out)
{
    if (session->ws) {
        websocket_write(session->ws, bytes_data(out), bytes_len(out));
        bytes_clear(out);
    } else {
        stream_write_bytes(session->client, out);
    }
}

/* The client reads what was sent, then it is over. */
void session_close(Session *session)
{
    release_backend(session, false);
    waiting_end(session);
    leave_login(session, true);
    cancel_forget(session->cancel);
    session->cancel = NULL;
    session->state = SESSION_CLOSING;
    session->in_at_close = stream_bytes_in(session->client);
    if (session->ws)
        websocket_close(session->ws, 1000);
    stream_read_enable(session->client, true);
    stream_shutdown(session->client);
    /* Who still sends what he had begun with gets to read why it is over. */
    stream_set_input_limit(session->client, STREAM_INPUT_MAX);
    stream_again(session->client);
    stream_watch_reader(session->client);
    set_deadline(session, CLOSE_MS);
    worker_check_pause(session->worker);
}

static void session_fail(Session *session, const WireError *error)
{
    Bytes out = bytes_init(SIZE_MAX);

    metrics_error(&session->worker->metrics, session->protocol, error->fields[FIELD_CODE]);
    wire_add_error(&out, error);
    session_write(session, &out);
    bytes_free(&out);
    session_close(session);
}

void session_refuse(Session *session, const char *code, const char *message)
{
    WireError error = wire_error(session->arena, "FATAL", code, message);

    session_fail(session, &error);
}

void session_refuse_throttled(Session *session)
{
    metric_add(&session->worker->metrics.throttled, 1);
    session_refuse(session, "28000", "too many failed logins, try again later");
}

static void end_for_pause(Session *session)
{
    session_refuse(session, "57P01",
                   "terminating connection: the gateway is being put before another server");
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    Session *session = arg;

    (void)fd;
    (void)what;
    if (session->state == SESSION_GATED)
        session_refuse(session, "57P03", "the gateway is paused, try again later");
    else if (session->state == SESSION_HELD)
        session_connect(session);
    else if (session->state == SESSION_CLOSING && stream_reader_goes_on(session->client))
        set_deadline(session, CLOSE_MS);
    else
        session_free(session);
}

/* ---- who it is ---- */

static bool is_guc_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.')
            return false;
    return *name && strncmp(name, "_pq_.", 5) != 0;
}

static void add_option(Text *out, const char *name, const char *value)
{
    text_addf(out, "%s-c %s=", out->len ? " " : "", name);
    for (; *value; value++) {
        if (isspace((unsigned char)*value) || *value == '\\')
            text_add_char(out, '\\');
        text_add_char(out, *value);
    }
}

/* The startup packet's parameters as libpq can be given them. */
static Login session_login(Session *session)
{
    const char *zone = session->worker->gateway->options->timezone;
    Text options = text_init(session->arena, MAX_OPTIONS);
    const char *own = NULL;
    Login login = {
        .user = session->startup.user,
        .database = session->startup.database,
        .password = session->password,
        .application = "homeport-gateway",
        .proven = session->scram,
    };

    if (session->ws && zone && strcmp(zone, "server") != 0)
        add_option(&options, "TimeZone", zone);
    for (int i = 0; i < session->startup.count; i++) {
        const StartupParam *param = &session->startup.params[i];
        if (strcmp(param->name, "options") == 0)
            own = options_clean(session->arena, param->value);
        else if (strcmp(param->name, "application_name") == 0)
            login.application = param->value;
        else if (strcmp(param->name, "client_encoding") == 0)
            login.encoding = param->value;
        else if (strcmp(param->name, "replication") == 0)
            login.replication = param->value;
        else if (is_guc_name(param->name))
            add_option(&options, param->name, param->value);
    }
    if (own)
        text_addf(&options, "%s%s", options.len ? " " : "", own);
    login.options = options.len ? text_str(&options) : NULL;
    return login;
}

/* ---- open ---- */

static const char *const status_names[] = {"server_version",
                                           "server_encoding",
                                           "client_encoding",
                                           "application_name",
                                           "default_transaction_read_only",
                                           "in_hot_standby",
                                           "is_superuser",
                                           "session_authorization",
                                           "DateStyle",
                                           "IntervalStyle",
                                           "TimeZone",
                                           "integer_datetimes",
                                           "standard_conforming_strings",
                                           "search_path",
                                           "scram_iterations"};

static void add_welcome(Bytes *out, const Backend *backend, uint32_t key)
{
    size_t at = wire_begin(out, 'R');
    bytes_add_u32(out, 0);
    wire_end(out, at);
    for (size_t i = 0; i < COUNT_OF(status_names); i++) {
        const char *value = PQparameterStatus(backend->conn, status_names[i]);
        if (!value)
            continue;
        at = wire_begin(out, 'S');
        wire_add_cstring(out, status_names[i]);
        wire_add_cstring(out, value);
        wire_end(out, at);
    }
    at = wire_begin(out, 'K');
    bytes_add_u32(out, (uint32_t)PQbackendPID(backend->conn));
    bytes_add_u32(out, key);
    wire_end(out, at);
    at = wire_begin(out, 'Z');
    bytes_add_char(out, 'I');
    wire_end(out, at);
}

static void session_pump(Session *session);

static void pass_to_client(Session *session)
{
    Stream *stream = session->backend->stream;
    Bytes *input = stream_input(stream);
    size_t len = bytes_len(input);

    if (len == 0)
        return;
    if (!relay_from_server(&session->relay, bytes_data(input), len)) {
        release_backend(session, true);
        session_refuse(session, "08P01", "the server sent a message that cannot be");
        return;
    }
    if (session->ws)
        websocket_write(session->ws, bytes_data(input), len);
    else
        stream_write(session->client, bytes_data(input), len);
    bytes_consume(input, len);
    count_bytes(session);
    if (session->asked > 0 && relay_is_answered(&session->relay))
        request_end(session);
    if (stream_queued(session->client) > QUEUE_MAX)
        stream_read_enable(stream, false);
}

static void on_backend(void *arg, StreamEvent event)
{
    Session *session = arg;

    switch (event) {
    case STREAM_READ:
        pass_to_client(session);
        if (session->state == SESSION_OPEN && session->worker->pause_id &&
            relay_is_idle(&session->relay))
            end_for_pause(session);
        break;
    case STREAM_DRAINED:
        stream_read_enable(session->client, true);
        session_pump(session);
        break;
    case STREAM_CLOSED:
        session_close(session);
        break;
    case STREAM_READY:
        break;
    }
}

static void session_open(Session *session, Backend *backend)
{
    Worker *worker = session->worker;
    Bytes out = bytes_init(SIZE_MAX);

    session->backend = backend;
    session->state = SESSION_OPEN;
    worker->sessions_served++;
    waiting_end(session);
    relay_init(&session->relay);
    session->relay.on_error = count_error;
    session->relay.arg = session;
    session->cancel_key =
        cancel_add(worker->gateway->cancels, (uint32_t)PQbackendPID(backend->conn), backend->conn);
    stream_set_handler(backend->stream, on_backend, session);
    (void)event_del(session->deadline);
    add_welcome(&out, backend, session->cancel_key);
    session_write(session, &out);
    bytes_free(&out);
    stream_set_input_limit(session->client, STREAM_INPUT_MAX);
    stream_again(session->client);
    session_pump(session);
}

static void session_hold(Session *session)
{
    session->state = SESSION_HELD;
    set_deadline(session, HELD_MS);
}

static void on_login(void *arg, Backend *backend, const WireError *error)
{
    Session *session = arg;
    Throttle *throttle = session->worker->gateway->throttle;
    Claim claim = session_claim(session);

    leave_login(session, false);
    if (backend) {
        throttle_succeeded(throttle, &claim);
        session_open(session, backend);
        return;
    }
    if (error_is_full(error) && ++session->full_tries <= FULL_TRIES) {
        pool_make_room(session->worker->pool);
        session_hold(session);
        return;
    }
    if (error_is_login(error))
        session_log_refused(session, error->fields[FIELD_CODE]);
    if (error_is_password(error))
        throttle_failed(throttle, &claim);
    session_fail(session, error);
}

/* Its password is one that nobody has seen to be right yet: only so many are tried at a time. */
static bool may_try(Session *session)
{
    Claim claim = session_claim(session);

    if (session->shown || session->trying)
        return true;
    switch (throttle_begin(session->worker->gateway->throttle, &claim, &session->throttled)) {
    case THROTTLE_GO:
        session->trying = true;
        return true;
    case THROTTLE_REFUSED:
        session_refuse_throttled(session);
        return false;
    case THROTTLE_LATER:
        session_hold(session);
        return false;
    }
    return false;
}

void session_connect(Session *session)
{
    Worker *worker = session->worker;
    double now = clock_seconds();

    waiting_begin(session);
    if (session->give_up == 0)
        session->give_up = now + LOGIN_MS / 1000.0;
    if (worker->draining) {
        end_for_pause(session);
        return;
    }
    if (worker->pause_id) {
        session->state = SESSION_GATED;
        session->give_up = 0;
        set_deadline(session, worker->gateway->options->queue_ms);
        return;
    }
    if (now > session->give_up) {
        session_refuse(session, "53300", "too many logins wait already");
        return;
    }
    if (!may_try(session))
        return;
    Login login = session_login(session);
    session->state = SESSION_CONNECTING;
    (void)event_del(session->deadline);
    session->login = backend_login(worker, &login, on_login, session);
}

/* ---- bytes from the client ---- */

static bool pass_to_backend(Session *session)
{
    Bytes *input = session_input(session);
    size_t len = bytes_len(input);

    if (len == 0 || stream_queued(session->backend->stream) > QUEUE_MAX)
        return false;
    if (!relay_from_client(&session->relay, bytes_data(input), len)) {
        release_backend(session, true);
        session_refuse(session, "08P01", "invalid message length");
        return false;
    }
    if (session->asked == 0 && !relay_is_answered(&session->relay))
        session->asked = clock_seconds();
    stream_write(session->backend->stream, bytes_data(input), len);
    bytes_consume(input, len);
    count_bytes(session);
    if (stream_queued(session->backend->stream) > QUEUE_MAX) {
        stream_read_enable(session->client, false);
        return false;
    }
    return true;
}

/* True: something was taken, so there may be more. */
static bool step(Session *session)
{
    switch (session->state) {
    case SESSION_STARTUP:
        return login_take_startup(session);
    case SESSION_PASSWORD:
    case SESSION_SASL_FIRST:
    case SESSION_SASL_FINAL:
        return login_take_message(session);
    case SESSION_OPEN:
        return pass_to_backend(session);
    case SESSION_CLOSING:
        bytes_clear(&session->frames);
        bytes_clear(stream_input(session->client));
        session->dead = stream_bytes_in(session->client) - session->in_at_close > DISCARD_MAX;
        return false;
    case SESSION_HANDSHAKE:
    case SESSION_HANDSHAKE_DIRECT:
    case SESSION_GATED:
    case SESSION_HELD:
    case SESSION_CONNECTING:
    case SESSION_CANCELS:
        return false; /* kept for later */
    }
    return false;
}

/* What was in the frames that have come. False: the socket says goodbye. */
static bool unwrap(Session *session)
{
    if (!session->ws || session->state == SESSION_CLOSING)
        return true;
    size_t most = session->state == SESSION_OPEN ? INPUT_MAX : EARLY_MAX;
    return websocket_read(session->ws, &session->frames, most) == WEBSOCKET_OPEN;
}

Bytes *session_input(Session *session)
{
    return session->ws ? &session->frames : stream_input(session->client);
}

static size_t unread(const Session *session)
{
    return bytes_len(&session->frames) + bytes_len(stream_input(session->client));
}

static void session_pump(Session *session)
{
    bool open = true;
    bool again = true;

    if (session->pumping)
        return;
    session->pumping = true;
    while (again && open && !session->dead) {
        size_t before = unread(session);
        open = unwrap(session);
        while (!session->dead && step(session))
            ;
        again = unread(session) > 0 && unread(session) < before;
    }
    session->pumping = false;
    if (session->dead) {
        session->dead = false;
        session_free(session);
    } else if (!open && session->state != SESSION_CLOSING) {
        release_backend(session, !relay_is_answered(&session->relay));
        session_close(session);
    }
}

static void on_client(void *arg, StreamEvent event)
{
    Session *session = arg;

    switch (event) {
    case STREAM_READY:
        /* As PostgreSQL has it: otherwise what speaks HTTP could be led here by a third party. */
        if (session->state == SESSION_HANDSHAKE_DIRECT &&
            !tls_chose(stream_tls(session->client), "postgresql"))
            session_free(session);
        else
            session->state = SESSION_STARTUP;
        break;
    case STREAM_READ:
        session_pump(session);
        break;
    case STREAM_DRAINED:
        count_bytes(session);
        if (session->backend) {
            stream_read_enable(session->backend->stream, true);
            stream_again(session->backend->stream);
        }
        break;
    case STREAM_CLOSED:
        session_free(session);
        break;
    }
}

/* ---- beginnings ---- */

static Session *session_new(Worker *worker, Protocol protocol, const char *peer)
{
    Session *session = memory_zeroed(1, sizeof *session);

    session->worker = worker;
    session->protocol = protocol;
    session->fd = -1;
    session->arena = arena_new();
    session->frames = bytes_init((size_t)2 * INPUT_MAX);
    session->deadline = event_new(loop_base(worker->loop), -1, 0, on_deadline, session);
    must(session->deadline, "memory");
    (void)snprintf(session->peer, sizeof session->peer, "%s", peer);
    LIST_INSERT_HEAD(&worker->sessions, session, link);
    gauge_add(&worker->metrics.clients[protocol], 1);
    set_deadline(session, LOGIN_MS);
    return session;
}

bool session_start_websocket(Worker *worker, HttpExchange *exchange)
{
    char peer[ADDRESS_TEXT_MAX];

    (void)snprintf(peer, sizeof peer, "%s", http_request(exchange)->peer);
    Stream *stream = http_upgrade(exchange);
    if (!stream)
        return false;
    Session *session = session_new(worker, PROTOCOL_WEBSOCKET, peer);
    session->client = stream;
    session->ws = websocket_new(stream);
    stream_set_handler(stream, on_client, session);
    stream_set_input_limit(stream, EARLY_MAX);
    stream_again(stream);
    return true;
}

void session_accept_tls(Session *session)
{
    SSL_CTX *ctx = tls_context(session->worker->gateway->tls);

    session->state = SESSION_HANDSHAKE;
    stream_accept_tls(session->client, ctx);
    SSL_CTX_free(ctx);
}

/* TLS may come without being asked for (PostgreSQL 17's sslnegotiation=direct). */
static void on_peek(evutil_socket_t fd, short what, void *arg)
{
    enum {
        TLS_HANDSHAKE_RECORD = 0x16
    };
    Session *session = arg;
    Gateway *gateway = session->worker->gateway;
    char first;

    (void)what;
    if (recv(fd, &first, 1, MSG_PEEK) != 1) {
        session_free(session);
        return;
    }
    session->client = stream_new(loop_base(session->worker->loop), fd, on_client, session);
    stream_set_input_limit(session->client, EARLY_MAX);
    session->fd = -1;
    if (first != TLS_HANDSHAKE_RECORD)
        return;
    if (!gateway->tls) {
        session_free(session);
        return;
    }
    session_accept_tls(session);
    session->state = SESSION_HANDSHAKE_DIRECT;
}

void session_start_tcp(void *arg, int fd, const struct sockaddr *peer)
{
    Worker *worker = arg;
    char host[ADDRESS_TEXT_MAX];
    Gateway *gateway = worker->gateway;

    if (atomic_fetch_add(&gateway->clients, 1) >= gateway->options->max_connections ||
        worker->draining) {
        atomic_fetch_sub(&gateway->clients, 1);
        (void)close(fd);
        return;
    }
    address_host(peer, host);
    Session *session = session_new(worker, PROTOCOL_TCP, host);
    session->fd = fd;
    session->peek = event_new(loop_base(worker->loop), fd, EV_READ, on_peek, session);
    must(session->peek && event_add(session->peek, NULL) == 0, "memory");
}

/* ---- pause ---- */

void sessions_pause(Worker *worker)
{
    Session *next;

    for (Session *session = LIST_FIRST(&worker->sessions); session; session = next) {
        next = LIST_NEXT(session, link);
        if (session->state == SESSION_OPEN && relay_is_idle(&session->relay)) {
            end_for_pause(session);
        } else if (session->state == SESSION_CONNECTING || session->state == SESSION_HELD ||
                   (session->state == SESSION_GATED && worker->draining)) {
            /* It begins anew behind the pause: perhaps at another server. */
            leave_login(session, true);
            session_connect(session);
        }
    }
}

void sessions_resume(Worker *worker)
{
    Session *next;

    for (Session *session = LIST_FIRST(&worker->sessions); session; session = next) {
        next = LIST_NEXT(session, link);
        if (session->state == SESSION_GATED)
            session_connect(session);
    }
}

void sessions_end(Worker *worker, bool all)
{
    Session *next;

    for (Session *session = LIST_FIRST(&worker->sessions); session; session = next) {
        next = LIST_NEXT(session, link);
        if (session->state == SESSION_OPEN) {
            if (session->backend && !relay_is_answered(&session->relay))
                backend_cancel(session->backend);
            end_for_pause(session);
        } else if (all) {
            session_free(session);
        }
    }
}
