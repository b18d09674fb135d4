#include "move/apply_tables.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "pg/pg.h"

enum {
    OID_TEXT = 25,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_NUMERIC = 1700,
    OID_JSON = 114,
    OID_JSONB = 3802,
    FIRST_USER_OID = 16384,
};

typedef struct SideColumn {
    const char *name;
    const char *type;
    unsigned type_oid;
    bool generated;
    char identity;
    bool needed; /* NOT NULL without a default: a row without it is refused */
} SideColumn;

typedef struct SideTable {
    unsigned oid;
    char kind;
    const char *root;
    SideColumn *columns;
    int count;
} SideTable;

static bool read_side(PGconn *conn, Arena *arena, const PgRelation *relation, SideTable *ret,
                      Error *err)
{
    const char *params[] = {relation->schema, relation->name};
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_apply_columns, 2, params, &res, err))
        return false;
    SideTable side = {.count = PQntuples(res)};
    side.columns = arena_array(arena, (size_t)side.count, sizeof *side.columns);
    for (int i = 0; i < side.count; i++) {
        SideColumn *column = &side.columns[i];

        side.oid = (unsigned)pg_cell_i64(res, i, 0);
        side.kind = *pg_cell(res, i, 1);
        side.root = pg_cell(res, i, 2) ? arena_strdup(arena, pg_cell(res, i, 2)) : NULL;
        column->name = arena_strdup(arena, pg_cell(res, i, 3));
        column->type = arena_strdup(arena, pg_cell(res, i, 4));
        column->type_oid = (unsigned)pg_cell_i64(res, i, 5);
        column->generated = pg_cell_bool(res, i, 6);
        column->identity = *pg_cell(res, i, 7);
        column->needed = pg_cell_bool(res, i, 8) && !pg_cell_bool(res, i, 9) &&
                         !column->generated && column->identity == '\0';
    }
    *ret = side;
    return true;
}

static const SideColumn *side_column(const SideTable *side, const char *name)
{
    for (int i = 0; i < side->count; i++)
        if (strcmp(side->columns[i].name, name) == 0)
            return &side->columns[i];
    return NULL;
}

static bool is_text(unsigned oid)
{
    return oid == OID_TEXT || oid == OID_VARCHAR || oid == OID_BPCHAR;
}

/* Every value of the one is a value of the other, by its text. OIDs of user-defined types say
 * nothing on another server; the fingerprint compares those (rule 20). */
static bool type_fits(unsigned source, unsigned side)
{
    static const unsigned wider[][2] = {
        {OID_INT2,   OID_INT4   },
        {OID_INT2,   OID_INT8   },
        {OID_INT2,   OID_NUMERIC},
        {OID_INT4,   OID_INT8   },
        {OID_INT4,   OID_NUMERIC},
        {OID_INT8,   OID_NUMERIC},
        {OID_FLOAT4, OID_FLOAT8 },
        {OID_JSON,   OID_JSONB  },
    };

    if (source == side || (is_text(source) && is_text(side)) ||
        (source >= FIRST_USER_OID && side >= FIRST_USER_OID))
        return true;
    for (size_t i = 0; i < COUNT_OF(wider); i++)
        if (source == wider[i][0] && side == wider[i][1])
            return true;
    return false;
}

/* A domain of the source has an OID of its own, while the side's is the type below. */
static bool column_fits(const PgRelationColumn *source, const SideColumn *side)
{
    return source->type >= FIRST_USER_OID || type_fits(source->type, side->type_oid);
}

static bool misfit(const PgRelation *relation, const char *what, const char *column, Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE, "%s.%s: %s: column \"%s\"", relation->schema,
                    relation->name, what, column);
    return error_hint(err, "Make the same change to the table on both sides, then go on.");
}

static bool bind_columns(Arena *arena, const SideTable *side, Binding *binding, Error *err)
{
    const PgRelation *relation = binding->relation;

    binding->columns = arena_array(arena, (size_t)relation->column_count, sizeof(BoundColumn));
    binding->key = arena_array(arena, (size_t)relation->column_count, sizeof(int));
    binding->key_names = arena_array(arena, (size_t)relation->column_count, sizeof(char *));
    for (int i = 0; i < relation->column_count; i++) {
        const PgRelationColumn *source = &relation->columns[i];
        const SideColumn *there = side_column(side, source->name);

        if (!there)
            return misfit(relation, "the side that is written to lacks a column", source->name,
                          err);
        if (there->generated)
            continue;
        if (!column_fits(source, there))
            return misfit(relation, "the type differs from the side's", source->name, err);
        if (source->key) {
            binding->key_names[binding->key_count] = there->name;
            binding->key[binding->key_count++] = binding->column_count;
        }
        binding->columns[binding->column_count++] = (BoundColumn){
            .source = i,
            .name = there->name,
            .quoted = pg_ident(arena, there->name),
            .type = there->type,
            .key = source->key,
            .always = there->identity == 'a',
        };
    }
    return true;
}

