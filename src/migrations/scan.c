/*
 * Judges the text of migrations before they are run.
 *
 * A lexer of PostgreSQL's SQL, just deep enough to know what is quoted and
 * where statements begin; it changes nothing and its verdicts can be allowed.
 * What it overlooks PostgreSQL still refuses, and the whole run rolls back.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "migrations/internal.h"

enum {
    WORDS_MAX = 12,
    WORD_MAX = 32
};

typedef struct Scanner {
    Arena *arena;
    const Migration *migration;
    const char *at;
    const char *end;
    int line;
    AddedLabels *labels;
    ProblemList *problems;

    /* the statement so far */
    char words[WORDS_MAX][WORD_MAX]; /* unquoted ones, upper case */
    int word_count;                  /* all of them, also those that did not fit */
    int line_of_statement;
    int parens;
    int bodies; /* depth inside BEGIN ATOMIC ... END */
    bool concurrently;
    const char *first_string; /* the label of ADD VALUE */
    const char *used_label;
    int line_of_use;
} Scanner;

void problem_add(Arena *arena, ProblemList *problems, MigrationsReason reason, const char *where,
                 const char *text)
{
    if (problems->count == problems->cap) {
        int cap = problems->cap ? 2 * problems->cap : 8;
        MigrationsProblem *more = arena_array(arena, (size_t)cap, sizeof *more);
        if (problems->count)
            memcpy(more, problems->list, (size_t)problems->count * sizeof *more);
        problems->list = more;
        problems->cap = cap;
    }
    problems->list[problems->count++] =
        (MigrationsProblem){.reason = reason, .where = where, .text = text};
}

static void report(Scanner *s, MigrationsReason reason, int line, const char *text)
{
    problem_add(s->arena, s->problems, reason,
                arena_printf(s->arena, "%s line %d", s->migration->file, line), text);
}

static bool starts_with(const Scanner *s, const char *text)
{
    size_t len = strlen(text);

    return (size_t)(s->end - s->at) >= len && memcmp(s->at, text, len) == 0;
}

static void advance(Scanner *s, size_t count)
{
    for (; count > 0 && s->at < s->end; count--)
        if (*s->at++ == '\n')
            s->line++;
}

static bool word_is(const Scanner *s, int index, const char *word)
{
    return index < s->word_count && index < WORDS_MAX && strcmp(s->words[index], word) == 0;
}

/* "CREATE DATABASE": from word `index` on. */
static bool words_are(const Scanner *s, int index, const char *words)
{
    while (*words) {
        size_t len = strcspn(words, " ");
        if (index >= s->word_count || index >= WORDS_MAX || strlen(s->words[index]) != len ||
            memcmp(s->words[index], words, len) != 0)
            return false;
        words += len + (words[len] == ' ');
        index++;
    }
    return true;
}

static bool is_add_value(const Scanner *s)
{
    if (!words_are(s, 0, "ALTER TYPE"))
        return false;
    for (int i = 2; i + 1 < s->word_count && i + 1 < WORDS_MAX; i++)
        if (words_are(s, i, "ADD VALUE"))
            return true;
    return false;
}

static bool ends_transaction(const Scanner *s)
{
    static const char *const forms[] = {
        "BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT", "START TRANSACTION", "PREPARE TRANSACTION"};

    if (word_is(s, 1, "PREPARED") || words_are(s, 0, "ROLLBACK TO") ||
        words_are(s, 0, "ROLLBACK WORK TO") || words_are(s, 0, "ROLLBACK TRANSACTION TO"))
        return false; /* of two-phase commit: not inside a transaction; or back to a savepoint */
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if (words_are(s, 0, forms[i]))
            return true;
    return false;
}

static bool refuses_transaction(const Scanner *s)
{
    static const char *const forms[] = {
        "VACUUM",          "ALTER SYSTEM",        "CREATE DATABASE",
        "DROP DATABASE",   "CREATE TABLESPACE",   "DROP TABLESPACE",
        "COMMIT PREPARED", "ROLLBACK PREPARED",   "REINDEX DATABASE",
        "REINDEX SYSTEM",  "CREATE SUBSCRIPTION", "DROP SUBSCRIPTION",
        "DISCARD ALL"};

    /* Only a materialised view may be refreshed concurrently inside a transaction. */
    if (s->concurrently && !word_is(s, 0, "REFRESH"))
        return true;
    if (word_is(s, 0, "CLUSTER") && s->word_count == 1)
        return true;
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if (words_are(s, 0, forms[i]))
            return true;
    return false;
}

