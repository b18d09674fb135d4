/*
 * The demo's live move: the app writes from before the copy until after the second cutover, and is
 * never told but by the hook of a switch where it lives now.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "cli/demo_run.h"
#include "core/cancel.h"
#include "core/clock.h"
#include "core/term.h"
#include "core/text.h"

enum {
    TICK_MS = 80,
    ASK_EVERY_TICKS = 2,
    LONGEST_PAUSE_MS = 10000,
    WRITE_ON_MS = 1500,
    FOLLOW_WITHIN_S = 120,
    NEAR_BYTES = 65536,
};

/* ---- the mover: what it shows, and what it is asked ---- */

static void show_note(DemoRun *run, const DemoNote *note)
{
    DemoShow *show = &run->show;
    char detail[32];

    switch (note->kind) {
    case DEMO_NOTE_STEP:
        if (strcmp(note->text, "follow") == 0)
            demo_begin_step(show, "follow", "follow until the target has caught up");
        else
            demo_move_step(show, arena_strdup(run->inv->arena, note->text));
        break;
    case DEMO_NOTE_PROGRESS:
        (void)snprintf(detail, sizeof detail, "%.0f %%", note->progress.fraction * 100);
        if (term_is_tty(stderr))
            demo_show_writers(show, detail);
        else
            show->inner.progress(show->inner.context, &note->progress);
        break;
    default:
        demo_show_writers(show, NULL);
    }
}

static bool is_caught_up(const DemoRun *run)
{
    json_t *status = NULL;

    if (!move_ask_status(&run->config, &status))
        return false;
    const char *phase = json_string_value(json_object_get(status, "phase"));
    bool there = phase && strcmp(phase, "caught-up") == 0 &&
                 json_integer_value(json_object_get(status, "lag_bytes")) < NEAR_BYTES;
    json_decref(status);
    return there;
}

/* Copies, and follows until the target has caught up. */
static bool copy(DemoRun *run, Error *err)
{
    bool follows = false;
    double deadline = 0;

    if (!demo_mover_begin(&run->mover, err))
        return false;
    for (int tick = 0;; tick++) {
        DemoNote note;

        if (!demo_mover_next(&run->mover, TICK_MS, &note, err) ||
            !demo_writers_check(run->writers, err))
            return false;
        show_note(run, &note);
        if (note.kind == DEMO_NOTE_STEP && strcmp(note.text, "follow") == 0) {
            follows = true;
            deadline = clock_seconds() + FOLLOW_WITHIN_S;
        }
        if (!follows || note.kind != DEMO_NOTE_NONE || tick % ASK_EVERY_TICKS != 0)
            continue;
        if (is_caught_up(run))
            return true;
        if (clock_seconds() > deadline)
            return error_set(err, ERR_WRONG_STATE, "the target does not catch up");
    }
}

typedef struct Asking {
    const Config *config;
    json_t *request;
    json_t *answer;
    Error err;
    bool ok;
    atomic_bool done;
} Asking;

static void *asking_main(void *context)
{
    Asking *asking = context;

    asking->ok = move_ask(asking->config, asking->request, NULL, 0, &asking->answer, &asking->err);
    atomic_store(&asking->done, true);
    return NULL;
}

/* Takes the request; the writers' count goes on meanwhile. *ret is the caller's. */
static bool ask(DemoRun *run, json_t *request, json_t **ret, Error *err)
{
    Asking asking = {.config = &run->config, .request = request};
    Error stopped = ERROR_INIT;
    pthread_t thread;

    if (pthread_create(&thread, NULL, asking_main, &asking) != 0) {
        json_decref(request);
        return error_set(err, ERR_IO, "a thread could not be started");
    }
    while (!atomic_load(&asking.done) && cancel_sleep_ms(TICK_MS / 4, &stopped))
        demo_show_writers(&run->show, NULL);
    (void)pthread_join(thread, NULL);
    if (!asking.ok) {
        *err = asking.err;
        return demo_mover_explain(&run->mover, err);
    }
    *ret = asking.answer;
    return true;
}

/* ---- the steps ---- */

