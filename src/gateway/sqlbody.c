/*
 * jansson reads the JSON, and takes some 60 bytes of memory for each value: a
 * body of 64 MiB that holds nothing but commas would become 2 GB. So values
 * are counted first; real requests hold a few per row at most.
 */
#include "gateway/sqlbody.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/bytes.h"

enum {
    MAX_VALUES = 1000 * 1000,
    MAX_PARAMS = 65535,
    MAX_QUERIES = 10000,
    MAX_DEPTH = 64,
    PLAIN_BYTES = 16 * 1024, /* what is read in vain costs little */
    PLAIN_PARAMS = 64
};

static void json_cleanup(json_t **value)
{
    json_decref(*value);
}

static bool fail(Error *err, const char *why)
{
    return error_set(err, ERR_FORMAT, "could not parse the HTTP request body: %s", why);
}

static bool has_too_many_values(const char *data, size_t len)
{
    size_t count = 0;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        char c = data[i];
        if (quoted)
            i += c == '\\';
        else
            count += c == ',' || c == '[' || c == '{';
        if (c == '"')
            quoted = !quoted;
    }
    return count > MAX_VALUES;
}

/* ---- values as PostgreSQL's text ---- */

/* The shortest decimal that reads back as the same number. */
static void add_real(Bytes *out, double value)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    bytes_add_text(out, text);
    if (!strpbrk(text, ".e"))
        bytes_add_text(out, ".0");
}

static void add_quoted(Bytes *out, const char *text, size_t len)
{
    bytes_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            bytes_add_char(out, '\\');
            bytes_add_char(out, (char)c);
        } else if (c == '\n') {
            bytes_add_text(out, "\\n");
        } else if (c == '\r') {
            bytes_add_text(out, "\\r");
        } else if (c == '\t') {
            bytes_add_text(out, "\\t");
        } else if (c < 0x20) {
            bytes_addf(out, "\\u%04x", c);
        } else {
            bytes_add_char(out, (char)c);
        }
    }
    bytes_add_char(out, '"');
}

static bool add_json(Bytes *out, json_t *value, int depth);

static bool add_members(Bytes *out, json_t *value, int depth)
{
    const char *key;
    json_t *member;
    bool first = true;

    bytes_add_char(out, '{');
    for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at)) {
        key = json_object_iter_key(at);
        member = json_object_iter_value(at);
        if (!first)
            bytes_add_char(out, ',');
        first = false;
        add_quoted(out, key, strlen(key));
        bytes_add_char(out, ':');
        if (!add_json(out, member, depth + 1))
            return false;
    }
    bytes_add_char(out, '}');
    return true;
}

static bool add_json(Bytes *out, json_t *value, int depth)
{
    if (depth > MAX_DEPTH)
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return add_members(out, value, depth);
    case JSON_ARRAY:
        bytes_add_char(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i > 0)
                bytes_add_char(out, ',');
            if (!add_json(out, json_array_get(value, i), depth + 1))
                return false;
        }
        bytes_add_char(out, ']');
        return true;
    case JSON_STRING:
        add_quoted(out, json_string_value(value), json_string_length(value));
        return true;
    case JSON_INTEGER:
        bytes_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return true;
    case JSON_REAL:
        add_real(out, json_real_value(value));
        return true;
    case JSON_TRUE:
        bytes_add_text(out, "true");
        return true;
    case JSON_FALSE:
        bytes_add_text(out, "false");
        return true;
    case JSON_NULL:
        bytes_add_text(out, "null");
        return true;
    }
    return false;
}

/* A JSON array is an array of PostgreSQL: strings quoted, objects as quoted JSON texts. */
static bool add_array(Bytes *out, json_t *array, int depth)
{
    if (depth > MAX_DEPTH)
        return false;
    bytes_add_char(out, '{');
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_t *value = json_array_get(array, i);
        if (i > 0)
            bytes_add_char(out, ',');
        if (json_is_array(value)) {
            if (!add_array(out, value, depth + 1))
                return false;
        } else if (json_is_null(value)) {
            bytes_add_text(out, "NULL");
        } else if (json_is_object(value)) {
            Bytes inner = bytes_init(SIZE_MAX);
            bool fine = add_json(&inner, value, depth + 1);
            add_quoted(out, bytes_data(&inner), bytes_len(&inner));
            bytes_free(&inner);
            if (!fine)
                return false;
        } else if (!add_json(out, value, depth + 1)) {
            return false;
        }
    }
    bytes_add_char(out, '}');
    return true;
}

