/* A feed at work: its spool, receiver and applier. */
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "move/live.h"

enum {
    MAX_NAMED = 4096,
    SLOT_WAITS_S = 10, /* for each transaction that its server has open */
};

bool live_receive(Live *live, Error *err)
{
    LiveFeed *feed = &live->feed;

    if (!feed->spool &&
        !spool_open(live->config->dir, live->job.state.move.id, feed->number, &feed->spool, err))
        return false;
    if (feed->receiver)
        return true;
    if (!live_load_system(live, live_from(live), &live->system, err))
        return false; /* not run: the feed was read from the same state a moment before */
    ReceiveRequest request = {
        .from = live_url(live, live_from(live)),
        .slot = feed->slot,
        .publication = live->publication,
        .start = feed->start,
        .system = live->system,
        .spool = feed->spool,
        .spool_limit = live->options->spool_limit,
    };
    return receiver_start(&request, &feed->receiver, err);
}

/* Until the first cutover nobody reads home; after it the side that changes go to is another
 * database's fallback, which must be as the other was at any moment. */
static ApplyMode feed_mode(const Live *live)
{
    return live->feed.direction == DIRECTION_FORWARD ? APPLY_NET : APPLY_ORDERED;
}

bool live_apply(Live *live, Error *err)
{
    LiveFeed *feed = &live->feed;

    if (!live_receive(live, err))
        return false;
    if (feed->applier)
        return true;
    ApplyRequest request = {
        .to = live_url(live, live_to(live)),
        .mode = feed_mode(live),
        .feed = feed->number,
        .token = live->token,
        .spool = feed->spool,
        .touched = live->touched,
        .identities = live->job.identities,
        .identities_back = feed->direction == DIRECTION_BACK,
        .jobs = live->job.jobs > 0 ? live->job.jobs : 2,
    };
    live->applier_retry = 0;
    return applier_start(&request, &feed->applier, err);
}

void live_feed_stop(Live *live)
{
    LiveFeed *feed = &live->feed;

    applier_stop(feed->applier);
    feed->applier = NULL;
    receiver_stop(feed->receiver);
    feed->receiver = NULL;
    spool_close(feed->spool);
    feed->spool = NULL;
}

const char *live_slot_waits_for(PGconn *conn, Arena *arena)
{
    auto_result PGresult *res = NULL;
    Text text = text_init(arena, MAX_NAMED);
    Error ignored = ERROR_INIT;

    if (!pg_query(conn, sql_live_open_transactions, 0, NULL, &res, &ignored))
        return NULL;
    for (int i = 0; i < PQntuples(res); i++)
        text_addf(&text, "%s%s", i > 0 ? "; " : "", pg_cell(res, i, 0));
    return text.len > 0 ? text_str(&text) : NULL;
}

bool live_check_system(Live *live, LiveSideName side, PGconn *replication, bool temporary,
                       Error *err)
{
    SystemId then;
    SystemId now;

    if (!live_load_system(live, side, &then, err) || !replication_identify(replication, &now, err))
        return false; /* not run: both were asked a moment before */
    if (*then.id && *now.id && strcmp(then.id, now.id) != 0)
        return receive_other(live_url(live, side), &then, &now, err);
    return temporary || live_note_system(live, side, &now, err);
}

/* Before anything else is looked at: what came from a server that took over is refused next time
 * where it is not known that it did. */
bool live_keep_system(Live *live, Error *err)
{
    ReceiveStatus received;

    if (!live->feed.receiver)
        return true;
    receiver_status(live->feed.receiver, &received);
    const SystemId *now = &received.system;
    if (!*now->id ||
        (strcmp(now->id, live->system.id) == 0 && now->timeline == live->system.timeline))
        return true;
    live->system = *now;
    return live_note_system(live, live_from(live), now, err);
}

bool live_create_slot(Live *live, LiveSideName side, PGconn *replication,
                      const SlotRequest *request, SlotPoint *ret, Error *err)
{
    Error ignored = ERROR_INIT;
    PGconn *conn = NULL;

    if (!live_check_system(live, side, replication, request->temporary, err))
        return false;
    if (pg_execf(replication, err, "SET lock_timeout = '%ds'", (int)SLOT_WAITS_S) &&
        replication_create_slot(replication, live->arena, request->name, request->temporary, ret,
                                err))
        return true;
    if (strcmp(err->sqlstate, PG_LOCK_NOT_AVAILABLE) != 0)
        return false;
    const char *who =
        live_connect(live, side, &conn, &ignored) ? live_slot_waits_for(conn, live->arena) : NULL;
    return error_hint(err, "It waits for transactions to end%s%s. Then try again.", who ? ": " : "",
                      who ? who : "");
}

static bool drop_one(Live *live, const LiveFeed *feed, Error *err)
{
    LiveSideName side = feed->direction == DIRECTION_FORWARD ? LIVE_SOURCE : LIVE_HOME;
    PGconn *conn = NULL;

    return live_connect(live, side, &conn, err) &&
           replication_drop_slot(conn, feed->slot, LIVE_RECONNECT_S, err) &&
           live_forget_feed(live, feed->number, err);
}

bool live_drop_others(Live *live, Error *err)
{
    LiveFeed current;
    LiveFeed *others = NULL;
    int count = 0;

    if (!live_load_feeds(live, &current, &others, &count, err))
        return false;
    for (int i = 0; i < count; i++) {
        Error later = ERROR_INIT;
        if (!drop_one(live, &others[i], &later))
            log_warn("a slot that is no longer needed could not be dropped yet",
                     kv_str("slot", others[i].slot), kv_str("reason", later.message));
    }
    return true;
}
