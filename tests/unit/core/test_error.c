#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/error.h"

static char long_text[2000];

static int make_long_text(void **state)
{
    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    return 0;
}

static bool ends_in_dots(const char *text)
{
    size_t len = strlen(text);

    return len > 4 && strcmp(text + len - 3, "...") == 0 && text[len - 4] != '.';
}

static void setting_an_error_forgets_the_one_before(void **state)
{
    (void)state;
    Error err = {.code = ERR_SQL, .sys_errno = 5, .sqlstate = "42P01", .hint = "Old."};

    assert_false(error_set(&err, ERR_USAGE, "no %s given", "source"));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.message, "no source given");
    assert_string_equal(err.hint, "");
    assert_string_equal(err.sqlstate, "");
    assert_int_equal(err.sys_errno, 0);
}

static void a_system_calls_failure_says_why(void **state)
{
    (void)state;
    Error err = ERROR_INIT;

    errno = ENOSPC;
    assert_false(error_set_errno(&err, "write \"%s\"", "f"));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_string_equal(err.message, "write \"f\": No space left on device");

    errno = ENOENT;
    (void)error_set_errno(&err, "open \"%s\"", long_text);
    assert_non_null(strstr(err.message, "...: No such file or directory"));
}

static void context_goes_before_and_changes_nothing_else(void **state)
{
    (void)state;
    Error err = ERROR_INIT;

    (void)error_set(&err, ERR_SQL, "no");
    (void)error_hint(&err, "Do this.");
    assert_false(error_add_context(&err, "copy %s", "orders"));
    assert_false(error_add_context(&err, "move"));
    assert_string_equal(err.message, "move: copy orders: no");
    assert_string_equal(err.hint, "Do this.");
    assert_int_equal(err.code, ERR_SQL);
}

static void a_hint_replaces_the_one_that_is_there(void **state)
{
    (void)state;
    Error err = ERROR_INIT;

    (void)error_set(&err, ERR_SQL, "no");
    assert_false(error_hint(&err, "First."));
    assert_false(error_hint(&err, "Second, with %d%%.", 50));
    assert_string_equal(err.hint, "Second, with 50%.");
    assert_string_equal(err.message, "no");
}

static void what_is_cut_off_ends_in_dots(void **state)
{
    (void)state;
    Error err = ERROR_INIT;

    (void)error_set(&err, ERR_SQL, "%.*s", (int)sizeof err.message - 1, long_text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1); /* just fits */
    assert_false(ends_in_dots(err.message));

    (void)error_set(&err, ERR_SQL, "%.*s", (int)sizeof err.message, long_text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_true(ends_in_dots(err.message));

    (void)error_hint(&err, "%s", long_text);
    assert_int_equal(strlen(err.hint), sizeof err.hint - 1);
    assert_true(ends_in_dots(err.hint));

    (void)error_set(&err, ERR_SQL, "%.500s", long_text);
    (void)error_add_context(&err, "copy a table");
    assert_int_equal(strncmp(err.message, "copy a table: xxx", 17), 0);
    assert_true(ends_in_dots(err.message));

    /* However long the context, what failed is still there. */
    (void)error_set(&err, ERR_SQL, "division by zero");
    (void)error_add_context(&err, "%s", long_text);
    assert_non_null(strstr(err.message, "...: division by zero"));
}

static void nothing_is_cut_within_a_character(void **state)
{
    (void)state;

    /* A character of three bytes, at every offset from the place of the cut. */
    for (int shift = 0; shift < 6; shift++) {
        char text[600] = {0};
        Error err = ERROR_INIT;

        memset(text, 'x', (size_t)shift);
        while (strlen(text) + 3 < sizeof text)
            memcpy(text + strlen(text), "\xE2\x82\xAC", 3);
        (void)error_set(&err, ERR_SQL, "%s", text);
        size_t len = strlen(err.message);
        assert_string_equal(err.message + len - 3, "...");
        assert_int_equal((len - 3 - (size_t)shift) % 3, 0);
        assert_true(len + 3 > sizeof err.message - 1);
        assert_memory_equal(err.message, text, len - 3);
    }
}

static void exit_status_and_name_follow_from_the_code(void **state)
{
    (void)state;
    static const struct {
        ErrorCode code;
        int status;
        const char *name;
    } cases[] = {
        {ERR_NONE,        0, "none"     },
        {ERR_USAGE,       2, "usage"    },
        {ERR_FOUND,       3, "found"    },
        {ERR_IO,          1, "io"       },
        {ERR_CONNECT,     1, "connect"  },
        {ERR_SQL,         1, "sql"      },
        {ERR_WRONG_STATE, 1, "state"    },
        {ERR_SNAPSHOT,    1, "snapshot" },
        {ERR_PROGRAM,     1, "program"  },
        {ERR_FORMAT,      1, "format"   },
        {ERR_CANCELLED,   1, "cancelled"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Error err = {.code = cases[i].code};
        assert_int_equal(error_exit_status(&err), cases[i].status);
        assert_string_equal(error_code_name(cases[i].code), cases[i].name);
    }
    assert_int_equal(COUNT_OF(cases), ERR_CANCELLED + 1); /* every code is judged */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_an_error_forgets_the_one_before),
        cmocka_unit_test(a_system_calls_failure_says_why),
        cmocka_unit_test(context_goes_before_and_changes_nothing_else),
        cmocka_unit_test(a_hint_replaces_the_one_that_is_there),
        cmocka_unit_test(what_is_cut_off_ends_in_dots),
        cmocka_unit_test(nothing_is_cut_within_a_character),
        cmocka_unit_test(exit_status_and_name_follow_from_the_code),
    };

    return cmocka_run_group_tests(tests, make_long_text, NULL);
}
