/* What the mover looks at again and again while it follows. */
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text.h"
#include "move/live.h"
#include "move/verify.h"

enum {
    LOOK_EVERY_S = 1,
    FINGERPRINT_EVERY_S = 60,
    CHANGED_EVERY_S = 10, /* where they do not fit: somebody mends that, and waits to read so */
    TOUCHED_EVERY_S = 10,
    DROP_EVERY_S = 60,
    FEW_TOUCHED = 500, /* rows, compared within a few hundredths of a second */
    MARKED_TRIES = 3,  /* of tables that are touched as a whole again meanwhile */
    RETRY_S = 5,
    FAR_BYTES = 16 << 20, /* no longer */
    WAIT_APPLIED_S = 600,
    UNIX_EPOCH_TO_2000_S = 946684800,
    MAX_CHANGES = 5,
    TEND_MS = 20,
};

/* ---- schemas ---- */

static const char *const fact_names[LIVE_SIDES] = {
    [LIVE_SOURCE] = "fingerprint source",
    [LIVE_HOME] = "fingerprint home",
};

static bool take(Live *live, Arena *arena, LiveSideName side, Fingerprint *ret, Error *err)
{
    PGconn *conn = NULL;

    return live_connect(live, side, &conn, err) && fingerprint_take(conn, arena, ret, err);
}

typedef struct Changes {
    FingerprintChange *list;
    int count;
} Changes;

static bool same_changes(const Changes *a, const Changes *b)
{
    if (a->count != b->count)
        return false;
    for (int i = 0; i < a->count; i++)
        if (a->list[i].kind != b->list[i].kind || strcmp(a->list[i].object, b->list[i].object) != 0)
            return false;
    return true;
}

static bool same_major(const Live *live)
{
    return PQserverVersion(live->conns[LIVE_SOURCE]) / 10000 ==
           PQserverVersion(live->conns[LIVE_HOME]) / 10000;
}

/* Both at once: one alone would look like a change of one side. */
static bool keep_prints(Live *live, Arena *scratch, const Fingerprint now[LIVE_SIDES], Error *err)
{
    Store *store = live->job.state.store;
    Error ignored = ERROR_INIT;

    if (store_run(store, "BEGIN IMMEDIATE", STORE_NO_VALUES, err) &&
        live_set_fact(live, fact_names[LIVE_SOURCE], fingerprint_text(scratch, &now[LIVE_SOURCE]),
                      err) &&
        live_set_fact(live, fact_names[LIVE_HOME], fingerprint_text(scratch, &now[LIVE_HOME]),
                      err) &&
        store_run(store, "COMMIT", STORE_NO_VALUES, err))
        return true;
    /* not run: the state's file would have to fail where a schema has changed on both sides */
    (void)!store_run(store, "ROLLBACK", STORE_NO_VALUES, &ignored);
    return false; /* not run: likewise */
}

/* What was one thing on both sides is still one. */
static bool stayed_alike(const Changes *changes, const Fingerprint before[LIVE_SIDES],
                         const Fingerprint now[LIVE_SIDES])
{
    for (int i = 0; i < changes->count; i++) {
        const char *object = changes->list[i].object;
        /* A table's line has its oid. */
        if (strncmp(object, "table ", 6) != 0 &&
            fingerprint_alike(&before[LIVE_SOURCE], &before[LIVE_HOME], object) &&
            !fingerprint_alike(&now[LIVE_SOURCE], &now[LIVE_HOME], object))
            return false;
    }
    return true;
}

static bool are_alike(const Changes *changes, const Fingerprint now[LIVE_SIDES])
{
    for (int i = 0; i < changes->count; i++)
        if (!fingerprint_alike(&now[LIVE_SOURCE], &now[LIVE_HOME], changes->list[i].object))
            return false;
    return true;
}

/* Servers of different versions describe the same thing differently: what they do not describe
 * alike is read by pg_dump, once for what there is now. *ret: what is not alike, or NULL. */
