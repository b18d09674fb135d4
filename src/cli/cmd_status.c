#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/wrap.h"
#include "core/cancel.h"
#include "core/json.h"
#include "core/term.h"
#include "move/move.h"

enum {
    MAX_OUTPUT = 65536,
    WATCH_MS = 1000,
    INDENT = 11, /* of what stands behind a label */
    MINUTE_S = 60,
    HOUR_S = 3600,
};

typedef struct StatusOptions {
    bool watch;
} StatusOptions;

static const Option status_options[] = {
    {.name = "watch",
     .type = OPTION_FLAG,
     .offset = offsetof(StatusOptions, watch),
     .unset = "no",
     .help = "stay, and show it again each second"},
    {0},
};

static void status_pairs(Json *writer, const MoveStatus *status)
{
    Json json = *writer;

    json_kv_bool(&json, "exists", status->exists);
    json_kv_bool(&json, "complete", status->complete);
    json_kv_string(&json, "phase", status->phase);
    json_kv_string(&json, "direction", status->direction);
    json_kv_string(&json, "app_at", status->app_at);
    json_kv_bool(&json, "running", status->running);
    json_key(&json, "pid");
    if (status->running)
        json_add_int(&json, status->pid);
    else
        json_add_null(&json);
    json_kv_string(&json, "source", status->source);
    json_kv_string(&json, "target", status->target);
    json_kv_string(&json, "started_at", status->started_at);
    json_kv_string(&json, "finished_at", status->finished_at);
    json_kv_string(&json, "compared_at", status->compared_at);
    json_kv_string(&json, "last_error", status->last_error);
    json_kv_int(&json, "tables_done", status->tables_done);
    json_kv_int(&json, "tables_total", status->tables_total);
    json_kv_int(&json, "rows_done", status->rows_done);
    json_kv_int(&json, "bytes_done", status->bytes_done);
    json_kv_int(&json, "bytes_total", status->bytes_total);
    json_kv_string(&json, "next", status->next);
    json_kv_string(&json, "fenced", status->fenced);
    json_kv_string(&json, "fence_lift_sql", status->fence_lift_sql);
    json_kv_string(&json, "relaxed_sql", status->relaxed_sql);
    *writer = json;
}

/* For programs lines stay whole. */
static int line_width(void)
{
    return term_is_tty(stdout) ? wrap_width() : INT_MAX;
}

static void add_line(Text *out, const char *label, const char *value)
{
    if (!value)
        return;
    text_addf(out, "%s%-*s%s ", term_style(stdout, TERM_DIM), INDENT - 1, label,
              term_style(stdout, TERM_PLAIN));
    wrap_add(out, "", value, INDENT, line_width());
}

/* Where the app cannot write, or only at one side, stands above all. */
static void add_fenced(Text *out, const MoveStatus *status)
{
    if (!status->fenced)
        return;
    text_add(out, term_style(stdout, TERM_BOLD));
    wrap_add(out, "", status->fenced_text, 0, line_width());
    text_add(out, term_style(stdout, TERM_PLAIN));
}

/* Where a side is fenced that is said above all. */
static const char *app_text(const MoveStatus *status)
{
    if (!status->app_at || status->fenced)
        return NULL;
    return strcmp(status->app_at, "target") == 0 ? "lives at home: the target has its data"
                                                 : "lives at the source, which has its data";
}

/* ", about 3 min left"; "" where that is not known. */
static const char *left_text(Arena *arena, double seconds)
{
    int minutes = (int)(seconds / MINUTE_S + 0.5);

    if (seconds < 0)
        return "";
    if (minutes < 1)
        return ", under 1 min left";
    return seconds < HOUR_S
               ? arena_printf(arena, ", about %d min left", minutes)
               : arena_printf(arena, ", about %d h %02d min left", minutes / 60, minutes % 60);
}

/* ---- what a mover tells: it answers, or has noted it beside the copy ---- */

static const char *text_of(const json_t *live, const char *name)
{
    return json_string_value(json_object_get(live, name));
}

static double number_of(const json_t *live, const char *name)
{
    return json_number_value(json_object_get(live, name));
}

/* Beyond a limit there is nothing left, not less. */
static uint64_t bytes_of(const json_t *live, const char *name)
{
    double bytes = number_of(live, name);

    return bytes > 0 ? (uint64_t)bytes : 0;
}

/* Also false: where no mover answers, or where it is one of another version, which says less. */
static bool is_known(const json_t *live, const char *name)
{
    const json_t *value = json_object_get(live, name);

    return value && !json_is_null(value);
}

