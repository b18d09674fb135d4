/*
 * Walks SQL text token by token, as far as it takes to find the end of a
 * statement and the words outside of strings, quoted names and comments.
 * It is no parser: what pg_dump wrote is cut and searched, never understood.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum SqlTokenKind {
    SQL_END,
    SQL_WORD,   /* keyword or unquoted name */
    SQL_QUOTED, /* "name" */
    SQL_STRING, /* '...', E'...', $tag$...$tag$ */
    SQL_SYMBOL, /* one character */
} SqlTokenKind;

typedef struct SqlToken {
    SqlTokenKind kind;
    const char *ptr;
    size_t len;
    int depth; /* of parentheses, before this token */
} SqlToken;

typedef struct SqlWalker {
    const char *at;
    int depth;
} SqlWalker;

SqlToken sql_next(SqlWalker *walker);
bool sql_is_word(const SqlToken *token, const char *word); /* any case */
bool sql_is_symbol(const SqlToken *token, char symbol);

/* Length of the first statement with its semicolon. A semicolon inside
 * parentheses or BEGIN ATOMIC ... END does not end it. */
size_t sql_statement_len(const char *text);
