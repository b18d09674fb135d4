/* What is a terminal here is the other end of one: what is written to it is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/log.h"
#include "core/term.h"
#include "tests/unit/folder.h"

/* ---- tables ---- */

static char *printed(Arena *arena, const TermTable *table)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);

    assert_non_null(stream);
    term_table_print(table, stream);
    assert_int_equal(fclose(stream), 0);
    char *copy = arena_strdup(arena, text);
    free(text);
    return copy;
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    TermTable *table = term_table_new(arena, "lrl", (const char *const[]){"table", "rows", "note"});

    term_table_row(table, (const char *const[]){"orders", "1,234", "x"});
    term_table_row(table, (const char *const[]){"u", "5", ""});
    assert_string_equal(printed(arena, table), "table    rows  note\n"
                                               "orders  1,234  x\n"
                                               "u           5  \n");
}

static void a_column_at_the_right_end_is_aligned_right_too(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    TermTable *table = term_table_new(arena, "lr", NULL);

    term_table_row(table, (const char *const[]){"a", "1"});
    term_table_row(table, (const char *const[]){"long", "100"});
    assert_string_equal(printed(arena, table), "a       1\nlong  100\n");
}

static void width_is_counted_in_characters_not_bytes(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    TermTable *table = term_table_new(arena, "lrl", NULL);

    term_table_row(table, (const char *const[]){"caf\xC3\xA9", "\xE2\x82\xAC", "x"});
    term_table_row(table, (const char *const[]){"plain", "12", "y"});
    assert_string_equal(printed(arena, table), "caf\xC3\xA9    \xE2\x82\xAC  x\n"
                                               "plain  12  y\n");
}

static void a_missing_cell_is_empty_and_no_rows_print_nothing(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    TermTable *table = term_table_new(arena, "ll", NULL);

    assert_string_equal(printed(arena, table), "");
    term_table_row(table, (const char *const[]){NULL, "b"});
    assert_string_equal(printed(arena, table), "  b\n");
}

static void cells_are_copied(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char cell[] = "first";
    TermTable *table = term_table_new(arena, "l", NULL);

    for (int i = 0; i < 2; i++) {
        term_table_row(table, (const char *const[]){cell});
        memcpy(cell, "other", sizeof cell);
    }
    assert_string_equal(printed(arena, table), "first\nother\n");
}

/* ---- a terminal ---- */

enum {
    WIDTH = 20
};

typedef struct Terminal {
    int ours;
    int theirs;
} Terminal;

static bool terminal_open(Terminal *ret)
{
    struct winsize size = {.ws_row = 24, .ws_col = WIDTH};
    char name[100];
    Terminal terminal = {.ours = posix_openpt(O_RDWR | O_NOCTTY), .theirs = -1};

    if (terminal.ours < 0 || grantpt(terminal.ours) < 0 || unlockpt(terminal.ours) < 0 ||
        ptsname_r(terminal.ours, name, sizeof name) != 0 ||
        (terminal.theirs = open(name, O_RDWR | O_NOCTTY)) < 0)
        return false;
    *ret = terminal;
    return ioctl(terminal.theirs, TIOCSWINSZ, &size) == 0;
}

/* What `write_to` writes to standard error, where that is a terminal. */
static char *seen_on_terminal(Arena *arena, void (*write_to)(void))
{
    Terminal terminal = {-1, -1};
    char *seen = arena_alloc(arena, 4096);
    size_t len = 0;

    assert_true(terminal_open(&terminal));
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(terminal.theirs, STDERR_FILENO);
        write_to();
        (void)fflush(NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    struct pollfd readable = {.fd = terminal.ours, .events = POLLIN};
    while (poll(&readable, 1, 0) > 0 && (readable.revents & POLLIN)) {
        ssize_t n = read(terminal.ours, seen + len, 4095 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    file_close(&terminal.theirs);
    file_close(&terminal.ours);
    return seen;
}

static void write_progress(void)
{
    term_progress(NULL); /* nothing is there to be taken away */
    term_progress("copying 1 %");
    term_progress("caf\xC3\xA9 \xE2\x82\xAC 12345678901234567890");
    term_progress(NULL);
    term_progress(NULL);
}

static void progress_is_one_line_cut_to_the_width(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_string_equal(seen_on_terminal(arena, write_progress),
                        "\r\x1b[Kcopying 1 %"
                        "\r\x1b[K"
                        "caf\xC3\xA9 \xE2\x82\xAC 123456789012" /* 19 characters */
                        "\r\x1b[K");
}

static void write_a_log_line_between(void)
{
    log_set_level(LOG_INFO);
    term_progress("copying");
    log_event(LOG_INFO, "event", NULL, 0);
}

static void a_log_line_takes_the_progress_away_first(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char *seen = seen_on_terminal(arena, write_a_log_line_between);

    assert_int_equal(strncmp(seen, "\r\x1b[Kcopying\r\x1b[K2", 16), 0);
    assert_non_null(strstr(seen, " info event\r\n"));
}

static void write_styles(void)
{
    (void)setenv("TERM", "xterm", 1);
    (void)unsetenv("NO_COLOR");
    (void)fprintf(stderr, "<%sred%s>", term_style(stderr, TERM_RED),
                  term_style(stderr, TERM_PLAIN));
    (void)setenv("NO_COLOR", "", 1); /* empty counts as not set */
    (void)fprintf(stderr, "<%s>", term_style(stderr, TERM_BOLD));
    (void)setenv("NO_COLOR", "1", 1);
    (void)fprintf(stderr, "<%s>", term_style(stderr, TERM_BOLD));
    (void)unsetenv("NO_COLOR");
    (void)setenv("TERM", "dumb", 1);
    (void)fprintf(stderr, "<%s>", term_style(stderr, TERM_BOLD));
    (void)unsetenv("TERM");
    (void)fprintf(stderr, "<%s>", term_style(stderr, TERM_CYAN));
}

static void there_is_colour_on_terminals_that_want_it(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();

    assert_string_equal(seen_on_terminal(arena, write_styles),
                        "<\x1b[31mred\x1b[0m><\x1b[1m><><><\x1b[36m>");
}

static int write_elsewhere(void *context)
{
    (void)context;
    term_progress("copying");
    term_progress(NULL);
    (void)fprintf(stderr, "<%s>", term_style(stderr, TERM_RED));
    return term_is_tty(stderr);
}

static void elsewhere_there_is_neither_colour_nor_progress(void **state)
{
    (void)state;
    auto_arena Arena *arena = arena_new();
    char *errors = NULL;

    assert_int_equal(in_child(arena, write_elsewhere, NULL, &errors), 0);
    assert_string_equal(errors, "<>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(a_column_at_the_right_end_is_aligned_right_too),
        cmocka_unit_test(width_is_counted_in_characters_not_bytes),
        cmocka_unit_test(a_missing_cell_is_empty_and_no_rows_print_nothing),
        cmocka_unit_test(cells_are_copied),
        cmocka_unit_test(progress_is_one_line_cut_to_the_width),
        cmocka_unit_test(a_log_line_takes_the_progress_away_first),
        cmocka_unit_test(there_is_colour_on_terminals_that_want_it),
        cmocka_unit_test(elsewhere_there_is_neither_colour_nor_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
