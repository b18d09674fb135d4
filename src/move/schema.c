#include "move/schema.h"

#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/process.h"
#include "core/text.h"
#include "move/large_objects.h"
#include "move/marks.h"
#include "move/roles.h"

enum {
    LOCK_WAIT_MS = 5000,
    ENTRIES_PER_COMMIT = 200,
    NAME_SIZE = 256 /* of a schema or extension: at most 63 bytes */
};

/* The tag of a comment or privilege names its object: "EXTENSION neon". The tag of a constraint or
 * trigger begins with the name of a table, which may be "EXTENSION" as well. */
static bool is_about(const ArchiveEntry *entry, const char *kind)
{
    static const char *const kinds[] = {"COMMENT", "ACL", "SECURITY LABEL"};
    size_t len = strlen(kind);

    return text_is_one_of(entry->desc, kinds, COUNT_OF(kinds)) &&
           strncmp(entry->tag, kind, len) == 0 && entry->tag[len] == ' ';
}

/* What an entry makes or is about, where that is of this kind; "": it is of another. Behind a kind
 * the name has quotes where pg_dump quotes everything; names that need them are nobody's here. */
static void named(const ArchiveEntry *entry, const char *kind, char ret[static NAME_SIZE])
{
    const char *name = strcmp(entry->desc, kind) == 0 ? entry->tag
                       : is_about(entry, kind)        ? entry->tag + strlen(kind) + 1
                                                      : "";
    size_t len = strlen(name);
    bool quoted = name != entry->tag && len >= 2 && name[0] == '"' && name[len - 1] == '"';

    (void)snprintf(ret, NAME_SIZE, "%.*s", (int)(quoted ? len - 2 : len), name + quoted);
}

static bool is_about_foreign(const ArchiveEntry *entry, const char *kind,
                             bool (*is_foreign)(const char *))
{
    char name[NAME_SIZE];

    named(entry, kind, name);
    return is_foreign(name);
}

/* The provider's own, and ours. */
static bool is_foreign_schema(const char *name)
{
    return schema_is_provider(name) || strcmp(name, "homeport") == 0;
}

static bool is_foreign(const ArchiveEntry *entry)
{
    return (!entry->user_schema && (is_foreign_schema(entry->schema) ||
                                    is_about_foreign(entry, "SCHEMA", is_foreign_schema))) ||
           is_about_foreign(entry, "EXTENSION", extension_is_provider);
}

static bool is_of_schema(const ArchiveEntry *entry, const char *name)
{
    char of[NAME_SIZE];

    named(entry, "SCHEMA", of);
    return strcmp(entry->schema, name) == 0 || strcmp(of, name) == 0;
}

/* One that an extension makes has no entry, and is the provider's as well. */
static void find_user_schemas(Archive *archive)
{
    for (int s = 0; s < archive->count; s++) {
        const ArchiveEntry *schema = &archive->entries[s];

        if (strcmp(schema->desc, "SCHEMA") != 0 || !schema_is_provider(schema->tag) ||
            role_is_provider(schema->owner))
            continue;
        for (int i = 0; i < archive->count; i++)
            archive->entries[i].user_schema |= is_of_schema(&archive->entries[i], schema->tag);
    }
}

bool schema_read(Arena *arena, const char *path, Archive *ret, Error *err)
{
    if (!archive_read(arena, path, ret, err))
        return false;
    find_user_schemas(ret);
    return true;
}

static bool is_database_level(const ArchiveEntry *entry)
{
    static const char *const kinds[] = {"ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE",
                                        "DATABASE PROPERTIES"};

    return text_is_one_of(entry->desc, kinds, COUNT_OF(kinds)) || is_about(entry, "DATABASE");
}

