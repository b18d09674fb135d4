#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/text.h"
#include "move/keeper.h"
#include "move/verify.h"
#include "move/verify_again.h"

enum {
    MAX_JOBS = 4, /* a side, where --jobs does not say */
};

static const char *const kind_names[] = {
    [DIFFERENCE_MISSING] = "missing",     [DIFFERENCE_EXTRA] = "extra",
    [DIFFERENCE_DIFFERENT] = "different", [DIFFERENCE_COUNT] = "count",
    [DIFFERENCE_SEQUENCE] = "sequence",   [DIFFERENCE_SCHEMA] = "schema",
};

const char *difference_kind_name(DifferenceKind kind)
{
    return kind_names[kind];
}

/* ---- the report ---- */

static void append(Arena *arena, Difference **list, int *count, int *cap, Difference item)
{
    if (*count == *cap) {
        *cap = *cap ? *cap * 2 : 32;
        Difference *larger = arena_array(arena, (size_t)*cap, sizeof *larger);
        if (*count > 0)
            memcpy(larger, *list, (size_t)*count * sizeof *larger);
        *list = larger;
    }
    (*list)[(*count)++] = item;
}

void verify_add(VerifyRun *run, DifferenceKind kind, const char *object, const char *key,
                const char *detail)
{
    Difference item = {.kind = kind, .object = object, .key = key, .detail = detail};

    run->report->differences++;
    append(run->arena, &run->report->list, &run->report->list_count, &run->list_cap, item);
}

void verify_note(VerifyRun *run, const char *object, const char *detail)
{
    Difference item = {.kind = DIFFERENCE_SCHEMA, .object = object, .detail = detail};

    append(run->arena, &run->notes, &run->note_count, &run->note_cap, item);
}

bool verify_lists(const VerifyRun *run, VerifyTable *table)
{
    /* A mover lives on: it holds no more than it can send. */
    int most = !run->options->all ? VERIFY_LISTED : run->again ? VERIFY_LISTED_LIVE : INT_MAX;

    if (table->listed >= most) {
        table->unlisted++;
        return false;
    }
    table->listed++;
    return true;
}

static bool is_plain(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";

    return strspn(name, letters) > 0 &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789$")] == '\0';
}

const char *verify_name(Arena *arena, const char *schema, const char *name)
{
    return arena_printf(arena, "%s.%s", is_plain(schema) ? schema : pg_ident(arena, schema),
                        is_plain(name) ? name : pg_ident(arena, name));
}

const char *verify_shown(Arena *arena, const char *value, size_t max)
{
    Text out = text_init(arena, max * 8 + 16);
    size_t shown = 0;

    for (const unsigned char *p = (const unsigned char *)value; *p;) {
        size_t len = text_utf8_len(p, SIZE_MAX);

        if (shown++ == max) {
            text_add(&out, "...");
            break;
        }
        if (*p == '\n')
            text_add(&out, "\\n");
        else if (*p == '\t')
            text_add(&out, "\\t");
        else if (*p < ' ' || *p == 0x7F || len == 0)
            text_addf(&out, "\\x%02x", *p);
        else
            text_add_n(&out, (const char *)p, len);
        p += len ? len : 1;
    }
    return text_str(&out);
}

/* ---- both sides ---- */

static bool begin(PGconn *conn, const char *snapshot, Error *err)
{
    /* Plans are ours: parts are read side by side by our own connections, and what a compiled
     * expression saves is less than its compilation costs for each part. A lock is waited for only
     * behind a statement that itself waits for the locks that we have: it would be for ever. */
    if (!pg_exec(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err))
        return false;
    if (snapshot && !pg_execf(conn, err, "SET TRANSACTION SNAPSHOT '%s'", snapshot)) {
        if (err->code == ERR_SQL) /* who exported it is gone */
            err->code = ERR_SNAPSHOT;
        return false;
    }
    return pg_exec(conn,
                   "SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0;"
                   " SET LOCAL work_mem = '64MB'; SET LOCAL lock_timeout = '5s'",
                   err);
}

bool verify_send_identities(const VerifyRun *run, VerifySide side, PGconn *conn, Error *err)
{
    return side != run->home || identities_send(run->identities, conn, err);
}

bool verify_expect_identities(const VerifyRun *run, VerifySide side, PGconn *conn, Error *err)
{
    return side != run->home || identities_send_none(run->identities, conn, err);
}

