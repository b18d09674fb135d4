/*
 * Tables without a key: the same rows, each as many times.
 *
 * Of the buckets that differ both sides give every row's hashes and how often
 * it is there, in the order of the hashes; merged as they arrive. Only the rows
 * that are listed are then looked up by their hashes for their text.
 */
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "core/text.h"
#include "move/verify.h"
#include "move/verify_again.h"

enum {
    ROWS_A_BATCH = 1000000,
    ROW_SHOWN = 200,
    MAX_SQL = 8 << 20,
};

/* Column order of sql/verify/bag_rows.sql. */
enum {
    BAG_HASH,
    BAG_TIMES = VERIFY_HASHES,
};

/* Column order of sql/verify/bag_texts.sql. */
enum {
    TEXT_HASH,
    TEXT_ROW = VERIFY_HASHES,
};

typedef struct Bag {
    VerifyRun *run;
    VerifyTable *table;
    RowStream streams[VERIFY_SIDES];
    OddList list;
    int64_t found;
} Bag;

static const char *columns_list(Arena *arena, const VerifyTable *table)
{
    Text sql = text_init(arena, MAX_SQL);

    for (int i = 0; i < table->column_count; i++)
        text_addf(&sql, "%s%s", i ? ", " : "", table->columns[i].sql);
    return arena_printf(arena, "ROW(%s)", text_str(&sql));
}

static bool fetch_texts(const OddList *list, VerifySide side, PGresult **ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const VerifyTable *table = list->table;
    Text numbers = text_init(scratch, MAX_SQL);

    for (int i = 0; i < list->count; i++)
        text_addf(&numbers, "%s%lld", i ? "," : "", (long long)list->rows[i].hashes[0]);
    const SqlPart parts[] = {
        {"hash1",   table->hashes[0]    },
        {"hash2",   table->hashes[1]    },
        {"row",     columns_list(scratch, table)},
        {"rows",         table->rows[side]                       },
        {"numbers",         arena_printf(scratch,"'{%s}'", text_str(&numbers))},
        {NULL, NULL    },
    };
    return pg_query(list->conns[side], verify_fill(scratch, sql_verify_bag_texts, parts), 0, NULL,
                    ret, err);
}

static const char *find_text(const PGresult *res, const OddRow *row)
{
    for (int i = 0; i < PQntuples(res); i++)
        if (pg_cell_i64(res, i, TEXT_HASH) == row->hashes[0] &&
            pg_cell_i64(res, i, TEXT_HASH + 1) == row->hashes[1])
            return PQgetvalue(res, i, TEXT_ROW);
    return "(a row)";
}

bool odd_flush(OddList *list, Error *err)
{
    auto_result PGresult *source = NULL;
    auto_result PGresult *target = NULL;
    Arena *arena = list->run->arena;

    if (list->count == 0)
        return true;
    if (!fetch_texts(list, VERIFY_SOURCE, &source, err) ||
        !fetch_texts(list, VERIFY_TARGET, &target, err))
        return error_add_context(err, "read rows of %s that differ", list->table->name);
    for (int i = 0; i < list->count; i++) {
        const OddRow *row = &list->rows[i];
        const char *text = find_text(row->times[VERIFY_SOURCE] > 0 ? source : target, row);
        int64_t more = row->times[VERIFY_SOURCE] - row->times[VERIFY_TARGET];

        verify_add(list->run, DIFFERENCE_COUNT, list->table->name, NULL,
                   arena_printf(arena, "%s: %s on the source, %s on the target",
                                verify_shown(arena, text, ROW_SHOWN),
                                text_count(arena, row->times[VERIFY_SOURCE]),
                                text_count(arena, row->times[VERIFY_TARGET])));
        /* One is counted with the listing; here the others of the same row. */
        list->run->report->differences += llabs(more) - 1;
    }
    list->count = 0;
    return true;
}

bool odd_add(OddList *list, const OddRow *row, Error *err)
{
    int64_t more = row->times[VERIFY_SOURCE] - row->times[VERIFY_TARGET];

    if (more > 0)
        list->table->missing += more;
    else
        list->table->extra -= more;
    if (!verify_lists(list->run, list->table)) {
        list->run->report->differences += llabs(more);
        return true;
    }
    list->rows[list->count++] = *row;
    return list->count < VERIFY_LISTED || odd_flush(list, err);
}

static int64_t hash_at(const RowStream *stream, int number)
{
    return pg_cell_i64(stream->res, 0, BAG_HASH + number);
}

