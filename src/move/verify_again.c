#include "move/verify_again.h"

#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"

enum {
    CHUNK = 5000,        /* rows a statement */
    MAX_LIST = 100000,   /* suspects held at once */
    MAX_SQL = 64 << 20,  /* with the values of CHUNK keys */
    ROUNDS = 6,          /* looks at a row that changes each time */
    WAIT_S = 300,        /* for the applier */
    SLICE_MS = 500,      /* of it, to see whether we are to stop */
    PATIENCE_MS = 200,   /* before a source is taken for quiet */
    ROUND_PAUSE_MS = 20, /* before a row that has just changed is looked at again */
};

/* ---- rows by their keys ---- */

/* The key's own equality, so that its index serves: of a type that is not built in it must be named
 * with its schema. */
static const char *equals_of(const PGresult *keys, const TableColumn *column)
{
    for (int i = 0; keys && i < PQntuples(keys); i++)
        if (strcmp(pg_cell(keys, i, 1), column->name) == 0)
            return pg_cell(keys, i, 2);
    return *column->base ? "=" : NULL;
}

static bool needs_operators(const VerifyTable *table, VerifySide side)
{
    for (int i = 0; i < table->key_count; i++)
        if (!*table->columns[table->key[i]].of[side]->base)
            return true;
    return false;
}

static bool read_operators(PGconn *conn, const VerifyTable *table, VerifySide side, PGresult **ret,
                           Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *params[] = {arena_printf(scratch, "%u", table->of[side]->oid)};

    return !needs_operators(table, side) || pg_query(conn, sql_apply_keys, 1, params, ret, err);
}

/* Home's, where source and target are compared by the source's identifiers. */
static bool is_mapped(const VerifyTable *table, VerifySide side, const VerifyColumn *column)
{
    return table->mapped[side] && column->of[side]->identifier;
}

static const char *match_sql(Arena *arena, const VerifyTable *table, VerifySide side,
                             const PGresult *operators)
{
    Text sql = text_init(arena, MAX_SQL);

    for (int i = 0; i < table->key_count; i++) {
        const VerifyColumn *column = &table->columns[table->key[i]];
        const char *equals = equals_of(operators, column->of[side]);

        /* A mapped column as home has it, for its index. */
        const char *sql_of =
            is_mapped(table, side, column)
                ? arena_printf(arena, "t.%s", identity_home_column(arena, column->of[side]))
                : column->sql;
        text_add(&sql, i ? " AND " : "");
        if (equals)
            text_addf(&sql, "%s %s k.k%d::%s", sql_of, equals, i + 1, column->of[side]->type);
        else
            text_addf(&sql, "%s COLLATE \"C\" = k.k%d", verify_text_sql(arena, column), i + 1);
    }
    return text_str(&sql);
}

/* Which version of a row it is can be asked of a table only. */
static const char *version_sql(const VerifyTable *table, VerifySide side)
{
    return table->rows[side][0] == '(' ? "0" : "t.xmin";
}

static const char *key_array(Arena *arena, const RowsAsked *asked, int number)
{
    const VerifyColumn *column = &asked->table->columns[asked->table->key[number]];
    const char **values = arena_array(arena, (size_t)asked->count, sizeof *values);
    bool mapped = is_mapped(asked->table, asked->side, column);

    for (int i = 0; i < asked->count; i++) {
        const char *value = asked->rows[i].keys[number];
        values[i] = mapped ? identity_home_of(asked->table->mapped[asked->side], value) : value;
    }
    return pg_text_array(arena, values, asked->count);
}

/* What the statements on rows by keys have in common. */
typedef struct KeyedSql {
    const char *arrays;
    const char *names;
    const char *match;
    const char **params; /* the keys, an array for each column */
} KeyedSql;

