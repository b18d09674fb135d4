/*
 * The app's writers: a connection and a thread each, which write one thing after another until
 * they are stopped, on the side that is live.
 *
 * Each write is done until it is acknowledged, and can be done twice, so that one whose
 * acknowledgement was lost with its connection is there once. Where it is refused (by the fence,
 * by a database that became read-only, by a session that was ended), the writer looks where the
 * app lives now: the hook of a switch writes that down in the place, as a pooler would be told.
 *
 * The writers behind the gateway know nothing of switches: each of their writes is one request, and
 * one that fails is the end of the demo.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "demo/client.h"
#include "demo/place.h"

enum {
    SAMPLE = 100000, /* made-up attempts that they know of */
    NAME_LEN = 40,
    PAUSE_MS = 4,   /* between two writes: users think */
    LOOK_MS = 2,    /* at where the app lives */
    AGAIN_MS = 100, /* where it lives has not changed: the switch may have been undone */
    PATIENCE_S = 60,
    MAX_SIDE = 64, /* of the file that says where the app lives */
    MAX_PARAMS = 3,
    SETTLE_S = 30,
    ALL_WRITERS = DEMO_WRITERS + DEMO_GATEWAY_WRITERS,
};

typedef enum WriteKind {
    WRITE_PROBLEM,
    WRITE_ATTEMPT,
    WRITE_CHANGE,
    WRITE_DELETE,
    WRITE_KINDS
} WriteKind;

/* A made-up attempt. */
typedef struct Known {
    const char *id;
    const char *problem;
    const char *user;
} Known;

typedef struct Writer {
    DemoWriters *all;
    pthread_t thread;
    bool started;
    int number;
    PGconn *conn;  /* NULL: to be made */
    DemoSide side; /* where it writes */
    int64_t writes;
    int used; /* of the made-up attempts that are its own to change and delete */
    Error err;
    atomic_bool failed;  /* `err` says why */
    atomic_int wrote_to; /* the side of its last write */
} Writer;

struct DemoWriters {
    PgUrl urls[DEMO_SIDES];
    const char *live_path;
    const char *gateway;
    const Known *known;
    int known_count;
    Writer writers[ALL_WRITERS];
    atomic_bool stop;
    atomic_bool failed;
    atomic_int_fast64_t written[WRITE_KINDS];
    atomic_int_fast64_t by_gateway;
    atomic_int_fast64_t longest_us; /* since demo_writers_mark() */
};

typedef struct Write {
    const char *sql;
    const char *params[MAX_PARAMS];
    int count;
} Write;

/* ---- one write ---- */

/* As an app's session: the fence ends such ones, and its settings hold for them. */
static bool connect_writer(Writer *writer, Error *err)
{
    return pg_connect(&writer->all->urls[writer->side], "writer", &writer->conn, err) &&
           pg_exec(writer->conn,
                   "SET application_name = 'gitgud'; RESET default_transaction_read_only", err);
}

static void disconnect(Writer *writer)
{
    pg_close(writer->conn);
    writer->conn = NULL;
}

static bool changed_one(const char *rows, Error *err)
{
    return strcmp(rows, "1") == 0 ||
           error_set(err, ERR_FOUND, "a write changed %s rows rather than 1", rows);
}

static bool try_write(Writer *writer, const Write *write, bool again, Error *err)
{
    auto_result PGresult *res = NULL;

    if ((!writer->conn && !connect_writer(writer, err)) ||
        !pg_query(writer->conn, write->sql, write->count, write->params, &res, err))
        return false;
    /* It may have been done the time before. */
    return again || changed_one(PQcmdTuples(res), err);
}

static bool is_behind_gateway(const Writer *writer)
{
    return writer->number >= DEMO_WRITERS;
}

/* Not here, or not now. */
static bool is_refusal(const Error *err)
{
    return err->code == ERR_CONNECT || strcmp(err->sqlstate, "HP001") == 0 ||
           strcmp(err->sqlstate, "25006") == 0;
}

/* Where the app lives, as the last switch has it. */
static DemoSide live_side(const DemoWriters *all)
{
    auto_arena Arena *scratch = arena_new();
    Error none = ERROR_INIT;
    char *text = NULL;

    if (file_exists(all->live_path) &&
        file_read(scratch, all->live_path, MAX_SIDE, &text, NULL, &none) &&
        strcmp(text, "forward\n") == 0)
        return DEMO_TARGET;
    return DEMO_SOURCE;
}

/* Until the app lives elsewhere, or it is time to try again here. */
static bool wait_for_side(Writer *writer, Error *err)
{
    double again = clock_seconds() + AGAIN_MS / 1000.0;

    disconnect(writer);
    while (live_side(writer->all) == writer->side && clock_seconds() < again)
        if (!cancel_sleep_ms(LOOK_MS, err))
            return false;
    writer->side = live_side(writer->all);
    return true;
}

static void note_wait(DemoWriters *all, double seconds)
{
    int_fast64_t us = (int_fast64_t)(seconds * 1e6);
    int_fast64_t longest = atomic_load(&all->longest_us);

    while (us > longest && !atomic_compare_exchange_weak(&all->longest_us, &longest, us))
        continue;
}

