#include "pg/replication.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "pg/pg.h"

enum {
    HEAD_DATA = 25,      /* 'w', start, end, time */
    HEAD_KEEPALIVE = 18, /* 'k', end, time, reply */
    DROP_PAUSE_MS = 100,
    STREAMING_FROM = 140000,
    MESSAGES_FROM = 140000,
    OPTIONS_FROM = 150000, /* of CREATE_REPLICATION_SLOT, in parentheses */
};

/* Microseconds from 1970 to 2000, where PostgreSQL's time begins. */
static const int64_t epoch_2000_us = 946684800LL * 1000000;

/* ---- refusals ---- */

static bool has_state(const Error *err, const char *state)
{
    return strcmp(err->sqlstate, state) == 0;
}

/* By the server's file, which no language changes; by English words where something between has
 * dropped it, and in our own errors. */
static bool comes_from(const Error *err, const char *file, const char *words)
{
    return *err->origin ? strcmp(err->origin, file) == 0 : strstr(err->message, words) != NULL;
}

/* A pooler has words of its own, and names of settings and parameters are the same in every
 * language. */
static ReplicationRefusal connect_refusal(const Error *err)
{
    static const struct {
        const char *part;
        ReplicationRefusal refusal;
    } known[] = {
        {"unsupported startup parameter",  REFUSED_POOLER },
        {"does not speak replication",     REFUSED_POOLER },
        {"max_wal_senders",                REFUSED_SENDERS},
 /* Where its code could not be asked for. */
        {"replication role",               REFUSED_ROLE   },
        {"permission denied to start WAL", REFUSED_ROLE   },
    };

    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcasestr(err->message, known[i].part))
            return known[i].refusal;
    return REFUSED_OTHERWISE;
}

ReplicationRefusal replication_refusal(const Error *err)
{
    if (has_state(err, "55006"))
        return REFUSED_SLOT_IN_USE;
    /* A publication may be missing as well. */
    if (has_state(err, "42704") && comes_from(err, "slot.c", "replication slot"))
        return REFUSED_SLOT_GONE;
    if (has_state(err, "53400") && comes_from(err, "slot.c", "replication slots"))
        return REFUSED_SLOTS_FULL;
    if (has_state(err, "55000") && strstr(err->message, "wal_level"))
        return REFUSED_WAL_LEVEL;
    if (has_state(err, "55000") && strstr(err->message, "max_replication_slots"))
        return REFUSED_SLOTS_FULL;
    if ((has_state(err, "55000") &&
         (comes_from(err, "slot.c", "invalidated") || comes_from(err, "logical.c", "invalidated") ||
          comes_from(err, "walsender.c", "invalidated"))) ||
        (has_state(err, "58P01") && (comes_from(err, "walsender.c", "WAL segment") ||
                                     comes_from(err, "xlog.c", "WAL segment"))))
        return REFUSED_SLOT_LOST;
    if (has_state(err, "42501"))
        return REFUSED_ROLE;
    return connect_refusal(err);
}

/* The way on, for each. Always false. */
static bool refuse(Error *err)
{
    switch (replication_refusal(err)) {
    case REFUSED_POOLER:
        return error_hint(err,
                          "Use the server's direct address instead of the pooler's (at Neon: the "
                          "host without \"-pooler\").");
    case REFUSED_ROLE:
        return error_hint(err,
                          "ALTER ROLE ... REPLICATION gives the role the right; at Neon use the "
                          "role that owns the project.");
    case REFUSED_WAL_LEVEL:
        return error_hint(err,
                          "ALTER SYSTEM SET wal_level = 'logical', then restart the server; at "
                          "Neon: project settings, Logical replication.");
    case REFUSED_SLOTS_FULL:
        return error_hint(err, "Drop a slot that nobody reads (pg_replication_slots), or raise "
                               "max_replication_slots and restart the server.");
    case REFUSED_SENDERS:
        return error_hint(err, "End a replication connection that is not needed "
                               "(pg_stat_replication), or raise max_wal_senders and restart.");
    case REFUSED_SLOT_GONE:
        return error_hint(err, "Somebody dropped the slot, or the provider did as it was not read "
                               "for too long. The tables have to be copied again: `homeport "
                               "abort`, then `homeport move`.");
    case REFUSED_SLOT_LOST:
        return error_hint(err, "The source has thrown away WAL that was still needed: raise "
                               "max_slot_wal_keep_size there. The tables have to be copied "
                               "again: `homeport abort`, then `homeport move`.");
    case REFUSED_SLOT_IN_USE:
        return error_hint(err, "Another process reads the slot: is there a second mover? "
                               "pg_stat_replication on the source tells where it comes from.");
    case REFUSED_OTHERWISE:
        break;
    }
    return false;
}

