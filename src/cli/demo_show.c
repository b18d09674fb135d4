#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "cli/demo_run.h"
#include "core/clock.h"
#include "core/term.h"
#include "core/text.h"

enum {
    MAX_LINE = 512,
};

static const double rate_over_s = 0.7;

void demo_time_step(DemoShow *show, const char *name)
{
    double now = clock_seconds();

    if (show->running)
        show->steps[show->count - 1].seconds = now - show->began;
    show->running = name && show->count < DEMO_MAX_STEPS;
    if (show->running)
        show->steps[show->count++] = (DemoStep){.name = name};
    show->began = now;
}

static int64_t count_writes(const DemoShow *show)
{
    DemoWrites writes;

    demo_writers_look(show->writers, &writes);
    return demo_writes_total(&writes);
}

/* What stands behind the step that is done: what it says of itself, or how much was written by
 * then.
 */
static void note_end(DemoShow *show)
{
    auto_arena Arena *scratch = arena_new();

    if (!show->note[0] && show->writers && show->view.step)
        (void)snprintf(show->note, sizeof show->note, "%s%s writes%s", term_style(stderr, TERM_DIM),
                       text_count(scratch, count_writes(show)), term_style(stderr, TERM_PLAIN));
    show->view.note = show->note[0] ? show->note : NULL;
}

static void forget_note(DemoShow *show)
{
    show->note[0] = '\0';
    show->view.note = NULL;
}

void demo_begin_step(DemoShow *show, const char *name, const char *text)
{
    demo_time_step(show, name);
    note_end(show);
    progress_step(&show->view, text);
    forget_note(show);
}

void demo_move_step(DemoShow *show, const char *text)
{
    /* A remark inside a step is a sentence, a step's name is a word. */
    if (strchr(text, ' ')) {
        show->inner.step(show->inner.context, text);
        return;
    }
    demo_time_step(show, text);
    note_end(show);
    show->inner.step(show->inner.context, text);
    forget_note(show);
}

void demo_note_step(DemoShow *show, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(show->note, sizeof show->note, fmt, args);
    va_end(args);
}

void demo_end_steps(DemoShow *show, bool ok)
{
    note_end(show);
    progress_end(&show->view, ok);
    forget_note(show);
    demo_time_step(show, NULL);
}

static void note_rate(DemoShow *show, int64_t writes)
{
    double now = clock_seconds();

    if (show->last_time > 0 && now - show->last_time < rate_over_s)
        return;
    if (show->last_time > 0)
        show->rate = (double)(writes - show->last_count) / (now - show->last_time);
    show->last_time = now;
    show->last_count = writes;
}

void demo_show_writers(DemoShow *show, const char *detail)
{
    auto_arena Arena *scratch = arena_new();
    Text line = text_init(scratch, MAX_LINE);

    if (show->view.quiet || !show->view.step || !term_is_tty(stderr))
        return;
    text_addf(&line, "  %s%s%s", show->view.step, detail ? ", " : "", detail ? detail : "");
    if (show->writers) {
        int64_t writes = count_writes(show);
        int pad = 46 - (int)line.len; /* in bytes, as ours are one column each */

        note_rate(show, writes);
        text_addf(&line, "%*s %8s  %s writes", pad > 0 ? pad : 0, "",
                  text_duration(scratch, clock_seconds() - show->view.step_started),
                  text_count(scratch, writes));
        if (show->rate > 0)
            text_addf(&line, ", %s/s", text_count(scratch, (int64_t)show->rate));
    }
    term_progress(text_str(&line));
}
