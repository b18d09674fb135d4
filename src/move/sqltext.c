#include "move/sqltext.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || ((unsigned char)c & 0x80);
}

static bool is_name_part(char c)
{
    return is_name_start(c) || isdigit((unsigned char)c) || c == '$';
}

static const char *skip_block_comment(const char *p)
{
    int depth = 0;

    do {
        if (p[0] == '/' && p[1] == '*') {
            depth++;
            p += 2;
        } else if (p[0] == '*' && p[1] == '/') {
            depth--;
            p += 2;
        } else if (*p) {
            p++;
        }
    } while (*p && depth > 0);
    return p;
}

static const char *skip_blank(const char *p)
{
    for (;;) {
        if (isspace((unsigned char)*p))
            p++;
        else if (p[0] == '-' && p[1] == '-')
            p += strcspn(p, "\n");
        else if (p[0] == '/' && p[1] == '*')
            p = skip_block_comment(p);
        else
            return p;
    }
}

/* p is at the opening mark; a doubled mark stands for itself. */
static const char *skip_marked(const char *p, char mark, bool backslash)
{
    for (p++; *p; p++) {
        bool escaped = backslash && *p == '\\' && p[1];
        bool doubled = *p == mark && p[1] == mark;

        if (escaped || doubled)
            p++;
        else if (*p == mark)
            return p + 1;
    }
    return p;
}

/* p is at a '$'. The end of the dollar-quoted string, or NULL where it is none. */
static const char *skip_dollar(const char *p)
{
    size_t len = 1;

    while (is_name_part(p[len]) && p[len] != '$')
        len++;
    if (p[len] != '$' || isdigit((unsigned char)p[1]))
        return NULL;
    len++;
    for (const char *q = p + len; *q; q++)
        if (*q == '$' && strncmp(q, p, len) == 0)
            return q + len;
    return p + strlen(p);
}

static const char *token_end(const char *p, SqlTokenKind *kind)
{
    const char *dollar = *p == '$' ? skip_dollar(p) : NULL;

    if (dollar) {
        *kind = SQL_STRING;
        return dollar;
    }
    if (*p == '\'') {
        *kind = SQL_STRING;
        return skip_marked(p, '\'', false);
    }
    if ((*p == 'E' || *p == 'e') && p[1] == '\'') {
        *kind = SQL_STRING;
        return skip_marked(p + 1, '\'', true);
    }
    if (*p == '"') {
        *kind = SQL_QUOTED;
        return skip_marked(p, '"', false);
    }
    if (is_name_start(*p)) {
        *kind = SQL_WORD;
        while (is_name_part(*p))
            p++;
        return p;
    }
    *kind = SQL_SYMBOL;
    return p + 1;
}

SqlToken sql_next(SqlWalker *walker)
{
    const char *start = skip_blank(walker->at);
    SqlToken token = {.kind = SQL_END, .ptr = start, .depth = walker->depth};

    if (!*start) {
        walker->at = start;
        return token;
    }
    walker->at = token_end(start, &token.kind);
    token.len = (size_t)(walker->at - start);
    if (token.kind == SQL_SYMBOL && *start == '(')
        walker->depth++;
    if (token.kind == SQL_SYMBOL && *start == ')')
        walker->depth--;
    return token;
}

bool sql_is_word(const SqlToken *token, const char *word)
{
    return token->kind == SQL_WORD && token->len == strlen(word) &&
           strncasecmp(token->ptr, word, token->len) == 0;
}

bool sql_is_symbol(const SqlToken *token, char symbol)
{
    return token->kind == SQL_SYMBOL && *token->ptr == symbol;
}

size_t sql_statement_len(const char *text)
{
    SqlWalker walker = {.at = text};
    bool after_begin = false;
    int body = 0; /* BEGIN ATOMIC and CASE, each closed by an END */

    for (;;) {
        SqlToken token = sql_next(&walker);

        if (token.kind == SQL_END)
            return (size_t)(token.ptr - text);
        if (sql_is_symbol(&token, ';') && walker.depth == 0 && body == 0)
            return (size_t)(token.ptr + 1 - text);
        bool begins = (after_begin && sql_is_word(&token, "ATOMIC")) ||
                      (body > 0 && sql_is_word(&token, "CASE"));
        if (begins)
            body++;
        else if (body > 0 && sql_is_word(&token, "END"))
            body--;
        after_begin = sql_is_word(&token, "BEGIN");
    }
}
