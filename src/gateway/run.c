#include <event2/event.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "gateway/cancel.h"
#include "gateway/control.h"
#include "gateway/ending.h"
#include "gateway/pool.h"
#include "gateway/session.h"
#include "gateway/sql.h"
#include "http/address.h"

enum {
    MAX_THREADS = 16,
    DEFAULT_THREADS = 4,
    CREW_THREADS = 12, /* logins at a time */
    CANCEL_THREADS = 4,
    CANCELS_END_MS = 2000,
    LOOK_MS = 50,
    RENEW_LOOK_S = 3600, /* how often the certificate's age is looked at */
    RENEW_LEFT_S = 30 * 24 * 3600
};

/* What runs on the main thread. */
typedef struct Main {
    Gateway gateway;
    Control *control;
    HttpServer *metrics;
    Listener *metrics_listener;
    struct event *signals[3];
    struct event *renew;
    struct event *draining;
    const char *cert;
    const char *key;
    int lock; /* of the state */
    double drain_until;
    bool stopping;
} Main;

void worker_check_pause(Worker *worker)
{
    if (!worker->pause_id || atomic_load(&worker->pause_acked) == worker->pause_id ||
        worker->sql_busy > 0 || worker->sessions_served > 0 || !LIST_EMPTY(&worker->endings))
        return;
    atomic_store(&worker->pause_acked, worker->pause_id);
    worker->gateway->paused(worker);
}

/* ---- listening ---- */

static void accept_tls(void *arg, int fd, const struct sockaddr *peer)
{
    Worker *worker = arg;
    SSL_CTX *ctx = tls_context(worker->gateway->tls);

    http_server_accept(worker->http, fd, peer, ctx);
    SSL_CTX_free(ctx);
}

static void accept_plain(void *arg, int fd, const struct sockaddr *peer)
{
    http_server_accept(((Worker *)arg)->http, fd, peer, NULL);
}

static bool listen_one(Worker *worker, int slot, const char *what, const char *text,
                       ListenerAccept *accept, Error *err)
{
    Address address;

    if (!text)
        return true;
    return (address_parse(text, what, &address, err) &&
            listener_new(loop_base(worker->loop), &address, accept, worker,
                         &worker->listeners[slot], err)) ||
           error_add_context(err, "%s", what);
}

/* Workers share each port, so that listening there does not fail where somebody else does. */
static bool ports_are_free(const GatewayOptions *options, Error *err)
{
    const struct {
        const char *what;
        const char *text;
    } ports[] = {
        {"--listen",      options->listen     },
        {"--listen-http", options->listen_http},
        {"--listen-pg",   options->listen_pg  },
        {"--metrics",     options->metrics    },
    };
    Address address;

    for (size_t i = 0; i < COUNT_OF(ports); i++)
        if (ports[i].text && !(address_parse(ports[i].text, ports[i].what, &address, err) &&
                               listener_check(&address, err)))
            return error_add_context(err, "%s", ports[i].what);
    return true;
}

static bool worker_listen(Worker *worker, Error *err)
{
    const GatewayOptions *options = worker->gateway->options;

    return listen_one(worker, 0, "--listen", options->listen, accept_tls, err) &&
           listen_one(worker, 1, "--listen-http", options->listen_http, accept_plain, err) &&
           listen_one(worker, 2, "--listen-pg", options->listen_pg, session_start_tcp, err);
}

/* ---- workers ---- */

static const char *too_large_reply(const GatewayOptions *options)
{
    static char text[512];
    Bytes out = bytes_init(sizeof text);
    WireError error = {{0}};
    char message[80];

    (void)snprintf(message, sizeof message, "request is too large (max is %llu bytes)",
                   (unsigned long long)options->max_request_bytes);
    error.fields[FIELD_MESSAGE] = message;
    sql_add_error(&out, &error);
    (void)snprintf(text, sizeof text, "%.*s", (int)bytes_len(&out), bytes_data(&out));
    bytes_free(&out);
    return text;
}

