#include "move/identity.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "move/identity_private.h"
#include "pg/pg.h"
#include "sql.gen.h"

enum {
    MAX_MAP = 512 << 20,
    MAX_NOTES = 1 << 30,
    MAX_SQL = 8 << 20,
    MAX_LINE = 64 << 10,
    COPY_AT_ONCE = 256 << 10,
    IDS_AT_ONCE = 20000,
    DIGEST_TEXT = 2 * EVP_MAX_MD_SIZE + 1,
};

/* Column order of sql/identity/columns.sql. */
enum {
    COL_PLACE,
    COL_SCHEMA,
    COL_TABLE,
    COL_COLUMN,
    COL_TYPE,
    COL_DERIVED,
};

bool identities_load(const Config *config, Identities **ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    char *text = NULL;
    size_t len = 0;

    *ret = NULL;
    if (!config->identity_map && !config->identity_columns)
        return true;
    if (!config->identity_map || !config->identity_columns) {
        (void)error_set(err, ERR_USAGE, "identities have %s, but no %s",
                        config->identity_map ? "a map" : "columns",
                        config->identity_map ? "columns" : "map");
        return error_hint(err, "Give both, as identities.map and identities.columns of "
                               "homeport.yaml, or neither.");
    }
    if (!file_read(scratch, config->identity_map, MAX_MAP, &text, &len, err))
        return error_add_context(err, "identity-map");
    Identities *identities = identities_new();
    identities->name = arena_strdup(identities->arena, config->identity_map);
    identities->rules[false] = config->identity_unmapped;
    identities->rules[true] = config->identity_unmapped_back;
    if (!identity_map_read(identities, text, len, err) ||
        !identity_columns_read(identities, config->identity_columns, err)) {
        identities_free(identities);
        return false;
    }
    *ret = identities;
    return true;
}

void identities_free(Identities *identities)
{
    if (!identities)
        return;
    IdentityNotes *notes = identities->notes;
    for (int back = 0; back < 2; back++)
        HASH_CLEAR(hh, notes->kept[back]);
    if (notes->file)
        (void)fclose(notes->file);
    arena_free(notes->arena);
    (void)pthread_mutex_destroy(&notes->lock);
    HASH_CLEAR(by_source, identities->by_source);
    HASH_CLEAR(by_home, identities->by_home);
    arena_free(identities->arena);
}

/* ---- ids that were kept ---- */

static KeptId *find_kept(const IdentityNotes *notes, bool back, IdentityText id)
{
    KeptId *kept = NULL;

    HASH_FIND(hh, notes->kept[back], id.data, (size_t)id.len, kept);
    return kept;
}

static void remember(IdentityNotes *notes, bool back, IdentityText id)
{
    KeptId *kept = arena_alloc(notes->arena, sizeof *kept);

    kept->id = (IdentityText){arena_strndup(notes->arena, id.data, (size_t)id.len), id.len};
    HASH_ADD_KEYPTR(hh, notes->kept[back], kept->id.data, (size_t)id.len, kept);
    notes->counts[back]++;
}

static bool write_note(const IdentityNotes *notes, bool back, IdentityText id, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    Text line = text_init(scratch, (size_t)2 * (size_t)id.len + 16);

    if (!notes->file)
        return true;
    text_add(&line, back ? "back\t" : "home\t");
    identity_encode(&line, id);
    text_add_char(&line, '\n');
    if (fwrite(text_str(&line), 1, line.len, notes->file) != line.len || fflush(notes->file) != 0)
        return error_set_errno(err, "write \"%s\"", notes->path);
    return true;
}

/* Noted before it goes on: the map must not get a line for it later, when rows have it already. */
bool identity_keep(const Identities *identities, bool back, IdentityText id, Error *err)
{
    IdentityNotes *notes = identities->notes;
    bool ok = true;

    (void)pthread_mutex_lock(&notes->lock);
    if (!find_kept(notes, back, id)) {
        ok = write_note(notes, back, id, err);
        if (ok)
            remember(notes, back, id);
    }
    (void)pthread_mutex_unlock(&notes->lock);
    return ok;
}

