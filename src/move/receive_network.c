/*
 * The receiver's network thread: connects, reads, reports. It never touches the disk.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/log.h"
#include "move/receive_internal.h"
#include "pg/pg.h"

enum {
    REPORT_MS = 1000,
    FIRST_WAIT_MS = 100,
    LONGEST_WAIT_MS = 3000,
    LAST_WORDS_MS = 300,
    LAST_REPORT_MS = 600,   /* at the end the disk is waited for so long */
    IN_USE_PATIENCE_S = 90, /* wal_sender_timeout is a minute, where a dead reader is not noticed */
    NAP_MS = 1,
    LONG_NAP_MS = 20,
    LONG_NAP_BYTES = 16 << 10, /* from so much between two naps on */
};

typedef struct Network {
    Receiver *receiver;
    PGconn *conn;
    int own_pid;         /* of the last walsender of ours */
    bool stopped_it;     /* own_pid was told to end */
    double in_use_since; /* 0: it is not */
    double report_at;
    Lsn quiet; /* the last keepalive's position that was passed on */
    Chunk *chunk;
    bool went;       /* a chunk, to the disk thread, since the clock was looked at */
    bool joins;      /* the kernel puts messages that lie together into one buffer: TCP */
    size_t gathered; /* bytes since the last nap */
    int wait_ms;
    bool hole; /* between what is here and what the server would send */
    Error err;
} Network;

/* ---- the status ---- */

static void set_connected(Receiver *receiver, bool connected)
{
    (void)pthread_mutex_lock(&receiver->lock);
    receiver->status.connected = connected;
    if (connected)
        receiver->status.error = ERROR_INIT;
    (void)pthread_mutex_unlock(&receiver->lock);
}

static void note_message(const Network *network, const ReplicationMessage *message)
{
    Receiver *receiver = network->receiver;

    (void)pthread_mutex_lock(&receiver->lock);
    ReceiveStatus *status = &receiver->status;
    if (message->server_end > status->server_end)
        status->server_end = message->server_end;
    if (message->kind == REPLICATION_DATA) {
        if (message->start)
            status->received = message->start;
        status->bytes += (int64_t)message->len;
        status->messages++;
    }
    (void)pthread_mutex_unlock(&receiver->lock);
}

/* ---- to the disk thread ---- */

static void push(Receiver *receiver, Chunk *chunk)
{
    (void)pthread_mutex_lock(&receiver->lock);
    if (receiver->last)
        receiver->last->next = chunk;
    else
        receiver->first = chunk;
    receiver->last = chunk;
    receiver->queued += chunk_bytes(chunk);
    (void)pthread_cond_broadcast(&receiver->changed);
    (void)pthread_mutex_unlock(&receiver->lock);
}

static void push_pending(Network *network)
{
    if (!network->chunk)
        return;
    push(network->receiver, network->chunk);
    network->chunk = NULL;
    network->went = true;
}

/* Takes the message over. */
static void pass_on(Network *network, ReplicationMessage *message)
{
    ChunkItem item = {message->start, message->data, message->len};

    if (message->kind == REPLICATION_KEEPALIVE) {
        if (message->server_end <= network->quiet)
            return;
        network->quiet = message->server_end;
        item = (ChunkItem){.start = message->server_end};
    }
    network->gathered += item.len;
    if (network->chunk && !chunk_fits(network->chunk, item.len))
        push_pending(network);
    if (item.len > CHUNK_BYTES / 2) {
        push_pending(network);
        Chunk *alone = chunk_new(CHUNK_ALONE);
        alone->alone = *message;
        *message = (ReplicationMessage){0};
        push(network->receiver, alone);
        network->went = true;
        return;
    }
    if (!network->chunk)
        network->chunk = chunk_new(CHUNK_MESSAGES);
    chunk_add(network->chunk, &item);
}

static int ms_until(double at)
{
    double left = at - clock_seconds();

    return left <= 0 ? 0 : (int)(left * 1000) + 1;
}

