/*
 * The live move: what its parts share. Private to src/move/live*.c.
 *
 * live.c         the mover: phases, the loop, what other commands ask of it
 * live_state.c   facts and feeds in the state database
 * live_copy.c    publication, slot and snapshot; the copy and where it ends
 * live_feed.c    a feed's receiver and applier
 * live_switch.c  cutover and rollback
 * live_watch.c   what is looked at again and again: fingerprints, touched rows
 * live_status.c  how things stand: lag, time left, the slot
 * live_resync.c  a table copied again; its rows: live_again.c
 * live_end.c     finish and abort
 * live_hooks.c   those of the owner's commands that had to run, and failed
 * hooks.c        the owner's commands
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"
#include "move/apply.h"
#include "move/control.h"
#include "move/fence.h"
#include "move/fingerprint.h"
#include "move/job.h"
#include "move/move.h"
#include "move/receive.h"
#include "move/spool.h"
#include "move/touched.h"
#include "move/verify_live.h"
#include "pg/pg.h"
#include "pg/replication.h"

enum {
    PUBLICATION_SIZE = 64,
    LIVE_RECONNECT_S = 15,
    LAG_SAMPLES = 512,
    LIVE_NEAR_BYTES = 1 << 20, /* caught up */
};

typedef enum LiveSideName {
    LIVE_SOURCE,
    LIVE_HOME,
    LIVE_SIDES
} LiveSideName;

typedef struct SwitchOptions {
    double max_pause_s;
    const char *on_pause;
    const char *on_switch;
    const char *on_resume;
    bool rehearse;
    bool accept_differences; /* on the way back */
} SwitchOptions;

typedef enum Hook {
    HOOK_PAUSE,
    HOOK_SWITCH,
    HOOK_RESUME
} Hook;

typedef struct HookCall {
    Hook hook;
    Direction direction;
    double deadline_s; /* clock_seconds() */
    bool undoable; /* what follows can be left: a stop that is asked for ends it, a failure too */
} HookCall;

/* One direction of replication (docs/decisions/0007). */
typedef struct LiveFeed {
    int number;          /* 0: there is none */
    Direction direction; /* forward: from the source to home */
    const char *slot;
    Lsn start; /* of the side it comes from; 0: not known yet */
    Spool *spool;
    Receiver *receiver;
    Applier *applier;
} LiveFeed;

/* What had been received at a moment: how old is what is applied now? */
typedef struct LagSample {
    double at_s;
    Lsn received;
    int64_t behind;  /* bytes, not applied; -1: not known */
    int64_t unsaved; /* not on our disk; likewise */
} LagSample;

/* How the server of a feed sees its slot. */
typedef struct SlotHealth {
    bool known;
    bool connected; /* the stream flowed when it was asked for */
    bool active;
    char status[16];  /* wal_status of pg_replication_slots, or "gone" */
    int64_t safe;     /* bytes that it may hold beyond what it holds, or SLOT_NO_LIMIT */
    int64_t retained; /* bytes of WAL that it holds back */
} SlotHealth;

#define SLOT_NO_LIMIT INT64_MIN /* max_slot_wal_keep_size is not set */

