/* How things stand, for who asks: what is behind, how long it takes, how the slot does. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "move/live.h"
#include "move/reckon.h"

enum {
    SLOT_EVERY_S = 2,
    SLOT_AGAIN_S = 60, /* after a server that did not answer */
    SLOT_PATIENCE_MS = 2000,
    TREND_S = 60,
    LEAST_TREND_S = 5,
};

/* ---- how far behind ---- */

static Lsn end_of(const ReceiveStatus *received)
{
    return received->server_end > received->received ? received->server_end : received->received;
}

static int64_t bytes_between(Lsn from, Lsn to)
{
    return to > from ? (int64_t)(to - from) : 0;
}

int64_t live_behind(const ReceiveStatus *received, const ApplyStatus *applied)
{
    return bytes_between(applied->applied, end_of(received));
}

void live_sample(Live *live)
{
    ReceiveStatus received;
    ApplyStatus applied = {0};

    if (!live->feed.receiver)
        return;
    receiver_status(live->feed.receiver, &received);
    if (live->feed.applier)
        applier_status(live->feed.applier, &applied);
    live->lags[live->lag_count++ % LAG_SAMPLES] = (LagSample){
        .at_s = clock_seconds(),
        .received = received.received,
        .behind = applied.applied ? live_behind(&received, &applied) : -1,
        .unsaved = received.connected ? bytes_between(received.flushed, end_of(&received)) : -1,
    };
}

/* How long ago the first of what is still to be applied came: by our own clock, whatever those of
 * the servers say. As far back as the samples reach. */
static double behind_seconds(const Live *live, const ApplyStatus *applied)
{
    int oldest = live->lag_count > LAG_SAMPLES ? live->lag_count - LAG_SAMPLES : 0;
    double since = 0;

    for (int i = live->lag_count - 1; i >= oldest; i--) {
        const LagSample *sample = &live->lags[i % LAG_SAMPLES];
        if (sample->received <= applied->applied)
            break;
        since = sample->at_s;
    }
    return since > 0 ? clock_seconds() - since : 0;
}

static int oldest_sample(const Live *live)
{
    int kept = live->lag_count > LAG_SAMPLES ? live->lag_count - LAG_SAMPLES : 0;
    int at = live->lag_count - 1;

    while (at > kept && clock_seconds() - live->lags[(at - 1) % LAG_SAMPLES].at_s <= TREND_S)
        at--;
    return at;
}

/* Bytes a second since the other side was furthest behind, of late: what came in one go and is over
 * says nothing of how fast it is. <= 0: it gets no less, or that is not known yet. */
static double catching_up(const Live *live, int64_t behind)
{
    const LagSample *most = NULL;

    for (int i = oldest_sample(live); i >= 0 && i < live->lag_count; i++) {
        const LagSample *sample = &live->lags[i % LAG_SAMPLES];
        if (sample->behind >= 0 && (!most || sample->behind > most->behind))
            most = sample;
    }
    if (!most)
        return 0;
    double seconds = clock_seconds() - most->at_s;
    return seconds < LEAST_TREND_S ? 0 : (double)(most->behind - behind) / seconds;
}

/* Bytes a second that the source writes and we do not save, of late. */
static double falling_behind(const Live *live)
{
    const LagSample *first = NULL;
    const LagSample *last = NULL;

    for (int i = oldest_sample(live); i >= 0 && i < live->lag_count; i++) {
        const LagSample *sample = &live->lags[i % LAG_SAMPLES];
        if (sample->unsaved < 0)
            continue;
        first = first ? first : sample;
        last = sample;
    }
    if (!first)
        return 0;
    double seconds = last->at_s - first->at_s;
    return seconds < LEAST_TREND_S ? 0 : (double)(last->unsaved - first->unsaved) / seconds;
}

/* Until it has caught up, as it went of late. */
static json_t *left_json(const Live *live, int64_t behind)
{
    if (behind <= LIVE_NEAR_BYTES)
        return json_real(0);
    double left = reckon_time((double)behind, catching_up(live, behind));
    return left < 0 ? json_null() : json_real(left);
}

/* ---- the slot ---- */

static bool ask_slot(Live *live, const ReceiveStatus *received, PGresult **ret)
{
    const char *values[] = {live->feed.slot};
    const PgParams params = {values, COUNT_OF(values)};
    PGconn **conn = &live->conns[live_from(live)];
    PGconn *made = NULL;
    Error failed = ERROR_INIT;

    /* Where the stream flows the server is there. */
    if ((!*conn || PQtransactionStatus(*conn) != PQTRANS_IDLE) &&
        (!received->connected || !live_connect(live, live_from(live), &made, &failed)))
        return false;
    if (pg_query_within(*conn, sql_live_slot, &params, SLOT_PATIENCE_MS, ret, &failed))
        return true;
    /* Nobody else is to wait for it either. */
    pg_close(*conn);
    *conn = NULL;
    return false;
}

