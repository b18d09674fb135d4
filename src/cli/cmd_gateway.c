#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/term.h"
#include "gateway/gateway.h"
#include "move/move.h"
#include "pg/url.h"

enum {
    MAX_OUTPUT = 1024 * 1024
};

typedef struct GatewayCommandOptions {
    const char *to;
    const char *ca;
    const char *port;
    const char *pg_port;
    int deadline;
    bool force;
} GatewayCommandOptions;

/* What nobody said lies in the work folder. */
static const char *beside_work(const Invocation *inv, const char *given, const char *name)
{
    return given ? given : arena_printf(inv->arena, "%s/%s", inv->config->dir, name);
}

static const char *tls_dir(const Invocation *inv)
{
    return beside_work(inv, inv->config->gateway.tls_dir, "gateway-tls");
}

/* What an app is told has to be true wherever it is started; a file that Node does not find it goes
 * on without. */
static const char *from_anywhere(const Invocation *inv, const char *path)
{
    char here[PATH_MAX];

    return *path == '/' || !getcwd(here, sizeof here)
               ? path
               : arena_printf(inv->arena, "%s/%s", here, path);
}

static GatewayOptions options_of(const Invocation *inv)
{
    const GatewaySettings *s = &inv->config->gateway;

    return (GatewayOptions){
        .upstream = s->upstream,
        .listen = s->listen,
        .listen_http = s->listen_http,
        .listen_pg = s->listen_pg,
        .metrics = s->metrics,
        .admin = beside_work(inv, s->admin, "gateway.sock"),
        .cert = s->cert,
        .key = s->key,
        .tls_dir = tls_dir(inv),
        .names = s->names,
        .cert_life_s = s->cert_life_s,
        .state = beside_work(inv, s->state, "gateway.json"),
        .trust_upstream = s->trust_upstream,
        .roles = s->roles,
        .databases = s->databases,
        .role_names = s->role_names,
        .timezone = s->timezone,
        .max_request_bytes = s->max_request_bytes,
        .max_response_bytes = s->max_response_bytes,
        .max_memory_bytes = s->max_memory_bytes,
        .threads = s->threads,
        .pool_size = s->pool_size,
        .max_connections = s->max_connections,
        .queue_ms = s->queue_ms,
        .recheck_ms = s->recheck_ms,
        .slow_ms = s->slow_ms,
        .drain_ms = s->drain_ms,
        .cors = s->cors,
    };
}

/* A gateway without a state believes its configuration, which a cutover does not change. */
static bool check_first_start(const Invocation *inv, const GatewayOptions *options, Error *err)
{
    MoveStatus move;
    PgUrl upstream;
    PgUrl old;

    if (file_exists(options->state))
        return true;
    if (!move_status(inv->arena, inv->config, &move, err))
        return false;
    if (!move.live || strcmp(move.direction, "forward") != 0 ||
        !(strcmp(move.phase, "home") == 0 || move.complete))
        return true;
    if (!url_parse(inv->arena, options->upstream, "upstream", &upstream, err) ||
        !url_parse(inv->arena, move.source, "source", &old, err))
        return false;
    if (!url_same_server(&upstream, &old))
        return true;
    (void)error_set(err, ERR_WRONG_STATE,
                    "the upstream is the server that the move of \"%s\" has come from",
                    inv->config->dir);
    return error_hint(err, "The data has moved on: set --upstream to the target.");
}

static bool gateway_command(const Invocation *inv, Error *err)
{
    GatewayOptions options = options_of(inv);

    /* Of what runs for months, the log is what there is to look at: who was refused, what was slow.
     */
    if (log_level() == LOG_WARNING)
        log_set_level(LOG_INFO);
    return file_make_dir(inv->config->dir, 0700, err) && check_first_start(inv, &options, err) &&
           gateway_run(&options, err);
}

/* ---- cert and env ---- */

