#include "move/apply_net.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "move/apply_sql.h"
#include "pg/pg.h"

enum {
    COPY_BUFFER = 64 << 10,
    VALUE_HEADER = sizeof(uint32_t), /* of a key's values: their length */
    MAX_STAGES = 64,                 /* each is emptied at every commit */
};

struct Stage {
    UT_hash_handle hh;
    int id;
    bool there;
    bool kept; /* was there before this transaction */
    bool used; /* in this transaction */
};

/* A row as the passes over them see it, so that they need not look at the row itself: rows are
 * everywhere in memory. */
typedef struct Entry {
    uint64_t prefix; /* of the key, so that most comparisons end there */
    const NetRow *row;
    NetVerb verb;
    bool fill; /* see needs_fill() */
} Entry;

/* Rows whose missing values are the same. */
typedef struct KnownSet {
    bool *known; /* by column */
    int64_t updates;
    int64_t fills;
} KnownSet;

typedef struct Work {
    NetSession *session;
    const Binding *binding;
    const Reduce *reduce;
    Arena *arena;
    KnownSet *sets; /* the first: all is known */
    int set_count;
    int set_cap;
    int64_t deletes;
    int64_t inserts;
    int64_t staged;
    Entry *entries; /* by key, or in the order they came where there is none */
    int64_t entry_count;
    PgValue *values;
    PgValue *key;
    char *buf;
    size_t len;
} Work;

/* ---- a table's changes in memory ---- */

TableBatch *table_batch_new(Arena *arena, const Binding *binding)
{
    TableBatch *batch = arena_alloc(arena, sizeof *batch);

    *batch = (TableBatch){.binding = binding};
    if (binding->way != APPLY_BY_ROW)
        batch->reduce = reduce_new(arena, binding);
    return batch;
}

void table_batch_clear(TableBatch *batch)
{
    reduce_clear(batch->reduce);
}

static PgValue *copy_values(Arena *arena, const PgValue *values, int count, size_t *bytes)
{
    if (!values)
        return NULL;
    PgValue *copy = arena_array(arena, (size_t)count, sizeof *copy);
    for (int i = 0; i < count; i++) {
        copy[i] = values[i];
        if (values[i].kind != PG_VALUE_TEXT)
            continue;
        copy[i].data = arena_strndup(arena, values[i].data, (size_t)values[i].len);
        *bytes += (size_t)values[i].len + 1;
    }
    *bytes += (size_t)count * sizeof *copy;
    return copy;
}

static void add_raw(Arena *arena, TableBatch *batch, const RowChange *change)
{
    RawChange *raw = arena_alloc(arena, sizeof *raw);
    int count = batch->binding->column_count;

    *raw = (RawChange){.change = *change};
    raw->change.now = copy_values(arena, change->now, count, &batch->bytes);
    raw->change.old = change->old == change->now
                          ? raw->change.now
                          : copy_values(arena, change->old, count, &batch->bytes);
    batch->bytes += sizeof *raw;
    if (batch->last)
        batch->last->next = raw;
    else
        batch->first = raw;
    batch->last = raw;
}

void table_batch_add(Arena *arena, TableBatch *batch, const RowChange *change)
{
    batch->changes++;
    if (!batch->reduce) {
        add_raw(arena, batch, change);
        return;
    }
    reduce_add(batch->reduce, change);
    batch->bytes = batch->reduce->bytes;
}

/* ---- sessions ---- */

bool net_session_open(NetSession *session, const Feed *feed, const char *role, Error *err)
{
    bool replica = false;

    *session = (NetSession){.feed = feed};
    if (!side_connect(feed->applier, role, &session->conn, &replica, err))
        return false;
    session->rows = rows_new(session->conn, &feed->applier->stop);
    return replica || applier_refuse_triggers(err);
}

static void forget_stages(NetSession *session)
{
    Stage *first = session->stages;

    HASH_CLEAR(hh, session->stages);
    for (Stage *stage = first, *next; stage; stage = next) {
        next = stage->hh.next;
        free(stage);
    }
}

