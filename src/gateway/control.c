/*
 * A pause is asked of every worker and counts once each has said that nothing
 * is at work there any more. Until then it can be taken back, by the deadline
 * or because who asked has gone. What is on disk is written before anybody
 * acts on it: the new server before work goes on.
 */
#include "gateway/control.h"

#include <assert.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/memory.h"
#include "gateway/pool.h"
#include "gateway/session.h"
#include "gateway/sql.h"
#include "http/stream.h"

enum {
    DEADLINE_MS = 10 * 1000,
    FORCED_MS = 5 * 1000, /* that a forced end may take */
    MAX_REQUEST = 16 * 1024,
    MAX_REPLY = 16 * 1024,
    MAX_CALLERS = 16
};

typedef enum ControlPhase {
    PHASE_SERVING,
    PHASE_PAUSING,
    PHASE_FORCING,
    PHASE_PAUSED
} ControlPhase;

typedef struct Caller {
    LIST_ENTRY(Caller) link;
    Control *control;
    Stream *stream;
    GatewayRequest request;
    Arena *arena;
    double since;
    bool asked; /* its request was read */
} Caller;

struct Control {
    Gateway *gateway;
    Arena *arena; /* of upstreams: there are few, and they last */
    GatewayState state;
    const Upstream *upstream;
    ControlPhase phase;
    int pause_id;
    Caller *waiting;
    struct event *deadline;
    struct event *listening;
    const char *path;
    int fd;
    LIST_HEAD(, Caller) callers;
    int caller_count;
};

static Control *the_control; /* workers' acknowledgements have no other way to it */

const char *control_state(const Control *control)
{
    switch (control->phase) {
    case PHASE_SERVING:
        return "serving";
    case PHASE_PAUSED:
        return "paused";
    default:
        return "pausing";
    }
}

/* ---- what is posted to the workers ---- */

typedef struct Order {
    Worker *worker;
    const Upstream *upstream;
    int pause_id;
} Order;

static void do_pause(void *arg)
{
    Order *order = arg;
    Worker *worker = order->worker;

    worker->pause_id = order->pause_id;
    pool_pause(worker->pool);
    sessions_pause(worker);
    worker_check_pause(worker);
    free(order);
}

static void do_resume(void *arg)
{
    Order *order = arg;
    Worker *worker = order->worker;

    worker->pause_id = 0;
    worker->upstream = order->upstream;
    pool_resume(worker->pool);
    sessions_resume(worker);
    free(order);
}

static void do_force(void *arg)
{
    Order *order = arg;

    if (order->worker->pause_id == order->pause_id) {
        sql_end_all(order->worker);
        sessions_end(order->worker, false);
        worker_check_pause(order->worker);
    }
    free(order);
}

static void post_all(Control *control, LoopWork *work)
{
    for (int i = 0; i < control->gateway->worker_count; i++) {
        Order *order = memory_zeroed(1, sizeof *order);
        *order = (Order){&control->gateway->workers[i], control->upstream, control->pause_id};
        loop_post(order->worker->loop, work, order);
    }
}

/* ---- answers ---- */

static void caller_free(Caller *caller)
{
    Control *control = caller->control;

    if (control->waiting == caller)
        control->waiting = NULL;
    LIST_REMOVE(caller, link);
    control->caller_count--;
    stream_free(caller->stream);
    arena_free(caller->arena);
    free(caller);
}

static void caller_send(Caller *caller, const Text *text)
{
    stream_write(caller->stream, text_str(text), text->len);
    stream_shutdown(caller->stream);
}

static void reply_error(Caller *caller, const Error *err)
{
    Text text = text_init(caller->arena, MAX_REPLY);
    Json json = json_init(&text);

    json_open_object(&json);
    json_kv_bool(&json, "ok", false);
    json_kv_string(&json, "error", err->message);
    json_kv_string(&json, "hint", *err->hint ? err->hint : NULL);
    json_close(&json);
    text_add_char(&text, '\n');
    caller_send(caller, &text);
}

