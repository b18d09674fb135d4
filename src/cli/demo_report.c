#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/demo_run.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/term.h"
#include "core/text.h"

enum {
    MAX_OUTPUT = 1 << 20,
};

void demo_print_headline(const DemoRun *run)
{
    Arena *arena = run->inv->arena;
    const char *bold = term_style(stderr, TERM_BOLD);
    const char *plain = term_style(stderr, TERM_PLAIN);
    int64_t users = run->options->users;

    if (run->inv->quiet)
        return;
    (void)fprintf(stderr,
                  "%s%s%s\n\n"
                  "  the app      GitGud, a journal of coding interviews: %s users,\n"
                  "               %s problems, %s attempts with notes and code\n",
                  bold,
                  run->options->once
                      ? "A live-looking database, moved from one PostgreSQL to another"
                      : "A database moved while it is written to: there, back, and there again",
                  plain, text_count(arena, users),
                  text_count(arena, users * DEMO_PROBLEMS_PER_USER),
                  text_count(arena, users * DEMO_PROBLEMS_PER_USER * DEMO_ATTEMPTS_PER_PROBLEM));
    if (!run->options->once)
        (void)fprintf(
            stderr,
            "  the writers  %d connections, which write all along, and %d clients of the gateway,\n"
            "               which know nothing of a move\n",
            (int)DEMO_WRITERS, (int)DEMO_GATEWAY_WRITERS);
    (void)fprintf(stderr,
                  "  the servers  two throwaway PostgreSQL %s, reached by socket only\n"
                  "  the place    %s\n\n",
                  run->postgres.version, demo_folder(run->place));
}

/* ---- the report ---- */

static bool is_of(const Difference *difference, const char *table)
{
    return difference->kind != DIFFERENCE_SCHEMA && strcmp(difference->object, table) == 0;
}

/* Of the differences that are listed. */
static int differences_of(const DemoRun *run, const char *table)
{
    const VerifyReport *verify = &run->report.verify;
    int count = 0;

    for (int i = 0; i < verify->list_count; i++)
        count += is_of(&verify->list[i], table);
    return count;
}

static void print_table(const DemoRun *run)
{
    static const char *const header[] = {"TABLE", "ROWS", "SIZE", "DIFFERENCES"};
    Arena *arena = run->inv->arena;
    TermTable *table = term_table_new(arena, "lrrr", header);

    for (int i = 0; i < run->table_count; i++) {
        const DemoTable *row = &run->tables[i];
        const char *cells[] = {
            row->name,
            text_count(arena, row->rows),
            text_bytes(arena, (uint64_t)row->bytes),
            text_count(arena, differences_of(run, row->name)),
        };
        term_table_row(table, cells);
    }
    (void)fputc('\n', stdout);
    term_table_print(table, stdout);
    (void)fputc('\n', stdout);
}

static const char *switch_name(const DemoRun *run, int i)
{
    return run->switches[i].back ? "rollback" : i == 0 ? "cutover" : "cutover again";
}

static const char *text_ms(Arena *arena, double ms)
{
    return text_duration(arena, ms / 1000);
}

static void print_switches(const DemoRun *run)
{
    static const char *const header[] = {"SWITCH",  "PAUSE",    "FENCED",
                                         "DRAINED", "COMPARED", "WRITERS WAITED"};
    Arena *arena = run->inv->arena;
    TermTable *table = term_table_new(arena, "lrrrrr", header);

    for (int i = 0; i < run->switch_count; i++) {
        const DemoSwitch *made = &run->switches[i];
        const char *cells[] = {
            switch_name(run, i),
            text_ms(arena, made->pause_ms),
            text_ms(arena, made->fence_ms),
            text_ms(arena, made->drain_ms),
            text_ms(arena, made->check_ms),
            text_ms(arena, made->writers_waited_ms),
        };
        term_table_row(table, cells);
    }
    term_table_print(table, stdout);
    (void)fputc('\n', stdout);
}