static bool find_unlike(Live *live, Arena *scratch, const Changes *changes,
                        const Fingerprint now[LIVE_SIDES], const char **ret, Error *err)
{
    const char *key = arena_printf(scratch, "%s %s", now[LIVE_SOURCE].sum, now[LIVE_HOME].sum);
    const ChangedSides changed = {
        .config = live->config,
        .urls = {live_url(live, LIVE_SOURCE), live_url(live, LIVE_HOME)},
        .conns = {live->conns[LIVE_SOURCE],   live->conns[LIVE_HOME]              },
    };
    const char **objects = arena_array(scratch, (size_t)changes->count, sizeof *objects);
    const char *found = NULL;

    for (int i = 0; i < changes->count; i++)
        objects[i] = changes->list[i].object;
    *ret = live->unlike;
    if (strcmp(live->judged, key) == 0)
        return true;
    if (verify_changes(scratch, &changed, objects, changes->count, &found, err)) {
        live->unlike = found ? arena_strdup(live->arena, found) : NULL;
        (void)snprintf(live->judged, sizeof live->judged, "%s", key);
        *ret = live->unlike;
        return true;
    }
    if (err->code != ERR_PROGRAM)
        return error_add_context(err, "compare what changed on both sides");
    *ret = arena_printf(scratch, "whether alike is not known (%s)", err->message);
    *err = ERROR_INIT;
    return true;
}

static void add_changes(Text *text, const char *side, const Changes *changes)
{
    for (int i = 0; i < changes->count && i < MAX_CHANGES; i++) {
        const FingerprintChange *change = &changes->list[i];
        text_addf(text, "%s%s %s on the %s", text->len ? ", " : "", change->object,
                  change->kind == '+'   ? "is new"
                  : change->kind == '-' ? "is gone"
                                        : "is another",
                  side);
    }
    if (changes->count > MAX_CHANGES)
        text_addf(text, " and %d more", changes->count - MAX_CHANGES);
}

/* A change that both sides have alike is how they should be from now on. Of the rows that it wrote
 * itself, as a column with a default does, the stream knows nothing: they are compared. */
static bool accept(Live *live, Arena *scratch, const Changes *changes,
                   const Fingerprint now[LIVE_SIDES], Error *err)
{
    log_info("both schemas changed alike", kv_str("first", changes->list[0].object));
    if (!keep_prints(live, scratch, now, err))
        return false;
    live_check_void(live);
    return live_declare_tables(live, err);
}

static bool judge(Live *live, Arena *scratch, const Changes changes[LIVE_SIDES],
                  const Fingerprint before[LIVE_SIDES], const Fingerprint now[LIVE_SIDES],
                  Error *err)
{
    live->changed = NULL;
    if (changes[LIVE_SOURCE].count == 0 && changes[LIVE_HOME].count == 0)
        return true;
    const Changes *both = &changes[LIVE_SOURCE];
    const char *unlike = NULL;
    bool alike = same_changes(both, &changes[LIVE_HOME]);

    if (alike && same_major(live)) {
        alike = stayed_alike(both, before, now);
    } else if (alike && !are_alike(both, now)) {
        if (!find_unlike(live, scratch, both, now, &unlike, err))
            return false;
        alike = !unlike;
    }
    if (alike)
        return accept(live, scratch, both, now, err);
    Text text = text_init(scratch, 1 << 16);
    add_changes(&text, "source", &changes[LIVE_SOURCE]);
    add_changes(&text, "target", &changes[LIVE_HOME]);
    if (unlike)
        text_addf(&text, ": %s", unlike);
    live->changed = arena_strdup(live->arena, text_str(&text));
    return true;
}

/* Rule 20: rows of a table that came later would be at one side only. */
static bool find_unpublished(Live *live, Arena *scratch, Error *err)
{
    auto_result PGresult *res = NULL;
    const char *params[] = {live->publication};
    PGconn *conn = NULL;
    Table *tables = NULL;
    int count = 0;

    if (!live_connect(live, live_from(live), &conn, err) ||
        !tables_list(conn, scratch, &tables, &count, err) ||
        !pg_query(conn, sql_live_publication_tables, COUNT_OF(params), params, &res, err))
        return error_add_context(err, "look for tables that are new");
    for (int i = 0; i < count; i++) {
        bool found = tables[i].unlogged;
        for (int k = 0; !found && k < PQntuples(res); k++)
            found = strcmp(PQgetvalue(res, k, 0), tables[i].schema) == 0 &&
                    strcmp(PQgetvalue(res, k, 1), tables[i].name) == 0;
        if (found)
            continue;
        const char *name = verify_name(scratch, tables[i].schema, tables[i].name);
        live->changed =
            arena_printf(live->arena, "%s is new and not followed yet: `homeport move --resync %s`",
                         name, text_shell_word(scratch, name));
        return true;
    }
    return true;
}

