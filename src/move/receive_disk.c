/*
 * The receiver's disk thread: chunks into the spool, synced in groups.
 *
 * A sync costs milliseconds whatever it covers. So while messages keep coming it is done after some
 * time or amount, and at once when nothing waits any more: a lone transaction is on the disk as
 * soon as the disk allows.
 */
#include "core/clock.h"
#include "core/log.h"
#include "move/receive_internal.h"

enum {
    SYNC_BYTES = 4 << 20,
    HELD_LOOK_MS = 50, /* how often a full spool is looked at */
    IDLE_LOOK_MS = 10000,
    SAY_EVERY_S = 60,
    BROKEN_MS = 1000, /* how often a disk that failed is tried again */
};
static const double sync_seconds = 0.1;
static const double idle_seconds = 0.025;

typedef struct Disk {
    Receiver *receiver;
    Spool *spool;
    size_t unsynced; /* bytes */
    double synced_at;
    bool dirty;
    bool warned;
    bool dropping;  /* what is queued before the next CHUNK_RESTART */
    double said_at; /* clock_seconds() when a failure was said last */
    Error err;
} Disk;

static bool sync_spool(Disk *disk)
{
    Lsn flushed = 0;

    if (!spool_sync(disk->spool, &flushed, &disk->err))
        return false;
    disk->unsynced = 0;
    disk->dirty = false;
    disk->synced_at = clock_seconds();
    (void)pthread_mutex_lock(&disk->receiver->lock);
    disk->receiver->status.flushed = flushed;
    (void)pthread_mutex_unlock(&disk->receiver->lock);
    return true;
}

static bool write_chunk(Disk *disk, const Chunk *chunk)
{
    ChunkItem item = {0};

    for (size_t at = 0; chunk_next(chunk, &at, &item);) {
        bool ok = item.data ? spool_write(disk->spool, item.start, item.data, item.len, &disk->err)
                            : spool_write_quiet(disk->spool, item.start, &disk->err);
        if (!ok)
            return false;
    }
    disk->unsynced += chunk_bytes(chunk);
    disk->dirty = true;
    return true;
}

/* Above the limit, and there is something that could make room by being applied. What is only
 * transactions in progress could not: they are waited for in vain. */
static bool is_full(Disk *disk)
{
    Receiver *receiver = disk->receiver;

    if (receiver->request.spool_limit <= 0 ||
        spool_bytes(disk->spool) <= receiver->request.spool_limit)
        return false;
    (void)pthread_mutex_lock(&receiver->lock);
    Lsn applied = receiver->applied;
    (void)pthread_mutex_unlock(&receiver->lock);
    return applied < spool_committed(disk->spool);
}

static void set_held_back(Receiver *receiver, bool held)
{
    (void)pthread_mutex_lock(&receiver->lock);
    receiver->status.held_back = held;
    (void)pthread_mutex_unlock(&receiver->lock);
}

/* Until there is room. The reader gets what is here meanwhile. Nor is room waited for once the
 * connection has broken: the next one, which the source has to hear from, would wait with us. */
static bool wait_for_room(Disk *disk)
{
    Receiver *receiver = disk->receiver;

    if (!is_full(disk))
        return true;
    if (disk->dirty && !sync_spool(disk))
        return false;
    if (!disk->warned)
        log_warn("the spool is full: the source keeps its WAL until changes have been applied",
                 kv_i64("bytes", spool_bytes(disk->spool)),
                 kv_i64("limit", receiver->request.spool_limit));
    disk->warned = true;
    set_held_back(receiver, true);
    while (is_full(disk) && !disk->dropping && !atomic_load(&receiver->ends)) {
        struct timespec at = clock_after_ms(HELD_LOOK_MS);
        (void)pthread_mutex_lock(&receiver->lock);
        if (!receiver->restarting)
            (void)pthread_cond_timedwait(&receiver->changed, &receiver->lock, &at);
        disk->dropping = receiver->restarting;
        (void)pthread_mutex_unlock(&receiver->lock);
    }
    set_held_back(receiver, false);
    return true;
}

/* A full disk, or one that fails, is no end: the spool goes back to what it had synced, and the
 * source, which heard of no more, sends the rest again. The network thread closes its stream. */
static bool fall_back(Disk *disk)
{
    Receiver *receiver = disk->receiver;

    if (disk->err.code != ERR_IO)
        return false;
    if (disk->said_at == 0 || clock_seconds() - disk->said_at > SAY_EVERY_S) {
        log_error("the spool cannot be written: trying again", kv_str("reason", disk->err.message));
        disk->said_at = clock_seconds();
    }
    disk->unsynced = 0;
    disk->dirty = false;
    (void)pthread_mutex_lock(&receiver->lock);
    receiver->disk_error = disk->err;
    receiver->status.error = disk->err;
    atomic_store(&receiver->broken, true);
    receive_wake(receiver);
    (void)pthread_mutex_unlock(&receiver->lock);
    disk->err = ERROR_INIT;
    return true;
}