/* It was asked for before the stream flowed: that nobody reads it is not so any more. */
static bool is_outdated(const SlotHealth *slot, const ReceiveStatus *received)
{
    return slot->known && received->connected && !slot->connected;
}

void live_slot_look(Live *live, const ReceiveStatus *received)
{
    auto_result PGresult *res = NULL;

    if (clock_seconds() < live->next_slot && !is_outdated(&live->slot, received))
        return;
    live->slot = (SlotHealth){.connected = received->connected};
    live->slot.known = ask_slot(live, received, &res);
    live->next_slot =
        clock_seconds() + (live->slot.known || !received->connected ? SLOT_EVERY_S : SLOT_AGAIN_S);
    if (!live->slot.known)
        return;
    bool there = PQntuples(res) > 0;
    SlotHealth *slot = &live->slot;
    (void)snprintf(slot->status, sizeof slot->status, "%s", there ? pg_cell(res, 0, 1) : "gone");
    slot->active = there && pg_cell_bool(res, 0, 0);
    slot->safe = there && pg_cell(res, 0, 2) ? pg_cell_i64(res, 0, 2) : SLOT_NO_LIMIT;
    slot->retained = there ? pg_cell_i64(res, 0, 3) : 0;
}

/* Its server has a limit, and may be about to throw away what is still to be read. */
static bool is_near_limit(const Live *live)
{
    const SlotHealth *slot = &live->slot;

    return strcmp(slot->status, "unreserved") == 0 ||
           (slot->safe != SLOT_NO_LIMIT &&
            reckon_is_near((double)slot->safe, (double)slot->retained, falling_behind(live)));
}

/* What to do about it; NULL: nothing. */
static const char *slot_step(const Live *live)
{
    Phase phase = live->job.state.move.place.phase;
    const SlotHealth *slot = &live->slot;
    bool gone = strcmp(slot->status, "gone") == 0;

    if (!slot->known)
        return NULL;
    if (gone || strcmp(slot->status, "lost") == 0)
        return phase == PHASE_HOME || phase == PHASE_AWAY
                   ? "The slot is lost, and the way on with it: `homeport finish` ends the move. "
                     "The app is not touched by this."
                   : "The slot is lost, and WAL that was still needed with it: all has to be "
                     "copied "
                     "again, by `homeport abort`, then `homeport move`.";
    return is_near_limit(live)
               ? "The slot is near its server's limit, and is lost beyond it: raise "
                 "max_slot_wal_keep_size there now."
               : NULL;
}

static void add_slot(const Live *live, const ReceiveStatus *received, json_t *json)
{
    const SlotHealth *slot = &live->slot;
    bool known = slot->known && !is_outdated(slot, received);

    (void)json_object_set_new(json, "slot_wal_status",
                              known ? json_string(slot->status) : json_null());
    (void)json_object_set_new(json, "slot_active",
                              known ? json_boolean(slot->active) : json_null());
    (void)json_object_set_new(json, "slot_retained_bytes",
                              known ? json_integer(slot->retained) : json_null());
    (void)json_object_set_new(json, "slot_safe_bytes",
                              known && slot->safe != SLOT_NO_LIMIT ? json_integer(slot->safe)
                                                                   : json_null());
}

/* ---- all of it ---- */

static const char *next_step(const Live *live, const ReceiveStatus *received,
                             const ApplyStatus *applied)
{
    Phase phase = live->job.state.move.place.phase;

    if (live->shut)
        return "THE APP CANNOT WRITE: mend what the error names. The mover goes on trying by "
               "itself.";
    if (live->unnoted)
        return "Make room on the disk of the work folder: the mover goes on by itself.";
    if (live->by_hand)
        return live->by_hand;
    const char *slot = slot_step(live);
    if (slot)
        return slot;
    if (live->differences > 0)
        return phase == PHASE_HOME
                   ? "The sides differ: `homeport verify` names the rows, `homeport move --resync "
                     "TABLE` copies a table again. `homeport rollback --accept-differences` goes "
                     "back all the same."
                   : "The sides differ: `homeport verify` names the rows. Do not cut over.";
    if (live->changed)
        return "Make both schemas alike, then go on.";
    if (!applied->connected && applied->error.code != ERR_NONE)
        return *applied->error.hint
                   ? applied->error.hint
                   : "Mend what the error names: the applier tries again by itself.";
    if (received->error.code == ERR_IO)
        return "Make room on the disk of the work folder: the mover goes on by itself.";
    if (received->held_back)
        return "The spool is full: the source keeps its WAL until the applier has made room.";
    if (!received->connected)
        return "Wait: the source is being reconnected.";
    switch (phase) {
    case PHASE_FOLLOWING:
        return "Wait until it has caught up.";
    case PHASE_CAUGHT_UP:
        return live->verified ? "`homeport cutover` when you are ready."
               : live->left   ? "`homeport verify` again: not every table could be compared."
                              : "`homeport verify`, then `homeport cutover`.";
    case PHASE_HOME:
        return "`homeport rollback` goes back without losing a row; `homeport finish` ends the "
               "move.";
    case PHASE_AWAY:
        return "`homeport cutover` tries again; `homeport finish` gives the move up.";
    default: /* not run: by chance, as the mover writes no status inside the pause */
        return "Wait: the move is at work."; /* not run: likewise */
    }
}

