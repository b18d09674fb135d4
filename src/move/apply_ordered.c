/*
 * Change by change, where windows cannot be (apply.h). A group of whole transactions shares a
 * commit for some milliseconds or changes; its floor is in the same commit. COMMIT is sent when
 * every reply before it is read and good, and its own reply is read while the next group is under
 * way.
 *
 * Most commits do not wait for the side's disk; from time to time, at markers and when there is
 * nothing more to do one does, and with it all before it are durable: only then is the floor said
 * to be there.
 */
#include <assert.h>
#include <string.h>

#include "core/clock.h"
#include "move/apply_private.h"
#include "pg/pg.h"

enum {
    GROUP_MS = 20,
    GROUP_CHANGES = 2000,
    DURABLE_MS = 200,
    IDLE_MS = 500,
    QUIET_MS = 1000, /* how often the floor is raised while nothing is to be applied */
};

typedef struct Group {
    bool open;    /* begun on the side */
    double since; /* clock_seconds() of its begin */
    int64_t changes;
    Lsn end;
    Done done;
    bool durable;
    bool marked; /* a marker is in it */
} Group;

typedef struct Ordered {
    Feed *feed;
    Rows *rows;
    Group group;
    Group sent; /* its COMMIT is on its way */
    int64_t committed;
    bool in_transaction;
    Marker marker; /* of the transaction that is read, where it has one */
    bool has_marker;
    Lsn quiet;
    Lsn reached; /* committed, perhaps not durably */
    double durable_s;
    int64_t transaction; /* its number, for rule 19 */
    Arena *arena;
} Ordered;

static void note_sent(Ordered *ordered)
{
    Group *sent = &ordered->sent;

    if (!sent->open || rows_committed(ordered->rows) <= ordered->committed)
        return;
    ordered->committed = rows_committed(ordered->rows);
    ordered->reached = sent->end;
    applier_note_done(ordered->feed->applier, &sent->done);
    if (sent->durable) {
        ordered->feed->floor = sent->end;
        ordered->durable_s = clock_seconds();
        applier_note_floor(ordered->feed->applier, sent->end);
    }
    sent->open = false;
}

static bool open_group(Ordered *ordered, Error *err)
{
    if (ordered->group.open)
        return true;
    ordered->group.open = true;
    ordered->group.since = clock_seconds();
    return rows_begin(ordered->rows, err);
}

static bool close_group(Ordered *ordered, bool durable, Error *err)
{
    Group *group = &ordered->group;
    Rows *rows = ordered->rows;

    if (!rows_settle(rows, err))
        return false;
    note_sent(ordered);
    group->durable =
        durable || group->marked || clock_seconds() - ordered->durable_s > DURABLE_MS / 1000.0;
    if (group->durable && !rows_statement(rows, "SET LOCAL synchronous_commit = on", NULL, err))
        return false;
    if (!rows_progress(rows, ordered->feed->applier->request.feed, NULL, NULL, group->end, err) ||
        !rows_commit(rows, err))
        return false;
    ordered->sent = *group;
    *group = (Group){0};
    if (!ordered->sent.durable)
        return true;
    if (!rows_finish(rows, err))
        return false;
    note_sent(ordered);
    return true;
}

/* The floor where nothing is to be applied: what is committed is made durable, what the source says
 * of its quiet is believed. */
static bool raise_floor(Ordered *ordered, Error *err)
{
    Feed *feed = ordered->feed;

    if (!rows_finish(ordered->rows, err))
        return false;
    note_sent(ordered);
    Lsn floor = ordered->quiet > ordered->reached ? ordered->quiet : ordered->reached;
    if (floor <= feed->floor)
        return true;
    bool due = ordered->reached > feed->floor || applier_is_awaited(feed->applier) ||
               clock_seconds() - ordered->durable_s > QUIET_MS / 1000.0;
    if (!due)
        return true;
    if (!open_group(ordered, err))
        return false;
    ordered->group.end = floor;
    return close_group(ordered, true, err);
}

static bool parent_changed(const Ordered *ordered, const Binding *binding)
{
    for (int i = 0; i < binding->parent_count; i++)
        for (const Bound *bound = ordered->feed->bound; bound; bound = bound->hh.next)
            if (bound->binding->changed_in == ordered->transaction &&
                strcmp(bound->binding->schema, binding->parents[i].schema) == 0 &&
                strcmp(bound->binding->name, binding->parents[i].name) == 0)
                return true;
    return false;
}

