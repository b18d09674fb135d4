/*
 * meta/_journal.json of drizzle-kit 0.x.
 *
 * Read as its migrator reads it: only `entries` with their `tag` and `when`
 * count, in the order of the array; version, dialect, idx and breakpoints are
 * not looked at.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "migrations/internal.h"

/* Beyond it JavaScript's numbers are no longer exact. */
#define MAX_SAFE_INTEGER INT64_C(9007199254740991)

static void json_cleanup(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}
#define auto_json CLEANUP(json_cleanup)

static bool fail_entry(Error *err, size_t index, const char *tag, const char *problem)
{
    (void)error_set(err, ERR_FORMAT, "entry %zu of the journal%s%s%s: %s", index, tag ? " (" : "",
                    tag ? tag : "", tag ? ")" : "", problem);
    return error_hint(err, "Compare meta/_journal.json with its last good version in git; "
                           "`drizzle-kit generate` writes a correct entry.");
}

static bool parse_digits(const char *text, int64_t *ret)
{
    size_t digits = strspn(text + (*text == '-'), "0123456789");

    if (digits == 0 || digits > 16 || text[(*text == '-') + digits] != '\0')
        return false;
    *ret = strtoll(text, NULL, 10);
    return true;
}

/* A whole number, as JavaScript understands it: 1000, 1000.0 and "1000" all reach PostgreSQL as
 * 1000; what does not (1000.5, null) would fail there or, worse, be stored as NULL. */
static bool parse_when(const json_t *when, int64_t *ret)
{
    int64_t value = 0;

    if (json_is_integer(when)) {
        value = json_integer_value(when);
    } else if (json_is_real(when)) {
        double real = json_real_value(when);
        if (real != floor(real) || fabs(real) > (double)MAX_SAFE_INTEGER)
            return false;
        value = (int64_t)real;
    } else if (!json_is_string(when) || !parse_digits(json_string_value(when), &value)) {
        return false;
    }
    if (value > MAX_SAFE_INTEGER || value < -MAX_SAFE_INTEGER)
        return false;
    *ret = value;
    return true;
}

static bool parse_entry(Arena *arena, const json_t *entry, size_t index, JournalEntry *ret,
                        Error *err)
{
    if (!json_is_object(entry))
        return fail_entry(err, index, NULL, "is no object");

    const json_t *tag = json_object_get(entry, "tag");
    if (!json_is_string(tag) || json_string_length(tag) == 0)
        return fail_entry(err, index, NULL, "has no \"tag\"");
    const char *text = json_string_value(tag);
    if (json_string_length(tag) > TAG_MAX_BYTES || strchr(text, '/'))
        return fail_entry(err, index, NULL, "its \"tag\" is no file name");

    const json_t *when = json_object_get(entry, "when");
    if (!when)
        return fail_entry(err, index, text, "has no \"when\"");
    int64_t when_ms = 0;
    if (!parse_when(when, &when_ms))
        return fail_entry(err, index, text, "its \"when\" is no whole number of milliseconds");

    *ret = (JournalEntry){.tag = arena_strdup(arena, text), .when_ms = when_ms};
    return true;
}

typedef struct TagAt {
    const char *tag;
    size_t index;
} TagAt;

static int compare_tags(const void *a, const void *b)
{
    const TagAt *left = a;
    const TagAt *right = b;
    int order = strcmp(left->tag, right->tag);

    return order ? order : (left->index > right->index) - (left->index < right->index);
}

/* drizzle-kit would run the file twice; only a merge gone wrong writes that. */
static bool check_tags_differ(Arena *arena, const JournalEntry *entries, size_t count, Error *err)
{
    TagAt *sorted = arena_array(arena, count, sizeof *sorted);

    for (size_t i = 0; i < count; i++)
        sorted[i] = (TagAt){entries[i].tag, i};
    qsort(sorted, count, sizeof *sorted, compare_tags);
    for (size_t i = 1; i < count; i++)
        if (strcmp(sorted[i - 1].tag, sorted[i].tag) == 0)
            return fail_entry(err, sorted[i].index, sorted[i].tag,
                              "its tag is in the journal twice");
    return true;
}

static bool fail_json(const char *text, size_t len, const json_error_t *problem, Error *err)
{
    (void)error_set(err, ERR_FORMAT, "meta/_journal.json is no valid JSON: line %d: %s",
                    problem->line, problem->text);
    if (len == 0)
        return error_hint(err, "The file is empty. Take its last good version from git.");
    if (memmem(text, len, "<<<<<<<", 7))
        return error_hint(err, "It holds the marks of a git merge: resolve it, keeping all entries "
                               "in the order in which they are to run.");
    if (json_error_code(problem) == json_error_premature_end_of_input)
        return error_hint(err, "The file is cut off. Take its last good version from git.");
    return error_hint(err, "Take its last good version from git.");
}

bool journal_parse(Arena *arena, const char *text, size_t len, JournalEntry **ret, int *ret_count,
                   Error *err)
{
    json_error_t problem;
    auto_json json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);

    if (!root)
        return fail_json(text, len, &problem, err);
    const json_t *list = json_object_get(root, "entries");
    if (!json_is_array(list)) {
        (void)error_set(err, ERR_FORMAT, "meta/_journal.json has no \"entries\"");
        return error_hint(err, "This is no journal of drizzle-kit 0.x. Take its last good version "
                               "from git.");
    }

    size_t count = json_array_size(list);
    if (count > MIGRATIONS_MAX)
        return error_set(err, ERR_FORMAT, "meta/_journal.json has more than %d entries",
                         MIGRATIONS_MAX);
    JournalEntry *entries = arena_array(arena, count, sizeof *entries);
    for (size_t i = 0; i < count; i++)
        if (!parse_entry(arena, json_array_get(list, i), i, &entries[i], err))
            return false;
    if (!check_tags_differ(arena, entries, count, err))
        return false;
    *ret = entries;
    *ret_count = (int)count;
    return true;
}
