/*
 * The dispatcher of windows. It reads the spool into a window, reduced as it comes, while the
 * workers apply the one before. A window ends at the end of a transaction; one that does not fit
 * into memory goes to the workers in batches, and they commit at its end.
 *
 * A transaction with TRUNCATE is a window alone, on one worker, and its progress is the floor
 * (rule 14). As that is seen only when the TRUNCATE comes, what was taken of the window is thrown
 * away then, and read again with this in mind.
 *
 * In `ordered` every window is small and joint: of all tables, in one transaction of the side on
 * the one worker, and its progress is the floor. A TRUNCATE is done where it stands then.
 *
 * A table whose window trips is replayed from the spool, change by change, before anything else of
 * it is applied (rule 16); the window that was being read is thrown away and read again after it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "move/apply_workers.h"
#include "pg/pg.h"

enum {
    SHORT_MS = 20,   /* while something is under way */
    IDLE_MS = 500,   /* while nothing is */
    GATHER_MS = 50,  /* a window waits for company so long, when workers are idle */
    FLOOR_MS = 1000, /* how often the floor is raised */
    ORDERED_MS = 20,
    ORDERED_BYTES = 4 << 20, /* of memory: some thousand changes, applied in a tenth of a second */
};

typedef struct Batch {
    Arena *arena;
    TableBatch *tables;
    size_t bytes;
    int64_t number; /* another one each time it is begun */
} Batch;

typedef struct Window {
    int64_t number;
    bool open;
    bool sent;  /* something of it was handed to workers */
    bool joint; /* one transaction of the side, on one worker: its progress is the floor */
    bool alone; /* of one transaction of the source, too */
    SpoolPosition start;
    double since;
    Lsn end;
    Done done;
    bool marked; /* a marker is in it */
} Window;

typedef struct Net {
    Feed *feed;
    Workers *workers;
    int jobs;
    bool ordered; /* every window is joint, and small */
    Rows *rows;   /* for replays, on the feed's own connection */
    NetTable *tables;
    Batch batches[2];
    int filling;
    Window window; /* that is read */
    Window flight; /* that the workers commit */
    int64_t windows;
    bool in_transaction;
    Marker marker; /* of the transaction that is read, where it has one */
    bool has_marker;
    bool urgent;     /* a marker is committed, above the floor */
    bool rewound;    /* the reader stands elsewhere: what was being read is void */
    Lsn lone_commit; /* the transaction that is to be a window alone; 0: none */
    Lsn reached;
    Lsn quiet;
    double floor_s;
} Net;

static void batch_reset(Batch *batch)
{
    for (TableBatch *table = batch->tables; table; table = table->next)
        table_batch_clear(table);
    arena_reset(batch->arena);
    batch->tables = NULL;
    batch->bytes = 0;
    batch->number += 2; /* two take turns: one has the odd numbers */
}

static NetTable *find_table(Net *net, const Binding *binding)
{
    size_t schema_len = strlen(binding->schema) + 1;
    size_t len = schema_len + strlen(binding->name);
    NetTable *table = NULL;
    char *id = arena_printf(net->feed->arena, "%s.%s", binding->schema, binding->name);

    id[schema_len - 1] = '\0';
    HASH_FIND(hh, net->tables, id, len, table);
    if (table)
        return table;
    table = arena_alloc(net->feed->arena, sizeof *table + len + 1);
    memcpy(table->id, id, len);
    table->schema = binding->schema;
    table->name = binding->name;
    HASH_ADD_KEYPTR(hh, net->tables, table->id, len, table);
    return table;
}

/* Found once for a binding: this is asked for every change. */
static NetTable *table_of(Net *net, Binding *binding)
{
    if (!binding->owner)
        binding->owner = find_table(net, binding);
    return binding->owner;
}

/* ---- floor ---- */

static bool raise_floor(Net *net, Lsn floor, Error *err)
{
    if (floor > net->feed->floor) {
        if (!feed_write_floor(net->feed, floor, err))
            return false;
        net->feed->floor = floor;
    }
    net->floor_s = clock_seconds();
    applier_note_floor(net->feed->applier, net->feed->floor);
    net->urgent = false;
    return true;
}

static bool raise_floor_when_due(Net *net, bool idle, Error *err)
{
    bool quiet = idle && net->quiet > net->reached;
    Lsn floor = quiet ? net->quiet : net->reached;
    double age_ms = (clock_seconds() - net->floor_s) * 1000;

    if (floor <= net->feed->floor)
        return true;
    bool due = net->urgent || age_ms > FLOOR_MS || (idle && net->reached > net->feed->floor) ||
               applier_is_awaited(net->feed->applier);
    return !due || raise_floor(net, floor, err);
}

/* ---- replay ---- */