typedef struct Live {
    Arena *arena; /* as long as the process */
    const Config *config;
    const LiveOptions *options;
    Job job; /* owns the state and its lock */
    JobLive hooks;
    MoveReport copied;
    const char *token;
    char publication[PUBLICATION_SIZE];
    PGconn *conns[LIVE_SIDES]; /* the main thread's; NULL: to be made */
    LiveFeed feed;
    Touched *touched;
    Control *control;
    ControlCall *call; /* what is being done for another command; NULL: nothing */
    ControlCall *waiting[CONTROL_MAX_CALLS]; /* came meanwhile; in their order */
    int waiting_count;
    const char *last_error;
    bool at_work; /* following begins: nothing that waits for a lock may hold that up for long */
    double conclude_at; /* clock_seconds() when a switch is brought to its end; 0: it has ended */
    bool unnoted;       /* it is undone, but that is not in the state yet */
    bool shut;          /* the side that is in use could not be unfenced: the app cannot write */
    /* ---- live_hooks.c ---- */
    const char *failed[HOOK_RESUME + 1]; /* why; NULL: it has not */
    Direction failed_direction;
    const char *trouble;    /* of them, in words; NULL: none has failed */
    const char *by_hand;    /* what the owner does about it */
    struct HookRun *resume; /* on-resume, once more; NULL: it is not at work */
    double resume_at;       /* clock_seconds() when it is tried again; 0: there is no need */
    SwitchOptions resume_options;
    /* ---- live_watch.c ---- */
    double next_look;
    double last_fingerprint; /* clock_seconds() when the schemas were looked at; 0: not yet */
    double next_touched;
    double next_drop;     /* of slots that are not needed any more */
    double applier_retry; /* clock_seconds() when a stopped applier is started again; 0: it runs */
    SystemId system;      /* that the feed is read from, as it is noted */
    Lsn last_applied;
    double last_rate_time;
    int64_t last_rows;
    double rate;               /* rows a second, lately */
    bool fresh_slot;           /* tables that were finished belong to a stream that is gone */
    bool verified;             /* whole, since the applier began, and nothing differed since */
    bool checking;             /* a whole verification is due */
    bool list_all;             /* the next comparison lists every difference */
    struct LiveCheck *check;   /* at work, or its result */
    atomic_bool check_dropped; /* it is to end */
    int64_t differences;
    const char *left; /* tables that could not be compared, and why; NULL: all could */
    char judged[2 * sizeof((Fingerprint){0}.sum)]; /* these schemas were compared by a dump */
    const char *unlike;                            /* what it found; NULL: nothing */
    const char *changed; /* schemas differ from what was moved: which object; NULL: they do not */
    /* ---- live_status.c ---- */
    LagSample lags[LAG_SAMPLES]; /* a ring */
    int lag_count;
    SlotHealth slot;
    double next_slot; /* clock_seconds() when it is asked for again */
} Live;

/* ---- live.c ---- */

const PgUrl *live_url(const Live *live, LiveSideName side);
/* The side that changes come from, and the one they go to. */
LiveSideName live_from(const Live *live);
LiveSideName live_to(const Live *live);
const char *live_side_name(LiveSideName side); /* "source" */
/* The main thread's connection to a side, which may write to it although it is fenced. The next
 * call for that side closes one that is lost: nobody who holds it may call what calls this. */
bool live_connect(Live *live, LiveSideName side, PGconn **ret, Error *err) MUST_USE;
/* Where there is none: made, and tried again for that long (pg_connect_retry()); it has not passed
 * the fence yet. */
bool live_reconnect(Live *live, LiveSideName side, int seconds, Error *err) MUST_USE;
/* Where err is a lock that was not to be had: names in its hint who holds which table. Always
 * false. */
bool live_hint_locks(Live *live, Error *err);
/* What has no applier to ask, until the next try to start one. Always false. */
bool live_fail_idle(Error *err);
/* The fence of a side. */
bool live_fence(Live *live, LiveSideName side, Fence *ret, Error *err) MUST_USE;
/* The side that changes go to is fenced, or is again: what came there meanwhile is looked for. */
bool live_hold_fence(Live *live, LiveSideName side, Error *err) MUST_USE;
/* Says to whom the work is done for at which step it is (the names of cli/progress.c). */
void live_say(Live *live, const char *step);
/* For the main thread while it waits for another one: who asks how things stand is told, what else
 * is asked comes later. */
bool live_serve(Live *live, int wait_ms, Error *err) MUST_USE;
/* What a switch that was interrupted left is undone, or brought to its end behind its commit point
 * (rule 32). */
bool live_recover(Live *live, Error *err) MUST_USE;
/* Nothing of any table counts as compared any more. */
bool live_declare_tables(Live *live, Error *err) MUST_USE;

/* ---- live_state.c ---- */

bool live_fact(const Live *live, Arena *arena, const char *name, const char **ret,
               Error *err) MUST_USE; /* or NULL */
bool live_set_fact(Live *live, const char *name, const char *value, Error *err) MUST_USE;
/* The cluster of a side, as it was when its slot was made or its stream last read; an id of "": not
 * known. */
bool live_load_system(const Live *live, LiveSideName side, SystemId *ret, Error *err) MUST_USE;
bool live_note_system(Live *live, LiveSideName side, const SystemId *system, Error *err) MUST_USE;
/* What a slot's snapshot shows is of the cluster that the side began as. A slot that stays begins
 * there anew: the cluster is noted. */
bool live_check_system(Live *live, LiveSideName side, PGconn *replication, bool temporary,
                       Error *err) MUST_USE;