/* ---- connections and slots ---- */

/* Extended queries are not for replication connections. */
static bool simple_query(PGconn *conn, const char *command, PGresult **ret, Error *err)
{
    auto_result PGresult *res = PQexec(conn, command);

    if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK) {
        (void)pg_fail_result(conn, res, err);
        return refuse(err);
    }
    *ret = res;
    res = NULL;
    return true;
}

static PgUrl with_replication(Arena *arena, const PgUrl *url)
{
    PgUrl changed = *url;
    size_t count = 0;

    while (url->keywords[count])
        count++;
    changed.keywords = arena_array(arena, count + 2, sizeof *changed.keywords);
    changed.values = arena_array(arena, count + 2, sizeof *changed.values);
    memcpy(changed.keywords, url->keywords, count * sizeof *changed.keywords);
    memcpy(changed.values, url->values, count * sizeof *changed.values);
    changed.keywords[count] = "replication";
    changed.values[count] = "database";
    return changed;
}

bool replication_identify(PGconn *conn, SystemId *ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!simple_query(conn, "IDENTIFY_SYSTEM", &res, err))
        return false;
    const char *id = PQntuples(res) == 1 && PQnfields(res) >= 2 ? pg_cell(res, 0, 0) : NULL;
    *ret = (SystemId){.timeline = id ? (int)pg_cell_i64(res, 0, 1) : 0};
    (void)snprintf(ret->id, sizeof ret->id, "%s", id ? id : "");
    return true;
}

/* A line of a history file is "1\t0/3000148\twhy"; its last one may be of a timeline between. */
static bool find_branch(const char *history, int timeline, Lsn *ret)
{
    for (const char *at = history; at; at = strchr(at, '\n')) {
        char text[LSN_TEXT_SIZE];
        char *end = NULL;

        at += strspn(at, " \n");
        if (strtol(at, &end, 10) != timeline || end == at)
            continue;
        end += strspn(end, " \t");
        (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(end, " \t\n"), end);
        return lsn_parse(text, ret);
    }
    return false;
}

bool replication_branch(PGconn *conn, const SystemId *now, int timeline, Lsn *ret, Error *err)
{
    auto_result PGresult *res = NULL;
    char command[64];

    (void)snprintf(command, sizeof command, "TIMELINE_HISTORY %d", now->timeline);
    if (!simple_query(conn, command, &res, err))
        return error_add_context(err, "read where timeline %d comes from", now->timeline);
    const char *history = PQntuples(res) == 1 && PQnfields(res) >= 2 ? pg_cell(res, 0, 1) : NULL;
    return (history && find_branch(history, timeline, ret)) ||
           error_set(err, ERR_WRONG_STATE, "timeline %d does not come from timeline %d",
                     now->timeline, timeline);
}

bool replication_connect(const PgUrl *url, const char *role, PGconn **ret, Error *err)
{
    auto_arena Arena *arena = arena_new();
    auto_conn PGconn *conn = NULL;
    PgUrl changed = with_replication(arena, url);
    SystemId system;

    if (url_is_neon_pooler(url)) {
        (void)error_set(err, ERR_CONNECT, "the pooled endpoint %s does not speak replication",
                        url->host);
        return error_hint(err, "Use the direct host: %s.", url_direct_host(arena, url));
    }
    if (!pg_connect(&changed, role, &conn, err))
        return refuse(err);
    /* Some poolers take the parameter and give an ordinary session. */
    if (!replication_identify(conn, &system, err)) {
        if (has_state(err, "42601"))
            (void)error_set(err, ERR_CONNECT, "what answers at %s does not speak replication",
                            url->redacted);
        return refuse(err);
    }
    *ret = conn;
    conn = NULL;
    return true;
}

