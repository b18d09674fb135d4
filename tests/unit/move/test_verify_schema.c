#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "move/verify.h"

enum {
    MAX_FOUND = 1 << 20
};

static void note(void *context, const char *object, const char *detail)
{
    Text *found = context;

    text_addf(found, "%s: %s\n", object, detail);
}

static ArchiveEntry entry(const char *desc, const char *tag, const char *owner, const char *defn)
{
    bool after = strstr("INDEX CONSTRAINT TRIGGER", desc) != NULL;
    bool acl = strstr(desc, "ACL") != NULL || strcmp(desc, "COMMENT") == 0;

    return (ArchiveEntry){
        .desc = desc,
        .schema = strcmp(desc, "SCHEMA") == 0 ? "" : "public",
        .tag = tag,
        .owner = owner,
        .defn = defn,
        .drop = "",
        .tablespace = "",
        .access_method = "",
        .section = acl     ? SECTION_NONE
                   : after ? SECTION_POST_DATA
                           : SECTION_PRE_DATA,
    };
}

typedef struct Sides {
    ArchiveEntry *source;
    int source_count;
    ArchiveEntry *target;
    int target_count;
    int majors[2];
    const Config *config;
} Sides;

/* What was found, one difference a line. */
static const char *compare(Arena *arena, const Sides *sides)
{
    static const Config none = {0};
    Text found = text_init(arena, MAX_FOUND);
    Archive a = {.entries = sides->source, .count = sides->source_count};
    Archive b = {.entries = sides->target, .count = sides->target_count};
    SchemaCompare how = {
        .config = sides->config ? sides->config : &none,
        .emit = note,
        .context = &found,
        .majors = {sides->majors[0] ? sides->majors[0] : 15,
                   sides->majors[1] ? sides->majors[1] : 15},
    };

    schema_compare(arena, &a, &b, &how);
    return text_str(&found);
}

/* One entry on each side. */
static const char *compare_one(Arena *arena, ArchiveEntry a, ArchiveEntry b, int from, int to)
{
    return compare(arena, &(Sides){
                              &a, 1, &b, 1, {from, to},
                                  NULL
    });
}

static void equal_entries_in_another_order_are_no_difference(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ArchiveEntry one = entry("TABLE", "a", "me", "CREATE TABLE a ();\n");
    ArchiveEntry two = entry("INDEX", "i", "me", "CREATE INDEX i;\n");
    ArchiveEntry source[] = {one, two};
    ArchiveEntry target[] = {two, one};

    assert_string_equal(compare(arena, &(Sides){source, 2, target, 2, {0}, NULL}), "");
}

/* pg_dump's list names operators without their operands. */
static void entries_of_one_name_are_told_apart_by_what_they_are(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ArchiveEntry ints =
        entry("OPERATOR", "===", "me", "CREATE OPERATOR === (LEFTARG = integer);\n");
    ArchiveEntry texts = entry("OPERATOR", "===", "me", "CREATE OPERATOR === (LEFTARG = text);\n");
    ArchiveEntry source[] = {texts, ints};
    ArchiveEntry target[] = {ints, texts};

    assert_string_equal(compare(arena, &(Sides){source, 2, target, 2, {0}, NULL}), "");
    assert_string_equal(compare(arena, &(Sides){source, 2, target, 1, {0}, NULL}),
                        "OPERATOR public.===: only on the source: CREATE OPERATOR === (LEFTARG = "
                        "text)\n");
}

static void what_one_side_lacks_is_named_with_its_definition(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ArchiveEntry source[] = {entry("INDEX", "i", "me", "CREATE INDEX \"i\" ON \"t\" (\"A\");\n")};
    ArchiveEntry target[] = {entry("TRIGGER", "t x", "me", "CREATE TRIGGER x;\n")};

    assert_string_equal(compare(arena, &(Sides){source, 1, target, 1, {0}, NULL}),
                        "INDEX public.i: only on the source: CREATE INDEX i ON t (\"A\")\n"
                        "TRIGGER public.t x: only on the target: CREATE TRIGGER x\n");
}