static void read_notes(IdentityNotes *notes, const char *text)
{
    auto_arena Arena *scratch = arena_new();
    Text id = text_init(scratch, MAX_NOTES);

    while (*text) {
        size_t len = strcspn(text, "\n");
        bool back = strncmp(text, "back\t", 5) == 0;

        /* A line without its end was not acted on. */
        if (!text[len])
            break;
        if (len >= 5 && text[4] == '\t') {
            IdentityText found = identity_decode(&id, text + 5, len - 5);
            if (!find_kept(notes, back, found))
                remember(notes, back, found);
        }
        text += len + 1;
    }
}

bool identities_note_in(Identities *identities, const char *dir, bool fresh, Error *err)
{
    IdentityNotes *notes = identities->notes;
    char *text = NULL;

    notes->path = arena_printf(identities->arena, "%s/identities-kept", dir);
    if (fresh && unlink(notes->path) != 0 && errno != ENOENT)
        return error_set_errno(err, "remove \"%s\"", notes->path);
    if (file_exists(notes->path)) {
        auto_arena Arena *scratch = arena_new();
        if (!file_read(scratch, notes->path, MAX_NOTES, &text, NULL, err))
            return false;
        read_notes(notes, text);
    }
    notes->file = fopen(notes->path, "ae");
    return notes->file || error_set_errno(err, "open \"%s\"", notes->path);
}

int64_t identities_kept(const Identities *identities, bool back)
{
    (void)pthread_mutex_lock(&identities->notes->lock);
    int64_t count = identities->notes->counts[back];
    (void)pthread_mutex_unlock(&identities->notes->lock);
    return count;
}

void identities_status(const Identities *identities, json_t *status)
{
    int64_t map = identities ? identities->count : 0;
    int64_t kept = identities ? identities_kept(identities, false) : 0;
    int64_t kept_back = identities ? identities_kept(identities, true) : 0;

    (void)json_object_set_new(status, "identities_in_map", json_integer(map));
    (void)json_object_set_new(status, "identities_kept", json_integer(kept));
    (void)json_object_set_new(status, "identities_kept_back", json_integer(kept_back));
}

/* ---- what a move began with ---- */

/* Of the first `count` lines, in their order. */
static void digest_pairs(const Identities *identities, int count, char ret[DIGEST_TEXT])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int at = 0;

    must(context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1, "memory");
    for (const IdentityPair *pair = identities->by_source; pair && at < count;
         pair = pair->by_source.next, at++)
        must(EVP_DigestUpdate(context, pair->source.data, (size_t)pair->source.len + 1) == 1 &&
                 EVP_DigestUpdate(context, pair->home.data, (size_t)pair->home.len + 1) == 1,
             "memory");
    must(EVP_DigestFinal_ex(context, bytes, &len) == 1, "memory");
    EVP_MD_CTX_free(context);
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(ret + (size_t)2 * i, 3, "%02x", bytes[i]);
}

static const char *columns_text(Arena *arena, const Identities *identities)
{
    Text out = text_init(arena, MAX_SQL);

    for (int i = 0; i < identities->column_count; i++) {
        const IdentityColumn *column = &identities->columns[i];
        text_addf(&out, "%s%s.%s", i ? ", " : "",
                  pg_qualified(arena, column->schema, column->table),
                  pg_ident(arena, column->column));
    }
    return text_str(&out);
}

/* "12 <digest> <columns>" */
static bool refuse_other(const char *what, Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE, "this move began with %s", what);
    return error_hint(err, "Rows are there already: put it back as it was.");
}