static bool replays(Net *net, const Window *window, const SpoolItem *item, bool *ret, Error *err)
{
    Binding *binding = NULL;

    if (!feed_binding(net->feed, item->relation, &binding, err))
        return false;
    const NetTable *table = table_of(net, binding);
    *ret = window->joint || (table->window == window->number && table->tripped);
    return true;
}

static bool replay_item(Net *net, const Window *window, const SpoolItem *item, Error *err)
{
    auto_arena Arena *arena = arena_new();
    Binding *binding = NULL;
    RowChange change;
    bool wanted = false;
    bool skip = false;
    const char *sql = NULL;

    if (item->message->kind == PGOUTPUT_TRUNCATE)
        return feed_truncate(net->feed, arena, item, &sql, err) &&
               (!sql || rows_statement(net->rows, sql, NULL, err));
    if (!item->relation)
        return true;
    if (!replays(net, window, item, &wanted, err))
        return false;
    if (!wanted)
        return true;
    if (!feed_change(net->feed, item, &binding, &change, &skip, err))
        return false;
    if (skip)
        return true;
    /* What a worker did not come to is in nobody's notes. */
    feed_touch_change(net->feed, binding, &change);
    return rows_change(net->rows, binding, &change, false, err);
}

/* From the window's begin to its end. */
static bool replay_changes(Net *net, const Window *window, Error *err)
{
    if (!spool_seek(net->feed->reader, window->start, err))
        return false;
    for (;;) {
        SpoolItem item = {0};

        if (!spool_next(net->feed->reader, IDLE_MS, &item, err))
            return false;
        if (atomic_load(&net->feed->applier->stop))
            /* not run: by chance, within moments */
            return error_set(err, ERR_CANCELLED, "stopped");
        if (item.kind == SPOOL_BEGIN)
            net->feed->commit = item.commit;
        if (item.kind == SPOOL_CHANGE && !replay_item(net, window, &item, err))
            return false;
        if (item.kind == SPOOL_COMMIT && item.end >= window->end)
            return true;
    }
}

static bool replay_progress(Net *net, const Window *window, Error *err)
{
    int feed = net->feed->applier->request.feed;

    if (window->joint)
        return rows_progress(net->rows, feed, NULL, NULL, window->end, err);
    for (const NetTable *table = net->tables; table; table = table->hh.next)
        if (table->window == window->number && table->tripped &&
            !rows_progress(net->rows, feed, table->schema, table->name, window->end, err))
            return false;
    return true;
}

static bool replay(Net *net, const Window *window, Error *err)
{
    log_debug("replaying a window", kv_i64("window", window->number));
    applier_note_replay(net->feed->applier);
    bool ok = rows_begin(net->rows, err) && replay_changes(net, window, err) &&
              replay_progress(net, window, err) && rows_commit(net->rows, err) &&
              rows_leave(net->rows, err);
    return ok;
}

static bool has_tripped(const Net *net, const Window *window)
{
    bool any = window->joint && workers_tripped(net->workers, 0);

    for (NetTable *table = net->tables; table; table = table->hh.next) {
        if (table->window != window->number)
            continue;
        table->tripped |= workers_tripped(net->workers, table->worker);
        any |= table->tripped;
    }
    return any;
}

static void void_window(Net *net)
{
    batch_reset(&net->batches[net->filling]);
    net->window.open = false;
    net->in_transaction = false;
    net->has_marker = false;
    /* It was read behind transactions that are void now: no floor before they are applied. */
    net->quiet = 0;
    net->rewound = true;
}

/* ---- handing over ---- */

static void note_flight(Net *net)
{
    Window *flight = &net->flight;

    net->reached = flight->end;
    applier_note_done(net->feed->applier, &flight->done);
    net->urgent |= flight->marked;
    flight->open = false;
}

/* The workers are idle: what they did is looked at. */
static bool land(Net *net, Error *err)
{
    if (!workers_wait(net->workers, err))
        return false;
    if (!net->flight.open)
        return true;
    bool tripped = has_tripped(net, &net->flight);
    if (tripped) {
        /* Nothing of it is left open on a worker; their marks are taken away. */
        workers_post_abort(net->workers);
        if (!workers_wait(net->workers, err))
            return false;
        void_window(net);
        if (!replay(net, &net->flight, err))
            return false;
    }
    note_flight(net);
    return raise_floor_when_due(net, false, err);
}

static int least_loaded(const size_t *loads, int jobs)
{
    int best = 0;

    for (int i = 1; i < jobs; i++)
        if (loads[i] < loads[best])
            best = i;
    return best;
}

static TableBatch *largest_unassigned(const Net *net, TableBatch *tables)
{
    TableBatch *best = NULL;

    for (TableBatch *batch = tables; batch; batch = batch->next) {
        const NetTable *table = batch->owner;
        if (table->window != net->window.number && (!best || batch->bytes > best->bytes))
            best = batch;
    }
    return best;
}