static void worker_init(Gateway *gateway, int index, const char *too_large)
{
    Worker *worker = &gateway->workers[index];
    const GatewayOptions *options = gateway->options;

    worker->gateway = gateway;
    worker->index = index;
    must(RAND_bytes(worker->request_salt, sizeof worker->request_salt) == 1, "random bytes");
    worker->loop = loop_new();
    atomic_init(&worker->unfinished, 1); /* until it is counted */
    LIST_INIT(&worker->sessions);
    LIST_INIT(&worker->works);
    LIST_INIT(&worker->endings);
    STAILQ_INIT(&worker->cancels_again);
    metrics_init(&worker->metrics);
    worker->pool = pool_new(worker);
    worker->http = http_server_new(loop_base(worker->loop),
                                   &(HttpSettings){
                                       .body_limit = options->max_request_bytes,
                                       .count = &gateway->clients,
                                       .max_connections = options->max_connections,
                                       .refusal_headers = options->cors ? SQL_ORIGIN : NULL,
                                       .too_large_type = "application/json",
                                       .too_large_reply = too_large,
                                       .budget = &gateway->budget,
                                       .short_reply = "{\"message\":\"" SHORT_MESSAGE "\"}",
                                       .is_known = sql_is_known,
                                       .ask = sql_ask,
                                       .handle = sql_handle,
                                       .gone = sql_gone,
                                       .arg = worker,
                                   });
}

static void worker_clear(Worker *worker)
{
    for (size_t i = 0; i < COUNT_OF(worker->listeners); i++)
        listener_free(worker->listeners[i]);
    sessions_end(worker, true);
    sessions_end(worker, true); /* those that only said goodbye the first time */
    http_server_free(worker->http);
    pool_free(worker->pool);
    cancel_clear(worker);
    endings_clear(worker);
}

static void worker_look(void *arg)
{
    Worker *worker = arg;

    atomic_store(&worker->unfinished, http_server_unfinished(worker->http));
}

static void worker_drain(void *arg)
{
    Worker *worker = arg;

    worker->draining = true;
    for (size_t i = 0; i < COUNT_OF(worker->listeners); i++) {
        listener_free(worker->listeners[i]);
        worker->listeners[i] = NULL;
    }
    http_server_drain(worker->http);
    /* What does nothing ends now, what works when it is done. */
    worker->pause_id = worker->pause_id ? worker->pause_id : -1;
    sessions_pause(worker);
    worker_look(worker);
}

/* ---- metrics ---- */

static void metrics_handle(void *arg, HttpExchange *exchange)
{
    Main *run = arg;
    Gateway *gateway = &run->gateway;
    const char *path = http_request(exchange)->path;
    Bytes body = bytes_init(SIZE_MAX);
    HttpReply reply = {.status = 200, .type = "text/plain; version=0.0.4"};

    if (strcmp(path, "/metrics") == 0) {
        const Metrics *all[MAX_THREADS];
        for (int i = 0; i < gateway->worker_count; i++)
            all[i] = &gateway->workers[i].metrics;
        metrics_format(&body, all, gateway->worker_count);
        bytes_addf(&body, "# TYPE homeport_gateway_paused gauge\nhomeport_gateway_paused %d\n",
                   strcmp(control_state(run->control), "serving") != 0);
    } else if (strcmp(path, "/health") == 0) {
        reply.type = "application/json";
        reply.status = run->stopping ? 503 : 200;
        bytes_addf(&body, "{\"status\":\"%s\"}\n",
                   run->stopping ? "stopping" : control_state(run->control));
    } else {
        reply.status = 404;
        bytes_add_text(&body, "not found\n");
    }
    http_reply(exchange, &reply, &body);
    bytes_free(&body);
}

static void metrics_gone(void *arg, HttpExchange *exchange)
{
    (void)arg;
    (void)exchange;
}

static void metrics_accept(void *arg, int fd, const struct sockaddr *peer)
{
    http_server_accept(((Main *)arg)->metrics, fd, peer, NULL);
}

