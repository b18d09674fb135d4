#include "move/roles.h"

#include <string.h>
#include <strings.h>

#include "core/text.h"
#include "move/sqltext.h"
#include "pg/pg.h"

enum {
    MAX_SQL = 16 << 20
};

bool role_is_provider(const char *name)
{
    static const char *const roles[] = {"neon_superuser", "cloud_admin", "neon_service"};

    return text_is_one_of(name, roles, COUNT_OF(roles));
}

bool schema_is_provider(const char *name)
{
    static const char *const schemas[] = {"neon", "neon_utils", "neon_migration"};

    return text_is_one_of(name, schemas, COUNT_OF(schemas));
}

bool extension_is_provider(const char *name)
{
    static const char *const extensions[] = {"neon", "neon_utils", "neon_test_utils"};

    return text_is_one_of(name, extensions, COUNT_OF(extensions));
}

const char *role_mapped(const Config *config, const char *name)
{
    for (int i = 0; i < config->role_map_count; i++)
        if (strcmp(config->role_map[i].from, name) == 0)
            return config->role_map[i].to;
    return role_is_provider(name) ? NULL : name;
}

/* The role's name behind a token: "a""b" is a"b. */
static char *token_name(Arena *arena, const SqlToken *token)
{
    if (token->kind == SQL_WORD)
        return arena_strndup(arena, token->ptr, token->len);

    char *name = arena_alloc(arena, token->len);
    size_t len = 0;
    for (size_t i = 1; i + 1 < token->len; i++) {
        name[len++] = token->ptr[i];
        if (token->ptr[i] == token->ptr[0])
            i++;
    }
    return name;
}

/* What stands before a list of roles. FOR is one only in CREATE USER MAPPING. */
static bool introduces_roles(const SqlToken *before, const SqlToken *token, bool user_mapping)
{
    if (token->depth != 0 || sql_is_symbol(before, '.'))
        return false;
    if (sql_is_word(token, "TO") || sql_is_word(token, "FROM"))
        return true;
    if (sql_is_word(token, "ROLE"))
        return sql_is_word(before, "FOR");
    if (sql_is_word(token, "BY"))
        return sql_is_word(before, "GRANTED");
    if (sql_is_word(token, "AUTHORIZATION"))
        return sql_is_word(before, "SESSION");
    return user_mapping && sql_is_word(token, "FOR");
}

typedef struct Rewrite {
    Arena *arena;
    const Config *config;
    Text out;
    const char *copied; /* up to here the statement is in the output */
    const char **kept;  /* roles of the list, as they are written */
    int kept_count;
    bool in_list; /* a role comes next */
    bool drop;    /* a list in which no role is left: the statement goes */
} Rewrite;

/* As it is to be written; NULL: there is none at home. */
static const char *role_text(const Rewrite *rewrite, const SqlToken *token)
{
    static const char *const keywords[] = {"PUBLIC", "CURRENT_USER", "SESSION_USER", "CURRENT_ROLE",
                                           "DEFAULT"};
    char *name = token_name(rewrite->arena, token);

    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (token->kind == SQL_WORD && strcasecmp(name, keywords[i]) == 0)
            return name;
    const char *mapped = role_mapped(rewrite->config, name);
    return mapped ? pg_ident(rewrite->arena, mapped) : NULL;
}

static bool is_kept(const Rewrite *rewrite, const char *role)
{
    return text_is_one_of(role, rewrite->kept, (size_t)rewrite->kept_count);
}

static void keep_role(Rewrite *rewrite, const char *role)
{
    int count = rewrite->kept_count;

    if ((count & (count - 1)) == 0) { /* a power of two: it may be full */
        const char **larger = arena_array(rewrite->arena, (size_t)count * 2 + 1, sizeof *larger);
        for (int i = 0; i < count; i++)
            larger[i] = rewrite->kept[i];
        rewrite->kept = larger;
    }
    rewrite->kept[rewrite->kept_count++] = role;
}

/* With what stands before it: "... TO ", or the comma behind another role that was kept. A role
 * that there is none of at home leaves the list to the others, as a policy for several would
 * otherwise be lost to all of them; of several that are one at home, one is left. */