static void label_add(Scanner *s, const char *label)
{
    AddedLabels *labels = s->labels;

    if (labels->count == labels->cap) {
        int cap = labels->cap ? 2 * labels->cap : 16;
        const char **more = arena_array(s->arena, (size_t)cap, sizeof *more);
        if (labels->count)
            memcpy(more, labels->list, (size_t)labels->count * sizeof *more);
        labels->list = more;
        labels->cap = cap;
    }
    labels->list[labels->count++] = label;
}

static void statement_end(Scanner *s)
{
    int line = s->line_of_statement;

    if (ends_transaction(s))
        report(s, REASON_TRANSACTION_CONTROL, line,
               arena_printf(s->arena,
                            "%s ends or begins a transaction: all pending migrations share one, "
                            "and a later failure would leave this part applied but not recorded",
                            s->words[0]));
    else if (refuses_transaction(s))
        report(s, REASON_NO_TRANSACTION, line,
               arena_printf(s->arena, "%s%s%s cannot run inside the transaction of the run",
                            s->words[0],
                            s->concurrently     ? " ... "
                            : s->word_count > 1 ? " "
                                                : "",
                            s->concurrently     ? "CONCURRENTLY"
                            : s->word_count > 1 ? s->words[1]
                                                : ""));
    else if (is_add_value(s)) {
        if (s->first_string)
            label_add(s, s->first_string);
    } else if (s->used_label)
        report(s, REASON_ENUM_VALUE_USED, s->line_of_use,
               arena_printf(s->arena,
                            "uses '%s', which ALTER TYPE ... ADD VALUE adds in the same run: "
                            "PostgreSQL allows it only after a commit",
                            s->used_label));

    s->word_count = 0;
    s->line_of_statement = 0;
    s->parens = 0;
    s->bodies = 0;
    s->concurrently = false;
    s->first_string = NULL;
    s->used_label = NULL;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* BEGIN ATOMIC ... END holds whole statements; its semicolons do not end ours. */
static void follow_body(Scanner *s, const char *word)
{
    bool function = word_is(s, 0, "CREATE") && s->word_count > 2;

    if (!function)
        return;
    if (strcmp(word, "ATOMIC") == 0 && s->bodies == 0)
        s->bodies = 1;
    else if (s->bodies > 0 && strcmp(word, "CASE") == 0)
        s->bodies++;
    else if (s->bodies > 0 && strcmp(word, "END") == 0)
        s->bodies--;
}

/* A quoted identifier counts as an empty word. */
static void word_add(Scanner *s, const char *word)
{
    if (s->word_count == 0)
        s->line_of_statement = s->line;
    if (s->word_count < WORDS_MAX)
        (void)snprintf(s->words[s->word_count], WORD_MAX, "%s", word);
    s->word_count++;
}

static void scan_word(Scanner *s)
{
    const char *start = s->at;
    char word[WORD_MAX] = {0};

    while (s->at < s->end && (is_word_char(*s->at) || *s->at == '$'))
        s->at++;
    size_t len = (size_t)(s->at - start);
    for (size_t i = 0; i < len && i + 1 < sizeof word; i++)
        word[i] = (char)toupper((unsigned char)start[i]);

    word_add(s, word);
    if (strcmp(word, "CONCURRENTLY") == 0 && s->parens == 0 && s->bodies == 0)
        s->concurrently = true;
    follow_body(s, word);
}

static void note_string(Scanner *s, const char *start, size_t len, int line)
{
    if (!s->first_string)
        s->first_string = arena_strndup(s->arena, start, len);
    for (int i = 0; i < s->labels->count && !s->used_label; i++)
        if (strlen(s->labels->list[i]) == len && memcmp(s->labels->list[i], start, len) == 0) {
            s->used_label = s->labels->list[i];
            s->line_of_use = line;
        }
}

/* The length of $tag$ at the cursor, 0 where there is none. */
static size_t dollar_tag_len(const Scanner *s)
{
    const char *p = s->at + 1;

    if (p < s->end && isdigit((unsigned char)*p))
        return 0;
    while (p < s->end && is_word_char(*p))
        p++;
    return p < s->end && *p == '$' ? (size_t)(p - s->at) + 1 : 0;
}

static void check_marker(Scanner *s, bool *found)
{
    if (*found || !starts_with(s, BREAKPOINT))
        return;
    *found = true;
    report(s, REASON_MARKER_IN_QUOTES, s->line,
           "\"" BREAKPOINT "\" stands inside quotes or a comment, and the file is split there all "
           "the same");
}

/* To the end of a quoted string; `escapes` for E'...'. */
static void scan_quoted(Scanner *s, char mark, bool escapes)
{
    const char *start = s->at + 1;
    int line = s->line;
    bool found = false;

    advance(s, 1);
    while (s->at < s->end) {
        check_marker(s, &found);
        bool doubled = *s->at == mark && s->at + 1 < s->end && s->at[1] == mark;
        bool escaped = escapes && *s->at == '\\';
        if (*s->at == mark && !doubled)
            break;
        advance(s, doubled || escaped ? 2 : 1);
    }
    if (mark == '\'')
        note_string(s, start, (size_t)(s->at - start), line);
    else
        word_add(s, "");
    advance(s, 1);
}

static void scan_dollar(Scanner *s, size_t tag_len)
{
    const char *tag = s->at;
    bool found = false;

    advance(s, tag_len);
    while (s->at < s->end) {
        check_marker(s, &found);
        if ((size_t)(s->end - s->at) >= tag_len && memcmp(s->at, tag, tag_len) == 0)
            break;
        advance(s, 1);
    }
    advance(s, tag_len);
}

static void scan_line_comment(Scanner *s)
{
    bool found = false;

    advance(s, 2);
    while (s->at < s->end && *s->at != '\n') {
        check_marker(s, &found);
        advance(s, 1);
    }
}

static void scan_block_comment(Scanner *s)
{
    int depth = 0;
    bool found = false;

    do {
        check_marker(s, &found);
        if (starts_with(s, "/*")) {
            depth++;
            advance(s, 2);
        } else if (starts_with(s, "*/")) {
            depth--;
            advance(s, 2);
        } else {
            advance(s, 1);
        }
    } while (depth > 0 && s->at < s->end);
}

static void scan_mark(Scanner *s)
{
    char c = *s->at;

    if (c == '(')
        s->parens++;
    else if (c == ')' && s->parens > 0)
        s->parens--;
    else if (c == ';' && s->parens == 0 && s->bodies == 0)
        statement_end(s);
    advance(s, 1);
}

static void scan_token(Scanner *s)
{
    char c = *s->at;
    bool escapes = (c == 'e' || c == 'E') && s->at + 1 < s->end && s->at[1] == '\'';
    size_t tag_len = c == '$' ? dollar_tag_len(s) : 0;

    if (starts_with(s, BREAKPOINT)) {
        statement_end(s);
        advance(s, strlen(BREAKPOINT));
    } else if (starts_with(s, "--")) {
        scan_line_comment(s);
    } else if (starts_with(s, "/*")) {
        scan_block_comment(s);
    } else if (c == '\'' || c == '"') {
        scan_quoted(s, c, false);
    } else if (escapes) {
        advance(s, 1);
        scan_quoted(s, '\'', true);
    } else if (tag_len) {
        scan_dollar(s, tag_len);
    } else if (is_word_char(c)) {
        scan_word(s);
    } else {
        scan_mark(s);
    }
}

void scan_migration(Arena *arena, const Migration *migration, AddedLabels *labels,
                    ProblemList *problems)
{
    Scanner s = {
        .arena = arena,
        .migration = migration,
        .at = migration->text,
        .end = migration->text + migration->text_len,
        .line = 1,
        .labels = labels,
        .problems = problems,
    };

    if (starts_with(&s, "\xEF\xBB\xBF")) {
        report(&s, REASON_BOM, 1,
               "begins with a byte order mark, which PostgreSQL takes for part of the SQL");
        s.at += 3;
    }
    if (migration->invalid_utf8)
        report(&s, REASON_INVALID_UTF8, 1,
               "is not valid UTF-8: drizzle-kit reads each bad part as U+FFFD, so other text "
               "than the file's would be run");
    while (s.at < s.end)
        scan_token(&s);
    statement_end(&s);
}
