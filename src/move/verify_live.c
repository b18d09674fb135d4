#include "move/verify_live.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "move/verify.h"
#include "move/verify_again.h"
#include "move/verify_counts.h"

enum {
    BYTES_A_SECOND = 40000000,       /* of a table compared inside the pause: a slow server */
    FEW_BYTES = BYTES_A_SECOND / 10, /* of all of them; the pause may take so long for them */
    EMPTIED_TRIES = 5,               /* of a table that is emptied while it is read */
};

static const VerifyOptions options_of_rows = {.rows_only = true};

/* What the stream had touched when the comparison began. */
typedef struct Taken {
    TouchedTable *tables;
    int count;
    int whole;
    int64_t keys;
} Taken;

static Taken take(Arena *arena, const VerifyLive *live)
{
    Taken taken = {0};

    if (live->touched)
        touched_take(live->touched, arena, &taken.tables, &taken.count);
    for (int i = 0; i < taken.count; i++) {
        taken.whole += taken.tables[i].whole;
        taken.keys += taken.tables[i].key_count;
    }
    return taken;
}

static void put_back(const VerifyLive *live, const Taken *taken)
{
    if (live->touched)
        touched_put_back(live->touched, taken->tables, taken->count);
}

/* Tables that are touched as a whole, or only the others; the rest is put back. */
static Taken keep(Arena *arena, const VerifyLive *live, const Taken *taken, bool whole)
{
    Taken kept = {.tables = arena_array(arena, (size_t)taken->count, sizeof(TouchedTable))};

    for (int i = 0; i < taken->count; i++) {
        if (taken->tables[i].whole == whole)
            kept.tables[kept.count++] = taken->tables[i];
        else
            touched_put_back(live->touched, &taken->tables[i], 1);
    }
    kept.whole = whole ? taken->whole : 0;
    kept.keys = whole ? 0 : taken->keys;
    return kept;
}

static bool start_run(VerifyRun *run, Arena *arena, const VerifyLive *live,
                      const VerifyOptions *options, VerifyLiveReport *report, Error *err)
{
    *run = (VerifyRun){
        .arena = arena,
        .config = live->config,
        .options = options,
        .report = &report->report,
        .jobs = verify_jobs(live->config),
        .identities = live->identities,
        .home = live->identities_back ? VERIFY_SOURCE : VERIFY_TARGET,
        .sides = {{.name = live->identities_back ? "target" : "source"},
                  {.name = live->identities_back ? "source" : "target"}},
    };
    if (!url_parse(arena, live->config->source, "source", &run->sides[VERIFY_SOURCE].url, err) ||
        !url_parse(arena, live->config->target, "target", &run->sides[VERIFY_TARGET].url, err))
        return false;
    for (int side = 0; live->encoding && side < VERIFY_SIDES; side++)
        url_set_encoding(&run->sides[side].url, live->encoding);
    return verify_draw_seeds(run, err);
}

/* What was not clean counts as touched again. */
static bool conclude(const VerifyLive *live, const Taken *taken, bool ok, double started,
                     VerifyLiveReport *report)
{
    if (!ok || report->report.differences > 0)
        put_back(live, taken);
    report->seconds = clock_seconds() - started;
    report->report.seconds = report->seconds;
    report->report.verified = ok && report->report.differences == 0 && report->left_count == 0;
    report->report.schema_skipped = "compared by its fingerprint";
    return ok;
}

/* ---- whole tables ---- */

static VerifyTable *table_of(const VerifyRun *run, const TouchedTable *touched)
{
    const VerifyServer *source = &run->sides[VERIFY_SOURCE];
    const Table *of =
        tables_find(source->tables, source->table_count, touched->schema, touched->name);

    for (int i = 0; of && i < run->table_count; i++) {
        const Table *here = run->tables[i].of[VERIFY_SOURCE];
        bool same = of->root ? here->root && strcmp(here->root, of->root) == 0 : here == of;
        if (same)
            return &run->tables[i];
    }
    return NULL;
}