/* Lines that came since: their ids must not have gone through as they were. */
static bool check_grown(const Identities *identities, int before, Error *err)
{
    int at = 0;

    for (const IdentityPair *pair = identities->by_source; pair; pair = pair->by_source.next) {
        bool kept = find_kept(identities->notes, false, pair->source) ||
                    find_kept(identities->notes, true, pair->home);

        if (at++ < before || !kept)
            continue;
        (void)error_set(err, ERR_WRONG_STATE,
                        "%s:%d: this id went through unmapped before it was in the map",
                        identities->name, pair->line);
        return error_hint(err, "Take the line out again.");
    }
    return true;
}

static bool check_pinned(Arena *arena, const Identities *identities, const char *pinned, Error *err)
{
    char *end = NULL;
    int before = (int)strtol(pinned, &end, 10);
    char digest[DIGEST_TEXT];

    if (!identities)
        return refuse_other("a map of identities, which is not set now", err);
    digest_pairs(identities, before, digest);
    const char *columns = columns_text(arena, identities);
    if (strlen(end) < strlen(digest) + 2 || strcmp(end + strlen(digest) + 2, columns) != 0)
        return refuse_other("other identity columns", err);
    if (identities->count < before || strncmp(end + 1, digest, strlen(digest)) != 0) {
        (void)error_set(err, ERR_WRONG_STATE, "%s: the map is not the one this move began with",
                        identities->name);
        return error_hint(err, "Lines may only be added at its end: put the others back as they "
                               "were.");
    }
    return check_grown(identities, before, err);
}

bool identities_pin(const Identities *identities, Store *store, bool begun, Error *err)
{
    static const char fact[] = "identities";
    auto_arena Arena *scratch = arena_new();
    char digest[DIGEST_TEXT];
    StoreRows rows;

    if (!store_query(store, scratch, sql_store_read_fact, STORE_VALUES(STORE_TEXT(fact)), &rows,
                     err))
        return false;
    const char *pinned = rows.rows > 0 ? store_cell(&rows, 0, 0) : "";
    if (begun && !*pinned && identities)
        return refuse_other("no map of identities", err);
    if (begun && *pinned && !check_pinned(scratch, identities, pinned, err))
        return false;
    if (!identities)
        return !*pinned || store_run(store, sql_store_set_fact,
                                     STORE_VALUES(STORE_TEXT(fact), STORE_TEXT("")), err);
    digest_pairs(identities, identities->count, digest);
    const char *pin = arena_printf(scratch, "%d %s %s", identities->count, digest,
                                   columns_text(scratch, identities));
    return store_run(store, sql_store_set_fact, STORE_VALUES(STORE_TEXT(fact), STORE_TEXT(pin)),
                     err);
}

/* ---- where ---- */

typedef struct ListedParams {
    const char *of[3];
} ListedParams;

static ListedParams listed_params(Arena *arena, const Identities *identities)
{
    const char **names = arena_array(arena, (size_t)identities->column_count, sizeof *names);
    ListedParams params;

    for (int part = 0; part < 3; part++) {
        for (int i = 0; i < identities->column_count; i++) {
            const IdentityColumn *column = &identities->columns[i];
            names[i] = part == 0 ? column->schema : part == 1 ? column->table : column->column;
        }
        params.of[part] = pg_text_array(arena, names, identities->column_count);
    }
    return params;
}

bool identities_query(const Identities *identities, PGconn *conn, const char *sql, PGresult **ret,
                      Error *err)
{
    auto_arena Arena *scratch = arena_new();
    ListedParams params = listed_params(scratch, identities);

    return pg_query(conn, sql, COUNT_OF(params.of), params.of, ret, err) ||
           error_add_context(err, "look for the identity columns");
}

bool identities_row_is(const PGresult *res, int row, const char *schema, const char *table,
                       const char *column)
{
    return !pg_cell_bool(res, row, COL_DERIVED) &&
           strcmp(pg_cell(res, row, COL_TABLE), table) == 0 &&
           strcmp(pg_cell(res, row, COL_COLUMN), column) == 0 &&
           strcmp(pg_cell(res, row, COL_SCHEMA), schema) == 0;
}

