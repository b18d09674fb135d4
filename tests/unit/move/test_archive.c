/*
 * Archives of pg_dump: real ones (tests/data/archives), cut off and damaged at every byte, and some
 * written here, entry by entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/text.h"
#include "move/archive.h"
#include "tests/unit/folder.h"

static const char *path_of(Arena *arena, const char *file)
{
    return arena_printf(arena, "%s/archives/%s", TEST_DATA, file);
}

static char *read_file(Arena *arena, const char *file, size_t *ret_len)
{
    Error err = ERROR_INIT;
    char *data = NULL;

    if (!file_read(arena, path_of(arena, file), 1 << 20, &data, ret_len, &err))
        fail_msg("%s", err.message);
    return data;
}

static Archive read_archive(Arena *arena, const char *file)
{
    Archive archive = {0};
    Error err = ERROR_INIT;

    if (!archive_read(arena, path_of(arena, file), &archive, &err))
        fail_msg("%s", err.message);
    return archive;
}

/* ---- real ones ---- */

static const ArchiveEntry *entry_of(const Archive *archive, const char *desc, const char *tag)
{
    for (int i = 0; i < archive->count; i++)
        if (strcmp(archive->entries[i].desc, desc) == 0 &&
            strcmp(archive->entries[i].tag, tag) == 0)
            return &archive->entries[i];
    fail_msg("no %s %s", desc, tag);
    return NULL;
}

static bool depends_on(const ArchiveEntry *entry, const ArchiveEntry *other)
{
    for (int i = 0; i < entry->dep_count; i++)
        if (entry->deps[i] == other->id)
            return true;
    return false;
}

static void check_shop(const Archive *archive, bool relkinds)
{
    const ArchiveEntry *table = entry_of(archive, "TABLE", "users");
    const ArchiveEntry *key = entry_of(archive, "CONSTRAINT", "users users_pkey");
    const ArchiveEntry *foreign_key =
        entry_of(archive, "FK CONSTRAINT", "orders orders_user_id_fkey");
    const ArchiveEntry *function = entry_of(archive, "FUNCTION", "kind(bigint)");
    const ArchiveEntry *comment = entry_of(archive, "COMMENT", "TABLE users");
    const ArchiveEntry *type = entry_of(archive, "TYPE", "state");

    assert_int_equal(archive->count, 22);
    assert_string_equal(table->schema, "My Shop");
    assert_string_equal(table->owner, "shop_owner");
    assert_string_equal(table->access_method, "heap");
    assert_int_equal(table->relkind, relkinds ? 'r' : '\0');
    assert_int_equal(table->section, SECTION_PRE_DATA);
    assert_true(table->oid > 16000);
    assert_non_null(strstr(table->defn, "name text DEFAULT 'a;b'::text NOT NULL"));
    assert_string_equal(table->drop, "DROP TABLE \"My Shop\".users;\n");
    assert_string_equal(type->defn, "CREATE TYPE \"My Shop\".state AS ENUM (\n"
                                    "    'new',\n    'it''s; done'\n);\n");
    assert_int_equal(key->section, SECTION_POST_DATA);
    assert_true(depends_on(key, table));
    assert_int_equal(foreign_key->section, SECTION_POST_DATA);
    assert_true(depends_on(foreign_key, key));
    assert_true(depends_on(comment, table));
    assert_int_equal(comment->section, SECTION_NONE);
    assert_non_null(strstr(comment->defn, "IS 'Who buys; \"here\"\nand there.'"));
    assert_non_null(strstr(function->defn, "BEGIN ATOMIC"));
    assert_ptr_equal(archive_find(archive, table->id), table);
}

static void archives_of_each_version_are_read_whole(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *server;
        const char *dump;
    } cases[] = {
        {"pg15.dump",         "15.", "15."},
        {"pg17.dump",         "17.", "17."},
        {"pg17-of-pg15.dump", "15.", "17."},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Archive archive = read_archive(arena, cases[i].file);

        check_shop(&archive, strcmp(cases[i].dump, "17.") == 0);
        assert_int_equal(strncmp(archive.server_version, cases[i].server, 3), 0);
        assert_int_equal(strncmp(archive.dump_version, cases[i].dump, 3), 0);
    }
}