/* Where the app lives when the request is sent, the gateway sends it, or holds it until it can. */
static bool write_by_request(Writer *writer, const Write *write, Error *err)
{
    const DemoWriters *all = writer->all;
    const ClientQuery query = {write->sql, write->params, write->count};
    char rows[16];
    int changed = 0;

    writer->side = live_side(all);
    if (!client_post(all->gateway, &all->urls[DEMO_SOURCE], &query, &changed, err))
        return false;
    (void)snprintf(rows, sizeof rows, "%d", changed);
    return changed_one(rows, err);
}

/* A write that was begun is done also when they are stopped: it may be there already. */
static bool write_until_done(Writer *writer, const Write *write, Error *err)
{
    double began = clock_seconds();
    bool by_request = is_behind_gateway(writer);

    if (by_request && !write_by_request(writer, write, err))
        return false;
    for (bool again = false; !by_request && !try_write(writer, write, again, err); again = true) {
        if (!is_refusal(err) || atomic_load(&writer->all->failed))
            return false;
        if (clock_seconds() - began > PATIENCE_S)
            return error_add_context(err, "a write was refused for %d s", PATIENCE_S);
        if (!wait_for_side(writer, err))
            return false;
    }
    note_wait(writer->all, clock_seconds() - began);
    atomic_store(&writer->wrote_to, (int)writer->side);
    return true;
}

/* ---- a writer ---- */

/* One that no other writer changes or deletes; false: there is none left. */
static bool take_known(Writer *writer, Known *ret)
{
    int at = writer->used * ALL_WRITERS + writer->number;

    if (at >= writer->all->known_count)
        return false;
    writer->used++;
    *ret = writer->all->known[at];
    return true;
}

/* Of ten writes: six attempts, two changes, a problem, a deletion. */
static WriteKind choose_kind(const Writer *writer)
{
    static const WriteKind turns[] = {
        WRITE_ATTEMPT, WRITE_CHANGE,  WRITE_ATTEMPT, WRITE_ATTEMPT, WRITE_PROBLEM,
        WRITE_ATTEMPT, WRITE_ATTEMPT, WRITE_CHANGE,  WRITE_ATTEMPT, WRITE_DELETE,
    };

    return turns[(writer->writes + writer->number) % (int64_t)COUNT_OF(turns)];
}

static bool write_next(Writer *writer, Error *err)
{
    const DemoWriters *all = writer->all;
    /* Any, far from the one before. */
    const Known any =
        all->known[(writer->writes * 7919 + writer->number * 104729L) % all->known_count];
    Known own = {0};
    WriteKind kind = choose_kind(writer);
    char name[NAME_LEN];

    (void)snprintf(name, sizeof name, "%d-%" PRId64, writer->number + 1, writer->writes + 1);
    if ((kind == WRITE_CHANGE || kind == WRITE_DELETE) && !take_known(writer, &own))
        kind = WRITE_ATTEMPT;
    const Write write = kind == WRITE_PROBLEM
                            ? (Write){sql_demo_write_problem, {name, any.user}, 2}
                        : kind == WRITE_ATTEMPT
                            ? (Write){sql_demo_write_attempt, {name, any.problem, any.user}, 3}
                        : kind == WRITE_CHANGE ? (Write){sql_demo_write_change, {name, own.id}, 2}
                                               : (Write){sql_demo_write_delete, {own.id}, 1};
    if (!write_until_done(writer, &write, err))
        return false;
    writer->writes++;
    (void)atomic_fetch_add(&writer->all->written[kind], 1);
    if (is_behind_gateway(writer))
        (void)atomic_fetch_add(&writer->all->by_gateway, 1);
    return true;
}

static void *writer_main(void *context)
{
    Writer *writer = context;

    bool ok = true;
    while (ok && !atomic_load(&writer->all->stop))
        ok = write_next(writer, &writer->err) && cancel_sleep_ms(PAUSE_MS, &writer->err);
    if (!ok) {
        atomic_store(&writer->failed, true);
        atomic_store(&writer->all->failed, true);
    }
    disconnect(writer);
    return NULL;
}

/* ---- all of them ---- */

static bool learn(DemoWriters *all, const DemoPlace *place, Error *err)
{
    auto_conn PGconn *conn = NULL;
    auto_result PGresult *res = NULL;
    Arena *arena = place_arena(place);
    const char *params[] = {arena_printf(arena, "%d", SAMPLE)};

    if (!place_connect(place, DEMO_SOURCE, &conn, err) ||
        !pg_query(conn, sql_demo_written_rows, COUNT_OF(params), params, &res, err))
        return false;
    all->known_count = PQntuples(res);
    Known *known = arena_array(arena, (size_t)all->known_count, sizeof *known);
    for (int i = 0; i < all->known_count; i++)
        known[i] = (Known){
            .id = arena_strdup(arena, pg_cell(res, i, 0)),
            .problem = arena_strdup(arena, pg_cell(res, i, 1)),
            .user = arena_strdup(arena, pg_cell(res, i, 2)),
        };
    all->known = known;
    return all->known_count > 0 || error_set(err, ERR_WRONG_STATE, "there is no attempt");
}

