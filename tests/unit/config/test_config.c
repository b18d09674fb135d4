#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "core/file.h"
#include "core/text.h"

/* The environment of these tests. */
static char *lookup(const char *name)
{
    static char url[] = "postgresql://app:s3cret#: {@db/x";
    static char jobs[] = "4";
    static char empty[] = "";

    return strcmp(name, "URL") == 0     ? url
           : strcmp(name, "JOBS") == 0  ? jobs
           : strcmp(name, "EMPTY") == 0 ? empty
                                        : NULL;
}

static bool load(Arena *arena, const char *text, Config *ret, Error *err)
{
    ConfigText input = {"homeport.yaml", text, strlen(text), lookup};

    return config_load_text(arena, &input, ret, err);
}

static const char *origin(const Config *config, const char *name)
{
    return config_origin(config, setting_find(name));
}

static void every_setting_has_help_an_environment_name_and_a_sound_default(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config;
    Error err = ERROR_INIT;

    assert_true(load(arena, "", &config, &err)); /* bad defaults are asserted inside */
    for (int i = 0; i < setting_count; i++) {
        const Option *option = &settings[i].option;
        assert_non_null(option->help);
        assert_true(strlen(option->help) > 10);
        assert_true(option->help[strlen(option->help) - 1] != '.');
        assert_int_equal(strncmp(settings[i].env, "HOMEPORT_", 9), 0);
        assert_true((option->type == OPTION_FLAG) == (option->argument == NULL));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(setting_key(&settings[j]), setting_key(&settings[i]));
            assert_string_not_equal(settings[j].option.name, option->name);
            assert_string_not_equal(settings[j].env, settings[i].env);
            assert_int_not_equal(settings[j].option.offset, option->offset);
        }
    }
}

static void nothing_said_gives_the_defaults(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "# nothing\n", "---\n", "~", "{}", "--- \n...\n"};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        auto_arena Arena *arena = arena_new();
        Config config = {0};
        Error err = ERROR_INIT;

        assert_true(load(arena, texts[i], &config, &err));
        assert_null(config.source);
        assert_null(config.pg_bin);
        assert_string_equal(config.dir, ".homeport");
        assert_int_equal(config.schema, SCHEMA_DUMP);
        assert_string_equal(config.migrations_table, "__drizzle_migrations");
        assert_string_equal(config.migrations_schema, "drizzle");
        assert_int_equal(config.jobs, 0);
        assert_int_equal(config.split_bytes, 0);
        assert_int_equal(config.role_map_count, 0);
        assert_false(config.accept_drift);
        assert_false(config.relax_durability);
        assert_true(config.verify);
        assert_string_equal(origin(&config, "jobs"), "default");
    }
}

static const char every_setting[] = "# the move of an app\n"
                                    "source: ${URL}\n"
                                    "target: 'postgresql://home/app'\n"
                                    "dir: state\n"
                                    "pg-bin: /usr/lib/postgresql/17/bin\n"
                                    "schema: drizzle\n"
                                    "accept-drift: yes\n"
                                    "migrations: ./drizzle\n"
                                    "migrations-table: \"done\"\n"
                                    "migrations-schema: public\n"
                                    "jobs: ${JOBS}\n"
                                    "split-bytes: 200MB\n"
                                    "map-roles:\n"
                                    "  neondb_owner: app\n"
                                    "  \"o=w,n'er\": ${JOBS}x\n"
                                    "relax-durability: true\n"
                                    "verify: off\n"
                                    "spool-limit: 3GB\n"
                                    "identities:\n  map: m.csv\n  columns: a.b.c, d.e.f\n"
                                    "  unmapped: keep\n  unmapped-back: keep\n"
                                    "gateway:\n"
                                    "  upstream: postgresql://127.0.0.1/\n"
                                    "  listen: \":443\"\n"
                                    "  listen-http: \":80\"\n"
                                    "  listen-pg: \":5432\"\n"
                                    "  metrics: \":9\"\n"
                                    "  admin: a.sock\n"
                                    "  cert: c.pem\n"
                                    "  key: k.pem\n  tls-dir: tls\n"
                                    "  names: neondb\n  cert-life-s: 4\n"
                                    "  state: s.json\n  trust-upstream: yes\n"
                                    "  roles-file: users.txt\n"
                                    "  databases: \"a,b\"\n  roles: app\n"
                                    "  timezone: server\n"
                                    "  max-request: 1MB\n"
                                    "  max-response: 2MB\n"
                                    "  max-memory: 3MB\n"
                                    "  threads: 3\n  pool-size: 7\n  max-connections: 99\n"
                                    "  queue-ms: 5\n  recheck-ms: 6\n"
                                    "  slow-ms: 8\n  drain-ms: 9\n"
                                    "  cors: yes\n";

