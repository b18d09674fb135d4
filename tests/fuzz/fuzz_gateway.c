/*
 * What clients of the gateway send as a whole: connection string, body, startup
 * packet, array values, options. The first byte says which. Whatever the bytes:
 * success or a message, never both, and what comes out is what JSON and the
 * protocol can carry.
 */
#include <assert.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/connstring.h"
#include "gateway/relay.h"
#include "gateway/sql.h"
#include "gateway/sqlbody.h"
#include "gateway/value.h"
#include "gateway/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_connstring(Arena *arena, const char *text)
{
    ConnString got;
    Error err = ERROR_INIT;

    if (connstring_parse(arena, text, &got, &err))
        assert(*got.user && *got.database && *got.host);
    else
        assert(*err.message);
    (void)options_clean(arena, text);
    (void)statement_goes_alone(text);
    (void)wire_read_tag(arena, text);
    (void)wire_error_of_libpq(arena, text);
}

static void try_body(Arena *arena, const char *text, size_t len)
{
    SqlBody body;
    Error err = ERROR_INIT;

    if (!sqlbody_parse(arena, text, len, &body, &err)) {
        assert(*err.message);
        return;
    }
    for (int i = 0; i < body.count; i++)
        assert(body.queries[i].text);
}

/* A string of any bytes must be read back by somebody else's parser. */
static void try_value(const char *text, size_t len)
{
    Bytes out = bytes_init(SIZE_MAX);

    value_add_string(&out, text, len);
    json_t *read =
        json_loadb(bytes_data(&out), bytes_len(&out), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert(read);
    json_decref(read);
    bytes_clear(&out);
    value_add_typed(&out, 1009, text, len);
    bytes_clear(&out);
    value_add_typed(&out, 1020, text, len);
    bytes_free(&out);
}

static void try_startup(Arena *arena, const char *text, size_t len)
{
    Startup startup;
    size_t used = 0;
    RelayState relay;

    if (wire_read_startup(arena, text, len, &startup, &used) == STARTUP_READ)
        assert(used <= len && used >= 8);
    (void)wire_read_error(arena, text, len);
    relay_init(&relay);
    (void)(relay_from_client(&relay, text, len) && relay_from_server(&relay, text, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena Arena *arena = arena_new();

    if (size == 0)
        return 0;
    const char *text = arena_strndup(arena, "", 0);
    char *copy = arena_alloc(arena, size);
    memcpy(copy, data + 1, size - 1);
    copy[size - 1] = '\0';
    text = copy;
    switch (data[0] % 4) {
    case 0:
        try_connstring(arena, text);
        break;
    case 1:
        try_body(arena, text, size - 1);
        break;
    case 2:
        try_value(text, size - 1);
        break;
    default:
        try_startup(arena, text, size - 1);
        break;
    }
    return 0;
}
