/*
 * What the applier's own files share. The dispatcher is one thread: it reads the spool and owns a
 * Feed (its connection, the reader, the tables' bindings). In `net` it hands windows to workers.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#include "move/apply.h"
#include "move/apply_rows.h"
#include "move/apply_tables.h"

enum {
    MAX_MARKERS = 32,
    MAX_MARKER_TEXT = 128,
    MAX_CONNECTIONS = 72,
    MAX_JOBS = 64
};

typedef struct Marker {
    char content[MAX_MARKER_TEXT];
    Lsn end;
} Marker;

struct Applier {
    ApplyRequest request;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock: */
    ApplyStatus status;
    bool want_pause;
    bool want_reload;
    int waiters;                 /* somebody waits for a position: the floor is raised at once */
    Marker markers[MAX_MARKERS]; /* that were read; a ring */
    int64_t marker_count;
    PGconn *connections[MAX_CONNECTIONS]; /* to be broken when we are to stop */
};

/* What a commit on the side brought, for the status. */
typedef struct Done {
    int64_t transactions;
    int64_t rows;
    int64_t time; /* of the last of them on the source; 0: none */
} Done;

void applier_note_done(Applier *applier, const Done *done);
void applier_note_replay(Applier *applier);
/* Read from the stream; it counts as applied when the floor has passed it. Also when the answer to
 * that commit was lost, and the floor is found there after connecting again. */
void applier_note_marker(Applier *applier, const Marker *marker);
/* It is committed durably. */
void applier_note_floor(Applier *applier, Lsn floor);
void applier_note_connected(Applier *applier);
/* It does not begin yet: a session of an earlier run has not ended on that side. */
void applier_note_waiting(Applier *applier);
/* Less, when it is stopped. */
void applier_wait_ms(Applier *applier, int ms);
/* False, with the error that triggers and foreign keys would fire in `net`. */
bool applier_refuse_triggers(Error *err);
bool applier_is_awaited(Applier *applier);
bool applier_wants_pause(Applier *applier);
/* Holds still until resumed or stopped. *ret_reload: the catalogue is to be read anew. */
void applier_hold(Applier *applier, bool *ret_reload);

/* One more session of a run on that side, after feed_open(): settings, token, and triggers and
 * foreign keys set aside where that is allowed (*ret_replica). The next run waits for its end. */
bool side_connect(Applier *applier, const char *role, PGconn **ret, bool *ret_replica,
                  Error *err) MUST_USE;
void side_close(Applier *applier, PGconn *conn);

typedef struct Bound {
    UT_hash_handle hh;
    const PgRelation *relation;
    Binding *binding;
} Bound;

typedef struct Position {
    const char *schema;
    const char *name;
    Lsn lsn;
} Position;

typedef struct Feed {
    Applier *applier;
    Arena *arena;
    PGconn *conn;
    bool replica;
    SpoolReader *reader;
    Bound *bound; /* by the description's address */
    int bindings;
    Lsn floor; /* as it is committed, durably */
    Position *positions;
    int position_count;
    RowScratch scratch;
    Lsn commit; /* of the transaction that is read */
    bool schema_change;
} Feed;

/* When every session of an earlier run has ended on that side: what is read here is all that was
 * committed. */
bool feed_open(Applier *applier, Feed *ret, Error *err) MUST_USE;
void feed_close(Feed *feed);
/* Catalogue and progress anew. */
bool feed_reload(Feed *feed, Error *err) MUST_USE;
bool feed_binding(Feed *feed, const PgRelation *relation, Binding **ret, Error *err) MUST_USE;
/* Durable, in a transaction of its own. */
bool feed_write_floor(Feed *feed, Lsn lsn, Error *err) MUST_USE;
/* I, U or D of the stream in terms of its binding. *ret_skip: the table has it already. */
bool feed_change(Feed *feed, const SpoolItem *item, Binding **ret_binding, RowChange *ret,
                 bool *ret_skip, Error *err) MUST_USE;
/* The statement for a TRUNCATE, of the tables that do not have it already; NULL: none. */
bool feed_truncate(Feed *feed, Arena *arena, const SpoolItem *item, const char **ret,
                   Error *err) MUST_USE;
void feed_touch(const Feed *feed, const Binding *binding, const PgValue *row);
/* The rows of a change: where it was, and where it is now. */
void feed_touch_change(const Feed *feed, const Binding *binding, const RowChange *change);
/* A message of ours; false: it is somebody else's. */
bool feed_marker(const PgOutput *message, Marker *ret);

/* Until told to stop or an error. */
bool ordered_run(Feed *feed, Error *err) MUST_USE;
bool net_run(Feed *feed, Error *err) MUST_USE;
