/*
 * follow_tool apply: a receiver (unless --no-receive) and an applier together, for tests and
 * benchmarks.
 *
 *   --from URL --slot NAME --publication NAME --to URL --dir DIR --move ID --feed N
 *   --mode net|ordered [--start LSN] [--until LSN] [--token TEXT] [--jobs N] [--window-bytes N]
 *   [--window-ms N] [--every MS] [--no-receive]
 *
 * Prints the status as a JSON object a line, every --every ms (200), and at the end. Lines on
 * standard input: "pause", "resume", "reload", "touched", "marker TEXT"; each is answered by a
 * line. Ends with 0 at --until, on SIGTERM or at the end of standard input; with 1 when either
 * stops.
 */
#include "follow_apply.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "move/apply.h"
#include "move/receive.h"
#include "pg/url.h"

enum {
    MAX_JSON = 64 << 20,
    LINE = 512,
    ANSWER_S = 30
};

typedef struct Tool {
    Arena *arena;
    const char *from;
    const char *to;
    const char *dir;
    const char *move;
    const char *slot;
    const char *publication;
    Lsn start;
    Lsn until;
    int every_ms;
    bool no_receive;
    ApplyRequest apply;
    PgUrl from_url;
    PgUrl to_url;
    Spool *spool;
    Receiver *receiver;
    Applier *applier;
    char line[LINE];
    size_t line_len;
    bool ended; /* standard input */
} Tool;

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int number)
{
    (void)number;
    asked_to_stop = 1;
}

static bool take_option(Tool *tool, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **to;
    } texts[] = {
        {"from",        &tool->from       },
        {"to",          &tool->to         },
        {"dir",         &tool->dir        },
        {"move",        &tool->move       },
        {"slot",        &tool->slot       },
        {"publication", &tool->publication},
        {"token",       &tool->apply.token},
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].to = value;
            return true;
        }
    if (strcmp(name, "mode") == 0)
        tool->apply.mode = strcmp(value, "net") == 0 ? APPLY_NET : APPLY_ORDERED;
    else if (strcmp(name, "start") == 0)
        return lsn_parse(value, &tool->start);
    else if (strcmp(name, "until") == 0)
        return lsn_parse(value, &tool->until);
    else if (strcmp(name, "feed") == 0)
        tool->apply.feed = (int)strtol(value, NULL, 10);
    else if (strcmp(name, "jobs") == 0)
        tool->apply.jobs = (int)strtol(value, NULL, 10);
    else if (strcmp(name, "window-bytes") == 0)
        tool->apply.window_bytes = strtoll(value, NULL, 10);
    else if (strcmp(name, "window-ms") == 0)
        tool->apply.window_ms = (int)strtol(value, NULL, 10);
    else if (strcmp(name, "every") == 0)
        tool->every_ms = (int)strtol(value, NULL, 10);
    else
        return false;
    return true;
}

static bool take_options(Tool *tool, int argc, char **argv)
{
    tool->every_ms = 200;
    tool->move = "test";
    tool->apply.jobs = 2;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--debug") == 0) {
            log_set_level(LOG_DEBUG);
        } else if (strcmp(argv[i], "--no-receive") == 0) {
            tool->no_receive = true;
        } else if (strncmp(argv[i], "--", 2) != 0 || i + 1 >= argc ||
                   !take_option(tool, argv[i] + 2, argv[i + 1])) {
            (void)fprintf(stderr, "what is %s?\n", argv[i]);
            return false;
        } else {
            i++;
        }
    }
    return tool->to && tool->dir;
}

static void print_json(Text *text)
{
    (void)printf("%s\n", text_str(text));
    (void)fflush(stdout);
}

static void add_error(Json *json, const Error *error)
{
    if (error->code == ERR_NONE)
        return;
    json_key(json, "error");
    json_open_object(json);
    json_kv_string(json, "code", error_code_name(error->code));
    json_kv_string(json, "sqlstate", error->sqlstate);
    json_kv_string(json, "message", error->message);
    json_kv_string(json, "hint", error->hint);
    json_close(json);
}

/* Not getrusage()'s, which contains what the memory of our process was before exec: the tests'. */
static int64_t max_rss_kb(Arena *arena)
{
    static const char name[] = "VmHWM:";
    char *text = NULL;
    Error err = ERROR_INIT;

    if (!file_read(arena, "/proc/self/status", 1 << 20, &text, NULL, &err))
        return -1;
    const char *line = strstr(text, name);
    return line ? strtoll(line + strlen(name), NULL, 10) : -1;
}

static void print_status(Tool *tool, const ApplyStatus *status, const char *event)
{
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, MAX_JSON);
    Json json = json_init(&text);
    char lsn[LSN_TEXT_SIZE];

    json_open_object(&json);
    json_kv_string(&json, "event", event);
    json_kv_double(&json, "at", clock_seconds(), 3);
    json_kv_bool(&json, "running", status->running);
    json_kv_bool(&json, "connected", status->connected);
    json_kv_bool(&json, "paused", status->paused);
    json_kv_string(&json, "applied", lsn_text(status->applied, lsn));
    json_kv_int(&json, "applied_time", status->applied_time);
    json_kv_int(&json, "transactions", status->transactions);
    json_kv_int(&json, "rows", status->rows);
    json_kv_int(&json, "replays", status->replays);
    json_kv_bool(&json, "schema_change", status->schema_change);
    json_kv_int(&json, "spool_bytes", spool_bytes(tool->spool));
    json_kv_string(&json, "synced", lsn_text(spool_synced(tool->spool), lsn));
    json_kv_int(&json, "max_rss_kb", max_rss_kb(arena));
    add_error(&json, &status->error);
    json_close(&json);
    print_json(&text);
}

