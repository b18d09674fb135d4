/* meta/_journal.json: any bytes are either entries that keep their promises or one clear error. */
#include <assert.h>
#include <string.h>

#include "migrations/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena Arena *arena = arena_new();
    JournalEntry *entries = NULL;
    int count = -1;
    Error err = ERROR_INIT;

    if (!journal_parse(arena, (const char *)data, size, &entries, &count, &err)) {
        assert(err.code == ERR_FORMAT && err.message[0]);
        assert(!entries && count == -1);
        return 0;
    }
    assert(err.code == ERR_NONE && count >= 0);
    for (int i = 0; i < count; i++) {
        size_t len = strlen(entries[i].tag);
        assert(len > 0 && len <= TAG_MAX_BYTES && !strchr(entries[i].tag, '/'));
        (void)name_after_up(arena, entries[i].tag, entries[i].when_ms);
    }
    return 0;
}