static json_t *lsn_json(Lsn lsn)
{
    char text[LSN_TEXT_SIZE];

    return lsn ? json_string(lsn_text(lsn, text)) : json_null();
}

json_t *live_status_json(Live *live)
{
    auto_arena Arena *scratch = arena_new(); /* names are in the servers' encoding */
    ReceiveStatus received = {0};
    ApplyStatus applied = {0};
    int whole = 0;

    if (live->feed.receiver)
        receiver_status(live->feed.receiver, &received);
    if (live->feed.applier)
        applier_status(live->feed.applier, &applied);
    int64_t behind = live_behind(&received, &applied);
    int64_t touched = live->touched ? touched_count(live->touched, &whole) : 0;
    const char *error = live->conclude_at > 0 ? live->last_error
                        : live->trouble       ? live->trouble
                        : !applied.connected && applied.error.code != ERR_NONE
                            ? applied.error.message
                        : received.error.code != ERR_NONE ? received.error.message
                                                          : live->last_error;
    json_t *json = json_pack(
        "{s:s, s:s, s:s*, s:b, s:b, s:b, s:I, s:f, s:f, s:I, s:I, s:b, s:b, s:I, s:I, "
        "s:i, s:s*, s:s*, s:s*, s:s*, "
        "s:s}",
        "phase", phase_name(live->job.state.move.place.phase), "direction",
        direction_name(live->job.state.move.place.direction), "slot", live->feed.slot, "receiving",
        received.connected, "applying", applied.running && applied.connected, "held_back",
        received.held_back, "lag_bytes", (json_int_t)behind, "lag_seconds",
        behind_seconds(live, &applied), "rows_per_second", live->rate, "rows_applied",
        (json_int_t)applied.rows, "spool_bytes",
        (json_int_t)(live->feed.spool ? spool_bytes(live->feed.spool) : 0), "verified",
        live->verified, "verifying", live_check_is_running(live), "differences",
        (json_int_t)live->differences, "touched_rows", (json_int_t)touched, "tables_to_verify",
        whole, "not_compared", live->verified ? NULL : text_readable(scratch, live->left),
        "schema_changed", text_readable(scratch, live->changed), "last_error",
        text_readable(scratch, error), "fenced", live->shut ? "both" : NULL, "next",
        next_step(live, &received, &applied));
    if (!json)
        return NULL;
    (void)json_object_set_new(json, "applied_lsn", lsn_json(applied.applied));
    (void)json_object_set_new(json, "received_lsn", lsn_json(received.received));
    (void)json_object_set_new(json, "flushed_lsn", lsn_json(received.flushed));
    (void)json_object_set_new(json, "seconds_left", left_json(live, behind));
    add_slot(live, &received, json);
    identities_status(live->job.identities, json);
    return json;
}

/* ---- beside the copy ---- */

static const char *copy_step(const Live *live, const ReceiveStatus *received)
{
    const char *slot = slot_step(live);

    if (slot)
        return slot;
    if (received->error.code == ERR_IO)
        return "Make room on the disk of the work folder: the mover goes on by itself.";
    return received->held_back
               ? "The spool is full: the source keeps its WAL until the copy is done."
               : NULL;
}

static json_t *copy_json(const Live *live, const ReceiveStatus *received)
{
    auto_arena Arena *scratch = arena_new();
    const char *error =
        received->error.code != ERR_NONE ? text_readable(scratch, received->error.message) : NULL;
    json_t *json = json_pack("{s:s, s:b, s:b, s:I, s:s*, s:s*}", "slot", live->feed.slot,
                             "receiving", received->connected, "held_back", received->held_back,
                             "spool_bytes", (json_int_t)spool_bytes(live->feed.spool), "last_error",
                             error, "next", copy_step(live, received));

    (void)json_object_set_new(json, "received_lsn", lsn_json(received->received));
    (void)json_object_set_new(json, "flushed_lsn", lsn_json(received->flushed));
    add_slot(live, received, json);
    return json;
}

bool live_copy_look(Live *live, Error *err)
{
    ReceiveStatus received;
    Error failed = ERROR_INIT;

    receiver_status(live->feed.receiver, &received);
    if (!received.running)
        return live_fail_receiver(live, &received, err);
    live_sample(live);
    live_slot_look(live, &received);
    json_t *json = copy_json(live, &received);
    char *text = json_dumps(json, JSON_COMPACT);
    if (!live_set_fact(live, "stream", text, &failed))
        log_warn("how the stream does could not be noted", kv_str("reason", failed.message));
    free(text);
    json_decref(json);
    return true;
}
