#include "move/large_objects.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/process.h"
#include "core/text.h"
#include "move/roles.h"

enum {
    MAX_LIST = 256 << 20
};

static bool is_metadata(const ArchiveEntry *entry)
{
    return strcmp(entry->desc, "BLOB METADATA") == 0;
}

static bool is_large_object(const ArchiveEntry *entry)
{
    return strcmp(entry->desc, "BLOB") == 0 || is_metadata(entry);
}

/* The next oid of an entry: its tag, or one of the lines of its definition. */
static const char *next_oid(Arena *arena, const ArchiveEntry *entry, const char **at)
{
    if (!is_metadata(entry)) {
        const char *tag = *at ? NULL : entry->tag;
        *at = entry->tag;
        return tag;
    }
    const char *line = *at ? *at : entry->defn;
    size_t len = strcspn(line, "\n");
    *at = line + len + (line[len] == '\n');
    return len > 0 ? arena_strndup(arena, line, len) : NULL;
}

static bool set_owners(const LargeObjectRequest *request, const ArchiveEntry *entry, int *count,
                       Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *owner = role_mapped(request->config, entry->owner);
    bool change = owner && strcmp(owner, PQuser(request->target)) != 0;
    const char *at = NULL;

    for (const char *oid; (oid = next_oid(scratch, entry, &at)) != NULL; (*count)++)
        if (change && !pg_execf(request->target, err, "ALTER LARGE OBJECT %s OWNER TO %s", oid,
                                pg_ident(scratch, owner)))
            return error_add_context(err, "give large object %s to its owner", oid);
    return true;
}

bool large_objects_remove(PGconn *target, Error *err)
{
    int64_t removed = 1;

    while (removed > 0)
        if (!pg_query_i64(target, sql_target_remove_large_objects, &removed, err))
            return error_add_context(err, "remove large objects of an earlier run");
    return true;
}

/* pg_restore is told by number what to restore. False where there is nothing. */
static bool write_list(Arena *arena, const LargeObjectRequest *request, bool *ret_any, Error *err)
{
    Text list = text_init(arena, MAX_LIST);

    for (int i = 0; i < request->archive->count; i++) {
        const ArchiveEntry *entry = &request->archive->entries[i];
        if (is_large_object(entry) || strcmp(entry->desc, "BLOBS") == 0)
            text_addf(&list, "%d;\n", entry->id);
    }
    *ret_any = list.len > 0;
    return !*ret_any || file_replace(request->list_path, text_str(&list), list.len, err);
}

/* What 17's programs set first, and no server before 17 knows. */
static bool has_unknown_setting(const LargeObjectRequest *request)
{
    return request->programs->major >= 17 && PQserverVersion(request->target) < 170000;
}

/* That and nothing else: pg_restore goes on, outside of a transaction, and counts what failed. */
static bool failed_by_setting(const ProcessResult *result)
{
    static const char last[] = "errors ignored on restore: 1";
    size_t len = result->err_tail ? strlen(result->err_tail) : 0;

    return result->status == 1 && len >= strlen(last) &&
           strcmp(result->err_tail + len - strlen(last), last) == 0 &&
           strstr(result->err_tail, "Command was: SET transaction_timeout = 0;") != NULL;
}

static bool run_restore(Arena *arena, const LargeObjectRequest *request, Error *err)
{
    bool unknown = has_unknown_setting(request);
    const char *argv[12];
    size_t argc = 0;

    argv[argc++] = request->programs->pg_restore;
    if (!unknown)
        argv[argc++] = "--single-transaction";
    argv[argc++] = "--no-owner";
    argv[argc++] = "--no-privileges";
    argv[argc++] = "--use-list";
    argv[argc++] = request->list_path;
    argv[argc++] = "--dbname";
    argv[argc++] = url_for_program(arena, request->target_url);
    argv[argc++] = request->path;
    argv[argc] = NULL;
    const char *env[] = {"PGAPPNAME=homeport restore", "LC_ALL=C",
                         url_password_env(arena, request->target_url), NULL};
    ProcessOptions options = {.argv = argv, .env = env};
    ProcessResult result = {0};

    if (process_check(arena, &options, &result, err))
        return true;
    if (!unknown || err->code != ERR_PROGRAM || !failed_by_setting(&result))
        return error_add_context(err, "restore the large objects");
    *err = ERROR_INIT;
    return true;
}

bool large_objects_restore(Arena *arena, const LargeObjectRequest *request, int *ret_count,
                           Error *err)
{
    bool any = false;
    int count = 0;

    if (!large_objects_remove(request->target, err) || !write_list(arena, request, &any, err))
        return false;
    *ret_count = 0;
    if (!any)
        return true;

    if (!run_restore(arena, request, err))
        return false;
    for (int i = 0; i < request->archive->count; i++)
        if (is_large_object(&request->archive->entries[i]) &&
            !set_owners(request, &request->archive->entries[i], &count, err))
            return false;
    *ret_count = count;
    return true;
}

static const ArchiveEntry *metadata_of(const Archive *archive, const ArchiveEntry *entry)
{
    for (int i = 0; i < entry->dep_count; i++) {
        const ArchiveEntry *dep = archive_find(archive, entry->deps[i]);
        if (dep && is_metadata(dep))
            return dep;
    }
    return NULL;
}

/* Every "LARGE OBJECT <digits>" of the SQL with another number. */
static void add_for_oid(Text *out, const char *sql, const char *oid)
{
    static const char words[] = "LARGE OBJECT ";

    for (const char *found; (found = strstr(sql, words)) != NULL;) {
        text_add_n(out, sql, (size_t)(found - sql));
        text_addf(out, "%s%s", words, oid);
        sql = found + strlen(words);
        sql += strspn(sql, "0123456789");
    }
    text_add(out, sql);
}

const char *large_objects_expand(Arena *arena, const Archive *archive, const ArchiveEntry *entry,
                                 const char *sql)
{
    static const char several[] = "LARGE OBJECTS ";
    const ArchiveEntry *metadata =
        strncmp(entry->tag, several, strlen(several)) == 0 ? metadata_of(archive, entry) : NULL;
    Text out = text_init(arena, MAX_LIST);
    const char *at = NULL;

    if (!metadata)
        return sql;
    for (const char *oid; (oid = next_oid(arena, metadata, &at)) != NULL;)
        add_for_oid(&out, sql, oid);
    return text_str(&out);
}