static bool cert_run(const Invocation *inv, Error *err)
{
    const char *dir = tls_dir(inv);
    Text out = text_init(inv->arena, MAX_OUTPUT);
    const char **names = gateway_names(inv->arena, inv->config->gateway.names);
    const char *ca = arena_printf(inv->arena, "%s/ca.crt", dir);
    bool had_ca = file_exists(ca);

    if (!gateway_cert_make(dir, inv->config->gateway.names, inv->config->gateway.cert_life_s, err))
        return false;
    if (inv->json) {
        Json json = json_init(&out);
        json_open_object(&json);
        json_kv_string(&json, "ca", ca);
        json_kv_bool(&json, "new_ca", !had_ca);
        json_kv_string(&json, "cert", arena_printf(inv->arena, "%s/gateway.crt", dir));
        json_kv_string(&json, "key", arena_printf(inv->arena, "%s/gateway.key", dir));
        json_key(&json, "names");
        json_open_array(&json);
        for (int i = 0; names[i]; i++)
            json_add_string(&json, names[i]);
        json_close(&json);
        json_close(&json);
        return cli_print(&out, err);
    }
    text_addf(&out, "CA           %s (%s)\n", ca, had_ca ? "as it was" : "new: apps need it");
    text_addf(&out, "Certificate  %s/gateway.crt, key %s/gateway.key\n", dir, dir);
    for (int i = 0; names[i]; i++)
        text_addf(&out, "%s%s", i ? ", " : "Names        ", names[i]);
    text_add(&out, "\n\nA gateway that runs reads them again on SIGHUP.");
    return cli_print(&out, err);
}

/* Neon's names for one and the same URL, as its integration with Vercel sets them. */
static bool env_run(const Invocation *inv, Error *err)
{
    const char *names = inv->config->gateway.names;
    const char *host = arena_strndup(inv->arena, names, strcspn(names, ", "));
    const char *made = from_anywhere(inv, arena_printf(inv->arena, "%s/ca.crt", tls_dir(inv)));
    const char *ca = inv->config->gateway.cert ? NULL : made;
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    if (host[strspn(host, "0123456789.:")] == '\0') {
        (void)error_set(err, ERR_USAGE, "Neon's driver cannot use an address: \"%s\"", host);
        return error_hint(err, "Give the gateway a name; it makes api.0.0.1 of 127.0.0.1.");
    }
    const char *url = arena_printf(inv->arena, "postgresql://USER:PASSWORD@%s/DATABASE", host);
    if (inv->json) {
        json_open_object(&json);
        json_kv_string(&json, "DATABASE_URL", url);
        json_kv_string(&json, "NODE_EXTRA_CA_CERTS", ca);
        json_close(&json);
        return cli_print(&out, err);
    }
    text_addf(&out, "DATABASE_URL=%s\n", url);
    if (ca)
        text_addf(&out, "NODE_EXTRA_CA_CERTS=%s\n", ca);
    (void)fprintf(
        stderr,
        "Both belong into the environment in which the app's process starts: a .env file is "
        "read too late for the second. The names that must resolve to the gateway:\n");
    for (const char **name = gateway_names(inv->arena, names); *name; name++)
        (void)fprintf(stderr, "  %s\n", *name);
    if (ca && !file_exists(ca))
        (void)fprintf(stderr, "The CA is not there yet: `homeport gateway cert` makes it, and a "
                              "gateway that is started with --names.\n");
    return cli_print(&out, err);
}

/* ---- doctor ---- */

static void doctor_json(Text *out, const GatewayCheck *checks, int count)
{
    Json json = json_init(out);

    json_open_object(&json);
    json_key(&json, "checks");
    json_open_array(&json);
    for (int i = 0; i < count; i++) {
        json_open_object(&json);
        json_kv_string(&json, "what", checks[i].what);
        json_kv_bool(&json, "ok", !checks[i].fix);
        json_kv_string(&json, "detail", checks[i].detail);
        json_kv_string(&json, "fix", checks[i].fix);
        json_close(&json);
    }
    json_close(&json);
    json_close(&json);
}