static void what_a_server_keeps_for_itself_is_not_in_a_definition(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Archive archive = read_archive(arena, "pg17-of-pg15.dump");

    /* A table of its own has a column of that name, which stays, and its key, too. */
    assert_non_null(strstr(entry_of(&archive, "TABLE", "users")->defn, "    pg_attver integer\n"));
    assert_non_null(strstr(entry_of(&archive, "TABLE", "users")->defn, "SET (n_distinct=5);"));
    assert_non_null(strstr(entry_of(&archive, "CONSTRAINT", "users users_attver_key")->defn,
                           "UNIQUE (name, pg_attver);"));
    for (int i = 0; i < archive.count; i++)
        assert_null(strstr(archive.entries[i].defn, "pg_attver="));
}

static void large_objects_are_read_and_their_data_is_not_looked_at(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Archive old = read_archive(arena, "large15.dump");
    Archive new = read_archive(arena, "large17.dump");

    assert_string_equal(entry_of(&old, "BLOB", "100")->owner, "shop_owner");
    assert_string_equal(entry_of(&old, "BLOB", "200")->owner, "postgres");
    assert_string_equal(entry_of(&new, "BLOB METADATA", "100..101")->defn, "100\n101\n");
    assert_true(depends_on(entry_of(&new, "ACL", "LARGE OBJECTS 100..101"),
                           entry_of(&new, "BLOB METADATA", "100..101")));
}

