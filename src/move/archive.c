#include "move/archive.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "move/sqltext.h"

enum {
    MAX_DEFINITION = 1 << 30,
    MAX_ENTRIES = 1 << 22,
    MAX_DEPS = 1 << 16,
    FORMAT_CUSTOM = 1,
    VERSION_MAJOR = 1,
    VERSION_OLDEST = 14,
    VERSION_COMPRESSION = 15, /* a byte names the algorithm */
    VERSION_RELKIND = 16,
    VERSION_NEWEST = 16,
};

/* Once broken, a reader gives zeroes and empty texts; who reads a whole entry checks then. */
typedef struct Reader {
    const unsigned char *ptr;
    size_t left;
    int version;
    size_t int_size;
    size_t offset_size;
    bool broken;
} Reader;

static const unsigned char *take(Reader *reader, size_t len)
{
    if (reader->broken || len > reader->left) {
        reader->broken = true;
        return NULL;
    }
    const unsigned char *at = reader->ptr;
    reader->ptr += len;
    reader->left -= len;
    return at;
}

static int take_byte(Reader *reader)
{
    const unsigned char *at = take(reader, 1);

    return at ? *at : 0;
}

/* A sign byte, then the magnitude, least significant byte first. */
static int take_int(Reader *reader)
{
    int sign = take_byte(reader);
    const unsigned char *at = take(reader, reader->int_size);
    uint64_t value = 0;

    if (!at)
        return 0;
    for (size_t i = 0; i < reader->int_size; i++)
        value |= (uint64_t)at[i] << (8 * i);
    if (value > INT32_MAX) {
        reader->broken = true;
        return 0;
    }
    return sign ? -(int)value : (int)value;
}

/* NULL for the format's own NULL (a negative length). */
static char *take_string(Reader *reader, Arena *arena)
{
    int len = take_int(reader);

    if (reader->broken || len < 0)
        return NULL;
    const unsigned char *at = take(reader, (size_t)len);
    return at ? arena_strndup(arena, (const char *)at, (size_t)len) : NULL;
}

static const char *take_text(Reader *reader, Arena *arena)
{
    const char *text = take_string(reader, arena);

    return text ? text : "";
}

static bool read_deps(Reader *reader, Arena *arena, ArchiveEntry *entry)
{
    auto_arena Arena *scratch = arena_new();
    int cap = 16;
    int count = 0;
    int *deps = arena_array(scratch, (size_t)cap, sizeof *deps);

    for (const char *text; (text = take_string(reader, scratch)) != NULL; count++) {
        if (count >= MAX_DEPS)
            return false;
        if (count == cap) {
            int *larger = arena_array(scratch, (size_t)cap * 2, sizeof *larger);
            memcpy(larger, deps, (size_t)count * sizeof *deps);
            deps = larger;
            cap *= 2;
        }
        deps[count] = (int)strtol(text, NULL, 10);
    }
    int *kept = arena_array(arena, (size_t)count, sizeof *kept);
    memcpy(kept, deps, (size_t)count * sizeof *kept);
    entry->deps = kept;
    entry->dep_count = count;
    return !reader->broken;
}

/*
 * A column option that PostgreSQL 15.20 keeps for itself. Its own pg_dump leaves
 * it out; those of other majors do not know it, write it like an owner's option,
 * and no other server takes it back (docs/decisions/0004-pg-attver.md).
 */
static const char internal_option[] = "pg_attver";

/* "SET (a=1, pg_attver=2)" without it; a statement that sets nothing else goes whole. Elsewhere it
 * is somebody's own name: "UNIQUE (a, pg_attver)". */
static void add_cleaned(Text *out, const char *sql, size_t len)
{
    SqlWalker walker = {.at = sql};
    const char *option = NULL;
    const char *end = NULL;
    SqlToken before = {.kind = SQL_END};
    bool set = false;

    for (SqlToken token; (token = sql_next(&walker)).kind != SQL_END && token.ptr < sql + len;) {
        bool listed = sql_is_symbol(&before, '(') || sql_is_symbol(&before, ',');
        if (sql_is_symbol(&token, '(') && token.depth == 0)
            set = sql_is_word(&before, "SET");
        if (set && !option && listed && token.depth == 1 && sql_is_word(&token, internal_option))
            option = token.ptr;
        else if (option && !end && (sql_is_symbol(&token, ',') || sql_is_symbol(&token, ')')))
            end = token.ptr;
        before = token;
    }
    if (!option || !end) {
        text_add_n(out, sql, len);
        return;
    }
    bool first = option[-1] == '(';
    if (first && *end == ')')
        return;
    /* With the comma before it, or with the one behind it. */
    const char *start = first ? option : option - strlen(", ");
    text_add_n(out, sql, (size_t)(start - sql));
    const char *rest = first ? end + strlen(", ") : end;
    text_add_n(out, rest, (size_t)(sql + len - rest));
}

static const char *without_internal_option(Arena *arena, const char *defn)
{
    if (!strstr(defn, internal_option))
        return defn;

    Text out = text_init(arena, MAX_DEFINITION);
    for (const char *at = defn; *at;) {
        size_t len = sql_statement_len(at);
        bool alter = strncmp(at + strspn(at, "\n "), "ALTER ", strlen("ALTER ")) == 0;
        if (alter)
            add_cleaned(&out, at, len);
        else
            text_add_n(&out, at, len);
        at += len;
    }
    return text_str(&out);
}