static bool is_so(const json_t *live, const char *name)
{
    return json_is_true(json_object_get(live, name));
}

/* Its name, and how its server sees it. */
static const char *slot_text(Arena *arena, const json_t *live)
{
    const char *name = text_of(live, "slot");
    const char *state = text_of(live, "slot_wal_status");

    if (!state)
        return name;
    if (strcmp(state, "gone") == 0)
        return arena_printf(arena, "%s is GONE from its server", name);
    if (strcmp(state, "lost") == 0)
        return arena_printf(arena, "%s is LOST: its server has thrown away WAL that it needs",
                            name);
    const char *safe = is_known(live, "slot_safe_bytes")
                           ? arena_printf(arena, ", %s to its limit",
                                          text_bytes(arena, bytes_of(live, "slot_safe_bytes")))
                           : "";
    return arena_printf(arena, "%s: %s, holds back %s of WAL%s%s", name, state,
                        text_bytes(arena, bytes_of(live, "slot_retained_bytes")), safe,
                        is_so(live, "slot_active") ? "" : ", nobody reads it");
}

/* What is on our disk, and what the slot holds back. */
static void add_kept(Arena *arena, Text *out, const json_t *live)
{
    add_line(out, "spool",
             arena_printf(arena, "%s%s", text_bytes(arena, bytes_of(live, "spool_bytes")),
                          is_so(live, "held_back") ? ", full" : ""));
    add_line(out, "slot", slot_text(arena, live));
}

/* ---- what the work folder tells ---- */

static void status_text(const Invocation *inv, Text *out, const MoveStatus *status,
                        const json_t *stream)
{
    const char *plain = term_style(stdout, TERM_PLAIN);
    Arena *arena = inv->arena;

    if (!status->exists) {
        text_addf(out, "No move has begun in \"%s\".\n", inv->config->dir);
        add_line(out, "next", status->next);
        return;
    }
    add_fenced(out, status);
    text_addf(out, "%s%s%s%s\n",
              term_style(stdout, status->complete  ? TERM_GREEN
                                 : status->running ? TERM_CYAN
                                                   : TERM_YELLOW),
              status->complete  ? "complete"
              : status->running ? "at work"
                                : "incomplete",
              plain, status->running ? arena_printf(arena, " (process %d)", status->pid) : "");
    add_line(out, "phase", status->phase);
    add_line(out, "source", status->source);
    add_line(out, "target", status->target);
    add_line(out, "app", app_text(status));
    add_line(out, "started", status->started_at);
    add_line(out, "finished", status->finished_at);
    if (status->tables_total > 0)
        add_line(
            out, "copied",
            arena_printf(arena, "%s %s, %s, %d of %d %s%s", text_count(arena, status->rows_done),
                         text_plural(status->rows_done, "row", "rows"),
                         text_bytes(arena, (uint64_t)status->bytes_done), status->tables_done,
                         status->tables_total, text_plural(status->tables_total, "table", "tables"),
                         left_text(arena, status->seconds_left)));
    if (stream)
        add_kept(arena, out, stream);
    add_line(out, "verified", status->compared_text);
    if (!status->complete)
        add_line(out, "error", status->last_error);
    add_line(out, "next", status->next);
    if (status->fence_lift_sql)
        text_addf(out, "\nOnly if the move is given up: this SQL lifts the fence of the %s.\n\n%s",
                  status->lifted_side, status->fence_lift_sql);
    if (!status->relaxed_sql)
        return;
    text_add_char(out, '\n');
    wrap_add(
        out, "",
        "The target's server still has the settings of --relax-durability. The next run of the "
        "move puts them back, or this SQL:",
        0, line_width());
    text_addf(out, "\n%s", status->relaxed_sql);
}

/* ---- a live move: its mover knows more ---- */

/* Until the copy is done, or the other side has caught up; < 0: not known. */
static double seconds_left(const MoveStatus *status, const json_t *live)
{
    return is_known(live, "seconds_left") ? number_of(live, "seconds_left") : status->seconds_left;
}

static void add_number(Json *json, const char *name, bool known, double value)
{
    json_key(json, name);
    if (known)
        json_add_double(json, value, 3);
    else
        json_add_null(json);
}