void net_session_close(NetSession *session)
{
    rows_free(session->rows);
    forget_stages(session);
    side_close(session->feed->applier, session->conn);
    session->rows = NULL;
    session->conn = NULL;
}

bool net_begin(NetSession *session, Error *err)
{
    if (session->in_transaction)
        return true;
    if (HASH_COUNT(session->stages) > MAX_STAGES) {
        if (!pg_exec(session->conn, "DISCARD TEMP", err))
            return false;
        forget_stages(session);
    }
    if (!pg_exec(session->conn, "BEGIN READ WRITE; SET CONSTRAINTS ALL DEFERRED", err))
        return false;
    session->in_transaction = true;
    return true;
}

bool net_commit(NetSession *session, Error *err)
{
    session->in_transaction = false;
    auto_result PGresult *res = PQexec(session->conn, "COMMIT");
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        return pg_fail_result(session->conn, res, err);
    if (strcmp(PQcmdStatus(res), "COMMIT") != 0)
        /* not run: a statement that failed has been answered before */
        return error_set(err, ERR_WRONG_STATE, "the server rolled back what was committed");
    for (Stage *stage = session->stages; stage; stage = stage->hh.next) {
        stage->kept = stage->there;
        stage->used = false;
    }
    return true;
}

bool net_rollback(NetSession *session)
{
    session->in_transaction = false;
    if (!rows_abort(session->rows))
        return false;
    for (Stage *stage = session->stages; stage; stage = stage->hh.next) {
        stage->used = false;
        stage->there = stage->kept;
    }
    return true;
}

/* ---- staging ---- */

static bool stage_ready(Work *work, Error *err)
{
    NetSession *session = work->session;
    Stage *stage = NULL;

    HASH_FIND_INT(session->stages, &work->binding->id, stage);
    if (!stage) {
        stage = memory_zeroed(1, sizeof *stage);
        stage->id = work->binding->id;
        HASH_ADD_INT(session->stages, id, stage);
    }
    if (!stage->there) {
        if (!pg_exec(session->conn, stage_create(work->arena, work->binding), err))
            return false;
        stage->there = true;
    } else if (stage->used && !pg_execf(session->conn, err, "TRUNCATE %s",
                                        stage_name(work->arena, work->binding))) {
        return false;
    }
    stage->used = true;
    return true;
}

static int set_of(Work *work, const PgValue *values)
{
    int columns = work->binding->column_count;

    for (int s = 0; s < work->set_count; s++) {
        int i = 0;
        while (i < columns && work->sets[s].known[i] == (values[i].kind != PG_VALUE_UNCHANGED))
            i++;
        if (i == columns)
            return s;
    }
    if (work->set_count == work->set_cap) {
        KnownSet *more = arena_array(work->arena, (size_t)work->set_cap * 2, sizeof *more);
        memcpy(more, work->sets, (size_t)work->set_count * sizeof *more);
        work->sets = more;
        work->set_cap *= 2;
    }
    KnownSet *set = &work->sets[work->set_count];
    set->known = arena_array(work->arena, (size_t)columns + 1, sizeof(bool));
    for (int i = 0; i < columns; i++)
        set->known[i] = values[i].kind != PG_VALUE_UNCHANGED;
    return work->set_count++;
}

/* Keys beside each other lie on the same pages of their index: in order they are found in half the
 * time. Bytes in order of their length come close enough to the order of most types. */
static int compare_keys(const void *a, const void *b)
{
    const Entry *left = a;
    const Entry *right = b;

    if (left->prefix != right->prefix)
        return left->prefix < right->prefix ? -1 : 1;
    if (left->row->key_len != right->row->key_len)
        return left->row->key_len < right->row->key_len ? -1 : 1;
    return memcmp(left->row->key, right->row->key, left->row->key_len);
}

