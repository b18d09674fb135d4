#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "move/assess.h"

#define GB (INT64_C(1) << 30)

static void every_rule_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < assess_rule_count; i++) {
        const Rule *rule = &assess_rules[i];

        assert_non_null(rule->id);
        assert_non_null(rule->summary);
        assert_true(rule->scope >= SCOPE_ONCE && rule->scope <= SCOPE_BOTH);
        /* A finding without a fix is only half said. The SQL of these brings it. */
        assert_true(rule->sql || rule->advice);
        bool has_argument = false;
        for (int j = 0; j < RULE_MAX_INPUTS; j++)
            has_argument = has_argument || rule->inputs[j] == INPUT_ARGUMENT;
        assert_int_equal(has_argument, rule->argument != NULL);
        /* One id twice only for scopes that do not meet. */
        for (size_t j = 0; j < i; j++)
            if (strcmp(assess_rules[j].id, rule->id) == 0)
                assert_int_equal(assess_rules[j].scope & rule->scope, 0);
    }
}

static void space_needed_counts_rows_sorting_and_wal(void **state)
{
    (void)state;
    SpaceNeed need = space_need(10 * GB, 2 * GB, 1 * GB);

    assert_int_equal(need.data_bytes, 14 * GB);
    assert_int_equal(need.wal_bytes, 1 * GB);
}

static void space_is_judged_by_file_system(void **state)
{
    (void)state;
    static const struct {
        int64_t data;
        int64_t wal;
        bool shared;
        bool enough;
    } cases[] = {
        {11 * GB,     11 * GB,    true,  true },
        {11 * GB - 1, 11 * GB,    true,  false}, /* both must fit where it is one file system */
        {10 * GB,     1 * GB,     false, true },
        {10 * GB - 1, 99 * GB,    false, false},
        {99 * GB,     1 * GB - 1, false, false},
        {0,           0,          true,  false},
    };
    SpaceNeed need = {.data_bytes = 10 * GB, .wal_bytes = 1 * GB};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        SpaceFree free = {.name = "/",
                          .data_bytes = cases[i].data,
                          .wal_bytes = cases[i].wal,
                          .shared = cases[i].shared};
        assert_int_equal(space_is_enough(&need, &free), cases[i].enough);
    }
}

static int make_folder(void **state)
{
    char template[] = "/tmp/homeport-test-XXXXXX";

    *state = mkdtemp(template) ? strdup(template) : NULL;
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    Error err = ERROR_INIT;
    bool removed = file_remove_tree(*state, &err);

    free(*state);
    return removed ? 0 : -1;
}

