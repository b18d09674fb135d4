#include "move/assess.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

enum {
    MAX_FIX = 4 << 20,
    /* Fixes repeat where a role or a package mends many objects; looking further back than this
     * costs more than a repeated line. */
    LOOK_BACK = 256,
    MAX_ROLE_MAP = 1 << 20
};

/* ---- findings ---- */

static const char **grow(Arena *arena, const char **items, int count, int *capacity)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 16;
    const char **larger = arena_array(arena, (size_t)*capacity, sizeof *larger);
    for (int i = 0; i < count; i++)
        larger[i] = items[i];
    return larger;
}

void parts_add_object(FindingParts *parts, const char *object)
{
    parts->objects =
        grow(parts->arena, parts->objects, parts->object_count, &parts->object_capacity);
    parts->objects[parts->object_count++] = arena_strdup(parts->arena, object);
}

void parts_add_fix(FindingParts *parts, const char *fix)
{
    int oldest = parts->fix_count > LOOK_BACK ? parts->fix_count - LOOK_BACK : 0;

    for (int i = parts->fix_count - 1; i >= oldest; i--)
        if (strcmp(parts->fixes[i], fix) == 0)
            return;
    parts->fixes = grow(parts->arena, parts->fixes, parts->fix_count, &parts->fix_capacity);
    parts->fixes[parts->fix_count++] = arena_strdup(parts->arena, fix);
}

void parts_add_rows(FindingParts *parts, const PGresult *res)
{
    for (int row = 0; row < PQntuples(res); row++) {
        const char *object = pg_cell(res, row, 0);
        const char *fix = pg_cell(res, row, 1);

        if (object)
            parts_add_object(parts, object);
        if (fix)
            parts_add_fix(parts, fix);
    }
}

/* The advice alone, or SQL that a session on the side can be given as it is: there the advice is a
 * comment. */
static const char *fix_text(Arena *arena, const FindingText *text, const FindingParts *parts)
{
    Text fix = text_init(arena, MAX_FIX);

    if (!parts || parts->fix_count == 0)
        return text->advice ? text->advice : "";
    text_addf(&fix, "-- on the %s%s%s", text->side == SIDE_SOURCE ? "source" : "target",
              text->advice ? ": " : ":", text->advice ? text->advice : "");
    for (int i = 0; i < parts->fix_count; i++)
        text_addf(&fix, "\n%s", parts->fixes[i]);
    return text_str(&fix);
}

void finding_add(AssessRun *run, const FindingText *text, const FindingParts *parts)
{
    if (!(text->scope & run->scope))
        return;
    if (run->count == run->capacity) {
        run->capacity = run->capacity ? run->capacity * 2 : 32;
        Finding *larger = arena_array(run->arena, (size_t)run->capacity, sizeof *larger);
        for (int i = 0; i < run->count; i++)
            larger[i] = run->findings[i];
        run->findings = larger;
    }
    run->findings[run->count++] = (Finding){
        .id = text->id,
        .severity = text->severity,
        .scope = text->scope,
        .summary = text->summary,
        .fix = fix_text(run->arena, text, parts),
        .objects = parts ? parts->objects : NULL,
        .object_count = parts ? parts->object_count : 0,
    };
}

bool rule_unanswered(AssessRun *run, const char *id, AssessSide side, Error *err)
{
    if (err->code != ERR_SQL)
        return false;
    FindingParts parts = {.arena = run->arena};

    log_debug("rule not answered", kv_str("rule", id), kv_str("error", err->message));
    parts_add_object(&parts, id);
    finding_add(
        run,
        &(FindingText){
            .id = "rule-unanswered",
            .severity = SEVERITY_WARNING,
            .scope = SCOPE_BOTH,
            .side = side,
            .summary = arena_printf(run->arena, "the %s refused the question behind this rule: %s",
                                    side == SIDE_SOURCE ? "source" : "target", err->message),
            .advice = arena_printf(run->arena,
                                   "Judge it by hand (docs/checks.md, %s), or give homeport "
                                   "a role that may ask.",
                                   id),
        },
        &parts);
    *err = ERROR_INIT;
    return true;
}

/* ---- inputs ---- */

typedef struct Fact {
    const char *sql;
    bool left_out; /* takes the schemas to leave out as $1 */
} Fact;