static void doctor_text(Text *out, const GatewayCheck *checks, int count)
{
    for (int i = 0; i < count; i++) {
        bool fine = !checks[i].fix;
        text_addf(out, "%s%s%s  %s: %s\n", term_style(stdout, fine ? TERM_GREEN : TERM_RED),
                  fine ? "ok  " : "FAIL", term_style(stdout, TERM_PLAIN), checks[i].what,
                  checks[i].detail);
        if (!fine)
            text_addf(out, "      fix: %s\n", checks[i].fix);
    }
}

static bool doctor_run(const Invocation *inv, Error *err)
{
    const GatewayCommandOptions *given = inv->options;
    Text out = text_init(inv->arena, MAX_OUTPUT);
    GatewayCheck *checks;
    int count = 0;
    int failed = 0;
    GatewayProbe probe = {
        .url = inv->args[0],
        .ca = given->ca,
        .port = given->port,
        .pg_port = given->pg_port,
    };
    const char *own_ca = arena_printf(inv->arena, "%s/ca.crt", tls_dir(inv));

    if (inv->arg_count == 0) {
        (void)error_set(err, ERR_USAGE, "no URL given");
        return error_hint(err, "homeport gateway doctor \"$DATABASE_URL\"");
    }
    if (!probe.ca && file_exists(own_ca))
        probe.ca = own_ca;
    if (!gateway_probe(inv->arena, &probe, &checks, &count, err))
        return false;
    for (int i = 0; i < count; i++)
        failed += checks[i].fix != NULL;
    inv->json ? doctor_json(&out, checks, count) : doctor_text(&out, checks, count);
    if (!cli_print(&out, err))
        return false;
    return failed == 0 || error_set(err, ERR_FOUND, "%d of %d checks failed", failed, count);
}

/* ---- administration ---- */

static bool print_reply(const Invocation *inv, const GatewayReply *reply, Error *err)
{
    Text out = text_init(inv->arena, MAX_OUTPUT);
    Json json = json_init(&out);

    if (!inv->json) {
        text_addf(&out, "%s, generation %lld, %s\n", reply->state, (long long)reply->generation,
                  reply->upstream);
        text_addf(&out, "%lld at work, %lld waiting, %lld sessions; took %lld ms\n",
                  (long long)reply->busy, (long long)reply->waiting, (long long)reply->sessions,
                  (long long)reply->took_ms);
        return cli_print(&out, err);
    }
    json_open_object(&json);
    json_kv_string(&json, "state", reply->state);
    json_kv_int(&json, "generation", reply->generation);
    json_kv_string(&json, "upstream", reply->upstream);
    json_kv_int(&json, "busy", reply->busy);
    json_kv_int(&json, "waiting", reply->waiting);
    json_kv_int(&json, "sessions", reply->sessions);
    json_kv_int(&json, "took_ms", reply->took_ms);
    json_close(&json);
    return cli_print(&out, err);
}

static bool ask(const Invocation *inv, GatewayVerb verb, Error *err)
{
    const GatewayCommandOptions *given = inv->command->options ? inv->options : NULL;
    const char *path = beside_work(inv, inv->config->gateway.admin, "gateway.sock");
    GatewayRequest request = {.verb = verb};
    GatewayReply reply;

    if (given) {
        request.url = given->to;
        request.deadline_ms = given->deadline * 1000;
        request.force = given->force;
    }
    return gateway_admin(inv->arena, path, &request, &reply, err) && print_reply(inv, &reply, err);
}

static bool status_run(const Invocation *inv, Error *err)
{
    return ask(inv, GATEWAY_STATUS, err);
}

static bool pause_run(const Invocation *inv, Error *err)
{
    return ask(inv, GATEWAY_PAUSE, err);
}

static bool resume_run(const Invocation *inv, Error *err)
{
    return ask(inv, GATEWAY_RESUME, err);
}