static void mark(Table *tables, int count, const PGresult *res, int row)
{
    const char *column = pg_cell(res, row, COL_COLUMN);

    for (int t = 0; t < count; t++) {
        Table *table = &tables[t];

        if (strcmp(table->name, pg_cell(res, row, COL_TABLE)) != 0 ||
            strcmp(table->schema, pg_cell(res, row, COL_SCHEMA)) != 0)
            continue;
        for (int c = 0; c < table->column_count; c++) {
            if (strcmp(table->columns[c].name, column) != 0)
                continue;
            if (pg_cell_bool(res, row, COL_DERIVED))
                table->columns[c].from_identifier = true;
            else
                table->columns[c].identifier = true;
        }
    }
}

bool identities_mark(const Identities *identities, PGconn *conn, Table *tables, int count,
                     Error *err)
{
    auto_result PGresult *res = NULL;

    if (!identities)
        return true;
    if (!identities_query(identities, conn, sql_identity_columns, &res, err))
        return false;
    for (int row = 0; row < PQntuples(res); row++)
        mark(tables, count, res, row);
    return true;
}

/* ---- on a server ---- */

static void add_row(Text *out, IdentityText home, const char *source)
{
    identity_encode(out, home);
    text_add_char(out, '\t');
    identity_encode(out, (IdentityText){source, (int)strlen(source)});
    text_add_char(out, '\n');
}

static bool put(PGconn *conn, Text *out, size_t least, Error *err)
{
    if (out->len < least)
        return true;
    bool ok = PQputCopyData(conn, text_str(out), (int)out->len) == 1;
    text_clear(out);
    return ok || pg_fail_conn(conn, err);
}

/* Ids that only the source uses are in it for what closes the permutation. */
static bool put_pairs(const Identities *identities, PGconn *conn, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    Text out = text_init(scratch, (size_t)2 * COPY_AT_ONCE);

    for (const IdentityPair *pair = identities->by_source; pair; pair = pair->by_source.next) {
        add_row(&out, pair->home, pair->source.data);
        if (!identity_by_home(identities, pair->source))
            add_row(&out, pair->source, identity_source_of(identities, pair->source.data));
        if (!put(conn, &out, COPY_AT_ONCE, err))
            return false;
    }
    return put(conn, &out, 1, err);
}

static bool copy_pairs(const Identities *identities, PGconn *conn, Error *err)
{
    /* Frozen rows are seen under a snapshot that is older than they are. */
    auto_result PGresult *start =
        PQexec(conn, "COPY pg_temp.homeport_identities (home, source) FROM STDIN (FREEZE)");

    if (PQresultStatus(start) != PGRES_COPY_IN)
        return pg_fail_result(conn, start, err);
    if (!put_pairs(identities, conn, err))
        return false;
    if (PQputCopyEnd(conn, NULL) != 1)
        return pg_fail_conn(conn, err);
    auto_result PGresult *end = PQgetResult(conn);
    bool ok = PQresultStatus(end) == PGRES_COMMAND_OK || pg_fail_result(conn, end, err);
    PQclear(PQgetResult(conn));
    return ok;
}

bool identities_send(const Identities *identities, PGconn *home, Error *err)
{
    if (!identities)
        return true;
    /* A fenced side's sessions are read-only unless they say otherwise. */
    if (pg_exec(home, "BEGIN READ WRITE", err) && pg_exec(home, sql_identity_create, err) &&
        copy_pairs(identities, home, err) &&
        pg_exec(home, "ANALYZE pg_temp.homeport_identities", err) && pg_exec(home, "COMMIT", err))
        return true;
    return error_add_context(err, "bring the map of identities there for the comparison");
}

bool identities_send_none(const Identities *identities, PGconn *home, Error *err)
{
    return !identities ||
           (pg_exec(home, "BEGIN READ WRITE", err) && pg_exec(home, sql_identity_create, err) &&
            pg_exec(home, "COMMIT", err)) ||
           error_add_context(err, "make room there for the map of identities");
}

