/*
 * The applier seen from outside, and the dispatcher's life: it opens a feed, runs it in its mode
 * until something breaks, and begins again from what is committed. Whatever was in memory is thrown
 * away then; progress on the side is the only truth.
 */
#include "move/apply.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "move/apply_private.h"
#include "pg/pg.h"

enum {
    WINDOW_BYTES = 32 << 20,
    WINDOW_MS = 500,
    FIRST_WAIT_MS = 100,
    LONGEST_WAIT_MS = 3000,
    HEALTHY_S = 10, /* a run of this length begins with short waits again */
};

static const double stop_look_s = 0.1; /* between looks whether we are to stop */

/* ---- status ---- */

void applier_note_done(Applier *applier, const Done *done)
{
    (void)pthread_mutex_lock(&applier->lock);
    applier->status.transactions += done->transactions;
    applier->status.rows += done->rows;
    if (done->time)
        applier->status.applied_time = done->time;
    (void)pthread_mutex_unlock(&applier->lock);
}

void applier_note_replay(Applier *applier)
{
    (void)pthread_mutex_lock(&applier->lock);
    applier->status.replays++;
    (void)pthread_mutex_unlock(&applier->lock);
}

static Marker *find_marker(Applier *applier, const char *content)
{
    for (int i = 0; i < MAX_MARKERS; i++)
        if (applier->markers[i].end && strcmp(applier->markers[i].content, content) == 0)
            return &applier->markers[i];
    return NULL;
}

void applier_note_marker(Applier *applier, const Marker *marker)
{
    (void)pthread_mutex_lock(&applier->lock);
    Marker *known = find_marker(applier, marker->content);
    if (!known)
        known = &applier->markers[applier->marker_count++ % MAX_MARKERS];
    *known = *marker;
    (void)pthread_mutex_unlock(&applier->lock);
}

void applier_note_floor(Applier *applier, Lsn floor)
{
    (void)pthread_mutex_lock(&applier->lock);
    applier->status.applied = floor;
    (void)pthread_cond_broadcast(&applier->changed);
    (void)pthread_mutex_unlock(&applier->lock);
}

void applier_note_connected(Applier *applier)
{
    (void)pthread_mutex_lock(&applier->lock);
    applier->status.connected = true;
    applier->status.error = ERROR_INIT;
    (void)pthread_mutex_unlock(&applier->lock);
}

static void note_broken(Applier *applier, const Error *err, bool over, bool schema_change)
{
    (void)pthread_mutex_lock(&applier->lock);
    applier->status.connected = false;
    applier->status.running = !over;
    applier->status.schema_change = over && schema_change;
    applier->status.error = *err;
    (void)pthread_cond_broadcast(&applier->changed);
    (void)pthread_mutex_unlock(&applier->lock);
}

void applier_note_waiting(Applier *applier)
{
    Error waiting = ERROR_INIT;

    (void)error_set(&waiting, ERR_WRONG_STATE,
                    "waiting for an earlier session of ours on that side to end: what it commits "
                    "may still come");
    (void)error_hint(&waiting, "In its pg_stat_activity it is a \"homeport apply\". One that waits "
                               "for SyncRep goes on when a synchronous standby is there again.");
    log_warn("the applier does not begin yet", kv_i64("feed", applier->request.feed),
             kv_str("reason", waiting.message));
    note_broken(applier, &waiting, false, false);
}

void applier_wait_ms(Applier *applier, int ms)
{
    struct timespec until = clock_after_ms(ms);

    (void)pthread_mutex_lock(&applier->lock);
    while (!atomic_load(&applier->stop) &&
           pthread_cond_timedwait(&applier->changed, &applier->lock, &until) == 0)
        continue;
    (void)pthread_mutex_unlock(&applier->lock);
}

bool applier_is_awaited(Applier *applier)
{
    (void)pthread_mutex_lock(&applier->lock);
    bool awaited = applier->waiters > 0;
    (void)pthread_mutex_unlock(&applier->lock);
    return awaited;
}

bool applier_wants_pause(Applier *applier)
{
    (void)pthread_mutex_lock(&applier->lock);
    bool wants = applier->want_pause;
    (void)pthread_mutex_unlock(&applier->lock);
    return wants;
}

