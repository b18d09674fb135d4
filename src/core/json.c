#include "core/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

Json json_init(Text *out)
{
    return (Json){.out = out};
}

static void before_value(Json *json)
{
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->depth == 0)
        return;
    assert(json->kind[json->depth - 1] == 'a' && "a value in an object needs a key");
    if (!json->first[json->depth - 1])
        text_add_char(json->out, ',');
    json->first[json->depth - 1] = false;
}

static void open_container(Json *json, char kind)
{
    before_value(json);
    assert(json->depth < JSON_MAX_DEPTH);
    json->kind[json->depth] = kind;
    json->first[json->depth] = true;
    json->depth++;
    text_add_char(json->out, kind == 'o' ? '{' : '[');
}

void json_open_object(Json *json)
{
    open_container(json, 'o');
}

void json_open_array(Json *json)
{
    open_container(json, 'a');
}

void json_close(Json *json)
{
    assert(json->depth > 0 && !json->after_key);
    json->depth--;
    text_add_char(json->out, json->kind[json->depth] == 'o' ? '}' : ']');
}

static void add_escaped(Text *out, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *at = strchr(from, c);

    if (at)
        text_addf(out, "\\%c", to[at - from]);
    else
        text_addf(out, "\\u%04x", c);
}

static void add_quoted(Text *out, const char *value)
{
    const unsigned char *p = (const unsigned char *)value;

    text_add_char(out, '"');
    while (*p) {
        size_t len = text_utf8_len(p, SIZE_MAX);
        if (len == 0) {
            text_add(out, "\\ufffd");
            p++;
        } else if (len == 1 && (*p < 0x20 || *p == '"' || *p == '\\')) {
            add_escaped(out, *p++);
        } else {
            text_add_n(out, (const char *)p, len);
            p += len;
        }
    }
    text_add_char(out, '"');
}

void json_key(Json *json, const char *key)
{
    assert(json->depth > 0 && json->kind[json->depth - 1] == 'o' && !json->after_key);
    if (!json->first[json->depth - 1])
        text_add_char(json->out, ',');
    json->first[json->depth - 1] = false;
    add_quoted(json->out, key);
    text_add_char(json->out, ':');
    json->after_key = true;
}

void json_add_string(Json *json, const char *value)
{
    before_value(json);
    if (value)
        add_quoted(json->out, value);
    else
        text_add(json->out, "null");
}

void json_add_int(Json *json, int64_t value)
{
    before_value(json);
    text_addf(json->out, "%" PRId64, value);
}

void json_add_double(Json *json, double value, int decimals)
{
    before_value(json);
    if (isfinite(value))
        text_addf(json->out, "%.*f", decimals, value);
    else
        text_add(json->out, "null"); /* JSON has no infinity */
}

void json_add_bool(Json *json, bool value)
{
    before_value(json);
    text_add(json->out, value ? "true" : "false");
}

void json_add_null(Json *json)
{
    before_value(json);
    text_add(json->out, "null");
}

void json_kv_string(Json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_add_string(json, value);
}

void json_kv_int(Json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_add_int(json, value);
}

void json_kv_double(Json *json, const char *key, double value, int decimals)
{
    json_key(json, key);
    json_add_double(json, value, decimals);
}

void json_kv_bool(Json *json, const char *key, bool value)
{
    json_key(json, key);
    json_add_bool(json, value);
}
