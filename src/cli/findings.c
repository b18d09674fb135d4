#include "cli/findings.h"

#include <stdio.h>
#include <string.h>

#include "cli/wrap.h"
#include "core/term.h"

enum {
    INDENT = 9, /* below the finding's id, behind "BLOCKER  " */
    FIX_INDENT = INDENT + 5
};

FindingsLayout findings_layout(void)
{
    return (FindingsLayout){.width = wrap_width(), .max_objects = 6, .max_fix_lines = 8};
}

static void add_wrapped(Text *out, const char *text, int indent, int width)
{
    wrap_add(out, "", text, indent, width);
}

static void add_objects(Text *out, const Finding *finding, const FindingsLayout *layout)
{
    auto_arena Arena *scratch = arena_new();
    Text list = text_init(scratch, out->max);
    int shown = finding->object_count;

    if (shown == 0)
        return;
    /* "and 1 more" is no shorter than the one. */
    if (layout->max_objects > 0 && shown > layout->max_objects + 1)
        shown = layout->max_objects;
    for (int i = 0; i < shown; i++)
        text_addf(&list, "%s%s", i > 0 ? ", " : "", finding->objects[i]);
    if (shown < finding->object_count)
        text_addf(&list, " and %s more", text_count(scratch, finding->object_count - shown));
    text_addf(out, "%*s%s", INDENT, "", term_style(stdout, TERM_CYAN));
    add_wrapped(out, text_str(&list), INDENT, layout->width);
    text_add(out, term_style(stdout, TERM_PLAIN));
}

/* Statements stay whole, so that they can be copied; sentences and comments are wrapped. */
static void add_fix_line(Text *out, const char *line, size_t len, const FindingsLayout *layout)
{
    auto_arena Arena *scratch = arena_new();

    text_addf(out, "%*s", FIX_INDENT, "");
    if (len > 2 && strncmp(line, "--", 2) == 0)
        wrap_add(out, "-- ", arena_strndup(scratch, line, len), FIX_INDENT, layout->width);
    else if (len > 0 && line[len - 1] == '.')
        add_wrapped(out, arena_strndup(scratch, line, len), FIX_INDENT, layout->width);
    else
        text_addf(out, "%.*s\n", (int)len, line);
}

static int count_lines(const char *text)
{
    int lines = 1;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void add_fix(Text *out, const Finding *finding, const FindingsLayout *layout)
{
    const char *line = finding->fix;
    int total = count_lines(line);
    int shown = total;
    size_t start = out->len;

    if (!*line)
        return;
    if (layout->max_fix_lines > 0 && total > layout->max_fix_lines + 1)
        shown = layout->max_fix_lines;
    for (int i = 0; i < shown; i++) {
        size_t len = strcspn(line, "\n");
        add_fix_line(out, line, len, layout);
        line += len + (line[len] == '\n');
    }
    if (shown < total)
        text_addf(out, "%*s-- and %d lines more: homeport check --json has them all\n", FIX_INDENT,
                  "", total - shown);
    /* The label goes into the first line's indentation. */
    if (!out->overflowed)
        memcpy(out->ptr + start + INDENT, "fix:", strlen("fix:"));
}

static TermStyle severity_style(Severity severity)
{
    switch (severity) {
    case SEVERITY_BLOCKER:
        return TERM_RED;
    case SEVERITY_WARNING:
        return TERM_YELLOW;
    case SEVERITY_NOTE:
        return TERM_DIM;
    }
    return TERM_PLAIN;
}

static void add_finding(Text *out, const Finding *finding, const FindingsLayout *layout)
{
    static const char *const words[] = {
        [SEVERITY_NOTE] = "NOTE", [SEVERITY_WARNING] = "WARNING", [SEVERITY_BLOCKER] = "BLOCKER"};
    static const char *const scopes[] = {
        [SCOPE_ONCE] = " (move --once)", [SCOPE_LIVE] = " (live move)", [SCOPE_BOTH] = ""};
    const char *plain = term_style(stdout, TERM_PLAIN);

    text_addf(out, "%s%-*s%s%s%s%s%s\n", term_style(stdout, severity_style(finding->severity)),
              INDENT, words[finding->severity], plain, term_style(stdout, TERM_BOLD), finding->id,
              plain, scopes[finding->scope]);
    text_addf(out, "%*s", INDENT, "");
    add_wrapped(out, finding->summary, INDENT, layout->width);
    add_objects(out, finding, layout);
    add_fix(out, finding, layout);
    text_add_char(out, '\n');
}

void findings_format(Text *out, const Assessment *assessment, const FindingsLayout *layout)
{
    for (int i = 0; i < assessment->count; i++)
        if (!layout->blockers_only || assessment->findings[i].severity == SEVERITY_BLOCKER)
            add_finding(out, &assessment->findings[i], layout);
}

static const char *counted(Arena *arena, int count, const char *what)
{
    if (count == 0)
        return arena_printf(arena, "no %ss", what);
    return arena_printf(arena, "%d %s%s", count, what, count == 1 ? "" : "s");
}

const char *findings_count(Arena *arena, const Assessment *assessment)
{
    return arena_printf(arena, "%s, %s, %s", counted(arena, assessment->blockers, "blocker"),
                        counted(arena, assessment->warnings, "warning"),
                        counted(arena, assessment->notes, "note"));
}

int findings_blockers(const Assessment *assessment, Scope scope)
{
    int count = 0;

    for (int i = 0; i < assessment->count; i++)
        count += assessment->findings[i].severity == SEVERITY_BLOCKER &&
                 (assessment->findings[i].scope & scope) != 0;
    return count;
}
