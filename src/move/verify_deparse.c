/*
 * Views as servers of different versions write them.
 *
 * A server before 16 writes each column of a view with its relation; a later one does so only where
 * the query has several, or is inside another. So the outermost query alone differs, and only if it
 * reads one relation: then a name of its columns, and nothing else, may lack what stood before it.
 */
#include <string.h>

#include "core/text.h"
#include "move/sqltext.h"
#include "move/verify.h"

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

/* What the outermost query reads, where that is one relation. */
typedef struct OnlyRelation {
    SqlToken name;    /* its columns' qualifier; SQL_END: there are several, or none */
    const char *from; /* its place in the text, where schemas and types are named */
    const char *end;
} OnlyRelation;

/* One text as it is walked. */
typedef struct Side {
    SqlWalker walker;
    SqlToken token;
    const char *text;
    int query; /* the depth of a query inside the outermost one; 0: not in any */
} Side;

/* What a token says: a name that needs no quotes has none. "char" and "bit" are types of their own.
 */
static SqlToken token_plain(SqlToken token)
{
    bool own = token.len == 6 ? strncmp(token.ptr, "\"char\"", 6) == 0
                              : token.len == 5 && strncmp(token.ptr, "\"bit\"", 5) == 0;

    if (token.kind != SQL_QUOTED || own || strspn(token.ptr + 1, NAME_LETTERS) != token.len - 2)
        return token;
    return (SqlToken){.kind = SQL_WORD, .ptr = token.ptr + 1, .len = token.len - 2};
}

static bool is_same(SqlToken a, SqlToken b)
{
    SqlToken x = token_plain(a);
    SqlToken y = token_plain(b);

    return x.kind == y.kind && x.len == y.len &&
           (x.kind == SQL_END || memcmp(x.ptr, y.ptr, x.len) == 0);
}

static bool is_name(const SqlToken *token)
{
    return token->kind == SQL_WORD || token->kind == SQL_QUOTED;
}

static bool is_one_of(const SqlToken *token, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sql_is_word(token, words[i]))
            return true;
    return false;
}

static bool ends_relation(const SqlToken *token, SqlWalker ahead)
{
    static const char *const behind[] = {"TABLESAMPLE", "WHERE",  "GROUP",    "HAVING", "WINDOW",
                                         "ORDER",       "LIMIT",  "OFFSET",   "FETCH",  "FOR",
                                         "UNION",       "EXCEPT", "INTERSECT"};
    SqlToken next = sql_next(&ahead);

    if (sql_is_word(token, "WITH"))
        return !sql_is_word(&next, "ORDINALITY");
    return token->kind == SQL_END || sql_is_symbol(token, ';') ||
           is_one_of(token, behind, COUNT_OF(behind));
}

/* The last name outside of parentheses is the alias, or the relation's own name where it has none.
 */
static OnlyRelation find_only_relation(const char *text)
{
    static const char *const joins[] = {"JOIN", "CROSS", "NATURAL"};
    SqlWalker walker = {.at = text};
    SqlToken token = sql_next(&walker);
    OnlyRelation only = {.name = {.kind = SQL_END}};

    while (token.kind != SQL_END && (token.depth > 0 || !sql_is_word(&token, "FROM")))
        token = sql_next(&walker);
    only.from = token.ptr;
    while (token.kind != SQL_END) {
        token = sql_next(&walker);
        if (token.depth > 0)
            continue;
        if (ends_relation(&token, walker))
            break;
        if (sql_is_symbol(&token, ',') || is_one_of(&token, joins, COUNT_OF(joins)))
            return (OnlyRelation){.name = {.kind = SQL_END}};
        if (is_name(&token) && !sql_is_word(&token, "ORDINALITY"))
            only.name = token;
    }
    only.end = token.ptr;
    return only;
}

static void side_next(Side *side)
{
    static const char *const queries[] = {"SELECT", "VALUES"};

    side->token = sql_next(&side->walker);
    if (side->token.depth < side->query)
        side->query = 0;
    if (side->query == 0 && side->token.depth > 0 &&
        is_one_of(&side->token, queries, COUNT_OF(queries)))
        side->query = side->token.depth;
}

static bool is_qualified(const Side *side)
{
    return is_name(&side->token) && side->walker.at[0] == '.';
}

/* Whether what comes next cannot be a column: its type, its collation, a label. */
static bool is_behind_other(const Side *side, const SqlToken *before)
{
    static const char *const words[] = {"AS", "COLLATE"};
    const char *at = side->token.ptr;

    return is_one_of(before, words, COUNT_OF(words)) ||
           (at - side->text >= 2 && at[-1] == ':' && at[-2] == ':');
}

/* From the relation's name to the column's; false where a function or a table is meant. */
static bool skip_qualifier(Side *side, const OnlyRelation *only, const SqlToken *before)
{
    const char *at = side->token.ptr;

    if (side->query > 0 || only->name.kind == SQL_END || !is_same(side->token, only->name) ||
        (at >= only->from && at < only->end) || is_behind_other(side, before))
        return false;
    side_next(side);
    side_next(side);
    SqlWalker ahead = side->walker;
    SqlToken next = sql_next(&ahead);
    return is_name(&side->token) && !sql_is_symbol(&next, '(') && !is_qualified(side);
}

bool defn_equal(const char *a, const char *b)
{
    SqlWalker left = {.at = a};
    SqlWalker right = {.at = b};

    for (;;) {
        SqlToken x = sql_next(&left);

        if (!is_same(x, sql_next(&right)))
            return false;
        if (x.kind == SQL_END)
            return true;
    }
}

bool view_equal(const char *older, const char *newer)
{
    OnlyRelation only = find_only_relation(older);
    Side left = {.walker = {.at = older}, .text = older};
    Side right = {.walker = {.at = newer}, .text = newer};
    SqlToken before;

    do {
        before = left.token;
        side_next(&left);
        side_next(&right);
        if (is_qualified(&left) && !is_qualified(&right) && !skip_qualifier(&left, &only, &before))
            return false;
        if (!is_same(left.token, right.token))
            return false;
    } while (left.token.kind != SQL_END);
    return true;
}