static bool start_writers(DemoRun *run, Error *err)
{
    demo_begin_step(&run->show, "writers", "let the app's writers loose on the source");
    if (!demo_gateway_begin(&run->gateway, run->place, err))
        return false;
    if (!demo_writers_start(run->place, &run->writers, err))
        return false;
    run->show.writers = run->writers;
    demo_note_step(&run->show, "%s%d connections, and %d clients of the gateway%s",
                   term_style(stderr, TERM_DIM), (int)DEMO_WRITERS, (int)DEMO_GATEWAY_WRITERS,
                   term_style(stderr, TERM_PLAIN));
    return true;
}

/* By the mover, which knows what is on its way. */
static bool verify_live(DemoRun *run, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    json_t *answer = NULL;

    if (!ask(run, json_pack("{s:s}", "verb", "verify"), &answer, err))
        return false;
    int64_t differences = json_integer_value(json_object_get(answer, "differences"));
    json_decref(answer);
    if (differences == 0)
        return true;
    (void)error_set(err, ERR_FOUND, "%s %s between the two sides", text_count(scratch, differences),
                    text_plural(differences, "difference", "differences"));
    return error_hint(err, "`homeport demo --keep` leaves the servers to be looked at.");
}

static bool verify_while_writing(DemoRun *run, Error *err)
{
    demo_begin_step(&run->show, "verify", "compare every row, while both sides change");
    return verify_live(run, err);
}

static double number(const json_t *answer, const char *name)
{
    return json_number_value(json_object_get(answer, name));
}

static bool change_side(DemoRun *run, bool back, const char *text, Error *err)
{
    DemoSwitch *made = &run->switches[run->switch_count];
    json_t *answer = NULL;
    double waited = 0;

    demo_begin_step(&run->show, back ? "rollback" : "cutover", text);
    demo_writers_mark(run->writers);
    if (!ask(run,
             json_pack("{s:s, s:i, s:s}", "verb", back ? "rollback" : "cutover", "max_pause_ms",
                       LONGEST_PAUSE_MS, "on_resume", demo_writers_hook(run->place)),
             &answer, err))
        return false;
    *made = (DemoSwitch){
        .back = back,
        .pause_ms = number(answer, "pause_ms"),
        .fence_ms = number(answer, "fence_ms"),
        .drain_ms = number(answer, "drain_ms"),
        .check_ms = number(answer, "check_ms"),
    };
    json_decref(answer);
    if (!demo_writers_settle(run->writers, back ? DEMO_SOURCE : DEMO_TARGET, &waited, err))
        return false;
    made->writers_waited_ms = waited * 1000;
    run->switch_count++;
    demo_note_step(&run->show, "writers waited %s%s%s", term_style(stderr, TERM_BOLD),
                   text_duration(run->inv->arena, waited), term_style(stderr, TERM_PLAIN));
    return true;
}

static bool write_on(DemoRun *run, const char *name, const char *text, Error *err)
{
    double until = clock_seconds() + WRITE_ON_MS / 1000.0;

    demo_begin_step(&run->show, name, text);
    while (clock_seconds() < until) {
        if (!demo_writers_check(run->writers, err) || !cancel_sleep_ms(TICK_MS, err))
            return false;
        demo_show_writers(&run->show, NULL);
    }
    return true;
}

static bool is_applied(const DemoRun *run, Lsn position)
{
    json_t *status = NULL;
    Lsn applied = 0;

    if (!move_ask_status(&run->config, &status))
        return false;
    const char *text = json_string_value(json_object_get(status, "applied_lsn"));
    bool there = text && lsn_parse(text, &applied) && applied >= position;
    json_decref(status);
    return there;
}

/* What was written at home last has flowed back as well. */
static bool drain(DemoRun *run, Error *err)
{
    double deadline = clock_seconds() + FOLLOW_WITHIN_S;
    Lsn position = 0;

    if (!demo_position(run->place, DEMO_TARGET, &position, err))
        return false;
    while (!is_applied(run, position)) {
        if (!cancel_sleep_ms(TICK_MS, err))
            return false;
        if (clock_seconds() > deadline)
            return error_set(err, ERR_WRONG_STATE, "the old side does not catch up");
    }
    return true;
}

