#include "gateway/state.h"

#include <jansson.h>
#include <string.h>

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
        return error_hint(err, "It says whether the gateway was switched. Only if you know which "
                               "server has the data: remove the file, and set --upstream to it.");
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
           url_parse(arena, b, "upstream", &right, &ignored) &&
           strcmp(left.host, right.host) == 0 && strcmp(left.port, right.port) == 0;
}

bool state_url(Arena *arena, const char *url, const char **ret, Error *err)
{
    PgUrl parsed;

    if (!url_parse(arena, url, "upstream", &parsed, err))
        return false;
    *ret = parsed.redacted;
    return true;
}

bool state_load(Arena *arena, const char *path, const char *url, GatewayState *ret, Error *err)
{
    const char *configured;

    if (!state_url(arena, url, &configured, err))
        return false;
    GatewayState state = {.url = configured, .configured = configured, .generation = 1};

    if (!file_exists(path)) {
        *ret = state;
        return true;
    }
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
