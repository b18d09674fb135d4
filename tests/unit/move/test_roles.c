#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "move/roles.h"

static const RoleMap map[] = {
    {"app",         "home app"       },
    {"a \"b\"",     "a \"c\""        },
    {"cloud_admin", "postgres"       }, /* a provider's, but somebody wants it */
    {"public",      "not the keyword"},
};

static const Config config = {.role_map = map, .role_map_count = COUNT_OF(map)};

typedef struct Case {
    const char *defn;
    const char *rewritten; /* NULL: as it is */
} Case;

static void check_cases(const char *desc, const Case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        auto_arena Arena *arena = arena_new();
        ArchiveEntry entry = {.desc = desc, .defn = cases[i].defn};

        assert_string_equal(roles_rewrite(arena, &config, &entry),
                            cases[i].rewritten ? cases[i].rewritten : cases[i].defn);
    }
}

static void owners_are_mapped_kept_or_nobody(void **state)
{
    (void)state;
    assert_string_equal(role_mapped(&config, "app"), "home app");
    assert_string_equal(role_mapped(&config, "a \"b\""), "a \"c\"");
    assert_string_equal(role_mapped(&config, "App"), "App");
    assert_string_equal(role_mapped(&config, "other"), "other");
    assert_string_equal(role_mapped(&config, "cloud_admin"), "postgres");
    assert_null(role_mapped(&config, "neon_superuser"));
    assert_null(role_mapped(&config, "neon_service"));
    assert_string_equal(role_mapped(&(Config){0}, "app"), "app");
    assert_null(role_mapped(&(Config){0}, "cloud_admin"));
}

static void provider_names_are_exactly_these(void **state)
{
    (void)state;
    assert_true(schema_is_provider("neon"));
    assert_true(schema_is_provider("neon_utils"));
    assert_true(schema_is_provider("neon_migration"));
    assert_false(schema_is_provider("neon_auth")); /* its users are the app's */
    assert_false(schema_is_provider("public"));
    assert_true(extension_is_provider("neon"));
    assert_false(extension_is_provider("pgcrypto"));
    assert_false(role_is_provider("neondb_owner")); /* the owner's, by whatever name */
}

static void privileges_go_to_the_mapped_role(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"GRANT SELECT ON TABLE public.t TO app;\n",
         "GRANT SELECT ON TABLE public.t TO \"home app\";\n"                                                                            },
        {"GRANT ALL ON TABLE public.t TO app,other;\n",
         "GRANT ALL ON TABLE public.t TO \"home app\", \"other\";\n"                                                                    },
        {"GRANT ALL ON TABLE public.t TO other , app WITH GRANT OPTION;\n",
         "GRANT ALL ON TABLE public.t TO \"other\", \"home app\" WITH GRANT OPTION;\n"                                                  },
        {"REVOKE ALL ON TABLE public.t FROM app;\nGRANT ALL ON TABLE public.t TO PUBLIC;\n",
         "REVOKE ALL ON TABLE public.t FROM \"home app\";\n"
         "GRANT ALL ON TABLE public.t TO PUBLIC;\n"                                                                                     },
        {"GRANT SELECT(app,\"to\") ON TABLE public.app TO app;\n",
         "GRANT SELECT(app,\"to\") ON TABLE public.app TO \"home app\";\n"                                                              },
        {"GRANT ALL ON FUNCTION app.app(app app, \"from\" text) TO app;\n",
         "GRANT ALL ON FUNCTION app.app(app app, \"from\" text) TO \"home app\";\n"                                                     },
        {"GRANT ALL ON TABLE \"to\".\"from\" TO app;\n",
         "GRANT ALL ON TABLE \"to\".\"from\" TO \"home app\";\n"                                                                        },
        {"GRANT ALL ON TABLE \"TO app\" TO \"App\";\n",                                      NULL                                       },
        {"GRANT ALL ON SCHEMA app TO \"a \"\"b\"\"\" GRANTED BY app;\n",
         "GRANT ALL ON SCHEMA app TO \"a \"\"c\"\"\" GRANTED BY \"home app\";\n"                                                        },
        {"GRANT app TO other GRANTED BY CURRENT_ROLE;\n",
         "GRANT app TO \"other\" GRANTED BY CURRENT_ROLE;\n"                                                                            },
        {"SET SESSION AUTHORIZATION app;\nGRANT ALL ON TABLE t TO other;\n"
         "RESET SESSION AUTHORIZATION;\n",                                          "SET SESSION AUTHORIZATION \"home app\";\nGRANT ALL ON TABLE t TO \"other\";\n"
         "RESET SESSION AUTHORIZATION;\n"                                            },
        {"SET SESSION AUTHORIZATION 'app';\n",                                               "SET SESSION AUTHORIZATION \"home app\";\n"},
        {"SET SESSION AUTHORIZATION DEFAULT;\n",                                             NULL                                       },
    };

    check_cases("ACL", cases, COUNT_OF(cases));
}