static KeyedSql keyed_sql(Arena *arena, const RowsAsked *asked, const PGresult *operators)
{
    const VerifyTable *table = asked->table;
    Text arrays = text_init(arena, MAX_SQL);
    Text names = text_init(arena, MAX_SQL);
    KeyedSql sql = {.match = match_sql(arena, table, asked->side, operators),
                    .params = arena_array(arena, (size_t)table->key_count, sizeof *sql.params)};

    for (int i = 0; i < table->key_count; i++) {
        text_addf(&arrays, "%spg_catalog.unnest($%d::pg_catalog.text[])", i ? ", " : "", i + 1);
        text_addf(&names, "%sk%d", i ? ", " : "", i + 1);
        sql.params[i] = key_array(arena, asked, i);
    }
    sql.arrays = text_str(&arrays);
    sql.names = text_str(&names);
    return sql;
}

static const char *key_rows_sql(Arena *arena, const RowsAsked *asked, const KeyedSql *keyed)
{
    const VerifyTable *table = asked->table;
    const SqlPart parts[] = {
        {"arrays",  keyed->arrays    },
        {"names",   keyed->names     },
        {"hash1",   table->hashes[0] },
        {"hash2",   table->hashes[1] },
        {"version", version_sql(table, asked->side)},
        {"rows",         table->rows[asked->side]                    },
        {"match",         keyed->match},
        {NULL,         NULL                       },
    };
    return verify_fill(arena, sql_verify_key_rows, parts);
}

/* The part of the map that these rows of home's are read through. */
static bool send_identities(Arena *arena, const RowsAsked *asked, const KeyedSql *keyed, Error *err)
{
    const VerifyTable *table = asked->table;
    const Table *of = table->of[asked->side];
    Text ids = text_init(arena, MAX_SQL);
    auto_result PGresult *res = NULL;

    if (!table->mapped[asked->side])
        return true;
    for (int i = 0; i < of->column_count; i++)
        if (of->columns[i].identifier)
            text_addf(&ids, "%s(t.%s::pg_catalog.text)", ids.len ? ", " : "",
                      identity_home_column(arena, &of->columns[i]));
    const SqlPart parts[] = {
        {"arrays", keyed->arrays           },
        {"names",  keyed->names            },
        {"rows",   table->rows[asked->side]},
        {"match",  keyed->match            },
        {"ids",    text_str(&ids)          },
        {NULL,     NULL                    },
    };
    return pg_query(asked->conn, verify_fill(arena, sql_verify_home_ids, parts), table->key_count,
                    keyed->params, &res, err) &&
           identities_send_some(table->mapped[asked->side], asked->conn, res, err);
}

static uint64_t cell_u64(const PGresult *res, int row, int col)
{
    return (uint64_t)pg_cell_i64(res, row, col);
}

static bool read_keyed(const RowsAsked *asked, RowState *ret, Error *err)
{
    const VerifyTable *table = asked->table;
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *operators = NULL;
    auto_result PGresult *res = NULL;

    if (!read_operators(asked->conn, table, asked->side, &operators, err))
        return false;
    KeyedSql keyed = keyed_sql(scratch, asked, operators);
    if (!send_identities(scratch, asked, &keyed, err) ||
        !pg_query(asked->conn, key_rows_sql(scratch, asked, &keyed), table->key_count, keyed.params,
                  &res, err))
        return false;
    for (int i = 0; i < PQntuples(res); i++) {
        RowState *state = &ret[pg_cell_i64(res, i, 0) - 1];

        /* More than one only where this side does not enforce the key. */
        state->times++;
        for (int h = 0; h < VERIFY_HASHES; h++)
            state->hashes[h] += cell_u64(res, i, 1 + h);
        state->version += cell_u64(res, i, 1 + VERIFY_HASHES);
    }
    return true;
}

/* ---- rows without a key, by their hashes ---- */

/* -1: it is not among them. */
static int find_hashes(const RowsAsked *asked, int64_t first, int64_t second)
{
    for (int i = 0; i < asked->count; i++)
        if (asked->rows[i].hashes[0] == first && asked->rows[i].hashes[1] == second)
            return i;
    return -1;
}