static void add_role(Rewrite *rewrite, const SqlToken *before, const SqlToken *token)
{
    const char *role = role_text(rewrite, token);

    if (!sql_is_symbol(before, ',')) {
        text_add_n(&rewrite->out, rewrite->copied, (size_t)(token->ptr - rewrite->copied));
        rewrite->kept_count = 0;
    }
    rewrite->copied = token->ptr + token->len;
    rewrite->in_list = false;
    if (role && !is_kept(rewrite, role)) {
        text_addf(&rewrite->out, "%s%s", rewrite->kept_count > 0 ? ", " : "", role);
        keep_role(rewrite, role);
    }
    /* Tokens that stand side by side stay two: another quoting would join TO a"b" to one name. */
    if (!strchr(" \t\n,;)", *rewrite->copied))
        text_add(&rewrite->out, " ");
}

static bool is_behind_role(const Rewrite *rewrite, const SqlToken *before)
{
    return before->kind != SQL_END && rewrite->copied == before->ptr + before->len;
}

/* One statement of `len` bytes, appended to the output unless it is to be dropped. */
static void rewrite_statement(Rewrite *rewrite, const char *sql, size_t len, bool user_mapping)
{
    SqlWalker walker = {.at = sql};
    SqlToken before = {.kind = SQL_END};
    size_t start = rewrite->out.len;

    rewrite->copied = sql;
    rewrite->in_list = false;
    rewrite->drop = false;
    for (;;) {
        SqlToken token = sql_next(&walker);

        if (token.kind == SQL_END || token.ptr >= sql + len)
            break;
        bool name = token.kind == SQL_WORD || token.kind == SQL_QUOTED ||
                    (token.kind == SQL_STRING && sql_is_word(&before, "AUTHORIZATION"));
        bool behind_role = is_behind_role(rewrite, &before);
        if (rewrite->in_list && name) {
            add_role(rewrite, &before, &token);
        } else if (behind_role && sql_is_symbol(&token, ',')) {
            rewrite->in_list = true;
        } else {
            rewrite->drop = rewrite->drop || (behind_role && rewrite->kept_count == 0);
            rewrite->in_list = introduces_roles(&before, &token, user_mapping);
        }
        before = token;
    }
    text_add_n(&rewrite->out, rewrite->copied, (size_t)(sql + len - rewrite->copied));
    if (rewrite->drop || (is_behind_role(rewrite, &before) && rewrite->kept_count == 0)) {
        rewrite->out.len = start;
        rewrite->out.ptr[start] = '\0';
    }
}

static bool has_roles(const char *desc)
{
    static const char *const kinds[] = {"ACL", "DEFAULT ACL", "POLICY", "USER MAPPING"};

    return text_is_one_of(desc, kinds, COUNT_OF(kinds));
}

const char *roles_rewrite(Arena *arena, const Config *config, const ArchiveEntry *entry)
{
    if (!has_roles(entry->desc))
        return entry->defn;

    Rewrite rewrite = {.arena = arena, .config = config, .out = text_init(arena, MAX_SQL)};
    for (const char *at = entry->defn; *at;) {
        size_t len = sql_statement_len(at);
        rewrite_statement(&rewrite, at, len, strcmp(entry->desc, "USER MAPPING") == 0);
        at += len;
    }
    return text_str(&rewrite.out);
}

/* As a role, and not as a table of the same name: under another one the SQL would be another. */
static bool sql_names_role(Arena *arena, const ArchiveEntry *entry, const char *role)
{
    const RoleMap kept = {role, role};
    const RoleMap renamed = {role, arena_printf(arena, "%s renamed", role)};
    const Config before = {.role_map = &kept, .role_map_count = 1};
    const Config after = {.role_map = &renamed, .role_map_count = 1};

    return strcmp(roles_rewrite(arena, &before, entry), roles_rewrite(arena, &after, entry)) != 0;
}

static bool is_named(const Archive *archive, const char *role)
{
    auto_arena Arena *scratch = arena_new();

    for (int i = 0; i < archive->count; i++)
        if (strcmp(archive->entries[i].owner, role) == 0 ||
            sql_names_role(scratch, &archive->entries[i], role))
            return true;
    return false;
}

bool roles_merge(const Config *config, const Archive *archive)
{
    for (int i = 0; i < config->role_map_count; i++) {
        const RoleMap *map = &config->role_map[i];
        const char *same = role_mapped(config, map->to);

        if (!is_named(archive, map->from))
            continue;
        if (same && strcmp(same, map->to) == 0 && strcmp(map->from, map->to) != 0 &&
            is_named(archive, map->to))
            return true;
        for (int k = 0; k < i; k++)
            if (strcmp(config->role_map[k].to, map->to) == 0 &&
                is_named(archive, config->role_map[k].from))
                return true;
    }
    return false;
}
