#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "move/apply_private.h"
#include "move/fence.h"
#include "pg/pg.h"

enum {
    MAX_SQL = 1 << 20,
    FIRST_LOOK_MS = 10,
    LONGEST_LOOK_MS = 500,
    MAX_TOUCHED_VALUE = 4096 /* a longer key: the table counts as touched as a whole */
};

/* ---- connections ---- */

static bool register_connection(Applier *applier, PGconn *conn)
{
    bool found = false;

    (void)pthread_mutex_lock(&applier->lock);
    for (int i = 0; i < MAX_CONNECTIONS && !found; i++)
        if (!applier->connections[i]) {
            applier->connections[i] = conn;
            found = true;
        }
    (void)pthread_mutex_unlock(&applier->lock);
    return found && !atomic_load(&applier->stop);
}

void side_close(Applier *applier, PGconn *conn)
{
    if (!conn)
        return;
    (void)pthread_mutex_lock(&applier->lock);
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        if (applier->connections[i] == conn)
            applier->connections[i] = NULL;
    (void)pthread_mutex_unlock(&applier->lock);
    pg_close(conn);
}

/* Refused to who is not a superuser, unless it was granted. */
static bool set_replica(PGconn *conn, bool *ret_replica, Error *err)
{
    *ret_replica = pg_exec(conn, "SET session_replication_role = replica", err);
    if (!*ret_replica && (err->code != ERR_SQL || strcmp(err->sqlstate, "42501") != 0))
        return false;
    *err = ERROR_INIT;
    return true;
}

static bool open_session(Applier *applier, const char *role, PGconn **ret, bool *ret_replica,
                         Error *err)
{
    PGconn *conn = NULL;

    if (!pg_connect(applier->request.to, role, &conn, err))
        return false;
    bool ok = register_connection(applier, conn);
    if (!ok)
        (void)error_set(err, ERR_CANCELLED, "stopped");
    ok = ok && pg_exec(conn, sql_apply_session, err);
    ok = ok && (!applier->request.token || fence_pass(conn, applier->request.token, err));
    /* Row by row means by key. A plan made while a table was small or had no statistics would
     * read all of it for every row, for as long as the session lives. */
    if (applier->request.mode == APPLY_ORDERED)
        ok = ok && pg_exec(conn, "SET enable_seqscan = off; SET jit = off", err);
    ok = ok && set_replica(conn, ret_replica, err);
    if (!ok) {
        side_close(applier, conn);
        return false;
    }
    *ret = conn;
    return true;
}

/*
 * Until no session of an earlier run is left on that side. The server process of a connection that
 * broke, or of a mover that was killed, may still be at its COMMIT: progress that is read before
 * its end is too low, and its rows would be applied again beside those that it commits. It is
 * looked for again and again, as a statement that waits for hours would hold a snapshot of that
 * side.
 */
static bool wait_alone(Applier *applier, PGconn *conn, Error *err)
{
    int ms = FIRST_LOOK_MS;
    bool said = false;
    bool alone = false;

    while (!atomic_load(&applier->stop)) {
        if (!progress_share_first(conn, applier->request.feed, &alone, err))
            return false;
        if (alone)
            return true;
        if (ms == LONGEST_LOOK_MS && !said) {
            applier_note_waiting(applier);
            said = true;
        }
        applier_wait_ms(applier, ms);
        ms = ms * 2 < LONGEST_LOOK_MS ? ms * 2 : LONGEST_LOOK_MS;
    }
    return error_set(err, ERR_CANCELLED, "stopped");
}

/* The first session of a run. */
static bool open_first(Applier *applier, PGconn **ret, bool *ret_replica, Error *err)
{
    return open_session(applier, "apply", ret, ret_replica, err) && wait_alone(applier, *ret, err);
}

bool side_connect(Applier *applier, const char *role, PGconn **ret, bool *ret_replica, Error *err)
{
    PGconn *conn = NULL;

    if (!open_session(applier, role, &conn, ret_replica, err))
        return false;
    if (!progress_share(conn, applier->request.feed, err)) {
        side_close(applier, conn);
        return false;
    }
    *ret = conn;
    return true;
}

/* ---- progress ---- */