static bool stop_writers(DemoRun *run, Error *err)
{
    demo_begin_step(&run->show, "verify", "stop the writers, and compare every row");
    run->show.writers = NULL;
    if (!demo_writers_stop(run->writers, err))
        return false;
    demo_writers_look(run->writers, &run->made);
    demo_gateway_end(&run->gateway);
    return drain(run, err) && verify_live(run, err);
}

static bool finish(DemoRun *run, Error *err)
{
    demo_begin_step(&run->show, "end", "finish: replication ends, its traces go");
    if (!move_finish(run->inv->arena, &run->config, &(EndOptions){0}, err))
        return false;
    demo_mover_end(&run->mover);
    return true;
}

/* The judge has nothing of the mover's: writes are looked for, and each side is read by itself. */
static bool judge_all(DemoRun *run, Error *err)
{
    int64_t attempts =
        (int64_t)run->options->users * DEMO_PROBLEMS_PER_USER * DEMO_ATTEMPTS_PER_PROBLEM;
    VerifyOptions options = {.sequences_ahead = true};

    demo_begin_step(&run->show, "judge", "look for every write, compare all once more");
    if (!demo_find_writes(run->place, DEMO_TARGET, attempts, &run->found, err) ||
        !verify_run(run->inv->arena, &run->config, &options, &run->report.verify, err))
        return false;
    run->report.verify_done = run->moved = true;
    return true;
}

static bool run_steps(DemoRun *run, Error *err)
{
    return start_writers(run, err) && copy(run, err) && verify_while_writing(run, err) &&
           change_side(run, false, "cut over: the app moves to the target", err) &&
           write_on(run, "home", "let it write there; changes flow back", err) &&
           change_side(run, true, "roll back: the app returns to the source", err) &&
           write_on(run, "away", "let it write there; the target follows", err) &&
           change_side(run, false, "cut over again, for good", err) &&
           write_on(run, "home", "let it write at home", err) && stop_writers(run, err) &&
           finish(run, err) && judge_all(run, err);
}

static int64_t less_than(int64_t made, int64_t found)
{
    return made > found ? made - found : 0;
}

int64_t demo_lost(const DemoRun *run)
{
    return less_than(run->made.problems, run->found.problems) +
           less_than(run->made.attempts, run->found.attempts) +
           less_than(run->made.changes, run->found.changes) +
           less_than(run->made.deletes, run->found.deletes);
}

static bool judge(const DemoRun *run, Error *err)
{
    auto_arena Arena *scratch = arena_new();

    if (run->report.verify.differences > 0)
        return error_set(err, ERR_FOUND, "%s %s",
                         text_count(scratch, run->report.verify.differences),
                         text_plural(run->report.verify.differences, "difference", "differences"));
    if (!run->report.verify.verified)
        return error_set(err, ERR_FOUND, "the schema was not compared");
    if (memcmp(&run->made, &run->found, sizeof run->made) != 0)
        return error_set(err, ERR_FOUND, "%s writes were acknowledged, and %s are there",
                         text_count(scratch, demo_writes_total(&run->made)),
                         text_count(scratch, demo_writes_total(&run->found)));
    return true;
}

/* What check found is printed: the mover has it, but only its number came over. */
static void find_blockers(DemoRun *run)
{
    Error ignored = ERROR_INIT;

    run->moved =
        assess_run(run->inv->arena, &run->config, SCOPE_LIVE, &run->report.assessment, &ignored);
}

bool demo_run_live(DemoRun *run, Error *err)
{
    bool ok = run_steps(run, err);

    if (!ok) {
        run->show.writers = NULL;
        demo_writers_give_up(run->writers);
        if (err->code == ERR_FOUND && run->switch_count == 0 && !cancel_requested()) {
            find_blockers(run);
            if (run->report.assessment.blockers > 0)
                (void)error_hint(err, "What to do about it is said above.");
        }
    }
    demo_mover_end(&run->mover);
    if (ok)
        ok = demo_tables(run->inv->arena, run->place, DEMO_TARGET, &run->tables, &run->table_count,
                         err) &&
             judge(run, err);
    return ok;
}