EntryStage entry_stage(const ArchiveEntry *entry)
{
    static const char *const large[] = {"BLOB", "BLOB METADATA"};
    static const char *const privileges[] = {"ACL", "DEFAULT ACL"};
    static const char *const beside_copy[] = {"INDEX", "INDEX ATTACH", "CONSTRAINT",
                                              "FK CONSTRAINT", "STATISTICS"};

    if (entry->section == SECTION_DATA || is_database_level(entry) || is_foreign(entry))
        return STAGE_NONE;
    if (text_is_one_of(entry->desc, large, COUNT_OF(large)))
        return STAGE_LARGE_OBJECT;
    if (text_is_one_of(entry->desc, privileges, COUNT_OF(privileges)))
        return STAGE_PRIVILEGES;
    if (strcmp(entry->desc, "EVENT TRIGGER") == 0 || is_about(entry, "EVENT TRIGGER"))
        return STAGE_LAST;
    if (entry->section == SECTION_PRE_DATA)
        return STAGE_SCHEMA;
    if (entry->section == SECTION_POST_DATA &&
        text_is_one_of(entry->desc, beside_copy, COUNT_OF(beside_copy)))
        return STAGE_INDEX;
    return STAGE_REST;
}

bool schema_dump(Arena *arena, const DumpRequest *request, Archive *ret, Error *err)
{
    const char *partial = arena_printf(arena, "%s.part", request->path);
    const char *argv[24];
    size_t argc = 0;

    argv[argc++] = request->programs->pg_dump;
    argv[argc++] = "--format=custom";
    argv[argc++] = "--compress=0";
    argv[argc++] = arena_printf(arena, "--encoding=%s",
                                request->url->encoding ? request->url->encoding : "UTF8");
    argv[argc++] = "--exclude-schema=homeport";
    argv[argc++] = arena_printf(arena, "--lock-wait-timeout=%d", LOCK_WAIT_MS);
    if (request->snapshot)
        argv[argc++] = arena_printf(arena, "--snapshot=%s", request->snapshot);
    if (request->large_objects) {
        argv[argc++] = "--blobs";
        argv[argc++] = "--exclude-table-data=*.*";
    } else {
        argv[argc++] = "--schema-only";
    }
    if (request->quote_all)
        argv[argc++] = "--quote-all-identifiers";
    argv[argc++] = "--dbname";
    argv[argc++] = url_for_program(arena, request->url);
    argv[argc] = NULL;

    /* Defaults that are moments in time are written in the session's zone. */
    const char *env[] = {"PGTZ=UTC", url_password_env(arena, request->url), NULL};
    ProcessOptions options = {
        .argv = argv,
        .env = env,
        .timeout_ms = pg_deadline_left_ms(),
        .stop_while_held = true,
        .stdout_path = partial,
    };
    ProcessResult result = {0};
    if (!process_check(arena, &options, &result, err) || !schema_read(arena, partial, ret, err)) {
        /* Its locks we have ourselves: it can only wait behind somebody who waits for us. The words
         * are of the query. */
        if (result.err_tail && strstr(result.err_tail, "LOCK TABLE")) {
            err->code = ERR_SNAPSHOT;
            (void)error_hint(err, "A statement waits on the source for a lock on a table and "
                                  "stood in the way: it goes on now. Run it again.");
        }
        return error_add_context(err, "dump the schema");
    }
    if (rename(partial, request->path) < 0)
        return error_set_errno(err, "rename \"%s\"", partial);
    return true;
}

/* The kinds that ALTER ... OWNER TO knows. The object's name is taken from the
 * statement that drops it, as pg_dump has written it there with its arguments. */
static const char *owner_statement(Arena *arena, const ArchiveEntry *entry, const char *owner)
{
    static const char *const kinds[] = {
        "AGGREGATE",
        "COLLATION",
        "CONVERSION",
        "DOMAIN",
        "EVENT TRIGGER",
        "FOREIGN DATA WRAPPER",
        "FOREIGN TABLE",
        "FUNCTION",
        "MATERIALIZED VIEW",
        "OPERATOR",
        "OPERATOR CLASS",
        "OPERATOR FAMILY",
        "PROCEDURE",
        "PROCEDURAL LANGUAGE",
        "PUBLICATION",
        "SCHEMA",
        "SEQUENCE",
        "SERVER",
        "STATISTICS",
        "SUBSCRIPTION",
        "TABLE",
        "TEXT SEARCH CONFIGURATION",
        "TEXT SEARCH DICTIONARY",
        "TYPE",
        "VIEW",
    };
    static const char drop[] = "DROP ";
    size_t len = strcspn(entry->drop, ";");

    if (!*entry->owner || !text_is_one_of(entry->desc, kinds, COUNT_OF(kinds)) ||
        strncmp(entry->drop, drop, strlen(drop)) != 0)
        return NULL;
    /* A name may hold a semicolon; the statement's own is its last one. */
    const char *end = strrchr(entry->drop, ';');
    if (end)
        len = (size_t)(end - entry->drop);
    return arena_printf(arena, "ALTER %.*s OWNER TO %s", (int)(len - strlen(drop)),
                        entry->drop + strlen(drop), pg_ident(arena, owner));
}

