/*
 * Whether identities can be mapped (identity.h): the listed columns, the ids they hold at the
 * source, and where else such ids are found by looking.
 */
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "move/assess.h"
#include "move/identity.h"

enum {
    SHOWN_IDS = 3,
    LOOKED_AT = 5000,      /* rows of a table */
    WHOLE_BYTES = 8 << 20, /* of a larger table a sample of pages is read */
    VALUE_BYTES = 65536,
    SHORTEST = 6, /* of an id that is recognised by looking: shorter ones are anywhere */
    MAX_SQL = 4 << 20,
};

/* Column order of sql/identity/columns.sql and candidates.sql. */
enum {
    LISTED_PLACE,
    LISTED_SCHEMA,
    LISTED_TABLE,
    LISTED_COLUMN,
    LISTED_TYPE,
    LISTED_DERIVED,
    LISTED_PARTITIONS,
    LISTED_OBJECT,
};
enum {
    FOUND_SCHEMA,
    FOUND_TABLE,
    FOUND_COLUMN,
    FOUND_TYPE,
    FOUND_BYTES,
    FOUND_OBJECT,
};

typedef struct IdentityRules {
    AssessRun *run;
    Identities *identities;
    PGresult *listed;
    PGconn *conn;
} IdentityRules;

static void add(IdentityRules *rules, const FindingText *text, const FindingParts *parts)
{
    if (parts->object_count > 0)
        finding_add(rules->run, text, parts);
}

/* ---- the listed columns ---- */

static const char *why_not(IdentityRules *rules, int row)
{
    const char *type = pg_cell(rules->listed, row, LISTED_TYPE);

    if (pg_cell_bool(rules->listed, row, LISTED_PARTITIONS))
        return "it is in a partition key: rows would belong to another partition";
    if (!identity_type_is_known(type))
        return "only text, varchar, uuid and integers are mapped";
    return identities_misfit(rules->run->arena, rules->identities, type);
}

/* The row of a listed column in the table that it was listed with; -1: there is none. A generated
 * column has no identifiers of its own. */
static int row_of(const IdentityRules *rules, const IdentityColumn *column)
{
    for (int row = 0; row < PQntuples(rules->listed); row++)
        if (identities_row_is(rules->listed, row, column->schema, column->table, column->column))
            return row;
    return -1;
}

static void judge_columns(IdentityRules *rules)
{
    Arena *arena = rules->run->arena;
    FindingParts parts = {.arena = arena};
    const IdentityColumn *columns = NULL;
    int count = identities_columns(rules->identities, &columns);

    for (int i = 0; i < count; i++)
        if (row_of(rules, &columns[i]) < 0)
            parts_add_object(&parts,
                             arena_printf(arena, "%s.%s.%s: there is no such column",
                                          columns[i].schema, columns[i].table, columns[i].column));
    for (int row = 0; row < PQntuples(rules->listed); row++) {
        const char *why =
            pg_cell_bool(rules->listed, row, LISTED_DERIVED) ? NULL : why_not(rules, row);
        if (why)
            parts_add_object(&parts, arena_printf(arena, "%s: %s",
                                                  pg_cell(rules->listed, row, LISTED_OBJECT), why));
    }
    add(rules,
        &(FindingText){
            .id = "identity-column",
            .severity = SEVERITY_BLOCKER,
            .scope = SCOPE_BOTH,
            .summary = "listed columns whose identifiers cannot be mapped",
            .advice = "Correct identities.columns or the map; names are written as in SQL, with "
                      "quotes where they have capitals.",
        },
        &parts);
}

