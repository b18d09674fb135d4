/*
 * A logical replication connection: the walsender's commands and the COPY BOTH stream.
 * Formats: PostgreSQL's documentation, "Streaming Replication Protocol".
 *
 * What the server refuses is told apart, as each has its own way on: see ReplicationRefusal.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "pg/lsn.h"
#include "pg/url.h"

/* Why a slot cannot be made or read; read from SQLSTATE and message by replication_refusal(). */
typedef enum ReplicationRefusal {
    REFUSED_OTHERWISE,
    REFUSED_POOLER,      /* the endpoint is a pooler: it does not speak replication */
    REFUSED_ROLE,        /* the role lacks REPLICATION */
    REFUSED_WAL_LEVEL,   /* not logical */
    REFUSED_SLOTS_FULL,  /* max_replication_slots */
    REFUSED_SENDERS,     /* max_wal_senders */
    REFUSED_SLOT_GONE,   /* dropped: the stream cannot go on, tables must be copied again */
    REFUSED_SLOT_LOST,   /* invalidated: WAL that it needs is gone */
    REFUSED_SLOT_IN_USE, /* by another process; its id is in the message */
} ReplicationRefusal;

/* A connection with replication=database, registered like every other (pg/pg.h). Every refusal gets
 * a hint with the way on. */
bool replication_connect(const PgUrl *url, const char *role, PGconn **ret, Error *err) MUST_USE;

/* Which cluster a replication connection leads to, whatever its address says. */
typedef struct SystemId {
    char id[24]; /* its system identifier; "": not known */
    int timeline;
} SystemId;

bool replication_identify(PGconn *conn, SystemId *ret, Error *err) MUST_USE;
/* Where the server's timeline, or one that it comes from, left this older one: what it had behind
 * that is not here. */
bool replication_branch(PGconn *conn, const SystemId *now, int timeline, Lsn *ret,
                        Error *err) MUST_USE;

typedef struct SlotPoint {
    Lsn lsn;              /* consistent point */
    const char *snapshot; /* exported, valid until this connection's next command or end */
} SlotPoint;

/* CREATE_REPLICATION_SLOT ... LOGICAL pgoutput (SNAPSHOT 'export'). Waits for transactions that run
 * on the server. A temporary slot ends with its connection. */
bool replication_create_slot(PGconn *conn, Arena *arena, const char *slot, bool temporary,
                             SlotPoint *ret, Error *err) MUST_USE;
/* On an ordinary connection. One that is not there is fine; one in use is waited for up to
 * `patience_s`, its walsender being ended where that is allowed. */
bool replication_drop_slot(PGconn *sql, const char *slot, int patience_s, Error *err) MUST_USE;

/* Ends the session that reads a slot, where we may: `pid` only, or whichever it is (0). On an
 * ordinary connection. */
bool replication_end_reader(PGconn *sql, const char *slot, int pid, Error *err) MUST_USE;

typedef struct SlotState {
    int reader;    /* process that reads it, 0: none */
    bool lost;     /* invalidated */
    Lsn confirmed; /* what the server will not send again */
} SlotState;

/* On either kind of connection, before the stream begins. One that is not there is an error that
 * replication_refusal() knows. */
bool replication_slot_state(PGconn *conn, const char *slot, SlotState *ret, Error *err) MUST_USE;

typedef struct ReplicationStart {
    const char *slot;
    const char *publication;
    Lsn from;       /* what commits before is not sent; 0: the slot's own position */
    bool streaming; /* transactions in progress in pieces (protocol 2: servers from 14 on) */
} ReplicationStart;

bool replication_start(PGconn *conn, const ReplicationStart *start, Error *err) MUST_USE;

typedef enum ReplicationKind {
    REPLICATION_NOTHING, /* the time is over */
    REPLICATION_DATA,
    REPLICATION_KEEPALIVE,
    REPLICATION_END, /* the server ended the stream properly */
} ReplicationKind;

typedef struct ReplicationMessage {
    ReplicationKind kind;
    Lsn start;            /* DATA: where this message's WAL begins */
    Lsn server_end;       /* the server's current end of WAL */
    int64_t server_time;  /* microseconds since 2000-01-01 UTC */
    bool reply_requested; /* KEEPALIVE */
    const char *data;     /* DATA: a pgoutput message; valid until replication_release() */
    size_t len;
    char *buffer; /* private */
} ReplicationMessage;

/* Waits up to timeout_ms, and for `wake_fd` (-1: none) to become readable. */
bool replication_receive(PGconn *conn, int timeout_ms, int wake_fd, ReplicationMessage *ret,
                         Error *err) MUST_USE;
void replication_release(ReplicationMessage *message);

/* Standby status update: what is written, flushed and applied; the server frees WAL and catalogue
 * rows up to `flushed`. Asks the server to answer with a keepalive. Never waits. */
bool replication_report(PGconn *conn, Lsn written, Lsn flushed, Lsn applied, Error *err) MUST_USE;

ReplicationRefusal replication_refusal(const Error *err);