/* Rule 21: made alike on both sides it goes on at one of them alone. */
static bool find_without_stream(Live *live, Error *err)
{
    auto_result PGresult *res = NULL;
    PGconn *conn = NULL;

    if (!live_connect(live, live_from(live), &conn, err) ||
        !pg_query(conn, sql_live_without_stream, 0, NULL, &res, err))
        return error_add_context(err, "look for what has no stream");
    if (PQntuples(res) > 0)
        live->changed = arena_printf(live->arena, "no stream carries %s", PQgetvalue(res, 0, 0));
    return true;
}

bool live_check_fingerprints(Live *live, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    Changes changes[LIVE_SIDES] = {0};
    Fingerprint before[LIVE_SIDES];
    Fingerprint now[LIVE_SIDES];

    for (int side = 0; side < LIVE_SIDES; side++) {
        const char *text = NULL;

        if (!live_fact(live, scratch, fact_names[side], &text, err) ||
            !take(live, scratch, (LiveSideName)side, &now[side], err))
            return error_add_context(err, "compare the schemas");
        if (!text)
            /* not run: only in a state that somebody changed */
            return error_set(err, ERR_WRONG_STATE, "the state lacks \"%s\"", fact_names[side]);
        if (!fingerprint_parse(scratch, text, &before[side], err))
            return false;
        fingerprint_compare(scratch, &before[side], &now[side], &changes[side].list,
                            &changes[side].count);
    }
    return judge(live, scratch, changes, before, now, err) &&
           (live->changed || find_unpublished(live, scratch, err)) &&
           (live->changed || find_without_stream(live, err));
}

/* ---- rows ---- */

typedef struct LiveCheck {
    pthread_t thread;
    Arena *arena;
    VerifyLive request;
    CheckOf of;
    bool stale; /* began before what voids it */
    bool ok;
    atomic_bool done;
    bool joined;
    Error error;
    VerifyLiveReport report;
} LiveCheck;

const Config *live_config(const Live *live, Arena *arena)
{
    Config *config = arena_alloc(arena, sizeof *config);

    *config = *live->config;
    if (live_from(live) == LIVE_HOME) {
        config->source = live->config->target;
        config->target = live->config->source;
    }
    return config;
}

bool live_wait_applied(void *context, Lsn lsn, double deadline_s, Error *err)
{
    Live *live = context;

    if (atomic_load(&live->check_dropped))
        return error_set(err, ERR_CANCELLED, "the comparison is not wanted any more");
    return live->feed.applier ? applier_wait_lsn(live->feed.applier, lsn, deadline_s, err)
                              : error_set(err, ERR_WRONG_STATE, "nothing is being applied");
}

static void *check_main(void *arg)
{
    static bool (*const compare[])(Arena * arena, const VerifyLive *live, VerifyLiveReport *ret,
                                   Error *err) = {
        [CHECK_ALL] = verify_live_whole,
        [CHECK_MARKED] = verify_live_marked,
        [CHECK_TOUCHED] = verify_live_touched,
    };
    LiveCheck *check = arg;

    check->ok = compare[check->of](check->arena, &check->request, &check->report, &check->error);
    atomic_store(&check->done, true);
    return NULL;
}

void live_check_drop(Live *live)
{
    if (!live->check)
        return;
    /* What it waits for may never come: a stream that has ended, an applier that stopped. */
    atomic_store(&live->check_dropped, true);
    if (!live->check->joined)
        (void)pthread_join(live->check->thread, NULL);
    atomic_store(&live->check_dropped, false);
    arena_free(live->check->arena);
    free(live->check);
    live->check = NULL;
}