static bool metrics_start(Main *run, Error *err)
{
    const char *text = run->gateway.options->metrics;
    Address address;

    if (!text)
        return true;
    run->metrics =
        http_server_new(loop_base(run->gateway.main), &(HttpSettings){
                                                          .body_limit = 0,
                                                          .max_connections = 100,
                                                          .too_large_type = "text/plain",
                                                          .too_large_reply = "too large\n",
                                                          .handle = metrics_handle,
                                                          .gone = metrics_gone,
                                                          .arg = run,
                                                      });
    return (address_parse(text, "--metrics", &address, err) &&
            listener_new(loop_base(run->gateway.main), &address, metrics_accept, run,
                         &run->metrics_listener, err)) ||
           error_add_context(err, "--metrics");
}

/* ---- certificate, signals ---- */

static bool cert_ready(Main *run, Error *err)
{
    const GatewayOptions *options = run->gateway.options;
    Error ignored = ERROR_INIT;
    int renew_s = options->cert_life_s / 3 < RENEW_LEFT_S ? options->cert_life_s / 3 : RENEW_LEFT_S;
    int64_t left = 0;
    bool fits = false;

    if (options->cert)
        return true;
    bool there = gateway_cert_look(run->cert, options->names, &left, &fits, &ignored);
    if (there && left >= renew_s && fits)
        return true;
    if (there && left > 0 && !options->names) {
        log_warn("the certificate ends soon, and is made again only where --names says for what",
                 kv_str("file", run->cert), kv_i64("days", left / (24L * 3600)));
        return true;
    }
    if (there && !options->names) {
        (void)error_set(err, ERR_USAGE, "the certificate \"%s\" has ended", run->cert);
        return error_hint(err, "`homeport gateway cert` makes a new one; with --names the gateway "
                               "does so by itself.");
    }
    if (!options->names) {
        (void)error_set(err, ERR_USAGE, "there is no certificate");
        return error_hint(err, "Give --cert and --key, or --names for one that is made.");
    }
    if (gateway_cert_make(options->tls_dir, options->names, options->cert_life_s, err))
        return true;
    if (!there || left <= 0)
        return false;
    log_warn("the certificate could not be made again", kv_str("reason", err->message));
    *err = ERROR_INIT;
    return true;
}

static void on_renew(evutil_socket_t fd, short what, void *arg)
{
    Main *run = arg;
    Error err = ERROR_INIT;

    (void)fd;
    (void)what;
    if (run->gateway.tls &&
        !(cert_ready(run, &err) && tls_reload(run->gateway.tls, run->cert, run->key, &err)))
        log_warn("the certificate could not be renewed", kv_str("reason", err.message));
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    Main *run = arg;
    Error err = ERROR_INIT;

    (void)fd;
    (void)what;
    if (run->gateway.tls && !tls_reload(run->gateway.tls, run->cert, run->key, &err))
        log_warn("the certificate was not read again", kv_str("reason", err.message));
    else if (run->gateway.tls)
        log_info("certificate read again", kv_str("file", run->cert));
    if (!roles_reload(run->gateway.roles, &err))
        log_warn("the roles were not read again", kv_str("reason", err.message));
    else if (roles_known(run->gateway.roles))
        log_info("roles read again", kv_str("file", run->gateway.options->roles));
}

static bool all_quiet(const Gateway *gateway)
{
    for (int i = 0; i < gateway->worker_count; i++) {
        Metrics *metrics = &gateway->workers[i].metrics;
        if (atomic_load(&gateway->workers[i].unfinished) || atomic_load(&metrics->pool_busy) ||
            atomic_load(&metrics->pool_waiting) ||
            atomic_load(&metrics->clients[PROTOCOL_WEBSOCKET]) ||
            atomic_load(&metrics->clients[PROTOCOL_TCP]))
            return false;
    }
    return true;
}

static void on_draining(evutil_socket_t fd, short what, void *arg)
{
    Main *run = arg;

    (void)fd;
    (void)what;
    if (all_quiet(&run->gateway) || clock_seconds() > run->drain_until)
        loop_leave(run->gateway.main);
    for (int i = 0; i < run->gateway.worker_count; i++)
        loop_post(run->gateway.workers[i].loop, worker_look, &run->gateway.workers[i]);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval look = {.tv_usec = LOOK_MS * 1000L};
    Main *run = arg;

    (void)fd;
    (void)what;
    if (run->stopping) {
        loop_leave(run->gateway.main); /* asked twice: now */
        return;
    }
    run->stopping = true;
    run->drain_until = clock_seconds() + run->gateway.options->drain_ms / 1000.0;
    log_info("gateway drains", kv_i64("longest_ms", run->gateway.options->drain_ms));
    for (int i = 0; i < run->gateway.worker_count; i++)
        loop_post(run->gateway.workers[i].loop, worker_drain, &run->gateway.workers[i]);
    (void)event_add(run->draining, &look);
}