static void what_is_no_archive_is_named_with_its_file(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Archive archive = {.count = 77};
    Error err = ERROR_INIT;

    assert_false(archive_read(arena, path_of(arena, "schema.sql"), &archive, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.message, "schema.sql\": not an archive of pg_dump"));
    assert_false(archive_read(arena, "/no/such/file", &archive, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_false(archive_read(arena, "/dev/null", &archive, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(archive.count, 77);
}

/* ---- damaged ones ---- */

/* In memory of exactly this size, so that reading beyond it is seen. True where it was read. */
static bool parse_copy(Arena *arena, const char *data, size_t len, Archive *ret)
{
    Archive archive = {.count = -1};
    Error err = ERROR_INIT;
    char *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, data, len);
    bool ok = archive_parse(arena, copy, len, &archive, &err);
    free(copy);
    assert_int_equal(err.code, ok ? ERR_NONE : ERR_FORMAT);
    assert_true(ok ? archive.count >= 0 : archive.count == -1 && *err.message);
    *ret = archive;
    return ok;
}

static void a_prefix_is_an_error_or_the_same_archive(void **state)
{
    (void)state;
    static const char *const files[] = {"pg15.dump", "large17.dump"}; /* 1.14 and 1.16 */

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        auto_arena Arena *arena = arena_new();
        Archive whole = read_archive(arena, files[i]);
        size_t size = 0;
        char *data = read_file(arena, files[i], &size);
        size_t first_ok = 0;

        for (size_t len = 0; len <= size; len++) {
            auto_arena Arena *scratch = arena_new();
            Archive archive = {0};

            if (!parse_copy(scratch, data, len, &archive)) {
                assert_int_equal(first_ok, 0); /* once it is whole it stays so */
                continue;
            }
            first_ok = first_ok ? first_ok : len;
            assert_true(archive_equal(&archive, &whole));
        }
        assert_true(first_ok > 1000);
        /* Behind a schema's entries there is nothing. */
        assert_true(strncmp(files[i], "large", 5) == 0 ? first_ok < size : first_ok == size);
    }
}

static void check_entry(const ArchiveEntry *entry)
{
    const char *const texts[] = {entry->desc,       entry->schema,       entry->tag,
                                 entry->owner,      entry->defn,         entry->drop,
                                 entry->tablespace, entry->access_method};

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_non_null(texts[i]);
    assert_in_range(entry->section, SECTION_NONE, SECTION_POST_DATA);
    assert_true(entry->id > 0);
    assert_true(entry->dep_count >= 0);
}

static void a_damaged_byte_is_an_error_or_another_archive(void **state)
{
    (void)state;
    static const char flips[] = {0x01, '\x80', '\xFF'};
    auto_arena Arena *arena = arena_new();
    size_t size = 0;
    char *data = read_file(arena, "pg17-of-pg15.dump", &size);
    int errors = 0;

    for (size_t at = 0; at < size; at += 2) {
        auto_arena Arena *scratch = arena_new();
        Archive archive = {0};
        char kept = data[at];

        data[at] = (char)(kept ^ flips[at / 2 % COUNT_OF(flips)]);
        if (!parse_copy(scratch, data, size, &archive))
            errors++;
        for (int entry = 0; entry < archive.count; entry++)
            check_entry(&archive.entries[entry]);
        data[at] = kept;
    }
    assert_true(errors > 200);
}

/* ---- written ones ---- */

typedef struct Head {
    char magic[6];
    int major;
    int version;
    int int_size;
    int offset_size;
    int format;
} Head;

static const Head usual = {"PGDMP", 1, 16, 4, 8, 1};

static void put_int(Text *out, const Head *head, long value)
{
    unsigned long magnitude = (unsigned long)labs(value);

    text_add_n(out, value < 0 ? "\1" : "\0", 1);
    for (int i = 0; i < head->int_size; i++, magnitude >>= 8)
        text_add_char(out, (char)(magnitude & 0xFF));
}

static void put_string(Text *out, const Head *head, const char *text)
{
    put_int(out, head, text ? (long)strlen(text) : -1);
    text_add(out, text ? text : "");
}

static void put_head(Text *out, const Head *head, long entries)
{
    text_add_n(out, head->magic, 5);
    text_add_char(out, (char)head->major);
    text_add_char(out, (char)head->version);
    text_add_char(out, '\0');
    text_add_char(out, (char)head->int_size);
    text_add_char(out, (char)head->offset_size);
    text_add_char(out, (char)head->format);
    if (head->version >= 15)
        text_add_char(out, '\0');
    else
        put_int(out, head, 0);
    for (int i = 0; i < 7; i++)
        put_int(out, head, i);
    put_string(out, head, "shop");
    put_string(out, head, "16.1");
    put_string(out, head, "16.2");
    put_int(out, head, entries);
}

/* Texts that are the same for all of them are "x". */
static void put_entry(Text *out, const Head *head, const ArchiveEntry *entry)
{
    put_int(out, head, entry->id);
    put_int(out, head, 0);
    put_string(out, head, "1259");
    put_string(out, head, "16384");
    put_string(out, head, entry->tag);
    put_string(out, head, entry->desc);
    put_int(out, head, (long)entry->section);
    put_string(out, head, entry->defn);
    put_string(out, head, "x");
    put_string(out, head, NULL);
    put_string(out, head, entry->schema);
    put_string(out, head, NULL);
    put_string(out, head, "heap");
    if (head->version >= 16)
        put_int(out, head, entry->relkind);
    put_string(out, head, entry->owner);
    put_string(out, head, "false");
    for (int i = 0; i < entry->dep_count; i++) {
        char text[20];
        (void)snprintf(text, sizeof text, "%d", entry->deps ? entry->deps[i] : i + 1);
        put_string(out, head, text);
    }
    put_string(out, head, NULL);
    for (int i = 0; i <= head->offset_size; i++)
        text_add_char(out, '\0');
}

static const ArchiveEntry plain = {.id = 5,
                                   .desc = "TABLE",
                                   .tag = "t",
                                   .schema = "public",
                                   .owner = "app",
                                   .defn = "CREATE TABLE t();\n",
                                   .relkind = 'r',
                                   .section = SECTION_PRE_DATA};

static bool parse_written(Arena *arena, const Head *head, const ArchiveEntry *entry, Archive *ret)
{
    Text out = text_init(arena, 1 << 22);

    put_head(&out, head, 1);
    put_entry(&out, head, entry);
    return parse_copy(arena, text_str(&out), out.len, ret);
}

static void known_versions_and_sizes_are_read_and_others_refused(void **state)
{
    (void)state;
    static const struct {
        Head head;
        bool ok;
    } cases[] = {
        {{"PGDMP", 1, 14, 4, 8, 1}, true },
        {{"PGDMP", 1, 15, 4, 8, 1}, true },
        {{"PGDMP", 1, 16, 4, 8, 1}, true },
        {{"PGDMP", 1, 16, 8, 4, 1}, true },
        {{"PGDMP", 1, 16, 2, 1, 1}, true },
        {{"PGDMP", 1, 13, 4, 8, 1}, false},
        {{"PGDMP", 1, 17, 4, 8, 1}, false},
        {{"PGDMP", 0, 16, 4, 8, 1}, false},
        {{"PGDMP", 2, 14, 4, 8, 1}, false},
        {{"PGDMP", 1, 16, 0, 8, 1}, false},
        {{"PGDMP", 1, 16, 9, 8, 1}, false},
        {{"PGDMP", 1, 16, 4, 0, 1}, false},
        {{"PGDMP", 1, 16, 4, 9, 1}, false},
        {{"PGDMP", 1, 16, 4, 8, 3}, false}, /* tar */
        {{"PGDMP", 1, 16, 4, 8, 5}, false}, /* a folder's */
        {{"PGDMX", 1, 16, 4, 8, 1}, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        Archive archive = {0};

        assert_int_equal(parse_written(arena, &cases[i].head, &plain, &archive), cases[i].ok);
        if (!cases[i].ok)
            continue;
        assert_int_equal(archive.count, 1);
        assert_string_equal(archive.entries[0].owner, "app");
        assert_int_equal(archive.entries[0].oid, 16384);
        assert_string_equal(archive.entries[0].tablespace, "");
        assert_int_equal(archive.entries[0].relkind, cases[i].head.version >= 16 ? 'r' : '\0');
    }
}

static void an_unknown_version_says_which_are_known(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Head newer = usual;
    Text out = text_init(arena, 1000);
    Archive archive = {0};
    Error err = ERROR_INIT;

    newer.version = 17;
    put_head(&out, &newer, 0);
    assert_false(archive_parse(arena, text_str(&out), out.len, &archive, &err));
    assert_string_equal(err.message, "archive version 1.17 is not known");
    assert_non_null(strstr(err.hint, "--pg-bin"));
}

static void counts_that_cannot_be_are_refused_before_anything_is_allocated(void **state)
{
    (void)state;
    static const long counts[] = {-1, 1, 2, 1000000, INT32_MAX, INT32_MAX + 1L, UINT32_MAX};

    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        auto_arena Arena *arena = arena_new();
        Text out = text_init(arena, 1000);
        Archive archive = {0};

        put_head(&out, &usual, counts[i]);
        assert_false(parse_copy(arena, text_str(&out), out.len, &archive));
    }
}

static void an_archive_of_nothing_is_one(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    Text out = text_init(arena, 1000);
    Archive archive = {0};

    put_head(&out, &usual, 0);
    assert_true(parse_copy(arena, text_str(&out), out.len, &archive));
    assert_int_equal(archive.count, 0);
    assert_null(archive_find(&archive, 1));
}

static void an_entry_without_sense_is_an_error(void **state)
{
    (void)state;
    static const struct {
        int id;
        int section;
        bool ok;
    } cases[] = {
        {1,         SECTION_NONE,          true },
        {INT32_MAX, SECTION_POST_DATA,     true },
        {0,         SECTION_NONE,          false},
        {-1,        SECTION_NONE,          false},
        {1,         SECTION_NONE - 1,      false},
        {1,         SECTION_POST_DATA + 1, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        ArchiveEntry entry = plain;
        Archive archive = {0};

        entry.id = cases[i].id;
        entry.section = (ArchiveSection)cases[i].section;
        assert_int_equal(parse_written(arena, &usual, &entry, &archive), cases[i].ok);
    }
}

static void an_entry_may_depend_on_many(void **state)
{
    (void)state;
    static const struct {
        int count;
        bool ok;
    } cases[] = {
        {0,     true },
        {1,     true },
        {16,    true },
        {17,    true },
        {1000,  true },
        {65536, true },
        {65537, false}, /* which no database has */
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        ArchiveEntry entry = plain;
        Archive archive = {0};

        entry.dep_count = cases[i].count;
        assert_int_equal(parse_written(arena, &usual, &entry, &archive), cases[i].ok);
        if (!cases[i].ok)
            continue;
        assert_int_equal(archive.entries[0].dep_count, cases[i].count);
        for (int dep = 0; dep < cases[i].count; dep++)
            assert_int_equal(archive.entries[0].deps[dep], dep + 1);
    }
}

/* ---- what a server keeps for itself ---- */

#define T "ALTER TABLE ONLY s.t ALTER COLUMN "

static void only_the_servers_own_option_is_taken_out(void **state)
{
    (void)state;
    static const struct {
        const char *defn;
        const char *cleaned;
    } cases[] = {
        {T "a SET (pg_attver=1);\n",                                                            "\n"                       },
        {T "a SET (pg_attver=1, n_distinct=5);\n",                                              T "a SET (n_distinct=5);\n"},
        {T "a SET (n_distinct=5, pg_attver=1);\n",                                              T "a SET (n_distinct=5);\n"},
        {T "a SET (x=1, pg_attver=1, y=2);\n",                                                  T "a SET (x=1, y=2);\n"    },
        {"CREATE TABLE s.t (a int);\n" T "a SET (pg_attver=1);\n" T "b SET (pg_attver=1);\n",
         "CREATE TABLE s.t (a int);\n"                                                                                     },
        {"CREATE TABLE s.t (a int);\n" T "a SET (pg_attver=1);\n" T "b SET STATISTICS 9;\n",
         "CREATE TABLE s.t (a int);\n" T "b SET STATISTICS 9;\n"                                                           },
        {T "\"pg_attver\" SET (pg_attver=1);\n",                                                "\n"                       },
        {T "pg_attver SET (n_distinct=5);\n",                                                   NULL                       },
 /* somebody's own names */
        {"CREATE TABLE s.t (\n    a int,\n    pg_attver int\n);\n",                             NULL                       },
        {"ALTER TABLE ONLY s.t\n    ADD CONSTRAINT c UNIQUE (a, pg_attver);\n",                 NULL                       },
        {"ALTER TABLE ONLY s.t\n    ADD CONSTRAINT c PRIMARY KEY (pg_attver);\n",               NULL                       },
        {"ALTER TABLE s.t\n    ADD CONSTRAINT c CHECK ((pg_attver > 0));\n",                    NULL                       },
        {"ALTER TABLE s.t ADD FOREIGN KEY (pg_attver) REFERENCES s.u(pg_attver);\n",            NULL                       },
        {"ALTER FOREIGN TABLE s.t ALTER COLUMN a OPTIONS (\n    pg_attver '1'\n);\n",           NULL                       },
 /* in strings, quoted names and bodies */
        {"COMMENT ON TABLE s.t IS 'SET (pg_attver=1)';\n",                                      NULL                       },
        {T "a SET DEFAULT 'SET (pg_attver=1, b=2)'::text;\n",                                   NULL                       },
        {T "a SET (\"pg_attver\"=1);\n",                                                        NULL                       },
        {"CREATE FUNCTION f() RETURNS void AS $$ALTER TABLE t ALTER a SET (pg_attver=1);$$;\n",
         NULL                                                                                                              },
        {"ALTER FUNCTION f() SET x TO '(', 'pg_attver';\n",                                     NULL                       },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        auto_arena Arena *arena = arena_new();
        ArchiveEntry entry = plain;
        Archive archive = {0};

        entry.defn = cases[i].defn;
        assert_true(parse_written(arena, &usual, &entry, &archive));
        assert_string_equal(archive.entries[0].defn,
                            cases[i].cleaned ? cases[i].cleaned : cases[i].defn);
    }
}

/* ---- comparing ---- */

static void archives_are_equal_when_they_make_the_same(void **state)
{
    (void)state;
    ArchiveEntry changed[8];
    ArchiveEntry one = plain;
    Archive first = {.entries = &one, .count = 1};

    one.drop = one.tablespace = one.access_method = "";
    for (size_t i = 0; i < COUNT_OF(changed); i++)
        changed[i] = one;
    changed[0].id = 6;
    changed[1].desc = "VIEW";
    changed[2].schema = "other";
    changed[3].tag = "T";
    changed[4].owner = "";
    changed[5].defn = "CREATE TABLE t(a int);\n";
    changed[6].tablespace = "fast";
    changed[7].drop = "only how it is undone"; /* makes no difference */
    for (size_t i = 0; i < COUNT_OF(changed); i++) {
        Archive other = {.entries = &changed[i], .count = 1};
        assert_int_equal(archive_equal(&first, &other), i == 7);
        assert_int_equal(archive_equal(&other, &first), i == 7);
    }
    assert_false(archive_equal(&first, &(Archive){.count = 0}));
    assert_true(archive_equal(&(Archive){.count = 0}, &(Archive){.count = 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_of_each_version_are_read_whole),
        cmocka_unit_test(what_a_server_keeps_for_itself_is_not_in_a_definition),
        cmocka_unit_test(large_objects_are_read_and_their_data_is_not_looked_at),
        cmocka_unit_test(what_is_no_archive_is_named_with_its_file),
        cmocka_unit_test(a_prefix_is_an_error_or_the_same_archive),
        cmocka_unit_test(a_damaged_byte_is_an_error_or_another_archive),
        cmocka_unit_test(known_versions_and_sizes_are_read_and_others_refused),
        cmocka_unit_test(an_unknown_version_says_which_are_known),
        cmocka_unit_test(counts_that_cannot_be_are_refused_before_anything_is_allocated),
        cmocka_unit_test(an_archive_of_nothing_is_one),
        cmocka_unit_test(an_entry_without_sense_is_an_error),
        cmocka_unit_test(an_entry_may_depend_on_many),
        cmocka_unit_test(only_the_servers_own_option_is_taken_out),
        cmocka_unit_test(archives_are_equal_when_they_make_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
