#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "move/verify.h"

typedef struct Case {
    const char *sql;
    const char *sum;
} Case;

static void check(const Case *cases, size_t count, bool maintain)
{
    for (size_t i = 0; i < count; i++) {
        auto_arena Arena *arena = arena_new();

        assert_string_equal(acl_sum(arena, cases[i].sql, "\"me\"", maintain), cases[i].sum);
    }
}

static void what_an_owner_or_everybody_has_anyway_is_nothing(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"",                                                                                         ""},
        {"GRANT SELECT ON TABLE public.t TO \"me\";\n",                                              ""},
        {"GRANT SELECT ON TABLE public.t TO \"me\" WITH GRANT OPTION;\n",                            ""},
        {"REVOKE ALL ON TABLE public.t FROM \"me\";\nGRANT ALL ON TABLE public.t TO \"me\";\n",      ""},
        {"REVOKE ALL ON FUNCTION public.f() FROM PUBLIC;\n"
         "GRANT EXECUTE ON FUNCTION public.f() TO PUBLIC;\n",                               ""},
        {"REVOKE ALL ON PROCEDURE public.f(\"to\" text) FROM PUBLIC;\n",
         "REVOKE EXECUTE ON PROCEDURE public.f(\"to\" text) FROM PUBLIC;\n"                            },
        {"REVOKE ALL ON TYPE public.t FROM PUBLIC;\nREVOKE ALL ON TYPE public.t FROM \"me\";\n",
         "REVOKE USAGE ON TYPE public.t FROM \"me\";\nREVOKE USAGE ON TYPE public.t FROM "
         "PUBLIC;\n"                                                                                   },
 /* By column, and for what is made later in one schema, nobody has anything. */
        {"GRANT SELECT(\"a\"),UPDATE(\"a\") ON TABLE public.t TO \"me\";\n",
         "GRANT SELECT(\"a\") ON TABLE public.t TO \"me\";\n"
         "GRANT UPDATE(\"a\") ON TABLE public.t TO \"me\";\n"                                          },
        {"ALTER DEFAULT PRIVILEGES FOR ROLE \"me\" IN SCHEMA s GRANT ALL ON FUNCTIONS TO PUBLIC;\n",
         "ALTER DEFAULT PRIVILEGES FOR ROLE \"me\" IN SCHEMA s GRANT EXECUTE ON FUNCTIONS TO "
         "PUBLIC;\n"                                                                                   },
        {"ALTER DEFAULT PRIVILEGES FOR ROLE \"me\" GRANT ALL ON FUNCTIONS TO PUBLIC;\n",             ""},
    };

    check(cases, COUNT_OF(cases), false);
}

static void parts_are_added_up_in_any_order(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"GRANT UPDATE,SELECT ON SEQUENCE public.s TO a,b;\n",
         "GRANT SELECT ON SEQUENCE public.s TO a;\nGRANT SELECT ON SEQUENCE public.s TO b;\n"
         "GRANT UPDATE ON SEQUENCE public.s TO a;\nGRANT UPDATE ON SEQUENCE public.s TO b;\n"                                                                       },
        {"GRANT ALL ON SCHEMA public TO a;\n",
         "GRANT CREATE ON SCHEMA public TO a;\nGRANT USAGE ON SCHEMA public TO a;\n"                                                                                },
        {"GRANT USAGE ON SCHEMA public TO a;\nGRANT CREATE ON SCHEMA public TO a;\n"
         "GRANT USAGE ON SCHEMA public TO a;\n",                                "GRANT CREATE ON SCHEMA public TO a;\nGRANT USAGE ON SCHEMA public TO a;\n"},
 /* The option stays once it was given; who gave it does not matter. */
        {"GRANT USAGE ON FOREIGN SERVER f TO a WITH GRANT OPTION;\n"
         "SET SESSION AUTHORIZATION b;\nGRANT USAGE ON FOREIGN SERVER f TO a;\n"
         "RESET SESSION AUTHORIZATION;\n",                                      "GRANT USAGE ON FOREIGN SERVER f TO a WITH GRANT OPTION;\n"                },
        {"GRANT USAGE ON LANGUAGE l TO a WITH GRANT OPTION;\n"
         "REVOKE GRANT OPTION FOR USAGE ON LANGUAGE l FROM a;\n"
         "REVOKE GRANT OPTION FOR USAGE ON LANGUAGE l FROM b;\n",               "GRANT USAGE ON LANGUAGE l TO a;\n"                                        },
        {"GRANT ALL ON LARGE OBJECT 1 TO a;\nREVOKE SELECT ON LARGE OBJECT 1 FROM a;\n",
         "GRANT UPDATE ON LARGE OBJECT 1 TO a;\nREVOKE SELECT ON LARGE OBJECT 1 FROM a;\n"                                                                          },
        {"GRANT ALL(\"on\") ON TABLE public.t TO a;\n",
         "GRANT INSERT(\"on\") ON TABLE public.t TO a;\nGRANT REFERENCES(\"on\") ON TABLE "
         "public.t TO a;\nGRANT SELECT(\"on\") ON TABLE public.t TO a;\nGRANT UPDATE(\"on\") ON "
         "TABLE public.t TO a;\n"                                                                                                                                   },
    };

    check(cases, COUNT_OF(cases), false);
}

/* A role that had all but one and another that had that one are one that has all. */
static void maintain_counts_where_both_servers_know_it(void **state)
{
    (void)state;
    static const char six[] = "GRANT SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,MAINTAIN ON "
                              "TABLE public.t TO a;\nGRANT TRIGGER ON TABLE public.t TO a;\n";
    static const char all[] = "GRANT ALL ON TABLE public.t TO a;\n";

    for (int maintain = 0; maintain < 2; maintain++) {
        auto_arena Arena *arena = arena_new();
        const char *sum = acl_sum(arena, all, "\"me\"", maintain == 1);

        assert_string_equal(acl_sum(arena, six, "\"me\"", maintain == 1), sum);
        assert_int_equal(strstr(sum, "MAINTAIN") != NULL, maintain);
    }
}

static void lists_of_any_length_are_added_up(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text sql = text_init(arena, 1 << 16);
    Text all = text_init(arena, 1 << 16);

    for (int i = 100; i < 200; i++) {
        text_addf(&sql, "GRANT SELECT ON TABLE public.t TO r%d;\n", 299 - i);
        text_addf(&all, "GRANT SELECT ON TABLE public.t TO r%d;\n", i);
    }
    assert_string_equal(acl_sum(arena, text_str(&sql), "me", true), text_str(&all));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_owner_or_everybody_has_anyway_is_nothing),
        cmocka_unit_test(parts_are_added_up_in_any_order),
        cmocka_unit_test(lists_of_any_length_are_added_up),
        cmocka_unit_test(maintain_counts_where_both_servers_know_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