/* Everything of both; what the mover says is newer. */
static void live_json(Text *out, const MoveStatus *status, const json_t *live)
{
    static const char *const numbers[] = {
        "lag_bytes",         "lag_seconds",     "rows_per_second",      "rows_applied",
        "spool_bytes",       "touched_rows",    "differences",          "tables_to_verify",
        "identities_in_map", "identities_kept", "identities_kept_back", "slot_retained_bytes",
        "slot_safe_bytes"};
    static const char *const texts[] = {"applied_lsn",     "received_lsn",   "flushed_lsn", "slot",
                                        "slot_wal_status", "schema_changed", "not_compared"};
    static const char *const flags[] = {"receiving", "applying", "held_back", "verifying"};
    Json json = json_init(out);

    json_open_object(&json);
    status_pairs(&json, status);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        json_kv_string(&json, texts[i], live ? text_of(live, texts[i]) : NULL);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        bool known = is_known(live, numbers[i]);
        add_number(&json, numbers[i], known, known ? number_of(live, numbers[i]) : 0);
    }
    double left = seconds_left(status, live);
    add_number(&json, "seconds_left", left >= 0, left);
    json_key(&json, "slot_active");
    if (is_known(live, "slot_active"))
        json_add_bool(&json, is_so(live, "slot_active"));
    else
        json_add_null(&json);
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        json_kv_bool(&json, flags[i], live && is_so(live, flags[i]));
    json_key(&json, "verified");
    if (is_known(live, "verified"))
        json_add_bool(&json, is_so(live, "verified"));
    else if (status->compared)
        json_add_bool(&json, status->equal);
    else
        json_add_null(&json); /* nothing was compared, or who knows it does not answer */
    json_close(&json);
}

static const char *stream_text(Arena *arena, const MoveStatus *status, const json_t *live)
{
    bool back = strcmp(status->phase, "home") == 0;

    if (!is_so(live, "receiving"))
        return "not connected";
    double left = seconds_left(status, live);
    return arena_printf(arena, "%s, %s behind (%s), %s rows/s%s",
                        back ? "from home to the source" : "from the source to home",
                        text_duration(arena, number_of(live, "lag_seconds")),
                        text_bytes(arena, (uint64_t)number_of(live, "lag_bytes")),
                        text_count(arena, (int64_t)number_of(live, "rows_per_second")),
                        left > 0 ? left_text(arena, left) : "");
}

static const char *verified_text(Arena *arena, const json_t *live)
{
    int64_t differences = (int64_t)number_of(live, "differences");
    int64_t touched = (int64_t)number_of(live, "touched_rows");

    if (differences > 0)
        return arena_printf(arena, "%s %s", text_count(arena, differences),
                            text_plural(differences, "difference", "differences"));
    if (is_so(live, "verified"))
        return arena_printf(arena, "equal; %s %s touched since", text_count(arena, touched),
                            text_plural(touched, "row", "rows"));
    if (is_so(live, "verifying"))
        return "being compared";
    return text_of(live, "not_compared")
               ? arena_printf(arena, "not all: %s", text_of(live, "not_compared"))
               : "not yet";
}

/* Ids that are not in the map and went through as they were. */
static const char *kept_text(Arena *arena, const json_t *live)
{
    int64_t kept = (int64_t)number_of(live, "identities_kept");
    int64_t back = (int64_t)number_of(live, "identities_kept_back");

    return kept + back == 0 ? NULL
                            : arena_printf(arena,
                                           "%s %s that the map does not have on the way home, %s "
                                           "on the way back",
                                           text_count(arena, kept), text_plural(kept, "id", "ids"),
                                           text_count(arena, back));
}

static void live_text(Arena *arena, Text *out, const MoveStatus *status, const json_t *live)
{
    bool well = is_so(live, "receiving") && is_so(live, "applying") && !text_of(live, "last_error");

    add_fenced(out, status);
    text_addf(out, "%s%s%s (process %d)\n", term_style(stdout, well ? TERM_GREEN : TERM_YELLOW),
              status->phase, term_style(stdout, TERM_PLAIN), status->pid);
    add_line(out, "source", status->source);
    add_line(out, "target", status->target);
    add_line(out, "started", status->started_at);
    add_line(out, "stream", stream_text(arena, status, live));
    add_line(
        out, "applied",
        arena_printf(arena, "%s %s, up to %s",
                     text_count(arena, (int64_t)number_of(live, "rows_applied")),
                     text_plural((int64_t)number_of(live, "rows_applied"), "row", "rows"),
                     text_of(live, "applied_lsn") ? text_of(live, "applied_lsn") : "(nothing)"));
    add_kept(arena, out, live);
    add_line(out, "verified", verified_text(arena, live));
    add_line(out, "ids kept", kept_text(arena, live));
    add_line(out, "schema", text_of(live, "schema_changed"));
    add_line(out, "error", text_of(live, "last_error"));
    add_line(out, "next", text_of(live, "next"));
}

