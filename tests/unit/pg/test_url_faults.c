/* What libpq makes of a text when it finds no memory is no fault of the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <string.h>

#include "pg/url.h"

static bool fails;
static const char *why; /* NULL: not even memory to say it */

PQconninfoOption *__real_PQconninfoParse(const char *text, char **message);
PQconninfoOption *__wrap_PQconninfoParse(const char *text, char **message);
PQconninfoOption *__wrap_PQconninfoParse(const char *text, char **message)
{
    if (!fails)
        return __real_PQconninfoParse(text, message);
    *message = why ? strdup(why) : NULL;
    return NULL;
}

static const char address[] = "postgresql://app:S3cr3t@db.example/shop";

static void check_failing(const char *reason, ErrorCode code, const char *message)
{
    auto_arena Arena *arena = arena_new();
    PgUrl url = {.user = "untouched"};
    Error err = ERROR_INIT;

    fails = true;
    why = reason;
    assert_false(url_parse(arena, address, "source", &url, &err));
    assert_int_equal(err.code, code);
    assert_string_equal(err.message, message);
    /* Only a text that is wrong is to be mended. */
    assert_int_equal(*err.hint != '\0', code == ERR_USAGE);
    assert_null(strstr(err.hint, "S3cr3t"));
    assert_string_equal(url.user, "untouched");

    fails = false;
    assert_true(url_parse(arena, address, "source", &url, &err));
    assert_string_equal(url.user, "app");
}

static void without_memory_the_text_is_not_called_wrong(void **state)
{
    (void)state;
    check_failing(NULL, ERR_IO, "out of memory");
    check_failing("out of memory\n", ERR_IO, "out of memory");
}

static void what_libpq_quotes_is_not_shown(void **state)
{
    (void)state;
    check_failing("invalid connection option \"S3cr3t\"\n", ERR_USAGE,
                  "the source's URL could not be read");
    check_failing("missing \"=\" after \"out of memory S3cr3t\"\n", ERR_USAGE,
                  "the source's URL could not be read");
    check_failing("invalid URI query parameter: \"S3cr3t\"\n", ERR_USAGE,
                  "the source's URL could not be read"); /* there is no query in this one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_the_text_is_not_called_wrong),
        cmocka_unit_test(what_libpq_quotes_is_not_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
