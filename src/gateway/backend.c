#include "gateway/backend.h"

#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text.h"
#include "gateway/cancel.h"
#include "gateway/ending.h"

enum {
    CONNECT_TIMEOUT_S = 10,
    LOOK_MS = 100, /* while connecting: does the gateway stop? */
    TELL_S = 60,
    MAX_PARAMS = 80,
    READ_AHEAD = 256 * 1024,
    RESET_ANSWER = 23 /* CommandComplete of DISCARD ALL, ReadyForQuery */
};

struct LoginJob {
    Worker *worker;
    const Upstream *upstream;
    Arena *arena;
    Login login;
    LoginDone *done;
    void *arg;
    PGconn *conn; /* NULL: it failed */
    WireError error;
    double until;
    atomic_bool withdrawn; /* not worth beginning */
    atomic_bool abandoned;
};

/* ---- on the crew's threads ---- */

static void add_param(const char **keywords, const char **values, size_t *count,
                      const char *keyword, const char *value)
{
    if (!value || *count + 1 >= MAX_PARAMS)
        return;
    keywords[*count] = keyword;
    values[(*count)++] = value;
}

/* A server that is not there any more is found out, and what goes through the crew has an end. Ours
 * first: libpq takes the last value of a keyword, so the owner's wins. */
static const char *const patience[][2] = {
    {"keepalives_idle",     "30"   },
    {"keepalives_interval", "10"   },
    {"keepalives_count",    "3"    },
    {"tcp_user_timeout",    "10000"}, /* backend_new() takes it back, cancels keep it */
};

/* What the owner said about the server, but for who and which database; those are the client's.
 * Nothing may come from the gateway's own environment or password file. */
static size_t login_params(const LoginJob *job, const char **keywords, const char **values)
{
    const char *options = job->login.options;
    static const char *const clients[] = {"user",     "password",         "dbname",
                                          "options",  "application_name", "client_encoding",
                                          "passfile", "replication",      "connect_timeout"};
    const PgUrl *url = &job->upstream->url;
    const Login *login = &job->login;
    size_t count = 0;

    add_param(keywords, values, &count, "gssencmode", "disable");
    for (size_t i = 0; i < COUNT_OF(patience); i++)
        add_param(keywords, values, &count, patience[i][0], patience[i][1]);
    /* Otherwise the certificate of whose account the gateway runs under; empty would mean just
     * that. */
    add_param(keywords, values, &count, "sslcert", "/dev/null/none");
    for (size_t i = 0; url->keywords[i]; i++) {
        bool is_clients = text_is_one_of(url->keywords[i], clients, COUNT_OF(clients));
        if (!is_clients)
            add_param(keywords, values, &count, url->keywords[i], url->values[i]);
        /* The owner's stand before the client's: Neon's endpoint may have to be named there. */
        else if (strcmp(url->keywords[i], "options") == 0 && url->values[i])
            options = arena_printf(job->arena, "%s %s", url->values[i], options ? options : "");
    }
    add_param(keywords, values, &count, "user", login->user);
    add_param(keywords, values, &count, "dbname", login->database);
    add_param(keywords, values, &count, "password", login->password);
    add_param(keywords, values, &count, "passfile", "/dev/null");
    add_param(keywords, values, &count, "options", options ? options : " ");
    add_param(keywords, values, &count, "application_name", login->application);
    add_param(keywords, values, &count, "client_encoding",
              login->encoding ? login->encoding : "UTF8");
    add_param(keywords, values, &count, "replication", login->replication);
    keywords[count] = values[count] = NULL;
    return count;
}

/* As PQconnectdb() does, but for an end when the gateway stops, or nobody waits any more. */
static bool connect_wait(const LoginJob *job, PGconn *conn)
{
    const Gateway *gateway = job->worker->gateway;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;

    while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
        struct pollfd wait = {.fd = PQsocket(conn),
                              .events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        if (atomic_load(&gateway->stopping) || atomic_load(&job->abandoned) ||
            clock_seconds() > job->until)
            return false;
        if (poll(&wait, 1, LOOK_MS) > 0)
            state = PQconnectPoll(conn);
    }
    return state == PGRES_POLLING_OK;
}

