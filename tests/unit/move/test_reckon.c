#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "move/reckon.h"

static void assert_near(double value, double expected)
{
    if (value < expected - 0.001 || value > expected + 0.001)
        fail_msg("%f is not %f", value, expected);
}

static void nothing_planned_is_nothing_done(void **state)
{
    (void)state;
    assert_near(reckon_share(&(Reckoning){0}), 0);
}

static void before_a_part_is_done_its_bytes_are_those_on_disk(void **state)
{
    (void)state;
    Reckoning reckoning = {.all = 150, .copies = 100, .bytes_sent = 30};

    assert_near(reckon_share(&reckoning), 0.2);
    /* Compressed on disk: it cannot be further than all rows but the last. */
    reckoning.bytes_sent = 1000;
    assert_near(reckon_share(&reckoning), 99.0 / 150);
}

static void parts_that_are_done_tell_how_bytes_and_disk_differ(void **state)
{
    (void)state;
    Reckoning narrow = {.all = 100, .copies = 100, .copies_done = 40, .done = 40, .bytes_done = 20};
    Reckoning toasted = narrow;

    narrow.bytes_sent = 15; /* half of the 60 that are left */
    assert_near(reckon_share(&narrow), 0.7);
    toasted.bytes_done = 400;
    toasted.bytes_sent = 300;
    assert_near(reckon_share(&toasted), 0.7);
}

static void a_part_of_known_rows_counts_by_them(void **state)
{
    (void)state;
    PartSent part = {.weight = 100, .rows_expected = 50, .rows = 10, .bytes = 1};

    assert_near(reckon_part(&part), 20);
    /* Compressed in its rows: five times as many bytes as on disk do not make it done. */
    part.bytes = 500;
    assert_near(reckon_part(&part), 20);
    /* The estimate was too low. */
    part.rows = 70;
    assert_near(reckon_part(&part), 99);
}

static void a_part_that_is_mostly_toast_counts_by_the_smaller_of_rows_and_bytes(void **state)
{
    (void)state;
    PartSent part = {.weight = 1000, .rows_expected = 10, .toasted = true, .rows = 5, .bytes = 20};

    /* The large rows come last. */
    assert_near(reckon_part(&part), 20);
    /* Compressed to a fifth: half of the rows are half of the table. */
    part.bytes = 2500;
    assert_near(reckon_part(&part), 500);
    part.rows = 10;
    assert_near(reckon_part(&part), 990);
}

static void parts_of_known_rows_add_to_the_others(void **state)
{
    (void)state;
    Reckoning reckoning = {.all = 200, .copies = 100, .bytes_sent = 30, .reckoned = 40};

    assert_near(reckon_share(&reckoning), 0.35);
    reckoning.reckoned = 90;
    assert_near(reckon_share(&reckoning), 99.0 / 200);
}

static void indexes_have_their_share_of_the_whole(void **state)
{
    (void)state;
    Reckoning reckoning = {
        .all = 160, .copies = 100, .copies_done = 100, .done = 100, .bytes_done = 50};

    assert_near(reckon_share(&reckoning), 0.625);
    reckoning.done = 130;
    assert_near(reckon_share(&reckoning), 0.8125);
    reckoning.done = 160;
    assert_near(reckon_share(&reckoning), 1);
}

static void time_left_goes_by_what_the_share_took(void **state)
{
    (void)state;
    assert_near(reckon_seconds_left(0.25, 10), 30);
    assert_near(reckon_seconds_left(1, 10), 0);
    assert_true(reckon_seconds_left(0.005, 10) < 0);
    assert_true(reckon_seconds_left(0.5, 0.3) < 0);
    assert_true(reckon_seconds_left(0.01, 40000) < 0);
}

static void what_does_not_get_less_takes_no_time_that_could_be_told(void **state)
{
    (void)state;
    assert_near(reckon_time(300, 2), 150);
    assert_near(reckon_time(0, 2), 0);
    assert_true(reckon_time(300, 0) < 0);
    assert_true(reckon_time(300, -2) < 0);
    assert_true(reckon_time(1e9, 1) < 0);
}

static void a_limit_is_near_by_what_is_left_of_it_and_by_when_it_is_reached(void **state)
{
    (void)state;
    assert_false(reckon_is_near(1000, 1000, 0));
    assert_false(reckon_is_near(1000, 8000, 0));
    assert_true(reckon_is_near(999, 8000, 0));
    assert_true(reckon_is_near(-1, 0, 0));
    assert_true(reckon_is_near(1000, 1000, 2));
    assert_false(reckon_is_near(1000, 1000, 1));
    assert_false(reckon_is_near(1000, 1000, -5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_planned_is_nothing_done),
        cmocka_unit_test(before_a_part_is_done_its_bytes_are_those_on_disk),
        cmocka_unit_test(parts_that_are_done_tell_how_bytes_and_disk_differ),
        cmocka_unit_test(a_part_of_known_rows_counts_by_them),
        cmocka_unit_test(a_part_that_is_mostly_toast_counts_by_the_smaller_of_rows_and_bytes),
        cmocka_unit_test(parts_of_known_rows_add_to_the_others),
        cmocka_unit_test(indexes_have_their_share_of_the_whole),
        cmocka_unit_test(time_left_goes_by_what_the_share_took),
        cmocka_unit_test(a_limit_is_near_by_what_is_left_of_it_and_by_when_it_is_reached),
        cmocka_unit_test(what_does_not_get_less_takes_no_time_that_could_be_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
