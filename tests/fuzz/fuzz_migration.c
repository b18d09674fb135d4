/* The text of a migration, and of a drizzle.config: whatever it is, it is read to its end, cut
 * without losing a byte, and every problem has its place. */
#include <assert.h>
#include <string.h>

#include "migrations/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_split(Arena *arena, Migration *migration)
{
    size_t total = 0;

    migration_split(arena, migration);
    for (int i = 0; i < migration->piece_count; i++) {
        total += strlen(migration->pieces[i].sql);
        assert(!strstr(migration->pieces[i].sql, BREAKPOINT));
        assert(migration->pieces[i].line >= (i ? migration->pieces[i - 1].line : 1));
    }
    total += (size_t)(migration->piece_count - 1) * strlen(BREAKPOINT);
    assert(total == migration->text_len);
}

static void check_scan(Arena *arena, const Migration *migration)
{
    AddedLabels labels = {0};
    ProblemList problems = {0};

    scan_migration(arena, migration, &labels, &problems);
    for (int i = 0; i < problems.count; i++) {
        assert(strncmp(problems.list[i].where, "x.sql line ", 11) == 0);
        assert(problems.list[i].text[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena Arena *arena = arena_new();
    Migration migration = {.file = "x.sql"};
    DrizzleConfig config = {0};

    drizzle_config_read(arena, (const char *)data, size, &config);
    assert(!config.out || config.out[0]);

    /* A file with a NUL byte is refused before it comes this far. */
    if (memchr(data, 0, size))
        return 0;
    const char *bytes = arena_strndup(arena, (const char *)data, size);
    migration.text = utf8_repair(arena, bytes, size, &migration.text_len, &migration.invalid_utf8);
    assert(strlen(migration.text) == migration.text_len);
    size_t len = 0;
    bool invalid = false;
    assert(utf8_repair(arena, migration.text, migration.text_len, &len, &invalid) ==
           migration.text);
    check_split(arena, &migration);
    check_scan(arena, &migration);
    return 0;
}
