#include "pg/url.h"

#include <libpq-fe.h>
#include <string.h>

#include "core/text.h"

enum {
    MAX_PARAMS = 64,
    MAX_TEXT = 8192
};

static bool is_secret(const char *keyword)
{
    return strcmp(keyword, "password") == 0 || strcmp(keyword, "sslpassword") == 0;
}

static bool is_url_part(const char *keyword)
{
    static const char *const parts[] = {"host", "port", "user", "password", "dbname"};

    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (strcmp(keyword, parts[i]) == 0)
            return true;
    return false;
}

static const char *url_value(const PgUrl *url, const char *keyword)
{
    for (size_t i = 0; url->keywords[i]; i++)
        if (strcmp(url->keywords[i], keyword) == 0)
            return url->values[i];
    return NULL;
}

static void add_encoded(Text *text, const char *value)
{
    for (; *value; value++) {
        bool plain = (*value >= 'a' && *value <= 'z') || (*value >= 'A' && *value <= 'Z') ||
                     (*value >= '0' && *value <= '9') || strchr("-._~/", *value);
        if (plain)
            text_add_char(text, *value);
        else
            text_addf(text, "%%%02X", (unsigned char)*value);
    }
}

static const char *make_redacted(Arena *arena, const PgUrl *url)
{
    Text text = text_init(arena, MAX_TEXT);
    char separator = '?';
    bool socket = url->host[0] == '/';

    text_add(&text, "postgresql://");
    if (*url->user || url_value(url, "password")) {
        add_encoded(&text, url->user);
        text_add(&text, url_value(url, "password") ? ":***@" : "@");
    }
    if (!socket)
        text_add(&text, url->host);
    if (*url->port)
        text_addf(&text, ":%s", url->port);
    text_add_char(&text, '/');
    add_encoded(&text, url->database);
    if (socket) {
        text_addf(&text, "%chost=%s", separator, url->host);
        separator = '&';
    }
    for (size_t i = 0; url->keywords[i]; i++) {
        if (is_url_part(url->keywords[i]))
            continue;
        text_addf(&text, "%c%s=", separator, url->keywords[i]);
        if (is_secret(url->keywords[i]))
            text_add(&text, "***");
        else
            add_encoded(&text, url->values[i]);
        separator = '&';
    }
    return text_str(&text);
}

static void fill_parts(Arena *arena, PgUrl *url)
{
    const char *host = url_value(url, "host");
    const char *address = url_value(url, "hostaddr");
    const char *port = url_value(url, "port");
    const char *user = url_value(url, "user");
    const char *database = url_value(url, "dbname");

    url->host = host ? host : address ? address : "";
    url->port = port ? port : "";
    url->user = user ? user : "";
    url->database = database ? database : "";
    url->redacted = make_redacted(arena, url);
}

/* libpq quotes the part of the text that it could not read, which may be the
 * password: its message is used only where it names a parameter. */
static bool fail_parse(const char *message, const char *what, Error *err)
{
    if (message && strstr(message, "query parameter"))
        (void)error_set(err, ERR_USAGE, "the %s's URL has a %.*s", what,
                        (int)strcspn(message, "\n"), message);
    else if (message && strstr(message, "percent-encoded"))
        (void)error_set(err, ERR_USAGE, "the %s's URL has a percent-encoding that is not one",
                        what);
    else
        (void)error_set(err, ERR_USAGE, "the %s's URL could not be read", what);
    return error_hint(err, "It should look like postgresql://user:password@host:5432/database; in "
                           "the password write @ as %%40, : as %%3A, / as %%2F and %% as %%25.");
}

static void take_options(Arena *arena, const PQconninfoOption *options, PgUrl *url)
{
    size_t count = 0;

    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (!o->val || count + 1 >= MAX_PARAMS)
            continue;
        url->keywords[count] = arena_strdup(arena, o->keyword);
        url->values[count] = arena_strdup(arena, o->val);
        count++;
    }
}

bool url_parse(Arena *arena, const char *text, const char *what, PgUrl *ret, Error *err)
{
    char *message = NULL;

    if (!text || !*text) {
        (void)error_set(err, ERR_USAGE, "no %s is given", what);
        return error_hint(err,
                          "Give --%s URL, set HOMEPORT_%s_URL, or write %s: into homeport.yaml.",
                          what, strcmp(what, "source") == 0 ? "SOURCE" : "TARGET", what);
    }
    /* Without this, a word such as "mydb" would be taken for nothing at all. */
    PQconninfoOption *options = PQconninfoParse(text, &message);
    if (!options) {
        (void)fail_parse(message, what, err);
        PQfreemem(message);
        return false;
    }

    PgUrl url = {
        .keywords = arena_array(arena, MAX_PARAMS, sizeof *url.keywords),
        .values = arena_array(arena, MAX_PARAMS, sizeof *url.values),
    };
    take_options(arena, options, &url);
    PQconninfoFree(options);
    fill_parts(arena, &url);
    *ret = url;
    return true;
}

PgUrl url_with_database(Arena *arena, const PgUrl *url, const char *database)
{
    PgUrl other = {
        .keywords = arena_array(arena, MAX_PARAMS, sizeof *other.keywords),
        .values = arena_array(arena, MAX_PARAMS, sizeof *other.values),
    };
    size_t count = 0;

    for (size_t i = 0; url->keywords[i]; i++) {
        if (strcmp(url->keywords[i], "dbname") == 0)
            continue;
        other.keywords[count] = url->keywords[i];
        other.values[count++] = url->values[i];
    }
    other.keywords[count] = "dbname";
    other.values[count] = arena_strdup(arena, database);
    fill_parts(arena, &other);
    return other;
}

static void add_conninfo(Text *text, const char *keyword, const char *value)
{
    text_addf(text, "%s%s='", text->len ? " " : "", keyword);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            text_add_char(text, '\\');
        text_add_char(text, *value);
    }
    text_add_char(text, '\'');
}

const char *url_for_program(Arena *arena, const PgUrl *url)
{
    Text text = text_init(arena, MAX_TEXT);

    for (size_t i = 0; url->keywords[i]; i++)
        if (!is_secret(url->keywords[i]))
            add_conninfo(&text, url->keywords[i], url->values[i]);
    return text_str(&text);
}

const char *url_password_env(Arena *arena, const PgUrl *url)
{
    const char *password = url_value(url, "password");

    return password ? arena_printf(arena, "PGPASSWORD=%s", password) : NULL;
}

/* Offset of "-pooler" at the end of the host's first label; -1 where there is none. */
static long pooler_at(const char *host)
{
    static const char suffix[] = "-pooler";
    size_t label = strcspn(host, ".");
    size_t len = sizeof suffix - 1;

    if (label <= len || host[label] != '.' || memcmp(host + label - len, suffix, len) != 0)
        return -1;
    return (long)(label - len);
}

bool url_is_neon_pooler(const PgUrl *url)
{
    return pooler_at(url->host) >= 0;
}

char *url_direct_host(Arena *arena, const PgUrl *url)
{
    long at = pooler_at(url->host);

    if (at < 0)
        return arena_strdup(arena, url->host);
    return arena_printf(arena, "%.*s%s", (int)at, url->host, url->host + at + strlen("-pooler"));
}