/* Which of them are mapped on their way: by name, as the other side has the same ones. */
static bool mark_identifiers(const BindRequest *request, Binding *binding, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!request->identities)
        return true;
    if (!identities_query(request->identities, request->conn, sql_identity_columns, &res, err))
        return false;
    for (int row = 0; row < PQntuples(res); row++)
        for (int i = 0; i < binding->column_count; i++) {
            BoundColumn *column = &binding->columns[i];
            if (identities_row_is(res, row, binding->schema, binding->name, column->name))
                column->identifier = binding->identifiers = true;
        }
    return true;
}

static bool has_column(const Binding *binding, const char *name)
{
    for (int i = 0; i < binding->column_count; i++)
        if (strcmp(binding->columns[i].name, name) == 0)
            return true;
    return false;
}

static bool check_needed(const SideTable *side, const Binding *binding, Error *err)
{
    for (int i = 0; i < side->count; i++)
        if (side->columns[i].needed && !has_column(binding, side->columns[i].name))
            return misfit(binding->relation,
                          "the stream has no value for what is NOT NULL without a default on the "
                          "side that is written to",
                          side->columns[i].name, err);
    return true;
}

static BoundColumn *bound_column(const Binding *binding, const char *name)
{
    for (int i = 0; i < binding->column_count; i++)
        if (strcmp(binding->columns[i].name, name) == 0)
            return &binding->columns[i];
    return NULL;
}

/* Rows [first, end) of the result are one index. */
static bool index_is_identity(const Binding *binding, const PGresult *res, int first, int end)
{
    if (end - first != binding->key_count)
        return false;
    for (int i = first; i < end; i++) {
        const BoundColumn *column = bound_column(binding, pg_cell(res, i, 1));
        if (!column || !column->key)
            return false;
    }
    return true;
}

/* Where every column is the identity, an index over some of them still finds the row fast. */
static bool index_helps(const Binding *binding, const PGresult *res, int first, int end)
{
    for (int i = first; i < end; i++)
        if (!bound_column(binding, pg_cell(res, i, 1)) || !pg_cell_bool(res, i, 3))
            return false;
    return binding->whole_old;
}

static bool find_key(PGconn *conn, Arena *arena, const SideTable *side, Binding *binding,
                     Error *err)
{
    const char *params[] = {arena_printf(arena, "%u", side->oid)};
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_apply_keys, 1, params, &res, err))
        return false;
    for (int first = 0, end = 0; first < PQntuples(res); first = end) {
        while (end < PQntuples(res) && strcmp(pg_cell(res, first, 0), pg_cell(res, end, 0)) == 0)
            end++;
        bool identity = !binding->whole_old && index_is_identity(binding, res, first, end);
        if (!identity && !index_helps(binding, res, first, end))
            continue;
        for (int i = first; i < end; i++)
            bound_column(binding, pg_cell(res, i, 1))->equals =
                arena_strdup(arena, pg_cell(res, i, 2));
        if (identity)
            binding->way = APPLY_BY_KEY;
        break;
    }
    return true;
}

static bool read_family(PGconn *conn, Arena *arena, const SideTable *side, Binding *binding,
                        Error *err)
{
    const char *params[] = {arena_printf(arena, "%u", side->oid)};
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_apply_parents, 1, params, &res, err))
        return false;
    auto_result PGresult *children = NULL;
    if (!pg_query(conn, sql_apply_has_children, 1, params, &children, err))
        return false;
    binding->has_children = pg_cell_bool(children, 0, 0);
    binding->parent_count = PQntuples(res);
    binding->parents = arena_array(arena, (size_t)PQntuples(res), sizeof(BoundParent));
    for (int i = 0; i < PQntuples(res); i++)
        binding->parents[i] = (BoundParent){
            .schema = arena_strdup(arena, pg_cell(res, i, 0)),
            .name = arena_strdup(arena, pg_cell(res, i, 1)),
        };
    return true;
}

