/* U+FFFD for every maximal part of an invalid sequence, as Node.js decodes (and so hashes) files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "migrations/internal.h"

static void utf8_becomes_what_node_reads(void **state)
{
    (void)state;
#define BAD "\xEF\xBF\xBD"
    static const struct {
        const char *bytes;
        const char *text;
        bool invalid;
    } cases[] = {
        {"",                                          "",                                          false},
        {"plain",                                     "plain",                                     false},
        {"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80",
         false                                                                                          },
        {"\xEF\xBB\xBFx",                             "\xEF\xBB\xBFx",                             false}, /* a byte order mark stays */
        {"caf\xE9\n",                                 "caf" BAD "\n",                              true }, /* Latin-1 */
        {"\x80",                                      BAD,                                         true }, /* a lone continuation */
        {"\xC0\xAF",                                  BAD BAD,                                     true }, /* overlong: two parts */
        {"\xE0\x80\xAF",                              BAD BAD BAD,                                 true },
        {"\xF0\x80\x80\xAF",                          BAD BAD BAD BAD,                             true },
        {"\xED\xA0\x80",                              BAD BAD BAD,                                 true }, /* a surrogate */
        {"\xF4\x90\x80\x80",                          BAD BAD BAD BAD,                             true }, /* beyond U+10FFFF */
        {"\xF5",                                      BAD,                                         true },
        {"\xFF\xFE",                                  BAD BAD,                                     true },
        {"\xE2\x82",                                  BAD,                                         true }, /* cut off at the end: one part */
        {"\xE2\x82x",                                 BAD "x",                                     true }, /* cut off inside */
        {"\xF0\x9F\x98",                              BAD,                                         true },
        {"\xF0\x9F\x98\xF0\x9F\x98\x80",              BAD "\xF0\x9F\x98\x80",                      true },
        {"\xC3(",                                     BAD "(",                                     true },
        {"\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF",  "\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF",
         false                                                                                          }, /* the edges that are allowed */
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        size_t len = 0;
        bool invalid = !cases[i].invalid;
        const char *text =
            utf8_repair(arena, cases[i].bytes, strlen(cases[i].bytes), &len, &invalid);

        assert_int_equal(len, strlen(cases[i].text));
        assert_memory_equal(text, cases[i].text, len);
        assert_int_equal(invalid, cases[i].invalid);
        assert_true(invalid || text == cases[i].bytes);
    }
}

static void a_text_of_bad_bytes_only_fits(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char bytes[1000];
    size_t len = 0;
    bool invalid = false;

    memset(bytes, 0xFF, sizeof bytes);
    const char *text = utf8_repair(arena, bytes, sizeof bytes, &len, &invalid);
    assert_int_equal(len, 3 * sizeof bytes);
    assert_int_equal(strlen(text), len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_becomes_what_node_reads),
        cmocka_unit_test(a_text_of_bad_bytes_only_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
