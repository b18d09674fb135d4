#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg/lsn.h"

static void positions_read_as_they_are_written(void **state)
{
    static const struct {
        const char *text;
        Lsn lsn;
    } cases[] = {
        {"0/0",               0           },
        {"0/1",               1           },
        {"16/B374D848",       0x16B374D848},
        {"FFFFFFFF/FFFFFFFF", UINT64_MAX  },
        {"1/0",               0x100000000 },
        {"A/B",               0xA0000000B },
    };
    char text[LSN_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Lsn lsn = 99;
        assert_true(lsn_parse(cases[i].text, &lsn));
        assert_true(lsn == cases[i].lsn);
        assert_string_equal(lsn_text(lsn, text), cases[i].text);
    }
    Lsn lsn = 0;
    assert_true(lsn_parse("a/0000000b", &lsn));
    assert_true(lsn == 0xA0000000B);
}

static void what_is_none_is_refused(void **state)
{
    static const char *const none[] = {
        "",     "/",    "0",   "0/",  "/0",          "0/0/0",       " 0/0",
        "0/0 ", "0/-1", "g/0", "0/g", "000000000/0", "0/123456789", "0x1/0",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        Lsn lsn = 99;
        if (lsn_parse(none[i], &lsn))
            fail_msg("\"%s\" was taken", none[i]);
        assert_true(lsn == 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_read_as_they_are_written),
        cmocka_unit_test(what_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
