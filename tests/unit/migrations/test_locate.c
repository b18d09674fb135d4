/* Where the migrations are: by setting, by drizzle.config read as text, by the usual folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/file.h"
#include "migrations/internal.h"

static char app[64];

static int app_make(void **state)
{
    (void)state;
    (void)snprintf(app, sizeof app, "/tmp/homeport-app-XXXXXX");
    return mkdtemp(app) ? 0 : -1;
}

static int app_remove(void **state)
{
    (void)state;
    Error err = ERROR_INIT;
    return file_remove_tree(app, &err) ? 0 : -1;
}

static void write_file(Arena *arena, const char *name, const char *text)
{
    char *path = arena_printf(arena, "%s/%s", app, name);
    char *parent = arena_strdup(arena, path);
    Error err = ERROR_INIT;

    *strrchr(parent, '/') = '\0';
    assert_true(file_make_dir(parent, 0700, &err));
    assert_true(file_replace(path, text, strlen(text), &err));
}

/* The defaults: a file that says nothing, outside of the app. */
static Config config_of(Arena *arena)
{
    Config config;
    Error err = ERROR_INIT;

    assert_true(config_load(arena, "/dev/null", &config, &err));
    return config;
}

static void set(Arena *arena, Config *config, const char *name, const char *text)
{
    Error err = ERROR_INIT;

    assert_true(config_set(arena, config, setting_find(name), "--x", text, &err));
}

/* What was found, as "out|schema|table|dynamic". */
static const char *config_summary(Arena *arena, const char *text)
{
    DrizzleConfig found = {0};

    drizzle_config_read(arena, text, strlen(text), &found);
    return arena_printf(arena, "%s|%s|%s|%s", found.out ? found.out : "",
                        found.schema ? found.schema : "", found.table ? found.table : "",
                        found.dynamic ? found.dynamic : "");
}

static void a_config_is_read_as_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"||||",               ""                                                                               },
        {"./src/lib/db/m||||",
         "export default defineConfig({ schema: './s', out: './src/lib/db/m' });"                               },
        {"d||||",              "export default { out: \"d\", } satisfies Config;"                               },
        {"d||||",              "{\"dialect\": \"postgresql\", \"out\": \"d\"}"                                  },
        {"d||||",              "export default defineConfig({ out: `d` })"                                      },
        {"yes||||",
         "// out: 'no'\n/* { out: 'no' } */\nexport default { /* a */ out /* b */ : 'yes' }"                    },
        {"yes||||",            "const s = \"{ out: 'no' }\"; export default { 'out': 'yes' }"                   },
        {"d|public|m||",
         "export default { out: 'd', migrations: { table: 'm', schema: 'public' } }"                            },
        {"||||",               "export default { schema: './s.ts', table: 'x', dbCredentials: { url: env.U! } }"},
        {"||m||",              "export default { migrations: { table: 'm' }, schema: 's' }"                     },
        {"||||",               "const out = 'x'; export default { dialect: 'postgresql' }"                      },
        {"|||out|",            "export default { out: process.env.OUT }"                                        },
        {"|||out|",            "export default { out: 'a' + b }"                                                },
        {"|||out|",            "export default { out: `a/${b}` }"                                               },
        {"|||out|",            "export default { out: 'a\\u0062' }"                                             },
        {"|||out|",            "const out = 'd'; export default { out }"                                        },
        {"|||out|",            "export default { out, dialect: 'postgresql' }"                                  },
        {"a|||out|",           "export default x ? { out: 'a' } : { out: 'b' }"                                 },
        {"|||table|",          "export default { migrations: { table: T } }"                                    },
        {"|||out|",            "export default { out: 'never closed"                                            },
        {"d||||",              "}}}} { out: 'd' }"                                                              },
        {"|||out|",            "{ out:"                                                                         },
        {"|||out|",            "{ out: ''}"                                                                     },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        const char *found = arena_printf(arena, "%s|", config_summary(arena, cases[i][1]));

        assert_string_equal(found, cases[i][0]);
    }
}