bool verify_join(const VerifyRun *run, VerifySide number, const char *role, PGconn **ret,
                 Error *err)
{
    const VerifyServer *side = &run->sides[number];
    auto_conn PGconn *conn = NULL;

    if (!pg_connect(&side->url, role, &conn, err) ||
        !verify_send_identities(run, number, conn, err) || !begin(conn, side->snapshot, err))
        return error_add_context(err, "connect to the %s", side->name);
    *ret = conn;
    conn = NULL;
    return true;
}

static bool connect_side(VerifyRun *run, VerifySide number, Error *err)
{
    VerifyServer *side = &run->sides[number];

    if (!pg_connect(&side->url, "verify", &side->conn, err) ||
        !database_id_read(side->conn, run->arena, &side->id, err) ||
        !verify_send_identities(run, number, side->conn, err))
        return error_add_context(err, "connect to the %s", side->name);
    side->encoding = arena_strdup(run->arena, PQparameterStatus(side->conn, "server_encoding"));
    return true;
}

/* Rows, and the names by which they are asked for, are read in it from here on. */
static bool share_encoding(VerifyRun *run, Error *err)
{
    for (int i = 0; i < VERIFY_SIDES; i++) {
        VerifyServer *side = &run->sides[i];

        if (strcmp(run->sides[VERIFY_SOURCE].encoding, run->sides[VERIFY_TARGET].encoding) == 0)
            url_set_encoding(&side->url, side->encoding);
        if (!pg_use_encoding(side->conn, &side->url, err))
            return error_add_context(err, "%s", side->name);
    }
    return true;
}

static bool open_side(VerifyRun *run, VerifySide number, const char *given, Error *err)
{
    VerifyServer *side = &run->sides[number];
    char *snapshot = NULL;

    if (!begin(side->conn, given, err))
        return error_add_context(err, "connect to the %s", side->name);
    side->snapshot = given;
    if (!given) {
        if (!pg_query_text(side->conn, run->arena, "SELECT pg_catalog.pg_export_snapshot()",
                           &snapshot, err))
            return error_add_context(err, "export a snapshot of the %s", side->name);
        side->snapshot = snapshot;
    }
    if (!tables_list(side->conn, run->arena, &side->tables, &side->table_count, err) ||
        !identities_mark(run->identities, side->conn, side->tables, side->table_count, err))
        return error_add_context(err, "%s", side->name);
    /* A table that is truncated or rewritten after the snapshot reads as empty under it, without an
     * error (rule 3). Whoever exported the snapshot holds the locks as well. What is looked at
     * again needs none, and an app that truncates would wait for them. */
    Keeper keeper = {.conn = side->conn, .snapshot = side->snapshot};
    return given || run->again || keeper_lock(&keeper, side->tables, side->table_count, err) ||
           error_add_context(err, "%s", side->name);
}

int verify_jobs(const Config *config)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (config->jobs > 0)
        return config->jobs;
    return cpus < 1 ? 1 : cpus > MAX_JOBS ? MAX_JOBS : (int)cpus;
}

/* Not to be known beforehand: nobody can prepare two rows with equal hashes. */
bool verify_draw_seeds(VerifyRun *run, Error *err)
{
    if (getrandom(run->seeds, sizeof run->seeds, 0) != (ssize_t)sizeof run->seeds)
        return error_set_errno(err, "draw random numbers");
    return true;
}

/* Equal it would be, whatever became of the move. */
static bool refuse_same(const VerifyRun *run, Error *err)
{
    if (!database_id_same(&run->sides[VERIFY_SOURCE].id, &run->sides[VERIFY_TARGET].id))
        return true;
    (void)error_set(err, ERR_USAGE, "source and target are the same database");
    return error_hint(err, "Give the new server's address with --target (or HOMEPORT_TARGET_URL, "
                           "or target: in homeport.yaml).");
}

bool verify_open(VerifyRun *run, Error *err)
{
    VerifyServer *source = &run->sides[VERIFY_SOURCE];
    VerifyServer *target = &run->sides[VERIFY_TARGET];

    *source = (VerifyServer){.name = "source"};
    *target = (VerifyServer){.name = "target"};
    return url_parse(run->arena, run->config->source, "source", &source->url, err) &&
           url_parse(run->arena, run->config->target, "target", &target->url, err) &&
           verify_draw_seeds(run, err) && connect_side(run, VERIFY_SOURCE, err) &&
           connect_side(run, VERIFY_TARGET, err) && refuse_same(run, err) &&
           share_encoding(run, err) && open_side(run, VERIFY_SOURCE, run->options->snapshot, err) &&
           open_side(run, VERIFY_TARGET, NULL, err);
}