static bool switch_run(const Invocation *inv, Error *err)
{
    const GatewayCommandOptions *given = inv->options;
    PgUrl url;

    if (!given->to) {
        (void)error_set(err, ERR_USAGE, "no URL given");
        return error_hint(err, "Give --to URL: the server that the gateway is put before.");
    }
    return url_parse(inv->arena, given->to, "new upstream", &url, err) &&
           ask(inv, GATEWAY_SWITCH, err);
}

/* ---- rows ---- */

static const char *const run_settings[] = {"upstream",    "listen",
                                           "cert",        "key",
                                           "listen-pg",   "listen-http",
                                           "metrics",     "admin",
                                           "names",       "cert-life-s",
                                           "tls-dir",     "gateway-state",
                                           "roles-file",  "databases",
                                           "roles",       "gateway-timezone",
                                           "max-request", "max-response",
                                           "max-memory",  "threads",
                                           "pool-size",   "max-connections",
                                           "queue-ms",    "recheck-ms",
                                           "slow-ms",     "drain-ms",
                                           "cors",        "trust-upstream",
                                           "dir",         NULL};
static const char *const run_needs[] = {"upstream", NULL};
static const char *const cert_settings[] = {"names", "cert-life-s", "tls-dir", "dir", NULL};
static const char *const cert_needs[] = {"names", NULL};
static const char *const env_settings[] = {"names", "tls-dir", "cert", "dir", NULL};
static const char *const doctor_settings[] = {"tls-dir", "dir", NULL};
static const char *const admin_settings[] = {"admin", "dir", NULL};

#define FIELD(name) offsetof(GatewayCommandOptions, name)

/* What becomes of what is still in a transaction. */
#define DEADLINE_OPTION(text)                                                                      \
    {                                                                                              \
        .name = "deadline", .type = OPTION_INT, .offset = FIELD(deadline), .min = 1, .max = 3600,  \
        .unset = "10", .argument = "SECONDS", .help = (text)                                       \
    }
#define FORCE_OPTION                                                                               \
    {                                                                                              \
        .name = "force", .type = OPTION_FLAG, .offset = FIELD(force), .unset = "no",               \
        .help = "... or is ended by then"                                                          \
    }

static const Option pause_options[] = {
    DEADLINE_OPTION("what is still in a transaction by then undoes the pause"),
    FORCE_OPTION,
    {0},
};

static const Option switch_options[] = {
    {.name = "to",
     .type = OPTION_URL,
     .offset = FIELD(to),
     .argument = "URL",
     .help = "the new server"},
    DEADLINE_OPTION("what is still in a transaction by then keeps the gateway where it is"),
    FORCE_OPTION,
    {0},
};

static const Option doctor_options[] = {
    {.name = "ca",
     .type = OPTION_PATH,
     .offset = FIELD(ca),
     .argument = "FILE",
     .help = "the CA that the app trusts; unset: that of --tls-dir, else the system's"},
    {.name = "port",
     .type = OPTION_TEXT,
     .offset = FIELD(port),
     .unset = "443",
     .argument = "PORT",
     .help = "of HTTPS; the driver always uses 443"},
    {.name = "pg-port",
     .type = OPTION_TEXT,
     .offset = FIELD(pg_port),
     .argument = "PORT",
     .help = "of PostgreSQL's protocol; unset: the URL's, else 5432"},
    {0                                                                   },
};

static const Command cmd_gateway_cert = {
    .name = "cert",
    .group = GROUP_APP,
    .summary = "make a private CA and a certificate for the app's names",
    .description =
        "Makes a CA, which is kept where there is one, and a certificate for the names and for "
        "those that Neon's driver derives of them (ECDSA P-256). A gateway that is started with "
        "--names does the same by itself, and again a month before the certificate ends.",
    .settings = cert_settings,
    .needs = cert_needs,
    .examples = (const Example[]){{"homeport gateway cert --names pg.db.internal",
                                   "For pg.db.internal and api.db.internal."},
                                  {0}},
    .run = cert_run,
};