static bool fail_unknown(const VerifyRun *run, const TouchedTable *touched, Error *err)
{
    return error_set(err, ERR_WRONG_STATE,
                     "%s has been written to, but is not there on both sides with its key",
                     verify_name(run->arena, touched->schema, touched->name));
}

static bool is_among(const VerifyRun *run, const char *name)
{
    for (int i = 0; i < run->table_count; i++)
        if (strcmp(run->tables[i].name, name) == 0)
            return true;
    return false;
}

/* Tables touched as a whole, in a list of their own; partitions that are compared through one root
 * are one; *ret_bytes: of the larger side each. */
static bool choose_whole(VerifyRun *run, const Taken *taken, VerifyRun *ret, int64_t *ret_bytes,
                         Error *err)
{
    *ret = *run;
    ret->tables = arena_array(run->arena, (size_t)taken->count, sizeof *ret->tables);
    ret->table_count = 0;
    *ret_bytes = 0;
    for (int i = 0; i < taken->count; i++) {
        if (!taken->tables[i].whole)
            continue;
        const VerifyTable *table = table_of(run, &taken->tables[i]);
        if (!table)
            return fail_unknown(run, &taken->tables[i], err);
        int64_t here = table->of[VERIFY_SOURCE]->bytes;
        int64_t there = table->of[VERIFY_TARGET]->bytes;
        *ret_bytes += here > there ? here : there;
        if (!is_among(ret, table->name))
            ret->tables[ret->table_count++] = *table;
    }
    return true;
}

static bool is_emptied(const Again *again, const VerifyTable *table)
{
    for (int i = 0; i < again->left_count; i++)
        if (again->left[i].emptied && strcmp(again->left[i].table->name, table->name) == 0)
            return true;
    return false;
}

/* They alone are left to be compared, and none of them is left any more. */
static void choose_emptied(VerifyRun *run, Again *again)
{
    int count = 0;
    int left = 0;

    for (int i = 0; i < run->table_count; i++)
        if (is_emptied(again, &run->tables[i]))
            run->tables[count++] = run->tables[i];
    run->table_count = count;
    for (int i = 0; i < again->left_count; i++)
        if (!again->left[i].emptied)
            again->left[left++] = again->left[i];
    again->left_count = left;
}

static bool any_emptied(const Again *again)
{
    for (int i = 0; i < again->left_count; i++)
        if (again->left[i].emptied)
            return true;
    return false;
}

static bool compare_tables(VerifyRun *run, Error *err)
{
    for (int i = 0; i < run->table_count; i++)
        if (!verify_buckets(run, &run->tables[i], err))
            return false;
    return verify_scan(run, err) && verify_name_rows(run, err);
}

/* As of another moment of each side. */
static bool compare_emptied(VerifyRun *run, Again *again, Error *err)
{
    int64_t rows = run->report->rows;

    verify_close(run);
    run->table_count = 0;
    if (!again_wait(again, err) || !verify_open(run, err) || !verify_pair(run, err))
        return false;
    choose_emptied(run, again);
    bool ok = compare_tables(run, err);
    run->report->rows = rows;
    return ok;
}

/* None, where the pause can just as well read them. */
static bool choose_large(VerifyRun *run, const Taken *marked, Error *err)
{
    VerifyRun chosen;
    int64_t bytes = 0;

    if (!choose_whole(run, marked, &chosen, &bytes, err))
        return false;
    run->tables = chosen.tables;
    run->table_count = bytes > FEW_BYTES ? chosen.table_count : 0;
    return true;
}

/* Every table, or only those that are marked, if not NULL. */
static bool compare_whole(VerifyRun *run, Again *again, const Taken *marked, Error *err)
{
    /* What was touched before is committed on the target before it is looked at. */
    if (!again_connect(again, err) || !again_wait(again, err) || !verify_open(run, err) ||
        !verify_pair(run, err) || (marked && !choose_large(run, marked, err)))
        return false;
    again->left = arena_array(run->arena, (size_t)run->table_count, sizeof *again->left);
    run->report->tables = run->table_count;
    bool ok = compare_tables(run, err);
    for (int tries = 1; ok && any_emptied(again) && tries < EMPTIED_TRIES; tries++)
        ok = compare_emptied(run, again, err);
    return ok;
}