static bool take_change(Ordered *ordered, const SpoolItem *item, Error *err)
{
    Feed *feed = ordered->feed;
    Binding *binding = NULL;
    RowChange change;
    bool skip = false;

    if (!feed_change(feed, item, &binding, &change, &skip, err))
        return false;
    bool cascades = item->message->kind != PGOUTPUT_INSERT;
    if (skip) {
        /* It has been done here as well, and its cascades with it. */
        if (cascades)
            binding->changed_in = ordered->transaction;
        return true;
    }
    if (!open_group(ordered, err))
        return false;
    bool cascaded = cascades && binding->parent_count > 0 && parent_changed(ordered, binding);
    if (!rows_change(ordered->rows, binding, &change, cascaded, err))
        return false;
    if (cascades)
        binding->changed_in = ordered->transaction;
    feed_touch_change(feed, binding, &change);
    ordered->group.changes++;
    ordered->group.done.rows++;
    return true;
}

static bool take_truncate(Ordered *ordered, const SpoolItem *item, Error *err)
{
    const char *sql = NULL;

    arena_reset(ordered->arena);
    if (!feed_truncate(ordered->feed, ordered->arena, item, &sql, err))
        return false;
    if (!sql)
        return true;
    ordered->group.changes++;
    return open_group(ordered, err) && rows_statement(ordered->rows, sql, NULL, err);
}

static bool take_message(Ordered *ordered, const SpoolItem *item, Error *err)
{
    switch (item->message->kind) {
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        return take_change(ordered, item, err);
    case PGOUTPUT_TRUNCATE:
        return take_truncate(ordered, item, err);
    default:
        if (feed_marker(item->message, &ordered->marker))
            ordered->has_marker = true;
        return true;
    }
}

static bool is_full(const Group *group)
{
    return group->changes >= GROUP_CHANGES || clock_seconds() - group->since > GROUP_MS / 1000.0;
}

static bool take_commit(Ordered *ordered, const SpoolItem *item, Error *err)
{
    Group *group = &ordered->group;
    Lsn before = group->end;

    ordered->in_transaction = false;
    if (ordered->has_marker) {
        ordered->marker.end = item->end;
        applier_note_marker(ordered->feed->applier, &ordered->marker);
        group->marked = true;
    }
    /* Of nothing that concerns this side: only the floor moves. */
    if (!group->open && !ordered->has_marker) {
        ordered->quiet = item->end;
        return true;
    }
    assert(item->end >= before);
    group->end = item->end;
    group->done.transactions++;
    group->done.time = item->time;
    if (!ordered->has_marker && !is_full(group))
        return true;
    ordered->has_marker = false;
    return open_group(ordered, err) && close_group(ordered, false, err);
}

static bool take_item(Ordered *ordered, const SpoolItem *item, Error *err)
{
    switch (item->kind) {
    case SPOOL_BEGIN:
        ordered->in_transaction = true;
        ordered->feed->commit = item->commit;
        ordered->transaction++;
        return true;
    case SPOOL_CHANGE:
        return take_message(ordered, item, err);
    case SPOOL_COMMIT:
        return take_commit(ordered, item, err);
    case SPOOL_QUIET:
        ordered->quiet = item->end;
        if (ordered->group.open)
            return true;
        return raise_floor(ordered, err);
    case SPOOL_NOTHING:
        break;
    }
    if (ordered->in_transaction)
        return true;
    if (ordered->group.open && !close_group(ordered, true, err))
        return false;
    return raise_floor(ordered, err);
}

static bool hold(Ordered *ordered, Error *err)
{
    bool reload = false;

    if (ordered->group.open && !close_group(ordered, true, err))
        return false;
    ordered->durable_s = 0;
    if (!raise_floor(ordered, err) || !rows_leave(ordered->rows, err))
        return false;
    applier_hold(ordered->feed->applier, &reload);
    return !reload || feed_reload(ordered->feed, err);
}

static bool run(Ordered *ordered, Error *err)
{
    Feed *feed = ordered->feed;

    while (!atomic_load(&feed->applier->stop)) {
        SpoolItem item = {0};
        int timeout_ms = IDLE_MS;

        if (!ordered->in_transaction && applier_wants_pause(feed->applier) && !hold(ordered, err))
            return false;
        /* A group waits for company no longer than its time. */
        if (ordered->group.open || ordered->sent.open)
            timeout_ms = ordered->in_transaction ? IDLE_MS : GROUP_MS / 4;
        if (!spool_next(feed->reader, timeout_ms, &item, err) || !take_item(ordered, &item, err))
            return false;
    }
    return true;
}

bool ordered_run(Feed *feed, Error *err)
{
    PGconn *conn = NULL;
    bool replica = false;

    /* The feed's own connection stays out of the pipeline: it reads the catalogue meanwhile. */
    if (!side_connect(feed->applier, "apply rows", &conn, &replica, err))
        return false;
    Ordered ordered = {
        .feed = feed,
        .rows = rows_new(conn, &feed->applier->stop),
        .arena = arena_new(),
        .reached = feed->floor,
        .durable_s = clock_seconds(),
    };
    bool ok = run(&ordered, err);

    rows_free(ordered.rows);
    arena_free(ordered.arena);
    side_close(feed->applier, conn);
    return ok;
}
