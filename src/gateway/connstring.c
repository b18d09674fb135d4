#include "gateway/connstring.h"

#include <string.h>
#include <strings.h>

#include "core/text.h"

enum {
    MAX_PART = 1024
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    while (*p) {
        int more = *p < 0x80                  ? 0
                   : *p >= 0xc2 && *p <= 0xdf ? 1
                   : (*p & 0xf0) == 0xe0      ? 2
                   : *p >= 0xf0 && *p <= 0xf4 ? 3
                                              : -1;
        if (more < 0)
            return false;
        for (p++; more > 0; more--, p++)
            if ((*p & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* NULL where an escape is none, or stands for what PostgreSQL cannot take. */
static const char *percent_decode(Arena *arena, const char *text, size_t len)
{
    char *out = arena_alloc(arena, len + 1);
    char *to = out;

    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            *to++ = text[i];
            continue;
        }
        int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return NULL;
        *to++ = (char)(high * 16 + low);
        i += 2;
    }
    *to = '\0';
    return is_utf8(out) ? out : NULL;
}

/* An IP address is no name of an endpoint; Neon refuses it in these words, too. */
static bool is_address(const char *host)
{
    return *host == '[' || host[strspn(host, "0123456789.")] == '\0';
}

static bool fail(Error *err, const char *message)
{
    return error_set(err, ERR_FORMAT, "%s", message);
}

typedef struct Part {
    const char *at;
    size_t len;
} Part;

static bool decode(Arena *arena, Part part, const char *what, const char **ret, Error *err)
{
    *ret = part.len <= MAX_PART ? percent_decode(arena, part.at, part.len) : NULL;
    if (*ret)
        return true;
    (void)error_set(err, ERR_FORMAT, "invalid connection string: invalid %s", what);
    return false;
}

bool connstring_parse(Arena *arena, const char *text, ConnString *ret, Error *err)
{
    ConnString out = {0};
    const char *rest = strstr(text, "://");

    if (!rest)
        return fail(err, "invalid connection string: relative URL without a base");
    size_t scheme = (size_t)(rest - text);
    if (!(scheme == 8 && strncasecmp(text, "postgres", 8) == 0) &&
        !(scheme == 10 && strncasecmp(text, "postgresql", 10) == 0))
        return fail(err, "invalid connection string: incorrect scheme");
    rest += 3;
    size_t authority = strcspn(rest, "/?#");
    Part login = {rest, 0};
    Part host = {rest, authority};
    for (size_t i = 0; i < authority; i++)
        if (rest[i] == '@') {
            login.len = i;
            host = (Part){rest + i + 1, authority - i - 1};
        }
    rest += authority;
    Part path = {rest, *rest == '/' ? strcspn(rest + 1, "/?#") : 0};
    if (*rest == '/')
        path.at++;
    const char *colon = memchr(login.at, ':', login.len);
    Part user = {login.at, colon ? (size_t)(colon - login.at) : login.len};
    Part password = {colon ? colon + 1 : "", colon ? login.len - user.len - 1 : 0};
    if (host.len > 0 && *host.at != '[') {
        const char *port = memchr(host.at, ':', host.len);
        if (port)
            host.len = (size_t)(port - host.at);
    }
    if (!decode(arena, path, "database name", &out.database, err) ||
        !decode(arena, user, "username", &out.user, err) ||
        !decode(arena, password, "password", &out.password, err) ||
        !decode(arena, host, "host", &out.host, err))
        return false;
    out.password = password_clean(out.password);
    if (!*out.database)
        return fail(err, "invalid connection string: missing database name");
    if (!*out.user)
        return fail(err, "invalid connection string: missing username");
    if (!*out.password)
        return fail(err, "missing authentication credentials: required password");
    if (!*out.host || is_address(out.host))
        return fail(err, "invalid connection string: missing hostname");
    *ret = out;
    return true;
}

const char *password_clean(const char *password)
{
    static const char prefix[] = "endpoint=";

    if (strncmp(password, prefix, sizeof prefix - 1) != 0)
        return password;
    const char *end = strpbrk(password, ";$");
    return end ? end + 1 : password;
}

/* ---- options ---- */

/* The next item: up to a space that no backslash stands before. */
static size_t item_len(const char *text)
{
    size_t len = 0;

    while (text[len] && !strchr(" \t\n\r\f\v", text[len]))
        len += text[len] == '\\' && text[len + 1] ? 2 : 1;
    return len;
}

static bool is_neons(const char *item, size_t len)
{
    if (strncmp(item, "endpoint=", 9) == 0 || strncmp(item, "project=", 8) == 0)
        return true;
    return strncmp(item, "neon_", 5) == 0 && memchr(item, ':', len);
}

const char *options_clean(Arena *arena, const char *options)
{
    Text out = text_init(arena, strlen(options) + 1);

    for (const char *at = options; *at;) {
        at += strspn(at, " \t\n\r\f\v");
        size_t len = item_len(at);
        if (len > 0 && !is_neons(at, len)) {
            if (out.len)
                text_add_char(&out, ' ');
            text_add_n(&out, at, len);
        }
        at += len;
    }
    return out.len ? text_str(&out) : NULL;
}
