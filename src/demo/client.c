#include "demo/client.h"

#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json.h"
#include "core/text.h"

enum {
    MAX_REQUEST = 64 * 1024,
    MAX_ANSWER = 64 * 1024,
};

static bool connect_to(const char *path, int *ret, Error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return error_set_errno(err, "open a socket");
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        *ret = fd;
        return true;
    }
    (void)error_set_errno(err, "connect to the gateway");
    file_close(&fd);
    return false;
}

/* The user, the password and the database of a demo's URL need no escaping. */
static const char *make_request(Arena *arena, const PgUrl *login, const ClientQuery *query)
{
    const char *password = "";
    Text body = text_init(arena, MAX_REQUEST);
    Json json = json_init(&body);

    for (size_t i = 0; login->keywords[i]; i++)
        if (strcmp(login->keywords[i], "password") == 0)
            password = login->values[i];
    json_open_object(&json);
    json_kv_string(&json, "query", query->sql);
    json_key(&json, "params");
    json_open_array(&json);
    for (int i = 0; i < query->count; i++)
        json_add_string(&json, query->params[i]);
    json_close(&json);
    json_close(&json);
    return arena_printf(arena,
                        "POST /sql HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
                        "Neon-Connection-String: postgresql://%s:%s@gateway/%s\r\n"
                        "Neon-Raw-Text-Output: true\r\nNeon-Array-Mode: true\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        login->user, password, login->database, strlen(text_str(&body)),
                        text_str(&body));
}

static bool exchange(int fd, const char *request, char answer[MAX_ANSWER], Error *err)
{
    size_t len = strlen(request);
    size_t got = 0;
    ssize_t n = 1;

    for (size_t sent = 0; sent < len; sent += (size_t)n) {
        n = send(fd, request + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return error_set_errno(err, "send a request to the gateway");
    }
    while (n > 0 && got < MAX_ANSWER - 1) {
        n = recv(fd, answer + got, MAX_ANSWER - 1 - got, 0);
        if (n < 0)
            return error_set_errno(err, "receive the gateway's answer");
        got += (size_t)n;
    }
    answer[got] = '\0';
    return true;
}

static bool read_answer(const char *answer, int *ret, Error *err)
{
    static const char fine[] = "HTTP/1.1 200 ";
    const char *head_end = strstr(answer, "\r\n\r\n");
    json_t *body = head_end ? json_loads(head_end + 4, 0, NULL) : NULL;
    const char *message = json_string_value(json_object_get(body, "message"));
    bool ok = body && strncmp(answer, fine, sizeof fine - 1) == 0;

    if (ok)
        *ret = (int)json_integer_value(json_object_get(body, "rowCount"));
    else
        (void)error_set(err, ERR_WRONG_STATE, "a request to the gateway failed: %.*s: %s",
                        (int)strcspn(answer, "\r\n"), answer,
                        message ? message : "no reason given");
    json_decref(body);
    return ok;
}

bool client_post(const char *socket_path, const PgUrl *login, const ClientQuery *query, int *ret,
                 Error *err)
{
    auto_arena Arena *scratch = arena_new();
    char *answer = arena_alloc(scratch, MAX_ANSWER);
    int fd = -1;

    if (!connect_to(socket_path, &fd, err))
        return false;
    bool ok = exchange(fd, make_request(scratch, login, query), answer, err) &&
              read_answer(answer, ret, err);
    file_close(&fd);
    return ok;
}