bool live_keep_system(Live *live, Error *err) MUST_USE; /* of the server that is read from now */
/* The hooks as they were last given: what is undone after a crash needs them. */
bool live_keep_hooks(Live *live, const SwitchOptions *options, Error *err) MUST_USE;
bool live_load_hooks(Live *live, SwitchOptions *ret, Error *err) MUST_USE;
bool live_save_feed(Live *live, const LiveFeed *feed, Error *err) MUST_USE;
/* The feed at work, and the others: ended or only prepared, whose slots may still be there. */
bool live_load_feeds(Live *live, LiveFeed *ret, LiveFeed **ret_others, int *ret_count,
                     Error *err) MUST_USE;
/* Numbers of the feed at work, and of the one that the last switch ended; 0: none. */
bool live_number(Live *live, const char *name, int *ret, Error *err) MUST_USE;
bool live_set_number(Live *live, const char *name, int number, Error *err) MUST_USE;
bool live_forget_feed(Live *live, int number, Error *err) MUST_USE;
/* The one encoding of both sides; a move that an older program began has none noted: UTF8. */
bool live_save_encoding(Live *live, Error *err) MUST_USE;
bool live_load_encoding(Live *live, Error *err) MUST_USE;
/* Made once for a move: who has it passes the fence. */
bool live_load_token(Live *live, Error *err) MUST_USE;

/* ---- live_copy.c ---- */

/* From planned to following. */
bool live_copy(Live *live, Error *err) MUST_USE;
/* The publication of a side, with these tables; made or made right (rules 1, 2). */
bool live_publish(Live *live, PGconn *conn, const Table *tables, int count, Error *err) MUST_USE;
const char *live_slot_name(const Live *live, int number);

/* ---- live_feed.c ---- */

bool live_receive(Live *live, Error *err) MUST_USE; /* spool and receiver, if not there yet */
bool live_apply(Live *live, Error *err) MUST_USE;   /* and the applier */
void live_feed_stop(Live *live);                    /* applier, receiver, spool */
/* Who holds up the making of a slot, in words; NULL: nobody, or it cannot be known. */
const char *live_slot_waits_for(PGconn *conn, Arena *arena);
typedef struct SlotRequest {
    const char *name;
    bool temporary;
} SlotRequest;

/* On a replication connection to that side. A slot waits for every transaction that its server has
 * open: only for a while, and the error says for which. */
bool live_create_slot(Live *live, LiveSideName side, PGconn *replication,
                      const SlotRequest *request, SlotPoint *ret, Error *err) MUST_USE;
/* Drops the slots of feeds that are not at work; what cannot be dropped now is tried again later.
 */
bool live_drop_others(Live *live, Error *err) MUST_USE;

/* ---- live_switch.c ---- */

typedef struct SwitchReport {
    bool done;
    bool rehearsed;
    double pause_ms; /* from the first table fenced to the other side accepting */
    double fence_ms;
    double drain_ms;
    double check_ms;
    bool verified;
    int64_t differences;
    int64_t keys_compared;
    int tables_compared; /* as a whole */
    int tables_counted;
    bool reverse; /* changes flow back */
    int sequences;
    const char *warning; /* what of it has failed although it is made; NULL: nothing */
    const char *next;    /* what the owner does about that */
} SwitchReport;

/* Cutover where the move is at the source, rollback where it is home. On failure everything is as
 * it was before, or the error says what is not. */
bool live_switch(Live *live, const SwitchOptions *options, SwitchReport *ret, Error *err) MUST_USE;
/* After a start in the middle of a switch: undone. */
bool live_switch_undo(Live *live, const SwitchOptions *options, Error *err) MUST_USE;
/* After a start behind the commit point: what was still to be done is done (rule 32). */
bool live_switch_conclude(Live *live, const SwitchOptions *options, double *ret_accepting_s,
                          Error *err) MUST_USE;
/* A switch that is undone but for the note of it: that is written. */
bool live_switch_note_undone(Live *live, Error *err) MUST_USE;
json_t *live_switch_json(const SwitchReport *report);

/* ---- live_hooks.c ---- */

/* A hook has failed where it had to run: the answer and `status` say so. */
void live_hook_failed(Live *live, const HookCall *call, const Error *why);
/* Runs on-resume. Where it fails it is tried again until it has succeeded, also by the next mover.
 */
