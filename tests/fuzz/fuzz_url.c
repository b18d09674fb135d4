/*
 * A connection text. Whatever the bytes: a refusal is ERR_USAGE with words, a
 * success can be shown, given again and handed to programs. And nothing of
 * that, nor an error, holds a password: neither as it was understood, nor the
 * pieces of one that was written into a URL unencoded.
 */
#include <assert.h>
#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pg/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MAX_TEXT = 8192 /* longer texts are refused */
};

static bool is_secret(const char *keyword)
{
    return strcmp(keyword, "password") == 0 || strcmp(keyword, "sslpassword") == 0;
}

static size_t count_of(const PgUrl *url)
{
    size_t count = 0;

    while (url->keywords[count])
        count++;
    return count;
}

/* The same with other passwords: nothing that is shown may tell the two apart. */
static void check_secrets_do_not_show(Arena *arena, const PgUrl *url)
{
    PgUrl other = *url;
    size_t count = count_of(url);

    other.values = arena_array(arena, count + 1, sizeof *other.values);
    for (size_t i = 0; i < count; i++)
        other.values[i] = is_secret(url->keywords[i]) ? "another one" : url->values[i];
    assert(strcmp(url_with_database(arena, url, "x").redacted,
                  url_with_database(arena, &other, "x").redacted) == 0);
    assert(strcmp(url_for_program(arena, url), url_for_program(arena, &other)) == 0);
    assert(!url_password_env(arena, url) == !url_password_env(arena, &other));
}

/* What programs are given says to libpq all but the passwords. */
static void check_program(Arena *arena, const PgUrl *url)
{
    PQconninfoOption *options = PQconninfoParse(url_for_program(arena, url), NULL);

    assert(options);
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        const char *expected = NULL;
        for (size_t i = 0; url->keywords[i]; i++)
            if (strcmp(url->keywords[i], o->keyword) == 0 && !is_secret(o->keyword))
                expected = url->values[i];
        assert(expected ? o->val && strcmp(o->val, expected) == 0 : !o->val);
    }
    PQconninfoFree(options);
}

static void check_shown(Arena *arena, const PgUrl *url)
{
    PgUrl again = {0};
    Error err = ERROR_INIT;

    if (strlen(url->redacted) > MAX_TEXT)
        return;
    if (!url_parse(arena, url->redacted, "target", &again, &err))
        abort();
    assert(strcmp(again.redacted, url->redacted) == 0);
    assert(strcmp(again.host, url->host) == 0 && strcmp(again.port, url->port) == 0);
    assert(strcmp(again.user, url->user) == 0 && strcmp(again.database, url->database) == 0);
    assert(count_of(&again) == count_of(url));
}

static void check_hosts(Arena *arena, const PgUrl *url)
{
    const char *direct = url_direct_host(arena, url);
    size_t removed = strlen(url->host) - strlen(direct);

    assert(removed == (url_is_neon_pooler(url) ? strlen("-pooler") : 0));
    PgUrl other = url_with_database(arena, url, "another/one");
    assert(strcmp(other.database, "another/one") == 0);
    assert(strcmp(other.host, url->host) == 0 && strcmp(other.user, url->user) == 0);
}

static void check_any_text(Arena *arena, const char *text)
{
    Error err = ERROR_INIT;
    PgUrl url = {0};

    if (!url_parse(arena, text, "source", &url, &err)) {
        assert(err.code == ERR_USAGE && *err.message && *err.hint);
        assert(!url.keywords);
        return;
    }
    assert(err.code == ERR_NONE);
    check_secrets_do_not_show(arena, &url);
    check_program(arena, &url);
    check_shown(arena, &url);
    check_hosts(arena, &url);
}

static const char secret[] = "S3cr3t";

/* Somebody's password with any characters around, not encoded. A parameter inside, "5432/x?host=",
 * makes another URL of it that nobody can tell from a meant one. */
static void check_unencoded(Arena *arena, const char *before, const char *after)
{
    const char *text = arena_printf(arena, "postgresql://app:%s%s%s@db.example/shop?sslmode=prefer",
                                    before, secret, after);
    const char *slash = strchr(before, '/');
    Error err = ERROR_INIT;
    PgUrl url = {0};

    if (slash && strchr(slash, '?'))
        return;
    if (!url_parse(arena, text, "source", &url, &err)) {
        assert(!strstr(err.message, secret) && !strstr(err.hint, secret));
        return;
    }
    assert(!strstr(url.redacted, secret));
    assert(!strstr(url_for_program(arena, &url), secret));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena Arena *arena = arena_new();
    const char *text = arena_strndup(arena, (const char *)data, size);
    size_t half = strlen(text) / 2;

    check_any_text(arena, text);
    check_unencoded(arena, arena_strndup(arena, text, half), text + half);
    return 0;
}
