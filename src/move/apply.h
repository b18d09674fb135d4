/*
 * The applier: threads that bring what the spool has to the other side (rules 13 to 19).
 *
 * In `net` nobody reads that side yet. Changes of a window of transactions are reduced to the last
 * state of each key and applied set-wise, tables in parallel, a transaction of the target for each
 * table and window. A window that trips a constraint is rolled back for that table and its changes
 * are replayed one by one, in their order (rule 16). Foreign keys and triggers have to be set
 * aside: a role that may not is refused.
 *
 * In `ordered` every commit on that side leaves it as the source was between two transactions:
 * consecutive ones share a commit for some milliseconds, on one connection. For a side that is
 * live, or is fenced for others but may be read. Where foreign keys and triggers are set aside,
 * what shares a commit is a small window of all tables; where they cannot be (rule 19), or there
 * may be no temporary tables, changes go one by one through a pipeline of prepared statements.
 *
 * Progress: homeport.progress on that side, (feed, schema, name) -> lsn, committed with the rows. A
 * row without a table name is the floor: every table is at or above it. A table's position is the
 * larger of its own row and the floor; of a transaction with commit < position its changes are
 * there already (pg/lsn.h). Before the first start somebody has written the floor or a row for each
 * table.
 *
 * What cannot be applied stops the applier with table, key and SQLSTATE (never a value of the row);
 * nothing is skipped. A lost connection is made again, for as long as it takes.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/identity.h"
#include "move/spool.h"
#include "move/touched.h"
#include "pg/lsn.h"
#include "pg/url.h"

typedef enum ApplyMode {
    APPLY_NET,
    APPLY_ORDERED,
} ApplyMode;

typedef struct ApplyRequest {
    const PgUrl *to;
    ApplyMode mode;
    int feed;          /* number of this stream: key of its progress rows */
    const char *token; /* lets our sessions pass the fence (fence.h); NULL: none there */
    Spool *spool;
    Touched *touched;             /* NULL: nobody wants to know */
    const Identities *identities; /* NULL: none */
    bool identities_back;         /* apply them the other way round */
    int jobs;                     /* net: connections beside each other, 1 to 64 */
    int64_t window_bytes;         /* changes held in memory at once; 0: 32 MiB */
    int window_ms;                /* net: a window is closed after this long, if smaller; 0: 500 */
} ApplyRequest;

typedef struct ApplyStatus {
    bool running;
    bool connected;
    bool paused;
    Lsn applied;          /* the floor as it is committed: all of the side is at or above it */
    int64_t applied_time; /* commit time on the source of the last transaction applied, in
                             microseconds since 2000-01-01 UTC; 0: none yet */
    int64_t transactions; /* since the start */
    int64_t rows;
    int64_t replays;    /* windows that tripped a constraint and were replayed */
    bool schema_change; /* stopped: a Relation message does not fit the side's table */
    Error error;        /* why it stopped, or why it is not connected now */
} ApplyStatus;

typedef struct Applier Applier;

/* Its threads live until applier_stop(); a failure of applying is in the status, not here. */
bool applier_start(const ApplyRequest *request, Applier **ret, Error *err) MUST_USE;
void applier_status(Applier *applier, ApplyStatus *ret);

/* Closes the window, commits it, and holds still with all tables at one LSN (*ret: the floor). */
bool applier_pause(Applier *applier, double deadline_s, Lsn *ret, Error *err) MUST_USE;
void applier_resume(Applier *applier);
/* While paused: read this side's catalogue and progress anew (a table was copied again, or came to
 * the publication, or its columns changed on both sides). */
void applier_reload(Applier *applier);

/* Until the transaction that holds the logical message of prefix "homeport" and this content has
 * been applied on every table, and committed there durably (rule 30). The applier closes its window
 * at such a message. ERR_WRONG_STATE at the deadline (clock_seconds()), the applier's own error
 * where it has stopped. *ret: the end of that transaction. */
bool applier_wait_marker(Applier *applier, const char *content, double deadline_s, Lsn *ret,
                         Error *err) MUST_USE;
/* The same for a position: everything that commits before it is applied. */
bool applier_wait_lsn(Applier *applier, Lsn lsn, double deadline_s, Error *err) MUST_USE;

/* Rolls back or ends what is in work, within a second or so. Accepts NULL. */
void applier_stop(Applier *applier);

/* The schema homeport and its progress table, where they are not there yet. */
bool progress_create(PGconn *conn, Error *err) MUST_USE;
/* The feed begins: its floor is `start`, whatever was left under its number. In the caller's
 * transaction. */
bool progress_begin(PGconn *conn, int feed, Lsn start, Error *err) MUST_USE;
/* In the caller's transaction. name NULL: the floor. Never lowers what is there. */
bool progress_set(PGconn *conn, int feed, const char *schema, const char *name, Lsn lsn,
                  Error *err) MUST_USE;
/* One of sql/apply, which is asked with the number of a feed. */
bool progress_query(PGconn *conn, const char *sql, int feed, PGresult **ret, Error *err) MUST_USE;
/* Every session that writes rows of a feed shares its lock, from before it writes until its server
 * process ends, and with it any commit that is still to come of it. Beside an applier that holds
 * still: */
bool progress_share(PGconn *conn, int feed, Error *err) MUST_USE;
/* The first of a run; *ret false: a session of an earlier one is there still. */
bool progress_share_first(PGconn *conn, int feed, bool *ret, Error *err) MUST_USE;