static void ignore_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

static void login_finish(void *arg);

/* By `trust` or `peer` the server takes our word, where we have only the client's. */
static bool is_proven(const LoginJob *job, PGconn *conn)
{
    return job->login.proven || job->worker->gateway->options->trust_upstream ||
           PQconnectionUsedPassword(conn);
}

/* Anybody can make it so as often as he likes: it is said now and then, not each time. */
static bool is_time_to_tell(atomic_llong *at)
{
    long long now = (long long)clock_seconds() + 1;
    long long before = atomic_load(at);

    return (before == 0 || now - before >= TELL_S) &&
           atomic_compare_exchange_strong(at, &before, now);
}

static void tell_unproven(const LoginJob *job)
{
    if (is_time_to_tell(&job->worker->gateway->unproven_at))
        log_error("nobody is served: the upstream asks for no password",
                  kv_str("role", job->login.user), kv_str("upstream", job->upstream->url.redacted));
}

/* In libpq's own words, of which the client is told the least. */
static void tell_unreached(const LoginJob *job, const char *text)
{
    size_t len = strlen(text);

    while (len > 0 && text[len - 1] == '\n')
        len--;
    if (is_time_to_tell(&job->worker->gateway->unreached_at))
        log_error("the upstream could not be reached",
                  kv_str("upstream", job->upstream->url.redacted),
                  kv_str("reason", arena_strndup(job->arena, text, len)));
}

static WireError unproven_error(LoginJob *job)
{
    WireError error = wire_error(job->arena, "FATAL", "42501",
                                 "the server behind the gateway asks for no password");

    error.fields[FIELD_HINT] = "Its pg_hba.conf should say scram-sha-256 for the gateway; or start "
                               "the gateway with --trust-upstream.";
    tell_unproven(job);
    return error;
}

static void login_try(LoginJob *job)
{
    const char *keywords[MAX_PARAMS + 1];
    const char *values[MAX_PARAMS + 1];

    (void)login_params(job, keywords, values);
    PGconn *conn = PQconnectStartParams(keywords, values, 0);
    must(conn, "memory");
    (void)PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
    (void)PQsetNoticeReceiver(conn, ignore_notice, NULL);
    bool fine = PQstatus(conn) != CONNECTION_BAD && connect_wait(job, conn);
    if (fine && is_proven(job, conn)) {
        job->conn = conn;
    } else if (fine) {
        job->error = unproven_error(job);
        PQfinish(conn);
    } else {
        const char *text = PQerrorMessage(conn);
        bool silent = PQstatus(conn) != CONNECTION_BAD;
        if (silent)
            text = "timeout expired";
        job->error = wire_error_of_libpq(job->arena, text);
        if (!pg_find_code(text) && !atomic_load(&job->abandoned) &&
            !atomic_load(&job->worker->gateway->stopping))
            tell_unreached(job, text);
        PQfinish(conn);
    }
}

static void login_run(void *arg)
{
    LoginJob *job = arg;
    bool late = clock_seconds() > job->until;

    if (late || atomic_load(&job->withdrawn) || atomic_load(&job->abandoned) ||
        atomic_load(&job->worker->gateway->stopping))
        job->error = wire_error_of_libpq(job->arena, late ? "timeout expired" : "not begun");
    else
        login_try(job);
    loop_post(job->worker->loop, login_finish, job);
}

/* ---- on the worker's ---- */

static void on_stream(void *arg, StreamEvent event);

static bool url_says(const PgUrl *url, const char *keyword)
{
    for (size_t i = 0; url->keywords[i]; i++)
        if (strcmp(url->keywords[i], keyword) == 0 && url->values[i])
            return true;
    return false;
}