static void report_left(Arena *arena, const Again *again, VerifyLiveReport *report)
{
    again_keep_left(again);
    report->left = arena_array(arena, (size_t)again->left_count, sizeof *report->left);
    report->left_count = again->left_count;
    for (int i = 0; i < again->left_count; i++)
        report->left[i] = (LeftTable){
            .table = again->left[i].table->name,
            .why = again->left[i].why,
            .passing = again->left[i].passing,
        };
}

static bool differs(const VerifyReport *report, const char *name)
{
    for (int i = 0; i < report->differing_count; i++)
        if (strcmp(report->differing[i].name, name) == 0)
            return true;
    return false;
}

/* Of tables that were compared whole, those of which rows differ: the others are known to be equal.
 */
static Taken only_differing(const VerifyRun *run, const Taken *taken)
{
    const VerifyServer *source = &run->sides[VERIFY_SOURCE];
    Taken kept = {.tables = arena_array(run->arena, (size_t)taken->count, sizeof(TouchedTable))};

    for (int i = 0; i < taken->count; i++) {
        const TouchedTable *table = &taken->tables[i];
        const Table *of =
            tables_find(source->tables, source->table_count, table->schema, table->name);
        const char *name =
            of && of->root ? of->root : verify_name(run->arena, table->schema, table->name);

        if (differs(run->report, name))
            kept.tables[kept.count++] = *table;
    }
    return kept;
}

static bool compare_live(Arena *arena, const VerifyLive *live, const Taken *taken, bool all,
                         VerifyLiveReport *ret, Error *err)
{
    double started = clock_seconds();
    const VerifyOptions options = {
        .rows_only = true,
        .all = live->all,
        .watch = live->watch,
    };
    VerifyLiveReport report = {0};
    VerifyRun run;
    Again again = {.run = &run, .live = live};

    bool ok = start_run(&run, arena, live, &options, &report, err);
    run.again = &again;
    ok = ok && compare_whole(&run, &again, all ? NULL : taken, err);
    report.rechecked = again.rechecked;
    report.tables_whole = report.report.tables;
    report_left(arena, &again, &report);
    Taken unclean = ok ? only_differing(&run, taken) : *taken;
    verify_close(&run);
    again_close(&again);
    if (!conclude(live, &unclean, ok, started, &report))
        return false;
    log_debug("compared while writers go on", kv_i64("rows", report.report.rows),
              kv_i64("rechecked", report.rechecked), kv_i64("changing", again.changing));
    *ret = report;
    return true;
}

bool verify_live_whole(Arena *arena, const VerifyLive *live, VerifyLiveReport *ret, Error *err)
{
    Taken taken = take(arena, live);

    return compare_live(arena, live, &taken, true, ret, err);
}

bool verify_live_marked(Arena *arena, const VerifyLive *live, VerifyLiveReport *ret, Error *err)
{
    Taken taken = take(arena, live);
    Taken marked = keep(arena, live, &taken, true);

    if (!compare_live(arena, live, &marked, false, ret, err))
        return false;
    if (ret->tables_whole == 0)
        put_back(live, &marked);
    return true;
}

/* ---- what was touched ---- */

/* One side's part of a comparison, by a thread of its own. */
typedef struct Half {
    VerifyRun *run;
    VerifySide side;
    const char *name;
    Arena *arena;
    bool (*work)(struct Half *half, Error *err);
    void *context;
    pthread_t thread;
    bool ok;
    Error error;
} Half;

static void *half_main(void *arg)
{
    Half *half = arg;

    half->ok = half->work(half, &half->error);
    return NULL;
}

