#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/findings.h"

/* The tests' standard output is no terminal: plain text. */
static const char *formatted(Arena *arena, const Finding *finding, const FindingsLayout *layout)
{
    Text out = text_init(arena, 65536);
    Finding copy = *finding;
    Assessment assessment = {.findings = &copy, .count = 1};

    findings_format(&out, &assessment, layout);
    assert_false(out.overflowed);
    return text_str(&out);
}

static const char *objects[] = {"public.a", "public.b", "public.c", "public.d", "public.e"};

static void finding_is_wrapped_but_statements_are_not(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Finding finding = {
        .id = "table-no-identity",
        .severity = SEVERITY_BLOCKER,
        .scope = SCOPE_LIVE,
        .summary = "tables without a replica identity: once published, they break",
        .fix = "-- on the source:\nALTER TABLE public.a REPLICA IDENTITY FULL;",
        .objects = objects,
        .object_count = 2,
    };

    assert_string_equal(formatted(arena, &finding, &(FindingsLayout){.width = 40}),
                        "BLOCKER  table-no-identity (live move)\n"
                        "         tables without a replica\n"
                        "         identity: once published, they\n"
                        "         break\n"
                        "         public.a, public.b\n"
                        "         fix: -- on the source:\n"
                        "              ALTER TABLE public.a REPLICA IDENTITY FULL;\n"
                        "\n");
}

static void sentences_of_a_fix_are_wrapped(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Finding finding = {
        .id = "x",
        .severity = SEVERITY_NOTE,
        .scope = SCOPE_BOTH,
        .summary = "s",
        .fix = "Do this, and then that, and then rest.",
    };

    assert_string_equal(formatted(arena, &finding, &(FindingsLayout){.width = 40}),
                        "NOTE     x\n"
                        "         s\n"
                        "         fix: Do this, and then that,\n"
                        "              and then rest.\n"
                        "\n");
}

static void long_lists_are_cut_and_counted(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Finding finding = {
        .id = "x",
        .severity = SEVERITY_WARNING,
        .scope = SCOPE_ONCE,
        .summary = "s",
        .fix = "1\n2\n3\n4\n5",
        .objects = objects,
        .object_count = 5,
    };

    const char *cut = formatted(
        arena, &finding, &(FindingsLayout){.width = 80, .max_objects = 2, .max_fix_lines = 3});
    assert_non_null(strstr(cut, "WARNING  x (move --once)\n"));
    assert_non_null(strstr(cut, "public.a, public.b and 3 more\n"));
    assert_non_null(strstr(cut, "3\n              -- and 2 lines more: homeport check --json has"));
    assert_null(strstr(cut, "\n              4\n"));

    /* One more than the limit is shown: to say so would be as long. */
    const char *whole = formatted(
        arena, &finding, &(FindingsLayout){.width = 80, .max_objects = 4, .max_fix_lines = 4});
    assert_non_null(strstr(whole, "public.d, public.e\n"));
    assert_non_null(strstr(whole, "\n              5\n"));
}

static void widths_are_counted_in_characters(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Finding finding = {.id = "x",
                       .severity = SEVERITY_NOTE,
                       .scope = SCOPE_BOTH,
                       .summary = "öööööööööö öööööööööö öööööööö", /* 30 columns, 58 bytes */
                       .fix = ""};

    assert_string_equal(formatted(arena, &finding, &(FindingsLayout){.width = 40}),
                        "NOTE     x\n"
                        "         öööööööööö öööööööööö öööööööö\n"
                        "\n");
}

static void blockers_can_be_shown_alone(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text out = text_init(arena, 4096);
    Finding findings[] = {
        {.id = "bad", .severity = SEVERITY_BLOCKER, .scope = SCOPE_LIVE, .summary = "s", .fix = ""},
        {.id = "odd", .severity = SEVERITY_WARNING, .scope = SCOPE_BOTH, .summary = "s", .fix = ""},
    };
    Assessment assessment = {.findings = findings, .count = 2, .blockers = 1, .warnings = 1};

    findings_format(&out, &assessment, &(FindingsLayout){.width = 80, .blockers_only = true});
    assert_string_equal(text_str(&out), "BLOCKER  bad (live move)\n         s\n\n");
    assert_string_equal(findings_count(arena, &assessment), "1 blocker, 1 warning, no notes");
    assert_int_equal(findings_blockers(&assessment, SCOPE_ONCE), 0);
    assert_int_equal(findings_blockers(&assessment, SCOPE_LIVE), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finding_is_wrapped_but_statements_are_not),
        cmocka_unit_test(sentences_of_a_fix_are_wrapped),
        cmocka_unit_test(long_lists_are_cut_and_counted),
        cmocka_unit_test(widths_are_counted_in_characters),
        cmocka_unit_test(blockers_can_be_shown_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