static void every_setting_is_read_from_the_file_with_its_line(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config = {0};
    Error err = ERROR_INIT;

    assert_true(load(arena, every_setting, &config, &err));
    assert_string_equal(config.source, "postgresql://app:s3cret#: {@db/x");
    assert_string_equal(config.target, "postgresql://home/app");
    assert_string_equal(config.dir, "state");
    assert_string_equal(config.pg_bin, "/usr/lib/postgresql/17/bin");
    assert_int_equal(config.schema, SCHEMA_DRIZZLE);
    assert_true(config.accept_drift);
    assert_string_equal(config.migrations, "./drizzle");
    assert_string_equal(config.migrations_table, "done");
    assert_string_equal(config.migrations_schema, "public");
    assert_int_equal(config.jobs, 4);
    assert_int_equal(config.split_bytes, 200000000);
    assert_int_equal(config.role_map_count, 2);
    assert_string_equal(config.role_map[0].from, "neondb_owner");
    assert_string_equal(config.role_map[0].to, "app");
    assert_string_equal(config.role_map[1].from, "o=w,n'er");
    assert_string_equal(config.role_map[1].to, "4x");
    assert_true(config.relax_durability);
    assert_false(config.verify);
    assert_int_equal(config.spool_limit, 3000000000);
    assert_string_equal(config.gateway.listen, ":443");
    assert_int_equal(config.gateway.max_request_bytes, 1000000);
    assert_true(config.gateway.cors);
    for (int i = 0; i < setting_count; i++) {
        /* A mapping of pairs and a section's head take lines of their own. */
        const char *key = setting_key(&settings[i]);
        int heads = strncmp(key, "gateway.", 8) == 0 ? 2 : strncmp(key, "identities.", 11) == 0;
        int line = i + 2 + (i >= 12 ? 2 : 0) + heads;
        assert_string_equal(config_origin(&config, &settings[i]),
                            arena_printf(arena, "homeport.yaml:%d", line));
    }
}

/* message, then a part of the hint */
typedef struct BadText {
    const char *text;
    const char *message;
    const char *hint;
} BadText;