/* The target's in this thread. */
static bool run_halves(Half *halves, bool (*work)(Half *half, Error *err), Error *err)
{
    Half *source = &halves[VERIFY_SOURCE];
    Half *target = &halves[VERIFY_TARGET];

    source->work = work;
    target->work = work;
    int failed = pthread_create(&source->thread, NULL, half_main, source);
    if (failed)
        return error_set(err, ERR_IO, "start a thread: %s", strerror(failed));
    (void)half_main(target);
    (void)pthread_join(source->thread, NULL);
    if (source->ok && target->ok)
        return true;
    *err = source->ok ? target->error : source->error;
    return error_add_context(err, "%s", (source->ok ? target : source)->name);
}

static bool open_half(Half *half, Error *err)
{
    VerifyServer *server = &half->run->sides[half->side];

    if (!pg_connect(&server->url, "verify", &server->conn, err) ||
        !verify_expect_identities(half->run, half->side, server->conn, err) ||
        !pg_exec(server->conn, "SET jit = off; SET max_parallel_workers_per_gather = 0", err))
        return error_add_context(err, "connect");
    server->encoding = PQparameterStatus(server->conn, "server_encoding");
    return tables_list(server->conn, half->arena, &server->tables, &server->table_count, err) &&
           identities_mark(half->run->identities, server->conn, server->tables, server->table_count,
                           err);
}

/* A touched table with its keys as rows to be read. */
typedef struct TouchedRows {
    VerifyTable *table; /* a copy of its own, with the key by which the stream knows the rows */
    VerifyTable *shared;
    Suspect *rows;
    int count;
    RowState *states[VERIFY_SIDES];
} TouchedRows;

typedef struct TouchedSet {
    TouchedRows *tables;
    int count;
} TouchedSet;

static bool set_key(Arena *arena, VerifyTable *table, const TouchedTable *touched)
{
    int *key = arena_array(arena, (size_t)touched->column_count, sizeof *key);
    int found = 0;

    for (int i = 0; i < touched->column_count; i++)
        for (int c = 0; c < table->column_count; c++)
            if (strcmp(table->columns[c].of[VERIFY_SOURCE]->name, touched->columns[i]) == 0)
                key[found++] = c;
    table->key = key;
    table->key_count = found;
    return found > 0 && found == touched->column_count;
}

static bool plan_touched(VerifyRun *run, const Taken *taken, TouchedSet *ret, Error *err)
{
    Arena *arena = run->arena;

    ret->tables = arena_array(arena, (size_t)taken->count, sizeof *ret->tables);
    for (int i = 0; i < taken->count; i++) {
        const TouchedTable *touched = &taken->tables[i];
        TouchedRows *rows = &ret->tables[ret->count];

        if (touched->whole)
            continue;
        rows->shared = table_of(run, touched);
        if (!rows->shared)
            return fail_unknown(run, touched, err);
        rows->table = arena_alloc(arena, sizeof *rows->table);
        *rows->table = *rows->shared;
        if (!set_key(arena, rows->table, touched))
            return fail_unknown(run, touched, err);
        rows->count = touched->key_count;
        rows->rows = arena_array(arena, (size_t)rows->count, sizeof *rows->rows);
        for (int k = 0; k < rows->count; k++)
            rows->rows[k].keys = touched->keys[k].values;
        for (int side = 0; side < VERIFY_SIDES; side++)
            rows->states[side] = arena_array(arena, (size_t)rows->count, sizeof(RowState));
        ret->count++;
    }
    return true;
}

static bool read_half(Half *half, Error *err)
{
    const TouchedSet *set = half->context;

    for (int i = 0; i < set->count; i++) {
        const TouchedRows *rows = &set->tables[i];
        RowsAsked asked = {
            .conn = half->run->sides[half->side].conn,
            .side = half->side,
            .table = rows->table,
            .rows = rows->rows,
            .count = rows->count,
        };
        if (!rows_read(&asked, rows->states[half->side], err))
            return false;
    }
    return true;
}