static void folder_is_known_by_the_start_of_its_server(void **state)
{
    auto_arena Arena *arena = arena_new();
    const char *folder = *state;
    const char *path = arena_printf(arena, "%s/postmaster.pid", folder);
    static const struct {
        const char *text; /* NULL: no such file */
        bool same;
    } cases[] = {
        {NULL,                                    false},
        {"",                                      false},
        {"4711\n/data\n",                         false},
        {"4711\n/data",                           false},
        {"4711\n/data\n1763800000\n5432\n/run\n", true },
        {"4711\n/data\n1763800001\n5432\n/run\n", true },
        {"4711\n/data\n1763799990\n5432\n/run\n", false},
        {"4711\n/data\nrubbish\n5432\n/run\n",    false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Error err = ERROR_INIT;

        if (cases[i].text)
            assert_true(file_replace(path, cases[i].text, strlen(cases[i].text), &err));
        assert_int_equal(space_folder_is_of(folder, 1763800000), cases[i].same);
    }
}

static void servers_that_are_too_old_are_blockers(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const struct {
        int source;
        int target;
        const char *ids[3];
    } cases[] = {
        {130021, 150020, {"server-unsupported"}                                      },
        {140000, 140000, {NULL}                                                      },
        {150020, 130005, {"server-unsupported", "target-older"}                      },
        {130021, 120000, {"server-unsupported", "server-unsupported", "target-older"}},
        {160003, 160001, {NULL}                                                      }, /* minor */
        {160001, 150020, {"target-older"}                                            },
        {150020, 180000, {NULL}                                                      },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AssessRun run = {.arena = arena, .scope = SCOPE_BOTH};

        run.sides[SIDE_SOURCE].seen =
            (AssessedServer){.version_num = cases[i].source, .version = "source's"};
        run.sides[SIDE_TARGET].seen =
            (AssessedServer){.version_num = cases[i].target, .version = "target's"};
        assess_version_rules(&run);
        for (int j = 0; j < (int)COUNT_OF(cases[i].ids); j++) {
            const char *found = j < run.count ? run.findings[j].id : NULL;
            if (cases[i].ids[j]) {
                assert_non_null(found);
                assert_string_equal(found, cases[i].ids[j]);
                assert_int_equal(run.findings[j].severity, SEVERITY_BLOCKER);
                assert_int_equal(run.findings[j].scope, SCOPE_BOTH);
            } else {
                assert_null(found);
            }
        }
    }
}

static void add(AssessRun *run, const char *id, Severity severity, Scope scope)
{
    finding_add(run,
                &(FindingText){.id = id,
                               .severity = severity,
                               .scope = scope,
                               .side = SIDE_SOURCE,
                               .summary = "so it is",
                               .advice = "Do something."},
                NULL);
}

static void findings_of_other_scopes_are_dropped_and_the_rest_is_sorted(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    AssessRun run = {.arena = arena, .scope = SCOPE_ONCE};

    add(&run, "z-note", SEVERITY_NOTE, SCOPE_BOTH);
    add(&run, "live-only", SEVERITY_BLOCKER, SCOPE_LIVE);
    add(&run, "b-warning", SEVERITY_WARNING, SCOPE_ONCE);
    add(&run, "b-blocker", SEVERITY_BLOCKER, SCOPE_ONCE);
    add(&run, "a-warning", SEVERITY_WARNING, SCOPE_BOTH);
    add(&run, "a-blocker", SEVERITY_BLOCKER, SCOPE_BOTH);

    Assessment assessment = assess_result(&run);
    static const char *const order[] = {"a-blocker", "b-blocker", "a-warning", "b-warning",
                                        "z-note"};
    assert_int_equal(assessment.count, COUNT_OF(order));
    for (size_t i = 0; i < COUNT_OF(order); i++)
        assert_string_equal(assessment.findings[i].id, order[i]);
    assert_int_equal(assessment.blockers, 2);
    assert_int_equal(assessment.warnings, 2);
    assert_int_equal(assessment.notes, 1);
}

static void fix_is_sql_under_its_side_or_else_the_advice(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    AssessRun run = {.arena = arena, .scope = SCOPE_BOTH};
    FindingParts parts = {.arena = arena};
    FindingText text = {.id = "x", .scope = SCOPE_BOTH, .side = SIDE_TARGET, .summary = "s"};

    finding_add(&run, &text, NULL);
    assert_string_equal(run.findings[0].fix, "");
    text.advice = "Do it by hand.";
    finding_add(&run, &text, &parts);
    assert_string_equal(run.findings[1].fix, "Do it by hand.");
    assert_int_equal(run.findings[1].object_count, 0);

    for (int i = 0; i < 40; i++)
        parts_add_object(&parts, arena_printf(arena, "public.t%d", i));
    parts_add_fix(&parts, "GRANT a TO b;");
    parts_add_fix(&parts, "GRANT c TO d;");
    parts_add_fix(&parts, "GRANT a TO b;"); /* a statement mends many objects, and is said once */
    text.advice = "as a superuser";
    finding_add(&run, &text, &parts);
    assert_string_equal(run.findings[2].fix,
                        "-- on the target: as a superuser\nGRANT a TO b;\nGRANT c TO d;");
    assert_int_equal(run.findings[2].object_count, 40);
    assert_string_equal(run.findings[2].objects[39], "public.t39");
    text.advice = NULL;
    text.side = SIDE_SOURCE;
    finding_add(&run, &text, &parts);
    assert_string_equal(run.findings[3].fix, "-- on the source:\nGRANT a TO b;\nGRANT c TO d;");
}

static void refused_question_is_a_finding_but_a_lost_connection_is_not(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    AssessRun run = {.arena = arena, .scope = SCOPE_LIVE};
    Error err = ERROR_INIT;

    (void)error_set(&err, ERR_SQL, "permission denied for view x");
    assert_true(rule_unanswered(&run, "large-objects", SIDE_SOURCE, &err));
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(run.count, 1);
    assert_string_equal(run.findings[0].id, "rule-unanswered");
    assert_string_equal(run.findings[0].objects[0], "large-objects");
    assert_non_null(strstr(run.findings[0].summary, "permission denied for view x"));

    (void)error_set(&err, ERR_CONNECT, "connection lost");
    assert_false(rule_unanswered(&run, "large-objects", SIDE_SOURCE, &err));
    assert_int_equal(err.code, ERR_CONNECT);
    assert_int_equal(run.count, 1);
}

static void json_has_what_scripts_rely_on(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    AssessRun run = {.arena = arena, .scope = SCOPE_BOTH};
    Text out = text_init(arena, 4096);
    Json json = json_init(&out);

    run.sides[SIDE_SOURCE].seen = (AssessedServer){.version = "15.20", .version_num = 150020};
    add(&run, "thing", SEVERITY_WARNING, SCOPE_LIVE);
    Assessment assessment = assess_result(&run);
    json_open_object(&json);
    assessment_json(&json, &assessment);
    json_close(&json);
    static const char *const parts[] = {
        "\"blockers\":0",         "\"warnings\":1",           "\"notes\":0",
        "\"id\":\"thing\"",       "\"objects\":[]",           "\"severity\":\"warning\"",
        "\"scope\":\"live\"",     "\"scope\":\"both\"",       "\"fix\":\"Do something.\"",
        "\"version_num\":150020", "\"summary\":\"so it is\"",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!strstr(text_str(&out), parts[i]))
            fail_msg("%s is not in %s", parts[i], text_str(&out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_is_whole),
        cmocka_unit_test(space_needed_counts_rows_sorting_and_wal),
        cmocka_unit_test(space_is_judged_by_file_system),
        cmocka_unit_test_setup_teardown(folder_is_known_by_the_start_of_its_server, make_folder,
                                        remove_folder),
        cmocka_unit_test(servers_that_are_too_old_are_blockers),
        cmocka_unit_test(findings_of_other_scopes_are_dropped_and_the_rest_is_sorted),
        cmocka_unit_test(fix_is_sql_under_its_side_or_else_the_advice),
        cmocka_unit_test(refused_question_is_a_finding_but_a_lost_connection_is_not),
        cmocka_unit_test(json_has_what_scripts_rely_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