static const BadText bad_texts[] = {
    {"dir: a\njbos: 3",                         "homeport.yaml:2: there is no setting \"jbos\"",             "\"jobs\""       },
    {"source_url: x",                           "homeport.yaml:1: there is no setting \"source_url\"",       "\"source\""     },
    {"map-role: {a: b}",                        "homeport.yaml:1: there is no setting \"map-role\"",         "\"map-roles\""  },
    {"gateway: {lsiten: x}",                    "homeport.yaml:1: there is no setting \"gateway.lsiten\"",
     "\"gateway.listen\""                                                                                                     },
    {"gateway:\n  listen:\n",                   "homeport.yaml:2: gateway.listen is empty",                  "leave it out"   },
    {"gateway: on",                             "homeport.yaml:1: gateway takes a mapping of settings",      "below it"       },
    {"gateway.listen: x\ngateway: {listen: y}", "homeport.yaml:1: there is no setting",                      ""               },
    {"colour: red",                             "homeport.yaml:1: there is no setting \"colour\"",           "homeport config"},
    {"<<: {dir: a}",                            "homeport.yaml:1: there is no setting \"<<\"",               "homeport config"},
    {"jobs: 2\n\njobs: 2",                      "homeport.yaml:3: \"jobs\" is there twice, first on line 1", "Take"           },
    {"map-roles:\n  a: b\n  a: c",              "homeport.yaml:3: \"a\" is there twice, first on line 2",
     "Take"                                                                                                                   },
    {"jobs: 65",                                "homeport.yaml:1: jobs: \"65\" is out of range",             "from 0 to 64"   },
    {"jobs: many",                              "homeport.yaml:1: jobs: \"many\" is not a number",           "from 0 to 64"   },
    {"jobs: [1]",                               "homeport.yaml:1: \"jobs\" has a list where",                "one value"      },
    {"jobs: {a: 1}",                            "homeport.yaml:1: jobs takes a single value",                "\"jobs: value\""},
    {"jobs:",                                   "homeport.yaml:1: jobs is empty",                            "leave it out"   },
    {"\ndir: ~",                                "homeport.yaml:2: dir is empty",                             "leave it out"   },
    {"dir: ''",                                 "homeport.yaml:1: dir is empty",                             "leave it out"   },
    {"dir: ${EMPTY}",                           "homeport.yaml:1: dir is empty",                             "leave it out"   },
    {"dir: \"a\\0b\"",                          "homeport.yaml:1: a NUL character",                          "Take"           },
    {"dir: \"a\\tb\"",                          "homeport.yaml:1: dir holds a control character",            "tab"            },
    {"dir: &a x\npg-bin: *a",                   "homeport.yaml:2: an alias",                                 "quotes"         },
    {"map-roles: a=b",                          "homeport.yaml:1: map-roles takes a mapping",                "{old: new}"     },
    {"map-roles: [a]",                          "homeport.yaml:1: \"map-roles\" has a list",                 "one value"      },
    {"map-roles: {a: {b: c}}",                  "homeport.yaml:1: \"a\" has a mapping where",                "one value"      },
    {"map-roles: {a: [c]}",                     "homeport.yaml:1: \"a\" has a list where",                   "one value"      },
    {"map-roles:\n  a:",                        "homeport.yaml:2: \"a\" is empty",                           "leave it out"   },
    {"schema: drizle",                          "homeport.yaml:1: schema: \"drizle\" is not a choice",       "\"drizzle\""    },
    {"split-bytes: 2M",                         "homeport.yaml:1: split-bytes: \"2M\" is not a size",        "200MB"          },
    {"verify: maybe",                           "homeport.yaml:1: verify: \"maybe\" is neither",             "yes or no"      },
    {"dir: ${1x}",                              "homeport.yaml:1: dir: a \"${\" that is no reference",       "$${"            },
    {"dir: ${x",                                "homeport.yaml:1: dir: a \"${\" that is no reference",       "$${"            },
    {"dir: ${}",                                "homeport.yaml:1: dir: a \"${\" that is no reference",       "$${"            },
    {"dir: ${A:-b}",                            "homeport.yaml:1: dir: a \"${\" that is no reference",       "$${"            },
    {"- a",                                     "homeport.yaml:1: not a list of settings",                   "key: value"     },
    {"just words",                              "homeport.yaml:1: not a list of settings",                   "key: value"     },
    {"dir: a\n---\ndir: b",                     "homeport.yaml:2: a second document",                        "one"            },
    {"? [a]\n: b",                              "homeport.yaml:1: a key that is not a word",                 "key: value"     },
    {"dir: a\n bad: b",                         "homeport.yaml:2: not YAML",                                 "indentation"    },
    {"\ndir: 'a\n\n",                           "quoted scalar from line 2",                                 "quote"          },
    {"dir: {",                                  "homeport.yaml:2: not YAML",                                 "line"           },
    {"dir: \xff",                               "homeport.yaml:1: not YAML",                                 "line"           },
    {"\x7f"
     "ELF\x02\x01",                        "homeport.yaml:1: not YAML",                                 "line"           },
};