static int compare_rows(const RowStream *source, const RowStream *target)
{
    if (!source->res || !target->res)
        return source->res ? -1 : 1;
    for (int i = 0; i < VERIFY_HASHES; i++) {
        int64_t a = hash_at(source, i);
        int64_t b = hash_at(target, i);
        if (a != b)
            return a < b ? -1 : 1;
    }
    return 0;
}

static bool note(Bag *bag, const OddRow *row, Error *err)
{
    const Suspect suspect = {
        .hashes = {row->hashes[0], row->hashes[1]}
    };

    bag->found++;
    return bag->run->again ? again_suspect(bag->run->again, bag->table, &suspect, err)
                           : odd_add(&bag->list, row, err);
}

static bool merge_step(Bag *bag, Error *err)
{
    RowStream *source = &bag->streams[VERIFY_SOURCE];
    RowStream *target = &bag->streams[VERIFY_TARGET];
    int order = compare_rows(source, target);
    const RowStream *first = order <= 0 ? source : target;
    OddRow row = {
        .hashes = {hash_at(first, 0), hash_at(first, 1)}
    };

    if (order <= 0)
        row.times[VERIFY_SOURCE] = pg_cell_i64(source->res, 0, BAG_TIMES);
    if (order >= 0)
        row.times[VERIFY_TARGET] = pg_cell_i64(target->res, 0, BAG_TIMES);
    if (row.times[VERIFY_SOURCE] != row.times[VERIFY_TARGET] && !note(bag, &row, err))
        return false;
    return (order > 0 || stream_next(source, err)) && (order < 0 || stream_next(target, err));
}

static bool merge_streams(Bag *bag, const char *sql[VERIFY_SIDES], PGconn *const conns[],
                          Error *err)
{
    for (int side = 0; side < VERIFY_SIDES; side++)
        if (!stream_open(&bag->streams[side], conns[side], sql[side], NULL, err))
            return false;
    for (int side = 0; side < VERIFY_SIDES; side++)
        if (!stream_next(&bag->streams[side], err))
            return false;
    for (int64_t step = 0; bag->streams[0].res || bag->streams[1].res; step++)
        if ((step % 1024 == 0 && !cancel_check(err)) || !merge_step(bag, err))
            return false;
    return true;
}

static bool merge_buckets(Bag *bag, const int *buckets, int count, PGconn *const conns[],
                          Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const VerifyTable *table = bag->table;
    const char *sql[VERIFY_SIDES];

    for (int side = 0; side < VERIFY_SIDES; side++) {
        const SqlPart parts[] = {
            {"hash1",   table->hashes[0]                },
            {"hash2",   table->hashes[1]                },
            {"rows",    table->rows[side]               },
            {"mask",    table->bucket                   },
            {"numbers", verify_buckets_match_sql(scratch, table, buckets, count)},
            {NULL,  NULL                           },
        };
        sql[side] = verify_fill(scratch, sql_verify_bag_rows, parts);
    }
    int64_t before = bag->found;
    bool ok = merge_streams(bag, sql, conns, err);
    for (int side = 0; side < VERIFY_SIDES; side++)
        stream_close(&bag->streams[side]);
    return ok && odd_flush(&bag->list, err) &&
           (bag->found > before || verify_no_row(bag->run, table, conns, err));
}

bool verify_bags(VerifyRun *run, VerifyTable *table, PGconn *const streams[VERIFY_SIDES],
                 Error *err)
{
    auto_arena Arena *scratch = arena_new();
    PGconn *const holders[VERIFY_SIDES] = {run->sides[VERIFY_SOURCE].conn,
                                           run->sides[VERIFY_TARGET].conn};
    Bag bag = {
        .run = run,
        .table = table,
        .list = {.run = run, .table = table, .conns = holders},
    };
    int *batch = arena_array(scratch, (size_t)table->bucket_count, sizeof *batch);
    int count = 0;
    int64_t rows = 0;

    for (int i = 0; i < table->bucket_count; i++) {
        const Bucket *source = &table->buckets[VERIFY_SOURCE][i];
        const Bucket *target = &table->buckets[VERIFY_TARGET][i];

        if (memcmp(source, target, sizeof *source) == 0)
            continue;
        batch[count++] = i;
        rows += source->rows > target->rows ? source->rows : target->rows;
        if (rows < ROWS_A_BATCH)
            continue;
        /* not run: a million rows that differ, which tests without counts compare */
        if (!merge_buckets(&bag, batch, count, streams, err))
            return false;
        count = 0;
        rows = 0;
    }
    return count == 0 || merge_buckets(&bag, batch, count, streams, err);
}
