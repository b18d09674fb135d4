/*
 * A folder of migrations, in the layout of either line of drizzle-kit, read as
 * drizzle-kit reads it: the same files, in the same order, cut at the same
 * places, with the same hash.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/file.h"
#include "migrations/hash.h"
#include "migrations/internal.h"

enum {
    TIME_DIGITS = 14 /* YYYYMMDDhhmmss */
};

static void dir_cleanup(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
    *dir = NULL;
}
#define auto_dir CLEANUP(dir_cleanup)

/* At every occurrence of the marker, wherever it is: also inside quotes. */
void migration_split(Arena *arena, Migration *migration)
{
    const size_t marker_len = strlen(BREAKPOINT);
    const char *end = migration->text + migration->text_len;
    int count = 1;

    for (const char *p = migration->text;
         (p = memmem(p, (size_t)(end - p), BREAKPOINT, marker_len)); p += marker_len)
        count++;

    MigrationPiece *pieces = arena_array(arena, (size_t)count, sizeof *pieces);
    const char *start = migration->text;
    int line = 1;
    for (int i = 0; i < count; i++) {
        const char *stop = memmem(start, (size_t)(end - start), BREAKPOINT, marker_len);
        size_t len = (size_t)((stop ? stop : end) - start);
        pieces[i] = (MigrationPiece){.sql = arena_strndup(arena, start, len), .line = line};
        for (const char *p = start; (p = memchr(p, '\n', (size_t)(start + len - p))); p++)
            line++;
        start += len + (stop ? marker_len : 0);
    }
    migration->pieces = pieces;
    migration->piece_count = count;
}

/* ---- names of 1.0 ---- */

static bool all_digits(const char *text, size_t count)
{
    return strspn(text, "0123456789") >= count;
}

