/*
 * Writes JSON as it goes: commas and quoting are the writer's, nesting is the
 * caller's and is asserted. Reading is jansson's.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "core/text.h"

enum {
    JSON_MAX_DEPTH = 32
};

typedef struct Json {
    Text *out;
    int depth;
    bool first[JSON_MAX_DEPTH];
    char kind[JSON_MAX_DEPTH]; /* 'o' or 'a' */
    bool after_key;
} Json;

Json json_init(Text *out);
void json_open_object(Json *json);
void json_open_array(Json *json);
void json_close(Json *json);
void json_key(Json *json, const char *key);
void json_add_string(Json *json,
                     const char *value); /* NULL writes null; invalid UTF-8 becomes U+FFFD */
void json_add_int(Json *json, int64_t value);
void json_add_double(Json *json, double value, int decimals);
void json_add_bool(Json *json, bool value);
void json_add_null(Json *json);

/* key and value in one. */
void json_kv_string(Json *json, const char *key, const char *value);
void json_kv_int(Json *json, const char *key, int64_t value);
void json_kv_double(Json *json, const char *key, double value, int decimals);
void json_kv_bool(Json *json, const char *key, bool value);