/* Its length, and its first bytes behind the first value's length. */
static uint64_t key_prefix(const NetRow *row)
{
    unsigned char bytes[sizeof(uint64_t)] = {0};
    size_t len = row->key_len < VALUE_HEADER ? 0 : row->key_len - VALUE_HEADER;

    len = len < sizeof bytes - 1 ? len : sizeof bytes - 1;
    bytes[0] = row->key_len < UINT8_MAX ? (unsigned char)row->key_len : UINT8_MAX;
    if (len > 0)
        memcpy(bytes + 1, row->key + VALUE_HEADER, len);
    uint64_t prefix = 0;
    memcpy(&prefix, bytes, sizeof prefix);
    return be64toh(prefix);
}

/* A row that stays where it is needs no filling: what is not known is not set. One that is deleted
 * and inserted does. */
static bool needs_fill(NetVerb verb, const NetRow *row)
{
    return row->partial && (verb == NET_INSERT || verb == NET_REPLACE);
}

static void sort_rows(Work *work)
{
    const Reduce *reduce = work->reduce;
    bool keyed = work->binding->way == APPLY_BY_KEY;
    int64_t count = 0;

    work->entries = arena_array(work->arena, (size_t)reduce->row_count, sizeof *work->entries);
    for (const NetRow *row = net_next(reduce, NULL); row; row = net_next(reduce, row)) {
        NetVerb verb = net_verb(reduce, row);
        work->entries[count++] = (Entry){.prefix = keyed ? key_prefix(row) : 0,
                                         .row = row,
                                         .verb = verb,
                                         .fill = needs_fill(verb, row)};
    }
    work->entry_count = count;
    if (keyed && count > 1)
        qsort(work->entries, (size_t)count, sizeof *work->entries, compare_keys);
}

static void work_start(Work *work)
{
    size_t columns = (size_t)work->binding->column_count + 1;

    work->values = arena_array(work->arena, columns, sizeof(PgValue));
    work->key = arena_array(work->arena, columns, sizeof(PgValue));
    work->buf = arena_alloc(work->arena, COPY_BUFFER);
    work->set_cap = 8;
    work->sets = arena_array(work->arena, (size_t)work->set_cap, sizeof *work->sets);
    (void)set_of(work, work->values); /* zeroed: of no kind, so all are known */
    sort_rows(work);
}

static void count_rows(Work *work)
{
    for (int64_t i = 0; i < work->entry_count; i++) {
        const Entry *entry = &work->entries[i];
        NetVerb verb = entry->verb;
        bool fill = entry->fill;
        int set = 0;

        if (fill || (verb == NET_UPDATE && entry->row->partial)) {
            net_image_values(work->reduce, entry->row, work->values);
            set = set_of(work, work->values);
        }
        work->deletes += verb == NET_DELETE || verb == NET_REPLACE;
        work->sets[set].updates += verb == NET_UPDATE;
        work->sets[set].fills += fill;
        work->inserts += (verb == NET_INSERT || verb == NET_REPLACE) && !fill;
        work->staged += verb == NET_UPDATE || fill;
    }
}

/* ---- COPY ---- */

static bool copy_flush(Work *work, Error *err)
{
    if (work->len > 0 && PQputCopyData(work->session->conn, work->buf, (int)work->len) != 1)
        return pg_fail_conn(work->session->conn, err);
    work->len = 0;
    return true;
}

static bool copy_bytes(Work *work, const char *data, size_t len, Error *err)
{
    while (len > 0) {
        size_t room = COPY_BUFFER - work->len;
        size_t part = len < room ? len : room;

        memcpy(work->buf + work->len, data, part);
        work->len += part;
        data += part;
        len -= part;
        if (work->len == COPY_BUFFER && !copy_flush(work, err))
            return false;
    }
    return true;
}