void schema_hint_unqualified(Error *err)
{
    static const char *const not_found[] = {"42883", "42P01", "42704"};

    if (text_is_one_of(err->sqlstate, not_found, COUNT_OF(not_found)))
        (void)error_hint(err, "Here search_path is empty, as in a restore by pg_restore: if a "
                              "function uses the name without its schema, ALTER FUNCTION ... SET "
                              "search_path = ... on the source, then run this again.");
}

bool schema_fail_entry(const ArchiveEntry *entry, Error *err)
{
    if (entry_stage(entry) == STAGE_INDEX)
        schema_hint_unqualified(err);
    return error_add_context(err, "create %s %s%s%s", entry->desc, entry->schema,
                             *entry->schema ? "." : "", entry->tag);
}

static bool set_owner(PGconn *target, Arena *scratch, const Config *config,
                      const ArchiveEntry *entry, Error *err)
{
    const char *owner = role_mapped(config, entry->owner);
    const char *sql = owner ? owner_statement(scratch, entry, owner) : NULL;

    if (!sql || strcmp(owner, PQuser(target)) == 0)
        return true;
    if (!pg_exec(target, sql, err)) {
        if (strcmp(err->sqlstate, "42704") == 0)
            (void)error_hint(err, "Create the role, or map it with --map-role %s=ROLE.",
                             text_shell_word(scratch, entry->owner));
        return error_add_context(err, "give it to its owner");
    }
    return true;
}

bool schema_run_entry(PGconn *target, const Config *config, const Archive *archive,
                      const ArchiveEntry *entry, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *sql = roles_rewrite(scratch, config, entry);

    sql = large_objects_expand(scratch, archive, entry, sql);

    if (*sql && !pg_exec(target, sql, err)) {
        if (strcmp(err->sqlstate, "42704") == 0 && strcmp(err->origin, "acl.c") == 0)
            (void)error_hint(err, "Create the role, or map it with --map-role OLD=NEW.");
        return schema_fail_entry(entry, err);
    }
    return set_owner(target, scratch, config, entry, err) || schema_fail_entry(entry, err);
}

bool schema_set_tablespace(PGconn *target, const char *tablespace, Error *err)
{
    auto_result PGresult *res = NULL;

    return pg_query(target, sql_target_set_tablespace, 1, &tablespace, &res, err);
}

/* As every session and transaction begins. */
#define PLACEMENT_INIT                                                                             \
    {                                                                                              \
        .tablespace = "", .access_method = "heap"                                                  \
    }

typedef struct Placement {
    const char *tablespace;
    const char *access_method;
} Placement;

static bool set_placement(PGconn *target, Placement *now, const ArchiveEntry *entry, Error *err)
{
    auto_result PGresult *method = NULL;
    const char *wanted = *entry->access_method ? entry->access_method : now->access_method;

    if (strcmp(now->tablespace, entry->tablespace) != 0) {
        if (!schema_set_tablespace(target, entry->tablespace, err))
            return false;
        now->tablespace = entry->tablespace;
    }
    if (strcmp(now->access_method, wanted) != 0) {
        if (!pg_query(target, sql_target_set_access_method, 1, &wanted, &method, err))
            return false;
        now->access_method = wanted;
    }
    return true;
}