static bool rows_differ(const TouchedRows *rows, int at)
{
    return !row_states_equal(&rows->states[VERIFY_SOURCE][at], &rows->states[VERIFY_TARGET][at]);
}

static void add_found(VerifyRun *run, const TouchedSet *set)
{
    for (int i = 0; i < set->count; i++) {
        const VerifyTable *table = set->tables[i].table;
        if (table->missing + table->extra + table->different > 0)
            verify_add_table(run, table);
    }
}

static bool read_both(VerifyRun *run, Half *halves, TouchedSet *set, Error *err)
{
    for (int side = 0; side < VERIFY_SIDES; side++) {
        halves[side].context = set;
        run->again->conns[side] = run->sides[side].conn; /* in no transaction, as they must be */
    }
    bool ok = again_wait(run->again, err) && run_halves(halves, read_half, err);
    for (int side = 0; side < VERIFY_SIDES; side++)
        halves[side].context = NULL;
    return ok;
}

static bool compare_touched(VerifyRun *run, Half *halves, const Taken *taken, Error *err)
{
    TouchedSet set = {0};
    Again *again = run->again;

    if (!run_halves(halves, open_half, err) || !verify_pair(run, err) ||
        !plan_touched(run, taken, &set, err) || !read_both(run, halves, &set, err))
        return false;
    for (int i = 0; i < set.count; i++) {
        TouchedRows *rows = &set.tables[i];
        for (int at = 0; at < rows->count; at++)
            if (rows_differ(rows, at) && !again_suspect(again, rows->table, &rows->rows[at], err))
                return false;
    }
    if (!again_flush(again, err))
        return false;
    add_found(run, &set);
    run->report->tables = set.count;
    return true;
}

static void halves_init(Half *halves, VerifyRun *run)
{
    for (int side = 0; side < VERIFY_SIDES; side++)
        halves[side] = (Half){
            .run = run,
            .side = (VerifySide)side,
            .name = run->sides[side].name,
            .arena = arena_new(),
        };
}

static void halves_free(Half *halves)
{
    for (int side = 0; side < VERIFY_SIDES; side++)
        arena_free(halves[side].arena);
}

bool verify_live_touched(Arena *arena, const VerifyLive *live, VerifyLiveReport *ret, Error *err)
{
    double started = clock_seconds();
    VerifyLiveReport report = {0};
    VerifyRun run;
    Again again = {.run = &run, .live = live};
    Half halves[VERIFY_SIDES];
    Taken taken = take(arena, live);
    Taken keys = keep(arena, live, &taken, false);

    bool ok = start_run(&run, arena, live, &options_of_rows, &report, err);
    run.again = &again;
    halves_init(halves, &run);
    ok = ok && (keys.count == 0 || compare_touched(&run, halves, &keys, err));
    report.rechecked = again.rechecked;
    report.keys_compared = keys.keys;
    report.report.rows = keys.keys;
    again.conns[VERIFY_SOURCE] = NULL;
    again.conns[VERIFY_TARGET] = NULL;
    again_close(&again);
    verify_close(&run);
    halves_free(halves);
    if (!conclude(live, &keys, ok, started, &report))
        return false;
    *ret = report;
    return true;
}

/* ---- inside the pause ---- */

/* Nobody writes: what differs, differs. */
static bool report_touched(VerifyRun *run, const TouchedSet *set, Error *err)
{
    PGconn *const conns[VERIFY_SIDES] = {run->sides[VERIFY_SOURCE].conn,
                                         run->sides[VERIFY_TARGET].conn};

    for (int i = 0; i < set->count; i++) {
        const TouchedRows *rows = &set->tables[i];
        auto_arena Arena *listed = arena_new();
        KeyedList list = {.run = run, .table = rows->table, .conns = conns, .arena = listed};

        for (int at = 0; at < rows->count; at++) {
            bool here = rows->states[VERIFY_SOURCE][at].times > 0;
            bool there = rows->states[VERIFY_TARGET][at].times > 0;

            if (!rows_differ(rows, at))
                continue;
            if (here != there)
                keyed_one_sided(&list, here ? VERIFY_SOURCE : VERIFY_TARGET, rows->rows[at].keys);
            else if (!keyed_different(&list, rows->rows[at].keys, err))
                return false;
        }
        if (!keyed_flush(&list, err))
            return false;
    }
    add_found(run, set);
    return true;
}