static int digits_value(const char *text, size_t count)
{
    int value = 0;

    for (size_t i = 0; i < count; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

bool name_time(const char *name, int64_t *ret_ms)
{
    if (!all_digits(name, TIME_DIGITS))
        return false;

    int year = digits_value(name, 4);
    /* Both Date.UTC() and timegm() carry over what is out of range (month 13, hour 25); years of
     * two digits are Date.UTC()'s peculiarity. */
    struct tm parts = {
        .tm_year = (year < 100 ? year + 1900 : year) - 1900,
        .tm_mon = digits_value(name + 4, 2) - 1,
        .tm_mday = digits_value(name + 6, 2),
        .tm_hour = digits_value(name + 8, 2),
        .tm_min = digits_value(name + 10, 2),
        .tm_sec = digits_value(name + 12, 2),
    };
    *ret_ms = (int64_t)timegm(&parts) * 1000;
    return true;
}

char *name_after_up(Arena *arena, const char *tag, int64_t when_ms)
{
    const int64_t latest = INT64_C(253402300799999); /* the year 9999 */
    struct tm parts;
    time_t seconds = (time_t)(when_ms / 1000);
    const char *rest = strchr(tag, '_');

    if (when_ms <= 0 || when_ms > latest || !gmtime_r(&seconds, &parts))
        return NULL;
    return arena_printf(arena, "%04d%02d%02d%02d%02d%02d_%s", parts.tm_year + 1900,
                        parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                        rest ? rest + 1 : "");
}

/* Where a character comes in the root collation of Unicode: punctuation, digits, letters; case
 * counts only between names that are otherwise equal. 0: beyond ASCII. */
static int character_rank(char c)
{
    static const char order[] = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789"
                                "abcdefghijklmnopqrstuvwxyz";
    int lower = tolower((unsigned char)c);
    const char *at = lower ? strchr(order, lower) : NULL;

    return at ? (int)(at - order) + 1 : 0;
}

static bool is_plain_name(const char *name)
{
    for (; *name; name++)
        if (character_rank(*name) == 0)
            return false;
    return true;
}

int name_compare(const char *a, const char *b)
{
    int case_order = 0;
    size_t i = 0;

    for (; a[i] && b[i]; i++) {
        int difference = character_rank(a[i]) - character_rank(b[i]);
        if (difference)
            return difference;
        /* Lower case first: its codes are the larger ones. */
        if (case_order == 0)
            case_order = b[i] - a[i];
    }
    if (a[i] || b[i])
        return a[i] ? 1 : -1;
    return case_order;
}

/* ---- reading ---- */

static bool read_text(Arena *arena, const char *path, size_t max_bytes, char **ret, size_t *ret_len,
                      Error *err)
{
    struct stat info;

    if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0)
        max_bytes = 1; /* nothing to make room for */
    return file_read(arena, path, max_bytes, ret, ret_len, err);
}

static bool migration_read(Arena *arena, const char *folder, Migration *migration, Error *err)
{
    const char *path = arena_printf(arena, "%s/%s", folder, migration->file);
    char *bytes = NULL;
    size_t len = 0;

    if (!read_text(arena, path, MIGRATION_MAX_BYTES, &bytes, &len, err)) {
        if (err->sys_errno == ENOENT)
            (void)error_set(err, ERR_FORMAT, "migration %s has no file \"%s\"", migration->tag,
                            path);
        return error_hint(err, err->code == ERR_FORMAT
                                   ? "Take it from git, or take its entry out of the journal if it "
                                     "was never applied."
                                   : "drizzle-kit needs every file, also of applied migrations.");
    }
    if (memchr(bytes, '\0', len)) {
        (void)error_set(err, ERR_FORMAT, "\"%s\" holds a NUL byte", path);
        return error_hint(err, "PostgreSQL takes none in SQL. Save the file as UTF-8 text.");
    }
    migration->text =
        utf8_repair(arena, bytes, len, &migration->text_len, &migration->invalid_utf8);
    if (!sha256_hex(migration->text, migration->text_len, migration->hash))
        return error_set(err, ERR_WRONG_STATE, "OpenSSL cannot compute SHA-256");
    migration_split(arena, migration);
    return true;
}

static bool load_journal(Arena *arena, const char *path, MigrationsFolder *ret, Error *err)
{
    const char *journal = arena_printf(arena, "%s/meta/_journal.json", path);
    char *text = NULL;
    size_t len = 0;
    JournalEntry *entries = NULL;
    int count = 0;

    if (!read_text(arena, journal, JOURNAL_MAX_BYTES, &text, &len, err) ||
        !journal_parse(arena, text, len, &entries, &count, err))
        return error_add_context(err, "%s", path);

    Migration *list = arena_array(arena, (size_t)count, sizeof *list);
    for (int i = 0; i < count; i++) {
        list[i] = (Migration){
            .tag = entries[i].tag,
            .name = name_after_up(arena, entries[i].tag, entries[i].when_ms),
            .file = arena_printf(arena, "%s.sql", entries[i].tag),
            .when_ms = entries[i].when_ms,
        };
        if (!migration_read(arena, path, &list[i], err))
            return false;
    }
    *ret = (MigrationsFolder){
        .path = path, .layout = MIGRATIONS_JOURNAL, .list = list, .count = count};
    return true;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;

    return name_compare(*left, *right);
}

/* The folders that hold a migration.sql, sorted as 1.0 sorts them. */
static bool list_dated(Arena *arena, const char *path, const char ***ret, int *ret_count,
                       Error *err)
{
    auto_dir DIR *dir = opendir(path);
    const char **names = NULL;
    int count = 0;
    int cap = 0;

    if (!dir)
        return error_set_errno(err, "read the folder \"%s\"", path);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            !file_exists(arena_printf(arena, "%s/%s/migration.sql", path, name)))
            continue;
        if (count == MIGRATIONS_MAX)
            return error_set(err, ERR_FORMAT, "\"%s\" holds more than %d migrations", path,
                             MIGRATIONS_MAX);
        if (count == cap) {
            cap = cap ? 2 * cap : 64;
            const char **more = arena_array(arena, (size_t)cap, sizeof *more);
            if (count)
                memcpy(more, names, (size_t)count * sizeof *more);
            names = more;
        }
        names[count++] = arena_strdup(arena, name);
    }
    if (count)
        qsort(names, (size_t)count, sizeof *names, compare_names);
    *ret = names;
    *ret_count = count;
    return true;
}