/* NULL where there is none, or it is busy with a switch. */
static json_t *ask_mover(const Invocation *inv, const MoveStatus *status)
{
    json_t *live = NULL;

    if (!status->following || !status->running || !move_ask_status(inv->config, &live))
        return NULL;
    return live;
}

/* What it says is newer than what is in the work folder. */
static void take_over(const Invocation *inv, MoveStatus *status, const json_t *live)
{
    const struct {
        const char *name;
        const char **text;
    } texts[] = {
        {"phase",      &status->phase     },
        {"direction",  &status->direction },
        {"next",       &status->next      },
        {"last_error", &status->last_error},
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (text_of(live, texts[i].name))
            *texts[i].text = arena_strdup(inv->arena, text_of(live, texts[i].name));
}

static bool show(const Invocation *inv, Text *out, MoveStatus *status, Error *err)
{
    if (!move_status(inv->arena, inv->config, status, err))
        return false;
    json_t *live = ask_mover(inv, status);
    json_t *stream = status->stream ? json_loads(status->stream, 0, NULL) : NULL;
    const json_t *told = live ? live : stream;
    take_over(inv, status, told);
    if (live && !text_of(live, "fenced"))
        status->fenced = NULL;
    if (inv->json)
        live_json(out, status, told);
    else if (live)
        live_text(inv->arena, out, status, live);
    else
        status_text(inv, out, status, stream);
    json_decref(live);
    json_decref(stream);
    return true;
}

/* The screen is written over, line by line: no flicker. */
static bool watch(const Invocation *inv, Error *err)
{
    for (;;) {
        auto_arena Arena *arena = arena_new();
        Invocation once = *inv;
        MoveStatus status;
        Text out = text_init(arena, MAX_OUTPUT);
        Text screen = text_init(arena, MAX_OUTPUT);

        once.arena = arena;
        if (!show(&once, &out, &status, err))
            return false;
        if (!inv->json && term_is_tty(stdout)) {
            text_add(&screen, "\033[H");
            for (const char *at = text_str(&out); *at;) {
                size_t len = strcspn(at, "\n");
                text_add_n(&screen, at, len);
                text_add(&screen, "\033[K\n");
                at += len + (at[len] == '\n');
            }
            text_add(&screen, "\033[J");
        } else {
            text_add(&screen, text_str(&out));
        }
        if (!cli_print(&screen, err))
            return false;
        if (status.complete || !status.exists)
            return true;
        Error stop = ERROR_INIT;
        if (!cancel_sleep_ms(WATCH_MS, &stop))
            return true;
    }
}

static bool status_run(const Invocation *inv, Error *err)
{
    const StatusOptions *options = inv->options;
    MoveStatus status;
    Text out = text_init(inv->arena, MAX_OUTPUT);

    if (options->watch) {
        if (!inv->json && term_is_tty(stdout))
            (void)fputs("\033[2J", stdout);
        return watch(inv, err);
    }
    return show(inv, &out, &status, err) && cli_print(&out, err);
}

const Command cmd_status = {
    .name = "status",
    .group = GROUP_MOVE,
    .summary = "say where the move stands",
    .description = "Reads the work folder and says in which phase the move is, whether a process "
                   "is at work on it, whether the target is complete, and what to do next. Of a "
                   "live move its mover says how far behind the stream is and how long it takes to "
                   "catch up, what is kept on disk, how much WAL the slot holds back and how "
                   "near its server's limit that is, also during the copy, and whether both sides "
                   "were compared. Where "
                   "none runs and a side is fenced, "
                   "it says so first, and ends with the SQL that lifts the fence by hand. At which "
                   "side the app lives is said also when the move is over: `app_at` in JSON is "
                   "source or target, and null where homeport does not switch it (--once). Asks "
                   "neither server.",
    .settings = (const char *const[]){"dir",                                                        NULL                     },
    .options = status_options,
    .options_size = sizeof(StatusOptions),
    .examples =
        (const Example[]){
                                      {"homeport status --watch", "Stay, and show it each second."},
                                      {"homeport status", "Where the move of this folder stands."},
                                      {"homeport status --json --dir /srv/move", "The same for programs, of another folder."},
                                      {0},
                                      },
    .run = status_run,
};