static const Fact facts[INPUT_COUNT] = {
    [INPUT_LOCALE] = {sql_assess_facts_locale,            false},
    [INPUT_PARTITION_KEYS] = {sql_assess_facts_partition_keys,    true },
    [INPUT_COLLATIONS] = {sql_assess_facts_collations,        true },
    [INPUT_EXTENSIONS] = {sql_assess_facts_extensions,        false},
    [INPUT_ROLES] = {sql_assess_facts_roles,             true },
    [INPUT_TABLES] = {sql_assess_facts_tables,            true },
    [INPUT_SUPERUSER_OBJECTS] = {sql_assess_facts_superuser_objects, true },
    [INPUT_LANGUAGES] = {sql_assess_facts_languages,         true },
    [INPUT_TABLESPACES] = {sql_assess_facts_tablespaces,       true },
    [INPUT_SETTINGS] = {sql_assess_facts_settings,          false},
    [INPUT_DATABASE_SETTINGS] = {sql_assess_facts_database_settings, false},
    [INPUT_DATABASE] = {sql_assess_facts_database,          false},
};

static bool read_left_out(AssessRun *run, Error *err)
{
    char *schemas = NULL;

    if (!pg_query_text(run->sides[SIDE_SOURCE].conn, run->arena, sql_assess_left_out, &schemas,
                       err))
        return false;
    run->inputs[INPUT_LEFT_OUT] = schemas;
    return true;
}

static const char *role_map_json(Arena *arena, const Config *config)
{
    Text text = text_init(arena, MAX_ROLE_MAP);
    Json json = json_init(&text);

    json_open_object(&json);
    for (int i = 0; i < config->role_map_count; i++)
        json_kv_string(&json, config->role_map[i].from, config->role_map[i].to);
    json_close(&json);
    return text_str(&text);
}

static bool fact_gather(AssessRun *run, AssessInput input, Error *err)
{
    const Fact *fact = &facts[input];
    auto_result PGresult *res = NULL;

    assert(fact->sql);
    if (!pg_query(run->sides[SIDE_SOURCE].conn, fact->sql, fact->left_out ? 1 : 0,
                  &run->inputs[INPUT_LEFT_OUT], &res, err))
        return false;
    run->inputs[input] = arena_strdup(run->arena, pg_cell(res, 0, 0));
    return true;
}

/* ---- rules ---- */

static bool rule_applies(const AssessRun *run, const Rule *rule)
{
    if (!(rule->scope & run->scope) || (run->same_database && rule->side == SIDE_TARGET))
        return false;
    switch (rule->condition) {
    case WHEN_ALWAYS:
        return true;
    case WHEN_SCHEMA_IS_MADE:
        return run->config->schema != SCHEMA_EXISTING;
    case WHEN_18_MAKES_SCHEMA:
        return run->config->schema != SCHEMA_EXISTING &&
               run->sides[SIDE_TARGET].seen.version_num >= 180000;
    case WHEN_SCHEMA_IS_THERE:
        return run->config->schema == SCHEMA_EXISTING;
    case WHEN_ONLY_ROWS_COME:
        return run->config->schema != SCHEMA_DUMP;
    case WHEN_TRIGGERS_REST_NOT:
        return !run->sides[SIDE_SOURCE].may_rest;
    }
    return true;
}

static bool rule_ask(AssessRun *run, const Rule *rule, PGresult **ret, Error *err)
{
    const char *params[RULE_MAX_INPUTS];
    int count = 0;

    for (; count < RULE_MAX_INPUTS && rule->inputs[count] != INPUT_NONE; count++) {
        AssessInput input = rule->inputs[count];

        if (input == INPUT_ARGUMENT) {
            params[count] = rule->argument;
            continue;
        }
        if (!run->inputs[input] && !fact_gather(run, input, err))
            return false;
        params[count] = run->inputs[input];
    }
    return pg_query(run->sides[rule->side].conn, rule->sql, count, params, ret, err);
}

static bool rule_judge(AssessRun *run, const Rule *rule, Error *err)
{
    FindingParts parts = {.arena = run->arena};

    if (rule->sql) {
        auto_result PGresult *res = NULL;
        if (!rule_ask(run, rule, &res, err))
            return rule_unanswered(run, rule->id, rule->side, err);
        if (PQntuples(res) == 0)
            return true;
        parts_add_rows(&parts, res);
    }
    AssessSide other = rule->side == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE;
    finding_add(run,
                &(FindingText){.id = rule->id,
                               .severity = rule->severity,
                               .scope = rule->scope,
                               .side = rule->mends_other_side ? other : rule->side,
                               .summary = rule->summary,
                               .advice = rule->advice},
                &parts);
    return true;
}

/* ---- the whole ---- */