/* A table stays with its worker until the window ends: that one has its locks. */
static void assign(Net *net, TableBatch *tables)
{
    size_t loads[MAX_JOBS] = {0};
    TableBatch *batch = NULL;

    for (batch = tables; batch; batch = batch->next) {
        const NetTable *table = batch->owner;
        if (table->window == net->window.number)
            loads[table->worker] += batch->bytes;
    }
    while ((batch = largest_unassigned(net, tables)) != NULL) {
        NetTable *table = batch->owner;

        table->window = net->window.number;
        table->tripped = false;
        table->worker = net->window.joint ? 0 : least_loaded(loads, net->jobs);
        loads[table->worker] += batch->bytes;
    }
}

/* The batch goes to the workers, as the window's last or not. *rewound where a replay came between:
 * then nothing was handed over. */
static bool submit(Net *net, bool last, Error *err)
{
    Batch *batch = &net->batches[net->filling];

    net->rewound = false;
    if (!land(net, err))
        return false;
    if (net->rewound)
        return true;
    assign(net, batch->tables);
    Job job = {
        .tables = batch->tables,
        .commit = last,
        .alone = last && !net->window.sent,
        .floor = last && net->window.joint,
        .window = net->window.number,
        .end = net->window.end,
    };
    if (batch->tables || net->window.sent)
        workers_post(net->workers, &job, net->window.joint ? 0 : -1);
    net->window.sent = true;
    net->filling = 1 - net->filling;
    batch_reset(&net->batches[net->filling]);
    if (last) {
        net->flight = net->window;
        net->window.open = false;
    }
    return true;
}

/* ---- reading ---- */

static void open_window(Net *net, const SpoolItem *item, bool alone)
{
    net->window = (Window){
        .number = ++net->windows,
        .open = true,
        .joint = alone || net->ordered,
        .alone = alone,
        .start = item->position,
        .since = clock_seconds(),
    };
}

static bool take_begin(Net *net, const SpoolItem *item, Error *err)
{
    bool alone = net->lone_commit != 0 && item->commit == net->lone_commit;

    if (alone && net->window.open) {
        if (!submit(net, true, err))
            return false;
        if (net->rewound)
            return true;
    }
    if (!net->window.open)
        open_window(net, item, alone);
    net->in_transaction = true;
    net->feed->commit = item->commit;
    return true;
}

/* Of the window that is read nothing is kept. */
static bool begin_again(Net *net, Error *err)
{
    SpoolPosition start = net->window.start;
    bool sent = net->window.sent;

    if (!land(net, err))
        return false;
    if (net->rewound)
        return true;
    if (sent) {
        workers_post_abort(net->workers);
        if (!workers_wait(net->workers, err))
            return false;
    }
    void_window(net);
    return spool_seek(net->feed->reader, start, err);
}

static TableBatch *new_batch(Batch *into, NetTable *table, const Binding *binding)
{
    TableBatch *batch = table_batch_new(into->arena, binding);

    batch->owner = table;
    batch->next = into->tables;
    into->tables = batch;
    table->batch = batch;
    table->filled = into->number;
    return batch;
}

static bool take_change(Net *net, const SpoolItem *item, Error *err)
{
    Binding *binding = NULL;
    RowChange change;
    bool skip = false;

    if (!feed_change(net->feed, item, &binding, &change, &skip, err))
        return false;
    if (skip)
        return true;
    NetTable *table = table_of(net, binding);
    bool begun = table->filled == net->batches[net->filling].number;
    TableBatch *batch = begun ? table->batch : NULL;
    if (batch && batch->binding != binding) {
        /* Described anew: what came before is of another shape. The item is read again after a
         * rewind, else it is still what it was. */
        if (!submit(net, false, err))
            return false;
        if (net->rewound)
            return true;
        batch = NULL;
    }
    Batch *into = &net->batches[net->filling];
    if (!batch)
        batch = new_batch(into, table, binding);
    size_t before = batch->bytes;
    table_batch_add(into->arena, batch, &change);
    into->bytes += batch->bytes - before;
    net->window.done.rows++;
    if ((int64_t)into->bytes < net->feed->applier->request.window_bytes)
        return true;
    return submit(net, false, err);
}

static bool take_truncate(Net *net, const SpoolItem *item, Error *err)
{
    const char *sql = NULL;

    if (!net->window.joint) {
        net->lone_commit = net->feed->commit;
        net->rewound = false;
        return begin_again(net, err);
    }
    Batch *batch = &net->batches[net->filling];
    if (batch->tables && !submit(net, false, err))
        return false;
    if (net->rewound)
        return true;
    if (!land(net, err))
        return false;
    if (net->rewound)
        return true;
    batch = &net->batches[net->filling];
    if (!feed_truncate(net->feed, batch->arena, item, &sql, err))
        return false;
    if (!sql)
        return true;
    Job job = {.truncate = sql, .window = net->window.number};
    workers_post(net->workers, &job, 0);
    net->window.sent = true;
    return workers_wait(net->workers, err);
}