static bool read_bag(const RowsAsked *asked, RowState *ret, Error *err)
{
    const VerifyTable *table = asked->table;
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    Text numbers = text_init(scratch, MAX_SQL);

    if (table->mapped[asked->side] &&
        !identities_send_rest(table->mapped[asked->side], asked->conn, err))
        return false;
    for (int i = 0; i < asked->count; i++)
        text_addf(&numbers, "%s%lld", i ? "," : "{", (long long)asked->rows[i].hashes[0]);
    text_add(&numbers, "}");
    const SqlPart parts[] = {
        {"hash1", table->hashes[0]        },
        {"hash2", table->hashes[1]        },
        {"rows",  table->rows[asked->side]},
        {NULL,    NULL                    },
    };
    const char *params[] = {text_str(&numbers)};
    if (!pg_query(asked->conn, verify_fill(scratch, sql_verify_bag_counts, parts), 1, params, &res,
                  err))
        return false;
    for (int i = 0; i < PQntuples(res); i++) {
        int at = find_hashes(asked, pg_cell_i64(res, i, 0), pg_cell_i64(res, i, 1));
        if (at >= 0)
            ret[at].times = pg_cell_i64(res, i, VERIFY_HASHES);
    }
    return true;
}

bool row_states_equal(const RowState *a, const RowState *b)
{
    return a->times == b->times && memcmp(a->hashes, b->hashes, sizeof a->hashes) == 0;
}

bool rows_read(const RowsAsked *asked, RowState *ret, Error *err)
{
    memset(ret, 0, (size_t)asked->count * sizeof *ret);
    for (int at = 0; at < asked->count; at += CHUNK) {
        RowsAsked some = *asked;

        some.rows += at;
        some.count = asked->count - at < CHUNK ? asked->count - at : CHUNK;
        if (!cancel_check(err) ||
            !(asked->table->key_count > 0 ? read_keyed : read_bag)(&some, ret + at, err))
            return error_add_context(err, "read rows of %s again", asked->table->name);
    }
    return true;
}

/* ---- waiting ---- */

static bool connect_side(const VerifyRun *run, VerifySide side, PGconn **ret, Error *err)
{
    const VerifyServer *server = &run->sides[side];
    auto_conn PGconn *conn = NULL;

    if (!pg_connect(&server->url, "verify", &conn, err) ||
        !verify_expect_identities(run, side, conn, err) ||
        !pg_exec(conn,
                 "SET jit = off; SET max_parallel_workers_per_gather = 0; SET lock_timeout = '5s'",
                 err))
        return error_add_context(err, "connect to the %s", server->name);
    *ret = conn;
    conn = NULL;
    return true;
}

bool again_connect(Again *again, Error *err)
{
    for (int side = 0; side < VERIFY_SIDES; side++)
        if (!again->conns[side] &&
            !connect_side(again->run, (VerifySide)side, &again->conns[side], err))
            return false;
    return true;
}

void again_close(Again *again)
{
    for (int side = 0; side < VERIFY_SIDES; side++) {
        pg_close(again->conns[side]);
        again->conns[side] = NULL;
    }
    arena_free(again->arena);
    again->arena = NULL;
}

/* On a quiet source nothing follows that would carry the applier past a position. */
static bool write_something(PGconn *source, Lsn *ret, Error *err)
{
    auto_result PGresult *res = NULL;
    const char *params[] = {"verify"};

    if (!pg_exec(source, "BEGIN READ WRITE", err) ||
        !pg_query(source, sql_live_marker, COUNT_OF(params), params, &res, err) ||
        !pg_exec(source, "COMMIT", err))
        return error_add_context(err, "write a message on the source");
    return lsn_parse(PQgetvalue(res, 0, 0), ret) ||
           /* not run: PostgreSQL writes positions as it reads them */
           error_set(err, ERR_FORMAT, "not a position: %s", PQgetvalue(res, 0, 0));
}

/* *ret_reached false: not yet. */
static bool wait_a_while(Again *again, Lsn lsn, int ms, bool *ret_reached, Error *err)
{
    double until = clock_seconds() + ms / 1000.0;

    if (!cancel_check(err))
        return false;
    *ret_reached = again->live->wait_applied(again->live->context, lsn, until, err);
    return *ret_reached || (err->code == ERR_WRONG_STATE && clock_seconds() >= until);
}