/* False: the disk does not keep up. Waits for that a while. */
static bool has_room(const Network *network)
{
    Receiver *receiver = network->receiver;
    int failed = 0;

    (void)pthread_mutex_lock(&receiver->lock);
    bool room = receiver->queued < QUEUE_BYTES;
    if (!room) {
        struct timespec at = clock_after_ms(ms_until(network->report_at));
        while (receiver->queued >= QUEUE_BYTES && !atomic_load(&receiver->ends) && !failed)
            failed = pthread_cond_timedwait(&receiver->changed, &receiver->lock, &at);
        room = receiver->queued < QUEUE_BYTES;
    }
    (void)pthread_mutex_unlock(&receiver->lock);
    return room;
}

/* ---- one connection ---- */

static bool report(Network *network)
{
    Receiver *receiver = network->receiver;

    (void)pthread_mutex_lock(&receiver->lock);
    Lsn flushed = receiver->status.flushed;
    Lsn received = receiver->status.received > flushed ? receiver->status.received : flushed;
    Lsn applied = receiver->applied < flushed ? receiver->applied : flushed;
    (void)pthread_mutex_unlock(&receiver->lock);
    network->report_at = clock_seconds() + REPORT_MS / 1000.0;
    return replication_report(network->conn, received, flushed, applied, &network->err);
}

/* The server sends message by message. Who reads them as they come pays for each with a wake-up of
 * two threads, and the server with a packet: so some are let gather. While much comes they are let
 * gather until the server's socket is full as well, where they cost it half. A Unix socket is full
 * after some hundreds of them, however small: there the server would do nothing but wait. */
static void nap(Network *network)
{
    struct pollfd wake = {.fd = network->receiver->wake_fd, .events = POLLIN};

    bool much = network->joins && network->gathered >= LONG_NAP_BYTES;

    (void)poll(&wake, 1, much ? LONG_NAP_MS : NAP_MS);
    network->gathered = 0;
}

static bool fail_ended(Network *network)
{
    (void)error_set(&network->err, ERR_CONNECT, "the server ended the stream");
    return pg_add_lost(network->conn, &network->err);
}

static bool handle(Network *network, ReplicationMessage *message)
{
    switch (message->kind) {
    case REPLICATION_NOTHING:
        push_pending(network);
        if (network->gathered > 0)
            nap(network);
        return true;
    case REPLICATION_END:
        return fail_ended(network);
    default:
        break;
    }
    note_message(network, message);
    bool asked = message->reply_requested;
    pass_on(network, message);
    replication_release(message);
    return !asked || report(network);
}

/* libpq says that a write failed when something is read next, which nothing is while there is no
 * room. What is still unread comes again. */
static bool check_socket(Network *network)
{
    struct pollfd look = {.fd = PQsocket(network->conn), .events = POLLRDHUP};

    if (poll(&look, 1, 0) <= 0)
        return true;
    return fail_ended(network);
}

static bool fail_disk(Network *network)
{
    uint64_t woken = 0;

    /* Else nothing would be waited for any more. Who ends us has said so before waking us. */
    (void)!read(network->receiver->wake_fd, &woken, sizeof woken);
    (void)pthread_mutex_lock(&network->receiver->lock);
    network->err = network->receiver->disk_error;
    (void)pthread_mutex_unlock(&network->receiver->lock);
    return false;
}

/* Until the connection breaks or everything ends: true for the latter. */
static bool stream(Network *network)
{
    Receiver *receiver = network->receiver;

    while (!atomic_load(&receiver->ends)) {
        ReplicationMessage message = {0};
        if (atomic_load(&receiver->broken))
            return fail_disk(network);
        bool room = has_room(network);
        /* Not asked for every message: a chunk goes after milliseconds. */
        bool look = !network->chunk || network->went || !room;
        network->went = false;
        if (look && clock_seconds() >= network->report_at && !report(network))
            return false;
        if (!room) {
            if (!check_socket(network))
                return false;
            continue;
        }
        /* A chunk is passed on when it is full, or nothing more is there now. */
        int timeout_ms = network->chunk ? 0 : ms_until(network->report_at);
        if (!replication_receive(network->conn, timeout_ms, receiver->wake_fd, &message,
                                 &network->err) ||
            !handle(network, &message))
            return false;
    }
    return true;
}