static bool fail_too_large(const VerifyRun *whole, int64_t bytes, Error *err)
{
    const VerifyTable *first = &whole->tables[0];
    int more = whole->table_count - 1;

    /* Left for the pause on purpose, and then something else has taken too long. */
    if (bytes <= FEW_BYTES) {
        (void)error_set(err, ERR_WRONG_STATE, "no time is left to compare %s%s inside the pause",
                        first->name,
                        more > 0 ? arena_printf(whole->arena, " and %d more", more) : "");
        return error_hint(err, "Try again, or give more time with --max-pause.");
    }
    (void)error_set(err, ERR_WRONG_STATE,
                    "so much is written to %s%s that it could only be compared inside the pause, "
                    "and is too large for that (%" PRId64 " MB)",
                    first->name, more > 0 ? arena_printf(whole->arena, " and %d more", more) : "",
                    bytes / 1000000);
    return error_hint(err, "Try when less is written there, or give more time with --max-pause.%s",
                      first->key_count > 0 ? ""
                                           : " It has no key: one row that is written there stands "
                                             "for all of it.");
}

static bool compare_whole_tables(VerifyRun *run, const Taken *taken, double deadline_s,
                                 VerifyLiveReport *report, Error *err)
{
    VerifyRun whole;
    int64_t bytes = 0;

    if (!choose_whole(run, taken, &whole, &bytes, err))
        return false;
    if (clock_seconds() + (double)bytes / BYTES_A_SECOND > deadline_s)
        return fail_too_large(&whole, bytes, err);
    for (int i = 0; i < whole.table_count; i++)
        if (!verify_buckets(&whole, &whole.tables[i], err))
            return false;
    bool ok = verify_scan(&whole, err) && verify_name_rows(&whole, err);
    run->list_cap = whole.list_cap;
    report->tables_whole = whole.table_count;
    return ok;
}

static bool compare_fenced(VerifyRun *run, Half *halves, const Taken *taken, double deadline_s,
                           VerifyLiveReport *report, Error *err)
{
    TouchedSet set = {0};

    /* A snapshot is what several connections need that scan one table. */
    if (!(taken->whole > 0 ? verify_open(run, err) : run_halves(halves, open_half, err)) ||
        !verify_pair(run, err) || !plan_touched(run, taken, &set, err))
        return false;
    halves[VERIFY_SOURCE].context = &set;
    halves[VERIFY_TARGET].context = &set;
    if (!run_halves(halves, read_half, err) || !report_touched(run, &set, err))
        return false;
    report->report.tables = set.count;
    if (taken->whole > 0 && !compare_whole_tables(run, taken, deadline_s, report, err))
        return false;
    return verify_counts(run, deadline_s, &report->tables_counted, err);
}

bool verify_live_fenced(Arena *arena, const VerifyLive *live, double deadline_s,
                        VerifyLiveReport *ret, Error *err)
{
    double started = clock_seconds();
    VerifyLiveReport report = {0};
    VerifyRun run;
    Half halves[VERIFY_SIDES];
    Taken taken = take(arena, live);

    bool ok = start_run(&run, arena, live, &options_of_rows, &report, err);
    halves_init(halves, &run);
    ok = ok && compare_fenced(&run, halves, &taken, deadline_s, &report, err);
    verify_close(&run);
    halves_free(halves);
    report.keys_compared = taken.keys;
    report.report.rows += taken.keys;
    if (!conclude(live, &taken, ok, started, &report))
        return false;
    *ret = report;
    return true;
}
