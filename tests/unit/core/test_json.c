#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <iconv.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>

#include "core/json.h"
#include "tests/unit/folder.h"

static void containers_nest_and_commas_are_the_writers(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 1000);
    Json json = json_init(&text);

    json_open_object(&json);
    json_kv_string(&json, "a", "x");
    json_kv_int(&json, "b", -7);
    json_key(&json, "c");
    json_open_array(&json);
    json_add_int(&json, 1);
    json_open_object(&json);
    json_close(&json);
    json_open_array(&json);
    json_close(&json);
    json_add_bool(&json, true);
    json_add_null(&json);
    json_close(&json);
    json_kv_bool(&json, "d", false);
    json_kv_string(&json, "e", NULL);
    json_kv_double(&json, "f", 1.25, 1);
    json_close(&json);
    assert_string_equal(text_str(&text), "{\"a\":\"x\",\"b\":-7,\"c\":[1,{},[],true,null],"
                                         "\"d\":false,\"e\":null,\"f\":1.2}");
}

static void a_value_alone_is_a_document(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 100);
    Json json = json_init(&text);

    json_add_string(&json, "alone");
    assert_string_equal(text_str(&text), "\"alone\"");
}

static void strings_are_escaped_and_always_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *text;
    } cases[] = {
        {"",                             "\"\""                            },
        {"a\"b\\c/d",                    "\"a\\\"b\\\\c/d\""               },
        {"\b\f\n\r\t",                   "\"\\b\\f\\n\\r\\t\""             },
        {"\x01\x1f\x7f",                 "\"\\u0001\\u001f\x7f\""          },
        {"caf\xC3\xA9 \xF0\x9F\x98\x80", "\"caf\xC3\xA9 \xF0\x9F\x98\x80\""},
        {"\xC3",                         "\"\\ufffd\""                     }, /* cut off */
        {"\xE2\x82",                     "\"\\ufffd\\ufffd\""              },
        {"\xE2\x82x",                    "\"\\ufffd\\ufffdx\""             },
        {"\xFFz",                        "\"\\ufffdz\""                    },
        {"\x80",                         "\"\\ufffd\""                     },
        {"\xC0\xAF",                     "\"\\ufffd\\ufffd\""              }, /* overlong */
        {"\xE0\x9F\xBF",                 "\"\\ufffd\\ufffd\\ufffd\""       },
        {"\xF0\x8F\xBF\xBF",             "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        {"\xED\xA0\x80",                 "\"\\ufffd\\ufffd\\ufffd\""       }, /* a surrogate */
        {"\xF4\x90\x80\x80",             "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        {"\xED\x9F\xBF\xEE\x80\x80",     "\"\xED\x9F\xBF\xEE\x80\x80\""    }, /* its edges */
        {"\xE0\xA0\x80\xF4\x8F\xBF\xBF", "\"\xE0\xA0\x80\xF4\x8F\xBF\xBF\""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Text text = text_init(arena, 200);
        Json json = json_init(&text);

        json_add_string(&json, cases[i].value);
        assert_string_equal(text_str(&text), cases[i].text);
    }
}

/* By others' implementations: SQLite's of JSON, the C library's of UTF-8. */
static bool is_document_of_one_pair(sqlite3_stmt *judge, const char *text, size_t len)
{
    (void)sqlite3_reset(judge);
    (void)sqlite3_bind_text(judge, 1, text, (int)len, SQLITE_STATIC);
    return sqlite3_step(judge) == SQLITE_ROW && sqlite3_column_int(judge, 0) == 1;
}

static bool is_utf8(const char *text, size_t len)
{
    char copy[200];
    char wide[1000];
    char *from = copy;
    char *to = wide;
    size_t room = sizeof wide;
    iconv_t conversion = iconv_open("UTF-32", "UTF-8");

    memcpy(copy, text, len);
    bool ok = iconv(conversion, &from, &len, &to, &room) != (size_t)-1;
    (void)iconv_close(conversion);
    return ok;
}