bool receive_other(const PgUrl *url, const SystemId *then, const SystemId *now, Error *err)
{
    (void)error_set(err, ERR_WRONG_STATE,
                    "another cluster answers at %s: its system identifier is %s, and was %s",
                    url->redacted, now->id, then->id);
    return error_hint(err, "Nothing was read from it. Let the address lead to the server that the "
                           "move began with, then run `homeport move` again.");
}

static bool refuse_earlier(Network *network, const SystemId *then, const SystemId *now)
{
    (void)error_set(&network->err, ERR_WRONG_STATE,
                    "a server of timeline %d answers at %s, but timeline %d was read before",
                    now->timeline, network->receiver->request.from->redacted, then->timeline);
    return error_hint(&network->err,
                      "Nothing was read from it: it may be the one from which another has taken "
                      "over. Let the address lead to that, then run `homeport move` again.");
}

/* A server that was promoted, or restored, has another timeline, and may lack the end of what we
 * have had from the one before: what it has instead would never arrive. */
static bool check_timeline(Network *network, const SystemId *now, Lsn from)
{
    const SystemId *then = &network->receiver->status.system;
    char ours[LSN_TEXT_SIZE];
    char branched[LSN_TEXT_SIZE];
    Lsn branch = 0;

    if (now->timeline < then->timeline)
        return refuse_earlier(network, then, now);
    if (!replication_branch(network->conn, now, then->timeline, &branch, &network->err))
        return false;
    if (from <= branch) {
        log_warn("another server has taken over the stream, and goes on where the first one ended",
                 kv_i64("timeline", now->timeline), kv_i64("timeline_before", then->timeline),
                 kv_str("left_at", lsn_text(branch, branched)));
        return true;
    }
    network->hole = true;
    (void)error_set(&network->err, ERR_WRONG_STATE,
                    "a server of timeline %d has taken over at %s, but what is here ends at %s",
                    now->timeline, lsn_text(branch, branched), lsn_text(from, ours));
    return error_hint(&network->err, "It may lack changes that the first one has sent already. The "
                                     "tables have to be copied again: `homeport abort`, then "
                                     "`homeport move`.");
}

/* The same address may lead elsewhere since: to what was made anew there, or took over. */
static bool check_system(Network *network, const SystemId *now, Lsn from)
{
    Receiver *receiver = network->receiver;
    const SystemId *then = &receiver->status.system; /* written by this thread alone */
    bool known = *then->id && *now->id;

    if (known && strcmp(then->id, now->id) != 0)
        return receive_other(receiver->request.from, then, now, &network->err);
    if (known && then->timeline != now->timeline && !check_timeline(network, now, from))
        return false;
    (void)pthread_mutex_lock(&receiver->lock);
    receiver->status.system = *now;
    (void)pthread_mutex_unlock(&receiver->lock);
    return true;
}

/* What the server will not send again must be here: another reader of the slot, or a spool that has
 * lost its end, would make a hole that nobody notices. */
static bool check_position(Network *network, const SlotState *slot, Lsn from)
{
    const char *name = network->receiver->request.slot;
    char confirmed[LSN_TEXT_SIZE];
    char ours[LSN_TEXT_SIZE];

    if (slot->confirmed <= from)
        return true;
    network->hole = true;
    (void)error_set(&network->err, ERR_WRONG_STATE,
                    "slot %s was confirmed up to %s, but what is here ends at %s", name,
                    lsn_text(slot->confirmed, confirmed), lsn_text(from, ours));
    return error_hint(&network->err,
                      "Somebody else has read from the slot, or the spool has lost "
                      "its end. The tables have to be copied again: `homeport abort`, then "
                      "`homeport move`.");
}