static void lines_that_differ_are_shown_whatever_commas_do(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const struct {
        const char *source;
        const char *target;
        const char *found;
    } cases[] = {
        {"CREATE TABLE t (\n    a integer NOT NULL,\n    b text\n);\n",
         "CREATE TABLE t (\n    a integer,\n    b text\n);\n", "TABLE public.t: a integer NOT NULL -> a integer\n"                     },
        {"CREATE TABLE t (\n    a integer,\n    CONSTRAINT c CHECK (a > 0)\n);\n",
         "CREATE TABLE t (\n    a integer\n);\n",              "TABLE public.t: without CONSTRAINT c CHECK (a > 0)\n"                  },
        {"CREATE TABLE t (\n    a integer\n);\n",
         "CREATE TABLE t (\n    a integer,\n    b text\n);\n", "TABLE public.t: with b text\n"                                         },
        {"CREATE TABLE t (\n    a integer,\n    b text\n);\n",
         "CREATE TABLE t (\n    b text,\n    a integer\n);\n", "TABLE public.t: the same lines, in another order or otherwise quoted\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(compare_one(arena, entry("TABLE", "t", "me", cases[i].source),
                                        entry("TABLE", "t", "me", cases[i].target), 15, 15),
                            cases[i].found);
}

static void owners_are_compared_by_the_map(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const RoleMap map[] = {
        {"old", "new"}
    };
    static const Config mapped = {.role_map = map, .role_map_count = 1};
    ArchiveEntry source = entry("TABLE", "t", "old", "CREATE TABLE t ();\n");
    ArchiveEntry target = entry("TABLE", "t", "new", "CREATE TABLE t ();\n");
    ArchiveEntry provider = entry("TABLE", "t", "neon_superuser", "CREATE TABLE t ();\n");
    ArchiveEntry index = entry("INDEX", "i", "old", "CREATE INDEX i;\n");
    ArchiveEntry index_there = entry("INDEX", "i", "new", "CREATE INDEX i;\n");

    assert_string_equal(compare_one(arena, source, target, 15, 15),
                        "TABLE public.t: owner: old -> new\n");
    assert_string_equal(compare(arena, &(Sides){&source, 1, &target, 1, {0}, &mapped}), "");
    /* The provider's roles stay there: whoever moved owns it. */
    assert_string_equal(compare_one(arena, provider, target, 15, 15), "");
    /* An index has its table's owner, which is reported there. */
    assert_string_equal(compare_one(arena, index, index_there, 15, 15), "");
}

static void privileges_are_compared_as_sets_with_roles_mapped(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const RoleMap map[] = {
        {"old", "new"}
    };
    static const Config mapped = {.role_map = map, .role_map_count = 1};
    ArchiveEntry source = entry("ACL", "TABLE t", "old",
                                "GRANT SELECT ON TABLE t TO a;\nGRANT ALL ON TABLE t TO old;\n"
                                "GRANT SELECT ON TABLE t TO neon_superuser;\n");
    ArchiveEntry target =
        entry("ACL", "TABLE t", "new",
              "GRANT ALL ON TABLE t TO \"new\";\nGRANT SELECT ON TABLE t TO \"a\";\n");
    ArchiveEntry more = entry("ACL", "TABLE t", "new",
                              "GRANT ALL ON TABLE t TO \"new\";\nGRANT SELECT ON TABLE t TO a;\n"
                              "GRANT INSERT ON TABLE t TO a;\n");

    assert_string_equal(compare(arena, &(Sides){&source, 1, &target, 1, {0}, &mapped}), "");
    assert_string_equal(compare(arena, &(Sides){&source, 1, &more, 1, {0}, &mapped}),
                        "ACL public.TABLE t: with GRANT INSERT ON TABLE t TO a\n");
}

static void privileges_of_a_role_left_behind_are_no_difference(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ArchiveEntry source =
        entry("ACL", "TABLE t", "me", "GRANT SELECT ON TABLE t TO neon_superuser;\n");

    assert_string_equal(compare(arena, &(Sides){&source, 1, NULL, 0, {0}, NULL}), "");
}

