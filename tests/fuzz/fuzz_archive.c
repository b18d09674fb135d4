/*
 * An archive of pg_dump. Whatever the bytes: a refusal is ERR_FORMAT with
 * words, a success is the same each time, every entry keeps its promises, and
 * its SQL can be cut into statements and given other roles.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "move/archive.h"
#include "move/roles.h"
#include "move/schema.h"
#include "move/sqltext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each text is one, and none lies outside of what was read. */
static void check_entry(const ArchiveEntry *entry, size_t size)
{
    const char *const texts[] = {entry->desc,       entry->schema,       entry->tag,
                                 entry->owner,      entry->defn,         entry->drop,
                                 entry->tablespace, entry->access_method};
    size_t total = 0;

    assert(entry->id > 0);
    assert(entry->section >= SECTION_NONE && entry->section <= SECTION_POST_DATA);
    assert(entry->dep_count >= 0 && (entry->deps || entry->dep_count == 0));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert(texts[i]);
        total += strlen(texts[i]);
    }
    assert(total <= size);
}

/* Statements end where the text does, and each takes something of it. */
static void check_statements(const char *sql)
{
    size_t total = 0;

    while (sql[total]) {
        size_t len = sql_statement_len(sql + total);
        assert(len > 0 && len <= strlen(sql + total));
        total += len;
    }
}

static void check_roles(Arena *arena, const ArchiveEntry *entry)
{
    static const char *const kinds[] = {"ACL", "DEFAULT ACL", "POLICY", "USER MAPPING", "TABLE"};
    static const RoleMap map[] = {
        {"app",   "home app"},
        {"owner", "app"     }
    };
    Config config = {.role_map = map, .role_map_count = (int)COUNT_OF(map)};
    Config none = {0};
    ArchiveEntry other = *entry;

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        other.desc = kinds[i];
        check_statements(roles_rewrite(arena, &config, &other));
        /* Again it is what it was: nothing is quoted twice, nothing is lost. */
        other.defn = roles_rewrite(arena, &none, &other);
        assert(strcmp(roles_rewrite(arena, &none, &other), other.defn) == 0);
        other.defn = entry->defn;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena Arena *arena = arena_new();
    Archive archive = {.count = -1};
    Archive again = {0};
    Error err = ERROR_INIT;

    if (!archive_parse(arena, data, size, &archive, &err)) {
        assert(err.code == ERR_FORMAT && *err.message);
        assert(archive.count == -1);
        return 0;
    }
    assert(err.code == ERR_NONE && archive.count >= 0);
    assert(archive.server_version && archive.dump_version);
    bool same = archive_parse(arena, data, size, &again, &err) && archive_equal(&archive, &again);
    assert(same);
    for (int i = 0; i < archive.count; i++) {
        const ArchiveEntry *entry = &archive.entries[i];
        assert(archive_find(&archive, entry->id)->id == entry->id);
        check_entry(entry, size);
        check_statements(entry->defn);
        check_roles(arena, entry);
        (void)entry_stage(entry);
    }
    return 0;
}
