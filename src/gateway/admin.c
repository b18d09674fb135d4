/* The other side of the administration socket: needs nothing of the gateway that runs. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "gateway/gateway.h"

enum {
    MAX_REPLY = 16 * 1024,
    DEADLINE_MS = 10 * 1000,
    BEYOND_MS =
        15 * 1000, /* that the gateway may take longer than the deadline: forced ends, disk */
    LOOK_MS = 50   /* between looks for a request to stop */
};

static bool connect_to(const char *path, int *ret, Error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return error_set(err, ERR_USAGE, "the path of the administration socket is too long");
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)error_set_errno(err, "no gateway answers on \"%s\"", path);
        err->code = ERR_CONNECT;
        file_close(&fd);
        return error_hint(err, "Is it running, and started with --admin %s?", path);
    }
    *ret = fd;
    return true;
}

static const char *request_text(Arena *arena, const GatewayRequest *request)
{
    static const char *const verbs[] = {
        [GATEWAY_STATUS] = "status",
        [GATEWAY_PAUSE] = "pause",
        [GATEWAY_RESUME] = "resume",
        [GATEWAY_SWITCH] = "switch",
    };
    Text text = text_init(arena, MAX_REPLY);
    Json json = json_init(&text);

    json_open_object(&json);
    json_kv_string(&json, "verb", verbs[request->verb]);
    if (request->url)
        json_kv_string(&json, "url", request->url);
    json_kv_int(&json, "deadline_ms", request->deadline_ms);
    json_kv_bool(&json, "force", request->force);
    json_close(&json);
    text_add_char(&text, '\n');
    return text_str(&text);
}

/* A signal interrupts whichever thread it likes: asked again and again. */
static bool wait_reply(int fd, const GatewayRequest *request, double deadline, Error *err)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    for (;;) {
        if (request->stop_while_held && cancel_pending())
            return cancel_error(err);
        if (clock_seconds() >= deadline)
            return error_set(err, ERR_CONNECT, "the gateway did not answer in time");
        if (poll(&wait, 1, LOOK_MS) > 0)
            return true;
    }
}

/* All that it says until it closes; a line. */
static bool read_reply(int fd, const GatewayRequest *request, char *into, size_t size, Error *err)
{
    int deadline_ms = request->deadline_ms > 0 ? request->deadline_ms : DEADLINE_MS;
    double deadline = clock_seconds() + (deadline_ms + BEYOND_MS) / 1000.0;
    size_t len = 0;

    for (;;) {
        if (!wait_reply(fd, request, deadline, err))
            return false;
        ssize_t n = read(fd, into + len, size - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, "read the gateway's answer");
        if (n == 0)
            break;
        len += (size_t)n;
        if (len == size - 1)
            return error_set(err, ERR_FORMAT, "the gateway's answer is too long");
    }
    into[len] = '\0';
    if (len == 0)
        return error_set(err, ERR_CONNECT, "the gateway closed without an answer");
    return true;
}

static bool reply_parse(Arena *arena, const char *text, GatewayReply *ret, Error *err)
{
    json_error_t problem;
    json_t *root = json_loads(text, 0, &problem);
    const char *state = json_string_value(json_object_get(root, "state"));
    const char *upstream = json_string_value(json_object_get(root, "upstream"));
    bool fine = json_is_true(json_object_get(root, "ok")) && state && upstream;

    if (fine) {
        *ret = (GatewayReply){
            .state = arena_strdup(arena, state),
            .upstream = arena_strdup(arena, upstream),
            .generation = json_integer_value(json_object_get(root, "generation")),
            .waiting = json_integer_value(json_object_get(root, "waiting")),
            .busy = json_integer_value(json_object_get(root, "busy")),
            .sessions = json_integer_value(json_object_get(root, "sessions")),
            .took_ms = json_integer_value(json_object_get(root, "took_ms")),
        };
    } else {
        const char *message = json_string_value(json_object_get(root, "error"));
        const char *hint = json_string_value(json_object_get(root, "hint"));
        (void)error_set(err, ERR_WRONG_STATE, "%s",
                        message ? message : "the gateway's answer cannot be understood");
        if (hint)
            (void)error_hint(err, "%s", hint);
    }
    json_decref(root);
    return fine;
}

bool gateway_admin(Arena *arena, const char *socket_path, const GatewayRequest *request,
                   GatewayReply *ret, Error *err)
{
    auto_close int fd = -1;
    const char *text = request_text(arena, request);
    char *reply = arena_alloc(arena, MAX_REPLY);

    if (!connect_to(socket_path, &fd, err))
        return false;
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        return error_set_errno(err, "ask the gateway");
    return read_reply(fd, request, reply, MAX_REPLY, err) && reply_parse(arena, reply, ret, err);
}
