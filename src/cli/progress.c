#include "cli/progress.h"

#include <stdio.h>
#include <string.h>

#include "cli/findings.h"
#include "core/clock.h"
#include "core/term.h"
#include "core/text.h"

enum {
    PLAIN_EVERY_S = 10,
    BAR_WIDTH = 12, /* so that 100 columns hold all of the line */
    MAX_LINE = 512,
    LONG_S = 600, /* nobody counts seconds then */
    HOUR_S = 3600,
    OBJECTS_SHOWN = 5,
    MAX_FINDINGS = 1 << 20,
};

static void add_bar(Text *line, double fraction)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int filled = (int)(fraction * BAR_WIDTH * 8);

    for (int i = 0; i < BAR_WIDTH; i++) {
        int here = filled - i * 8;
        text_add(line, here >= 8 ? "█" : here > 0 ? eighths[here] : "·");
    }
}

static const char *left_text(Arena *arena, double seconds)
{
    if (seconds < 1)
        return "under 1 s";
    return seconds < LONG_S || seconds >= HOUR_S ? text_duration(arena, seconds)
                                                 : arena_printf(arena, "%.0f min", seconds / 60);
}

/* What people look for first: a narrow terminal shows no more than the beginning. */
static void add_numbers(Arena *arena, Text *line, const MoveProgress *progress)
{
    text_add(line, text_bytes(arena, (uint64_t)progress->bytes));
    if (progress->rate > 0)
        text_addf(line, "  %s/s", text_bytes(arena, (uint64_t)progress->rate));
    if (progress->seconds_left >= 0 && progress->fraction < 1)
        text_addf(line, "  %s left", left_text(arena, progress->seconds_left));
    text_addf(line, "  %s %s", text_count(arena, progress->rows),
              text_plural(progress->rows, "row", "rows"));
    if (progress->tables_total > 0)
        text_addf(line, "  tables %d/%d", progress->tables, progress->tables_total);
    if (progress->indexes_total > 0)
        text_addf(line, "  indexes %d/%d", progress->indexes, progress->indexes_total);
}

const char *progress_line(Arena *arena, const MoveProgress *progress, bool bar)
{
    Text line = text_init(arena, MAX_LINE);

    if (bar) {
        text_add(&line, "  ");
        add_bar(&line, progress->fraction);
        text_addf(&line, " %3.0f %%  ", progress->fraction * 100);
    } else {
        text_addf(&line, "%s: %.0f %%  ", progress->step, progress->fraction * 100);
    }
    add_numbers(arena, &line, progress);
    return text_str(&line);
}

static void on_progress(void *context, const MoveProgress *progress)
{
    auto_arena Arena *arena = arena_new();
    ProgressView *view = context;
    double now = clock_seconds();

    if (view->quiet)
        return;
    if (view->last_line <= 0)
        view->last_line = now;
    if (term_is_tty(stderr)) {
        term_progress(progress_line(arena, progress, true));
    } else if (now - view->last_line >= PLAIN_EVERY_S) {
        view->last_line = now;
        (void)fprintf(stderr, "%s\n", progress_line(arena, progress, false));
    }
}

/* In their order. */
static const struct {
    const char *step;
    const char *text;
} texts[] = {
    {"check",   "check what could stand in the way"         },
    {"schema",  "dump the schema and make it on the target" },
    {"copy",    "copy rows, build indexes and keys"         },
    {"finish",  "sequences, triggers, privileges, and so on"},
    {"settle",  "wait until the other side has everything"  },
    {"verify",  "compare every row on both sides"           },
    {"touched", "compare the rows touched since"            },
    {"prepare", "prepare the fence and the way back"        },
    {"fence",   "fence the side in use, and prove it"       },
    {"drain",   "apply what is still on its way"            },
    {"compare", "compare inside the pause"                  },
    {"switch",  "let the other side take over"              },
    {"lift",    "lift the fence again"                      },
};

/* -1: none of these. */
static int step_number(const char *step, const char *text)
{
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if ((step && strcmp(texts[i].step, step) == 0) ||
            (text && strcmp(texts[i].text, text) == 0))
            return (int)i;
    return -1;
}

static void end_step(ProgressView *view, bool ok)
{
    auto_arena Arena *arena = arena_new();
    const char *plain = term_style(stderr, TERM_PLAIN);

    term_progress(NULL);
    if (view->step && !view->quiet)
        (void)fprintf(stderr, "%s%s%s %-44s %s%8s%s%s%s\n",
                      term_style(stderr, ok ? TERM_GREEN : TERM_RED), ok ? "✓" : "✗", plain,
                      view->step, term_style(stderr, TERM_DIM),
                      text_duration(arena, clock_seconds() - view->step_started), plain,
                      view->note ? "  " : "", view->note ? view->note : "");
    view->step = NULL;
    view->note = NULL;
}

void progress_step(ProgressView *view, const char *text)
{
    end_step(view, true);
    view->step = text;
    view->step_started = clock_seconds();
    view->last_line = clock_seconds();
    if (view->quiet)
        return;
    auto_arena Arena *arena = arena_new();
    term_progress(arena_printf(arena, "  %s", text)); /* where it stands behind its mark later */
}

static void on_step(void *context, const char *step)
{
    ProgressView *view = context;
    int number = step_number(step, NULL);

    if (number < 0) { /* a remark, inside the step that runs */
        term_progress(NULL);
        if (!view->quiet)
            (void)fprintf(stderr, "  %s\n", step);
        return;
    }
    /* Back to an earlier one: what ran has not worked out. */
    end_step(view, step_number(NULL, view->step) <= number);
    progress_step(view, texts[number].text);
}

MoveWatch progress_watch(ProgressView *view)
{
    return (MoveWatch){.progress = on_progress, .step = on_step, .context = view};
}

void progress_end(ProgressView *view, bool ok)
{
    end_step(view, ok);
}

void progress_print_findings(const Assessment *assessment)
{
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, MAX_FINDINGS);
    FindingsLayout layout = findings_layout();

    layout.blockers_only = true;
    layout.max_objects = OBJECTS_SHOWN;
    findings_format(&text, assessment, &layout);
    (void)fputs(text_str(&text), stderr);
}