static bool check_dated(const char *const *names, int count, Error *err)
{
    for (int i = 0; i < count; i++) {
        if (!all_digits(names[i], TIME_DIGITS)) {
            (void)error_set(err, ERR_FORMAT,
                            "the name of \"%s/migration.sql\" does not begin with a time",
                            names[i]);
            return error_hint(err, "drizzle-kit 1.0 names folders YYYYMMDDhhmmss_name.");
        }
        if (i > 0 && strncmp(names[i - 1], names[i], TIME_DIGITS) == 0 &&
            !(is_plain_name(names[i - 1]) && is_plain_name(names[i]))) {
            (void)error_set(err, ERR_FORMAT,
                            "\"%s\" and \"%s\" have the same time and names beyond ASCII, so their "
                            "order depends on the language of the machine",
                            names[i - 1], names[i]);
            return error_hint(err, "Rename the one that is not applied yet.");
        }
    }
    return true;
}

static bool load_dated(Arena *arena, const char *path, const char *const *names, int count,
                       MigrationsFolder *ret, Error *err)
{
    if (!check_dated(names, count, err))
        return error_add_context(err, "%s", path);

    Migration *list = arena_array(arena, (size_t)count, sizeof *list);
    for (int i = 0; i < count; i++) {
        list[i] = (Migration){
            .tag = names[i],
            .name = names[i],
            .file = arena_printf(arena, "%s/migration.sql", names[i]),
        };
        (void)name_time(names[i], &list[i].when_ms); /* checked above */
        if (!migration_read(arena, path, &list[i], err))
            return false;
    }
    *ret = (MigrationsFolder){
        .path = path, .layout = MIGRATIONS_FOLDERS, .list = list, .count = count};
    return true;
}

bool migrations_load(Arena *arena, const char *path, MigrationsFolder *ret, Error *err)
{
    const char *own_path = arena_strdup(arena, path);
    bool journal = file_exists(arena_printf(arena, "%s/meta/_journal.json", path));
    const char **names = NULL;
    int count = 0;

    if (!list_dated(arena, path, &names, &count, err)) {
        if (err->sys_errno == ENOENT)
            return error_hint(err, "Give the folder of Drizzle's migrations (`out` in "
                                   "drizzle.config.ts) as `migrations` in homeport.yaml.");
        return false;
    }
    if (journal && count > 0) {
        (void)error_set(err, ERR_FORMAT,
                        "\"%s\" has migrations in both formats: meta/_journal.json of drizzle-kit "
                        "0.x, and \"%s\" of 1.0",
                        path, names[0]);
        return error_hint(err, "With 1.0, run `drizzle-kit up`, which moves the old ones over; "
                               "with 0.x, take the dated folders out.");
    }
    if (journal)
        return load_journal(arena, own_path, ret, err);
    if (count > 0)
        return load_dated(arena, own_path, names, count, ret, err);
    (void)error_set(err, ERR_FORMAT,
                    "\"%s\" holds no migrations: neither meta/_journal.json (drizzle-kit 0.x) nor "
                    "<time>_<name>/migration.sql (1.0)",
                    path);
    return error_hint(err, "Give the folder that `out` in drizzle.config.ts names, or run "
                           "`drizzle-kit generate`.");
}

const char *migrations_layout_name(MigrationsLayout layout)
{
    return layout == MIGRATIONS_JOURNAL ? "journal" : "folders";
}
