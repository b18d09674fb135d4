/*
 * finish and abort: what is homeport's own goes, on both sides, step by step;
 * each can be done twice, and the phase says from the first step on which of the
 * two it is.
 */
#include <string.h>

#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "move/live.h"
#include "move/marks.h"
#include "move/owner.h"
#include "move/relax.h"
#include "move/schema.h"
#include "move/work.h"

enum {
    MAX_TRUNCATE = 64 << 20,
};

static bool drop_publication(Live *live, PGconn *conn, Error *err)
{
    auto_arena Arena *scratch = arena_new();

    return pg_exec(conn, "BEGIN READ WRITE", err) &&
           pg_execf(conn, err, "DROP PUBLICATION IF EXISTS %s",
                    pg_ident(scratch, live->publication)) &&
           pg_exec(conn, "COMMIT", err);
}

/* Slots of every feed: nobody reads any of them from now on. */
static bool drop_slots(Live *live, LiveSideName side, PGconn *conn, Error *err)
{
    LiveFeed feeds[2];
    LiveFeed *others = NULL;
    int count = 0;

    if (!live_load_feeds(live, &feeds[0], &others, &count, err))
        return false;
    for (int i = -1; i < count; i++) {
        const LiveFeed *feed = i < 0 ? &feeds[0] : &others[i];
        LiveSideName of = feed->direction == DIRECTION_FORWARD ? LIVE_SOURCE : LIVE_HOME;
        if (feed->number > 0 && of == side &&
            !replication_drop_slot(conn, feed->slot, LIVE_RECONNECT_S, err))
            return false;
    }
    return true;
}

static bool drop_schema(PGconn *conn, Error *err)
{
    return pg_exec(conn, "BEGIN READ WRITE; DROP SCHEMA IF EXISTS homeport CASCADE; COMMIT", err);
}

/* Whether the fence and the schema homeport of a side are ours to take away. */
static bool is_ours(const Live *live, LiveSideName side, PGconn *conn, bool *ret, Error *err)
{
    const char *other = NULL;

    if (!owner_other(conn, live->arena, live->job.state.move.id, &other, err))
        return false;
    if (other)
        log_warn("fence and schema homeport are another move's: left as they are",
                 kv_str("side", live_side_name(side)), kv_str("move", other));
    *ret = !other;
    return true;
}

static bool remove_fence(Live *live, LiveSideName side, PGconn *conn, Error *err)
{
    Fence fence;

    return live_fence(live, side, &fence, err) && fence_lift(conn, &fence, err) &&
           fence_remove(conn, &fence, 0, err) && drop_schema(conn, err);
}

/* A side that the owner says is gone is left out; should it answer all the same, it is not. */
static bool is_away(Live *live, LiveSideName side, bool gone)
{
    Error why = ERROR_INIT;

    if (!gone || live->conns[side] || live_reconnect(live, side, 0, &why))
        return false;
    log_warn("left as it is", kv_str("side", live_side_name(side)), kv_str("reason", why.message));
    return true;
}

static bool fail_at(LiveSideName side, Error *err)
{
    (void)error_add_context(err, "clean up on the %s", live_side_name(side));
    if (err->code == ERR_CONNECT)
        return error_hint(err, "If it is gone for good: --gone %s.", live_side_name(side));
    return false;
}

/* Slots and publication, and what has one name for all moves: the fence and the schema homeport. */
static bool clean_side(Live *live, LiveSideName side, bool gone, Error *err)
{
    PGconn *conn = NULL;
    bool ours = false;

    if (is_away(live, side, gone) ||
        (live_connect(live, side, &conn, err) && drop_slots(live, side, conn, err) &&
         drop_publication(live, conn, err) && is_ours(live, side, conn, &ours, err) &&
         (!ours || remove_fence(live, side, conn, err))))
        return true;
    return fail_at(side, err);
}

static bool forget_work(Live *live, Error *err)
{
    return store_run(live->job.state.store, sql_store_forget_feeds, STORE_NO_VALUES, err) &&
           store_run(live->job.state.store, sql_store_forget_facts, STORE_NO_VALUES, err) &&
           job_forget_archives(&live->job, err) &&
           file_remove_tree(job_path(&live->job, "spool"), err);
}

/* Both sides are free from then on: it is for the owner to take the old one away (rule 25). */
static bool finish_steps(Live *live, const EndOptions *options, Error *err)
{
    return clean_side(live, LIVE_HOME, options->target_gone, err) &&
           clean_side(live, LIVE_SOURCE, options->source_gone, err) && forget_work(live, err) &&
           state_event(&live->job.state, EVENT_DONE, err);
}

/* A table that only refers to those that were filled is named with them where it has no rows:
 * TRUNCATE asks for that. */