static void events_start(Main *run)
{
    const int look = run->gateway.options->cert_life_s / 10;
    const struct timeval renew = {.tv_sec = look < 1              ? 1
                                            : look > RENEW_LOOK_S ? RENEW_LOOK_S
                                                                  : look};
    struct event_base *base = loop_base(run->gateway.main);

    run->signals[0] = evsignal_new(base, SIGHUP, on_hangup, run);
    run->signals[1] = evsignal_new(base, SIGTERM, on_stop, run);
    run->signals[2] = evsignal_new(base, SIGINT, on_stop, run);
    run->draining = event_new(base, -1, EV_PERSIST, on_draining, run);
    run->renew = event_new(base, -1, EV_PERSIST, on_renew, run);
    for (size_t i = 0; i < COUNT_OF(run->signals); i++)
        must(run->signals[i] && event_add(run->signals[i], NULL) == 0, "memory");
    must(run->draining && run->renew && event_add(run->renew, &renew) == 0, "memory");
}

/* ---- all of it ---- */

static int thread_count(const GatewayOptions *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int count = options->threads > 0                             ? options->threads
                : processors > DEFAULT_THREADS || processors < 1 ? DEFAULT_THREADS
                                                                 : (int)processors;

    /* Each has a pool of its own, in which there is at least one connection. */
    count = count < options->pool_size ? count : options->pool_size;
    return count < MAX_THREADS ? count : MAX_THREADS;
}

/* A client is a descriptor, and often its server is one more. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* libpq would take these from our surroundings, and they would be every client's. */
static void clear_environment(void)
{
    static const char *const names[] = {"PGOPTIONS",   "PGAPPNAME", "PGCLIENTENCODING", "PGTZ",
                                        "PGDATESTYLE", "PGGEQO",    "PGPASSWORD",       "PGUSER",
                                        "PGDATABASE",  "PGSERVICE"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)unsetenv(names[i]);
}

static bool check_options(const GatewayOptions *options, Error *err)
{
    if (!options->listen && !options->listen_http && !options->listen_pg) {
        (void)error_set(err, ERR_USAGE, "nowhere to listen");
        return error_hint(err, "Give --listen ADDR:PORT (HTTPS and WebSockets), --listen-http or "
                               "--listen-pg.");
    }
    if (!options->cert != !options->key)
        return error_set(err, ERR_USAGE, "--cert and --key go together");
    return true;
}

static bool tls_start(Main *run, Arena *arena, Error *err)
{
    const GatewayOptions *options = run->gateway.options;

    run->cert =
        options->cert ? options->cert : arena_printf(arena, "%s/gateway.crt", options->tls_dir);
    run->key =
        options->key ? options->key : arena_printf(arena, "%s/gateway.key", options->tls_dir);
    /* On 5432 TLS is offered where there is a certificate to offer it with. */
    bool needed = options->listen || options->cert || options->names;
    return !needed ||
           (cert_ready(run, err) && tls_new(run->cert, run->key, &run->gateway.tls, err));
}

static bool gateway_start(Main *run, Arena *arena, Error *err)
{
    Gateway *gateway = &run->gateway;
    const GatewayOptions *options = gateway->options;
    GatewayState state;

    if (RAND_bytes(gateway->salt, sizeof gateway->salt) != 1)
        return error_set(err, ERR_IO, "no random numbers can be had");
    /* First of all: where another one serves already nothing may be written, nor listened on. */
    if (!state_take(arena, options->state, options->upstream, &state, &run->lock, err) ||
        !tls_start(run, arena, err) || !roles_new(options->roles, &gateway->roles, err) ||
        !crew_new(CREW_THREADS, &gateway->crew, err) ||
        !crew_new(CANCEL_THREADS, &gateway->cancellers, err) ||
        !control_new(gateway, &state, &run->control, err))
        return false;
    const char *too_large = arena_strdup(arena, too_large_reply(options));
    gateway->budget.limit = options->max_memory_bytes;
    for (int i = 0; i < gateway->worker_count; i++)
        worker_init(gateway, i, too_large);
    if (!ports_are_free(options, err) || !metrics_start(run, err) ||
        !control_start(run->control, err))
        return false;
    for (int i = 0; i < gateway->worker_count; i++)
        if (!worker_listen(&gateway->workers[i], err))
            return false;
    for (int i = 0; i < gateway->worker_count; i++)
        if (!loop_start(gateway->workers[i].loop, err))
            return false;
    return true;
}

