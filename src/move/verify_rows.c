#include <assert.h>
#include <string.h>

#include "core/cancel.h"
#include "core/text.h"
#include "move/verify.h"
#include "move/verify_again.h"

enum {
    ROWS_A_BATCH = 1000000, /* what a server has to sort at once */
    KEY_SHOWN = 200,
    MAX_KEY = 64 << 10,
};

/* Column order of sql/verify/keyed_rows.sql. */
enum {
    ROW_HASH,
    ROW_KEY = VERIFY_HASHES,
};

bool stream_open(RowStream *stream, PGconn *conn, const char *sql, const char *param, Error *err)
{
    *stream = (RowStream){.conn = conn};
    if (!PQsendQueryParams(conn, sql, param ? 1 : 0, NULL, &param, NULL, NULL, 0) ||
        !PQsetSingleRowMode(conn))
        return pg_fail_conn(conn, err);
    return true;
}

bool stream_next(RowStream *stream, Error *err)
{
    PQclear(stream->res);
    stream->res = PQgetResult(stream->conn);
    switch (PQresultStatus(stream->res)) {
    case PGRES_SINGLE_TUPLE:
        return true;
    case PGRES_TUPLES_OK:
        PQclear(stream->res);
        stream->res = NULL;
        /* The end of the statement, which leaves the connection idle. */
        PQclear(PQgetResult(stream->conn));
        return true;
    default:
        return pg_fail_result(stream->conn, stream->res, err);
    }
}

void stream_close(RowStream *stream)
{
    PQclear(stream->res);
    stream->res = NULL;
}

/* ---- what is counted and listed ---- */

static const char *key_shown(Arena *arena, const VerifyTable *table, const char *const *keys)
{
    Text names = text_init(arena, MAX_KEY);
    Text values = text_init(arena, MAX_KEY);

    for (int i = 0; i < table->key_count; i++) {
        const VerifyColumn *column = &table->columns[table->key[i]];

        text_addf(&names, "%s%s", i ? ", " : "", column->of[VERIFY_SOURCE]->name);
        text_addf(&values, "%s%s", i ? ", " : "", verify_shown(arena, keys[i], KEY_SHOWN));
    }
    return arena_printf(arena, "(%s)=(%s)", text_str(&names), text_str(&values));
}

void keyed_one_sided(const KeyedList *list, VerifySide side, const char *const *keys)
{
    VerifyTable *table = list->table;
    bool missing = side == VERIFY_SOURCE;

    if (missing)
        table->missing++;
    else
        table->extra++;
    if (!verify_lists(list->run, table)) {
        list->run->report->differences++;
        return;
    }
    verify_add(list->run, missing ? DIFFERENCE_MISSING : DIFFERENCE_EXTRA, table->name,
               key_shown(list->run->arena, table, keys),
               missing ? "only on the source" : "only on the target");
}

bool keyed_flush(KeyedList *list, Error *err)
{
    int count = list->count;

    list->count = 0;
    if (count == 0)
        return true;
    bool ok = verify_values(list->run, list->table, list->rows, count, list->conns, err);
    arena_reset(list->arena);
    return ok;
}

bool keyed_different(KeyedList *list, const char *const *keys, Error *err)
{
    VerifyTable *table = list->table;

    table->different++;
    if (!verify_lists(list->run, table)) {
        list->run->report->differences++;
        return true;
    }
    const char **own = arena_array(list->arena, (size_t)table->key_count, sizeof *own);
    for (int i = 0; i < table->key_count; i++)
        own[i] = arena_strdup(list->arena, keys[i]);
    list->rows[list->count++] =
        (DifferentRow){.keys = own, .key = key_shown(list->run->arena, table, own)};
    return list->count < VERIFY_LISTED || keyed_flush(list, err);
}

/* ---- rows of both sides, merged ---- */

typedef struct Merge {
    VerifyRun *run;
    VerifyTable *table;
    RowStream streams[VERIFY_SIDES];
    KeyedList list;
    int64_t found;
} Merge;

/* An index has at most 32 columns. */
enum {
    MAX_KEY_COLUMNS = 32
};

static bool note(Merge *merge, int order, Error *err)
{
    VerifySide side = order <= 0 ? VERIFY_SOURCE : VERIFY_TARGET;
    const char *keys[MAX_KEY_COLUMNS];

    assert(merge->table->key_count <= MAX_KEY_COLUMNS);
    for (int i = 0; i < merge->table->key_count; i++)
        keys[i] = PQgetvalue(merge->streams[side].res, 0, ROW_KEY + i);
    merge->found++;
    if (merge->run->again)
        return again_suspect(merge->run->again, merge->table, &(Suspect){.keys = keys}, err);
    if (order == 0)
        return keyed_different(&merge->list, keys, err);
    keyed_one_sided(&merge->list, side, keys);
    return true;
}

/* < 0: the source's row comes first. */
static int compare_keys(const Merge *merge)
{
    const PGresult *source = merge->streams[VERIFY_SOURCE].res;
    const PGresult *target = merge->streams[VERIFY_TARGET].res;

    if (!source || !target)
        return source ? -1 : 1;
    for (int i = 0; i < merge->table->key_count; i++) {
        int order = strcmp(PQgetvalue(source, 0, ROW_KEY + i), PQgetvalue(target, 0, ROW_KEY + i));
        if (order != 0)
            return order;
    }
    return 0;
}