/* Our last session may still be there, where the network broke and the server did not notice. */
static void end_own_reader(Network *network, int reader)
{
    const ReceiveRequest *request = &network->receiver->request;
    auto_conn PGconn *sql = NULL;
    Error ignored = ERROR_INIT;

    if (reader == 0 || reader != network->own_pid || network->stopped_it)
        return;
    network->stopped_it = true;
    if (pg_connect(request->from, "receive", &sql, &ignored) &&
        !replication_end_reader(sql, request->slot, reader, &ignored))
        log_debug("could not end our last walsender", kv_str("reason", ignored.message));
}

static bool slot_in_use(Network *network, int reader)
{
    (void)error_set(&network->err, ERR_SQL, "replication slot \"%s\" is active for PID %d",
                    network->receiver->request.slot, reader);
    (void)snprintf(network->err.sqlstate, sizeof network->err.sqlstate, "55006");
    return error_hint(&network->err,
                      "Another process reads the slot: is there a second mover? "
                      "pg_stat_replication on the source tells where it comes from.");
}

static bool connect_stream(Network *network, Lsn from)
{
    const ReceiveRequest *request = &network->receiver->request;
    SlotState slot = {0};
    SystemId system;
    ReplicationStart start = {.slot = request->slot,
                              .publication = request->publication,
                              .from = from,
                              .streaming = !request->no_streaming};

    if (!replication_connect(request->from, "receive", &network->conn, &network->err) ||
        !replication_identify(network->conn, &system, &network->err) ||
        !check_system(network, &system, from) ||
        !replication_slot_state(network->conn, request->slot, &slot, &network->err) ||
        !check_position(network, &slot, from))
        return false;
    if (slot.reader != 0) {
        /* Not to be raced with: it may confirm more before it ends. */
        end_own_reader(network, slot.reader);
        return slot_in_use(network, slot.reader);
    }
    if (!replication_start(network->conn, &start, &network->err))
        return false;
    const char *host = PQhost(network->conn);
    network->joins = host && *host && *host != '/' && *host != '@';
    network->own_pid = PQbackendPID(network->conn);
    network->stopped_it = false;
    network->in_use_since = 0;
    network->wait_ms = FIRST_WAIT_MS;
    return true;
}

/* ---- again and again ---- */

/* Whether trying again may help: not where somebody has to do something first. */
static bool is_passing(Network *network)
{
    const Error *err = &network->err;

    if (atomic_load(&network->receiver->broken))
        return true;
    switch (replication_refusal(err)) {
    case REFUSED_SENDERS:
        return true;
    case REFUSED_SLOT_IN_USE:
        if (network->in_use_since == 0)
            network->in_use_since = clock_seconds();
        return clock_seconds() - network->in_use_since < IN_USE_PATIENCE_S;
    case REFUSED_OTHERWISE:
        break;
    default:
        return false;
    }
    /* Class 53: insufficient resources. */
    return err->code == ERR_CONNECT || strncmp(err->sqlstate, "53", 2) == 0;
}

/* Whole transactions stay, everything else is forgotten. False: everything ends. */
static bool restart(Receiver *receiver, Lsn *ret)
{
    (void)pthread_mutex_lock(&receiver->lock);
    receiver->restarting = true;
    (void)pthread_mutex_unlock(&receiver->lock);
    push(receiver, chunk_new(CHUNK_RESTART));
    (void)pthread_mutex_lock(&receiver->lock);
    while (!receiver->restarted && !receiver->disk_ended)
        (void)pthread_cond_wait(&receiver->changed, &receiver->lock);
    bool done = receiver->restarted;
    receiver->restarted = false;
    *ret = receiver->restart_lsn > receiver->request.start ? receiver->restart_lsn
                                                           : receiver->request.start;
    if (done && receiver->status.flushed < *ret)
        receiver->status.flushed = *ret;
    (void)pthread_mutex_unlock(&receiver->lock);
    return done;
}