void verify_close(VerifyRun *run)
{
    for (int side = 0; side < VERIFY_SIDES; side++) {
        pg_close(run->sides[side].conn);
        run->sides[side].conn = NULL;
    }
}

/* ---- the schema, beside the rows ---- */

typedef struct DumpThread {
    pthread_t thread;
    bool started;
    bool ok;
    VerifyDump dump;
    Error error;
} DumpThread;

static void *dump_main(void *arg)
{
    DumpThread *thread = arg;

    thread->ok = verify_dump(&thread->dump, &thread->error);
    return NULL;
}

static bool dump_start(VerifyRun *run, DumpThread *thread, Error *err)
{
    *thread = (DumpThread){.dump = {.run = run}};
    if (run->options->rows_only)
        return true;
    thread->dump.arena = arena_new();
    int failed = pthread_create(&thread->thread, NULL, dump_main, thread);
    /* not run: no room for a thread, of which verify_scan() needs more */
    if (failed)
        return error_set(err, ERR_IO, "start a thread: %s", strerror(failed));
    thread->started = true;
    return true;
}

static void dump_wait(DumpThread *thread)
{
    if (thread->started)
        (void)pthread_join(thread->thread, NULL);
    thread->started = false;
}

static bool finish_schema(VerifyRun *run, DumpThread *thread, Error *err)
{
    VerifyReport *report = run->report;

    dump_wait(thread);
    if (!cancel_check(err))
        return false;
    if (run->options->rows_only) {
        report->schema_skipped = "not asked for";
    } else if (thread->ok) {
        report->schema_compared = true;
        verify_schema(run, &thread->dump);
        return true;
    } else {
        report->schema_skipped = arena_strdup(run->arena, thread->error.message);
        report->schema_hint = arena_strdup(run->arena, thread->error.hint);
    }
    for (int i = 0; i < run->note_count; i++)
        verify_add(run, DIFFERENCE_SCHEMA, run->notes[i].object, NULL, run->notes[i].detail);
    return true;
}

/* ---- rows ---- */

static bool table_differs(const VerifyTable *table)
{
    for (int i = 0; i < table->bucket_count; i++)
        if (memcmp(&table->buckets[VERIFY_SOURCE][i], &table->buckets[VERIFY_TARGET][i],
                   sizeof(Bucket)) != 0)
            return true;
    return false;
}

static int64_t rows_of(const VerifyTable *table, VerifySide side)
{
    int64_t rows = 0;

    for (int i = 0; i < table->bucket_count; i++)
        rows += table->buckets[side][i].rows;
    return rows;
}

bool verify_statement_begin(const VerifyRun *run, PGconn *conn, Error *err)
{
    return !run->again || pg_exec(conn, "SAVEPOINT statement", err);
}

bool verify_statement_end(const VerifyRun *run, PGconn *conn, Error *err)
{
    return !run->again || pg_exec(conn, "ROLLBACK TO statement; RELEASE statement", err);
}

void verify_add_table(VerifyRun *run, const VerifyTable *table)
{
    VerifyReport *report = run->report;
    int count = report->differing_count;
    DifferingTable *list = report->differing;

    if ((count & (count - 1)) == 0) { /* 0 or a power of two: full */
        list = arena_array(run->arena, (size_t)(count ? 2 * count : 1), sizeof *list);
        if (count > 0)
            memcpy(list, report->differing, (size_t)count * sizeof *list);
        report->differing = list;
    }
    list[count] = (DifferingTable){
        .name = table->name,
        .rows_source = rows_of(table, VERIFY_SOURCE),
        .rows_target = rows_of(table, VERIFY_TARGET),
        .missing = table->missing,
        .extra = table->extra,
        .different = table->different,
        .unlisted = table->unlisted,
    };
    report->differing_count = count + 1;
}

static bool name_rows_of(VerifyRun *run, VerifyTable *table, PGconn *const streams[VERIFY_SIDES],
                         Error *err)
{
    for (int side = 0; side < VERIFY_SIDES; side++)
        if (!verify_statement_begin(run, streams[side], err))
            return false;
    if (!(table->key_count > 0 ? verify_rows : verify_bags)(run, table, streams, err))
        return error_add_context(err, "compare rows of %s", table->name);
    for (int side = 0; side < VERIFY_SIDES; side++)
        if (!verify_statement_end(run, streams[side], err))
            return false;
    return !run->again || again_flush(run->again, err);
}

/* It is compared again as a whole: what was found of it before it was emptied is found once more.
 */
