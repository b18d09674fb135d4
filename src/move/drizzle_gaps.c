#include "move/drizzle_gaps.h"

#include <string.h>
#include <uthash.h>

#include "core/text.h"
#include "move/schema.h"

enum {
    LISTED = 5,
    MAX_LIST = 4096,
};

/* ---- which ---- */

typedef struct Name {
    UT_hash_handle hh;
    char key[];
} Name;

typedef struct Id {
    UT_hash_handle hh;
    int id;
    int index;
} Id;

typedef struct Finder {
    Arena *arena;
    const Archive *source;
    Name *journal; /* names of what it makes */
    Id *ids;       /* of the source's entries */
    bool *brought;
} Finder;

static const char *entry_key(Arena *arena, const ArchiveEntry *entry)
{
    return arena_printf(arena, "%s\n%s\n%s", entry->desc, entry->schema, entry->tag);
}

static void index_names(Finder *finder, const Archive *journal)
{
    for (int i = 0; i < journal->count; i++) {
        const char *key = entry_key(finder->arena, &journal->entries[i]);
        Name *name = arena_alloc(finder->arena, sizeof *name + strlen(key) + 1);

        memcpy(name->key, key, strlen(key) + 1);
        HASH_ADD_STR(finder->journal, key, name);
    }
    for (int i = 0; i < finder->source->count; i++) {
        Id *id = arena_alloc(finder->arena, sizeof *id);

        *id = (Id){.id = finder->source->entries[i].id, .index = i};
        HASH_ADD_INT(finder->ids, id, id);
    }
}

static bool is_lacked(const Finder *finder, const ArchiveEntry *entry)
{
    Name *name = NULL;
    EntryStage stage = entry_stage(entry);

    if (stage == STAGE_NONE || stage == STAGE_LARGE_OBJECT || stage == STAGE_PRIVILEGES)
        return false;
    HASH_FIND_STR(finder->journal, entry_key(finder->arena, entry), name);
    return !name;
}

/* What holds rows, or a value that is not in the rows. */
static bool has_state(const ArchiveEntry *entry)
{
    return strcmp(entry->desc, "TABLE") == 0 || strcmp(entry->desc, "SEQUENCE") == 0;
}

/* What is a part of the table that it depends on. */
static bool hangs_on_table(const ArchiveEntry *entry)
{
    static const char *const kinds[] = {
        "SEQUENCE OWNED BY", "DEFAULT",      "CONSTRAINT",     "CHECK CONSTRAINT",
        "FK CONSTRAINT",     "INDEX",        "INDEX ATTACH",   "STATISTICS",
        "TABLE ATTACH",      "TRIGGER",      "RULE",           "POLICY",
        "COMMENT",           "ROW SECURITY", "SECURITY LABEL",
    };

    return text_is_one_of(entry->desc, kinds, COUNT_OF(kinds));
}

/* The index of an entry's dependency; -1: it is not in the archive. */
static int find_dep(const Finder *finder, const ArchiveEntry *entry, int dep)
{
    Id *id = NULL;

    HASH_FIND_INT(finder->ids, &entry->deps[dep], id);
    return id ? id->index : -1;
}

static bool depends_on_brought(const Finder *finder, const ArchiveEntry *entry)
{
    for (int i = 0; i < entry->dep_count; i++) {
        int at = find_dep(finder, entry, i);
        if (at >= 0 && finder->brought[at])
            return true;
    }
    return false;
}

/* True where it was not yet among them. */
static bool bring(Finder *finder, int at)
{
    if (finder->brought[at] || !is_lacked(finder, &finder->source->entries[at]))
        return false;
    finder->brought[at] = true;
    return true;
}