bool again_wait(Again *again, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    double deadline = clock_seconds() + WAIT_S;
    bool reached = false;
    char *text = NULL;
    Lsn lsn = 0;

    if (!pg_query_text(again->conns[VERIFY_SOURCE], scratch, sql_live_position, &text, err) ||
        !lsn_parse(text, &lsn))
        return error_add_context(err, "read the position of the source");
    if (!wait_a_while(again, lsn, PATIENCE_MS, &reached, err))
        return false;
    if (!reached && !write_something(again->conns[VERIFY_SOURCE], &lsn, err))
        return false;
    while (!reached) {
        if (!wait_a_while(again, lsn, SLICE_MS, &reached, err))
            return false;
        if (!reached && clock_seconds() > deadline) {
            (void)error_set(err, ERR_WRONG_STATE,
                            "what was written %d s ago is still not applied, so that the sides "
                            "cannot be compared",
                            (int)WAIT_S);
            return error_hint(err, "`homeport status --watch` shows when it has caught up.");
        }
    }
    return true;
}

/* ---- rounds ---- */

typedef struct Look {
    Again *again;
    VerifyTable *table;
    Suspect *rows; /* not judged yet */
    int count;
    RowState *before;
    RowState *there;
    RowState *after;
    KeyedList keyed;
    OddList odd;
} Look;

static bool report(Look *look, int at, Error *err)
{
    const Suspect *row = &look->rows[at];
    const RowState *here = &look->before[at];
    const RowState *there = &look->there[at];

    if (!row->keys) {
        const OddRow odd = {
            .hashes = {row->hashes[0], row->hashes[1]},
            .times = {here->times,    there->times  },
        };
        return odd_add(&look->odd, &odd, err);
    }
    if (here->times > 0 && there->times > 0)
        return keyed_different(&look->keyed, row->keys, err);
    keyed_one_sided(&look->keyed, here->times > 0 ? VERIFY_SOURCE : VERIFY_TARGET, row->keys);
    return true;
}

/* Those that are alike go. */
static void drop_equal(Look *look)
{
    int left = 0;

    for (int i = 0; i < look->count; i++) {
        if (row_states_equal(&look->before[i], &look->there[i]))
            continue;
        look->rows[left] = look->rows[i];
        look->before[left] = look->before[i];
        look->there[left++] = look->there[i];
    }
    look->again->rechecked += look->count - left;
    look->count = left;
}

/* A row that came and went again between both looks at the source is seen by its version; one that
 * has none, or that is not there, is believed only the second time. */
static bool is_certain(const Look *look, int at, int round)
{
    return row_states_equal(&look->before[at], &look->after[at]) &&
           look->before[at].version == look->after[at].version &&
           (look->before[at].version != 0 || round > 0);
}

static bool look_at(const Look *look, VerifySide side, RowState *ret, Error *err)
{
    RowsAsked asked = {
        .conn = look->again->conns[side],
        .side = side,
        .table = look->table,
        .rows = look->rows,
        .count = look->count,
    };

    return rows_read(&asked, ret, err);
}

static bool look_once(Look *look, int round, Error *err)
{
    Again *again = look->again;
    int left = 0;

    if (!look_at(look, VERIFY_SOURCE, look->before, err) || !again_wait(again, err) ||
        !look_at(look, VERIFY_TARGET, look->there, err))
        return false;
    drop_equal(look);
    if (!look_at(look, VERIFY_SOURCE, look->after, err))
        return false;
    for (int i = 0; i < look->count; i++) {
        if (!is_certain(look, i, round))
            look->rows[left++] = look->rows[i];
        else if (!report(look, i, err))
            return false;
    }
    look->count = left;
    return true;
}

void again_leave_table(Again *again, const AgainLeft *left)
{
    int last = again->left_count - 1;
    bool known = last >= 0 && again->left[last].table == left->table;

    log_debug("a table could not be compared", kv_str("table", left->table->name),
              kv_str("why", left->why));
    again->left[known ? last : again->left_count++] = *left;
}

