#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/text.h"
#include "move/verify.h"

static ArchiveEntry entry(const char *desc, const char *tag, const char *defn)
{
    return (ArchiveEntry){
        .desc = desc,
        .schema = "public",
        .tag = tag,
        .owner = "",
        .defn = defn,
        .drop = "",
        .tablespace = "",
        .access_method = "",
        .section = strcmp(desc, "TRIGGER") == 0   ? SECTION_POST_DATA
                   : strcmp(desc, "COMMENT") == 0 ? SECTION_NONE
                                                  : SECTION_PRE_DATA,
    };
}

/* What is said of this change, where this entry is on the source alone. */
static const char *unlike(Arena *arena, const char *changed, const char *desc, const char *tag)
{
    static const Config none = {0};
    ArchiveEntry only = entry(desc, tag, "x;\n");
    Archive source = {.entries = &only, .count = 1};
    Archive target = {0};
    const SchemaSides sides = {
        .config = &none,
        .archives = {&source, &target},
        .majors = {15,      17     },
    };

    return changes_unlike(arena, &sides, &changed, 1);
}

static void an_entry_counts_where_it_speaks_of_what_changed(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const struct {
        const char *changed;
        const char *desc;
        const char *tag;
        const char *found; /* NULL: it is another matter */
    } cases[] = {
        {"column public.orders.note",               "TABLE",             "orders",
         "TABLE public.orders: only on the source: x"                                                                                        },
        {"column public.orders.note",               "TABLE",             "users",                 NULL                                       },
        {"index public.n on public.orders",         "TABLE",             "sessions",              NULL                                       },
        {"index public.n on public.orders",         "TABLE",             "reorders",              NULL                                       },
        {"table public.types",                      "TABLE",             "types",                 "TABLE public.types: only on the source: x"},
        {"index public.i on public.orders",         "INDEX",             "i",                     "INDEX public.i: only on the source: x"    },
        {"table public.\"Odd \"\"one\"\"\"",        "TABLE",             "Odd \"one\"",
         "TABLE public.Odd \"one\": only on the source: x"                                                                                   },
        {"table \"public\".\"Odd\"",                "TABLE",             "even",                  NULL                                       },
        {"function public.f(integer)",              "FUNCTION",          "f(\"n\" integer)",
         "FUNCTION public.f(\"n\" integer): only on the source: x"                                                                           },
        {"operator public.+(text,text)",            "OPERATOR",          "+",
         "OPERATOR public.+: only on the source: x"                                                                                          },
 /* Ours are on one side alone, and speak of the app's tables. */
        {"trigger g on public.orders",              "TRIGGER",           "orders homeport_fence", NULL                                       },
        {"column public.orders.note",               "PUBLICATION TABLE", "homeport_1 orders",     NULL                                       },
 /* One at rest differs while the other side is in use. */
        {"column public.orders.note",               "TRIGGER",           "orders g",              NULL                                       },
        {"trigger g on public.orders",              "TRIGGER",           "orders g",
         "TRIGGER public.orders g: only on the source: x"                                                                                    },
        {"column public.orders.note",               "COMMENT",           "TRIGGER g ON orders",   NULL                                       },
        {"comment on table column public.orders.n", "COMMENT",           "COLUMN orders.n",
         "COMMENT public.COLUMN orders.n: only on the source: x"                                                                             },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *found = unlike(arena, cases[i].changed, cases[i].desc, cases[i].tag);

        assert_string_equal(found ? found : "(none)", cases[i].found ? cases[i].found : "(none)");
    }
}

static void the_first_of_several_is_named(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    static const Config none = {0};
    ArchiveEntry here[] = {entry("TABLE", "first", "CREATE TABLE first (\n    n integer\n);\n"),
                           entry("TABLE", "other", "CREATE TABLE other (\n    n integer\n);\n")};
    ArchiveEntry there[] = {entry("TABLE", "first", "CREATE TABLE first (\n    n bigint\n);\n"),
                            entry("TABLE", "other", "CREATE TABLE other (\n    n bigint\n);\n")};
    Archive source = {.entries = here, .count = 2};
    Archive target = {.entries = there, .count = 2};
    const char *const changed[] = {"column public.other.n", "column public.first.n"};
    const SchemaSides sides = {
        .config = &none,
        .archives = {&source, &target},
        .majors = {15,      17     },
    };

    assert_string_equal(changes_unlike(arena, &sides, changed, 2),
                        "TABLE public.first: n integer -> n bigint");
    assert_string_equal(changes_unlike(arena, &sides, changed, 1),
                        "TABLE public.other: n integer -> n bigint");
    target = source;
    assert_null(changes_unlike(arena, &sides, changed, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_counts_where_it_speaks_of_what_changed),
        cmocka_unit_test(the_first_of_several_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
