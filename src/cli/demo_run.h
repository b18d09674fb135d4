/*
 * `homeport demo`: what its parts share.
 *
 * cmd_demo.c     the command: its options, the place, both kinds of run
 * demo_live.c    the live move, while writers write
 * demo_mover.c   its mover, a process of its own
 * demo_gateway.c the gateway, another one, with clients that are not told of the move
 * demo_show.c    steps, shown and timed
 * demo_report.c  the end of it: tables, switches, writes, what next
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"
#include "cli/demo_mover.h"
#include "cli/progress.h"
#include "demo/demo.h"
#include "move/move.h"

enum {
    DEMO_MAX_STEPS = 32,
    DEMO_MAX_SWITCHES = 4,
};

typedef struct DemoOptions {
    int users;
    int seed;
    int jobs;
    const char *postgres;
    const char *pg_bin;
    bool keep;
    bool once;
} DemoOptions;

typedef struct DemoStep {
    const char *name;
    double seconds;
} DemoStep;

typedef struct DemoShow {
    ProgressView view;
    MoveWatch inner; /* shows what the move reports */
    DemoStep steps[DEMO_MAX_STEPS];
    int count;
    bool running;
    double began;         /* the last of them */
    DemoWriters *writers; /* NULL: none write */
    int64_t last_count;   /* of their writes, at `last_time` */
    double last_time;
    double rate;
    char note[64]; /* of the running step */
} DemoShow;

typedef struct DemoGateway {
    pid_t pid; /* 0: there is none */
    int fd;
} DemoGateway;

/* One cutover or rollback, as homeport measured it and as the writers felt it. */
typedef struct DemoSwitch {
    bool back;
    double pause_ms;
    double fence_ms;
    double drain_ms;
    double check_ms;
    double writers_waited_ms;
} DemoSwitch;

typedef struct DemoRun {
    const Invocation *inv;
    const DemoOptions *options;
    DemoPostgres postgres;
    DemoPlace *place;
    Config config; /* of the move */
    DemoMover mover;
    DemoGateway gateway;
    DemoShow show;
    double started;
    MoveReport report;
    bool moved; /* `report` is filled, as far as the move came */
    DemoTable *tables;
    int table_count;
    DemoWriters *writers; /* stopped or not; NULL: there were none */
    DemoWrites made;      /* acknowledged */
    DemoWrites found;     /* on the side that lives */
    DemoSwitch switches[DEMO_MAX_SWITCHES];
    int switch_count;
    bool kept;
    DemoKept keeping;
} DemoRun;

/* ---- demo_gateway.c ---- */

/* Before any thread. */
bool demo_gateway_fork(DemoPlace *place, DemoGateway *ret, Error *err) MUST_USE;
/* Puts it before the source, which is up, and waits until it serves. */
bool demo_gateway_begin(const DemoGateway *gateway, const DemoPlace *place, Error *err) MUST_USE;
/* Ends it, if it is there. */
void demo_gateway_end(DemoGateway *gateway);

/* ---- demo_show.c ---- */

/* Times the step from here on; NULL: only ends the last one. */
void demo_time_step(DemoShow *show, const char *name);
/* The last one is done, and this one begins. */
void demo_begin_step(DemoShow *show, const char *name, const char *text);
/* What the move itself says: its steps and remarks. */
void demo_move_step(DemoShow *show, const char *text);
/* The running step and the writers' count, refreshed in place. `detail` may be NULL. */
void demo_show_writers(DemoShow *show, const char *detail);
/* Stands behind the running step when it is done, in place of the writers' count. */
void demo_note_step(DemoShow *show, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The last step is over. */
void demo_end_steps(DemoShow *show, bool ok);

/* ---- demo_live.c ---- */

/* From the database that is filled to the one that has moved; `run->mover` waits. */
bool demo_run_live(DemoRun *run, Error *err) MUST_USE;
/* Writes that were acknowledged and are not there. */
int64_t demo_lost(const DemoRun *run);

/* ---- demo_report.c ---- */

void demo_print_headline(const DemoRun *run);
/* What was found is the result, also where it is not what was hoped for. */
bool demo_print_result(const DemoRun *run, bool ok, Error *err) MUST_USE;