static void print_touched(Tool *tool)
{
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, MAX_JSON);
    Json json = json_init(&text);
    TouchedTable *tables = NULL;
    int count = 0;

    touched_take(tool->apply.touched, arena, &tables, &count);
    json_open_object(&json);
    json_kv_string(&json, "event", "touched");
    json_key(&json, "tables");
    json_open_object(&json);
    for (int i = 0; i < count; i++) {
        json_key(&json, tables[i].name);
        json_open_array(&json);
        if (tables[i].whole)
            json_add_string(&json, "whole");
        for (int k = 0; k < tables[i].key_count; k++) {
            json_open_array(&json);
            for (int v = 0; v < tables[i].keys[k].count; v++)
                json_add_string(&json, tables[i].keys[k].values[v]);
            json_close(&json);
        }
        json_close(&json);
    }
    json_close(&json);
    json_close(&json);
    print_json(&text);
}

static void print_answer(const char *event, bool ok, Lsn lsn, const Error *err)
{
    auto_arena Arena *arena = arena_new();
    Text text = text_init(arena, MAX_JSON);
    Json json = json_init(&text);
    char buf[LSN_TEXT_SIZE];

    json_open_object(&json);
    json_kv_string(&json, "event", event);
    json_kv_bool(&json, "ok", ok);
    json_kv_string(&json, "lsn", lsn_text(lsn, buf));
    add_error(&json, err);
    json_close(&json);
    print_json(&text);
}

static void do_line(Tool *tool, const char *line)
{
    double deadline_s = clock_seconds() + ANSWER_S;
    Error err = ERROR_INIT;
    Lsn lsn = 0;
    bool ok = true;

    if (strcmp(line, "touched") == 0) {
        print_touched(tool);
        return;
    }
    if (strcmp(line, "pause") == 0)
        ok = applier_pause(tool->applier, deadline_s, &lsn, &err);
    else if (strcmp(line, "resume") == 0)
        applier_resume(tool->applier);
    else if (strcmp(line, "reload") == 0)
        applier_reload(tool->applier);
    else if (strncmp(line, "marker ", 7) == 0)
        ok = applier_wait_marker(tool->applier, line + 7, deadline_s, &lsn, &err);
    else
        ok = error_set(&err, ERR_USAGE, "what is \"%s\"?", line);
    print_answer(line, ok, lsn, &err);
}

static void read_lines(Tool *tool)
{
    struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};

    if (poll(&wait, 1, tool->every_ms) <= 0)
        return;
    ssize_t got = read(STDIN_FILENO, tool->line + tool->line_len, LINE - 1 - tool->line_len);
    if (got <= 0) {
        tool->ended = true;
        return;
    }
    tool->line_len += (size_t)got;
    for (char *end; (end = memchr(tool->line, '\n', tool->line_len)) != NULL;) {
        *end = '\0';
        do_line(tool, tool->line);
        tool->line_len -= (size_t)(end + 1 - tool->line);
        memmove(tool->line, end + 1, tool->line_len);
    }
}

static bool start(Tool *tool, Error *err)
{
    if (!url_parse(tool->arena, tool->to, "target", &tool->to_url, err) ||
        !spool_open(tool->dir, tool->move, tool->apply.feed, &tool->spool, err))
        return false;
    tool->apply.to = &tool->to_url;
    tool->apply.spool = tool->spool;
    tool->apply.touched = touched_new();
    if (!tool->no_receive) {
        if (!url_parse(tool->arena, tool->from, "source", &tool->from_url, err))
            return false;
        ReceiveRequest receive = {
            .from = &tool->from_url,
            .slot = tool->slot,
            .publication = tool->publication,
            .start = tool->start,
            .spool = tool->spool,
        };
        if (!receiver_start(&receive, &tool->receiver, err))
            return false;
    }
    return applier_start(&tool->apply, &tool->applier, err);
}

/* 0: all is well. */
static int watch(Tool *tool)
{
    for (;;) {
        ApplyStatus status = {0};
        ReceiveStatus received = {0};

        read_lines(tool);
        applier_status(tool->applier, &status);
        if (tool->receiver) {
            receiver_set_applied(tool->receiver, status.applied);
            receiver_status(tool->receiver, &received);
        }
        bool over = (tool->until && status.applied >= tool->until) || tool->ended || asked_to_stop;
        bool failed = !status.running || (tool->receiver && !received.running);
        print_status(tool, &status, failed ? "stopped" : over ? "end" : "status");
        if (failed && tool->receiver && !received.running)
            print_answer("receiver stopped", false, received.flushed, &received.error);
        if (over || failed)
            return failed;
    }
}

int follow_apply(int argc, char **argv)
{
    Tool tool = {.arena = arena_new()};
    struct sigaction action = {.sa_handler = on_signal};
    Error err = ERROR_INIT;

    if (!take_options(&tool, argc, argv))
        return 2;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    int rc = 1;
    if (start(&tool, &err))
        rc = watch(&tool);
    else
        print_answer("start", false, 0, &err);
    applier_stop(tool.applier);
    receiver_stop(tool.receiver);
    spool_close(tool.spool);
    touched_free(tool.apply.touched);
    arena_free(tool.arena);
    return rc;
}