static bool read_positions(Feed *feed, Error *err)
{
    auto_result PGresult *res = NULL;
    Lsn least = 0;

    if (!progress_query(feed->conn, sql_apply_positions, feed->applier->request.feed, &res, err))
        return error_add_context(err, "read how far this side is");
    if (PQntuples(res) == 0)
        return error_set(err, ERR_WRONG_STATE,
                         "nothing says from where on feed %d is to be applied",
                         feed->applier->request.feed);
    feed->positions = arena_array(feed->arena, (size_t)PQntuples(res), sizeof(Position));
    feed->position_count = 0;
    feed->floor = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        Lsn lsn = 0;

        if (!lsn_parse(pg_cell(res, i, 2), &lsn))
            return error_set(err, ERR_FORMAT, "homeport.progress has no position in row %d", i);
        if (*pg_cell(res, i, 1) == '\0') {
            feed->floor = lsn;
            continue;
        }
        feed->positions[feed->position_count++] = (Position){
            .schema = arena_strdup(feed->arena, pg_cell(res, i, 0)),
            .name = arena_strdup(feed->arena, pg_cell(res, i, 1)),
            .lsn = lsn,
        };
        least = least == 0 || lsn < least ? lsn : least;
    }
    if (feed->floor == 0)
        feed->floor = least;
    return true;
}

static Lsn position_of(const Feed *feed, const char *schema, const char *name)
{
    for (int i = 0; i < feed->position_count; i++)
        if (strcmp(feed->positions[i].schema, schema) == 0 &&
            strcmp(feed->positions[i].name, name) == 0)
            return feed->positions[i].lsn > feed->floor ? feed->positions[i].lsn : feed->floor;
    return feed->floor;
}

bool feed_write_floor(Feed *feed, Lsn lsn, Error *err)
{
    return pg_exec(feed->conn, "BEGIN READ WRITE; SET LOCAL synchronous_commit = on", err) &&
           progress_set(feed->conn, feed->applier->request.feed, NULL, NULL, lsn, err) &&
           pg_exec(feed->conn, "COMMIT", err);
}

/* ---- open, close ---- */

bool feed_open(Applier *applier, Feed *ret, Error *err)
{
    Feed feed = {.applier = applier, .arena = arena_new()};
    bool ok = open_first(applier, &feed.conn, &feed.replica, err) && read_positions(&feed, err) &&
              /* It may have been committed without waiting for the disk. */
              feed_write_floor(&feed, feed.floor, err) &&
              spool_read(applier->request.spool, feed.floor, &feed.reader, err);

    if (!ok) {
        feed_close(&feed);
        return false;
    }
    applier_note_connected(applier);
    applier_note_floor(applier, feed.floor);
    *ret = feed;
    return true;
}

static void forget_bindings(Feed *feed)
{
    HASH_CLEAR(hh, feed->bound);
}

void feed_close(Feed *feed)
{
    forget_bindings(feed);
    if (feed->reader)
        spool_reader_close(feed->reader);
    side_close(feed->applier, feed->conn);
    arena_free(feed->arena);
    row_scratch_clear(&feed->scratch);
    *feed = (Feed){.applier = feed->applier};
}

bool feed_reload(Feed *feed, Error *err)
{
    forget_bindings(feed);
    return read_positions(feed, err);
}

/* The reader has one description for all in the same words, whichever segment they are of. */
bool feed_binding(Feed *feed, const PgRelation *relation, Binding **ret, Error *err)
{
    Bound *bound = NULL;

    HASH_FIND_PTR(feed->bound, &relation, bound);
    if (!bound) {
        BindRequest request = {.conn = feed->conn,
                               .arena = feed->arena,
                               .identities = feed->applier->request.identities,
                               .triggers_fire = !feed->replica,
                               .schema_change = &feed->schema_change};
        Binding *binding = NULL;

        if (!binding_make(&request, relation, &binding, err))
            return false;
        binding->id = ++feed->bindings;
        binding->position = position_of(feed, binding->schema, binding->name);
        bound = arena_alloc(feed->arena, sizeof *bound);
        *bound = (Bound){.relation = relation, .binding = binding};
        HASH_ADD_PTR(feed->bound, relation, bound);
    }
    *ret = bound->binding;
    return true;
}

/* ---- changes ---- */

bool feed_change(Feed *feed, const SpoolItem *item, Binding **ret_binding, RowChange *ret,
                 bool *ret_skip, Error *err)
{
    Binding *binding = NULL;

    if (!feed_binding(feed, item->relation, &binding, err))
        return false;
    *ret_binding = binding;
    *ret_skip = feed->commit < binding->position;
    IdentityWay identities = {feed->applier->request.identities,
                              feed->applier->request.identities_back};
    return *ret_skip ||
           row_change_read(binding, item->message, &identities, &feed->scratch, ret, err);
}

static bool is_listed(Binding *const *bindings, int count, const BoundReferrer *table)
{
    for (int i = 0; i < count; i++)
        if (strcmp(bindings[i]->schema, table->schema) == 0 &&
            strcmp(bindings[i]->name, table->name) == 0)
            return true;
    return false;
}

/*
 * TRUNCATE is refused where a table refers to these that is not among them: one that has this
 * change already, as it was copied later than they were, one that the source does not have, and the
 * root of partitions, as the stream names those alone. DELETE takes no rows but theirs: where
 * foreign keys do not act, and for a root, whose partitions the source has emptied with them.
 */