/* What they need comes before them in the archive, and what hangs on them behind. */
static bool bring_more(Finder *finder)
{
    const Archive *source = finder->source;
    bool more = false;

    for (int i = source->count - 1; i >= 0; i--)
        for (int k = 0; finder->brought[i] && k < source->entries[i].dep_count; k++) {
            int at = find_dep(finder, &source->entries[i], k);
            more |= at >= 0 && bring(finder, at);
        }
    for (int i = 0; i < source->count; i++)
        if (!finder->brought[i] && hangs_on_table(&source->entries[i]) &&
            depends_on_brought(finder, &source->entries[i]))
            more |= bring(finder, i);
    return more;
}

Gaps gaps_find(Arena *arena, const Archive *source, const Archive *journal)
{
    auto_arena Arena *scratch = arena_new();
    Gaps gaps = {.brought = arena_array(arena, (size_t)source->count, sizeof(bool))};
    Finder finder = {.arena = scratch, .source = source, .brought = gaps.brought};

    index_names(&finder, journal);
    for (int i = 0; i < source->count; i++)
        if (has_state(&source->entries[i]) && bring(&finder, i))
            gaps.tables++;
    while (gaps.tables > 0 && bring_more(&finder)) {
    }
    HASH_CLEAR(hh, finder.journal);
    HASH_CLEAR(hh, finder.ids);
    return gaps;
}

/* The journal's default goes on with a sequence of the journal's: that would begin anew at home. */
bool gaps_check_sequences(const DrizzleRequest *request, const Gaps *gaps, Error *err)
{
    const Archive *source = request->source;

    for (int i = 0; i < source->count; i++) {
        const ArchiveEntry *entry = &source->entries[i];

        if (!gaps->brought[i] || strcmp(entry->desc, "SEQUENCE") != 0)
            continue;
        for (int k = 0; k < entry->dep_count; k++) {
            const ArchiveEntry *of = archive_find(source, entry->deps[k]);
            if (!of || strcmp(of->desc, "TABLE") != 0 || gaps->brought[of - source->entries])
                continue;
            (void)error_set(err, ERR_FOUND,
                            "the journal has no sequence %s.%s, which counts for the table %s.%s",
                            entry->schema, entry->tag, of->schema, of->tag);
            return error_hint(err, "Rename it on the source to what the journal calls it, or add "
                                   "a migration, or take the source's schema with --schema dump.");
        }
    }
    return true;
}

bool gaps_has(const Gaps *gaps, const Archive *source, const char *object)
{
    for (int i = 0; i < source->count; i++) {
        const ArchiveEntry *entry = &source->entries[i];
        size_t kind = strlen(entry->desc);
        size_t schema = strlen(entry->schema);

        if (!gaps->brought[i] || strncmp(object, entry->desc, kind) != 0 || object[kind] != ' ')
            continue;
        const char *name = object + kind + 1;
        if (schema == 0 ? strcmp(name, entry->tag) == 0
                        : strncmp(name, entry->schema, schema) == 0 && name[schema] == '.' &&
                              strcmp(name + schema + 1, entry->tag) == 0)
            return true;
    }
    return false;
}

/* ---- made ---- */

/* A partition of a table that the journal has: what is attached to it gets indexes like its own,
 * unless they are there. */
static bool is_attached_late(const Archive *source, const Gaps *gaps, const ArchiveEntry *entry)
{
    static const char *const kinds[] = {"TABLE ATTACH", "INDEX ATTACH"};

    if (!text_is_one_of(entry->desc, kinds, COUNT_OF(kinds)))
        return false;
    for (int i = 0; i < entry->dep_count; i++) {
        const ArchiveEntry *of = archive_find(source, entry->deps[i]);
        if (of && !gaps->brought[of - source->entries])
            return true;
    }
    return false;
}

static bool fill(PGconn *scratch, const DrizzleRequest *request, const Gaps *gaps, Error *err)
{
    const Archive *source = request->source;

    for (int late = 0; late < 2; late++)
        for (int i = 0; i < source->count; i++) {
            const ArchiveEntry *entry = &source->entries[i];

            if (gaps->brought[i] && is_attached_late(source, gaps, entry) == (late == 1) &&
                !schema_run_entry(scratch, request->config, source, entry, err))
                return false;
        }
    return true;
}

