/* Who has to wait, by address and role, and how many attempts are on their way at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/throttle.h"

static const unsigned char right[PROOF_BYTES] = "right";
static const unsigned char wrong[PROOF_BYTES] = "wrong";

static Claim claim(const char *peer, const char *role, const unsigned char *proof)
{
    return (Claim){peer, role, proof};
}

static ThrottleAnswer begin(Throttle *throttle, Claim who)
{
    bool waits = false;
    ThrottleAnswer answer = throttle_begin(throttle, &who, &waits);

    throttle_leave(throttle, &who, &waits);
    return answer;
}

static void try_wrong(Throttle *throttle, Claim who)
{
    throttle_failed(throttle, &who);
    throttle_end(throttle, &who);
}

static void attempts_on_their_way_count_as_failures(void **state)
{
    Throttle *throttle = throttle_new();
    Claim who = claim("10.0.0.1", "app", wrong);

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(begin(throttle, who), THROTTLE_GO);
    assert_int_equal(begin(throttle, who), THROTTLE_LATER);
    assert_int_equal(begin(throttle, claim("10.0.0.2", "app", wrong)), THROTTLE_GO);
    for (int i = 0; i < 4; i++)
        try_wrong(throttle, who);
    assert_int_equal(begin(throttle, who), THROTTLE_LATER);
    try_wrong(throttle, who);
    assert_int_equal(begin(throttle, who), THROTTLE_REFUSED);
    assert_true(throttle_refuses(throttle, &who));
    throttle_free(throttle);
}

static void a_success_ends_the_counting_and_is_known_from_there_only(void **state)
{
    Throttle *throttle = throttle_new();
    Claim good = claim("10.0.0.1", "app", right);
    Claim bad = claim("10.0.0.1", "app", wrong);
    Claim elsewhere = claim("10.0.0.2", "app", right);

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            assert_int_equal(begin(throttle, bad), THROTTLE_GO);
            try_wrong(throttle, bad);
        }
        throttle_succeeded(throttle, &good);
    }
    for (int i = 0; i < 6; i++) {
        throttle_failed(throttle, &bad);
        throttle_failed(throttle, &(Claim){"10.0.0.2", "app", wrong});
    }
    assert_true(throttle_refuses(throttle, &bad));
    assert_false(throttle_refuses(throttle, &good));
    assert_int_equal(begin(throttle, good), THROTTLE_GO);
    assert_true(throttle_knows(throttle, &good));
    assert_true(throttle_refuses(throttle, &elsewhere));
    throttle_failed(throttle, &good);
    assert_true(throttle_refuses(throttle, &good));
    throttle_free(throttle);
}

static void one_address_has_only_so_many_on_their_way(void **state)
{
    Throttle *throttle = throttle_new();

    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        int going = 0;
        for (int i = 0; i < 30; i++) {
            char role[16];
            char peer[64];
            (void)snprintf(role, sizeof role, "r%d", i);
            (void)snprintf(peer, sizeof peer, "2001:db8:0:1::%d", i);
            going += begin(throttle, claim(v6 ? peer : "10.0.0.1", role, wrong)) == THROTTLE_GO;
        }
        assert_int_equal(going, 8);
    }
    assert_int_equal(begin(throttle, claim("2001:db8:0:2::1", "r", wrong)), THROTTLE_GO);
    throttle_free(throttle);
}

static void only_so_many_of_one_address_wait(void **state)
{
    Throttle *throttle = throttle_new();
    bool waits[400] = {false};
    char roles[400][16];
    int later = 0;
    int refused = 0;

    (void)state;
    for (int i = 0; i < 400; i++) {
        (void)snprintf(roles[i], sizeof roles[i], "r%d", i);
        Claim who = claim("10.0.0.1", roles[i], wrong);
        ThrottleAnswer answer = throttle_begin(throttle, &who, &waits[i]);
        later += answer == THROTTLE_LATER;
        refused += answer == THROTTLE_REFUSED;
        assert_int_equal(waits[i], answer == THROTTLE_LATER);
    }
    assert_int_equal(later, 256);
    assert_int_equal(refused, 400 - 256 - 8);
    for (int i = 0; i < 400; i++) {
        Claim who = claim("10.0.0.1", roles[i], wrong);
        throttle_leave(throttle, &who, &waits[i]);
    }
    Claim who = claim("10.0.0.1", "late", wrong);
    assert_int_equal(begin(throttle, who), THROTTLE_LATER);
    throttle_free(throttle);
}

static void attempts_that_are_not_let_through_make_it_forget_nobody(void **state)
{
    Throttle *throttle = throttle_new();
    Claim who = claim("10.0.0.1", "app", wrong);

    (void)state;
    for (int i = 0; i < 11; i++)
        throttle_failed(throttle, &who);
    assert_int_equal(begin(throttle, who), THROTTLE_REFUSED);
    for (int i = 0; i < 50000; i++) {
        char role[16];
        (void)snprintf(role, sizeof role, "r%d", i);
        Claim other = claim("10.0.0.1", role, wrong);
        (void)begin(throttle, other);
    }
    assert_int_equal(begin(throttle, who), THROTTLE_REFUSED);
    throttle_free(throttle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts_on_their_way_count_as_failures),
        cmocka_unit_test(a_success_ends_the_counting_and_is_known_from_there_only),
        cmocka_unit_test(one_address_has_only_so_many_on_their_way),
        cmocka_unit_test(only_so_many_of_one_address_wait),
        cmocka_unit_test(attempts_that_are_not_let_through_make_it_forget_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
