/*
 * Whether what changed on both sides of a move says the same on both.
 *
 * Servers of different versions describe one thing differently, so that what they say of it cannot
 * be compared as it is. One pg_dump reads both, and its entries are compared as verify_schema.c
 * does. What differed before and has not changed is none of our business: an entry counts where it
 * speaks of a name that changed. Rather one too many: then the owner looks at it.
 */
#include <ctype.h>
#include <string.h>

#include "core/text.h"
#include "move/sqltext.h"
#include "move/verify.h"
#include "move/verify_live.h"

typedef struct Related {
    Arena *arena;
    const char *const *objects;
    int count;
    const char *first; /* an entry that differs; NULL: none does */
} Related;

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

/* What homeport has on one side alone, and what it has put to rest with its comment. */
static bool is_ours(const char *entry, const char *object)
{
    return ends(entry, " homeport_fence") ||
           (begins(entry, "PUBLICATION") && strstr(entry, "homeport_")) ||
           (begins(entry, "TRIGGER ") && !begins(object, "trigger ")) ||
           (begins(entry, "COMMENT ") && !begins(object, "comment "));
}

static const char *plain_name(Arena *arena, const SqlToken *token)
{
    char *name = arena_alloc(arena, token->len + 1);
    size_t len = 0;

    for (size_t i = 0; i < token->len; i++) {
        if (token->kind == SQL_QUOTED && token->ptr[i] == '"') {
            if (i == 0 || i + 1 == token->len)
                continue;
            i++; /* one of two */
        }
        name[len++] = token->ptr[i];
    }
    name[len] = '\0';
    return name;
}

static bool is_name(const SqlToken *token)
{
    return token->kind == SQL_WORD || token->kind == SQL_QUOTED;
}

/* A schema has too much in it. */
static bool is_schema(SqlWalker ahead)
{
    SqlToken dot = sql_next(&ahead);
    SqlToken behind = sql_next(&ahead);

    return sql_is_symbol(&dot, '.') && is_name(&behind);
}

/* What stands between names, and behind the kind, in what fingerprints call an object. */
static bool is_filler(const SqlToken *token, const char *name)
{
    static const char *const words[] = {"on",      "for",       "in",        "server",
                                        "tables",  "sequences", "functions", "types",
                                        "schemas", "language",  "mapping",   "privileges"};

    return token->kind == SQL_WORD && text_is_one_of(name, words, COUNT_OF(words));
}

static bool is_part_of_name(char c)
{
    return c == '_' || c == '$' || (c & 0x80) || isalnum((unsigned char)c);
}

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if ((at == text || !is_part_of_name(at[-1])) && !is_part_of_name(at[len]))
            return true;
    return false;
}

/* An object is named as fingerprints do: "column public.orders.note". */
static bool speaks_of(Arena *arena, const char *entry, const char *object)
{
    SqlWalker walker = {.at = object};
    SqlToken before = sql_next(&walker); /* what kind it is of */

    for (SqlToken token = sql_next(&walker); token.kind != SQL_END; token = sql_next(&walker)) {
        bool qualified = sql_is_symbol(&before, '.');

        before = token;
        if (!is_name(&token) || (!qualified && is_schema(walker)))
            continue;
        const char *name = plain_name(arena, &token);
        if ((qualified || !is_filler(&token, name)) && has_word(entry, name))
            return true;
    }
    return false;
}

static void note_related(void *context, const char *entry, const char *detail)
{
    Related *related = context;

    for (int i = 0; i < related->count && !related->first; i++)
        if (!is_ours(entry, related->objects[i]) &&
            speaks_of(related->arena, entry, related->objects[i]))
            related->first = arena_printf(related->arena, "%s: %s", entry, detail);
}

const char *changes_unlike(Arena *arena, const SchemaSides *sides, const char *const *objects,
                           int count)
{
    Related related = {.arena = arena, .objects = objects, .count = count};
    const SchemaCompare compare = {
        .config = sides->config,
        .emit = note_related,
        .context = &related,
        .majors = {sides->majors[VERIFY_SOURCE], sides->majors[VERIFY_TARGET]},
    };

    (void)schema_compare(arena, sides->archives[VERIFY_SOURCE], sides->archives[VERIFY_TARGET],
                         &compare);
    return related.first;
}

bool verify_changes(Arena *arena, const ChangedSides *changed, const char *const *objects,
                    int count, const char **ret, Error *err)
{
    static const VerifyOptions options = {0};
    VerifyRun run = {.arena = arena, .config = changed->config, .options = &options};
    VerifyDump dump = {.run = &run, .arena = arena};
    static const char *const names[] = {"source", "target"};

    for (int side = 0; side < VERIFY_SIDES; side++)
        run.sides[side] = (VerifyServer){
            .name = names[side],
            .url = *changed->urls[side],
            .conn = changed->conns[side],
        };
    if (!verify_dump(&dump, err))
        return false;
    const SchemaSides sides = {
        .config = changed->config,
        .archives = {&dump.archives[VERIFY_SOURCE],                          &dump.archives[VERIFY_TARGET]},
        .majors = {PQserverVersion(changed->conns[VERIFY_SOURCE]) / 10000,
                     PQserverVersion(changed->conns[VERIFY_TARGET]) / 10000                               },
    };
    *ret = changes_unlike(arena, &sides, objects, count);
    return true;
}
