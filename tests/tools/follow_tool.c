/*
 * Drives the parts of the live move one by one, for the integration tests.
 *
 *   follow_tool receive --dir DIR --slot S --publication P [--from URL] [--start LSN] [--until LSN]
 *                       [--limit BYTES] [--no-streaming]
 *       a receiver, until a signal, its own end, or everything up to LSN is synced. Status lines
 *       whenever something changed. Once the file DIR/consume exists, what is spooled is printed to
 *       DIR/consumed as `dump` does, and pruned.
 *   follow_tool dump --dir DIR [--from-lsn LSN]
 *       the spool's transactions and changes, one a line.
 *   follow_tool slot --slot S [--from URL] [--temporary | --drop]
 *       makes a slot and prints its consistent point; or drops it.
 *
 * The URL is HOMEPORT_SOURCE_URL where --from is not given.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "follow_apply.h"
#include "move/receive.h"
#include "pg/pg.h"
#include "pg/replication.h"

enum {
    LOOK_MS = 20,
    DROP_PATIENCE_S = 5,
};

typedef struct Options {
    const char *from;
    const char *dir;
    const char *slot;
    const char *publication;
    Lsn start;
    Lsn until;
    Lsn from_lsn;
    int64_t limit;
    bool no_streaming;
    bool temporary;
    bool drop;
} Options;

typedef struct Tool {
    const Options *options;
    Arena *arena;
    Spool *spool;
    Receiver *receiver;
    FILE *consumed;
    SpoolReader *reader;
    Error err;
} Tool;

/* ---- printing what is spooled ---- */

static void print_text(FILE *out, const char *data, int len)
{
    (void)fputc('\'', out);
    for (int i = 0; i < len; i++) {
        if (data[i] == '\n' || data[i] == '\\' || data[i] == '\'')
            (void)fprintf(out, "\\x%02x", (unsigned char)data[i]);
        else
            (void)fputc(data[i], out);
    }
    (void)fputc('\'', out);
}

static void print_row(FILE *out, const char *name, const PgTuple *row)
{
    if (row->count == 0)
        return;
    (void)fprintf(out, " %s(", name);
    for (int i = 0; i < row->count; i++) {
        const PgValue *value = &row->values[i];
        if (i > 0)
            (void)fputs(", ", out);
        if (value->kind == PG_VALUE_NULL)
            (void)fputs("NULL", out);
        else if (value->kind == PG_VALUE_UNCHANGED)
            (void)fputs("unchanged", out);
        else
            print_text(out, value->data, value->len);
    }
    (void)fputc(')', out);
}

static void print_change(FILE *out, const SpoolItem *item)
{
    const PgOutput *message = item->message;

    (void)fprintf(out, "%c", (char)message->kind);
    if (item->relation)
        (void)fprintf(out, " %s.%s", item->relation->schema, item->relation->name);
    for (int i = 0; i < message->oid_count; i++)
        (void)fprintf(out, " %s.%s", item->relations[i]->schema, item->relations[i]->name);
    if (message->kind == PGOUTPUT_MESSAGE) {
        (void)fprintf(out, " %s ", message->prefix);
        print_text(out, message->content, message->content_len);
    }
    print_row(out, message->old_kind == 'K' ? "key" : "old", &message->old_row);
    print_row(out, "new", &message->new_row);
    (void)fputc('\n', out);
}

static void print_item(FILE *out, const SpoolItem *item)
{
    char commit[LSN_TEXT_SIZE];
    char end[LSN_TEXT_SIZE];

    switch (item->kind) {
    case SPOOL_NOTHING:
        return;
    case SPOOL_BEGIN:
        (void)fprintf(out, "BEGIN %u %s\n", item->xid, lsn_text(item->commit, commit));
        return;
    case SPOOL_CHANGE:
        print_change(out, item);
        return;
    case SPOOL_COMMIT:
        (void)fprintf(out, "COMMIT %s %s\n", lsn_text(item->commit, commit),
                      lsn_text(item->end, end));
        return;
    case SPOOL_QUIET:
        (void)fprintf(out, "QUIET %s\n", lsn_text(item->end, end));
        return;
    }
}