bool replication_create_slot(PGconn *conn, Arena *arena, const char *slot, bool temporary,
                             SlotPoint *ret, Error *err)
{
    auto_result PGresult *res = NULL;
    SlotPoint point = {0};

    char *command = arena_printf(arena, "CREATE_REPLICATION_SLOT %s%s LOGICAL pgoutput %s",
                                 pg_ident(arena, slot), temporary ? " TEMPORARY" : "",
                                 PQserverVersion(conn) >= OPTIONS_FROM ? "(SNAPSHOT 'export')"
                                                                       : "EXPORT_SNAPSHOT");
    if (!simple_query(conn, command, &res, err))
        return error_add_context(err, "make the replication slot %s", slot);
    const char *lsn = PQntuples(res) == 1 && PQnfields(res) >= 3 ? pg_cell(res, 0, 1) : NULL;
    const char *snapshot = lsn ? pg_cell(res, 0, 2) : NULL;
    if (!lsn || !snapshot || !lsn_parse(lsn, &point.lsn))
        return error_set(err, ERR_FORMAT, "the server made slot %s and did not say where it begins",
                         slot);
    point.snapshot = arena_strdup(arena, snapshot);
    *ret = point;
    return true;
}

bool replication_end_reader(PGconn *sql, const char *slot, int pid, Error *err)
{
    auto_result PGresult *res = NULL;
    char text[16];

    (void)snprintf(text, sizeof text, "%d", pid);
    return pg_query(sql, sql_replication_end_reader, 2, (const char *const[]){slot, text}, &res,
                    err);
}

bool replication_drop_slot(PGconn *sql, const char *slot, int patience_s, Error *err)
{
    double deadline = clock_seconds() + patience_s;

    for (;;) {
        auto_result PGresult *res = NULL;
        Error ignored = ERROR_INIT;
        if (pg_query(sql, sql_replication_drop_slot, 1, &slot, &res, err) ||
            replication_refusal(err) == REFUSED_SLOT_GONE) {
            *err = ERROR_INIT;
            return true;
        }
        if (replication_refusal(err) != REFUSED_SLOT_IN_USE || clock_seconds() > deadline) {
            (void)refuse(err);
            return error_add_context(err, "drop the replication slot %s", slot);
        }
        /* Without the right to, we wait until it ends by itself. */
        if (!replication_end_reader(sql, slot, 0, &ignored) && ignored.code == ERR_CONNECT) {
            *err = ignored;
            return false;
        }
        if (!cancel_sleep_ms(DROP_PAUSE_MS, err))
            return false;
    }
}

bool replication_slot_state(PGconn *conn, const char *slot, SlotState *ret, Error *err)
{
    auto_result PGresult *res = NULL;

    if (!simple_query(conn, sql_replication_slots, &res, err))
        return false;
    for (int row = 0; row < PQntuples(res); row++) {
        const char *name = pg_cell(res, row, 0);
        const char *status = pg_cell(res, row, 2);
        const char *confirmed = pg_cell(res, row, 3);
        if (!name || strcmp(name, slot) != 0)
            continue;
        SlotState state = {.reader = (int)pg_cell_i64(res, row, 1),
                           .lost = status && strcmp(status, "lost") == 0};
        if (confirmed && !lsn_parse(confirmed, &state.confirmed))
            return error_set(err, ERR_FORMAT, "slot %s: \"%s\" is no position", slot, confirmed);
        *ret = state;
        return true;
    }
    (void)error_set(err, ERR_SQL, "replication slot \"%s\" does not exist", slot);
    (void)snprintf(err->sqlstate, sizeof err->sqlstate, "42704");
    return refuse(err);
}

/* ---- the stream ---- */

bool replication_start(PGconn *conn, const ReplicationStart *start, Error *err)
{
    auto_arena Arena *arena = arena_new();
    char from[LSN_TEXT_SIZE];
    int version = PQserverVersion(conn);
    bool streaming = start->streaming && version >= STREAMING_FROM;

    char *command = arena_printf(
        arena,
        "START_REPLICATION SLOT %s LOGICAL %s (proto_version '%d', publication_names %s%s%s)",
        pg_ident(arena, start->slot), lsn_text(start->from, from), streaming ? 2 : 1,
        pg_literal(arena, pg_ident(arena, start->publication)), streaming ? ", streaming 'on'" : "",
        version >= MESSAGES_FROM ? ", messages 'on'" : "");
    auto_result PGresult *res = PQexec(conn, command);
    if (PQresultStatus(res) != PGRES_COPY_BOTH) {
        (void)pg_fail_result(conn, res, err);
        (void)refuse(err);
        return error_add_context(err, "read from the replication slot %s", start->slot);
    }
    /* What we report must never wait for a server that does not read. */
    return PQsetnonblocking(conn, 1) == 0 || pg_fail_conn(conn, err);
}

static uint64_t big_endian(const char *at)
{
    uint64_t value = 0;

    memcpy(&value, at, sizeof value);
    return be64toh(value);
}