static bool judge_keys(IdentityRules *rules, Error *err)
{
    Arena *arena = rules->run->arena;
    FindingParts parts = {.arena = arena};
    auto_result PGresult *res = NULL;

    if (!identities_query(rules->identities, rules->conn, sql_identity_foreign_keys, &res, err))
        return rule_unanswered(rules->run, "identity-foreign-key", SIDE_SOURCE, err);
    for (int row = 0; row < PQntuples(res); row++)
        parts_add_object(&parts, arena_printf(arena, "%s (not listed: %s)", pg_cell(res, row, 0),
                                              pg_cell(res, row, 1)));
    add(rules,
        &(FindingText){
            .id = "identity-foreign-key",
            .severity = SEVERITY_BLOCKER,
            .scope = SCOPE_BOTH,
            .summary = "foreign keys join a column whose identifiers are mapped to one that is not "
                       "listed",
            .advice = "Add the other column to identities.columns.",
        },
        &parts);
    return true;
}

static void judge_chains(IdentityRules *rules)
{
    Arena *arena = rules->run->arena;
    FindingParts parts = {.arena = arena};
    int count = 0;
    const char *first = identities_chain(rules->identities, &count);

    if (!first)
        return;
    parts_add_object(&parts,
                     arena_printf(arena, "\"%s\"%s", first,
                                  count > 1 ? arena_printf(arena, " and %d more", count - 1) : ""));
    add(rules,
        &(FindingText){
            .id = "identity-chain",
            .severity = SEVERITY_WARNING,
            .scope = SCOPE_BOTH,
            .summary = "ids that the map has as an old one and as a new one: a value that was not "
                       "mapped cannot be told from one that was",
            .advice = "Make sure that old and new are not mixed up in these lines.",
        },
        &parts);
}

/* ---- what they hold ---- */

/* Ids of one column that the map does not have. */
typedef struct Unmapped {
    int64_t counts[IDENTITY_TAKEN + 1];
    const char *shown[IDENTITY_TAKEN + 1];
} Unmapped;

static void judge_id(IdentityRules *rules, const char *id, Unmapped *found)
{
    Arena *arena = rules->run->arena;
    IdentityText mapped;
    IdentityFate fate =
        identity_find(rules->identities, false, (IdentityText){id, (int)strlen(id)}, &mapped);

    if (fate == IDENTITY_MAPPED)
        return;
    if (found->counts[fate]++ < SHOWN_IDS)
        found->shown[fate] = found->shown[fate]
                                 ? arena_printf(arena, "%s, \"%.100s\"", found->shown[fate], id)
                                 : arena_printf(arena, "\"%.100s\"", id);
}

/* Row by row: memory does not grow with the number of users. */
static bool read_ids(IdentityRules *rules, const char *sql, Unmapped *found, Error *err)
{
    bool ok = true;

    if (!PQsendQuery(rules->conn, sql) || !PQsetSingleRowMode(rules->conn))
        return pg_fail_conn(rules->conn, err);
    for (;;) {
        auto_result PGresult *res = PQgetResult(rules->conn);
        if (!res)
            return ok && cancel_check(err);
        ExecStatusType status = PQresultStatus(res);
        if (ok && status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK)
            ok = pg_fail_result(rules->conn, res, err);
        for (int row = 0; ok && row < PQntuples(res); row++)
            judge_id(rules, PQgetvalue(res, row, 0), found);
    }
}

static void add_unmapped(FindingParts *parts, const char *column, const Unmapped *found,
                         IdentityFate fate)
{
    if (found->counts[fate] > 0)
        parts_add_object(parts, arena_printf(parts->arena, "%s: %s %s: %s%s", column,
                                             text_count(parts->arena, found->counts[fate]),
                                             text_plural(found->counts[fate], "id", "ids"),
                                             found->shown[fate],
                                             found->counts[fate] > SHOWN_IDS ? ", ..." : ""));
}

static void add_ids(IdentityRules *rules, const FindingParts *unknown, const FindingParts *taken)
{
    bool keep = rules->run->config->identity_unmapped == UNMAPPED_KEEP;

    add(rules,
        &(FindingText){
            .id = "identity-unmapped",
            .severity = keep ? SEVERITY_NOTE : SEVERITY_BLOCKER,
            .scope = SCOPE_BOTH,
            .summary = keep ? "ids that are not in the map go home as they are"
                            : "ids that are not in the map: the move would stop at them",
            .advice = keep ? NULL
                           : "Add a line for each to the map, or let them pass: "
                             "--identity-unmapped keep.",
        },
        unknown);
    add(rules,
        &(FindingText){
            .id = "identity-taken",
            .severity = SEVERITY_BLOCKER,
            .scope = SCOPE_BOTH,
            .summary =
                "the source has ids that the map gives to others: two users would become one",
            .advice = "Correct the rows, or the map. Was the source mapped before?",
        },
        taken);
}