static bool check_empty(PGconn *home, const Table *table, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    int64_t rows = 0;

    if (!pg_query_i64(
            home,
            arena_printf(scratch, "SELECT pg_catalog.count(*) FROM ONLY %s", table->qualified),
            &rows, err))
        return false;
    if (rows == 0)
        return true;
    (void)error_set(err, ERR_WRONG_STATE,
                    "%s refers to tables that were copied, and has rows that were not",
                    table->qualified);
    return error_hint(err, "Remove its rows, or the foreign key, and run `homeport abort` again.");
}

/* The rows of an extension's configuration table are the move's only as far as its condition
 * says. */
static bool empty_table(PGconn *home, const Table *table, bool filled, Text *truncate, Error *err)
{
    if (filled && table->condition)
        return pg_execf(home, err, "DELETE FROM ONLY %s %s", table->qualified, table->condition);
    text_addf(truncate, "%s ONLY %s", truncate->len ? "," : "TRUNCATE", table->qualified);
    return filled || check_empty(home, table, err);
}

static bool empty_tables(PGconn *home, Arena *arena, Error *err)
{
    auto_result PGresult *res = NULL;
    Text truncate = text_init(arena, MAX_TRUNCATE);
    Table *tables = NULL;
    int count = 0;

    if (!tables_list(home, arena, &tables, &count, err) ||
        !pg_query(home, sql_target_filled_tables, 0, NULL, &res, err))
        return false;
    if (PQntuples(res) > 0 && !work_silence_triggers(home, err))
        return false;
    for (int i = 0; i < PQntuples(res); i++) {
        const Table *table =
            tables_find(tables, count, PQgetvalue(res, i, 0), PQgetvalue(res, i, 1));
        if (table && !empty_table(home, table, pg_cell_bool(res, i, 2), &truncate, err))
            return false;
    }
    return !truncate.len || pg_exec(home, text_str(&truncate), err);
}

/* `schema: existing`: the tables stay, and are as empty as they had to be. */
static bool take_rows(PGconn *home, Arena *arena, Error *err)
{
    return (pg_exec(home, "BEGIN READ WRITE", err) && progress_create(home, err) &&
            empty_tables(home, arena, err) && pg_exec(home, sql_target_drop_marks, err) &&
            pg_exec(home, "COMMIT", err)) ||
           error_add_context(err, "empty the target's tables");
}

/* What the move made goes in one transaction with its marks: where these are not, what is there now
 * is the owner's. */
static bool drop_all(Live *live, PGconn *home, Error *err)
{
    const char *path = job_path(&live->job, "schema.dump");
    Archive archive = {0};
    bool made = false; /* with `schema: existing` there is no archive */
    Marks marks;

    if (!marks_read(home, live->arena, &marks, err) || !file_find(path, &made, err))
        return false;
    if (!marks.there) {
        log_warn("nothing there is marked as this move's: tables and rows are left as they are",
                 kv_str("side", live_side_name(LIVE_HOME)));
        return true;
    }
    if (!made && live->config->schema != SCHEMA_EXISTING)
        log_warn("the schema's archive is gone: the tables that were made are emptied and stay",
                 kv_str("side", live_side_name(LIVE_HOME)), kv_str("archive", path));
    if (!made)
        return take_rows(home, live->arena, err);
    return schema_read(live->arena, path, &archive, err) && schema_drop_all(home, &archive, err);
}

/* What the target was set to before is noted there, in what is dropped: it is unfenced first. Where
 * another move has begun there since, what it holds is that one's. */
static bool empty_target(Live *live, Error *err)
{
    PGconn *home = NULL;
    Fence fence;
    bool ours = false;

    return (live_connect(live, LIVE_HOME, &home, err) &&
            is_ours(live, LIVE_HOME, home, &ours, err) &&
            relax_end(home, live->job.state.store, err) &&
            (!ours || (live_fence(live, LIVE_HOME, &fence, err) && fence_lift(home, &fence, err) &&
                       drop_all(live, home, err)))) ||
           fail_at(LIVE_HOME, err);
}

static bool abort_steps(Live *live, const EndOptions *options, Error *err)
{
    return clean_side(live, LIVE_SOURCE, false, err) &&
           (is_away(live, LIVE_HOME, options->target_gone) ||
            (empty_target(live, err) && clean_side(live, LIVE_HOME, options->target_gone, err))) &&
           forget_work(live, err) && state_event(&live->job.state, EVENT_DONE, err);
}

/* The one of both that is right, where the move stands. */
static bool hint_other(Phase phase, Error *err)
{
    switch (phase) {
    case PHASE_HOME:
        return error_hint(err, "It was cut over: `homeport rollback` goes back, `homeport finish` "
                               "ends it.");
    case PHASE_AWAY:
        return error_hint(err, "It was cut over before: `homeport finish` ends it, and the app "
                               "stays at the source.");
    case PHASE_FINISHING:
        return error_hint(err, "`homeport finish` again brings it to its end.");
    case PHASE_FINISHED:
    case PHASE_ABORTED:
        return error_hint(err, "The move is over.");
    default:
        return error_hint(err, "`homeport abort` undoes a move that was not cut over.");
    }
}

