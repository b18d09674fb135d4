/*
 * drizzle.config.{ts,js,json}, read as text.
 *
 * The file is a program; running it would need Node.js and its packages. What
 * matters stands in nearly every one of them as `key: "text"`, so that is what
 * is looked for, with comments and strings understood. A key whose value is
 * anything else is reported as dynamic: then the owner is asked, not guessed.
 */
#include <ctype.h>
#include <string.h>

#include "migrations/internal.h"

enum {
    DEPTH_MAX = 64
};

typedef struct ConfigReader {
    Arena *arena;
    const char *at;
    const char *end;
    const char *keys[DEPTH_MAX]; /* of the objects that we are in; NULL: no key before the brace */
    int depth;
    DrizzleConfig *found;
} ConfigReader;

static bool at_text(const ConfigReader *r, const char *text)
{
    size_t len = strlen(text);

    return (size_t)(r->end - r->at) >= len && memcmp(r->at, text, len) == 0;
}

static void skip_space(ConfigReader *r)
{
    while (r->at < r->end) {
        if (isspace((unsigned char)*r->at)) {
            r->at++;
        } else if (at_text(r, "//")) {
            while (r->at < r->end && *r->at != '\n')
                r->at++;
        } else if (at_text(r, "/*")) {
            const char *stop = memmem(r->at + 2, (size_t)(r->end - r->at - 2), "*/", 2);
            r->at = stop ? stop + 2 : r->end;
        } else {
            return;
        }
    }
}

/* A string in any of the three quotes; NULL where it is empty or not plain: an escape, ${}, a
 * control character. The cursor ends behind it. */
static const char *read_string(ConfigReader *r)
{
    char mark = *r->at++;
    const char *start = r->at;
    bool plain = true;

    while (r->at < r->end && *r->at != mark) {
        if (*r->at == '\\' && r->at + 1 < r->end) {
            plain = false;
            r->at++;
        } else if (iscntrl((unsigned char)*r->at) || (mark == '`' && at_text(r, "${"))) {
            plain = false;
        }
        r->at++;
    }
    size_t len = (size_t)(r->at - start);
    if (r->at < r->end)
        r->at++;
    else
        plain = false; /* never closed */
    return plain && len > 0 && len <= 4000 ? arena_strndup(r->arena, start, len) : NULL;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static const char *read_name(ConfigReader *r)
{
    const char *start = r->at;

    while (r->at < r->end && is_name_char(*r->at))
        r->at++;
    return arena_strndup(r->arena, start, (size_t)(r->at - start));
}

/* Where the value of this key is to go; NULL: it does not concern us. */
static const char **field_of(ConfigReader *r, const char *key)
{
    const char *parent = r->depth > 0 ? r->keys[r->depth - 1] : NULL;
    bool in_migrations = parent && strcmp(parent, "migrations") == 0;

    if (strcmp(key, "out") == 0 && !in_migrations)
        return &r->found->out;
    if (strcmp(key, "table") == 0 && in_migrations)
        return &r->found->table;
    if (strcmp(key, "schema") == 0 && in_migrations)
        return &r->found->schema;
    return NULL;
}

/* Behind a key, where a colon is or is not. */
static void read_value(ConfigReader *r, const char *key)
{
    const char **field = field_of(r, key);
    const char *value = NULL;

    skip_space(r);
    bool colon = r->at < r->end && *r->at == ':';
    if (colon) {
        r->at++;
        skip_space(r);
    }
    if (colon && field && r->at < r->end && is_quote(*r->at)) {
        value = read_string(r);
        skip_space(r);
        /* "a" + b is no plain text either */
        if (r->at < r->end && *r->at != ',' && *r->at != '}')
            value = NULL;
    }
    if (field && (!value || (*field && strcmp(*field, value) != 0)))
        r->found->dynamic = key;
    else if (field)
        *field = value;

    if (colon && r->at < r->end && *r->at == '{' && r->depth < DEPTH_MAX) {
        r->keys[r->depth++] = key;
        r->at++;
    }
}

void drizzle_config_read(Arena *arena, const char *text, size_t len, DrizzleConfig *ret)
{
    DrizzleConfig found = {0};
    ConfigReader r = {.arena = arena, .at = text, .end = text + len, .found = &found};
    bool key_may_follow = false;

    while (skip_space(&r), r.at < r.end) {
        char c = *r.at;
        if (is_quote(c) || is_name_char(c)) {
            const char *key = is_quote(c) ? read_string(&r) : read_name(&r);
            if (key_may_follow && key) {
                read_value(&r, key);
                key_may_follow = r.at > text && r.at[-1] == '{';
            } else {
                key_may_follow = false;
            }
            continue;
        }
        if (c == '{' && r.depth < DEPTH_MAX)
            r.keys[r.depth++] = NULL;
        else if (c == '}' && r.depth > 0)
            r.depth--;
        key_may_follow = c == '{' || c == ',';
        r.at++;
    }
    *ret = found;
}