static bool judge_ids(IdentityRules *rules, Error *err)
{
    Arena *arena = rules->run->arena;
    FindingParts unknown = {.arena = arena};
    FindingParts taken = {.arena = arena};
    const IdentityColumn *columns = NULL;
    int count = identities_columns(rules->identities, &columns);

    for (int i = 0; i < count; i++) {
        Unmapped found = {0};
        const char *quoted = pg_ident(arena, columns[i].column);

        int row = row_of(rules, &columns[i]);
        if (row < 0)
            continue;
        if (!read_ids(rules,
                      arena_printf(arena, "SELECT DISTINCT %s::text FROM %s WHERE %s IS NOT NULL",
                                   quoted, pg_qualified(arena, columns[i].schema, columns[i].table),
                                   quoted),
                      &found, err))
            return rule_unanswered(rules->run, "identity-unmapped", SIDE_SOURCE, err);
        const char *name = pg_cell(rules->listed, row, LISTED_OBJECT);
        add_unmapped(&unknown, name, &found, IDENTITY_UNKNOWN);
        add_unmapped(&taken, name, &found, IDENTITY_TAKEN);
    }
    add_ids(rules, &unknown, &taken);
    return true;
}

/* ---- where else such ids are ---- */

static bool is_known(const IdentityRules *rules, const char *id, size_t len)
{
    IdentityText mapped;

    return len >= SHORTEST && identity_find(rules->identities, false, (IdentityText){id, (int)len},
                                            &mapped) == IDENTITY_MAPPED;
}

/* Of an array or a JSON value: anything in it that stands alone. */
static bool holds_known(const IdentityRules *rules, const char *text)
{
    static const char between[] = "{}[](),:\"' \t\n\\";

    while (*text) {
        size_t len = strcspn(text, between);
        if (is_known(rules, text, len))
            return true;
        text += len + (text[len] != '\0');
    }
    return false;
}

static bool is_container(const char *type)
{
    return *type == '_' || strncmp(type, "json", 4) == 0;
}

static bool is_listed(const IdentityRules *rules, const PGresult *found, int row)
{
    for (int i = 0; i < PQntuples(rules->listed); i++)
        if (strcmp(pg_cell(rules->listed, i, LISTED_COLUMN), pg_cell(found, row, FOUND_COLUMN)) ==
                0 &&
            strcmp(pg_cell(rules->listed, i, LISTED_TABLE), pg_cell(found, row, FOUND_TABLE)) ==
                0 &&
            strcmp(pg_cell(rules->listed, i, LISTED_SCHEMA), pg_cell(found, row, FOUND_SCHEMA)) ==
                0)
            return true;
    return false;
}

static bool same_table(const PGresult *found, int a, int b)
{
    return strcmp(pg_cell(found, a, FOUND_TABLE), pg_cell(found, b, FOUND_TABLE)) == 0 &&
           strcmp(pg_cell(found, a, FOUND_SCHEMA), pg_cell(found, b, FOUND_SCHEMA)) == 0;
}