static bool add_ids(const Identities *identities, PGconn *home, const char **ids, int count,
                    Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char **sources = arena_array(scratch, (size_t)count, sizeof *sources);
    auto_result PGresult *res = NULL;

    for (int i = 0; i < count; i++)
        sources[i] = identity_source_of(identities, ids[i]);
    const char *params[] = {pg_text_array(scratch, ids, count),
                            pg_text_array(scratch, sources, count)};
    return count == 0 || pg_query(home, sql_identity_add, COUNT_OF(params), params, &res, err);
}

bool identities_send_some(const Identities *identities, PGconn *home, const PGresult *ids,
                          Error *err)
{
    auto_arena Arena *scratch = arena_new();
    int rows = PQntuples(ids);
    const char **texts = arena_array(scratch, (size_t)rows, sizeof *texts);

    int known = 0;
    for (int i = 0; i < rows; i++) {
        const char *id = pg_cell(ids, i, 0);
        if (strcmp(identity_source_of(identities, id), id) != 0)
            texts[known++] = id;
    }
    return add_ids(identities, home, texts, known, err);
}

/* As put_pairs() has them. */
static int closed_count(const Identities *identities)
{
    int count = identities->count;

    for (const IdentityPair *pair = identities->by_source; pair; pair = pair->by_source.next)
        count += identity_by_home(identities, pair->source) == NULL;
    return count;
}

bool identities_send_rest(const Identities *identities, PGconn *home, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    auto_result PGresult *res = NULL;
    int total = closed_count(identities);
    int count = 0;

    if (!pg_query(home, sql_identity_count, 0, NULL, &res, err))
        return false;
    if (pg_cell_i64(res, 0, 0) >= total)
        return true;
    const char **ids = arena_array(scratch, (size_t)total, sizeof *ids);
    for (const IdentityPair *pair = identities->by_source; pair; pair = pair->by_source.next) {
        ids[count++] = pair->home.data;
        if (!identity_by_home(identities, pair->source))
            ids[count++] = pair->source.data;
    }
    for (int at = 0; at < count; at += IDS_AT_ONCE)
        if (!add_ids(identities, home, ids + at,
                     count - at < IDS_AT_ONCE ? count - at : IDS_AT_ONCE, err))
            return false;
    return true;
}

const char *identity_home_column(Arena *arena, const TableColumn *column)
{
    return pg_ident(arena, arena_printf(arena, "homeport %d", column->number));
}

static void add_mapped_column(Arena *arena, Text *columns, Text *joins, const TableColumn *column)
{
    int number = column->number;

    text_addf(columns,
              ", COALESCE(i%d.source, b.%s::pg_catalog.text)::pg_catalog.%s AS %s, b.%s AS %s",
              number, column->quoted, pg_ident(arena, column->base), column->quoted, column->quoted,
              identity_home_column(arena, column));
    text_addf(joins,
              " LEFT JOIN pg_temp.homeport_identities AS i%d"
              " ON i%d.home = b.%s::pg_catalog.text COLLATE \"C\"",
              number, number, column->quoted);
}

const char *identities_rows_sql(Arena *arena, const Table *table)
{
    Text columns = text_init(arena, MAX_SQL);
    Text joins = text_init(arena, MAX_SQL);

    for (int i = 0; i < table->column_count; i++) {
        const TableColumn *column = &table->columns[i];
        if (column->identifier)
            add_mapped_column(arena, &columns, &joins, column);
        else
            text_addf(&columns, ", b.%s", column->quoted);
    }
    if (joins.len == 0)
        return NULL;
    const char *from = table->root ? table->root : arena_printf(arena, "ONLY %s", table->qualified);
    if (table->condition)
        from = arena_printf(arena, "(SELECT * FROM %s %s)", from, table->condition);
    /* Parts of a table are read by ctid; what is no single table is read as a whole. */
    return arena_printf(arena, "(SELECT %s%s FROM %s AS b%s) AS t",
                        table->root || table->condition ? "NULL" : "b.ctid", text_str(&columns),
                        from, text_str(&joins));
}