static Backend *backend_new(LoginJob *job)
{
    Backend *backend = memory_zeroed(1, sizeof *backend);
    SSL *tls = PQgetssl(job->conn);
    const unsigned no_limit = 0;

    backend->worker = job->worker;
    backend->conn = job->conn;
    backend->generation = job->upstream->generation;
    backend->born = clock_seconds();
    backend->transaction = 'I';
    backend->message_max = READ_AHEAD;
    (void)PQsetnonblocking(backend->conn, 1);
    /* A server that is at work, and reads nothing meanwhile, may be so for as long as it likes. */
    if (!url_says(&job->upstream->url, "tcp_user_timeout"))
        (void)setsockopt(PQsocket(job->conn), IPPROTO_TCP, TCP_USER_TIMEOUT, &no_limit,
                         sizeof no_limit);
    backend->stream =
        stream_new(loop_base(job->worker->loop), PQsocket(job->conn), on_stream, backend);
    if (tls)
        stream_use_tls(backend->stream, tls);
    stream_borrow(backend->stream);
    return backend;
}

bool error_is_login(const WireError *error)
{
    const char *code = error->fields[FIELD_CODE];

    return code && (strncmp(code, "28", 2) == 0 || strcmp(code, "3D000") == 0 ||
                    strcmp(code, "42501") == 0);
}

bool error_is_password(const WireError *error)
{
    const char *code = error->fields[FIELD_CODE];

    return code && strncmp(code, "28", 2) == 0;
}

bool error_is_full(const WireError *error)
{
    const char *code = error->fields[FIELD_CODE];

    return code && strcmp(code, "53300") == 0;
}

static void login_finish(void *arg)
{
    LoginJob *job = arg;
    Worker *worker = job->worker;
    bool untried = atomic_load(&job->abandoned) || atomic_load(&job->withdrawn);

    worker->connecting--;
    if (job->conn)
        metric_add(&worker->metrics.logins, 1);
    else if (!untried)
        metric_add(&worker->metrics.login_failures, 1);
    if (atomic_load(&job->abandoned))
        PQfinish(job->conn);
    else if (job->conn)
        job->done(job->arg, backend_new(job), NULL);
    else
        job->done(job->arg, NULL, &job->error);
    arena_free(job->arena);
    free(job);
    worker_check_pause(worker);
}