static bool param_text(Arena *arena, json_t *value, const char **ret)
{
    if (json_is_null(value)) {
        *ret = NULL;
        return true;
    }
    if (json_is_string(value)) {
        *ret = arena_strndup(arena, json_string_value(value), json_string_length(value));
        return true;
    }
    Bytes out = bytes_init(SIZE_MAX);
    bool fine = json_is_array(value) ? add_array(&out, value, 0) : add_json(&out, value, 0);
    *ret = arena_strndup(arena, bytes_data(&out), bytes_len(&out));
    bytes_free(&out);
    return fine;
}

/* ---- queries ---- */

static bool query_read(Arena *arena, const json_t *object, SqlQuery *ret, Error *err)
{
    const json_t *text = json_object_get(object, "query");
    const json_t *params = json_object_get(object, "params");
    const json_t *mode = json_object_get(object, "arrayMode");

    if (!json_is_object(object) || !text)
        return fail(err, "missing field `query`");
    if (!json_is_string(text))
        return fail(err, "invalid type: expected a string as `query`");
    if (params && !json_is_array(params))
        return fail(err, "invalid type: expected an array as `params`");
    if (mode && !json_is_boolean(mode) && !json_is_null(mode))
        return fail(err, "invalid type: expected a boolean as `arrayMode`");
    if (json_array_size(params) > MAX_PARAMS)
        return fail(err, "too many parameters");
    *ret = (SqlQuery){
        .text = arena_strndup(arena, json_string_value(text), json_string_length(text)),
        .param_count = (int)json_array_size(params),
        .array_mode = json_is_true(mode)    ? ARRAY_MODE_ON
                      : json_is_false(mode) ? ARRAY_MODE_OFF
                                            : ARRAY_MODE_UNSAID,
    };
    ret->params = arena_array(arena, (size_t)ret->param_count, sizeof *ret->params);
    for (int i = 0; i < ret->param_count; i++)
        if (!param_text(arena, json_array_get(params, (size_t)i), &ret->params[i]))
            return fail(err, "recursion limit exceeded");
    return true;
}

/* ---- what nearly all requests are ---- */

typedef struct Plain {
    Arena *arena;
    const char *at;
    const char *end;
} Plain;

static bool plain_ends(Plain *in)
{
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t'))
        in->at++;
    return in->at == in->end;
}

static bool plain_take(Plain *in, char c)
{
    if (plain_ends(in) || *in->at != c)
        return false;
    in->at++;
    return true;
}

/* Printable ASCII and the escapes of one letter. */
static bool plain_string(Plain *in, const char **ret)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";

    if (!plain_take(in, '"'))
        return false;
    const char *close = memchr(in->at, '"', (size_t)(in->end - in->at));
    while (close && close[-1] == '\\')
        close = memchr(close + 1, '"', (size_t)(in->end - close - 1));
    if (!close)
        return false;
    char *out = arena_alloc(in->arena, (size_t)(close - in->at) + 1);
    *ret = out;
    for (; in->at < close; in->at++) {
        /* A quote: the backslash before it was itself escaped, so that `close` is another's. */
        if (*in->at < 0x20 || *in->at > 0x7e || *in->at == '"')
            return false;
        if (*in->at != '\\') {
            *out++ = *in->at;
            continue;
        }
        const char *letter = memchr(letters, *++in->at, sizeof letters - 1);
        if (!letter)
            return false;
        *out++ = meanings[letter - letters];
    }
    in->at++;
    return true;
}

static bool plain_param(Plain *in, const char **ret)
{
    *ret = NULL;
    if (!plain_ends(in) && in->end - in->at >= 4 && memcmp(in->at, "null", 4) == 0) {
        in->at += 4;
        return true;
    }
    return plain_string(in, ret);
}