void live_resume(Live *live, const SwitchOptions *options, Direction direction);
/* Some times a second: tries it again, beside the main loop. */
void live_resume_look(Live *live);
/* After a start: what an earlier mover has left to be tried again. */
bool live_resume_load(Live *live, Error *err) MUST_USE;
/* Another switch: what an earlier one has left is not wanted any more. */
bool live_hooks_forget(Live *live, Error *err) MUST_USE;
/* Waits for what runs. */
void live_hooks_close(Live *live);

/* ---- live_watch.c ---- */

typedef enum CheckOf {
    CHECK_ALL,
    CHECK_MARKED,  /* tables touched as a whole, where they are large */
    CHECK_TOUCHED, /* rows of the others */
} CheckOf;

/* Some times a second, while following. False: the move cannot go on. */
bool live_look(Live *live, Error *err) MUST_USE;
/* err: why the receiver has ended, and what that means. Always false. */
bool live_fail_receiver(const Live *live, const ReceiveStatus *received, Error *err);
/* What differs from them, named in live->changed. */
bool live_check_fingerprints(Live *live, Error *err) MUST_USE;
/* A comparison beside the main loop; one at a time. */
bool live_check_start(Live *live, CheckOf of, Error *err) MUST_USE;
bool live_check_is_running(Live *live);
/* Waits for it; *ret: what it found, in its own arena until the next one begins. */
bool live_check_end(Live *live, const VerifyLiveReport **ret, Error *err) MUST_USE;
void live_check_drop(Live *live);
/* What was compared, or is being compared, no longer holds: a whole comparison is due that begins
 * after this. */
void live_check_void(Live *live);
/* Waits for one: of what is so now (`fresh`), or for the one at work where that is enough. */
bool live_verify(Live *live, CheckOf of, bool fresh, const VerifyLiveReport **ret,
                 Error *err) MUST_USE;
/* All that is not known to be equal; then what is written meanwhile, until little of it is left for
 * the pause. What differs is in live->differences, and ends it where that is not accepted; fails
 * where a table cannot be compared. */
bool live_compare(Live *live, bool accept_differences, Error *err) MUST_USE;
/* Everything that was written is applied, or nearly: what follows has caught up. */
bool live_note_near(Live *live, Error *err) MUST_USE;
/* source and target as the stream has them. */
const Config *live_config(const Live *live, Arena *arena);
bool live_wait_applied(void *context, Lsn lsn, double deadline_s, Error *err) MUST_USE;

/* ---- live_status.c ---- */

/* Several times a second: what has been received by now. */
void live_sample(Live *live);
int64_t live_behind(const ReceiveStatus *received, const ApplyStatus *applied); /* bytes */
/* Every few seconds, while following, over the main thread's connection. */
void live_slot_look(Live *live, const ReceiveStatus *received);
json_t *live_status_json(Live *live);
/* Each second of the copy, while the mover answers nobody: notes for `status` how the stream does
 * beside it. False where that has ended: what is copied would be in vain. */
bool live_copy_look(Live *live, Error *err) MUST_USE;

/* ---- live_resync.c ---- */

typedef struct ResyncReport {
    int64_t rows;
    int tables; /* partitions, and what foreign keys act on with it, as tables of their own */
} ResyncReport;

/* The table as its owner writes it; also one that came to the source during the move. */
bool live_resync(Live *live, const char *name, ResyncReport *ret, Error *err) MUST_USE;

/* ---- hooks.c ---- */

/* Before anybody has to wait: does the gateway answer, where there is one? */
bool hook_check(const Live *live, Error *err) MUST_USE;
/* Runs the owner's command, if there is one, with both URLs and the direction in its environment,
 * then the gateway's part; that also where the command has failed, but for what is undoable. */
bool hook_run(const Live *live, const SwitchOptions *options, const HookCall *call,
              Error *err) MUST_USE;
/* What runs still of a command whose mover is no more, or has given it up, is ended. */
void hook_end_left(const Live *live);

/* The same beside the main thread, the gateway's part first; one at a time. */
typedef struct HookRun HookRun;
HookRun *hook_start(const Live *live, const SwitchOptions *options, const HookCall *call);
/* Waits for it until then. */
bool hook_is_done(const HookRun *run, double until_s);
bool hook_gateway_is_done(const HookRun *run);
/* Waits for it to the end; how it ended. */
bool hook_end(HookRun *run, Error *err) MUST_USE;
