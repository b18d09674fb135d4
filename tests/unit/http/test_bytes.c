#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "http/address.h"
#include "http/bytes.h"

static void bytes_keep_their_order_whatever_is_eaten(void **state)
{
    (void)state;
    Bytes bytes = bytes_init(1 << 20);
    unsigned char next_in = 0;
    unsigned char next_out = 0;
    unsigned seed = 1;

    for (int round = 0; round < 20000; round++) {
        seed = seed * 1103515245 + 12345;
        size_t len = seed >> 16 & 0x3f;
        if (seed & 0x10000000) {
            for (size_t i = 0; i < len; i++)
                bytes_add_char(&bytes, (char)next_in++);
        } else {
            size_t n = len < bytes_len(&bytes) ? len : bytes_len(&bytes);
            for (size_t i = 0; i < n; i++)
                assert_int_equal((unsigned char)bytes_data(&bytes)[i], next_out++);
            bytes_consume(&bytes, n);
        }
    }
    bytes_free(&bytes);
}

static void more_than_the_maximum_is_refused_and_remembered(void **state)
{
    (void)state;
    Bytes bytes = bytes_init(10);

    bytes_add(&bytes, "123456789", 9);
    bytes_add(&bytes, "ab", 2);
    assert_true(bytes.overflowed);
    bytes_add_char(&bytes, 'x');
    assert_int_equal(bytes_len(&bytes), 9);
    bytes_clear(&bytes);
    assert_false(bytes.overflowed);
    bytes_addf(&bytes, "%d", 123);
    assert_memory_equal(bytes_data(&bytes), "123", 3);
    size_t len;
    char *taken = bytes_take(&bytes, &len);
    assert_int_equal(len, 3);
    free(taken);
    bytes_free(&bytes);
}

static void addresses_are_read_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fine;
    } cases[] = {
        {"127.0.0.1:443",                  true },
        {":443",                           true },
        {"443",                            true },
        {"[::1]:5432",                     true },
        {"localhost:1",                    true },
        {"",                               false},
        {"127.0.0.1",                      false},
        {"127.0.0.1:",                     false},
        {"127.0.0.1:0",                    false},
        {"127.0.0.1:65536",                false},
        {"name:1",                         false},
        {"[::1:1",                         false},
        {"1.2.3:1",                        false},
        {":-1",                            false},
        {"[zz]:1",                         false},
        {"/run/a.sock",                    true },
        {"/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
         "0123456789/0123456789", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Address address;
        Error err = ERROR_INIT;
        assert_int_equal(address_parse(cases[i].text, "--listen", &address, &err), cases[i].fine);
        assert_int_equal(err.code, cases[i].fine ? ERR_NONE : ERR_USAGE);
    }
}

static void an_address_of_ipv4_is_the_same_one_over_ipv6(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[::ffff:192.0.2.7]:80", "192.0.2.7"  },
        {"192.0.2.7:80",          "192.0.2.7"  },
        {"[2001:db8::7]:80",      "2001:db8::7"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Error err = ERROR_INIT;
        Address address;
        char host[ADDRESS_TEXT_MAX];
        assert_true(address_parse(cases[i][0], "--listen", &address, &err));
        address_host((const struct sockaddr *)&address.storage, host);
        assert_string_equal(host, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_keep_their_order_whatever_is_eaten),
        cmocka_unit_test(more_than_the_maximum_is_refused_and_remembered),
        cmocka_unit_test(addresses_are_read_or_refused),
        cmocka_unit_test(an_address_of_ipv4_is_the_same_one_over_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