static MigrationsPlace locate(Arena *arena, const Config *config)
{
    MigrationsPlace place = {0};
    Error err = ERROR_INIT;

    assert_true(migrations_locate(arena, config, app, &place, &err));
    assert_non_null(place.chosen);
    return place;
}

static void expect_usage(Arena *arena, const Config *config, const char *message)
{
    MigrationsPlace place = {.folder = "kept"};
    Error err = ERROR_INIT;

    assert_false(migrations_locate(arena, config, app, &place, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.message, message));
    assert_non_null(strstr(err.hint, "--migrations"));
    assert_string_equal(place.folder, "kept");
}

static void a_given_folder_wins(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config = config_of(arena);

    write_file(arena, "drizzle.config.ts", "export default { out: 'd' }");
    set(arena, &config, "migrations", "/given");
    assert_string_equal(locate(arena, &config).folder, "/given");
    assert_string_equal(locate(arena, &config).table, "__drizzle_migrations");
    assert_string_equal(locate(arena, &config).schema, "drizzle");
}

static void a_config_file_says_folder_and_table(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config = config_of(arena);

    write_file(arena, "drizzle.config.json", "{\"out\": \"json\"}");
    assert_string_equal(locate(arena, &config).folder, arena_printf(arena, "%s/json", app));
    write_file(arena, "drizzle.config.ts",
               "export default { out: './ts', migrations: { table: 'm', schema: 'public' } }");
    MigrationsPlace place = locate(arena, &config);
    assert_string_equal(place.folder, arena_printf(arena, "%s/ts", app)); /* .ts comes first */
    assert_string_equal(place.table, "m");
    assert_string_equal(place.schema, "public");
    assert_non_null(strstr(place.chosen, "drizzle.config.ts"));

    set(arena, &config, "migrations-table", "given");
    assert_string_equal(locate(arena, &config).table, "given");
    assert_string_equal(locate(arena, &config).schema, "public");
}

static void a_config_without_out_means_the_kits_default(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config = config_of(arena);

    write_file(arena, "drizzle.config.js", "module.exports = { dialect: 'postgresql' }");
    assert_string_equal(locate(arena, &config).folder, arena_printf(arena, "%s/drizzle", app));
}

static void what_cannot_be_read_as_text_is_asked_for(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config = config_of(arena);

    write_file(arena, "drizzle.config.ts", "export default { out: process.env.OUT }");
    expect_usage(arena, &config, "does not give `out`");
    set(arena, &config, "migrations", "/given");
    assert_string_equal(locate(arena, &config).folder, "/given");

    write_file(arena, "drizzle.config.ts", "export default { migrations: { table: TABLE } }");
    expect_usage(arena, &config, "migrations.table");
    set(arena, &config, "migrations-table", "t");
    set(arena, &config, "migrations-schema", "s");
    assert_string_equal(locate(arena, &config).table, "t");
}

static void a_usual_folder_is_found_but_never_guessed_between_two(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config = config_of(arena);

    expect_usage(arena, &config, "no folder of Drizzle migrations");
    write_file(arena, "src/lib/db/migrations/meta/_journal.json", "{\"entries\":[]}");
    assert_string_equal(locate(arena, &config).folder,
                        arena_printf(arena, "%s/src/lib/db/migrations", app));
    write_file(arena, "migrations/20240101000000_a/other.sql", "no drizzle");
    assert_string_equal(locate(arena, &config).folder,
                        arena_printf(arena, "%s/src/lib/db/migrations", app));
    write_file(arena, "drizzle/20240101000000_a/migration.sql", "SELECT 1;");
    expect_usage(arena, &config, "both");
}

int main(void)
{
#define WITH_APP(test) cmocka_unit_test_setup_teardown(test, app_make, app_remove)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_is_read_as_text),
        WITH_APP(a_given_folder_wins),
        WITH_APP(a_config_file_says_folder_and_table),
        WITH_APP(a_config_without_out_means_the_kits_default),
        WITH_APP(what_cannot_be_read_as_text_is_asked_for),
        WITH_APP(a_usual_folder_is_found_but_never_guessed_between_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