static bool run_dump(Tool *tool)
{
    SpoolItem item = {0};

    if (!spool_open(tool->options->dir, "tool", 1, &tool->spool, &tool->err) ||
        !spool_read(tool->spool, tool->options->from_lsn, &tool->reader, &tool->err))
        return false;
    do {
        if (!spool_next(tool->reader, 0, &item, &tool->err))
            return false;
        print_item(stdout, &item);
    } while (item.kind != SPOOL_NOTHING);
    return true;
}

/* ---- receiving ---- */

static void print_status(const ReceiveStatus *status)
{
    char received[LSN_TEXT_SIZE];
    char flushed[LSN_TEXT_SIZE];

    (void)printf(
        "status running=%d connected=%d held_back=%d received=%s flushed=%s messages=%" PRId64
        " reconnects=%d error=%s\n",
        status->running, status->connected, status->held_back, lsn_text(status->received, received),
        lsn_text(status->flushed, flushed), status->messages, status->reconnects,
        status->error.message);
    (void)fflush(stdout);
}

static bool status_changed(const ReceiveStatus *a, const ReceiveStatus *b)
{
    return a->running != b->running || a->connected != b->connected ||
           a->held_back != b->held_back || a->flushed != b->flushed ||
           a->reconnects != b->reconnects || strcmp(a->error.message, b->error.message) != 0;
}

static bool start_consuming(Tool *tool)
{
    const char *path = arena_printf(tool->arena, "%s/consumed", tool->options->dir);

    tool->consumed = fopen(path, "we");
    if (!tool->consumed)
        return error_set_errno(&tool->err, "create \"%s\"", path);
    return spool_read(tool->spool, tool->options->from_lsn, &tool->reader, &tool->err);
}

/* What an applier would do. */
static bool consume(Tool *tool)
{
    SpoolItem item = {0};
    Lsn done = 0;

    for (;;) {
        if (!spool_next(tool->reader, LOOK_MS, &item, &tool->err))
            return false;
        if (item.kind == SPOOL_NOTHING)
            break;
        print_item(tool->consumed, &item);
        if (item.kind == SPOOL_COMMIT || item.kind == SPOOL_QUIET)
            done = item.end;
        if (item.kind == SPOOL_COMMIT && cancel_requested())
            break;
    }
    (void)fflush(tool->consumed);
    if (done)
        receiver_set_applied(tool->receiver, done);
    return !done || spool_prune(tool->spool, done, &tool->err);
}

static bool consume_or_wait(Tool *tool, const char *wish)
{
    Error ignored = ERROR_INIT;

    if (tool->reader)
        return consume(tool);
    if (file_exists(wish))
        return start_consuming(tool);
    return cancel_sleep_ms(LOOK_MS, &ignored) || cancel_requested();
}

static bool follow(Tool *tool)
{
    const char *wish = arena_printf(tool->arena, "%s/consume", tool->options->dir);
    ReceiveStatus last = {0};
    bool ok = true;

    while (ok && !cancel_requested()) {
        ReceiveStatus status = {0};
        receiver_status(tool->receiver, &status);
        if (status_changed(&status, &last))
            print_status(&status);
        last = status;
        if (!status.running) {
            tool->err = status.error;
            return false;
        }
        if (tool->options->until && status.flushed >= tool->options->until)
            break;
        ok = consume_or_wait(tool, wish);
    }
    return ok;
}

static bool run_receive(Tool *tool)
{
    const Options *options = tool->options;
    PgUrl url = {0};

    if (!url_parse(tool->arena, options->from, "source", &url, &tool->err) ||
        !spool_open(options->dir, "tool", 1, &tool->spool, &tool->err))
        return false;
    ReceiveRequest request = {.from = &url,
                              .slot = options->slot,
                              .publication = options->publication,
                              .start = options->start,
                              .spool = tool->spool,
                              .spool_limit = options->limit,
                              .no_streaming = options->no_streaming};
    if (!receiver_start(&request, &tool->receiver, &tool->err))
        return false;
    bool ok = follow(tool);
    double stop_at = clock_seconds();
    receiver_stop(tool->receiver);
    (void)printf("stopped flushed_bytes=%" PRId64 " after_ms=%d\n", spool_bytes(tool->spool),
                 (int)((clock_seconds() - stop_at) * 1000));
    return ok;
}

