/*
 * What privileges come to in the end, for where roles of the source are one at
 * home: no list reads the same then, but the list of the source, granted there
 * one after the other, gives each role the sum of what its roles had.
 *
 * Statements are those of pg_dump, which begin at an object's default
 * privileges. What is left are the rights that differ from these. By whom they
 * were granted is left out: some granted them to each other, and are one now.
 */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "move/sqltext.h"
#include "move/verify.h"

enum {
    MAX_SUM = 16 << 20,
    NAMES = 16, /* of privileges in one statement */
};

/* One privilege of one role. All parts as they are written in SQL. */
typedef struct Right {
    const char *before; /* "ALTER DEFAULT PRIVILEGES ... ", or "" */
    const char *name;   /* SELECT, or SELECT("column") */
    const char *object; /* TABLE "public"."t" */
    const char *role;
    bool granted;
    bool option; /* may be granted to others */
} Right;

typedef struct Sum {
    Arena *arena;
    const char *owner; /* of the object, quoted */
    bool maintain;     /* both sides know the privilege */
    Right *rights;
    int count;
    int cap;
} Sum;

typedef struct Statement {
    Right right; /* what its rights have in common */
    const char *names[NAMES];
    int name_count;
    bool option_only; /* GRANT OPTION FOR */
    const char *roles;
} Statement;

static const char *const all_of_table[] = {"SELECT",   "INSERT",     "UPDATE",  "DELETE",
                                           "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"};
static const char *const all_of_column[] = {"SELECT", "INSERT", "UPDATE", "REFERENCES"};
static const char *const all_of_sequence[] = {"SELECT", "UPDATE", "USAGE"};
static const char *const all_of_large_object[] = {"SELECT", "UPDATE"};
static const char *const all_of_schema[] = {"USAGE", "CREATE"};
static const char *const all_of_routine[] = {"EXECUTE"};
static const char *const all_of_others[] = {"USAGE"};

typedef struct Kind {
    const char *word; /* with which the object begins, and in the plural for what is made later */
    const char *const *all;
    size_t count;
    bool of_public; /* everybody has all of it, unless it is revoked */
} Kind;

/* The last one is for what has no word here. */
static const Kind kinds[] = {
    {"TABLE",        all_of_table,        COUNT_OF(all_of_table),        false},
    {"SEQUENCE",     all_of_sequence,     COUNT_OF(all_of_sequence),     false},
    {"LARGE OBJECT", all_of_large_object, COUNT_OF(all_of_large_object), false},
    {"SCHEMA",       all_of_schema,       COUNT_OF(all_of_schema),       false},
    {"FUNCTION",     all_of_routine,      COUNT_OF(all_of_routine),      true },
    {"PROCEDURE",    all_of_routine,      COUNT_OF(all_of_routine),      true },
    {"ROUTINE",      all_of_routine,      COUNT_OF(all_of_routine),      true },
    {"TYPE",         all_of_others,       COUNT_OF(all_of_others),       true },
    {"DOMAIN",       all_of_others,       COUNT_OF(all_of_others),       true },
    {"LANGUAGE",     all_of_others,       COUNT_OF(all_of_others),       true },
    {"",             all_of_others,       COUNT_OF(all_of_others),       false},
};

static const Kind *kind_of(const char *object)
{
    const Kind *kind = kinds;

    while (strncmp(object, kind->word, strlen(kind->word)) != 0)
        kind++;
    return kind;
}

/* ---- the sum ---- */

static void set_right(Sum *sum, const Right *right, bool option_only)
{
    for (int i = 0; i < sum->count; i++) {
        Right *at = &sum->rights[i];

        if (strcmp(at->name, right->name) != 0 || strcmp(at->role, right->role) != 0 ||
            strcmp(at->object, right->object) != 0 || strcmp(at->before, right->before) != 0)
            continue;
        /* What was granted with the option once has it. */
        at->option = right->granted && (at->option || right->option);
        at->granted = right->granted || (option_only && at->granted);
        return;
    }
    if (option_only)
        return;
    if (sum->count == sum->cap) {
        sum->cap = sum->cap ? sum->cap * 2 : 16;
        Right *larger = arena_array(sum->arena, (size_t)sum->cap, sizeof *larger);
        if (sum->count > 0)
            memcpy(larger, sum->rights, (size_t)sum->count * sizeof *larger);
        sum->rights = larger;
    }
    sum->rights[sum->count++] = *right;
}

/* "ALL" is each of them: several roles' parts may be all of it together. */
static void add_privilege(Sum *sum, const Statement *statement, const char *role, const char *name)
{
    const Kind *kind = kind_of(statement->right.object);
    const char *columns = strchr(name, '(');
    size_t len = columns ? (size_t)(columns - name) : strlen(name);
    const char *const *all = columns ? all_of_column : kind->all;
    size_t count = columns ? COUNT_OF(all_of_column) : kind->count;
    bool is_all = len == 3 && strncmp(name, "ALL", len) == 0;
    Right right = statement->right;

    right.role = role;
    for (size_t i = 0; is_all && i < count; i++) {
        if (!sum->maintain && strcmp(all[i], "MAINTAIN") == 0)
            continue;
        right.name = arena_printf(sum->arena, "%s%s", all[i], columns ? columns : "");
        set_right(sum, &right, statement->option_only);
    }
    right.name = name;
    if (!is_all && (sum->maintain || strcmp(name, "MAINTAIN") != 0))
        set_right(sum, &right, statement->option_only);
}