bool demo_writers_start(const DemoPlace *place, DemoWriters **ret, Error *err)
{
    Arena *arena = place_arena(place);
    DemoWriters *all = arena_alloc(arena, sizeof *all);

    all->live_path = arena_printf(arena, "%s/live", demo_folder(place));
    all->gateway = demo_gateway_socket(place);
    for (int side = 0; side < DEMO_SIDES; side++)
        if (!url_parse(arena, demo_url(place, (DemoSide)side), "writers", &all->urls[side], err))
            return false;
    if (!learn(all, place, err))
        return error_add_context(err, "start the writers");
    *ret = all;
    for (int i = 0; i < ALL_WRITERS; i++) {
        Writer *writer = &all->writers[i];

        writer->all = all;
        writer->number = i;
        writer->started = pthread_create(&writer->thread, NULL, writer_main, writer) == 0;
        if (!writer->started)
            return error_set(err, ERR_IO, "a thread could not be started");
    }
    return true;
}

const char *demo_writers_hook(const DemoPlace *place)
{
    const char *folder = demo_folder(place);

    return arena_printf(place_arena(place),
                        "echo \"$HOMEPORT_DIRECTION\" >'%s/live.new' && mv '%s/live.new' '%s/live'",
                        folder, folder, folder);
}

void demo_writers_look(const DemoWriters *all, DemoWrites *ret)
{
    *ret = (DemoWrites){
        .problems = atomic_load(&all->written[WRITE_PROBLEM]),
        .attempts = atomic_load(&all->written[WRITE_ATTEMPT]),
        .changes = atomic_load(&all->written[WRITE_CHANGE]),
        .deletes = atomic_load(&all->written[WRITE_DELETE]),
    };
}

int64_t demo_writers_by_gateway(const DemoWriters *all)
{
    return atomic_load(&all->by_gateway);
}

int64_t demo_writes_total(const DemoWrites *writes)
{
    return writes->problems + writes->attempts + writes->changes + writes->deletes;
}

bool demo_writers_check(const DemoWriters *all, Error *err)
{
    if (cancel_requested())
        return cancel_check(err);
    if (!atomic_load(&all->failed))
        return true;
    for (int i = 0; i < ALL_WRITERS; i++)
        if (atomic_load(&all->writers[i].failed)) {
            *err = all->writers[i].err;
            return error_add_context(err, "writer %d", i + 1);
        }
    return true;
}

void demo_writers_mark(DemoWriters *all)
{
    atomic_store(&all->longest_us, 0);
}

bool demo_writers_settle(DemoWriters *all, DemoSide side, double *ret_longest_s, Error *err)
{
    double deadline = clock_seconds() + SETTLE_S;

    for (int i = 0; i < ALL_WRITERS; i++)
        while (atomic_load(&all->writers[i].wrote_to) != (int)side) {
            if (!demo_writers_check(all, err) || !cancel_sleep_ms(LOOK_MS, err))
                return false;
            if (clock_seconds() > deadline)
                return error_set(err, ERR_WRONG_STATE, "writer %d has not come over", i + 1);
        }
    *ret_longest_s = (double)atomic_load(&all->longest_us) / 1e6;
    return true;
}

bool demo_writers_stop(DemoWriters *all, Error *err)
{
    if (!all)
        return true;
    atomic_store(&all->stop, true);
    for (int i = 0; i < ALL_WRITERS; i++) {
        if (all->writers[i].started)
            (void)pthread_join(all->writers[i].thread, NULL);
        all->writers[i].started = false;
    }
    return demo_writers_check(all, err);
}

bool demo_position(const DemoPlace *place, DemoSide side, Lsn *ret, Error *err)
{
    auto_conn PGconn *conn = NULL;
    char *text = NULL;

    if (!place_connect(place, side, &conn, err) ||
        !pg_query_text(conn, place_arena(place), sql_live_position, &text, err))
        return false;
    return (text && lsn_parse(text, ret)) ||
           error_set(err, ERR_FORMAT, "the server does not say where its WAL ends");
}

void demo_writers_give_up(DemoWriters *all)
{
    Error ignored = ERROR_INIT;

    if (!all)
        return;
    atomic_store(&all->failed, true);
    pg_interrupt_all();
    (void)demo_writers_stop(all, &ignored);
}

bool demo_find_writes(const DemoPlace *place, DemoSide side, int64_t attempts, DemoWrites *ret,
                      Error *err)
{
    auto_conn PGconn *conn = NULL;
    auto_result PGresult *res = NULL;
    const char *params[] = {arena_printf(place_arena(place), "%" PRId64, attempts)};

    if (!place_connect(place, side, &conn, err) ||
        !pg_query(conn, sql_demo_find_writes, COUNT_OF(params), params, &res, err))
        return error_add_context(err, "count the writes");
    *ret = (DemoWrites){
        .problems = pg_cell_i64(res, 0, 0),
        .attempts = pg_cell_i64(res, 0, 1),
        .changes = pg_cell_i64(res, 0, 2),
        .deletes = pg_cell_i64(res, 0, 3),
    };
    return true;
}