static char escaped(char c)
{
    switch (c) {
    case '\\':
        return '\\';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

static bool copy_value(Work *work, const PgValue *value, char end, Error *err)
{
    const char *at = value->data;
    const char *stop = value->data + value->len;

    if (value->kind != PG_VALUE_TEXT)
        return copy_bytes(work, end == '\t' ? "\\N\t" : "\\N\n", 3, err);
    while (at < stop) {
        const char *plain = at;
        while (at < stop && !escaped(*at))
            at++;
        if (!copy_bytes(work, plain, (size_t)(at - plain), err))
            return false;
        if (at < stop) {
            char pair[2] = {'\\', escaped(*at++)};
            if (!copy_bytes(work, pair, 2, err))
                return false;
        }
    }
    return copy_bytes(work, &end, 1, err);
}

static bool copy_begin(Work *work, const char *sql, Error *err)
{
    auto_result PGresult *res = PQexec(work->session->conn, sql);

    if (PQresultStatus(res) != PGRES_COPY_IN)
        return pg_fail_result(work->session->conn, res, err);
    work->len = 0;
    return true;
}

static bool check_count(const Work *work, PGresult *res, int64_t expected, const char *what,
                        Error *err)
{
    const char *text = PQcmdTuples(res);
    char wanted[24];

    (void)snprintf(wanted, sizeof wanted, "%" PRId64, expected);
    if (strcmp(text, wanted) == 0)
        return true;
    return error_set(err, ERR_WRONG_STATE, "%s.%s: %s of %s rows changed %s", work->binding->schema,
                     work->binding->name, what, wanted, text);
}

static bool copy_end(Work *work, int64_t expected, Error *err)
{
    PGconn *conn = work->session->conn;

    if (!copy_flush(work, err))
        return false;
    if (PQputCopyEnd(conn, NULL) != 1)
        return pg_fail_conn(conn, err);
    auto_result PGresult *res = PQgetResult(conn);
    bool ok = PQresultStatus(res) == PGRES_COMMAND_OK;
    if (!ok)
        (void)pg_fail_result(conn, res, err);
    else
        ok = check_count(work, res, expected, "COPY", err);
    for (PGresult *end; (end = PQgetResult(conn)) != NULL;)
        PQclear(end); /* not run: nothing follows the answer to a COPY */
    return ok;
}

static bool copy_delete(Work *work, const NetRow *row, Error *err)
{
    const Binding *binding = work->binding;

    net_key_values(work->reduce, row, work->key);
    if (!copy_bytes(work, "d\t", 2, err))
        return false;
    for (int i = 0; i < binding->key_count; i++)
        if (!copy_value(work, &work->key[binding->key[i]],
                        (char)(i + 1 < binding->key_count ? '\t' : '\n'), err))
            return false;
    return true;
}

static bool copy_image(Work *work, char end, Error *err)
{
    int count = work->binding->column_count;

    for (int i = 0; i < count; i++)
        if (!copy_value(work, &work->values[i], (char)(i + 1 < count ? '\t' : end), err))
            return false;
    return true;
}

static bool copy_staged(Work *work, const NetRow *row, bool fill, Error *err)
{
    const Binding *binding = work->binding;
    const NetRow *origin = row->origin ? row->origin : row;
    char head[32];

    net_image_values(work->reduce, row, work->values);
    int len = snprintf(head, sizeof head, "%c\t%d\t", fill ? 'f' : 'u', set_of(work, work->values));
    if (!copy_bytes(work, head, (size_t)len, err) || !copy_image(work, '\t', err))
        return false;
    for (int i = 0; i < binding->key_count; i++)
        work->key[binding->key[i]] = (PgValue){.kind = PG_VALUE_NULL};
    if (fill)
        net_key_values(work->reduce, origin, work->key);
    for (int i = 0; i < binding->key_count; i++)
        if (!copy_value(work, &work->key[binding->key[i]],
                        (char)(i + 1 < binding->key_count ? '\t' : '\n'), err))
            return false;
    return true;
}

typedef enum CopyPass {
    COPY_DELETES,
    COPY_STAGED,
    COPY_INSERTS,
} CopyPass;

static bool copy_row(Work *work, CopyPass pass, const Entry *entry, Error *err)
{
    const NetRow *row = entry->row;
    NetVerb verb = entry->verb;
    bool fill = entry->fill;

    switch (pass) {
    case COPY_DELETES:
        return (verb != NET_DELETE && verb != NET_REPLACE) || copy_delete(work, row, err);
    case COPY_STAGED:
        return (verb != NET_UPDATE && !fill) || copy_staged(work, row, fill, err);
    case COPY_INSERTS:
        break;
    }
    if (fill || (verb != NET_INSERT && verb != NET_REPLACE))
        return true;
    net_image_values(work->reduce, row, work->values);
    return copy_image(work, '\n', err);
}

static bool copy_pass(Work *work, CopyPass pass, const char *sql, int64_t expected, Error *err)
{
    if (expected == 0)
        return true;
    if (!copy_begin(work, sql, err))
        return false;
    for (int64_t i = 0; i < work->entry_count; i++)
        if (!copy_row(work, pass, &work->entries[i], err))
            return false;
    return copy_end(work, expected, err);
}

/* ---- the statements ---- */

static bool run_counted(Work *work, const char *sql, int64_t expected, const char *what, Error *err)
{
    auto_result PGresult *res = NULL;

    if (expected == 0 || !sql)
        return true;
    return pg_query(work->session->conn, sql, 0, NULL, &res, err) &&
           check_count(work, res, expected, what, err);
}

static bool fill_sets(Work *work, Error *err)
{
    for (int s = 1; s < work->set_count; s++)
        if (!run_counted(work, net_fill(work->arena, work->binding, s, work->sets[s].known),
                         work->sets[s].fills, "filling", err))
            return false;
    return true;
}

static bool update_sets(Work *work, Error *err)
{
    for (int s = 0; s < work->set_count; s++)
        if (!run_counted(work, net_update(work->arena, work->binding, s, work->sets[s].known),
                         work->sets[s].updates, "UPDATE", err))
            return false;
    return true;
}

static int64_t count_fills(const Work *work)
{
    int64_t fills = 0;

    for (int s = 1; s < work->set_count; s++)
        fills += work->sets[s].fills;
    return fills;
}

static bool apply_sets(Work *work, Error *err)
{
    const Binding *binding = work->binding;
    bool stages = work->deletes > 0 || work->staged > 0;

    if (stages && !stage_ready(work, err))
        return false;
    return copy_pass(work, COPY_DELETES, stage_copy_deletes(work->arena, binding), work->deletes,
                     err) &&
           copy_pass(work, COPY_STAGED, stage_copy_rows(work->arena, binding), work->staged, err) &&
           fill_sets(work, err) &&
           run_counted(work, net_delete(work->arena, binding), work->deletes, "DELETE", err) &&
           update_sets(work, err) &&
           run_counted(work, net_insert(work->arena, binding), count_fills(work), "INSERT", err) &&
           copy_pass(work, COPY_INSERTS, net_copy(work->arena, binding), work->inserts, err);
}

static void touch(Work *work)
{
    if (work->binding->way == APPLY_APPEND) {
        feed_touch(work->session->feed, work->binding, NULL);
        return;
    }
    for (int64_t i = 0; i < work->entry_count; i++) {
        if (work->entries[i].verb == NET_NOTHING)
            continue;
        net_key_values(work->reduce, work->entries[i].row, work->key);
        feed_touch(work->session->feed, work->binding, work->key);
    }
}

static bool apply_reduced(NetSession *session, const TableBatch *batch, Error *err)
{
    auto_arena Arena *arena = arena_new();
    Work work = {
        .session = session, .binding = batch->binding, .reduce = batch->reduce, .arena = arena};

    /* not run: one source's changes do follow; test_apply_reduce.c has some that do not */
    if (batch->reduce->odd)
        return error_set(err, ERR_WRONG_STATE, "%s.%s: changes that do not follow on each other",
                         batch->binding->schema, batch->binding->name);
    work_start(&work);
    touch(&work);
    count_rows(&work);
    return apply_sets(&work, err);
}

static bool apply_raw(NetSession *session, const TableBatch *batch, Error *err)
{
    if (!rows_enter(session->rows, err))
        return false;
    feed_touch(session->feed, batch->binding, NULL);
    for (const RawChange *raw = batch->first; raw; raw = raw->next)
        if (!rows_change(session->rows, batch->binding, &raw->change, false, err))
            return false;
    return rows_leave(session->rows, err);
}

bool net_apply(NetSession *session, const TableBatch *batch, Error *err)
{
    return batch->reduce ? apply_reduced(session, batch, err) : apply_raw(session, batch, err);
}