static void bad_file_is_refused_with_its_line_and_a_hint(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_texts); i++) {
        auto_arena Arena *arena = arena_new();
        Config config = {.jobs = 77};
        Error err = ERROR_INIT;

        assert_false(load(arena, bad_texts[i].text, &config, &err));
        assert_int_equal(err.code, ERR_USAGE);
        if (!strstr(err.message, bad_texts[i].message))
            fail_msg("\"%s\" gave: %s", bad_texts[i].text, err.message);
        if (!strstr(err.hint, bad_texts[i].hint))
            fail_msg("\"%s\" gave the hint: %s", bad_texts[i].text, err.hint);
        assert_int_equal(config.jobs, 77); /* untouched */
    }
}

static void file_with_a_password_in_the_wrong_place_does_not_show_it(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "jobs: postgresql://app:s3cret@db/x",
        "postgresql://app:s3cret@db/x: 1",
        "postgresql://app:s3cret@db/x",
        "schema: ${URL}",
        "jobs: ${URL}",
        "source: ${URL}\nsource: ${URL}",
        "source: [postgresql://app:s3cret@db/x]",
        "source: 'postgresql://app:s3cret@db/x",
        "source: \"postgresql://app:s3cret@db/x\\n\"",
        "map-roles: {\"app:s3cret@db\": ''}",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        auto_arena Arena *arena = arena_new();
        Config config;
        Error err = ERROR_INIT;

        assert_false(load(arena, texts[i], &config, &err));
        assert_null(strstr(err.message, "s3cret"));
        assert_null(strstr(err.hint, "s3cret"));
    }
}

static void references_are_expanded_once_and_can_be_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *value;
    } cases[] = {
        {"dir: a${JOBS}b${JOBS}", "a4b4"    },
        {"dir: $${JOBS}",         "${JOBS}" },
        {"dir: $JOBS",            "$JOBS"   },
        {"dir: $$${JOBS}",        "$${JOBS}"},
        {"dir: a$",               "a$"      },
        {"dir: $}{",              "$}{"     },
        {"dir: '${EMPTY}x'",      "x"       },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Config config;
        Error err = ERROR_INIT;

        assert_true(load(arena, cases[i].text, &config, &err));
        assert_string_equal(config.dir, cases[i].value);
    }
}