static bool take_message(Net *net, const SpoolItem *item, Error *err)
{
    net->rewound = false;
    switch (item->message->kind) {
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        return take_change(net, item, err);
    case PGOUTPUT_TRUNCATE:
        return take_truncate(net, item, err);
    default:
        if (feed_marker(item->message, &net->marker))
            net->has_marker = true;
        return true;
    }
}

static bool is_worth_sending(Net *net)
{
    const ApplyRequest *request = &net->feed->applier->request;
    int64_t bytes = (int64_t)net->batches[net->filling].bytes;
    double age_ms = (clock_seconds() - net->window.since) * 1000;

    /* What is nearly full is sent before a transaction that does not fit any more begins. */
    if (bytes > request->window_bytes / 8 * 7 || (net->ordered && bytes > ORDERED_BYTES))
        return true;
    return age_ms > (net->ordered ? ORDERED_MS : request->window_ms) && workers_idle(net->workers);
}

static bool take_commit(Net *net, const SpoolItem *item, Error *err)
{
    Window *window = &net->window;

    net->in_transaction = false;
    window->end = item->end;
    window->done.transactions++;
    window->done.time = item->time;
    if (net->has_marker) {
        net->marker.end = item->end;
        applier_note_marker(net->feed->applier, &net->marker);
        window->marked = true;
    }
    if (!window->alone && !net->has_marker && !window->sent && !is_worth_sending(net))
        return true;
    if (window->alone)
        net->lone_commit = 0;
    net->has_marker = false;
    return submit(net, true, err);
}

/* The spool has nothing more: what there is goes out, and the floor comes after. */
static bool take_nothing(Net *net, Error *err)
{
    if (net->flight.open && workers_idle(net->workers)) {
        net->rewound = false;
        if (!land(net, err))
            return false;
    }
    if (net->in_transaction || net->flight.open)
        return true;
    if (net->window.open) {
        double age_ms = (clock_seconds() - net->window.since) * 1000;
        if (age_ms < GATHER_MS && !applier_is_awaited(net->feed->applier))
            return true;
        return submit(net, true, err);
    }
    return raise_floor_when_due(net, true, err);
}

static bool take_item(Net *net, const SpoolItem *item, Error *err)
{
    switch (item->kind) {
    case SPOOL_BEGIN:
        return take_begin(net, item, err);
    case SPOOL_CHANGE:
        return take_message(net, item, err);
    case SPOOL_COMMIT:
        return take_commit(net, item, err);
    case SPOOL_QUIET:
        net->quiet = item->end;
        break;
    case SPOOL_NOTHING:
        break;
    }
    return take_nothing(net, err);
}

static bool hold(Net *net, Error *err)
{
    bool reload = false;

    net->rewound = false;
    if (net->window.open && !submit(net, true, err))
        return false;
    if (net->rewound)
        return true;
    if (!land(net, err))
        return false;
    Lsn floor = net->quiet > net->reached ? net->quiet : net->reached;
    if (!raise_floor(net, floor, err))
        return false;
    applier_hold(net->feed->applier, &reload);
    return !reload || feed_reload(net->feed, err);
}

static int timeout_of(const Net *net)
{
    return net->window.open || net->flight.open ? SHORT_MS : IDLE_MS;
}

static bool run(Net *net, Error *err)
{
    Feed *feed = net->feed;

    while (!atomic_load(&feed->applier->stop)) {
        SpoolItem item = {0};

        if (!net->in_transaction && applier_wants_pause(feed->applier) && !hold(net, err))
            return false;
        if (!spool_next(feed->reader, timeout_of(net), &item, err) || !take_item(net, &item, err))
            return false;
    }
    return true;
}

bool net_run(Feed *feed, Error *err)
{
    bool ordered = feed->applier->request.mode == APPLY_ORDERED;
    Net net = {
        .feed = feed,
        .jobs = ordered ? 1 : feed->applier->request.jobs,
        .ordered = ordered,
        .rows = rows_new(feed->conn, &feed->applier->stop),
        .batches = {{.arena = arena_new(), .number = 1}, {.arena = arena_new(), .number = 2}},
        .reached = feed->floor,
        .floor_s = clock_seconds(),
    };
    bool ok = workers_start(feed, net.jobs, &net.workers, err) && run(&net, err);

    workers_stop(net.workers);
    for (int i = 0; i < 2; i++) {
        batch_reset(&net.batches[i]);
        arena_free(net.batches[i].arena);
    }
    HASH_CLEAR(hh, net.tables);
    rows_free(net.rows);
    return ok;
}