static void add_statement(Sum *sum, const Statement *statement)
{
    SqlWalker walker = {.at = statement->roles};

    for (SqlToken token = sql_next(&walker);
         token.kind == SQL_WORD || token.kind == SQL_QUOTED || sql_is_symbol(&token, ',');
         token = sql_next(&walker)) {
        if (sql_is_word(&token, "WITH"))
            break;
        if (sql_is_symbol(&token, ','))
            continue;
        const char *role = arena_strndup(sum->arena, token.ptr, token.len);
        for (int i = 0; i < statement->name_count; i++)
            add_privilege(sum, statement, role, statement->names[i]);
    }
}

/* ---- statements ---- */

/* "SELECT(a, b), UPDATE ON": up to ON. */
static void read_names(Sum *sum, Statement *statement, SqlWalker *walker)
{
    const char *start = NULL;
    const char *end = NULL;

    for (;;) {
        SqlToken token = sql_next(walker);
        bool last = token.kind == SQL_END || (token.depth == 0 && sql_is_word(&token, "ON"));

        if ((last || (token.depth == 0 && sql_is_symbol(&token, ','))) && start) {
            if (statement->name_count < NAMES)
                statement->names[statement->name_count++] =
                    arena_strndup(sum->arena, start, (size_t)(end - start));
            start = NULL;
        } else if (!start) {
            start = token.ptr;
        }
        if (last)
            return;
        end = token.ptr + token.len;
    }
}

/* The object, and what stands behind TO or FROM. */
static void read_object(Sum *sum, Statement *statement, SqlWalker *walker)
{
    SqlToken token = sql_next(walker);
    const char *start = token.ptr;
    const char *end = start;

    while (token.kind != SQL_END &&
           !(token.depth == 0 && (sql_is_word(&token, "TO") || sql_is_word(&token, "FROM")))) {
        end = token.ptr + token.len;
        token = sql_next(walker);
    }
    statement->right.object = arena_strndup(sum->arena, start, (size_t)(end - start));
    statement->roles = walker->at;
}

/* Whether the end of the list of roles says WITH GRANT OPTION. */
static bool has_option(const char *roles)
{
    SqlWalker walker = {.at = roles};
    SqlToken token = sql_next(&walker);

    while (token.kind != SQL_END && !sql_is_word(&token, "WITH"))
        token = sql_next(&walker);
    return token.kind != SQL_END;
}

/* False: it is another statement. */
static bool read_statement(Sum *sum, const char *sql, Statement *ret)
{
    SqlWalker walker = {.at = sql};
    SqlToken token = sql_next(&walker);

    while (token.kind != SQL_END && !sql_is_word(&token, "GRANT") && !sql_is_word(&token, "REVOKE"))
        token = sql_next(&walker);
    if (token.kind == SQL_END)
        return false;
    *ret = (Statement){
        .right = {.before = arena_strndup(sum->arena, sql, (size_t)(token.ptr - sql)),
                  .granted = sql_is_word(&token, "GRANT")}
    };
    SqlWalker ahead = walker;
    token = sql_next(&ahead);
    if (sql_is_word(&token, "GRANT")) { /* GRANT OPTION FOR */
        (void)sql_next(&ahead);
        (void)sql_next(&ahead);
        walker = ahead;
        ret->option_only = true;
    }
    read_names(sum, ret, &walker);
    read_object(sum, ret, &walker);
    ret->right.option = ret->right.granted && has_option(ret->roles);
    return true;
}

/* ---- what differs from the default ---- */

static bool is_owners(const Sum *sum, const Right *right)
{
    return strcmp(right->role, sum->owner) == 0;
}

static bool is_default(const Sum *sum, const Right *right)
{
    bool added = strchr(right->name, '(') || strstr(right->before, " IN SCHEMA ");
    bool everybodys = strcmp(right->role, "PUBLIC") == 0 && kind_of(right->object)->of_public;

    return right->granted && !added && (is_owners(sum, right) || everybodys);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *acl_sum(Arena *arena, const char *sql, const char *owner, bool maintain)
{
    Sum sum = {.arena = arena, .owner = owner, .maintain = maintain};
    Text out = text_init(arena, MAX_SUM);
    int count = 0;

    for (const char *at = sql; *at;) {
        size_t len = sql_statement_len(at);
        size_t blank = strspn(at, " \n\t");
        const char *one = arena_strndup(arena, at + blank, len > blank ? len - blank : 0);
        Statement statement;

        if (read_statement(&sum, one, &statement))
            add_statement(&sum, &statement);
        at += len;
    }
    const char **lines = arena_array(arena, (size_t)sum.count, sizeof *lines);
    for (int i = 0; i < sum.count; i++) {
        const Right *right = &sum.rights[i];

        if (is_default(&sum, right))
            continue;
        /* An owner may grant everything anyway. */
        bool option = right->option && !is_owners(&sum, right);
        lines[count++] = arena_printf(arena, "%s%s %s ON %s %s %s%s;", right->before,
                                      right->granted ? "GRANT" : "REVOKE", right->name,
                                      right->object, right->granted ? "TO" : "FROM", right->role,
                                      option ? " WITH GRANT OPTION" : "");
    }
    qsort(lines, (size_t)count, sizeof *lines, compare_lines);
    for (int i = 0; i < count; i++)
        text_addf(&out, "%s\n", lines[i]);
    return text_str(&out);
}