static bool parse_message(char *buffer, size_t len, ReplicationMessage *ret, Error *err)
{
    if (len >= HEAD_DATA && buffer[0] == 'w') {
        *ret = (ReplicationMessage){.kind = REPLICATION_DATA,
                                    .start = big_endian(buffer + 1),
                                    .server_end = big_endian(buffer + 9),
                                    .server_time = (int64_t)big_endian(buffer + 17),
                                    .data = buffer + HEAD_DATA,
                                    .len = len - HEAD_DATA,
                                    .buffer = buffer};
        return true;
    }
    if (len == HEAD_KEEPALIVE && buffer[0] == 'k') {
        *ret = (ReplicationMessage){.kind = REPLICATION_KEEPALIVE,
                                    .server_end = big_endian(buffer + 1),
                                    .server_time = (int64_t)big_endian(buffer + 9),
                                    .reply_requested = buffer[17] != 0,
                                    .buffer = buffer};
        return true;
    }
    PQfreemem(buffer);
    return error_set(err, ERR_FORMAT, "the server sent a replication message of an unknown kind");
}

/* Why the server ended the stream; properly, when it shuts down. */
static bool stream_ended(PGconn *conn, ReplicationMessage *ret, Error *err)
{
    auto_result PGresult *res = PQgetResult(conn);

    if (PQresultStatus(res) == PGRES_FATAL_ERROR) {
        (void)pg_fail_result(conn, res, err);
        return refuse(err);
    }
    *ret = (ReplicationMessage){.kind = REPLICATION_END};
    return true;
}

typedef struct Woken {
    bool by_server;
    bool by_caller;
} Woken;

static bool wait_for_bytes(PGconn *conn, int timeout_ms, int wake_fd, Woken *ret, Error *err)
{
    struct pollfd wait[2] = {
        {.fd = PQsocket(conn), .events = POLLIN},
        {.fd = wake_fd,        .events = POLLIN},
    };
    int unsent = PQflush(conn);

    if (unsent < 0)
        return pg_fail_conn(conn, err);
    /* What we have said may be on its way still. */
    if (unsent > 0)
        wait[0].events |= POLLOUT;
    if (poll(wait, 2, timeout_ms) < 0 && errno != EINTR)
        return error_set_errno(err, "wait for the server");
    *ret = (Woken){.by_server = wait[0].revents != 0, .by_caller = wait[1].revents != 0};
    return true;
}

bool replication_receive(PGconn *conn, int timeout_ms, int wake_fd, ReplicationMessage *ret,
                         Error *err)
{
    bool over = timeout_ms <= 0;
    double deadline = over ? 0 : clock_seconds() + timeout_ms / 1000.0;

    for (int quiet_reads = 0;;) {
        char *buffer = NULL;
        int len = PQgetCopyData(conn, &buffer, 1);
        Woken woken = {0};

        if (len > 0)
            return parse_message(buffer, (size_t)len, ret, err);
        if (len == -1)
            return stream_ended(conn, ret, err);
        if (len == -2)
            return pg_fail_conn(conn, err);
        /* TLS may hold bytes that the socket no longer shows: libpq is asked twice before we wait.
         */
        if (quiet_reads < 2) {
            quiet_reads++;
            if (!PQconsumeInput(conn))
                return pg_fail_conn(conn, err);
            continue;
        }
        double left = over ? 0 : deadline - clock_seconds();
        if (left <= 0)
            break;
        if (!wait_for_bytes(conn, (int)(left * 1000) + 1, wake_fd, &woken, err))
            return false;
        if (woken.by_server)
            quiet_reads = 0;
        over = woken.by_caller;
    }
    *ret = (ReplicationMessage){.kind = REPLICATION_NOTHING};
    return true;
}

void replication_release(ReplicationMessage *message)
{
    PQfreemem(message->buffer);
    *message = (ReplicationMessage){0};
}

bool replication_report(PGconn *conn, Lsn written, Lsn flushed, Lsn applied, Error *err)
{
    char report[34] = {'r'};
    uint64_t numbers[4] = {htobe64(written), htobe64(flushed), htobe64(applied),
                           htobe64((uint64_t)(clock_unix_ms() * 1000 - epoch_2000_us))};

    memcpy(report + 1, numbers, sizeof numbers);
    report[33] = 1; /* answer, so that we know your position */
    if (PQputCopyData(conn, report, sizeof report) < 0 || PQflush(conn) < 0)
        return pg_fail_conn(conn, err);
    return true;
}
