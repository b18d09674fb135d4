/*
 * The fence: nobody but homeport writes to a side (rules 25 to 29).
 *
 * Layer a: on every table an ENABLE ALWAYS, BEFORE, per-statement trigger `homeport_fence` on
 * INSERT, UPDATE, DELETE and TRUNCATE, which raises SQLSTATE HP001 unless the session has the
 * token. Prepared (disabled) long before, armed table by table. Partitions and their parents get
 * one each. Layer b: default_transaction_read_only for the database and for roles in it, then other
 * sessions of this database ended until a pass finds none.
 *
 * The token: a secret of this move, in the state database (0600) and in our sessions' setting
 * homeport.token, which no log of the server shows; the database holds only its SHA-256, in the
 * trigger function's body.
 *
 * Every session of homeport that writes to a fenced side: fence_pass() first, then BEGIN READ
 * WRITE. A side has one fence: preparing, arming, lifting and removing are refused where it belongs
 * to another move (move/owner.h).
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "pg/url.h"

#define FENCE_SQLSTATE "HP001"

typedef struct FenceTables {
    const char *const *schemas;
    const char *const *names;
    int count; /* every table that is published, and their partitioned parents */
} FenceTables;

typedef struct Fence {
    const PgUrl *url;
    const char *move_id;
    const char *token;
    FenceTables tables;
} Fence;

/* Schema homeport, the function, and the triggers, disabled, also on all that the tables inherit
 * from or are inherited by. Can be done again, and does not disarm. Short locks, tried again:
 * writers are not held up for more than a moment. On a connection in no transaction, like all
 * below. */
bool fence_prepare(PGconn *conn, const Fence *fence, Error *err) MUST_USE;

typedef struct FenceReport {
    int tables; /* armed */
    int sessions_ended;
    int sessions_tolerated; /* a provider's superusers', without a transaction id */
    double first_armed_s;   /* clock_seconds() when the first table was fenced */
} FenceReport;

/* Both layers, up to the deadline (clock_seconds()): an error leaves it to the caller to lift.
 * Notes what default_transaction_read_only was before, in homeport.fence_setting, with the commit
 * that changes it. Ends who idles in a transaction in its way, and then every other session that
 * began before, but for walsenders and sessions of this role whose application_name begins with
 * "homeport ". */
bool fence_arm(PGconn *conn, const Fence *fence, double deadline_s, FenceReport *ret,
               Error *err) MUST_USE;
/* Rule 27, all of it, also where `conn` has passed. ERR_WRONG_STATE says what still writes. */
bool fence_prove(PGconn *conn, const Fence *fence, Error *err) MUST_USE;
/* The part of it that can be asked of a side to which our own appliers write: every table refuses
 * who has no token. */
bool fence_holds(PGconn *conn, const Fence *fence, Error *err) MUST_USE;
/* The role of pg_connect() for sessions that arm. */
const char *fence_role(Arena *arena, const char *move_id) RETURNS_NONNULL;
/* Both layers taken back; settings as they were. Can be done again, and where nothing is fenced.
 * Other sessions of that role are ended first: what they were sent before they were cut off must
 * not come after. */
bool fence_lift(PGconn *conn, const Fence *fence, Error *err) MUST_USE;
/* Everything that fence_prepare() made is removed, after lifting. It takes the tables' locks, so
 * that writers now and then wait a moment behind it: for at most patience_s seconds (0: a minute),
 * and no longer than until a stop is asked for, also while that is held back. */
bool fence_remove(PGconn *conn, const Fence *fence, double patience_s, Error *err) MUST_USE;
bool fence_is_armed(PGconn *conn, bool *ret, Error *err) MUST_USE;
/* Our session may write from now on. */
bool fence_pass(PGconn *conn, const char *token, Error *err) MUST_USE;
/* For `status`: what the owner runs to lift it by hand when homeport is gone (rule 29). */
const char *fence_lift_sql(Arena *arena, const Fence *fence) RETURNS_NONNULL;