/* Logins on their way end by themselves once `stopping` is set; their results still want a loop. */
static void wait_for_logins(Gateway *gateway)
{
    double until = clock_seconds() + 2;
    bool waiting = true;

    while (waiting && clock_seconds() < until) {
        waiting = false;
        for (int i = 0; i < gateway->worker_count; i++) {
            struct timeval now = {0};
            (void)event_base_loopexit(loop_base(gateway->workers[i].loop), &now);
            loop_run_here(gateway->workers[i].loop);
            waiting =
                waiting || gateway->workers[i].connecting > 0 || gateway->workers[i].cancelling > 0;
        }
        (void)usleep(1000);
    }
}

static void gateway_stop(Main *run)
{
    Gateway *gateway = &run->gateway;

    atomic_store(&gateway->stopping, true);
    for (int i = 0; i < gateway->worker_count && gateway->workers[i].loop; i++)
        loop_stop(gateway->workers[i].loop);
    if (gateway->worker_count > 0 && gateway->workers[gateway->worker_count - 1].loop)
        wait_for_logins(gateway);
    control_free(run->control);
    listener_free(run->metrics_listener);
    http_server_free(run->metrics);
    for (int i = 0; i < gateway->worker_count; i++)
        if (gateway->workers[i].loop)
            worker_clear(&gateway->workers[i]);
    crew_free(gateway->crew);
    /* Requests that were broken off have left cancels with them. */
    crew_stop(gateway->cancellers, CANCELS_END_MS, cancel_drop);
    for (int i = 0; i < gateway->worker_count; i++) {
        EVP_MAC_CTX_free(gateway->workers[i].prover);
        loop_free(gateway->workers[i].loop);
    }
    for (size_t i = 0; i < COUNT_OF(run->signals); i++)
        if (run->signals[i])
            event_free(run->signals[i]);
    if (run->draining)
        event_free(run->draining);
    if (run->renew)
        event_free(run->renew);
    loop_free(gateway->main);
    cancel_table_free(gateway->cancels);
    throttle_free(gateway->throttle);
    roles_free(gateway->roles);
    tls_free(gateway->tls);
    free(gateway->workers);
    file_close(&run->lock);
}

static void no_pause(Worker *worker)
{
    (void)worker;
}

static const char *shown(const char *address)
{
    return address ? address : "-";
}

bool gateway_run(const GatewayOptions *options, Error *err)
{
    auto_arena Arena *arena = arena_new();
    Main run = {
        .gateway = {.options = options, .paused = no_pause},
        .lock = -1,
    };

    if (!check_options(options, err))
        return false;
    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    clear_environment();
    run.gateway.worker_count = thread_count(options);
    run.gateway.workers =
        memory_zeroed((size_t)run.gateway.worker_count, sizeof *run.gateway.workers);
    run.gateway.main = loop_new();
    run.gateway.cancels = cancel_table_new();
    run.gateway.throttle = throttle_new();
    events_start(&run);
    bool fine = gateway_start(&run, arena, err);
    if (fine) {
        log_info("gateway listens", kv_str("https", shown(options->listen)),
                 kv_str("http", shown(options->listen_http)),
                 kv_str("postgres", shown(options->listen_pg)),
                 kv_i64("threads", run.gateway.worker_count));
        loop_run_here(run.gateway.main);
    }
    gateway_stop(&run);
    if (fine)
        log_info("gateway stopped", kv_i64("pid", getpid()));
    return fine;
}
