#include "pg/url.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

enum {
    MAX_PARAMS = 64,
    MAX_URL = 8192,
    MAX_TEXT = 8 * MAX_URL, /* however much of it has to be escaped */
    LARGEST_PORT = 65535
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

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool consists_of(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == '\0';
}

/* `readable`: what needs no encoding in this place, and is better read without. */
static void add_encoded(Text *text, const char *value, const char *readable)
{
    for (; *value; value++)
        if (strchr(LETTERS DIGITS "-._~", *value) || strchr(readable, *value))
            text_add_char(text, *value);
        else
            text_addf(text, "%%%02X", (unsigned char)*value);
}

static void add_param(Text *text, const char *keyword, const char *value)
{
    text_addf(text, "%c%s=", strchr(text_str(text), '?') ? '&' : '?', keyword);
    if (is_secret(keyword))
        text_add(text, "***");
    else
        add_encoded(text, value, "/,");
}

/* One host with one port, in the place where people look for them. Several, and socket folders,
 * are told best as parameters. */
static bool add_address(Text *text, const char *host, const char *port)
{
    bool ipv6 = strchr(host, ':') && consists_of(host, DIGITS "abcdefABCDEF:.");

    if (!consists_of(port, DIGITS) || !(ipv6 || consists_of(host, LETTERS DIGITS "-._")))
        return false;
    text_addf(text, ipv6 ? "[%s]" : "%s", host);
    if (*port)
        text_addf(text, ":%s", port);
    return true;
}

static const char *make_redacted(Arena *arena, const PgUrl *url)
{
    Text text = text_init(arena, MAX_TEXT);
    const char *host = url_value(url, "host");
    const char *password = url_value(url, "password");

    text_add(&text, "postgresql://");
    if (*url->user || password) {
        add_encoded(&text, url->user, "");
        text_add(&text, password ? ":***@" : "@");
    }
    bool inside = add_address(&text, host ? host : "", url->port);
    text_add_char(&text, '/');
    add_encoded(&text, url->database, "/,");
    if (!inside && host)
        add_param(&text, "host", host);
    if (!inside && *url->port)
        add_param(&text, "port", url->port);
    for (size_t i = 0; url->keywords[i]; i++)
        if (!is_url_part(url->keywords[i]))
            add_param(&text, url->keywords[i], url->values[i]);
    assert(!text.overflowed);
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

static bool fail_url(Error *err)
{
    return error_hint(err, "It should look like postgresql://user:password@host:5432/database; in "
                           "the password write @ as %%40, : as %%3A, / as %%2F and %% as %%25.");
}

static bool names_parameter(const char *message)
{
    static const char *const beginnings[] = {
        "invalid URI query parameter:", "missing key/value separator \"=\" in URI query",
        "extra key/value separator \"=\" in URI query"};

    for (size_t i = 0; message && i < COUNT_OF(beginnings); i++)
        if (strncmp(message, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* libpq quotes the part of the text that it could not read, which may be of the
 * password: its message is used only where it names a parameter, and nothing
 * before that can have been one. */
static bool fail_parse(const char *text, const char *message, const char *what, Error *err)
{
    const char *query = strchr(text, '?');
    bool named =
        names_parameter(message) && query && !strchr(query, '@') && !strstr(query, "password");

    if (named)
        (void)error_set(err, ERR_USAGE, "the %s's URL has a%s %.*s", what,
                        strchr("aeiou", message[0]) ? "n" : "", (int)strcspn(message, "\n"),
                        message);
    else if (message && strstr(message, "percent-encoded"))
        (void)error_set(err, ERR_USAGE, "the %s's URL has a percent-encoding that is not one",
                        what);
    else
        (void)error_set(err, ERR_USAGE, "the %s's URL could not be read", what);
    return fail_url(err);
}

/* Nothing is wrong with the text then. */
static bool is_out_of_memory(const char *message)
{
    static const char beginning[] = "out of memory";

    return !message || strncmp(message, beginning, strlen(beginning)) == 0;
}

/* Where the parameters begin. Between brackets, where an IPv6 address should be, libpq takes a ?
 * for a part of the host. */
static const char *find_query(const char *at)
{
    for (; *at && *at != '?'; at++)
        if (*at == '[' && (at[-1] == '@' || at[-1] == ',') && strchr(at, ']'))
            at = strchr(at, ']');
    return at;
}

/* What ends user and password is the first @, unless a / comes before. Another one after it says
 * that a password was not encoded, and that pieces of it went into host or database. */
static bool has_stray_at(const char *text)
{
    const char *authority = strstr(text, "://");

    if (!authority || strncmp(text, "postgres", strlen("postgres")) != 0)
        return false;
    authority += strlen("://");
    const char *at = authority + strcspn(authority, "@/");
    const char *stray = *at ? strchr(at + 1, '@') : NULL;
    return stray && stray < find_query(at);
}

/* Or a comma-separated list of them, in which some may be empty. */
static bool is_port(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, ",");
        long port = len ? strtol(text, NULL, 10) : 1;
        if (strspn(text, DIGITS) != len || port < 1 || port > LARGEST_PORT)
            return false;
        text += len + (text[len] == ',');
    }
    return true;
}

/* To libpq an empty value is the same as none. For several hosts it makes up a list of ports, all
 * of them empty. */
static bool says_nothing(const PQconninfoOption *option)
{
    return !option->val || !*option->val ||
           (strcmp(option->keyword, "port") == 0 && consists_of(option->val, ","));
}

static void take_options(Arena *arena, const PQconninfoOption *options, PgUrl *url)
{
    size_t count = 0;

    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (says_nothing(o))
            continue;
        assert(count + 2 < MAX_PARAMS);
        url->keywords[count] = arena_strdup(arena, o->keyword);
        url->values[count] = arena_strdup(arena, o->val);
        count++;
    }
}

/* The words that libpq knows for them; it looks only when it connects, and does not say which there
 * are. */
static const struct {
    const char *keyword;
    const char *words[7];
} choices[] = {
    {"sslmode",              {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
    {"gssencmode",           {"disable", "prefer", "require"}                                     },
    {"channel_binding",      {"disable", "prefer", "require"}                                     },
    {"target_session_attrs",
     {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}                   },
};

/* What stands there is not repeated, as it may be the end of a password with a ? in it. */
static bool check_choices(Arena *arena, const PgUrl *url, const char *what, Error *err)
{
    for (size_t i = 0; i < COUNT_OF(choices); i++) {
        const char *value = url_value(url, choices[i].keyword);
        Text list = text_init(arena, MAX_TEXT);
        size_t count = 0;

        for (; choices[i].words[count]; count++)
            text_addf(&list, "%s%s", count ? ", " : "", choices[i].words[count]);
        if (!value || text_is_one_of(value, choices[i].words, count))
            continue;
        (void)error_set(err, ERR_USAGE, "the %s's URL has a word for %s that is none of its own",
                        what, choices[i].keyword);
        return error_hint(err, "%s is one of: %s.", choices[i].keyword, text_str(&list));
    }
    return true;
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
    if (strlen(text) > MAX_URL) {
        (void)error_set(err, ERR_USAGE, "the %s's URL is longer than %d bytes", what, MAX_URL);
        return fail_url(err);
    }
    /* Without this, a word such as "mydb" would be taken for nothing at all. */
    PQconninfoOption *options = PQconninfoParse(text, &message);
    if (!options && is_out_of_memory(message)) {
        PQfreemem(message);
        return error_set(err, ERR_IO, "out of memory");
    }
    if (!options || has_stray_at(text)) {
        (void)fail_parse(text, message, what, err);
        PQconninfoFree(options);
        PQfreemem(message);
        return false;
    }

    PgUrl url = {
        .keywords = arena_array(arena, MAX_PARAMS, sizeof *url.keywords),
        .values = arena_array(arena, MAX_PARAMS, sizeof *url.values),
    };
    take_options(arena, options, &url);
    PQconninfoFree(options);
    const char *port = url_value(&url, "port");
    if (port && !is_port(port)) {
        (void)error_set(err, ERR_USAGE, "the %s's URL has a port that is not a number from 1 to %d",
                        what, LARGEST_PORT);
        return fail_url(err);
    }
    const char *database = url_value(&url, "dbname");
    if (database && strstr(database, "://")) {
        (void)error_set(err, ERR_USAGE, "the %s's URL has another URL as its database", what);
        return fail_url(err);
    }
    if (!check_choices(arena, &url, what, err))
        return false;
    fill_parts(arena, &url);
    *ret = url;
    return true;
}

bool url_same_server(const PgUrl *a, const PgUrl *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

void url_set_encoding(PgUrl *url, const char *encoding)
{
    url->encoding = strcmp(encoding, "UTF8") == 0 ? NULL : encoding;
}

PgUrl url_with_database(Arena *arena, const PgUrl *url, const char *database)
{
    PgUrl other = {
        .keywords = arena_array(arena, MAX_PARAMS, sizeof *other.keywords),
        .values = arena_array(arena, MAX_PARAMS, sizeof *other.values),
        .encoding = url->encoding,
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
    assert(!text.overflowed);
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