static void unset_variable_is_an_error_only_for_who_needs_the_setting(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config;
    Error err = ERROR_INIT;

    assert_true(
        load(arena, "source: ${NOT_THERE}\nmap-roles: {a: '${NOR_HERE}'}\ndir: d", &config, &err));
    assert_int_equal(err.code, ERR_NONE);
    assert_true(config_check(&config, setting_find("dir"), &err));
    assert_false(config_check(&config, setting_find("map-role"), &err));
    assert_string_equal(err.message, "homeport.yaml:2: \"a\": the variable NOR_HERE is not set");
    assert_false(config_check(&config, setting_find("source"), &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.message, "homeport.yaml:1: source: the variable NOT_THERE is not set");
    assert_string_equal(err.hint, "Set it: export NOT_THERE=...");

    assert_true(config_set(arena, &config, setting_find("source"), "--source", "x", &err));
    assert_true(config_check(&config, setting_find("source"), &err));
}

static void command_line_replaces_pairs_of_the_file_and_adds_to_its_own(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    const Setting *roles = setting_find("map-role");
    Config config;
    Error err = ERROR_INIT;

    assert_true(load(arena, "map-roles: {a: b, c: d}", &config, &err));
    assert_int_equal(config.role_map_count, 2);
    assert_true(config_set(arena, &config, roles, "--map-role", "e=f", &err));
    assert_int_equal(config.role_map_count, 1);
    assert_true(config_set(arena, &config, roles, "--map-role", "a=h", &err));
    assert_int_equal(config.role_map_count, 2);
    assert_string_equal(config_origin(&config, roles), "--map-role");
    assert_false(config_set(arena, &config, roles, "--map-role", "a=i", &err));
    assert_int_equal(config.role_map_count, 2);
}

typedef struct Folder {
    char path[64];
    char before[4096];
} Folder;

static int folder_enter(void **state)
{
    static Folder folder;

    (void)snprintf(folder.path, sizeof folder.path, "/tmp/homeport-config-XXXXXX");
    *state = &folder;
    return getcwd(folder.before, sizeof folder.before) && mkdtemp(folder.path) ? chdir(folder.path)
                                                                               : -1;
}

static int folder_leave(void **state)
{
    Folder *folder = *state;
    Error err;

    for (int i = 0; i < setting_count; i++)
        (void)unsetenv(settings[i].env);
    return chdir(folder->before) == 0 && file_remove_tree(folder->path, &err) ? 0 : -1;
}

static void write_file(const char *path, const char *text, size_t len)
{
    Error err;

    assert_true(file_replace(path, text, len, &err));
}

static void environment_is_over_the_file_and_the_file_over_the_default(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config;
    Error err = ERROR_INIT;
    static const char text[] = "jobs: 2\ndir: from-file\nmap-roles: {a: b}\n";

    assert_true(config_load(arena, NULL, &config, &err)); /* no file is no error */
    assert_null(config.file);
    write_file("homeport.yaml", text, strlen(text));
    assert_int_equal(setenv("HOMEPORT_JOBS", "3", 1), 0);
    assert_int_equal(setenv("HOMEPORT_MAP_ROLES", "c=d,e=f", 1), 0);
    assert_true(config_load(arena, NULL, &config, &err));
    assert_string_equal(config.file, "homeport.yaml");
    assert_int_equal(config.jobs, 3);
    assert_string_equal(origin(&config, "jobs"), "HOMEPORT_JOBS");
    assert_string_equal(config.dir, "from-file");
    assert_string_equal(origin(&config, "dir"), "homeport.yaml:2");
    assert_int_equal(config.role_map_count, 2);
    assert_string_equal(config.role_map[0].from, "c");
    assert_string_equal(origin(&config, "schema"), "default");
}

static void environment_is_checked_like_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        const char *message;
    } cases[] = {
        {"HOMEPORT_JOBS",       "65", "HOMEPORT_JOBS: \"65\" is out of range"            },
        {"HOMEPORT_JOBS",       "",   "HOMEPORT_JOBS is empty"                           },
        {"HOMEPORT_SOURCE_URL", "",   "HOMEPORT_SOURCE_URL is empty"                     },
        {"HOMEPORT_MAP_ROLES",  "a",  "HOMEPORT_MAP_ROLES: \"a\" has no \"=\""           },
        {"HOMEPORT_SORCE_URL",  "x",  "the variable \"HOMEPORT_SORCE_URL\" is no setting"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Config config = {.jobs = 77};
        Error err = ERROR_INIT;

        assert_int_equal(setenv(cases[i].name, cases[i].value, 1), 0);
        assert_false(config_load(arena, NULL, &config, &err));
        assert_int_equal(err.code, ERR_USAGE);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s=%s gave: %s", cases[i].name, cases[i].value, err.message);
        assert_string_not_equal(err.hint, "");
        assert_int_equal(config.jobs, 77);
        assert_int_equal(unsetenv(cases[i].name), 0);
    }

    /* Another program's variable is not ours to judge. */
    auto_arena Arena *arena = arena_new();
    Config config;
    Error err = ERROR_INIT;
    assert_int_equal(setenv("HOMEPORT_TEST_SERVERS", "x", 1), 0);
    assert_true(config_load(arena, NULL, &config, &err));
    assert_int_equal(unsetenv("HOMEPORT_TEST_SERVERS"), 0);
}