bool schema_create(PGconn *target, const Config *config, const Archive *archive, Error *err)
{
    Placement placement = PLACEMENT_INIT;

    if (!pg_exec(target, "BEGIN", err) ||
        !pg_exec(target, "SET LOCAL check_function_bodies = off", err))
        return false;
    for (int i = 0; i < archive->count; i++) {
        const ArchiveEntry *entry = &archive->entries[i];

        if (entry_stage(entry) != STAGE_SCHEMA)
            continue;
        if (!set_placement(target, &placement, entry, err) ||
            !schema_run_entry(target, config, archive, entry, err))
            return false;
    }
    return marks_schema_done(target, err) && pg_exec(target, "COMMIT", err);
}

bool schema_run_stage(PGconn *target, const Config *config, const Archive *archive,
                      EntryStage stage, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    int *done = NULL;
    int done_count = 0;
    int in_transaction = 0;
    Placement placement = PLACEMENT_INIT;

    if (!marks_entries(target, scratch, &done, &done_count, err) || !pg_exec(target, "BEGIN", err))
        return false;
    for (int i = 0; i < archive->count; i++) {
        const ArchiveEntry *entry = &archive->entries[i];

        if (entry_stage(entry) != stage || marks_has_entry(done, done_count, entry->id))
            continue;
        if (!pg_exec(target, "SET LOCAL check_function_bodies = off", err) ||
            !set_placement(target, &placement, entry, err) ||
            !schema_run_entry(target, config, archive, entry, err) ||
            !marks_entry(target, entry->id, err))
            return false;
        /* Each object locked stays locked until the commit, and locks are counted. */
        if (++in_transaction % ENTRIES_PER_COMMIT > 0)
            continue;
        if (!pg_exec(target, "COMMIT; BEGIN", err))
            return false;
        placement = (Placement)PLACEMENT_INIT;
    }
    return pg_exec(target, "COMMIT", err);
}

/* What is not there any more went with something else. 2BP01, 42P16: part of a
 * partitioned index or key, which goes with the parent's. */
static bool is_gone(const ArchiveEntry *entry, const char *sqlstate)
{
    static const char *const gone[] = {"42704", "42P01", "42883", "3F000", "42703"};
    static const char *const attached[] = {"2BP01", "42P16"};

    return text_is_one_of(sqlstate, gone, COUNT_OF(gone)) ||
           (entry->section == SECTION_POST_DATA &&
            text_is_one_of(sqlstate, attached, COUNT_OF(attached)));
}

static bool drop_entry(PGconn *target, const ArchiveEntry *entry, Error *err)
{
    bool is_public = strcmp(entry->desc, "SCHEMA") == 0 && strcmp(entry->tag, "public") == 0;

    if (!*entry->drop || is_public)
        return true;
    if (!pg_exec(target, "SAVEPOINT one", err))
        return false;
    if (pg_exec(target, entry->drop, err))
        return pg_exec(target, "RELEASE one", err);
    if (!is_gone(entry, err->sqlstate))
        return error_add_context(err, "drop %s %s", entry->desc, entry->tag);
    return pg_exec(target, "ROLLBACK TO one; RELEASE one", err);
}

static bool carry_rights_of(PGconn *conn, const Config *config, const Archive *archive,
                            const ArchiveEntry *entry, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    bool privileges = entry_stage(entry) == STAGE_PRIVILEGES;

    if (!pg_exec(conn, "SAVEPOINT one", err))
        return false;
    if (privileges ? schema_run_entry(conn, config, archive, entry, err)
                   : set_owner(conn, scratch, config, entry, err))
        return pg_exec(conn, "RELEASE one", err);
    /* 42809: of this name something else is there. */
    if (!is_gone(entry, err->sqlstate) && strcmp(err->sqlstate, "42809") != 0)
        return privileges ? false : schema_fail_entry(entry, err);
    *err = ERROR_INIT;
    return pg_exec(conn, "ROLLBACK TO one; RELEASE one", err);
}

/* A serial column's sequence takes its table's owner, and no other before; privileges are granted
 * by the owner. */
