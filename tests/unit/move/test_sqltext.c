#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/arena.h"
#include "move/sqltext.h"

/* Where each statement ends is marked by a bar, which is taken out before. */
static void check_statements(const char *marked)
{
    auto_arena Arena *arena = arena_new();
    char *text = arena_alloc(arena, strlen(marked) + 1);
    size_t ends[10];
    size_t count = 0;
    size_t len = 0;
    size_t at = 0;

    for (const char *p = marked; *p; p++)
        if (*p == '|')
            ends[count++] = len;
        else
            text[len++] = *p;
    for (size_t i = 0; i < count; i++) {
        at += sql_statement_len(text + at);
        if (at != ends[i])
            fail_msg("%s: statement %zu ends at %zu", marked, i + 1, at);
    }
    assert_int_equal(at + sql_statement_len(text + at), len);
}

static void a_statement_ends_at_its_own_semicolon(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT 1;|SELECT 2;|",
        "SELECT 1;|\n\n  SELECT 2;|\n",
        "no end",
        "",
        "  \n",
        ";|;|",
        /* quotes */
        "SELECT 'a;b', 'it''s;';|x",
        "SELECT 'a\\';|'b;'",
        "SELECT E'a\\';b', e'\\\\';|x",
        "SELECT E'a'';b';|x",
        "SELECT U&'a;\\0041', B'0;1', N'x;y';|x",
        "SELECT \"a;b\", \"a\"\";b\";|x",
        "SELECT 'never; ended",
        "SELECT \"never; ended",
        "SELECT 'a' 'b;';|x",
        /* dollar quotes */
        "AS $$a;b$$;|x",
        "AS $body$a; $$;$$ $BODY$; $body$;|x",
        "AS $_1$;$_1$;|x",
        "AS $\xC3\xA9$;$\xC3\xA9$;|x",
        "AS $a$ never; ended $b$",
        "SELECT $1;|x$2;|",
        "SELECT a$b$;|x",
        "SELECT 1$a;|x",
        /* comments */
        "SELECT 1 -- not; here\n;|x",
        "SELECT 1 /* nor; here */;|x",
        "SELECT 1 /* nor /* nested; */ here; */;|x",
        "SELECT 1 /* never; ended",
        "-- only; a comment",
        "SELECT 1 - -1;|x",
        "SELECT 4 / 2;|x",
        "SELECT '--;' ;|x",
        "-- it's\nSELECT 1;|'",
        /* parentheses */
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);|x",
        "SELECT (a(b; c); d);|x",
        "SELECT '(';|x",
        "SELECT \"(\";|x",
        /* SQL bodies */
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT 2; END;|x",
        "create function f() begin atomic select 1; end;|x",
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END;|x",
        "BEGIN ATOMIC SELECT CASE CASE a WHEN 1 THEN 2 END WHEN 1 THEN 2 END; END;|x",
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT 'END'; SELECT \"end\"; SELECT 1; END;|x",
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT (CASE WHEN a THEN 1 END); END;|x",
        "BEGIN;|SELECT 1;|END;|",
        "SELECT CASE WHEN a THEN 1 END;|x",
        "SELECT atomic;|x",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        check_statements(texts[i]);
}

static void text_falls_into_tokens(void **state)
{
    (void)state;
    static const struct {
        SqlTokenKind kind;
        const char *text;
        int depth;
    } expected[] = {
        {SQL_WORD,   "GRANT",       0},
        {SQL_QUOTED, "\"a b\"",     0},
        {SQL_SYMBOL, ".",           0},
        {SQL_WORD,   "t_1$x",       0},
        {SQL_SYMBOL, "(",           0},
        {SQL_STRING, "'it''s'",     1},
        {SQL_SYMBOL, ",",           1},
        {SQL_STRING, "E'\\''",      1},
        {SQL_SYMBOL, "(",           1},
        {SQL_SYMBOL, ")",           2},
        {SQL_SYMBOL, ")",           1},
        {SQL_STRING, "$x$;$x$",     0},
        {SQL_WORD,   "caf\xC3\xA9", 0},
        {SQL_SYMBOL, ";",           0},
        {SQL_END,    "",            0},
        {SQL_END,    "",            0}, /* again and again */
    };
    SqlWalker walker = {.at = " GRANT\"a b\".t_1$x('it''s',E'\\''()) /* c */ $x$;$x$ -- c\n"
                              "caf\xC3\xA9;  "};

    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        SqlToken token = sql_next(&walker);

        assert_int_equal(token.kind, expected[i].kind);
        assert_int_equal(token.len, strlen(expected[i].text));
        assert_memory_equal(token.ptr, expected[i].text, token.len);
        assert_int_equal(token.depth, expected[i].depth);
    }
}

static void words_are_compared_whole_and_in_any_case(void **state)
{
    (void)state;
    SqlWalker walker = {.at = "Role \"role\" 'role' ;"};
    SqlToken word = sql_next(&walker);
    SqlToken quoted = sql_next(&walker);
    SqlToken string = sql_next(&walker);
    SqlToken symbol = sql_next(&walker);

    assert_true(sql_is_word(&word, "ROLE"));
    assert_false(sql_is_word(&word, "ROLES"));
    assert_false(sql_is_word(&word, "ROL"));
    assert_false(sql_is_word(&quoted, "\"role\""));
    assert_false(sql_is_word(&string, "role"));
    assert_true(sql_is_symbol(&symbol, ';'));
    assert_false(sql_is_symbol(&symbol, ','));
    assert_false(sql_is_symbol(&quoted, '"'));
    assert_false(sql_is_symbol(&word, 'R'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_ends_at_its_own_semicolon),
        cmocka_unit_test(text_falls_into_tokens),
        cmocka_unit_test(words_are_compared_whole_and_in_any_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