static bool read_entry(Reader *reader, Arena *arena, ArchiveEntry *ret)
{
    ArchiveEntry entry = {.id = take_int(reader)};

    (void)take_int(reader);         /* whether it has data in the archive */
    (void)take_text(reader, arena); /* the catalogue's oid */
    entry.oid = (unsigned)strtoul(take_text(reader, arena), NULL, 10);
    entry.tag = take_text(reader, arena);
    entry.desc = take_text(reader, arena);
    int section = take_int(reader);
    entry.defn = without_internal_option(arena, take_text(reader, arena));
    entry.drop = take_text(reader, arena);
    (void)take_text(reader, arena); /* COPY statement */
    entry.schema = take_text(reader, arena);
    entry.tablespace = take_text(reader, arena);
    entry.access_method = take_text(reader, arena);
    if (reader->version >= VERSION_RELKIND)
        entry.relkind = (char)take_int(reader);
    entry.owner = take_text(reader, arena);
    (void)take_text(reader, arena); /* WITH OIDS, always "false" today */
    if (!read_deps(reader, arena, &entry))
        return false;
    (void)take(reader, 1 + reader->offset_size); /* where its data lies */

    if (section < SECTION_NONE || section > SECTION_POST_DATA || entry.id <= 0)
        return false;
    entry.section = (ArchiveSection)section;
    *ret = entry;
    return !reader->broken;
}

static bool read_head(Reader *reader, Arena *arena, Archive *ret, Error *err)
{
    const unsigned char *magic = take(reader, 5);

    if (!magic || memcmp(magic, "PGDMP", 5) != 0)
        return error_set(err, ERR_FORMAT, "not an archive of pg_dump");
    int major = take_byte(reader);
    reader->version = take_byte(reader);
    (void)take_byte(reader);
    if (major != VERSION_MAJOR || reader->version < VERSION_OLDEST ||
        reader->version > VERSION_NEWEST) {
        (void)error_set(err, ERR_FORMAT, "archive version %d.%d is not known", major,
                        reader->version);
        return error_hint(err, "Known are 1.14 to 1.16, of pg_dump 13 to 18: choose one with "
                               "--pg-bin.");
    }
    reader->int_size = (size_t)take_byte(reader);
    reader->offset_size = (size_t)take_byte(reader);
    int format = take_byte(reader);
    if (reader->int_size == 0 || reader->int_size > 8 || reader->offset_size == 0 ||
        reader->offset_size > 8 || format != FORMAT_CUSTOM)
        return error_set(err, ERR_FORMAT, "not an archive in custom format");

    if (reader->version >= VERSION_COMPRESSION)
        (void)take_byte(reader);
    else
        (void)take_int(reader);
    for (int i = 0; i < 7; i++) /* when it was made: struct tm, field by field */
        (void)take_int(reader);
    (void)take_text(reader, arena); /* database */
    ret->server_version = take_text(reader, arena);
    ret->dump_version = take_text(reader, arena);
    return true;
}

bool archive_parse(Arena *arena, const void *data, size_t len, Archive *ret, Error *err)
{
    Reader reader = {.ptr = data, .left = len};
    Archive archive = {0};

    if (!read_head(&reader, arena, &archive, err))
        return false;
    int count = take_int(&reader);
    /* An entry takes far more than 16 bytes: a count that cannot be is not allocated for. */
    if (reader.broken || count < 0 || count > MAX_ENTRIES || (size_t)count > reader.left / 16)
        return error_set(err, ERR_FORMAT, "the archive is cut off in its head");

    archive.entries = arena_array(arena, (size_t)count, sizeof *archive.entries);
    for (archive.count = 0; archive.count < count; archive.count++)
        if (!read_entry(&reader, arena, &archive.entries[archive.count]))
            return error_set(err, ERR_FORMAT, "the archive is damaged at entry %d of %d",
                             archive.count + 1, count);
    *ret = archive;
    return true;
}

/* Behind its table of contents an archive may hold all large objects there are: not looked at. */
bool archive_read(Arena *arena, const char *path, Archive *ret, Error *err)
{
    auto_map FileMap file = {0};

    return file_map(path, &file, err) && (archive_parse(arena, file.data, file.len, ret, err) ||
                                          error_add_context(err, "read \"%s\"", path));
}

const ArchiveEntry *archive_find(const Archive *archive, int id)
{
    for (int i = 0; i < archive->count; i++)
        if (archive->entries[i].id == id)
            return &archive->entries[i];
    return NULL;
}

static bool entry_equal(const ArchiveEntry *a, const ArchiveEntry *b)
{
    return a->id == b->id && strcmp(a->desc, b->desc) == 0 && strcmp(a->schema, b->schema) == 0 &&
           strcmp(a->tag, b->tag) == 0 && strcmp(a->owner, b->owner) == 0 &&
           strcmp(a->defn, b->defn) == 0 && strcmp(a->tablespace, b->tablespace) == 0;
}

bool archive_equal(const Archive *a, const Archive *b)
{
    if (a->count != b->count)
        return false;
    for (int i = 0; i < a->count; i++)
        if (!entry_equal(&a->entries[i], &b->entries[i]))
            return false;
    return true;
}