static int rights_pass(const ArchiveEntry *entry)
{
    switch (entry_stage(entry)) {
    case STAGE_NONE:
    case STAGE_LARGE_OBJECT:
        return -1;
    case STAGE_PRIVILEGES:
        return 2;
    case STAGE_SCHEMA:
    case STAGE_INDEX:
    case STAGE_REST:
    case STAGE_LAST:
        return strcmp(entry->desc, "TABLE") == 0 ? 0 : 1;
    }
    return -1;
}

bool schema_carry_rights(PGconn *conn, const Config *config, const Archive *archive, Error *err)
{
    if (!pg_exec(conn, "BEGIN", err))
        return false;
    for (int pass = 0; pass < 3; pass++)
        for (int i = 0; i < archive->count; i++)
            if (rights_pass(&archive->entries[i]) == pass &&
                !carry_rights_of(conn, config, archive, &archive->entries[i], err))
                return false;
    return pg_exec(conn, "COMMIT", err);
}

/* The index of a key is built before its key, and only the key is marked. */
static bool drop_stray_indexes(PGconn *target, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;

    if (!pg_query(target, sql_target_stray_indexes, 0, NULL, &res, err))
        return false;
    for (int i = 0; i < PQntuples(res); i++)
        if (!pg_execf(target, err, "DROP INDEX %s",
                      pg_qualified(scratch, pg_cell(res, i, 0), pg_cell(res, i, 1))))
            return false;
    return true;
}

/* Event triggers would fire on what is dropped after them: they go first. */
static bool drop_entries(PGconn *target, const Archive *archive,
                         bool (*is_chosen)(const ArchiveEntry *, const void *), const void *context,
                         Error *err)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = archive->count - 1; i >= 0; i--) {
            const ArchiveEntry *entry = &archive->entries[i];

            if ((entry_stage(entry) == STAGE_LAST) == (pass == 0) && is_chosen(entry, context) &&
                !drop_entry(target, entry, err))
                return false;
        }
    return true;
}

typedef struct MarkedEntries {
    int *ids;
    int count;
} MarkedEntries;

/* Privileges, comments and what is done twice without harm stay. */
static bool is_marked(const ArchiveEntry *entry, const void *context)
{
    const MarkedEntries *marked = context;

    return entry->section == SECTION_POST_DATA &&
           marks_has_entry(marked->ids, marked->count, entry->id);
}

bool schema_drop_marked(PGconn *target, const Archive *archive, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    MarkedEntries marked;

    return (marks_entries(target, scratch, &marked.ids, &marked.count, err) &&
            pg_exec(target, "BEGIN", err) &&
            drop_entries(target, archive, is_marked, &marked, err) &&
            drop_stray_indexes(target, err) && pg_exec(target, sql_target_forget_entries, err) &&
            pg_exec(target, sql_target_forget_parts, err) && pg_exec(target, "COMMIT", err)) ||
           error_add_context(err, "go back to the bare schema");
}

static bool is_made(const ArchiveEntry *entry, const void *context)
{
    EntryStage stage = entry_stage(entry);

    (void)context;
    return stage != STAGE_NONE && stage != STAGE_LARGE_OBJECT && entry->section != SECTION_NONE;
}

/* An archive has no statement that takes default privileges back. What was there before it is kept.
 */
static bool reset_default_privileges(PGconn *target, Error *err)
{
    auto_result PGresult *res = NULL;

    /* Of a move that an older homeport began nothing is noted. */
    if (!pg_exec(target, sql_target_default_acl, err) ||
        !pg_query(target, sql_target_default_privileges, 0, NULL, &res, err))
        return false;
    for (int i = 0; i < PQntuples(res); i++)
        if (!pg_exec(target, pg_cell(res, i, 0), err))
            return false;
    return true;
}

bool schema_drop_all(PGconn *target, const Archive *archive, Error *err)
{
    return (pg_exec(target, "BEGIN", err) && drop_entries(target, archive, is_made, NULL, err) &&
            reset_default_privileges(target, err) && pg_exec(target, sql_target_drop_marks, err) &&
            pg_exec(target, "COMMIT", err)) ||
           error_add_context(err, "empty the target");
}