static bool has_to_delete(const Feed *feed, Binding *const *bindings, int count)
{
    bool ret = false;

    for (int i = 0; i < count; i++)
        for (int r = 0; r < bindings[i]->referrer_count; r++) {
            const BoundReferrer *referrer = &bindings[i]->referrers[r];
            if (is_listed(bindings, count, referrer))
                continue;
            if (!feed->replica && !referrer->partitioned)
                return false;
            ret = true;
        }
    return ret;
}

static const char *truncate_sql(Arena *arena, Binding *const *bindings, int count, bool restart)
{
    Text text = text_init(arena, MAX_SQL);

    for (int i = 0; i < count; i++)
        text_addf(&text, "%s%s", i ? ", " : "TRUNCATE ",
                  bindings[i]->partitioned ? bindings[i]->into : bindings[i]->from);
    if (restart)
        text_add(&text, " RESTART IDENTITY");
    return text_str(&text);
}

/* Sequences stay as they are: they are set when the app comes to this side (rule 22). */
static const char *delete_sql(Arena *arena, Binding *const *bindings, int count)
{
    Text text = text_init(arena, MAX_SQL);

    for (int i = 0; i < count; i++)
        text_addf(&text, "%s t%d AS (DELETE FROM %s)", i ? "," : "WITH", i, bindings[i]->from);
    text_add(&text, " SELECT");
    return text_str(&text);
}

bool feed_truncate(Feed *feed, Arena *arena, const SpoolItem *item, const char **ret, Error *err)
{
    size_t listed = (size_t)item->message->oid_count;
    Binding **bindings = arena_array(arena, listed, sizeof *bindings);
    int count = 0;

    for (size_t i = 0; i < listed; i++) {
        Binding *binding = NULL;

        if (!feed_binding(feed, item->relations[i], &binding, err))
            return false;
        if (feed->commit < binding->position)
            continue;
        if (binding->elsewhere)
            return error_set(err, ERR_WRONG_STATE,
                             "%s.%s: TRUNCATE of a partition by hash over an enum, whose rows may "
                             "lie in other partitions on this side",
                             binding->schema, binding->name);
        bindings[count++] = binding;
        if (feed->applier->request.touched)
            touched_add_whole(feed->applier->request.touched, binding->schema, binding->name);
    }
    if (count == 0)
        *ret = NULL;
    else if (has_to_delete(feed, bindings, count))
        *ret = delete_sql(arena, bindings, count);
    else
        *ret = truncate_sql(arena, bindings, count, item->message->restart_identity);
    return true;
}

/* Rows are compared by the source's identifiers, whichever way they go (verify.h). */
static PgValue touched_value(const Feed *feed, const BoundColumn *column, PgValue value)
{
    const ApplyRequest *request = &feed->applier->request;
    IdentityText source;

    if (column->identifier && !request->identities_back && value.kind == PG_VALUE_TEXT &&
        identity_find(request->identities, true, (IdentityText){value.data, value.len}, &source) ==
            IDENTITY_MAPPED) {
        value.data = source.data;
        value.len = source.len;
    }
    return value;
}

void feed_touch(const Feed *feed, const Binding *binding, const PgValue *row)
{
    Touched *touched = feed->applier->request.touched;
    char buf[MAX_TOUCHED_VALUE];
    const char *values[32];
    size_t at = 0;
    bool whole = binding->way != APPLY_BY_KEY || binding->key_count > (int)COUNT_OF(values);

    if (!touched)
        return;
    for (int i = 0; i < binding->key_count && !whole; i++) {
        int number = binding->key[i];
        PgValue value = touched_value(feed, &binding->columns[number], row[number]);
        whole = value.kind != PG_VALUE_TEXT || at + (size_t)value.len + 1 > sizeof buf;
        if (whole)
            break;
        values[i] = buf + at;
        memcpy(buf + at, value.data, (size_t)value.len);
        at += (size_t)value.len;
        buf[at++] = '\0';
    }
    if (whole) {
        touched_add_whole(touched, binding->schema, binding->name);
        return;
    }
    TouchedKey key = {.values = values, .count = binding->key_count};
    touched_add(touched, binding->schema, binding->name, binding->key_names, &key);
}

void feed_touch_change(const Feed *feed, const Binding *binding, const RowChange *change)
{
    if (change->op != 'I')
        feed_touch(feed, binding, change->old);
    if (change->op == 'I' || change->key_changed)
        feed_touch(feed, binding, change->now);
}

bool feed_marker(const PgOutput *message, Marker *ret)
{
    if (message->kind != PGOUTPUT_MESSAGE || strcmp(message->prefix, "homeport") != 0 ||
        message->content_len >= MAX_MARKER_TEXT)
        return false;
    *ret = (Marker){0};
    memcpy(ret->content, message->content, (size_t)message->content_len);
    return true;
}