static int compare_findings(const void *a, const void *b)
{
    const Finding *left = a;
    const Finding *right = b;

    if (left->severity != right->severity)
        return left->severity > right->severity ? -1 : 1;
    int by_id = strcmp(left->id, right->id);
    if (by_id != 0)
        return by_id;
    return left->scope < right->scope ? -1 : left->scope > right->scope;
}

static bool run_rules(AssessRun *run, Error *err)
{
    if (!assess_server_rules(run, err))
        return false;
    for (size_t i = 0; i < assess_rule_count; i++)
        if (rule_applies(run, &assess_rules[i]) && !rule_judge(run, &assess_rules[i], err))
            return error_add_context(err, "assess %s", assess_rules[i].id);
    return assess_space_rules(run, err) && assess_identity_rules(run, err);
}

Assessment assess_result(AssessRun *run)
{
    Assessment assessment = {
        .scope = run->scope,
        .findings = run->findings,
        .count = run->count,
        .source = run->sides[SIDE_SOURCE].seen,
        .target = run->sides[SIDE_TARGET].seen,
    };

    if (run->count > 0)
        qsort(run->findings, (size_t)run->count, sizeof *run->findings, compare_findings);
    for (int i = 0; i < run->count; i++) {
        Severity severity = run->findings[i].severity;
        assessment.blockers += severity == SEVERITY_BLOCKER;
        assessment.warnings += severity == SEVERITY_WARNING;
        assessment.notes += severity == SEVERITY_NOTE;
    }
    return assessment;
}

bool assess_run(Arena *arena, const Config *config, Scope scope, Assessment *ret, Error *err)
{
    AssessRun run = {.arena = arena, .config = config, .scope = scope};

    run.inputs[INPUT_ROLE_MAP] = role_map_json(arena, config);
    bool done = assess_server_open(&run, SIDE_SOURCE, err) &&
                assess_server_open(&run, SIDE_TARGET, err) && read_left_out(&run, err) &&
                run_rules(&run, err);

    pg_close(run.sides[SIDE_SOURCE].conn);
    pg_close(run.sides[SIDE_TARGET].conn);
    if (done)
        *ret = assess_result(&run);
    return done;
}

const char *severity_name(Severity severity)
{
    static const char *const names[] = {
        [SEVERITY_NOTE] = "note",
        [SEVERITY_WARNING] = "warning",
        [SEVERITY_BLOCKER] = "blocker",
    };

    assert((size_t)severity < COUNT_OF(names));
    return names[severity];
}

const char *scope_name(Scope scope)
{
    static const char *const names[] = {
        [SCOPE_ONCE] = "once", [SCOPE_LIVE] = "live", [SCOPE_BOTH] = "both"};

    assert((size_t)scope < COUNT_OF(names) && names[scope]);
    return names[scope];
}

static void server_json(Json *json, const char *key, const AssessedServer *server)
{
    json_key(json, key);
    json_open_object(json);
    json_kv_string(json, "url", server->url);
    json_kv_string(json, "version", server->version);
    json_kv_int(json, "version_num", server->version_num);
    json_kv_string(json, "database", server->database);
    json_kv_string(json, "role", server->role);
    json_kv_bool(json, "superuser", server->superuser);
    json_kv_int(json, "size_bytes", server->size_bytes);
    json_kv_string(json, "encoding", server->encoding);
    json_kv_string(json, "collate", server->collate);
    json_kv_string(json, "ctype", server->ctype);
    json_kv_string(json, "provider", server->provider);
    json_close(json);
}

static void finding_json(Json *json, const Finding *finding)
{
    json_open_object(json);
    json_kv_string(json, "id", finding->id);
    json_kv_string(json, "severity", severity_name(finding->severity));
    json_kv_string(json, "scope", scope_name(finding->scope));
    json_kv_string(json, "summary", finding->summary);
    json_key(json, "objects");
    json_open_array(json);
    for (int i = 0; i < finding->object_count; i++)
        json_add_string(json, finding->objects[i]);
    json_close(json);
    json_kv_string(json, "fix", finding->fix);
    json_close(json);
}

void assessment_json(Json *json, const Assessment *assessment)
{
    json_kv_string(json, "scope", scope_name(assessment->scope));
    json_kv_int(json, "blockers", assessment->blockers);
    json_kv_int(json, "warnings", assessment->warnings);
    json_kv_int(json, "notes", assessment->notes);
    json_key(json, "findings");
    json_open_array(json);
    for (int i = 0; i < assessment->count; i++)
        finding_json(json, &assessment->findings[i]);
    json_close(json);
    server_json(json, "source", &assessment->source);
    server_json(json, "target", &assessment->target);
}