bool live_check_start(Live *live, CheckOf of, Error *err)
{
    live_check_drop(live);
    LiveCheck *check = memory_zeroed(1, sizeof *check);
    check->arena = arena_new();
    check->of = of;
    check->request = (VerifyLive){
        .config = live_config(live, check->arena),
        .touched = live->touched,
        .wait_applied = live_wait_applied,
        .context = live,
        .identities = live->job.identities,
        .identities_back = live->feed.direction == DIRECTION_BACK,
        .encoding = live->job.source_url.encoding,
        .all = live->list_all,
    };
    live->check = check;
    if (pthread_create(&check->thread, NULL, check_main, check) == 0)
        return true;
    check->joined = true;
    live_check_drop(live);
    return error_set(err, ERR_IO, "a thread could not be started");
}

void live_check_void(Live *live)
{
    live->verified = false;
    live->checking = true;
    if (live->check)
        live->check->stale = true;
}

bool live_check_is_running(Live *live)
{
    return live->check && !live->check->joined && !atomic_load(&live->check->done);
}

/* The applier goes on while we wait: the source has to hear of it, and the spool to be emptied;
 * and who asks how things stand is told. */
static bool tend(Live *live, Error *err)
{
    ApplyStatus applied;

    if (!live->feed.applier || !live->feed.receiver)
        return true; /* not run: between two of them nothing is compared */
    applier_status(live->feed.applier, &applied);
    if (!applied.running)
        return true;
    receiver_set_applied(live->feed.receiver, applied.applied);
    return spool_prune(live->feed.spool, applied.applied, err);
}

static bool tend_while(Live *live, LiveCheck *check, Error *err)
{
    while (!atomic_load(&check->done)) {
        live_sample(live);
        if (!tend(live, err) || !live_serve(live, TEND_MS, err))
            return false;
    }
    return true;
}

static const char *left_text(Arena *arena, const VerifyLiveReport *report)
{
    int more = report->left_count - 1;

    return more < 0 ? NULL
                    : arena_printf(arena, "%s: %s%s", report->left[0].table, report->left[0].why,
                                   more > 0 ? arena_printf(arena, ", and %d more", more) : "");
}

/* A comparison of a part finds no more than what is in it: what another one found stands until all
 * has been compared since. What it could not compare stays marked, for the pause. */
static void note_found(Live *live, const LiveCheck *check)
{
    bool whole = check->of == CHECK_ALL && !check->stale;
    int64_t found = check->report.report.differences;

    if (whole || found > live->differences)
        live->differences = found;
    if (found > 0)
        log_error("the two sides differ", kv_i64("differences", found));
    live->verified = whole ? check->report.report.verified : live->verified && found == 0;
    if (whole) {
        live->left = left_text(live->arena, &check->report);
        live->checking = false;
    }
}

bool live_check_end(Live *live, const VerifyLiveReport **ret, Error *err)
{
    LiveCheck *check = live->check;

    assert(check && !check->joined);
    if (!tend_while(live, check, err))
        return false;
    (void)pthread_join(check->thread, NULL);
    check->joined = true;
    if (!check->ok) {
        *err = check->error;
        return false;
    }
    *ret = &check->report;
    note_found(live, check);
    return true;
}

static const char *step_of(CheckOf of)
{
    return of == CHECK_ALL ? "verify" : "touched";
}

bool live_verify(Live *live, CheckOf of, bool fresh, const VerifyLiveReport **ret, Error *err)
{
    if (live->check && !live->check->joined) {
        CheckOf at_work = live->check->of;
        bool enough = at_work == CHECK_ALL ? !live->check->stale : at_work == of;
        Error earlier = ERROR_INIT;

        /* One that failed, perhaps long ago, says nothing of whether rows can be compared now. */
        live_say(live, step_of(at_work));
        if (live_check_end(live, ret, &earlier) && !fresh && enough)
            return true;
    }
    live_say(live, step_of(of));
    return live_check_start(live, of, err) && live_check_end(live, ret, err);
}