static bool read_referrers(PGconn *conn, Arena *arena, const SideTable *side, Binding *binding,
                           Error *err)
{
    const char *params[] = {arena_printf(arena, "%u", side->oid)};
    auto_result PGresult *res = NULL;

    if (!pg_query(conn, sql_apply_referrers, COUNT_OF(params), params, &res, err))
        return false;
    binding->referrer_count = PQntuples(res);
    binding->referrers = arena_array(arena, (size_t)PQntuples(res), sizeof(BoundReferrer));
    for (int i = 0; i < PQntuples(res); i++)
        binding->referrers[i] = (BoundReferrer){
            .schema = arena_strdup(arena, pg_cell(res, i, 0)),
            .name = arena_strdup(arena, pg_cell(res, i, 1)),
            .partitioned = pg_cell_bool(res, i, 2),
        };
    return true;
}

static void name_target(Arena *arena, const SideTable *side, Binding *binding)
{
    const char *own = pg_qualified(arena, binding->schema, binding->name);

    binding->elsewhere = side->root != NULL;
    binding->partitioned = side->kind == 'p' || side->root;
    binding->into = side->root ? side->root : own;
    binding->from =
        binding->partitioned ? binding->into : arena_printf(arena, "ONLY %s", binding->into);
}

static void note_always(Binding *binding)
{
    for (int i = 0; i < binding->column_count; i++) {
        if (!binding->columns[i].always)
            continue;
        if (binding->columns[i].key && !binding->whole_old)
            binding->key_always = true;
        else
            binding->replace = true;
    }
}

bool binding_make(const BindRequest *request, const PgRelation *relation, Binding **ret, Error *err)
{
    PGconn *conn = request->conn;
    Arena *arena = request->arena;
    Binding *binding = arena_alloc(arena, sizeof *binding);
    SideTable side = {0};

    *binding = (Binding){
        .relation = relation,
        .schema = arena_strdup(arena, relation->schema),
        .name = arena_strdup(arena, relation->name),
        .way = relation->identity == 'n' ? APPLY_APPEND : APPLY_BY_ROW,
        .whole_old = relation->identity == 'f',
    };
    if (!read_side(conn, arena, relation, &side, err))
        return error_add_context(err, "%s.%s", relation->schema, relation->name);
    if (side.count == 0) {
        *request->schema_change = true;
        (void)error_set(err, ERR_WRONG_STATE, "%s.%s is missing on the side that is written to",
                        relation->schema, relation->name);
        return error_hint(err, "Make the same change to the table on both sides, then go on.");
    }
    name_target(arena, &side, binding);
    if (!bind_columns(arena, &side, binding, err) || !check_needed(&side, binding, err)) {
        *request->schema_change = true;
        return false;
    }
    if (!mark_identifiers(request, binding, err) || !find_key(conn, arena, &side, binding, err) ||
        !read_referrers(conn, arena, &side, binding, err) ||
        (request->triggers_fire && !read_family(conn, arena, &side, binding, err)))
        return error_add_context(err, "%s.%s", relation->schema, relation->name);
    note_always(binding);
    *ret = binding;
    return true;
}

void row_scratch_clear(RowScratch *scratch)
{
    free(scratch->now);
    free(scratch->old);
    *scratch = (RowScratch){0};
}

static void scratch_fit(RowScratch *scratch, int columns)
{
    if (scratch->cap >= columns)
        return;
    row_scratch_clear(scratch);
    scratch->now = memory_zeroed((size_t)columns, sizeof *scratch->now);
    scratch->old = memory_zeroed((size_t)columns, sizeof *scratch->old);
    scratch->cap = columns;
}

bool values_equal(const PgValue *a, const PgValue *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind != PG_VALUE_TEXT ||
           (a->len == b->len && memcmp(a->data, b->data, (size_t)a->len) == 0);
}

static bool malformed(const Binding *binding, const char *what, Error *err)
{
    return error_set(err, ERR_FORMAT, "%s.%s: a change %s", binding->schema, binding->name, what);
}

/* Unchanged values are not in the new row; the old one has those of the identity, or all. */
static void fill_unchanged(const Binding *binding, const RowScratch *scratch)
{
    for (int i = 0; i < binding->column_count; i++)
        if (scratch->now[i].kind == PG_VALUE_UNCHANGED &&
            (binding->whole_old || binding->columns[i].key))
            scratch->now[i] = scratch->old[i];
}