static void any_bytes_make_a_document_that_others_read(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    sqlite3_stmt *judge = NULL;
    static const char sql[] = "SELECT json_valid(?1) AND (SELECT count(*) FROM json_each(?1)) = 1";

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &judge, NULL), SQLITE_OK);
    for (int first = 1; first < 256; first++)
        for (int second = 1; second < 256; second += 7) {
            auto_arena Arena *arena = arena_new();
            char value[] = {'a', (char)first, (char)second, 'z', '\0'};
            Text text = text_init(arena, 100);
            Json json = json_init(&text);

            json_open_object(&json);
            json_kv_string(&json, value, value);
            json_close(&json);
            assert_true(is_document_of_one_pair(judge, text_str(&text), text.len));
            assert_true(is_utf8(text_str(&text), text.len));
        }
    (void)sqlite3_finalize(judge);
    (void)sqlite3_close(db);
}

static void numbers_are_exact_and_there_is_no_infinity(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 1000);
    Json json = json_init(&text);

    json_open_array(&json);
    json_add_int(&json, INT64_MIN);
    json_add_int(&json, INT64_MAX);
    json_add_double(&json, 0, 0);
    json_add_double(&json, 1e15, 3);
    json_add_double(&json, -0.5, 1);
    json_add_double(&json, (double)INFINITY, 1);
    json_add_double(&json, (double)-INFINITY, 1);
    json_add_double(&json, (double)NAN, 1);
    json_close(&json);
    assert_string_equal(text_str(&text), "[-9223372036854775808,9223372036854775807,0,"
                                         "1000000000000000.000,-0.5,null,null,null]");
}

static void as_deep_as_allowed_is_allowed(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 1000);
    Json json = json_init(&text);

    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        json_open_array(&json);
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        json_close(&json);
    assert_int_equal(text.len, 2 * JSON_MAX_DEPTH);
    assert_int_equal(json.depth, 0);
}

static void too_large_a_document_is_the_texts_overflow(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 10);
    Json json = json_init(&text);

    json_open_array(&json);
    json_add_string(&json, "longer than it may be");
    json_close(&json);
    assert_true(text.overflowed);
}

static int value_without_key(void *context)
{
    Json *json = context;

    json_open_object(json);
    json_add_int(json, 1);
    return 0;
}

static int key_without_value(void *context)
{
    Json *json = context;

    json_open_object(json);
    json_key(json, "a");
    json_close(json);
    return 0;
}

static int key_in_an_array(void *context)
{
    Json *json = context;

    json_open_array(json);
    json_key(json, "a");
    return 0;
}

static int end_of_nothing(void *context)
{
    json_close(context);
    return 0;
}

static int too_deep(void *context)
{
    for (int i = 0; i <= JSON_MAX_DEPTH; i++)
        json_open_array(context);
    return 0;
}

static void misuse_is_a_bug_of_ours_and_aborts(void **state)
{
    (void)state;
    static int (*const misuses[])(void *) = {value_without_key, key_without_value, key_in_an_array,
                                             end_of_nothing, too_deep};

    for (size_t i = 0; i < COUNT_OF(misuses); i++) {
        auto_arena Arena *arena = arena_new();
        Text text = text_init(arena, 1000);
        Json json = json_init(&text);

        assert_int_equal(in_child(arena, misuses[i], &json, NULL), 128 + SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers_nest_and_commas_are_the_writers),
        cmocka_unit_test(a_value_alone_is_a_document),
        cmocka_unit_test(strings_are_escaped_and_always_utf8),
        cmocka_unit_test(any_bytes_make_a_document_that_others_read),
        cmocka_unit_test(numbers_are_exact_and_there_is_no_infinity),
        cmocka_unit_test(as_deep_as_allowed_is_allowed),
        cmocka_unit_test(too_large_a_document_is_the_texts_overflow),
        cmocka_unit_test(misuse_is_a_bug_of_ours_and_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
