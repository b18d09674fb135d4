#include "cli/differences.h"

#include <string.h>

#include "core/term.h"

/* An empty line between paragraphs. */
static void add_gap(Text *out)
{
    if (out->len > 0)
        text_add_char(out, '\n');
}

static void add_table_heading(Text *out, const DifferingTable *table)
{
    add_gap(out);
    text_addf(
        out, "%s%s%s  %s %s on the source, %s on the target", term_style(stdout, TERM_BOLD),
        table->name, term_style(stdout, TERM_PLAIN), text_count(out->arena, table->rows_source),
        text_plural(table->rows_source, "row", "rows"), text_count(out->arena, table->rows_target));
    if (table->missing > 0)
        text_addf(out, ", %s missing", text_count(out->arena, table->missing));
    if (table->extra > 0)
        text_addf(out, ", %s extra", text_count(out->arena, table->extra));
    if (table->different > 0)
        text_addf(out, ", %s different", text_count(out->arena, table->different));
    text_add_char(out, '\n');
}

/* The sign says it at a glance: what the target lacks, has too much, has otherwise. */
static void add_row(Text *out, const Difference *item)
{
    static const struct {
        char sign;
        TermStyle style;
    } signs[] = {
        [DIFFERENCE_MISSING] = {'-', TERM_RED   },
        [DIFFERENCE_EXTRA] = {'+', TERM_GREEN },
        [DIFFERENCE_DIFFERENT] = {'~', TERM_YELLOW},
        [DIFFERENCE_COUNT] = {'#', TERM_YELLOW},
    };

    text_addf(out, "  %s%c%s ", term_style(stdout, signs[item->kind].style), signs[item->kind].sign,
              term_style(stdout, TERM_PLAIN));
    if (item->key)
        text_addf(out, "%s  ", item->key);
    text_addf(out, "%s\n", item->detail);
}

static void add_table(Text *out, const VerifyReport *report, const DifferingTable *table)
{
    add_table_heading(out, table);
    for (int i = 0; i < report->list_count; i++) {
        const Difference *item = &report->list[i];

        if (item->kind <= DIFFERENCE_COUNT && strcmp(item->object, table->name) == 0)
            add_row(out, item);
    }
    if (table->unlisted > 0)
        text_addf(out, "  %s... and %s more; `homeport verify --all` names every row%s\n",
                  term_style(stdout, TERM_DIM), text_count(out->arena, table->unlisted),
                  term_style(stdout, TERM_PLAIN));
}

static void add_others(Text *out, const VerifyReport *report, DifferenceKind kind,
                       const char *heading)
{
    bool any = false;

    for (int i = 0; i < report->list_count; i++) {
        const Difference *item = &report->list[i];

        if (item->kind != kind)
            continue;
        if (!any)
            add_gap(out);
        if (!any)
            text_addf(out, "%s%s%s\n", term_style(stdout, TERM_BOLD), heading,
                      term_style(stdout, TERM_PLAIN));
        any = true;
        text_addf(out, "  %s~%s %s  %s\n", term_style(stdout, TERM_YELLOW),
                  term_style(stdout, TERM_PLAIN), item->object, item->detail);
    }
}

static void add_summary(Text *out, const VerifyReport *report)
{
    const char *verdict = report->verified           ? "Equal"
                          : report->differences == 0 ? "Equal as far as compared"
                                                     : "Not equal";

    text_addf(out, "%s%s%s: %s %s of %d %s, %d %s",
              term_style(stdout, report->verified ? TERM_GREEN : TERM_RED), verdict,
              term_style(stdout, TERM_PLAIN), text_count(out->arena, report->rows),
              text_plural(report->rows, "row", "rows"), report->tables,
              text_plural(report->tables, "table", "tables"), report->sequences,
              text_plural(report->sequences, "sequence", "sequences"));
    text_addf(out, "%s, in %s.", report->schema_compared ? " and the schema" : "",
              text_duration(out->arena, report->seconds));
    if (report->differences > 0)
        text_addf(out, " %s %s.", text_count(out->arena, report->differences),
                  text_plural(report->differences, "difference", "differences"));
    text_add_char(out, '\n');
    if (report->schema_skipped)
        text_addf(out, "The schema was not compared: %s.\n", report->schema_skipped);
    if (report->schema_hint && *report->schema_hint)
        text_addf(out, "%s\n", report->schema_hint);
}

void differences_format(Text *out, const VerifyReport *report)
{
    for (int i = 0; i < report->differing_count; i++)
        add_table(out, report, &report->differing[i]);
    add_others(out, report, DIFFERENCE_SEQUENCE, "Sequences");
    add_others(out, report, DIFFERENCE_SCHEMA, "Schema");
    add_gap(out);
    add_summary(out, report);
}