static void print_moved(const DemoRun *run)
{
    Arena *arena = run->inv->arena;
    const MoveReport *report = &run->report;

    (void)printf("%s rows (%s) moved in %s, with %d indexes and %d keys and constraints.\n",
                 text_count(arena, report->rows), text_bytes(arena, (uint64_t)report->bytes),
                 text_duration(arena, report->seconds - report->verify.seconds), report->indexes,
                 report->constraints);
}

static double longest_wait_ms(const DemoRun *run)
{
    double longest = 0;

    for (int i = 0; i < run->switch_count; i++)
        if (run->switches[i].writers_waited_ms > longest)
            longest = run->switches[i].writers_waited_ms;
    return longest;
}

static void print_writes(const DemoRun *run)
{
    Arena *arena = run->inv->arena;
    const char *bold = term_style(stdout, TERM_BOLD);
    const char *plain = term_style(stdout, TERM_PLAIN);
    int64_t made = demo_writes_total(&run->made);
    int64_t found = demo_writes_total(&run->found);
    bool all = memcmp(&run->made, &run->found, sizeof run->made) == 0;

    (void)printf("%sNo write waited longer than %s%s, and none failed.\n", bold,
                 text_ms(arena, longest_wait_ms(run)), plain);
    (void)printf("Clients of the gateway made %s requests, and none failed.\n",
                 text_count(arena, demo_writers_by_gateway(run->writers)));
    (void)printf("%s%s:%s %s writes were acknowledged, %s are there.\n",
                 term_style(stdout, all ? TERM_GREEN : TERM_RED),
                 all ? "Nothing lost" : "Not what was written", plain, text_count(arena, made),
                 text_count(arena, found));
}

static void print_summary(const DemoRun *run)
{
    const VerifyReport *verify = &run->report.verify;
    const char *plain = term_style(stdout, TERM_PLAIN);

    if (run->options->once)
        print_moved(run);
    else
        print_writes(run);
    if (verify->verified)
        (void)printf("%sVerified:%s every row was compared%s, and nothing differs.\n",
                     term_style(stdout, TERM_GREEN), plain,
                     verify->schema_compared ? ", and the whole schema" : "");
    for (int i = 0; i < verify->list_count; i++)
        (void)printf("%sdifference%s %s: %s\n", term_style(stdout, TERM_RED), plain,
                     verify->list[i].object, verify->list[i].detail);
}

static void print_kept(const DemoRun *run)
{
    const char *bold = term_style(stdout, TERM_BOLD);
    const char *dim = term_style(stdout, TERM_DIM);
    const char *plain = term_style(stdout, TERM_PLAIN);
    bool once = run->options->once;

    (void)printf("\n%sBoth servers are up%s%s\n"
                 "  export PGPASSFILE=%s\n"
                 "  psql '%s'  %s# the source%s%s\n"
                 "  psql '%s'  %s# the target%s%s\n"
                 "  sh %s  %s# takes them down, with all that is theirs%s\n",
                 bold, once ? "" : "; the app lives on the target", plain,
                 run->keeping.password_file, demo_public_url(run->place, DEMO_SOURCE), dim,
                 once ? "" : ", as it was at the end", plain,
                 demo_public_url(run->place, DEMO_TARGET), dim, once ? "" : ", where the app lives",
                 plain, run->keeping.stop, dim, plain);
}

static void print_next(const DemoRun *run)
{
    const char *bold = term_style(stdout, TERM_BOLD);
    const char *plain = term_style(stdout, TERM_PLAIN);

    if (run->options->once)
        (void)printf("\n%sWhat next%s\n"
                     "  homeport check --once --source URL --target URL   can your own be moved?\n"
                     "  homeport move  --once --source URL --target URL   then move it\n",
                     bold, plain);
    else
        (void)printf("\n%sWhat next%s\n"
                     "  homeport check --source URL --target URL   can yours be moved?\n"
                     "  homeport move --detach                     copy it, and follow\n"
                     "  homeport cutover                           when you are ready\n",
                     bold, plain);
    if (!run->kept)
        (void)printf("  homeport demo --keep%*sleave the servers up, to look\n",
                     run->options->once ? 30 : 23, "");
}