static void wait_before_next(Network *network)
{
    struct pollfd wait[2] = {
        {.fd = network->receiver->wake_fd, .events = POLLIN},
        {.fd = cancel_fd(),                .events = POLLIN},
    };

    log_debug("the stream broke, trying again", kv_str("reason", network->err.message),
              kv_i64("wait_ms", network->wait_ms));
    if (!atomic_load(&network->receiver->ends))
        (void)poll(wait, 2, network->wait_ms);
    network->wait_ms =
        network->wait_ms * 2 < LONGEST_WAIT_MS ? network->wait_ms * 2 : LONGEST_WAIT_MS;
}

static void note_broken(Network *network, bool was_connected)
{
    Receiver *receiver = network->receiver;
    ReplicationRefusal refusal = replication_refusal(&network->err);

    (void)pthread_mutex_lock(&receiver->lock);
    receiver->status.connected = false;
    if (was_connected)
        receiver->status.reconnects++;
    receiver->status.error = network->err;
    receiver->status.lost =
        network->hole || refusal == REFUSED_SLOT_GONE || refusal == REFUSED_SLOT_LOST;
    (void)pthread_mutex_unlock(&receiver->lock);
}

/* Until the server has ended its side: closing a socket with something unread in it resets the
 * connection, and the server would not read our last words. */
static void drain(Network *network)
{
    double deadline = clock_seconds() + LAST_WORDS_MS / 1000.0;
    ReplicationMessage message = {.kind = REPLICATION_NOTHING};

    while (message.kind != REPLICATION_END && clock_seconds() < deadline) {
        if (!replication_receive(network->conn, ms_until(deadline), -1, &message, &network->err))
            return;
        ReplicationKind kind = message.kind;
        replication_release(&message);
        message.kind = kind;
    }
}

/* The disk thread syncs what it has; the server hears of it. */
static void say_goodbye(Network *network)
{
    Receiver *receiver = network->receiver;
    struct timespec at = clock_after_ms(LAST_REPORT_MS);
    int failed = 0;
    Error ignored = ERROR_INIT;

    (void)pthread_mutex_lock(&receiver->lock);
    while (!receiver->disk_ended && !failed)
        failed = pthread_cond_timedwait(&receiver->changed, &receiver->lock, &at);
    (void)pthread_mutex_unlock(&receiver->lock);
    network->err = ignored;
    if (!report(network) || PQputCopyEnd(network->conn, NULL) < 0)
        return;
    drain(network);
}

/* False: no further one is to be tried. */
static bool one_connection(Network *network)
{
    Receiver *receiver = network->receiver;
    Lsn from = 0;

    network->err = ERROR_INIT;
    if (!restart(receiver, &from))
        return false;
    /* A server's first word is of where its slot stands, which may be before the feed's start. */
    network->quiet = from > 0 ? from - 1 : 0;
    bool connected = connect_stream(network, from);
    if (connected) {
        set_connected(receiver, true);
        network->report_at = clock_seconds();
        if (stream(network)) {
            say_goodbye(network);
            return false;
        }
    }
    push_pending(network);
    note_broken(network, connected);
    if (is_passing(network))
        return true;
    receive_fail(receiver, &network->err);
    return false;
}

void *receive_network_main(void *arg)
{
    Receiver *receiver = arg;
    Network network = {.receiver = receiver, .wait_ms = FIRST_WAIT_MS, .err = ERROR_INIT};

    while (!atomic_load(&receiver->ends) && one_connection(&network)) {
        pg_close(network.conn);
        network.conn = NULL;
        wait_before_next(&network);
    }
    pg_close(network.conn);
    chunk_free(network.chunk);
    set_connected(receiver, false);
    return NULL;
}