static bool hashes_equal(const Merge *merge)
{
    for (int i = 0; i < VERIFY_HASHES; i++)
        if (strcmp(PQgetvalue(merge->streams[VERIFY_SOURCE].res, 0, ROW_HASH + i),
                   PQgetvalue(merge->streams[VERIFY_TARGET].res, 0, ROW_HASH + i)) != 0)
            return false;
    return true;
}

static bool merge_step(Merge *merge, Error *err)
{
    int order = compare_keys(merge);

    if ((order != 0 || !hashes_equal(merge)) && !note(merge, order, err))
        return false;
    return (order > 0 || stream_next(&merge->streams[VERIFY_SOURCE], err)) &&
           (order < 0 || stream_next(&merge->streams[VERIFY_TARGET], err));
}

static bool merge_streams(Merge *merge, const char *sql[VERIFY_SIDES], PGconn *const conns[],
                          Error *err)
{
    /* Both are sent before either is waited for: the servers sort at the same time. */
    for (int side = 0; side < VERIFY_SIDES; side++)
        if (!stream_open(&merge->streams[side], conns[side], sql[side], merge->table->bounds, err))
            return false;
    for (int side = 0; side < VERIFY_SIDES; side++)
        if (!stream_next(&merge->streams[side], err))
            return false;
    for (int64_t step = 0; merge->streams[0].res || merge->streams[1].res; step++)
        if ((step % 1024 == 0 && !cancel_check(err)) || !merge_step(merge, err))
            return false;
    return true;
}

static bool merge_buckets(Merge *merge, const int *buckets, int count, PGconn *const conns[],
                          Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const VerifyTable *table = merge->table;
    const char *sql[VERIFY_SIDES];

    for (int side = 0; side < VERIFY_SIDES; side++) {
        const SqlPart parts[] = {
            {"hash1", table->hashes[0]      },
            {"hash2", table->hashes[1]      },
            {"key",   verify_key_sql(scratch, table)},
            {"rows",       table->rows[side]                       },
            {"buckets",       verify_buckets_match_sql(scratch,table, buckets, count)},
            {"order",  verify_key_order_sql(scratch,                    table)},
            {NULL,       NULL                      },
        };
        sql[side] = verify_fill(scratch, sql_verify_keyed_rows, parts);
    }
    int64_t before = merge->found;
    bool ok = merge_streams(merge, sql, conns, err);
    for (int side = 0; side < VERIFY_SIDES; side++)
        stream_close(&merge->streams[side]);
    if (!ok || !keyed_flush(&merge->list, err))
        return false;
    return merge->found > before || verify_no_row(merge->run, table, conns, err);
}

/* ---- where none is found ---- */

/* TRUNCATE heeds no snapshot, but the storage is another one then. */
static bool was_emptied(const VerifyTable *table, PGconn *const streams[VERIFY_SIDES], bool *ret,
                        Error *err)
{
    auto_arena Arena *scratch = arena_new();

    *ret = false;
    for (int side = 0; side < VERIFY_SIDES; side++) {
        auto_result PGresult *res = NULL;
        const char *params[] = {arena_printf(scratch, "{%u}", table->of[side]->oid)};

        if (!pg_query(streams[side], sql_move_filenode, COUNT_OF(params), params, &res, err))
            return false;
        *ret |= PQntuples(res) > 0;
    }
    return true;
}

bool verify_no_row(VerifyRun *run, const VerifyTable *table, PGconn *const streams[VERIFY_SIDES],
                   Error *err)
{
    bool emptied = false;

    /* A type whose text is not stable, or a server at fault. */
    if (!run->again)
        return error_set(err, ERR_WRONG_STATE,
                         "%s: the sums of its rows differ, but no row does: its values read "
                         "otherwise each time",
                         table->name);
    if (!was_emptied(table, streams, &emptied, err))
        return false;
    again_leave_table(run->again, &(AgainLeft){
                                      .table = table,
                                      .why = emptied ? "it was emptied while it was read"
                                                     : "its values read otherwise each time",
                                      .emptied = emptied,
                                      .passing = emptied,
                                  });
    return true;
}

static bool bucket_differs(const VerifyTable *table, int bucket)
{
    return memcmp(&table->buckets[VERIFY_SOURCE][bucket], &table->buckets[VERIFY_TARGET][bucket],
                  sizeof(Bucket)) != 0;
}

static int64_t bucket_rows(const VerifyTable *table, int bucket)
{
    int64_t source = table->buckets[VERIFY_SOURCE][bucket].rows;
    int64_t target = table->buckets[VERIFY_TARGET][bucket].rows;

    return source > target ? source : target;
}

bool verify_rows(VerifyRun *run, VerifyTable *table, PGconn *const streams[VERIFY_SIDES],
                 Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_arena Arena *pending = arena_new();
    PGconn *const holders[VERIFY_SIDES] = {run->sides[VERIFY_SOURCE].conn,
                                           run->sides[VERIFY_TARGET].conn};
    Merge merge = {
        .run = run,
        .table = table,
        .list = {.run = run, .table = table, .conns = holders, .arena = pending},
    };
    int *batch = arena_array(scratch, (size_t)table->bucket_count, sizeof *batch);
    int count = 0;
    int64_t rows = 0;

    for (int i = 0; i < table->bucket_count; i++) {
        if (!bucket_differs(table, i))
            continue;
        batch[count++] = i;
        rows += bucket_rows(table, i);
        if (rows < ROWS_A_BATCH)
            continue;
        /* not run: a million rows that differ, which tests without counts compare */
        if (!merge_buckets(&merge, batch, count, streams, err))
            return false;
        count = 0;
        rows = 0;
    }
    return count == 0 || merge_buckets(&merge, batch, count, streams, err);
}