static void reply_state(Caller *caller)
{
    Control *control = caller->control;
    Gateway *gateway = control->gateway;
    Text text = text_init(caller->arena, MAX_REPLY);
    Json json = json_init(&text);
    int64_t waiting = 0;
    int64_t busy = 0;
    int64_t sessions = 0;

    for (int i = 0; i < gateway->worker_count; i++) {
        Metrics *metrics = &gateway->workers[i].metrics;
        waiting += atomic_load(&metrics->pool_waiting) + atomic_load(&metrics->sessions_waiting);
        busy += atomic_load(&metrics->pool_busy);
        sessions += atomic_load(&metrics->clients[PROTOCOL_WEBSOCKET]) +
                    atomic_load(&metrics->clients[PROTOCOL_TCP]);
    }
    json_open_object(&json);
    json_kv_bool(&json, "ok", true);
    json_kv_string(&json, "state", control_state(control));
    json_kv_int(&json, "generation", control->state.generation);
    json_kv_string(&json, "upstream", control->upstream->url.redacted);
    json_kv_int(&json, "waiting", waiting);
    json_kv_int(&json, "busy", busy);
    json_kv_int(&json, "sessions", sessions);
    json_kv_int(&json, "took_ms", (int64_t)((clock_seconds() - caller->since) * 1000));
    json_close(&json);
    text_add_char(&text, '\n');
    caller_send(caller, &text);
}

/* ---- phases ---- */

static void set_deadline(Control *control, int ms)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};

    (void)event_add(control->deadline, &wait);
}

static void pause_begin(Control *control, Caller *caller)
{
    control->phase = PHASE_PAUSING;
    control->pause_id++;
    control->waiting = caller;
    set_deadline(control,
                 caller->request.deadline_ms > 0 ? caller->request.deadline_ms : DEADLINE_MS);
    log_info("gateway pauses", kv_i64("generation", control->state.generation));
    post_all(control, do_pause);
}

static void resume(Control *control)
{
    (void)event_del(control->deadline);
    control->phase = PHASE_SERVING;
    control->pause_id++;
    post_all(control, do_resume);
    log_info("gateway serves", kv_i64("generation", control->state.generation),
             kv_str("upstream", control->upstream->url.redacted));
}

/* Back to how it was: nobody was switched, nothing was written. */
static void pause_undo(Control *control)
{
    Error err = ERROR_INIT;
    Caller *caller = control->waiting;

    control->waiting = NULL;
    resume(control);
    if (!caller)
        return;
    (void)error_set(&err, ERR_WRONG_STATE,
                    "something was still at work at the deadline; the pause was undone");
    (void)error_hint(&err, "Allow more time with --deadline, or end what is left with --force.");
    reply_error(caller, &err);
}

/* What could not be written for sure may be there all the same: then it is taken back. */
static bool save(Control *control, const GatewayState *state, Error *err)
{
    const char *path = control->gateway->options->state;
    Error ignored = ERROR_INIT;

    if (state_save(path, state, err))
        return true;
    (void)!state_save(path, &control->state, &ignored);
    return false;
}

static bool upstream_make(Control *control, const char *url, int64_t generation,
                          const Upstream **ret, Error *err)
{
    Upstream *upstream = arena_alloc(control->arena, sizeof *upstream);

    if (!url_parse(control->arena, url, "upstream", &upstream->url, err))
        return false;
    upstream->generation = generation;
    *ret = upstream;
    return true;
}

static bool switch_now(Control *control, const char *url, Error *err)
{
    GatewayState state = control->state;
    const Upstream *upstream;

    state.generation++;
    state.paused = true;
    if (!state_url(control->arena, url, &state.url, err) ||
        !upstream_make(control, state.url, state.generation, &upstream, err) ||
        !save(control, &state, err))
        return false;
    control->state = state;
    control->upstream = upstream;
    log_info("gateway switched", kv_i64("generation", state.generation),
             kv_str("upstream", upstream->url.redacted));
    return true;
}

static bool resume_now(Control *control, Error *err)
{
    GatewayState state = control->state;

    state.paused = false;
    if (!save(control, &state, err))
        return false;
    control->state = state;
    resume(control);
    return true;
}