/* It has no fence, no slot and no way back, and takes away its marks itself. */
static bool fail_once(const Config *config, Phase phase, Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE,
                    "the folder \"%s\" belongs to a move --once, which ends by itself",
                    config->dir);
    return error_hint(err,
                      phase == PHASE_FINISHED
                          ? "It is over."
                          : "`homeport move --once` goes on with it. Who gives it up stops it, "
                            "and empties the target.");
}

/* Where the app lives nothing may be left: a slot that nobody reads keeps all WAL, and the fence
 * stays shut. */
static bool check_gone(const Place *place, bool finish, const EndOptions *options, Error *err)
{
    bool home = place->phase == PHASE_HOME ||
                (place->phase == PHASE_FINISHING && place->direction == DIRECTION_FORWARD);

    if (!(home ? options->target_gone : options->source_gone))
        return true;
    (void)error_set(err, ERR_USAGE, "--gone %s: the app lives there", home ? "target" : "source");
    return error_hint(err, finish ? "Only the side that was left can be gone."
                                  : "The target has what had been copied by then, and an abort "
                                    "would take it away: `homeport move --stop`, and `homeport "
                                    "status` prints the SQL that opens it.");
}

/* What will be refused does not stop the mover for it: the way back would stand still. A switch
 * that is at work is judged when it has come to its end. */
static bool check_phase(Arena *arena, const Config *config, const EndOptions *options,
                        PhaseEvent event, Error *err)
{
    bool finish = event == EVENT_FINISH;
    MoveRecord move;
    Place next;
    int holder = 0;

    if (!state_peek(arena, config->dir, &move, &holder, err))
        return false;
    Phase phase = move.place.phase;
    if (move.exists && !move.live)
        return fail_once(config, phase, err);
    if (!move.exists || phase_is_switch(phase) ||
        phase == (finish ? PHASE_FINISHED : PHASE_ABORTED))
        return true;
    if (place_next(move.place, event, &next) ||
        phase == (finish ? PHASE_FINISHING : PHASE_ABORTING))
        return check_gone(&move.place, finish, options, err);
    (void)error_set(err, ERR_WRONG_STATE, "this cannot happen in phase %s", phase_name(phase));
    return hint_other(phase, err);
}

static bool end(Live *live, PhaseEvent event, const EndOptions *options, Error *err)
{
    static const JobLive none = {0};
    State *state = &live->job.state;
    bool finish = event == EVENT_FINISH;

    live->job.live = &none;
    if (!job_open(&live->job, err))
        return false;
    if (!state_is_begun(state)) {
        (void)error_set(err, ERR_WRONG_STATE, "there is no move in \"%s\"", live->config->dir);
        return error_hint(err, "--dir names its work folder.");
    }
    Phase over = finish ? PHASE_FINISHED : PHASE_ABORTED;
    Phase ending = finish ? PHASE_FINISHING : PHASE_ABORTING;
    if (state->move.place.phase == over)
        return true;
    (void)snprintf(live->publication, sizeof live->publication, "homeport_%s", state->move.id);
    if (!live_load_encoding(live, err) || !live_load_token(live, err) || !live_recover(live, err) ||
        !check_gone(&state->move.place, finish, options, err))
        return false;
    if (state->move.place.phase != ending && !state_event(state, event, err))
        return err->code == ERR_WRONG_STATE ? hint_other(state->move.place.phase, err) : false;
    return finish ? finish_steps(live, options, err) : abort_steps(live, options, err);
}

static bool end_move(Arena *arena, const Config *config, const EndOptions *options,
                     PhaseEvent event, Error *err)
{
    Live live = {.arena = arena, .config = config};
    bool was = false;

    live.job = (Job){
        .arena = arena,
        .config = config,
        .report = &live.copied,
        .state = {.lock_fd = -1},
    };
    if (!check_phase(arena, config, options, event, err) || !move_stop(arena, config, &was, err))
        return false;
    bool ok = end(&live, event, options, err);
    if (!ok)
        state_note_error(&live.job.state, err);
    for (int side = 0; side < LIVE_SIDES; side++)
        pg_close(live.conns[side]);
    job_close(&live.job, ok);
    return ok;
}

bool move_finish(Arena *arena, const Config *config, const EndOptions *options, Error *err)
{
    return end_move(arena, config, options, EVENT_FINISH, err);
}

bool move_abort(Arena *arena, const Config *config, const EndOptions *options, Error *err)
{
    return end_move(arena, config, options, EVENT_ABORT, err);
}
