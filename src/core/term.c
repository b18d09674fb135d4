#include "core/term.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/text.h"

enum {
    MAX_ROW = 65536,
    DEFAULT_WIDTH = 80
};

static pthread_mutex_t progress_lock = PTHREAD_MUTEX_INITIALIZER;
static bool progress_shown;

bool term_is_tty(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

const char *term_style(FILE *stream, TermStyle style)
{
    static const char *const codes[] = {
        [TERM_PLAIN] = "\x1b[0m", [TERM_BOLD] = "\x1b[1m",   [TERM_DIM] = "\x1b[2m",
        [TERM_RED] = "\x1b[31m",  [TERM_GREEN] = "\x1b[32m", [TERM_YELLOW] = "\x1b[33m",
        [TERM_CYAN] = "\x1b[36m",
    };
    const char *no_color = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    if (!term_is_tty(stream) || (no_color && *no_color) ||
        (terminal && strcmp(terminal, "dumb") == 0))
        return "";
    return codes[style];
}

static int terminal_width(void)
{
    struct winsize size = {0};

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return DEFAULT_WIDTH;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Characters, taking each as one column wide: good for what we print. */
static int display_width(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += !is_continuation(*text);
    return width;
}

static size_t bytes_of_width(const char *text, int width)
{
    size_t at = 0;

    while (text[at] && (width > 0 || is_continuation(text[at]))) {
        width -= !is_continuation(text[at]);
        at++;
    }
    return at;
}

void term_progress(const char *line)
{
    if (!term_is_tty(stderr))
        return;
    (void)pthread_mutex_lock(&progress_lock);
    if (line)
        (void)fprintf(stderr, "\r\x1b[K%.*s", (int)bytes_of_width(line, terminal_width() - 1),
                      line);
    else if (progress_shown)
        (void)fputs("\r\x1b[K", stderr);
    progress_shown = line != NULL;
    (void)fflush(stderr);
    (void)pthread_mutex_unlock(&progress_lock);
}

typedef struct Row {
    struct Row *next;
    const char **cells;
} Row;

struct TermTable {
    Arena *arena;
    const char *aligns;
    size_t columns;
    bool has_header;
    Row *first;
    Row **last;
};

TermTable *term_table_new(Arena *arena, const char *aligns, const char *const *header)
{
    TermTable *table = arena_alloc(arena, sizeof *table);

    *table = (TermTable){.arena = arena, .aligns = aligns, .columns = strlen(aligns)};
    table->last = &table->first;
    if (header) {
        term_table_row(table, header);
        table->has_header = true;
    }
    return table;
}

void term_table_row(TermTable *table, const char *const *cells)
{
    Row *row = arena_alloc(table->arena, sizeof *row);

    row->cells = arena_array(table->arena, table->columns, sizeof *row->cells);
    for (size_t i = 0; i < table->columns; i++)
        row->cells[i] = arena_strdup(table->arena, cells[i] ? cells[i] : "");
    *table->last = row;
    table->last = &row->next;
}

static int column_width(const TermTable *table, size_t column)
{
    int widest = 0;

    for (const Row *row = table->first; row; row = row->next) {
        int width = display_width(row->cells[column]);
        if (width > widest)
            widest = width;
    }
    return widest;
}

static void add_row(const TermTable *table, const Row *row, const int *widths, Text *line)
{
    for (size_t i = 0; i < table->columns; i++) {
        int pad = widths[i] - display_width(row->cells[i]);
        bool last = i + 1 == table->columns;

        if (table->aligns[i] == 'r')
            text_addf(line, "%*s%s", pad, "", row->cells[i]);
        else
            text_addf(line, "%s%*s", row->cells[i], last ? 0 : pad, "");
        if (!last)
            text_add(line, "  ");
    }
}

void term_table_print(const TermTable *table, FILE *stream)
{
    auto_arena Arena *scratch = arena_new();
    int *widths = arena_array(scratch, table->columns, sizeof *widths);

    for (size_t i = 0; i < table->columns; i++)
        widths[i] = column_width(table, i);
    for (const Row *row = table->first; row; row = row->next) {
        bool header = table->has_header && row == table->first;
        Text line = text_init(scratch, MAX_ROW);

        add_row(table, row, widths, &line);
        (void)fprintf(stream, "%s%s%s\n", header ? term_style(stream, TERM_BOLD) : "",
                      text_str(&line), header ? term_style(stream, TERM_PLAIN) : "");
    }
}