static void writes_json(const DemoRun *run, Json *writer)
{
    Json json = *writer;

    json_kv_int(&json, "writes", demo_writes_total(&run->made));
    json_kv_int(&json, "writes_found", demo_writes_total(&run->found));
    json_kv_int(&json, "lost", demo_lost(run));
    json_kv_int(&json, "gateway_requests", demo_writers_by_gateway(run->writers));
    json_key(&json, "written");
    json_open_object(&json);
    json_kv_int(&json, "problems", run->made.problems);
    json_kv_int(&json, "attempts", run->made.attempts);
    json_kv_int(&json, "changes", run->made.changes);
    json_kv_int(&json, "deletes", run->made.deletes);
    json_close(&json);
    json_key(&json, "switches");
    json_open_array(&json);
    for (int i = 0; i < run->switch_count; i++) {
        const DemoSwitch *made = &run->switches[i];

        json_open_object(&json);
        json_kv_string(&json, "direction", made->back ? "back" : "forward");
        json_kv_double(&json, "pause_ms", made->pause_ms, 1);
        json_kv_double(&json, "fence_ms", made->fence_ms, 1);
        json_kv_double(&json, "drain_ms", made->drain_ms, 1);
        json_kv_double(&json, "check_ms", made->check_ms, 1);
        json_kv_double(&json, "writers_waited_ms", made->writers_waited_ms, 1);
        json_close(&json);
    }
    json_close(&json);
    *writer = json;
}

static void report_json(const DemoRun *run, Text *out)
{
    const MoveReport *report = &run->report;
    const VerifyReport *verify = &report->verify;
    Json json = json_init(out);

    json_open_object(&json);
    json_kv_bool(&json, "verified", report->verify_done && verify->verified);
    json_kv_int(&json, "differences", verify->differences);
    json_kv_int(&json, "tables", verify->tables);
    json_kv_int(&json, "rows", verify->rows);
    json_kv_double(&json, "seconds", clock_seconds() - run->started, 3);
    if (run->options->once)
        json_kv_int(&json, "bytes", report->bytes);
    else
        writes_json(run, &json);
    json_kv_int(&json, "blockers", report->assessment.blockers);
    json_kv_string(&json, "postgres", run->postgres.version);
    json_kv_int(&json, "users", run->options->users);
    json_kv_int(&json, "seed", run->options->seed);
    json_key(&json, "steps");
    json_open_array(&json);
    for (int i = 0; i < run->show.count; i++) {
        json_open_object(&json);
        json_kv_string(&json, "step", run->show.steps[i].name);
        json_kv_double(&json, "seconds", run->show.steps[i].seconds, 3);
        json_close(&json);
    }
    json_close(&json);
    json_key(&json, "kept");
    if (run->kept) {
        json_open_object(&json);
        json_kv_string(&json, "folder", demo_folder(run->place));
        json_kv_string(&json, "lives", run->options->once ? "source" : "target");
        json_kv_string(&json, "source", demo_public_url(run->place, DEMO_SOURCE));
        json_kv_string(&json, "target", demo_public_url(run->place, DEMO_TARGET));
        json_kv_string(&json, "password_file", run->keeping.password_file);
        json_kv_string(&json, "stop", run->keeping.stop);
        json_close(&json);
    } else {
        json_add_null(&json);
    }
    json_close(&json);
}

bool demo_print_result(const DemoRun *run, bool ok, Error *err)
{
    Text out = text_init(run->inv->arena, MAX_OUTPUT);
    bool blocked = run->report.assessment.blockers > 0;

    if (blocked)
        progress_print_findings(&run->report.assessment);
    if (run->inv->json) {
        report_json(run, &out);
        return cli_print(&out, err);
    }
    if (blocked)
        return true;
    if (ok)
        print_table(run);
    if (run->switch_count > 0)
        print_switches(run);
    print_summary(run);
    if (run->kept)
        print_kept(run);
    if (ok && !run->inv->quiet)
        print_next(run);
    return true;
}