static bool plain_params(Plain *in, SqlQuery *query)
{
    const char *params[PLAIN_PARAMS];
    int count = 0;

    if (!plain_take(in, '['))
        return false;
    if (!plain_take(in, ']')) {
        do {
            if (count == PLAIN_PARAMS || !plain_param(in, &params[count++]))
                return false;
        } while (plain_take(in, ','));
        if (!plain_take(in, ']'))
            return false;
    }
    query->params = arena_array(in->arena, (size_t)count, sizeof *query->params);
    memcpy(query->params, params, (size_t)count * sizeof params[0]);
    query->param_count = count;
    return true;
}

/* {"query":"...","params":["..."]}. False: it is something else, or nothing; jansson knows. */
static bool read_plain(Arena *arena, const char *data, size_t len, SqlQuery *ret)
{
    Plain in = {arena, data, data + len};
    SqlQuery query = {0};
    const char *key;

    if (len > PLAIN_BYTES || !plain_take(&in, '{') || !plain_string(&in, &key) ||
        strcmp(key, "query") != 0 || !plain_take(&in, ':') || !plain_string(&in, &query.text))
        return false;
    if (plain_take(&in, ',') && (!plain_string(&in, &key) || strcmp(key, "params") != 0 ||
                                 !plain_take(&in, ':') || !plain_params(&in, &query)))
        return false;
    if (!plain_take(&in, '}') || !plain_ends(&in))
        return false;
    *ret = query;
    return true;
}

static bool names_timeout(const SqlQuery *query)
{
    static const char name[] = "statement_timeout";

    for (int i = 0; i < query->param_count; i++)
        if (query->params[i] && strcasecmp(query->params[i], name) == 0)
            return true;
    return strcasestr(query->text, name);
}

bool sqlbody_parse(Arena *arena, const char *data, size_t len, SqlBody *ret, Error *err)
{
    json_error_t problem;
    SqlBody body = {.count = 1};
    SqlQuery plain;

    if (read_plain(arena, data, len, &plain)) {
        body.queries = arena_alloc(arena, sizeof plain);
        *body.queries = plain;
        body.hurries = names_timeout(&plain);
        *ret = body;
        return true;
    }
    if (has_too_many_values(data, len))
        return fail(err, "too many values");
    CLEANUP(json_cleanup) json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &problem);
    if (!root)
        return error_set(err, ERR_FORMAT,
                         "could not parse the HTTP request body: %s at line %d column %d",
                         problem.text, problem.line, problem.column);
    const json_t *queries = json_object_get(root, "queries");
    if (queries) {
        if (!json_is_array(queries))
            return fail(err, "invalid type: expected an array as `queries`");
        if (json_array_size(queries) > MAX_QUERIES)
            return fail(err, "too many queries");
        body.batch = true;
        body.count = (int)json_array_size(queries);
    }
    body.queries = arena_array(arena, (size_t)body.count, sizeof *body.queries);
    for (int i = 0; i < body.count; i++)
        if (!query_read(arena, queries ? json_array_get(queries, (size_t)i) : root,
                        &body.queries[i], err))
            return false;
    for (int i = 0; i < body.count; i++)
        body.hurries = body.hurries || names_timeout(&body.queries[i]);
    *ret = body;
    return true;
}

bool statement_goes_alone(const char *sql)
{
    static const char *const words[] = {"commit", "end",       "rollback", "abort",   "begin",
                                        "start",  "savepoint", "release",  "prepare", "copy"};

    for (;;) {
        sql += strspn(sql, " \t\r\n\f\v;");
        if (sql[0] == '-' && sql[1] == '-') {
            sql += strcspn(sql, "\n");
        } else if (sql[0] == '/' && sql[1] == '*') {
            int depth = 1;
            for (sql += 2; *sql && depth > 0; sql++) {
                if (sql[0] == '/' && sql[1] == '*')
                    depth++, sql++;
                else if (sql[0] == '*' && sql[1] == '/')
                    depth--, sql++;
            }
        } else {
            break;
        }
    }
    size_t len = 0;
    while (isalpha((unsigned char)sql[len]))
        len++;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (len == strlen(words[i]) && strncasecmp(sql, words[i], len) == 0)
            return true;
    return false;
}