bool again_was_emptied(const Again *again, const VerifyTable *table)
{
    int last = again->left_count - 1;

    return last >= 0 && again->left[last].table == table && again->left[last].emptied;
}

void again_keep_left(const Again *again)
{
    for (int i = 0; i < again->left_count; i++) {
        const Table *source = again->left[i].table->of[VERIFY_SOURCE];

        touched_add_whole(again->live->touched, source->schema, source->name);
    }
}

/* To be compared another time, at the latest when nobody writes. */
static void leave_for_later(const Look *look)
{
    Again *again = look->again;
    const VerifyTable *table = look->table;
    const Table *source = table->of[VERIFY_SOURCE];
    const char *columns[32];

    again->changing += look->count;
    log_debug("rows changed each time they were looked at", kv_str("table", table->name),
              kv_i64("rows", look->count));
    if (look->count > 0 && table->key_count == 0)
        again_leave_table(again, &(AgainLeft){
                                     .table = table,
                                     .why = "its rows changed each time they were looked at",
                                     .passing = true,
                                 });
    if (table->key_count == 0)
        return;
    for (int i = 0; i < table->key_count; i++)
        columns[i] = table->columns[table->key[i]].of[VERIFY_SOURCE]->name;
    for (int i = 0; i < look->count; i++)
        touched_add(again->live->touched, source->schema, source->name, columns,
                    &(TouchedKey){.values = look->rows[i].keys, .count = table->key_count});
}

static bool judge(Again *again, Suspect *rows, int count, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_arena Arena *listed = arena_new();
    Look look = {
        .again = again,
        .table = again->table,
        .rows = rows,
        .count = count,
        .before = arena_array(scratch, (size_t)count, sizeof(RowState)),
        .there = arena_array(scratch, (size_t)count, sizeof(RowState)),
        .after = arena_array(scratch, (size_t)count, sizeof(RowState)),
        .keyed = {.run = again->run, .table = again->table, .conns = again->conns, .arena = listed},
        .odd = {.run = again->run,                 .table = again->table,                      .conns = again->conns     },
    };

    for (int round = 0; look.count > 0 && round < ROUNDS; round++)
        if ((round > 0 && !cancel_sleep_ms(ROUND_PAUSE_MS, err)) || !look_once(&look, round, err))
            return false;
    leave_for_later(&look);
    return keyed_flush(&look.keyed, err) && odd_flush(&look.odd, err);
}

bool again_flush(Again *again, Error *err)
{
    if (again->count == 0)
        return true;
    if (!again_connect(again, err))
        return false;
    for (int at = 0; at < again->count; at += CHUNK) {
        int some = again->count - at < CHUNK ? again->count - at : CHUNK;

        if (!judge(again, again->list + at, some, err))
            return false;
    }
    again->count = 0;
    again->cap = 0;
    again->list = NULL;
    arena_reset(again->arena);
    return true;
}

static Suspect copy_suspect(Arena *arena, const VerifyTable *table, const Suspect *suspect)
{
    Suspect own = *suspect;

    if (suspect->keys) {
        const char **keys = arena_array(arena, (size_t)table->key_count, sizeof *keys);
        for (int i = 0; i < table->key_count; i++)
            keys[i] = arena_strdup(arena, suspect->keys[i]);
        own.keys = keys;
    }
    return own;
}

bool again_suspect(Again *again, VerifyTable *table, const Suspect *suspect, Error *err)
{
    if ((again->table != table || again->count == MAX_LIST) && !again_flush(again, err))
        return false;
    again->table = table;
    if (!again->arena)
        again->arena = arena_new();
    if (again->count == again->cap) {
        again->cap = again->cap ? again->cap * 2 : 64;
        Suspect *larger = arena_array(again->arena, (size_t)again->cap, sizeof *larger);
        if (again->count > 0)
            memcpy(larger, again->list, (size_t)again->count * sizeof *larger);
        again->list = larger;
    }
    again->list[again->count++] = copy_suspect(again->arena, table, suspect);
    return true;
}