static const Command cmd_gateway_env = {
    .name = "env",
    .group = GROUP_APP,
    .summary = "print the lines for the app's environment",
    .description = "Prints what changes in the app's environment: the URL with the gateway's name "
                   "in it, and the CA that Node.js has to trust when it starts.",
    .settings = env_settings,
    .needs = cert_needs,
    .examples = (const Example[]){{"homeport gateway env --names neondb", "For one name."}, {0}},
    .run = env_run,
};

static const Command cmd_gateway_doctor = {
    .name = "doctor",
    .group = GROUP_APP,
    .summary = "check the gateway as the app would use it",
    .description =
        "Takes the app's URL, resolves every name that the driver makes of it, checks TLS with the "
        "app's CA, runs a query by HTTP, by WebSocket and by TCP, and says what to fix.",
    .arguments = "URL",
    .max_args = 1,
    .settings = doctor_settings,
    .options = doctor_options,
    .options_size = sizeof(GatewayCommandOptions),
    .examples = (const Example[]){{"homeport gateway doctor \"$DATABASE_URL\"",
                                   "Where the app runs, with its environment."},
                                  {0}},
    .run = doctor_run,
};

static const Command cmd_gateway_status = {
    .name = "status",
    .group = GROUP_APP,
    .summary = "what a running gateway does, and before which server",
    .description = "Asks the gateway by its administration socket.",
    .settings = admin_settings,
    .examples = (const Example[]){{"homeport gateway status --json", "For programs."}, {0}},
    .run = status_run,
};

static const Command cmd_gateway_pause = {
    .name = "pause",
    .group = GROUP_APP,
    .summary = "let new work wait, until everything at work has ended",
    .description =
        "New requests and sessions wait, running ones end, idle sessions are closed (their pools "
        "open new ones, which wait). Returns when nothing is at work any more. What is still in a "
        "transaction at the deadline undoes the pause; with --force it is ended.",
    .settings = admin_settings,
    .options = pause_options,
    .options_size = sizeof(GatewayCommandOptions),
    .examples =
        (const Example[]){{"homeport gateway pause --deadline 5", "Five seconds at most."}, {0}},
    .run = pause_run,
};

static const Command cmd_gateway_resume = {
    .name = "resume",
    .group = GROUP_APP,
    .summary = "let work go on after a pause",
    .description = "What has waited goes on, before the server that is the current one.",
    .settings = admin_settings,
    .examples = (const Example[]){{"homeport gateway resume", "Go on."}, {0}},
    .run = resume_run,
};

static const Command cmd_gateway_switch = {
    .name = "switch",
    .group = GROUP_APP,
    .summary = "put the gateway before another server",
    .description =
        "Pauses, changes the server, resumes; a gateway that is paused already stays so. The "
        "new server is on disk before work goes on: a gateway that starts again goes on there.",
    .settings = admin_settings,
    .options = switch_options,
    .options_size = sizeof(GatewayCommandOptions),
    .examples =
        (const Example[]){{"homeport gateway switch --to postgresql://10.0.0.5/", "Go there."},
                          {0}},
    .run = switch_run,
};

const Command cmd_gateway = {
    .name = "gateway",
    .group = GROUP_APP,
    .summary = "an endpoint for Neon's driver before any PostgreSQL",
    .description =
        "Serves SQL over HTTP and WebSockets as Neon's driver speaks it, and plain PostgreSQL, "
        "with one server behind: an app moves by changing its URL and trusting one certificate. "
        "Runs until it is stopped: SIGTERM lets running requests end, SIGHUP reads certificate "
        "and roles again.",
    .settings = run_settings,
    .names_variables = true,
    .needs = run_needs,
    .examples =
        (const Example[]){
                          {"homeport gateway --upstream postgresql://db/ --listen :443 --names neondb",
             "For an app in the same network, to which the gateway is \"neondb\"."},
                          {0}                      },
    .run = gateway_command,
    .subcommands =
        (const Command *const[]){ &cmd_gateway_cert, &cmd_gateway_env, &cmd_gateway_doctor,
                          &cmd_gateway_status, &cmd_gateway_pause, &cmd_gateway_resume,
                          &cmd_gateway_switch, NULL},
};
