#include <stdio.h>

#include "cli/cli.h"
#include "core/json.h"
#include "core/term.h"
#include "pg/url.h"

enum {
    MAX_OUTPUT = 1024 * 1024
};

/* The value for people, secrets hidden; NULL: none. The URLs were parsed before the command ran,
 * so one that fails here has no readable form. */
static const char *shown_value(const Invocation *inv, const Setting *setting)
{
    const Option *option = &setting->option;
    const char *value = option_format(inv->arena, option, inv->config);
    PgUrl url;
    Error err;

    if (!value || option->type != OPTION_URL)
        return value;
    return url_parse(inv->arena, value, option->name, &url, &err) ? url.redacted : "***";
}

static void json_pairs(Json *json, const Setting *setting, const Config *config)
{
    const OptionPair *pairs;
    int count = option_pairs(&setting->option, config, &pairs);

    json_open_object(json);
    for (int i = 0; i < count; i++)
        json_kv_string(json, pairs[i].from, pairs[i].to);
    json_close(json);
}

static void json_value(Json *json, const Invocation *inv, const Setting *setting)
{
    const void *field = (const char *)inv->config + setting->option.offset;

    json_key(json, "value");
    switch (setting->option.type) {
    case OPTION_FLAG:
        json_add_bool(json, *(const bool *)field);
        break;
    case OPTION_INT:
        json_add_int(json, *(const int *)field);
        break;
    case OPTION_SIZE:
        json_add_int(json, (int64_t) * (const uint64_t *)field);
        break;
    case OPTION_PAIRS:
        json_pairs(json, setting, inv->config);
        break;
    case OPTION_CHOICE:
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_URL:
        json_add_string(json, shown_value(inv, setting));
        break;
    }
}

static bool print_json(const Invocation *inv, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    json_open_object(&json);
    json_kv_string(&json, "file", inv->config->file);
    json_key(&json, "settings");
    json_open_object(&json);
    for (int i = 0; i < setting_count; i++) {
        json_key(&json, setting_key(&settings[i]));
        json_open_object(&json);
        json_value(&json, inv, &settings[i]);
        json_kv_string(&json, "from", config_origin(inv->config, &settings[i]));
        json_close(&json);
    }
    json_close(&json);
    json_close(&json);
    return cli_print(&out, err);
}

static bool config_run(const Invocation *inv, Error *err)
{
    static const char *const header[] = {"SETTING", "FROM", "VALUE"};
    TermTable *table = term_table_new(inv->arena, "lll", header);

    if (inv->json)
        return print_json(inv, err);
    for (int i = 0; i < setting_count; i++) {
        const char *value = shown_value(inv, &settings[i]);
        const char *cells[] = {
            setting_key(&settings[i]),
            value ? config_origin(inv->config, &settings[i]) : "",
            value ? value : "-",
        };
        term_table_row(table, cells);
    }
    term_table_print(table, stdout);
    return true;
}

static const char *const config_settings[] = {
    "source",
    "target",
    "dir",
    "pg-bin",
    "schema",
    "accept-drift",
    "migrations",
    "migrations-table",
    "migrations-schema",
    "jobs",
    "split-bytes",
    "map-role",
    "relax-durability",
    "verify",
    "spool-limit",
    "identity-map",
    "identity-columns",
    "identity-unmapped",
    "identity-unmapped-back",
    "upstream",
    "listen",
    "listen-http",
    "listen-pg",
    "metrics",
    "admin",
    "cert",
    "key",
    "tls-dir",
    "names",
    "cert-life-s",
    "gateway-state",
    "trust-upstream",
    "roles-file",
    "databases",
    "roles",
    "gateway-timezone",
    "max-request",
    "max-response",
    "max-memory",
    "threads",
    "pool-size",
    "max-connections",
    "queue-ms",
    "recheck-ms",
    "slow-ms",
    "drain-ms",
    "cors",
    NULL,
};

const Command cmd_config = {
    .name = "config",
    .group = GROUP_SELF,
    .summary = "show the settings in force, and where each came from",
    .description =
        "Settings come from homeport.yaml in the current folder (or from --config FILE), from "
        "the environment over it, and from a command's options over both. This shows the "
        "result, with passwords hidden, so that it can be checked before anything is done.\n\n"
        "In the file, ${NAME} stands for a variable of the environment, which keeps secrets "
        "out of it ($${ is a plain ${), and paths are relative to the file. A key that does "
        "not exist, or is there twice, is an error.",
    .settings = config_settings,
    .names_variables = true,
    .examples =
        (const Example[]){
                          {"homeport config", "What is in force here?"},
                          {"homeport config --config staging.yaml --json", "What another file says, as JSON."},
                          {0},
                          },
    .run = config_run,
};