/* ---- slots ---- */

static bool run_slot(Tool *tool)
{
    const Options *options = tool->options;
    auto_conn PGconn *conn = NULL;
    SlotPoint point = {0};
    PgUrl url = {0};
    char text[LSN_TEXT_SIZE];

    if (!url_parse(tool->arena, options->from, "source", &url, &tool->err))
        return false;
    if (options->drop)
        return pg_connect(&url, "tool", &conn, &tool->err) &&
               replication_drop_slot(conn, options->slot, DROP_PATIENCE_S, &tool->err);
    if (!replication_connect(&url, "tool", &conn, &tool->err) ||
        !replication_create_slot(conn, tool->arena, options->slot, options->temporary, &point,
                                 &tool->err))
        return false;
    (void)printf("%s %s\n", lsn_text(point.lsn, text), point.snapshot);
    return true;
}

/* ---- the command line ---- */

static const struct {
    const char *name;
    bool (*run)(Tool *tool);
} commands[] = {
    {"receive", run_receive},
    {"dump",    run_dump   },
    {"slot",    run_slot   },
};

static int usage(const char *what)
{
    (void)fprintf(stderr, "follow_tool: %s; see tests/tools/follow_tool.c\n", what);
    return 2;
}

static bool parse_options(int argc, char **argv, Options *options)
{
    static const struct option known[] = {
        {"from",             required_argument, NULL, 'f'},
        {"dir",              required_argument, NULL, 'd'},
        {"slot",                  required_argument, NULL, 's'},
        {"publication",required_argument, NULL, 'p'},
        {"start",               required_argument, NULL, 'b'},
        {"until",             required_argument, NULL, 'u'},
        {"from-lsn",              required_argument, NULL, 'l'},
        {"limit",                  required_argument, NULL, 'm'},
        {"no-streaming",              no_argument, NULL, 'n'},
        {"temporary",               no_argument, NULL, 't'},
        {"drop",            no_argument, NULL, 'x'},
        {0             },
    };
    bool ok = true;

    for (int c; ok && (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'f':
            options->from = optarg;
            break;
        case 'd':
            options->dir = optarg;
            break;
        case 's':
            options->slot = optarg;
            break;
        case 'p':
            options->publication = optarg;
            break;
        case 'b':
            ok = lsn_parse(optarg, &options->start);
            break;
        case 'u':
            ok = lsn_parse(optarg, &options->until);
            break;
        case 'l':
            ok = lsn_parse(optarg, &options->from_lsn);
            break;
        case 'm':
            options->limit = strtoll(optarg, NULL, 10);
            break;
        case 'n':
            options->no_streaming = true;
            break;
        case 't':
            options->temporary = true;
            break;
        case 'x':
            options->drop = true;
            break;
        default:
            ok = false;
        }
    }
    return ok && optind == argc;
}

int main(int argc, char **argv)
{
    Options options = {
        .from = getenv("HOMEPORT_SOURCE_URL"), .slot = "tool", .publication = "tool"};
    auto_arena Arena *arena = arena_new();
    Tool tool = {.options = &options, .arena = arena, .err = ERROR_INIT};
    size_t at = 0;

    if (argc < 2)
        return usage("no command");
    if (strcmp(argv[1], "apply") == 0)
        return follow_apply(argc - 2, argv + 2);
    while (at < COUNT_OF(commands) && strcmp(argv[1], commands[at].name) != 0)
        at++;
    if (at == COUNT_OF(commands))
        return usage("no such command");
    if (!parse_options(argc - 1, argv + 1, &options))
        return usage("an option is wrong");

    cancel_install();
    bool ok = commands[at].run(&tool);
    spool_reader_close(tool.reader);
    spool_close(tool.spool);
    file_stream_close(&tool.consumed);
    if (!ok)
        (void)fprintf(stderr, "error %s: %s\nhint: %s\n", error_code_name(tool.err.code),
                      tool.err.message, tool.err.hint);
    return ok ? 0 : error_exit_status(&tool.err);
}