static void maintain_is_left_out_between_versions_of_which_one_lacks_it(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const struct {
        const char *before;
        const char *after;
        bool same;
    } cases[] = {
        {"REVOKE SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE ON TABLE t FROM a;\n",
         "REVOKE ALL ON TABLE t FROM a;\n",                                                                                               true },
        {"GRANT SELECT,INSERT ON TABLE t TO a;\n",
         "GRANT SELECT,INSERT,MAINTAIN ON TABLE t TO a;\n",                                                                               true },
        {"",                                                                                    "GRANT MAINTAIN ON TABLE t TO a;\n",      true },
        {"GRANT SELECT ON TABLE t TO a;\n",                                                     "GRANT SELECT,DELETE ON TABLE t TO a;\n", false},
        {"GRANT SELECT(maintain),INSERT ON TABLE t TO a;\n",
         "GRANT SELECT(maintain),INSERT ON TABLE t TO a;\n",                                                                              true },
        {"GRANT EXECUTE ON FUNCTION f() TO a;\n",                                               "GRANT ALL ON FUNCTION f() TO a;\n",      false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ArchiveEntry a = entry("ACL", "TABLE t", "me", cases[i].before);
        ArchiveEntry b = entry("ACL", "TABLE t", "me", cases[i].after);
        bool one_sided = !*cases[i].before;
        const char *found = compare(arena, &(Sides){
                                               &a, one_sided ? 0 : 1, &b, 1, {16, 17},
                                                       NULL
        });

        assert_int_equal(*found == '\0', cases[i].same);
        /* Of one version it is a privilege like any other. */
        if (strcmp(a.defn, b.defn) != 0)
            assert_true(*compare(arena, &(Sides){
                                            &a, one_sided ? 0 : 1, &b, 1, {17, 17},
                                                    NULL
            }));
    }
}

static void what_is_shown_without_maintain_is_a_statement(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ArchiveEntry acl =
        entry("ACL", "TABLE t", "me", "GRANT SELECT,MAINTAIN,INSERT ON TABLE t TO a;\n");

    assert_string_equal(compare(arena,
                                &(Sides){
                                    NULL, 0, &acl, 1, {16, 17},
                                        NULL
    }),
                        "ACL public.TABLE t: only on the target: "
                        "GRANT SELECT,INSERT ON TABLE t TO a\n");
}

static void views_are_equal_whether_a_version_names_the_table_or_not(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ArchiveEntry old =
        entry("VIEW", "v", "me",
              "CREATE VIEW v AS\n SELECT \"t\".\"a\",\n    t.\"b\"\n   FROM \"public\".\"t\";\n");
    ArchiveEntry new =
        entry("VIEW", "v", "me", "CREATE VIEW v AS\n SELECT a,\n    b\n   FROM public.t;\n");
    ArchiveEntry other =
        entry("VIEW", "v", "me", "CREATE VIEW v AS\n SELECT a,\n    a AS b\n   FROM public.t;\n");
    ArchiveEntry table_old = entry("TABLE", "t", "me", "CREATE TABLE x.t ();\n");
    ArchiveEntry table_new = entry("TABLE", "t", "me", "CREATE TABLE t ();\n");

    assert_string_equal(compare_one(arena, old, new, 15, 16), "");
    assert_true(*compare_one(arena, old, new, 15, 15));
    assert_true(*compare_one(arena, old, new, 16, 17));
    assert_true(*compare_one(arena, old, other, 15, 16));
    assert_true(*compare_one(arena, table_old, table_new, 15, 16));
}

static void where_and_how_an_object_is_stored_is_compared(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ArchiveEntry here = entry("INDEX", "i", "me", "CREATE INDEX i;\n");
    ArchiveEntry there = here;
    ArchiveEntry table = entry("TABLE", "t", "me", "CREATE TABLE t ();\n");
    ArchiveEntry column_store = table;

    here.tablespace = "fast";
    assert_string_equal(compare_one(arena, here, here, 15, 17), "");
    assert_string_equal(compare_one(arena, here, there, 15, 17),
                        "INDEX public.i: tablespace: fast -> the default\n");
    table.access_method = "heap";
    column_store.access_method = "columns";
    assert_string_equal(compare_one(arena, table, column_store, 15, 15),
                        "TABLE public.t: access method: heap -> columns\n");
}

/* What a server before 16 wrote, and a later one. */
typedef struct Views {
    const char *kind;
    const char *older;
    const char *newer;
} Views;

static bool are_equal_across_16(Arena *arena, const Views *views)
{
    bool rule = strcmp(views->kind, "RULE _RETURN") == 0;
    const char *kind = rule ? "RULE" : views->kind;
    const char *tag = rule ? "v _RETURN" : "v";
    ArchiveEntry older = entry(kind, tag, "me", views->older);
    ArchiveEntry newer = entry(kind, tag, "me", views->newer);
    const char *there = compare_one(arena, older, newer, 15, 17);
    const char *back = compare_one(arena, newer, older, 17, 15);

    assert_int_equal(*there == '\0', *back == '\0');
    return !*there;
}

static void only_the_columns_of_a_view_s_one_relation_lose_its_name(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const Views views[] = {
        {"VIEW",              "CREATE VIEW v AS SELECT x.a FROM s.t x WHERE (x.b > 0);",
         "CREATE VIEW v AS SELECT a FROM s.t x WHERE (b > 0);"                                                                   },
        {"RULE _RETURN",      "CREATE OR REPLACE VIEW v AS SELECT t.a FROM s.t GROUP BY t.a;",
         "CREATE OR REPLACE VIEW v AS SELECT a FROM s.t GROUP BY a;"                                                             },
        {"MATERIALIZED VIEW", "CREATE MATERIALIZED VIEW v AS SELECT t.a FROM s.t WITH NO DATA;",
         "CREATE MATERIALIZED VIEW v AS SELECT a FROM s.t WITH NO DATA;"                                                         },
        {"VIEW",              "SELECT \"T\".\"a\" FROM s.\"T\" GROUP BY \"T\".\"a\";",
         "SELECT \"a\" FROM s.\"T\" GROUP BY \"a\";"                                                                             },
        {"VIEW",              "SELECT (t.a IS DISTINCT FROM t.b) AS c FROM s.t;",
         "SELECT (a IS DISTINCT FROM b) AS c FROM s.t;"                                                                          },
        {"VIEW",              "SELECT EXTRACT(year FROM t.b) FROM s.t;",
         "SELECT EXTRACT(year FROM b) FROM s.t;"                                                                                 },
        {"VIEW",              "SELECT id.id, (id.c).d FROM s.id;",                                  "SELECT id, (c).d FROM s.id;"},
        {"VIEW",              "SELECT t.a, (SELECT max(u.c) FROM s.u WHERE (u.d = t.a)) FROM s.t;",
         "SELECT a, (SELECT max(u.c) FROM s.u WHERE (u.d = t.a)) FROM s.t;"                                                      },
        {"VIEW",              "SELECT x.a FROM ( SELECT t.a FROM s.t, s.u) x;",
         "SELECT a FROM ( SELECT t.a FROM s.t, s.u) x;"                                                                          },
        {"VIEW",              "WITH c AS (SELECT t.a FROM s.t) SELECT c.a FROM c;",
         "WITH c AS (SELECT t.a FROM s.t) SELECT a FROM c;"                                                                      },
        {"VIEW",              "SELECT u.a, u.n FROM unnest('{1}'::int[]) WITH ORDINALITY u(a, n);",
         "SELECT a, n FROM unnest('{1}'::int[]) WITH ORDINALITY u(a, n);"                                                        },
        {"VIEW",              "SELECT t.a FROM s.t TABLESAMPLE system (1);",
         "SELECT a FROM s.t TABLESAMPLE system (1);"                                                                             },
        {"VIEW",              "SELECT t.l[t.a:t.b] FROM s.t;",                                      "SELECT l[a:b] FROM s.t;"    },
    };

    for (size_t i = 0; i < COUNT_OF(views); i++)
        assert_true(are_equal_across_16(arena, &views[i]));
}

static void any_other_qualifier_tells_two_views_apart(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const Views views[] = {
        {"VIEW",              "SELECT a.id FROM s.a JOIN s.b ON true;",
         "SELECT b.id FROM s.a JOIN s.b ON true;"                                                                                    },
        {"VIEW",              "SELECT a.id FROM (s.a JOIN s.b ON ((a.x = b.x)));",
         "SELECT id FROM (s.a JOIN s.b ON ((a.x = b.x)));"                                                                           },
        {"VIEW",              "SELECT a.id FROM s.a, s.b;",                                    "SELECT id FROM s.a, s.b;"            },
        {"VIEW",              "SELECT t.a FROM tenant1.t;",                                    "SELECT a FROM tenant2.t;"            },
        {"VIEW",              "SELECT t.a FROM tenant1.t;",                                    "SELECT a FROM t;"                    },
        {"VIEW",              "SELECT t.a FROM t.pg_class t;",                                 "SELECT a FROM pg_class t;"           },
        {"MATERIALIZED VIEW", "SELECT t.a FROM tenant1.t;",                                    "SELECT a FROM tenant2.t;"            },
        {"VIEW",              "SELECT s1.f(t.a) FROM s.t;",                                    "SELECT s2.f(a) FROM s.t;"            },
        {"VIEW",              "SELECT t.lower(t.a) FROM s.t;",                                 "SELECT lower(a) FROM s.t;"           },
        {"VIEW",              "SELECT t.a::t.text FROM s.t;",                                  "SELECT a::text FROM s.t;"            },
        {"VIEW",              "SELECT (t.a COLLATE t.\"C\") FROM s.t;",                        "SELECT (a COLLATE \"C\") FROM s.t;"  },
        {"VIEW",              "SELECT u.a FROM s.t;",                                          "SELECT a FROM s.t;"                  },
        {"VIEW",              "SELECT t.a FROM s.t;",                                          "SELECT u.a FROM s.t;"                },
        {"VIEW",              "SELECT a FROM s.t;",                                            "SELECT t.a FROM s.t;"                },
        {"VIEW",              "SELECT (SELECT t.a FROM s.u) FROM s.t;",                        "SELECT (SELECT a FROM s.u) FROM s.t;"},
        {"RULE",              "CREATE RULE v AS ON DELETE TO s.t DO SELECT 1 FROM tenant1.t;",
         "CREATE RULE v AS ON DELETE TO s.t DO SELECT 1 FROM tenant2.t;"                                                             },
    };

    for (size_t i = 0; i < COUNT_OF(views); i++)
        assert_false(are_equal_across_16(arena, &views[i]));
}

static void quotes_matter_only_where_they_mean_something(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const struct {
        const char *before;
        const char *after;
        bool same;
    } cases[] = {
        {"a \"json\"",    "a json",    true },
        {"\"a\" integer", "a integer", true },
        {"a \"char\"",    "a char",    false},
        {"a \"bit\"",     "a bit",     false},
        {"\"A\" integer", "a integer", false},
        {"\"a b\" text",  "a b text",  false},
        {"'\"a\"'",       "'a'",       false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ArchiveEntry a = entry("TABLE", "t", "me", cases[i].before);
        ArchiveEntry b = entry("TABLE", "t", "me", cases[i].after);

        assert_int_equal(*compare_one(arena, a, b, 16, 17) == '\0', cases[i].same);
        assert_true(*compare_one(arena, a, b, 17, 17));
    }
}

static void public_belongs_to_another_role_since_15(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    ArchiveEntry source = entry("SCHEMA", "public", "postgres", "-- *not* creating schema\n");

    assert_string_equal(compare(arena,
                                &(Sides){
                                    &source, 1, NULL, 0, {14, 17},
                                        NULL
    }),
                        "");
    assert_true(*compare(arena, &(Sides){
                                    &source, 1, NULL, 0, {15, 17},
                                        NULL
    }));
}

static void definitions_that_may_hold_a_password_are_not_shown(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const char *const kinds[] = {"USER MAPPING", "SERVER", "SUBSCRIPTION"};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        ArchiveEntry a = entry(kinds[i], "x", "me", "OPTIONS (password 'secret-a');\n");
        ArchiveEntry b = entry(kinds[i], "x", "me", "OPTIONS (password 'secret-b');\n");
        const char *found = compare_one(arena, a, b, 15, 15);

        assert_true(*found);
        assert_null(strstr(found, "secret"));
        found = compare(arena, &(Sides){&a, 1, NULL, 0, {0}, NULL});
        assert_true(*found);
        assert_null(strstr(found, "secret"));
    }
}

static void default_privileges_are_told_apart_by_their_role(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const char *tag = "DEFAULT PRIVILEGES FOR TABLES";
    const char *one = "ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO r;\n";
    const char *two = "ALTER DEFAULT PRIVILEGES FOR ROLE b GRANT SELECT ON TABLES TO r;\n";
    ArchiveEntry source[] = {entry("DEFAULT ACL", tag, "a", one),
                             entry("DEFAULT ACL", tag, "b", two)};
    ArchiveEntry target[] = {entry("DEFAULT ACL", tag, "b", two)};
    const char *found = compare(arena, &(Sides){source, 2, target, 1, {0}, NULL});

    assert_ptr_equal(strstr(found, "DEFAULT ACL public.DEFAULT PRIVILEGES FOR TABLES OF a: only "
                                   "on the source"),
                     found);
    assert_null(strstr(found, " OF b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_entries_in_another_order_are_no_difference),
        cmocka_unit_test(entries_of_one_name_are_told_apart_by_what_they_are),
        cmocka_unit_test(what_one_side_lacks_is_named_with_its_definition),
        cmocka_unit_test(lines_that_differ_are_shown_whatever_commas_do),
        cmocka_unit_test(owners_are_compared_by_the_map),
        cmocka_unit_test(privileges_are_compared_as_sets_with_roles_mapped),
        cmocka_unit_test(privileges_of_a_role_left_behind_are_no_difference),
        cmocka_unit_test(maintain_is_left_out_between_versions_of_which_one_lacks_it),
        cmocka_unit_test(what_is_shown_without_maintain_is_a_statement),
        cmocka_unit_test(views_are_equal_whether_a_version_names_the_table_or_not),
        cmocka_unit_test(where_and_how_an_object_is_stored_is_compared),
        cmocka_unit_test(only_the_columns_of_a_view_s_one_relation_lose_its_name),
        cmocka_unit_test(any_other_qualifier_tells_two_views_apart),
        cmocka_unit_test(quotes_matter_only_where_they_mean_something),
        cmocka_unit_test(public_belongs_to_another_role_since_15),
        cmocka_unit_test(definitions_that_may_hold_a_password_are_not_shown),
        cmocka_unit_test(default_privileges_are_told_apart_by_their_role),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