static bool key_is_whole(const Binding *binding, const PgValue *row)
{
    for (int i = 0; i < binding->key_count; i++) {
        PgValueKind kind = row[binding->key[i]].kind;
        if (kind == PG_VALUE_UNCHANGED || (kind == PG_VALUE_NULL && !binding->whole_old))
            return false;
    }
    return true;
}

static bool key_differs(const Binding *binding, const PgValue *a, const PgValue *b)
{
    for (int i = 0; i < binding->key_count; i++)
        if (!values_equal(&a[binding->key[i]], &b[binding->key[i]]))
            return true;
    return false;
}

static bool take_row(const Binding *binding, const PgTuple *tuple, PgValue *ret, Error *err)
{
    if (tuple->count != binding->relation->column_count)
        return malformed(binding, "has another number of columns than its table", err);
    for (int i = 0; i < binding->column_count; i++) {
        ret[i] = tuple->values[binding->columns[i].source];
        if (ret[i].kind == PG_VALUE_BINARY)
            return malformed(binding, "came in binary form", err);
    }
    return true;
}

static bool map_row(const Binding *binding, const IdentityWay *identities, PgValue *row, Error *err)
{
    for (int i = 0; i < binding->column_count; i++) {
        const IdentityText id = {row[i].data, row[i].len};
        IdentityText mapped = id;

        if (!binding->columns[i].identifier || row[i].kind != PG_VALUE_TEXT)
            continue;
        if (!identity_pass(identities->map, identities->back, id, &mapped, err))
            return error_add_context(err, "%s.%s.%s", binding->schema, binding->name,
                                     binding->columns[i].name);
        row[i].data = mapped.data;
        row[i].len = mapped.len;
    }
    return true;
}

/* Before what is missing is filled in from one of them. */
static bool map_rows(const Binding *binding, const IdentityWay *identities,
                     const RowScratch *scratch, const PgOutput *message, Error *err)
{
    return !binding->identifiers ||
           ((message->kind == PGOUTPUT_DELETE || map_row(binding, identities, scratch->now, err)) &&
            (message->old_kind == '\0' || map_row(binding, identities, scratch->old, err)));
}

bool row_change_read(const Binding *binding, const PgOutput *message, const IdentityWay *identities,
                     RowScratch *scratch, RowChange *ret, Error *err)
{
    bool has_now = message->kind != PGOUTPUT_DELETE;
    bool has_old = message->old_kind != '\0';

    scratch_fit(scratch, binding->column_count);
    if (has_now && !take_row(binding, &message->new_row, scratch->now, err))
        return false;
    if (has_old && !take_row(binding, &message->old_row, scratch->old, err))
        return false;
    if (!map_rows(binding, identities, scratch, message, err))
        return false;
    if (has_now && has_old)
        fill_unchanged(binding, scratch);
    RowChange change = {
        .op = (char)message->kind,
        .now = has_now ? scratch->now : NULL,
        .old = has_old ? scratch->old : scratch->now,
    };
    if (change.op == 'I') {
        change.old = NULL;
    } else {
        if (binding->key_count == 0 || (!has_old && !has_now))
            return malformed(binding, "does not say which row it is about", err);
        if (!key_is_whole(binding, change.old))
            return malformed(binding, "does not have the whole key", err);
    }
    change.key_changed =
        change.op == 'U' && has_old && key_differs(binding, change.now, change.old);
    *ret = change;
    return true;
}

void key_text(const Binding *binding, const PgValue *row, char *buf, size_t size)
{
    size_t at = 0;

    if (binding->way != APPLY_BY_KEY && binding->whole_old) {
        (void)snprintf(buf, size, "a row without a key");
        return;
    }
    for (int pass = 0; pass < 2; pass++) {
        at += (size_t)snprintf(buf + at, size - at, "%s(", pass ? "=" : "");
        for (int i = 0; i < binding->key_count && at + 8 < size; i++) {
            const PgValue *value = &row[binding->key[i]];
            int len = value->kind == PG_VALUE_TEXT ? value->len : 4;
            int room = (int)(size - at) - 8;
            const char *text = value->kind == PG_VALUE_TEXT ? value->data : "NULL";
            if (pass == 0) {
                text = binding->key_names[i];
                len = (int)strlen(text);
            }
            at += (size_t)snprintf(buf + at, size - at, "%s%.*s", i ? ", " : "",
                                   len < room ? len : room, text);
        }
        if (at + 2 < size)
            at += (size_t)snprintf(buf + at, size - at, ")");
    }
}