static const char *sample_sql(Arena *arena, const PGresult *found, int first, int end)
{
    Text sql = text_init(arena, MAX_SQL);
    double bytes = (double)pg_cell_i64(found, first, FOUND_BYTES);

    text_add(&sql, "SELECT ");
    for (int row = first; row < end; row++)
        text_addf(&sql, "%spg_catalog.left(pg_catalog.rtrim(%s::text), %d)",
                  row > first ? ", " : "", pg_ident(arena, pg_cell(found, row, FOUND_COLUMN)),
                  VALUE_BYTES);
    text_addf(&sql, " FROM ONLY %s",
              pg_qualified(arena, pg_cell(found, first, FOUND_SCHEMA),
                           pg_cell(found, first, FOUND_TABLE)));
    if (bytes > WHOLE_BYTES)
        text_addf(&sql, " TABLESAMPLE SYSTEM (%.6f) REPEATABLE (0)", 100.0 * WHOLE_BYTES / bytes);
    text_addf(&sql, " LIMIT %d", LOOKED_AT);
    return text_str(&sql);
}

/* Columns first..end-1 of one table. */
static bool look_at_table(IdentityRules *rules, const PGresult *found, int first, int end,
                          FindingParts parts[2], Error *err)
{
    Arena *arena = rules->run->arena;
    auto_result PGresult *res = NULL;

    if (!pg_query(rules->conn, sample_sql(arena, found, first, end), 0, NULL, &res, err))
        return false;
    for (int row = first; row < end; row++) {
        bool container = is_container(pg_cell(found, row, FOUND_TYPE));
        int hits = 0;

        if (is_listed(rules, found, row))
            continue;
        for (int i = 0; i < PQntuples(res); i++) {
            const char *value = pg_cell(res, i, row - first);
            hits += value &&
                    (container ? holds_known(rules, value) : is_known(rules, value, strlen(value)));
        }
        if (hits > 0)
            parts_add_object(&parts[container],
                             arena_printf(arena, "%s: in %s of %s rows looked at",
                                          pg_cell(found, row, FOUND_OBJECT),
                                          text_count(arena, hits),
                                          text_count(arena, PQntuples(res))));
    }
    return true;
}

static bool look_for_more(IdentityRules *rules, Error *err)
{
    AssessRun *run = rules->run;
    FindingParts parts[2] = {{.arena = run->arena}, {.arena = run->arena}};
    auto_result PGresult *found = NULL;
    int end = 0;

    if (!pg_query(rules->conn, sql_identity_candidates, 1, &run->inputs[INPUT_LEFT_OUT], &found,
                  err))
        return rule_unanswered(run, "identity-candidate", SIDE_SOURCE, err);
    for (int first = 0; first < PQntuples(found); first = end) {
        for (end = first + 1; end < PQntuples(found) && same_table(found, first, end);)
            end++;
        if (!look_at_table(rules, found, first, end, parts, err) &&
            !rule_unanswered(run, "identity-candidate", SIDE_SOURCE, err))
            return false;
    }
    add(rules,
        &(FindingText){
            .id = "identity-candidate",
            .severity = SEVERITY_WARNING,
            .scope = SCOPE_BOTH,
            .summary = "columns that are not listed hold old ids of the map: they stay as they are",
            .advice = "Add them to identities.columns, if they are what they look like.",
        },
        &parts[false]);
    add(rules,
        &(FindingText){
            .id = "identity-embedded",
            .severity = SEVERITY_WARNING,
            .scope = SCOPE_BOTH,
            .summary = "arrays and JSON hold old ids of the map: values inside of them are not "
                       "mapped",
            .advice = "Change them at home after the cutover, if the app reads them.",
        },
        &parts[true]);
    return true;
}

bool assess_identity_rules(AssessRun *run, Error *err)
{
    IdentityRules rules = {.run = run, .conn = run->sides[SIDE_SOURCE].conn};
    auto_result PGresult *listed = NULL;

    if (!identities_load(run->config, &rules.identities, err))
        return false;
    if (!rules.identities)
        return true;
    bool ok = identities_query(rules.identities, rules.conn, sql_identity_columns, &listed, err);
    rules.listed = listed;
    if (ok) {
        judge_columns(&rules);
        judge_chains(&rules);
        ok = judge_keys(&rules, err) && judge_ids(&rules, err) && look_for_more(&rules, err);
    } else {
        ok = rule_unanswered(run, "identity-column", SIDE_SOURCE, err);
    }
    identities_free(rules.identities);
    return ok;
}