/* What could not be compared for the app's writes can be inside the pause; else it is known now. */
static bool check_left(const VerifyLiveReport *checked, Error *err)
{
    for (int i = 0; i < checked->left_count; i++) {
        const LeftTable *left = &checked->left[i];

        if (!left->passing) {
            (void)error_set(err, ERR_WRONG_STATE, "%s could not be compared: %s", left->table,
                            left->why);
            return error_hint(err, "`homeport verify` tells when it can be.");
        }
    }
    return true;
}

static bool compare(Live *live, CheckOf of, const VerifyLiveReport **ret, Error *err)
{
    return live_verify(live, of, false, ret, err) && check_left(*ret, err);
}

static bool is_refused(const Live *live, bool accept_differences)
{
    return live->differences > 0 && !accept_differences;
}

/* A job that goes through a large table marks all of it. Where that is so again after each of some
 * comparisons, it is written to faster than it can be compared, and the pause has to tell whether
 * it can. */
static bool compare_marked(Live *live, bool accept_differences, Error *err)
{
    const VerifyLiveReport *checked = NULL;
    int marked = 0;

    for (int i = 0; i < MARKED_TRIES; i++) {
        (void)touched_count(live->touched, &marked);
        if (is_refused(live, accept_differences) || marked == 0)
            return true;
        if (!compare(live, CHECK_MARKED, &checked, err))
            return false;
        if (checked->tables_whole == 0 || checked->report.differences > 0)
            return true;
    }
    return true;
}

/* While everything is compared the app may write thousands of rows, which the pause would have to
 * wait for. Each comparison after it has only those of the one before, until they are few, or not
 * half as many as before: then the app writes about as fast as they can be compared. */
bool live_compare(Live *live, bool accept_differences, Error *err)
{
    const VerifyLiveReport *checked = NULL;
    int64_t before = INT64_MAX;
    int marked = 0;

    if (!compare(live, live->verified ? CHECK_TOUCHED : CHECK_ALL, &checked, err) ||
        !compare_marked(live, accept_differences, err))
        return false;
    for (;;) {
        int64_t count = touched_count(live->touched, &marked);

        if (is_refused(live, accept_differences) || count <= FEW_TOUCHED || count > before / 2)
            return true;
        before = count;
        if (!compare(live, CHECK_TOUCHED, &checked, err))
            return false;
    }
}

/* ---- progress ---- */

bool live_note_near(Live *live, Error *err)
{
    return live->job.state.move.place.phase != PHASE_FOLLOWING ||
           state_event(&live->job.state, EVENT_CAUGHT_UP, err);
}

static bool follow_phase(Live *live, int64_t behind, Error *err)
{
    Phase phase = live->job.state.move.place.phase;

    if (behind <= LIVE_NEAR_BYTES)
        return live_note_near(live, err);
    if (phase == PHASE_CAUGHT_UP && behind > FAR_BYTES)
        return state_event(&live->job.state, EVENT_FELL_BEHIND, err);
    return true;
}

static void note_rate(Live *live, const ApplyStatus *applied)
{
    double now = clock_seconds();

    if (applied->rows < live->last_rows) /* another applier than before */
        live->last_rate_time = 0;
    if (live->last_rate_time > 0 && now > live->last_rate_time)
        live->rate = 0.5 * live->rate +
                     0.5 * (double)(applied->rows - live->last_rows) / (now - live->last_rate_time);
    live->last_rows = applied->rows;
    live->last_rate_time = now;
}

/* What stopped the applier may have been put right meanwhile: it tries again. */
static void retry_applier(Live *live, const ApplyStatus *applied)
{
    Error failed = ERROR_INIT;

    if (live->applier_retry == 0) {
        log_error("the applier has stopped", kv_str("reason", applied->error.message));
        state_note_error(&live->job.state, &applied->error);
        live->last_error = arena_strdup(live->arena, applied->error.message);
        live->applier_retry = clock_seconds() + RETRY_S;
        return;
    }
    /* A comparison that is at work asks the applier how far it is, and ends when that has none. */
    if (clock_seconds() < live->applier_retry || live_check_is_running(live))
        return;
    double next = clock_seconds() + RETRY_S;
    applier_stop(live->feed.applier);
    live->feed.applier = NULL;
    if (!live_apply(live, &failed))
        /* not run: no thread could be made, right behind an error of the applier */
        log_error("the applier could not be started", kv_str("reason", failed.message));
    live->applier_retry = next;
}