static void keywords_for_roles_stay_and_quoted_ones_are_names(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"GRANT ALL ON TABLE t TO PUBLIC, current_user, SESSION_USER, CURRENT_ROLE;\n", NULL                                            },
        {"GRANT ALL ON TABLE t TO \"public\";\n",                                       "GRANT ALL ON TABLE t TO \"not the keyword\";\n"},
        {"GRANT ALL ON TABLE t TO \"PUBLIC\";\n",                                       NULL                                            },
    };

    check_cases("ACL", cases, COUNT_OF(cases));
}

static void statements_for_a_providers_role_go(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"GRANT ALL ON TABLE t TO neon_superuser;\n",                                   "\n"                                     },
        {"GRANT ALL ON TABLE t TO neon_superuser;\nGRANT SELECT ON TABLE t TO app;\n",
         "\nGRANT SELECT ON TABLE t TO \"home app\";\n"                                                                          },
        {"GRANT SELECT ON TABLE t TO app;\nREVOKE ALL ON TABLE t FROM neon_service;\n",
         "GRANT SELECT ON TABLE t TO \"home app\";\n"                                                                            },
        {"GRANT ALL ON TABLE t TO cloud_admin;\n",                                      "GRANT ALL ON TABLE t TO \"postgres\";\n"},
        {"GRANT ALL ON TABLE t TO app GRANTED BY neon_superuser;\n",                    "\n"                                     },
        {"GRANT ALL ON TABLE neon_superuser.neon_service TO app;\n",
         "GRANT ALL ON TABLE neon_superuser.neon_service TO \"home app\";\n"                                                     },
        {"GRANT ALL ON TABLE t TO neon_superuser",                                      ""                                       }, /* whatever it ends with */
  /* From a list with others it goes alone. */
        {"GRANT ALL ON TABLE t TO neon_superuser, app, neon_service, other;\n",
         "GRANT ALL ON TABLE t TO \"home app\", \"other\";\n"                                                                    },
        {"GRANT ALL ON TABLE t TO PUBLIC, neon_superuser WITH GRANT OPTION;\n",
         "GRANT ALL ON TABLE t TO PUBLIC WITH GRANT OPTION;\n"                                                                   },
        {"GRANT ALL ON TABLE t TO neon_superuser, neon_service;\n",                     "\n"                                     },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        ArchiveEntry entry = {.desc = "ACL", .defn = cases[i].defn};
        const char *sql = roles_rewrite(arena, &config, &entry);

        /* Blanks around statements that went are of no account. */
        assert_string_equal(sql + strspn(sql, "\n"),
                            cases[i].rewritten + strspn(cases[i].rewritten, "\n"));
    }
}

/* No pg_dump writes such a thing; what was written once is read as the same roles again. */
static void names_that_stand_side_by_side_stay_two(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"GRANT ALL ON TABLE t TO app\"\";\n",       "GRANT ALL ON TABLE t TO \"home app\" \"\";\n"},
        {"GRANT ALL ON TABLE t TO \"app\"b;\n",      "GRANT ALL ON TABLE t TO \"home app\" b;\n"   },
        {"GRANT ALL ON TABLE t TO app, \"app\"b;\n", "GRANT ALL ON TABLE t TO \"home app\" b;\n"   },
        {"GRANT ALL ON TABLE t TO app,other;\n",
         "GRANT ALL ON TABLE t TO \"home app\", \"other\";\n"                                      },
    };

    check_cases("ACL", cases, COUNT_OF(cases));
}

static void default_privileges_are_of_and_for_mapped_roles(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA app GRANT SELECT ON TABLES TO other;\n",
         "ALTER DEFAULT PRIVILEGES FOR ROLE \"home app\" IN SCHEMA app GRANT SELECT ON TABLES "
         "TO \"other\";\n"                                                                           },
        {"ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE ALL ON TABLES FROM app;\n",
         "ALTER DEFAULT PRIVILEGES FOR ROLE \"home app\" REVOKE ALL ON TABLES FROM "
         "\"home app\";\n"                                                                           },
        {"ALTER DEFAULT PRIVILEGES FOR ROLE neon_service GRANT ALL ON TABLES TO app;\n",           ""},
        {"ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT ALL ON TABLES TO neon_superuser;\n",         ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        ArchiveEntry entry = {.desc = "DEFAULT ACL", .defn = cases[i].defn};
        const char *sql = roles_rewrite(arena, &config, &entry);

        assert_string_equal(sql + strspn(sql, "\n"), cases[i].rewritten);
    }
}

static void policies_are_for_mapped_roles_and_their_conditions_stay(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"CREATE POLICY app ON public.app FOR SELECT TO app, other, \"a \"\"b\"\"\" USING "
         "((app IN ( SELECT app FROM app)));\n",                                           "CREATE POLICY app ON public.app FOR SELECT TO \"home app\", \"other\", \"a \"\"c\"\"\" "
         "USING ((app IN ( SELECT app FROM app)));\n"},
        {"CREATE POLICY p ON t AS RESTRICTIVE TO app, neon_superuser USING (true);\n",
         "CREATE POLICY p ON t AS RESTRICTIVE TO \"home app\" USING (true);\n"                                },
        {"CREATE POLICY \"TO app\" ON t USING ((name = 'TO app'::text)) WITH CHECK ((a = app));\n",
         NULL                                                                                                 },
        {"CREATE POLICY p ON t USING ((owner = CURRENT_USER));\n",                                  NULL      },
        {"CREATE POLICY role ON t FOR ALL TO app;\n",
         "CREATE POLICY role ON t FOR ALL TO \"home app\";\n"                                                 },
    };

    check_cases("POLICY", cases, COUNT_OF(cases));
}