static bool forget_emptied(const VerifyRun *run, const VerifyTable *table,
                           const VerifyReport *before)
{
    if (!run->again || !again_was_emptied(run->again, table))
        return false;
    run->report->differences = before->differences;
    run->report->list_count = before->list_count;
    return true;
}

bool verify_name_rows(VerifyRun *run, Error *err)
{
    auto_conn PGconn *source = NULL;
    auto_conn PGconn *target = NULL;

    for (int i = 0; i < run->table_count; i++) {
        VerifyTable *table = &run->tables[i];

        if (!table_differs(table))
            continue;
        if (!source && (!verify_join(run, VERIFY_SOURCE, "verify", &source, err) ||
                        !verify_join(run, VERIFY_TARGET, "verify", &target, err)))
            return false;
        PGconn *const streams[VERIFY_SIDES] = {source, target};
        const VerifyReport before = *run->report;
        if (!name_rows_of(run, table, streams, err))
            return false;
        if (!forget_emptied(run, table, &before) &&
            table->missing + table->extra + table->different > 0)
            verify_add_table(run, table);
    }
    return true;
}

static bool compare(VerifyRun *run, DumpThread *dump, Error *err)
{
    if (!verify_open(run, err) || !dump_start(run, dump, err) || !verify_plan(run, err) ||
        !verify_scan(run, err) || !verify_name_rows(run, err) || !verify_sequences(run, err) ||
        (!run->options->rows_only && !verify_states(run, err)))
        return false;
    run->report->tables = run->table_count;
    return finish_schema(run, dump, err);
}

bool verify_run(Arena *arena, const Config *config, const VerifyOptions *options, VerifyReport *ret,
                Error *err)
{
    VerifyReport report = {0};
    VerifyRun run = {
        .arena = arena,
        .config = config,
        .options = options,
        .report = &report,
        .jobs = verify_jobs(config),
        .home = VERIFY_TARGET,
    };
    Identities *identities = NULL;
    DumpThread dump = {0};
    double started = clock_seconds();

    bool ok = identities_load(config, &identities, err);
    run.identities = identities;
    ok = ok && compare(&run, &dump, err);
    dump_wait(&dump);
    arena_free(dump.dump.arena);
    verify_close(&run);
    identities_free(identities);
    if (!ok && strcmp(err->sqlstate, "55P03") == 0) {
        err->code = ERR_SNAPSHOT;
        return error_hint(err, "A statement waits there for a lock on this table and stood in the "
                               "way: it goes on now. Run it again.");
    }
    if (!ok)
        return false;
    report.verified = report.differences == 0 && (report.schema_compared || options->rows_only);
    report.seconds = clock_seconds() - started;
    *ret = report;
    return true;
}

/* ---- JSON ---- */

static void differing_json(Json *json, const VerifyReport *report)
{
    json_key(json, "differing_tables");
    json_open_array(json);
    for (int i = 0; i < report->differing_count; i++) {
        const DifferingTable *table = &report->differing[i];

        json_open_object(json);
        json_kv_string(json, "table", table->name);
        json_kv_int(json, "rows_source", table->rows_source);
        json_kv_int(json, "rows_target", table->rows_target);
        json_kv_int(json, "missing", table->missing);
        json_kv_int(json, "extra", table->extra);
        json_kv_int(json, "different", table->different);
        json_close(json);
    }
    json_close(json);
}

void verify_report_json(Json *json, const VerifyReport *report)
{
    json_kv_bool(json, "verified", report->verified);
    json_kv_int(json, "differences", report->differences);
    json_kv_int(json, "tables", report->tables);
    json_kv_int(json, "rows", report->rows);
    json_kv_int(json, "sequences", report->sequences);
    json_kv_double(json, "seconds", report->seconds, 3);
    json_key(json, "schema");
    json_open_object(json);
    json_kv_bool(json, "compared", report->schema_compared);
    json_kv_string(json, "why_not", report->schema_skipped);
    json_kv_string(json, "hint",
                   report->schema_hint && *report->schema_hint ? report->schema_hint : NULL);
    json_close(json);
    differing_json(json, report);
    json_key(json, "list");
    json_open_array(json);
    for (int i = 0; i < report->list_count; i++) {
        const Difference *item = &report->list[i];

        json_open_object(json);
        json_kv_string(json, "kind", difference_kind_name(item->kind));
        json_kv_string(json, "object", item->object);
        json_kv_string(json, "key", item->key);
        json_kv_string(json, "detail", item->detail);
        json_close(json);
    }
    json_close(json);
}