static bool look_at_rows(Live *live, Error *err)
{
    const VerifyLiveReport *found = NULL;
    Error failed = ERROR_INIT;

    if (live_check_is_running(live))
        return true;
    if (live->check && !live->check->joined && !live_check_end(live, &found, &failed)) {
        log_warn("the sides could not be compared", kv_str("reason", failed.message));
        live->next_touched = clock_seconds() + FINGERPRINT_EVERY_S;
    }
    if (clock_seconds() < live->next_touched)
        return true;
    live->next_touched = clock_seconds() + TOUCHED_EVERY_S;
    if (live->checking)
        return live_check_start(live, CHECK_ALL, err);
    return !live->verified || live_check_start(live, CHECK_TOUCHED, err);
}

static bool look_at_schema(Live *live, Error *err)
{
    int every_s = live->changed ? CHANGED_EVERY_S : FINGERPRINT_EVERY_S;

    if (live->last_fingerprint > 0 && clock_seconds() < live->last_fingerprint + every_s)
        return true;
    const char *before = live->changed;
    live->last_fingerprint = clock_seconds();
    if (!live_check_fingerprints(live, err)) {
        (void)live_hint_locks(live, err);
        log_warn("the schemas could not be compared", kv_str("reason", err->message),
                 kv_str("hint", err->hint));
        return true;
    }
    if (live->changed && (!before || strcmp(before, live->changed) != 0))
        log_warn("the schemas no longer fit each other", kv_str("what", live->changed));
    return true;
}

/* Rule 33: a slot that nobody reads keeps all WAL from its position on. */
static bool drop_slots(Live *live, const ReceiveStatus *received, const ApplyStatus *applied,
                       Error *err)
{
    if (clock_seconds() < live->next_drop || !received->connected || !applied->connected)
        return true;
    live->next_drop = clock_seconds() + DROP_EVERY_S;
    return live_drop_others(live, err);
}

/* Where the stream is lost behind a switch, only the way back is lost with it. */
bool live_fail_receiver(const Live *live, const ReceiveStatus *received, Error *err)
{
    Phase phase = live->job.state.move.place.phase;

    if (received->error.code == ERR_NONE)
        /* not run: it ends with an error, or where it is told to */
        return error_set(err, ERR_WRONG_STATE, "the receiver has ended");
    *err = received->error;
    (void)error_add_context(err, "receive");
    if ((phase == PHASE_HOME || phase == PHASE_AWAY) && received->lost)
        return error_hint(err,
                          "The app is not touched by this, but the way %s is lost: `homeport "
                          "finish` ends the move.",
                          phase == PHASE_HOME ? "back" : "home");
    return false;
}

bool live_look(Live *live, Error *err)
{
    ReceiveStatus received;
    ApplyStatus applied;

    if (clock_seconds() < live->next_look)
        return true;
    live->next_look = clock_seconds() + LOOK_EVERY_S;
    receiver_status(live->feed.receiver, &received);
    if (!live_keep_system(live, err))
        return false;
    if (!received.running)
        return live_fail_receiver(live, &received, err);
    live_slot_look(live, &received);
    /* not run: within moments, as a switch that has ended has started one, or is tried again */
    if (!live->feed.applier && !live_apply(live, err))
        return false;
    applier_status(live->feed.applier, &applied);
    if (!applied.running) {
        retry_applier(live, &applied);
        return true;
    }
    if (applied.applied > live->last_applied || received.received == applied.applied) {
        live->applier_retry = 0;
        live->last_error = NULL;
    }
    live->last_applied = applied.applied;
    receiver_set_applied(live->feed.receiver, applied.applied);
    note_rate(live, &applied);
    return spool_prune(live->feed.spool, applied.applied, err) &&
           follow_phase(live, live_behind(&received, &applied), err) &&
           drop_slots(live, &received, &applied, err) && look_at_rows(live, err) &&
           look_at_schema(live, err);
}
