#include "gateway/state.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json.h"
#include "pg/url.h"

enum {
    MAX_FILE = 64 * 1024
};

static void json_cleanup(json_t **value)
{
    json_decref(*value);
}

static bool read_file(Arena *arena, const char *path, GatewayState *ret, Error *err)
{
    char *text;
    size_t len;
    json_error_t problem;

    if (!file_read(arena, path, MAX_FILE, &text, &len, err))
        return false;
    CLEANUP(json_cleanup) json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);
    const char *url = json_string_value(json_object_get(root, "url"));
    const char *configured = json_string_value(json_object_get(root, "configured"));
    json_int_t generation = json_integer_value(json_object_get(root, "generation"));
    const json_t *paused = json_object_get(root, "paused");
    if (!url || !configured || generation < 1 || !json_is_boolean(paused)) {
        (void)error_set(err, ERR_FORMAT, "\"%s\" does not say which server is the current one",
                        path);
        (void)error_hint(err, "It says whether the gateway was switched. Only if you know which "
                              "server has the data: remove the file, and set --upstream to it.");
        return false;
    }
    *ret = (GatewayState){
        .url = arena_strdup(arena, url),
        .configured = arena_strdup(arena, configured),
        .generation = generation,
        .paused = json_is_true(paused),
    };
    return true;
}

static bool same_server(Arena *arena, const char *a, const char *b)
{
    PgUrl left;
    PgUrl right;
    Error ignored = ERROR_INIT;

    return url_parse(arena, a, "upstream", &left, &ignored) &&
           url_parse(arena, b, "upstream", &right, &ignored) && url_same_server(&left, &right);
}

bool state_url(Arena *arena, const char *url, const char **ret, Error *err)
{
    PgUrl parsed;

    if (!url_parse(arena, url, "upstream", &parsed, err))
        return false;
    *ret = parsed.redacted;
    return true;
}

static bool load(Arena *arena, const char *path, const char *configured, GatewayState *ret,
                 Error *err)
{
    GatewayState state;

    if (!read_file(arena, path, &state, err))
        return false;
    /* Where nothing was ever switched the configuration is free to change its mind; after that,
     * only to what the file says, or to how that is reached. */
    bool changed = strcmp(state.configured, configured) != 0;
    if (changed && (state.generation == 1 || same_server(arena, state.url, configured))) {
        state.url = configured;
    } else if (changed) {
        (void)error_set(err, ERR_WRONG_STATE,
                        "the configured upstream is neither the current one nor the one that was "
                        "configured when the gateway was switched");
        return error_hint(err,
                          "\"%s\" names the current one. Configure that one, or start with the "
                          "old configuration and use `homeport gateway switch`.",
                          path);
    }
    state.configured = configured;
    *ret = state;
    return true;
}

static bool lock(const char *path, const char *lock_path, int *ret, Error *err)
{
    int holder = 0;

    if (file_lock(lock_path, ret, &holder, err))
        return true;
    if (holder == 0)
        return false;
    *err = ERROR_INIT;
    (void)error_set(err, ERR_WRONG_STATE, "process %d serves with \"%s\" already", holder, path);
    return error_hint(err, "A second gateway needs a file of its own: --gateway-state.");
}

static bool fail_missing(const char *path, const char *lock_path, Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE, "\"%s\" is not there any more", path);
    return error_hint(err,
                      "It said whether the gateway was switched. Only if you know which server has "
                      "the data: remove \"%s\", and set --upstream to it.",
                      lock_path);
}

/* The lock stays behind, and so tells that there has been a state. */
bool state_take(Arena *arena, const char *path, const char *url, GatewayState *ret, int *ret_lock,
                Error *err)
{
    const char *lock_path = arena_printf(arena, "%s.lock", path);
    GatewayState state = {.generation = 1};
    auto_close int fd = -1;

    if (!state_url(arena, url, &state.configured, err))
        return false;
    bool served = file_exists(lock_path);
    if (!lock(path, lock_path, &fd, err))
        return false;
    state.url = state.configured;
    if (served && !file_exists(path))
        return fail_missing(path, lock_path, err);
    if (file_exists(path) && !load(arena, path, state.configured, &state, err))
        return false;
    if (!state_save(path, &state, err)) {
        if (!served)
            (void)unlink(lock_path);
        return error_add_context(err, "write down which server is the current one");
    }
    *ret = state;
    *ret_lock = fd;
    fd = -1;
    return true;
}

bool state_save(const char *path, const GatewayState *state, Error *err)
{
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, MAX_FILE);
    Json json = json_init(&text);

    json_open_object(&json);
    json_kv_int(&json, "generation", state->generation);
    json_kv_bool(&json, "paused", state->paused);
    json_kv_string(&json, "url", state->url);
    json_kv_string(&json, "configured", state->configured);
    json_close(&json);
    text_add_char(&text, '\n');
    return file_replace(path, text_str(&text), text.len, err);
}