void applier_hold(Applier *applier, bool *ret_reload)
{
    (void)pthread_mutex_lock(&applier->lock);
    applier->status.paused = true;
    (void)pthread_cond_broadcast(&applier->changed);
    while (applier->want_pause && !atomic_load(&applier->stop))
        (void)pthread_cond_wait(&applier->changed, &applier->lock);
    applier->status.paused = false;
    *ret_reload = applier->want_reload;
    applier->want_reload = false;
    (void)pthread_mutex_unlock(&applier->lock);
}

void applier_status(Applier *applier, ApplyStatus *ret)
{
    (void)pthread_mutex_lock(&applier->lock);
    *ret = applier->status;
    (void)pthread_mutex_unlock(&applier->lock);
}

/* ---- the dispatcher's life ---- */

static bool may_stage(Feed *feed, bool *ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!pg_query(feed->conn, sql_apply_rights, 0, NULL, &res, err))
        return false;
    *ret = pg_cell_bool(res, 0, 0);
    return true;
}

bool applier_refuse_triggers(Error *err)
{
    (void)error_set(err, ERR_SQL,
                    "this role may not set session_replication_role on the side that is written "
                    "to: foreign keys and triggers would act on what is only copied");
    (void)snprintf(err->sqlstate, sizeof err->sqlstate, "42501");
    return error_hint(err, "As a superuser there: GRANT SET ON PARAMETER session_replication_role "
                           "TO the role; before 15, ALTER ROLE ... SUPERUSER.");
}

/* Set-wise needs foreign keys out of the way, and temporary tables. Where triggers of the app fire
 * nothing is applied but what goes back to a side on which they were disabled for it. */
static bool run_mode(Feed *feed, Error *err)
{
    bool net = feed->applier->request.mode == APPLY_NET;
    bool windows = feed->replica;

    if (net && !feed->replica)
        return applier_refuse_triggers(err);
    if (windows && !may_stage(feed, &windows, err))
        return false;
    log_debug("applier begins", kv_str("mode", net ? "net" : "ordered"), kv_i64("windows", windows),
              kv_i64("replica", feed->replica));
    return windows ? net_run(feed, err) : ordered_run(feed, err);
}

static bool run_once(Applier *applier, bool *ret_schema_change, Error *err)
{
    Feed feed = {0};

    if (!feed_open(applier, &feed, err))
        return false;
    bool ok = run_mode(&feed, err);
    /* The side's catalogue changed under statements that were right before. */
    *ret_schema_change = feed.schema_change || strcmp(err->sqlstate, "42P01") == 0 ||
                         strcmp(err->sqlstate, "42703") == 0;
    feed_close(&feed);
    return ok;
}

static void *dispatcher_main(void *arg)
{
    Applier *applier = arg;
    int wait = FIRST_WAIT_MS;
    bool over = false;

    while (!over && !atomic_load(&applier->stop)) {
        Error err = ERROR_INIT;
        double since = clock_seconds();
        bool schema_change = false;

        if (run_once(applier, &schema_change, &err) || atomic_load(&applier->stop))
            break;
        over = !apply_error_passes(&err);
        log_debug("applier was interrupted", kv_str("reason", err.message), kv_i64("over", over));
        note_broken(applier, &err, over, schema_change);
        if (clock_seconds() - since > HEALTHY_S)
            wait = FIRST_WAIT_MS;
        if (!over)
            applier_wait_ms(applier, wait);
        wait = wait * 2 < LONGEST_WAIT_MS ? wait * 2 : LONGEST_WAIT_MS;
    }
    (void)pthread_mutex_lock(&applier->lock);
    applier->status.running = false;
    applier->status.connected = false;
    (void)pthread_cond_broadcast(&applier->changed);
    (void)pthread_mutex_unlock(&applier->lock);
    return NULL;
}