static bool restart_spool(Disk *disk, Lsn *ret)
{
    Receiver *receiver = disk->receiver;

    while (!spool_restart(disk->spool, ret, &disk->err)) {
        struct timespec at = clock_after_ms(BROKEN_MS);

        if (atomic_load(&receiver->ends) || !fall_back(disk))
            return false;
        (void)pthread_mutex_lock(&receiver->lock);
        while (!atomic_load(&receiver->ends) &&
               pthread_cond_timedwait(&receiver->changed, &receiver->lock, &at) == 0)
            ;
        (void)pthread_mutex_unlock(&receiver->lock);
    }
    return true;
}

static bool restart(Disk *disk)
{
    Receiver *receiver = disk->receiver;
    Lsn from = 0;

    if (!restart_spool(disk, &from))
        return false;
    (void)pthread_mutex_lock(&receiver->lock);
    atomic_store(&receiver->broken, false);
    receiver->restart_lsn = from;
    receiver->restarting = false;
    receiver->restarted = true;
    receiver->status.flushed = from;
    (void)pthread_cond_broadcast(&receiver->changed);
    (void)pthread_mutex_unlock(&receiver->lock);
    disk->unsynced = 0;
    disk->dirty = false;
    disk->dropping = false;
    return true;
}

/* NULL with *ret_late: none came for `wait_ms`; otherwise everything ends. *ret_more: another one
 * waits behind it. */
static Chunk *take_chunk(Receiver *receiver, int wait_ms, bool *ret_more, bool *ret_late)
{
    struct timespec at = clock_after_ms(wait_ms);
    int failed = 0;

    (void)pthread_mutex_lock(&receiver->lock);
    while (!receiver->first && !atomic_load(&receiver->ends) && !failed)
        failed = pthread_cond_timedwait(&receiver->changed, &receiver->lock, &at);
    Chunk *chunk = atomic_load(&receiver->ends) ? NULL : receiver->first;
    if (chunk) {
        receiver->first = chunk->next;
        if (!receiver->first)
            receiver->last = NULL;
        receiver->queued -= chunk_bytes(chunk);
        (void)pthread_cond_broadcast(&receiver->changed);
    }
    *ret_more = receiver->first != NULL;
    *ret_late = !chunk && !atomic_load(&receiver->ends);
    (void)pthread_mutex_unlock(&receiver->lock);
    return chunk;
}

/* How long to wait for more before what is unsynced is synced. */
static int patience_ms(const Disk *disk, bool more)
{
    double left = disk->synced_at + (more ? sync_seconds : idle_seconds) - clock_seconds();

    if (!disk->dirty)
        return IDLE_LOOK_MS;
    return left <= 0 || disk->unsynced >= SYNC_BYTES ? 0 : (int)(left * 1000) + 1;
}

static bool handle_chunk(Disk *disk, const Chunk *chunk)
{
    if (chunk->kind == CHUNK_RESTART)
        return restart(disk);
    if (atomic_load(&disk->receiver->broken) || disk->dropping)
        return true;
    if (!wait_for_room(disk))
        return false;
    /* What is left of the stream comes again. */
    if (disk->dropping || atomic_load(&disk->receiver->ends))
        return true;
    return write_chunk(disk, chunk);
}

void *receive_disk_main(void *arg)
{
    Receiver *receiver = arg;
    Disk disk = {.receiver = receiver,
                 .spool = receiver->request.spool,
                 .synced_at = clock_seconds(),
                 .err = ERROR_INIT};
    bool ok = true;
    bool more = false;
    bool late = true;

    while (ok) {
        Chunk *chunk = take_chunk(receiver, patience_ms(&disk, more), &more, &late);
        if (!chunk && !late)
            break;
        ok = !chunk || handle_chunk(&disk, chunk);
        chunk_free(chunk);
        if (ok && disk.dirty && patience_ms(&disk, more) == 0)
            ok = sync_spool(&disk);
        if (!ok && !atomic_load(&receiver->ends))
            ok = fall_back(&disk);
    }
    if (ok && disk.dirty)
        ok = sync_spool(&disk);
    if (!ok)
        receive_fail(receiver, &disk.err);
    (void)pthread_mutex_lock(&receiver->lock);
    receiver->disk_ended = true;
    (void)pthread_cond_broadcast(&receiver->changed);
    (void)pthread_mutex_unlock(&receiver->lock);
    return NULL;
}