bool gaps_fill(PGconn *scratch, const DrizzleRequest *request, const Gaps *gaps, Error *err)
{
    if (pg_exec(scratch, "BEGIN; SET LOCAL check_function_bodies = off", err) &&
        fill(scratch, request, gaps, err) && pg_exec(scratch, "COMMIT", err))
        return true;
    (void)error_add_context(err, "bring what the journal lacks from the source");
    return error_hint(err, "Add a migration that makes it, or take the source's schema with "
                           "--schema dump.");
}

/* ---- columns ---- */

static bool find_places(PGconn *scratch, Arena *arena, const DrizzleRequest *request,
                        PGresult **ret, Error *err)
{
    size_t cap = (size_t)request->table_count;
    int count = 0;

    for (int i = 0; i < request->table_count; i++)
        cap += (size_t)request->tables[i].column_count;
    const char **tables = arena_array(arena, cap, sizeof *tables);
    const char **columns = arena_array(arena, cap, sizeof *columns);
    for (int i = 0; i < request->table_count; i++) {
        const Table *table = &request->tables[i];

        tables[count] = table->qualified;
        columns[count++] = "";
        for (int k = 0; k < table->column_count; k++) {
            if (table->columns[k].generated)
                continue;
            tables[count] = table->qualified;
            columns[count++] = table->columns[k].name;
        }
    }
    const char *params[] = {
        pg_text_array(arena, tables, count),
        pg_text_array(arena, columns, count),
    };
    return pg_query(scratch, sql_target_places_missing, COUNT_OF(params), params, ret, err) ||
           error_add_context(err, "compare the journal's columns with the source's");
}

static bool has_rows(PGconn *source, Arena *arena, const char *table, bool *ret, Error *err)
{
    const char *sql = arena_printf(arena, "SELECT EXISTS (SELECT FROM ONLY %s)", table);
    char *answer = NULL;
    bool ok = pg_query_text(source, arena, sql, &answer, err);

    *ret = answer && strcmp(answer, "t") == 0;
    return ok;
}

static void list_object(Text *list, int *count, const char *object)
{
    if (++*count <= LISTED)
        text_addf(list, "%s%s", *count > 1 ? ", " : "", object);
    else if (*count == LISTED + 1)
        text_add(list, ", ...");
}

/* Columns that only the journal has and that must have a value matter where there are rows. */
static bool judge_places(const DrizzleRequest *request, Arena *arena, const PGresult *places,
                         Error *err)
{
    Text lacked = text_init(arena, MAX_LIST);
    Text empty = text_init(arena, MAX_LIST);
    int lacked_count = 0;
    int empty_count = 0;
    bool ok = true;

    for (int i = 0; i < PQntuples(places) && ok; i++) {
        const char *object = pg_cell(places, i, 0);
        bool rows = false;

        if (strcmp(pg_cell(places, i, 2), "value") != 0)
            list_object(&lacked, &lacked_count, object);
        else
            ok = has_rows(request->keeper, arena, pg_cell(places, i, 1), &rows, err);
        if (rows)
            list_object(&empty, &empty_count, object);
    }
    if (ok && lacked_count > 0) {
        (void)error_set(err, ERR_FOUND, "the journal has no place for what the source holds in %s",
                        text_str(&lacked));
        return error_hint(err, "Add a migration that makes it, or drop it on the source if nobody "
                               "needs it, or take the source's schema with --schema dump.");
    }
    if (!ok || empty_count == 0)
        return ok;
    (void)error_set(err, ERR_FOUND,
                    "the journal wants a value in %s, and the source's rows have none",
                    text_str(&empty));
    return error_hint(err, "Apply that migration to the source first (`homeport migrations "
                           "status` says which), or give the column a default.");
}

bool gaps_check_columns(PGconn *scratch, const DrizzleRequest *request, Error *err)
{
    auto_arena Arena *arena = arena_new();
    auto_result PGresult *places = NULL;

    return find_places(scratch, arena, request, &places, err) &&
           judge_places(request, arena, places, err);
}