static const char *copy_of(Arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

LoginJob *backend_login(Worker *worker, const Login *login, LoginDone *done, void *arg)
{
    LoginJob *job = memory_zeroed(1, sizeof *job);

    job->worker = worker;
    job->upstream = worker->upstream;
    job->arena = arena_new();
    job->login = (Login){
        .user = copy_of(job->arena, login->user),
        .database = copy_of(job->arena, login->database),
        .password = copy_of(job->arena, login->password),
        .options = copy_of(job->arena, login->options),
        .application = copy_of(job->arena, login->application),
        .replication = copy_of(job->arena, login->replication),
        .encoding = copy_of(job->arena, login->encoding),
        .proven = login->proven,
    };
    job->done = done;
    job->arg = arg;
    job->until = clock_seconds() + CONNECT_TIMEOUT_S;
    worker->connecting++;
    crew_submit(worker->gateway->crew, login_run, job);
    return job;
}

void login_withdraw(LoginJob *job)
{
    atomic_store(&job->withdrawn, true);
}

void login_abandon(LoginJob *job)
{
    atomic_store(&job->abandoned, true);
}

/* A large message stands in the input until all of it is there. */
static void charge(Backend *backend, size_t bytes)
{
    Budget *budget = &backend->worker->gateway->budget;

    backend->starved = !budget_take(budget, bytes - backend->charged, false);
    if (!backend->starved)
        backend->charged = bytes;
}

static void discharge(Backend *backend)
{
    if (backend->charged > 0)
        budget_give(&backend->worker->gateway->budget, backend->charged, false);
    backend->charged = 0;
}

void backend_free(Backend *backend)
{
    if (!backend)
        return;
    Stream *stream = backend->stream;
    backend->stream = NULL;
    backend->user = (BackendUser){0};
    /* The stream may still be in a handler of its own, but touches neither socket nor TLS then. */
    stream_free(stream);
    if (backend->cancelled)
        ending_begin(backend->worker, backend->conn);
    else
        PQfinish(backend->conn);
    discharge(backend);
    free(backend);
}

void backend_set_user(Backend *backend, const BackendUser *user)
{
    backend->user = user ? *user : (BackendUser){0};
}

static void backend_lost(Backend *backend)
{
    if (backend->user.lost)
        backend->user.lost(backend->user.arg);
}

/* The answers to the cleaning; nobody else wants to know of them. Only exactly those will do:
 * were we ever a message out of step, one client would get another one's rows. */
static bool take_reset(Backend *backend, char type, const char *payload, size_t len)
{
    bool before = type == 'C' && backend->resets > 1 &&
                  (strcmp(payload, "ROLLBACK") == 0 || strcmp(payload, "SET") == 0);

    if (type == 'C' && strcmp(payload, "DISCARD ALL") == 0 && backend->resets == 1)
        backend->reset_seen = true;
    else if (type != 'Z' && type != 'S' && type != 'N' && type != 'A' && !before)
        backend->reset_failed = true;
    if (type != 'Z')
        return true;
    backend->transaction = 'E';
    if (len == 1)
        backend->transaction = *payload;
    if (--backend->resets > 0)
        return true;
    bool seen = backend->reset_seen;
    backend->reset_seen = false;
    if (seen && !backend->reset_failed && backend->transaction == 'I')
        return true;
    backend->reset_failed = true;
    backend_cancel(backend); /* the server may be at work for the next request already */
    backend_lost(backend);
    return false;
}

/* True: go on with the next message. */
static bool deliver(Backend *backend, char type, const char *payload, size_t len)
{
    if (backend->resets > 0)
        return take_reset(backend, type, payload, len);
    if (type == 'Z' && len == 1)
        backend->transaction = *payload;
    if (type == 'S' || type == 'N' || type == 'A')
        return true;
    if (backend->user.message)
        return backend->user.message(backend->user.arg, type, payload, len);
    return true;
}

static void read_messages(Backend *backend)
{
    Stream *stream = backend->stream;
    Bytes *input = stream_input(stream);

    while (bytes_len(input) >= 5) {
        const char *data = bytes_data(input);
        size_t total = (size_t)wire_u32(data + 1) + 1;
        if (total < 5 || total > backend->message_max + READ_AHEAD) {
            backend->protocol_broken = true;
            backend_lost(backend);
            return;
        }
        if (total > READ_AHEAD && backend->charged < total)
            charge(backend, total);
        if (backend->starved) {
            backend_lost(backend);
            return;
        }
        if (bytes_len(input) < total) {
            stream_set_input_limit(stream, total > READ_AHEAD ? total : READ_AHEAD);
            return;
        }
        /* The last message of a request is eaten before it is told: by then the connection is
         * somebody else's, and must not meet it again. Of the others, the payload stays here. */
        if (data[0] == 'Z' && total == 6) {
            char status = data[5];
            bytes_consume(input, total);
            if (!deliver(backend, 'Z', &status, 1))
                return;
            continue;
        }
        if (!deliver(backend, data[0], data + 5, total - 5))
            return;
        bytes_consume(input, total);
        discharge(backend);
    }
}

static void on_stream(void *arg, StreamEvent event)
{
    Backend *backend = arg;

    if (event == STREAM_READ)
        read_messages(backend);
    else if (event == STREAM_CLOSED)
        backend_lost(backend);
}

void backend_read_messages(Backend *backend)
{
    stream_set_handler(backend->stream, on_stream, backend);
}

void backend_send(Backend *backend, Bytes *messages)
{
    stream_write_bytes(backend->stream, messages);
}

void backend_reset(Backend *backend)
{
    Bytes messages = bytes_init(SIZE_MAX);

    if (backend->transaction != 'I') {
        wire_add_simple(&messages, "ROLLBACK");
        backend->resets++;
    }
    /* Where DISCARD ALL takes longer than that, it is the next statement that PostgreSQL ends. */
    if (backend->hurried) {
        wire_add_simple(&messages, "SET statement_timeout = 0");
        backend->resets++;
    }
    backend->hurried = false;
    wire_add_simple(&messages, "DISCARD ALL");
    backend->resets++;
    stream_write_soon(backend->stream, bytes_data(&messages), bytes_len(&messages));
    bytes_free(&messages);
    /* That it has worked is soon enough known with the next answer; that it has not is more to
     * read than this. */
    if (backend->resets == 1)
        stream_let_lie(backend->stream, RESET_ANSWER);
}

void backend_cancel(Backend *backend)
{
    backend->cancelled = true;
    cancel_conn(backend->worker, backend->conn);
}