static void unreadable_file_is_a_usage_error_with_a_hint(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config;
    Error err = ERROR_INIT;

    assert_false(config_load(arena, "missing.yaml", &config, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.message, "missing.yaml"));
    assert_string_not_equal(err.hint, "");
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_false(config_load(arena, "folder", &config, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_not_equal(err.hint, "");
    assert_int_equal(symlink("nowhere", "homeport.yaml"), 0);
    assert_true(config_load(arena, NULL, &config, &err)); /* nothing is there */
}

static void file_up_to_1_mib_is_read_and_not_a_byte_more(void **state)
{
    (void)state;
    enum {
        MIB = 1024 * 1024
    };
    auto_arena Arena *arena = arena_new();
    char *text = arena_alloc(arena, MIB + 1);
    Config config;
    Error err = ERROR_INIT;

    memset(text, '#', MIB + 1);
    memcpy(text, "jobs: 5\n", 8);
    write_file("a.yaml", text, MIB);
    assert_true(config_load(arena, "a.yaml", &config, &err));
    assert_int_equal(config.jobs, 5);
    write_file("a.yaml", text, MIB + 1);
    assert_false(config_load(arena, "a.yaml", &config, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.message, "\"a.yaml\" is larger than 1 MiB");
    assert_false(config_load(arena, "/dev/zero", &config, &err)); /* has no size */
    assert_string_equal(err.message, "\"/dev/zero\" is larger than 1 MiB");
}

static void paths_in_the_file_are_relative_to_the_file(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Config config;
    Error err = ERROR_INIT;
    static const char text[] = "dir: state\nmigrations: /abs/drizzle\nmigrations-table: t\n";

    assert_int_equal(mkdir("app", 0700), 0);
    write_file("app/move.yaml", text, strlen(text));
    assert_true(config_load(arena, "app/move.yaml", &config, &err));
    assert_string_equal(config.dir, "app/state");
    assert_string_equal(config.migrations, "/abs/drizzle");
    assert_string_equal(config.migrations_table, "t");
    assert_int_equal(setenv("HOMEPORT_DIR", "mine", 1), 0);
    assert_true(config_load(arena, "app/move.yaml", &config, &err));
    assert_string_equal(config.dir, "mine");
}

static void a_thousand_keys_are_refused_quickly(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, 1024 * 1024);
    Config config;
    Error err = ERROR_INIT;

    text_add(&text, "map-roles:\n");
    for (int i = 0; i < 1000; i++)
        text_addf(&text, "  r%d: x\n", i);
    assert_true(load(arena, text_str(&text), &config, &err));
    assert_int_equal(config.role_map_count, 1000);
    text_add(&text, "  one: more\n");
    assert_false(load(arena, text_str(&text), &config, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, folder_enter, folder_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_has_help_an_environment_name_and_a_sound_default),
        cmocka_unit_test(nothing_said_gives_the_defaults),
        cmocka_unit_test(every_setting_is_read_from_the_file_with_its_line),
        cmocka_unit_test(bad_file_is_refused_with_its_line_and_a_hint),
        cmocka_unit_test(file_with_a_password_in_the_wrong_place_does_not_show_it),
        cmocka_unit_test(references_are_expanded_once_and_can_be_escaped),
        cmocka_unit_test(unset_variable_is_an_error_only_for_who_needs_the_setting),
        cmocka_unit_test(command_line_replaces_pairs_of_the_file_and_adds_to_its_own),
        cmocka_unit_test(a_thousand_keys_are_refused_quickly),
        in_folder(environment_is_over_the_file_and_the_file_over_the_default),
        in_folder(environment_is_checked_like_the_file),
        in_folder(unreadable_file_is_a_usage_error_with_a_hint),
        in_folder(file_up_to_1_mib_is_read_and_not_a_byte_more),
        in_folder(paths_in_the_file_are_relative_to_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
