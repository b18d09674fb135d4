/*
 * What a failed statement would show of a password.
 *
 * No parser: the word PASSWORD and what stands behind it, wherever that is, also inside a
 * function's body or a quoted connection text. What is masked too much costs a word of a message.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/text.h"
#include "migrations/internal.h"

#define WORD "password"
#define BLANKS " \t\r\n\f\v"

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80);
}

static const char *skip_blanks(const char *p)
{
    for (;;) {
        p += strspn(p, BLANKS);
        if (strncmp(p, "--", 2) == 0) {
            p += strcspn(p, "\n");
        } else if (strncmp(p, "/*", 2) == 0) {
            const char *end = strstr(p + 2, "*/");
            p = end ? end + 2 : p + strlen(p);
        } else {
            return p;
        }
    }
}

/* In a string, quotes come in pairs, or in more where that string is inside another one. What they
 * quote ends at as many of them, or with the text. */
static const char *quoted_end(const char *p, bool escapes)
{
    char mark = *p;
    size_t opening = 0;

    while (p[opening] == mark)
        opening++;
    if (opening % 2 == 0 && !is_word_char(p[opening]))
        return p + opening; /* empty */
    size_t closing = opening % 2 == 0 ? opening : 1;
    for (p += opening; *p;) {
        size_t run = 0;
        if (escapes && *p == '\\' && p[1]) {
            p += 2;
            continue;
        }
        while (p[run] == mark)
            run++;
        if (run > 0 && (closing > 1 ? run >= closing : run % 2 == 1))
            return p + (closing > 1 ? closing : run);
        p += run ? run : 1;
    }
    return p;
}

/* NULL: no dollar quote. */
static const char *dollar_end(Arena *arena, const char *p)
{
    size_t len = 1;

    while (is_word_char(p[len]) && p[len] != '$')
        len++;
    if (p[len] != '$' || isdigit((unsigned char)p[1]))
        return NULL;
    const char *end = strstr(p + len + 1, arena_strndup(arena, p, len + 1));
    return end ? end + len + 1 : p + strlen(p);
}

/* Where the statement that `at` is in begins, as far as semicolons tell. */
static bool is_of_role(const char *sql, const char *at)
{
    static const char *const objects[] = {"role", "user", "group"};

    while (at > sql && at[-1] != ';')
        at--;
    at = skip_blanks(at);
    if (strncasecmp(at, "create", strlen("create")) != 0 &&
        strncasecmp(at, "alter", strlen("alter")) != 0)
        return false;
    at = skip_blanks(at + strcspn(at, BLANKS));
    for (size_t i = 0; i < COUNT_OF(objects); i++)
        if (strncasecmp(at, objects[i], strlen(objects[i])) == 0)
            return true;
    return false;
}

/* The end of the secret that begins at `p`, which is behind the word; `p` itself: there is none. */
static const char *secret_end(Arena *arena, const char *sql, const char *p, bool assigned)
{
    const char *end = p;

    if (*p == '\'' || *p == '"')
        return quoted_end(p, false);
    if ((*p == 'e' || *p == 'E' || *p == 'n' || *p == 'N') && p[1] == '\'')
        return quoted_end(p + 1, *p == 'e' || *p == 'E');
    if ((*p == 'u' || *p == 'U') && p[1] == '&' && p[2] == '\'')
        return quoted_end(p + 2, false);
    if (*p == '$' && (end = dollar_end(arena, p)))
        return end;
    /* Of a connection text; and one whose quotes were forgotten. */
    if (assigned || (is_of_role(sql, p) && (strncasecmp(p, "null", 4) != 0 || is_word_char(p[4]))))
        return p + strcspn(p, BLANKS ";,'\")&");
    return p;
}

const char *mask_passwords(Arena *arena, const char *sql, const char **at, bool *ret_at_secret)
{
    Text out = text_init(arena, 2 * strlen(sql) + sizeof "***");
    const char *from = sql;
    size_t at_offset = (size_t)(*at - sql);
    const char *wanted = *at;

    *ret_at_secret = false;
    for (const char *p = sql; (p = strcasestr(p, WORD));) {
        bool whole = p == sql || !is_word_char(p[-1]);
        bool quoted = p > sql && strchr("'\"", p[-1]) && p[strlen(WORD)] == p[-1];
        p += strlen(WORD);
        const char *begin = skip_blanks(p);
        bool assigned = *begin == '=';
        if (assigned)
            begin = skip_blanks(begin + 1);
        const char *end =
            whole && !quoted && !is_word_char(*p) ? secret_end(arena, sql, begin, assigned) : p;
        if (end <= begin)
            continue;
        text_add_n(&out, from, (size_t)(begin - from));
        if (wanted >= begin && wanted < end) {
            at_offset = out.len;
            *ret_at_secret = true;
        }
        text_add(&out, "***");
        if (wanted >= end)
            at_offset = out.len + (size_t)(wanted - end);
        from = p = end;
    }
    text_add(&out, from);
    *at = text_str(&out) + at_offset;
    return text_str(&out);
}