static void user_mappings_are_for_mapped_roles(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"CREATE USER MAPPING FOR app SERVER app OPTIONS (\n    \"user\" 'app',\n"
         "    password 'FOR app'\n);\n",        "CREATE USER MAPPING FOR \"home app\" SERVER app OPTIONS (\n    \"user\" 'app',\n"
         "    password 'FOR app'\n);\n"},
        {"CREATE USER MAPPING FOR PUBLIC SERVER app;\n", NULL                           },
    };

    check_cases("USER MAPPING", cases, COUNT_OF(cases));
}

static void other_kinds_of_entries_stay_as_they_are(void **state)
{
    (void)state;
    static const char *const kinds[] = {"TABLE", "VIEW", "RULE", "COMMENT", "FUNCTION", "TRIGGER"};
    static const Case cases[] = {
        {"CREATE RULE r AS ON INSERT TO app DO NOTHING;\n", NULL},
        {"CREATE VIEW v AS SELECT a FROM app;\n",           NULL},
    };

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        check_cases(kinds[i], cases, COUNT_OF(cases));
}

static void an_entry_without_sql_stays_so(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"",             NULL},
        {"\n\n",         NULL},
        {";",            NULL},
        {"-- nothing\n", NULL},
    };

    check_cases("ACL", cases, COUNT_OF(cases));
}

static void roles_that_become_one_are_named_once(void **state)
{
    (void)state;
    static const RoleMap one[] = {
        {"a", "x"},
        {"b", "x"},
        {"c", "x"},
        {"d", "y"},
        {"e", "y"}
    };
    static const Config merged = {.role_map = one, .role_map_count = COUNT_OF(one)};
    auto_arena Arena *arena = arena_new();
    ArchiveEntry entry = {.desc = "POLICY",
                          .defn = "CREATE POLICY p ON t TO a, d, b, other, c, e USING (a > b);\n"};

    assert_string_equal(roles_rewrite(arena, &merged, &entry),
                        "CREATE POLICY p ON t TO \"x\", \"y\", \"other\" USING (a > b);\n");
}

static void roles_are_one_at_home_where_the_archive_has_both(void **state)
{
    (void)state;
    static const RoleMap pair[] = {
        {"a", "x"},
        {"b", "x"}
    };
    static const RoleMap onto[] = {
        {"a", "b"}
    };
    static const RoleMap swap[] = {
        {"a", "b"},
        {"b", "a"}
    };
    static const RoleMap same[] = {
        {"a", "a"}
    };
    static const struct {
        const RoleMap *map;
        int count;
        const char *owner;
        const char *grantee;
        bool merged;
    } cases[] = {
        {pair, 2, "a", "b", true },
        {pair, 2, "a", "c", false},
        {pair, 2, "c", "c", false},
        {onto, 1, "a", "b", true },
        {onto, 1, "b", "a", true },
        {onto, 1, "a", "c", false},
        {swap, 2, "a", "b", false},
        {same, 1, "a", "a", false},
        {NULL, 0, "a", "b", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        const char *acl =
            arena_printf(arena, "GRANT SELECT ON TABLE b TO \"%s\";", cases[i].grantee);
        ArchiveEntry entries[] = {
            {.desc = "TABLE", .owner = cases[i].owner, .defn = "" },
            {.desc = "ACL",   .owner = "",             .defn = acl}
        };
        Archive archive = {.entries = entries, .count = COUNT_OF(entries)};
        Config some = {.role_map = cases[i].map, .role_map_count = cases[i].count};

        assert_int_equal(roles_merge(&some, &archive), cases[i].merged);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owners_are_mapped_kept_or_nobody),
        cmocka_unit_test(provider_names_are_exactly_these),
        cmocka_unit_test(privileges_go_to_the_mapped_role),
        cmocka_unit_test(keywords_for_roles_stay_and_quoted_ones_are_names),
        cmocka_unit_test(statements_for_a_providers_role_go),
        cmocka_unit_test(names_that_stand_side_by_side_stay_two),
        cmocka_unit_test(default_privileges_are_of_and_for_mapped_roles),
        cmocka_unit_test(policies_are_for_mapped_roles_and_their_conditions_stay),
        cmocka_unit_test(user_mappings_are_for_mapped_roles),
        cmocka_unit_test(other_kinds_of_entries_stay_as_they_are),
        cmocka_unit_test(an_entry_without_sql_stays_so),
        cmocka_unit_test(roles_that_become_one_are_named_once),
        cmocka_unit_test(roles_are_one_at_home_where_the_archive_has_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
