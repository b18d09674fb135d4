#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/crc32c.h"

/* RFC 3720, B.4 */
static void known_texts_have_their_known_sums(void **state)
{
    unsigned char bytes[32];

    (void)state;
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8A9136AAU);
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62A8AB43U);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46DD794EU);
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283U);
    assert_int_equal(crc32c(0, "", 0), 0);
}

static void a_sum_in_pieces_is_the_sum_of_all(void **state)
{
    static const char text[] = "Whatever is cut into pieces, at whichever place, sums up alike.";
    uint32_t whole = crc32c(0, text, sizeof text);

    (void)state;
    for (size_t cut = 0; cut <= sizeof text; cut++)
        assert_int_equal(crc32c(crc32c(0, text, cut), text + cut, sizeof text - cut), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_known_sums),
        cmocka_unit_test(a_sum_in_pieces_is_the_sum_of_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