bool applier_start(const ApplyRequest *request, Applier **ret, Error *err)
{
    Applier *applier = memory_zeroed(1, sizeof *applier);

    applier->request = *request;
    if (applier->request.window_bytes == 0)
        applier->request.window_bytes = WINDOW_BYTES;
    if (applier->request.window_ms == 0)
        applier->request.window_ms = WINDOW_MS;
    assert(applier->request.jobs >= 1 && applier->request.jobs <= MAX_JOBS);
    (void)pthread_mutex_init(&applier->lock, NULL);
    clock_cond_init(&applier->changed);
    applier->status.running = true;
    if (pthread_create(&applier->thread, NULL, dispatcher_main, applier) != 0) {
        free(applier);
        return error_set(err, ERR_IO, "no thread could be started");
    }
    *ret = applier;
    return true;
}

void applier_stop(Applier *applier)
{
    if (!applier)
        return;
    atomic_store(&applier->stop, true);
    (void)pthread_mutex_lock(&applier->lock);
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        if (applier->connections[i] && PQsocket(applier->connections[i]) >= 0)
            (void)shutdown(PQsocket(applier->connections[i]), SHUT_RDWR);
    (void)pthread_cond_broadcast(&applier->changed);
    (void)pthread_mutex_unlock(&applier->lock);
    spool_wake(applier->request.spool);
    (void)pthread_join(applier->thread, NULL);
    (void)pthread_cond_destroy(&applier->changed);
    (void)pthread_mutex_destroy(&applier->lock);
    free(applier);
}

/* ---- waiting for it ---- */

/* Under the lock; false: the deadline has passed, it has stopped, or we are to stop. */
static bool wait_changed(Applier *applier, double deadline_s, const char *what, Error *err)
{
    double look_s = clock_seconds() + stop_look_s;
    struct timespec until = clock_at(deadline_s < look_s ? deadline_s : look_s);

    if (!applier->status.running) {
        if (applier->status.error.code != ERR_NONE)
            *err = applier->status.error;
        else
            (void)error_set(err, ERR_WRONG_STATE, "the applier has stopped");
        return false;
    }
    if (cancel_pending())
        return cancel_error(err);
    if (clock_seconds() >= deadline_s)
        return error_set(err, ERR_WRONG_STATE, "not in time: %s", what);
    (void)pthread_cond_timedwait(&applier->changed, &applier->lock, &until);
    return true;
}

bool applier_pause(Applier *applier, double deadline_s, Lsn *ret, Error *err)
{
    bool ok = true;

    (void)pthread_mutex_lock(&applier->lock);
    applier->want_pause = true;
    spool_wake(applier->request.spool);
    while (ok && !applier->status.paused)
        ok = wait_changed(applier, deadline_s, "the applier did not come to a halt", err);
    if (ok)
        *ret = applier->status.applied;
    else
        applier->want_pause = false;
    (void)pthread_mutex_unlock(&applier->lock);
    return ok;
}

void applier_resume(Applier *applier)
{
    (void)pthread_mutex_lock(&applier->lock);
    applier->want_pause = false;
    (void)pthread_cond_broadcast(&applier->changed);
    (void)pthread_mutex_unlock(&applier->lock);
}

void applier_reload(Applier *applier)
{
    (void)pthread_mutex_lock(&applier->lock);
    applier->want_reload = true;
    (void)pthread_mutex_unlock(&applier->lock);
}

bool applier_wait_marker(Applier *applier, const char *content, double deadline_s, Lsn *ret,
                         Error *err)
{
    const Marker *found = NULL;
    bool ok = true;

    (void)pthread_mutex_lock(&applier->lock);
    applier->waiters++;
    spool_wake(applier->request.spool);
    while (ok &&
           !((found = find_marker(applier, content)) && applier->status.applied >= found->end))
        ok = wait_changed(applier, deadline_s, "the marker has not been applied", err);
    if (ok)
        *ret = found->end;
    applier->waiters--;
    (void)pthread_mutex_unlock(&applier->lock);
    return ok;
}

bool applier_wait_lsn(Applier *applier, Lsn lsn, double deadline_s, Error *err)
{
    bool ok = true;

    (void)pthread_mutex_lock(&applier->lock);
    applier->waiters++;
    spool_wake(applier->request.spool);
    while (ok && applier->status.applied < lsn)
        ok = wait_changed(applier, deadline_s, "the position has not been applied", err);
    applier->waiters--;
    (void)pthread_mutex_unlock(&applier->lock);
    return ok;
}