/* Everything has stopped: now, what it was asked for. */
static void pause_reached(Control *control)
{
    Caller *caller = control->waiting;
    GatewayState state = control->state;
    Error err = ERROR_INIT;

    (void)event_del(control->deadline);
    control->waiting = NULL;
    control->phase = PHASE_PAUSED;
    state.paused = true;
    /* Without a caller it is the pause of before a restart, which is on disk. */
    if (caller && !save(control, &state, &err)) {
        resume(control);
        reply_error(caller, &err);
        return;
    }
    control->state = state;
    log_info("gateway paused", kv_i64("generation", state.generation));
    if (!caller)
        return;
    if (caller->request.verb != GATEWAY_SWITCH) {
        reply_state(caller);
        return;
    }
    bool fine = switch_now(control, caller->request.url, &err);
    /* Switched or not, by itself it does not stay paused. */
    Error second = ERROR_INIT;
    bool resumed = resume_now(control, &second);
    if (fine && resumed)
        reply_state(caller);
    else
        reply_error(caller, fine ? &second : &err);
}

static bool all_paused(const Control *control)
{
    for (int i = 0; i < control->gateway->worker_count; i++)
        if (atomic_load(&control->gateway->workers[i].pause_acked) != control->pause_id)
            return false;
    return true;
}

/* A worker has reached a pause, which may be over by now. */
static void take_ack(void *arg)
{
    Control *control = the_control;

    (void)arg;
    if (control && (control->phase == PHASE_PAUSING || control->phase == PHASE_FORCING) &&
        all_paused(control))
        pause_reached(control);
}

/* On a worker's thread. */
static void worker_paused(Worker *worker)
{
    loop_post(worker->gateway->main, take_ack, NULL);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    Control *control = arg;

    (void)fd;
    (void)what;
    if (control->phase == PHASE_PAUSING && control->waiting && control->waiting->request.force) {
        control->phase = PHASE_FORCING;
        post_all(control, do_force);
        set_deadline(control, FORCED_MS);
    } else if (control->phase == PHASE_PAUSING || control->phase == PHASE_FORCING) {
        pause_undo(control);
    }
}

/* ---- requests ---- */

static bool verb_parse(const char *text, GatewayVerb *ret)
{
    static const char *const verbs[] = {
        [GATEWAY_STATUS] = "status",
        [GATEWAY_PAUSE] = "pause",
        [GATEWAY_RESUME] = "resume",
        [GATEWAY_SWITCH] = "switch",
    };

    for (size_t i = 0; text && i < COUNT_OF(verbs); i++)
        if (strcmp(text, verbs[i]) == 0) {
            *ret = (GatewayVerb)i;
            return true;
        }
    return false;
}

static bool request_parse(Arena *arena, const char *line, size_t len, GatewayRequest *ret,
                          Error *err)
{
    json_error_t problem;
    json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &problem);
    GatewayRequest request = {0};
    const char *url = json_string_value(json_object_get(root, "url"));
    json_int_t deadline = json_integer_value(json_object_get(root, "deadline_ms"));
    bool fine = verb_parse(json_string_value(json_object_get(root, "verb")), &request.verb) &&
                deadline >= 0 && deadline < INT32_MAX && (request.verb != GATEWAY_SWITCH || url);

    request.url = url ? arena_strdup(arena, url) : NULL;
    request.deadline_ms = (int)deadline;
    request.force = json_is_true(json_object_get(root, "force"));
    json_decref(root);
    *ret = request;
    return fine || error_set(err, ERR_FORMAT, "the request cannot be understood");
}

static bool check_url(const Caller *caller, Error *err)
{
    PgUrl ignored;

    return url_parse(caller->arena, caller->request.url, "new upstream", &ignored, err);
}

static bool act(Control *control, Caller *caller, Error *err)
{
    GatewayVerb verb = caller->request.verb;
    bool pausing = control->phase == PHASE_PAUSING || control->phase == PHASE_FORCING;

    if (verb == GATEWAY_SWITCH && !check_url(caller, err))
        return false;
    if (pausing && (verb == GATEWAY_PAUSE || verb == GATEWAY_SWITCH))
        return error_set(err, ERR_WRONG_STATE, "the gateway is just pausing for somebody else");
    if (control->phase == PHASE_SERVING && (verb == GATEWAY_PAUSE || verb == GATEWAY_SWITCH)) {
        pause_begin(control, caller);
        return true; /* the answer comes later */
    }
    /* The pause of before a restart is on disk, and would come again with the next one. */
    if (verb == GATEWAY_RESUME && pausing && !control->state.paused)
        pause_undo(control);
    else if (verb == GATEWAY_RESUME && control->phase != PHASE_SERVING && !resume_now(control, err))
        return false;
    if (verb == GATEWAY_SWITCH && !switch_now(control, caller->request.url, err))
        return false;
    reply_state(caller);
    return true;
}

static void on_caller(void *arg, StreamEvent event)
{
    Caller *caller = arg;
    Control *control = caller->control;
    Bytes *input = stream_input(caller->stream);
    Error err = ERROR_INIT;

    if (event == STREAM_CLOSED) {
        /* Who wanted the pause is no more, and would not end it either. */
        bool undo = control->waiting == caller;
        caller_free(caller);
        if (undo)
            pause_undo(control);
        return;
    }
    if (event != STREAM_READ || caller->asked)
        return;
    const char *end = memchr(bytes_data(input), '\n', bytes_len(input));
    if (!end && bytes_len(input) > MAX_REQUEST) {
        caller_free(caller);
        return;
    }
    if (!end)
        return;
    caller->asked = true;
    caller->since = clock_seconds();
    if (!request_parse(caller->arena, bytes_data(input), (size_t)(end - bytes_data(input)),
                       &caller->request, &err) ||
        !act(control, caller, &err))
        reply_error(caller, &err);
}

/* The socket's mode keeps others out; this does where a folder's owner has moved it. */
static bool is_ours(int fd)
{
    struct ucred peer = {0};
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void on_listening(evutil_socket_t fd, short what, void *arg)
{
    Control *control = arg;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)what;
    if (accepted < 0)
        return;
    if (!is_ours(accepted) || control->caller_count >= MAX_CALLERS) {
        (void)close(accepted);
        return;
    }
    Caller *caller = memory_zeroed(1, sizeof *caller);
    caller->control = control;
    caller->arena = arena_new();
    LIST_INSERT_HEAD(&control->callers, caller, link);
    control->caller_count++;
    caller->stream = stream_new(loop_base(control->gateway->main), accepted, on_caller, caller);
}

/* ---- life ---- */

static bool listen_on(Control *control, const char *path, Error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path) {
        (void)error_set(err, ERR_USAGE, "the path of the administration socket is too long");
        return error_hint(err, "The system allows %zu bytes.", sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool taken =
        probe >= 0 && connect(probe, (const struct sockaddr *)&address, sizeof address) == 0;
    if (probe >= 0)
        (void)close(probe);
    if (taken)
        return error_set(err, ERR_WRONG_STATE, "a gateway serves \"%s\" already", path);
    (void)unlink(path);
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t before = umask(0177);
    bool bound = control->fd >= 0 &&
                 bind(control->fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                 listen(control->fd, MAX_CALLERS) == 0;
    (void)umask(before);
    if (!bound)
        return error_set_errno(err, "listen on \"%s\"", path);
    control->path = path;
    control->listening = event_new(loop_base(control->gateway->main), control->fd,
                                   EV_READ | EV_PERSIST, on_listening, control);
    must(control->listening && event_add(control->listening, NULL) == 0, "memory");
    return true;
}

bool control_start(Control *control, Error *err)
{
    Gateway *gateway = control->gateway;

    gateway->paused = worker_paused;
    for (int i = 0; i < gateway->worker_count; i++)
        gateway->workers[i].upstream = control->upstream;
    if (gateway->options->admin && !listen_on(control, gateway->options->admin, err))
        return false;
    if (control->state.paused) {
        control->phase = PHASE_PAUSING;
        control->pause_id = 1;
        post_all(control, do_pause);
    }
    return true;
}

bool control_new(Gateway *gateway, const GatewayState *state, Control **ret, Error *err)
{
    Control *control = memory_zeroed(1, sizeof *control);

    control->gateway = gateway;
    control->arena = arena_new();
    control->state = *state;
    control->fd = -1;
    control->deadline = event_new(loop_base(gateway->main), -1, 0, on_deadline, control);
    must(control->deadline, "memory");
    LIST_INIT(&control->callers);
    if (!upstream_make(control, state->url, state->generation, &control->upstream, err)) {
        control_free(control);
        return false;
    }
    the_control = control;
    *ret = control;
    return true;
}

void control_free(Control *control)
{
    if (!control)
        return;
    the_control = NULL;
    while (!LIST_EMPTY(&control->callers))
        caller_free(LIST_FIRST(&control->callers));
    event_free(control->deadline);
    if (control->listening)
        event_free(control->listening);
    if (control->fd >= 0)
        (void)close(control->fd);
    if (control->path)
        (void)unlink(control->path);
    arena_free(control->arena);
    free(control);
}
