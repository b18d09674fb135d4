/*
 * Is there room on the target?
 *
 * Need: the source's database as it is (its bloat is not copied, which leaves
 * a margin) less what the target's already is, twice its largest index for the sorting behind two
 * indexes at a time, and max_wal_size of WAL, beyond which the server recycles. What a replication
 * slot or a failing archive_command on the target keeps on top cannot be known before.
 *
 * Tables, indexes and the files of sorting go where the database's tablespace is, which is looked
 * at for them; WAL is in pg_wal.
 *
 * PostgreSQL has no function for free space. Asked for, in this order: the
 * file system itself, where the server's folder is on this machine and proven
 * to be that server's (a container's path may exist here, too, as another
 * folder); df on the server, by COPY ... FROM PROGRAM in a transaction that is
 * rolled back, where the role may run programs there; else the owner.
 */
#include "move/assess.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/file.h"

enum {
    SORTS_AT_ONCE = 2,
    MAX_PID_FILE = 4096
};

/* Column order of sql/assess/space_source.sql. */
enum {
    COL_DATABASE,
    COL_LARGEST
};

/* Column order of sql/assess/space_target.sql. */
enum {
    COL_DATA_DIRECTORY,
    COL_STARTED,
    COL_MAX_WAL,
    COL_MAY_RUN,
    COL_TABLESPACE_FOLDER,
    COL_TABLESPACE_LOCATION
};

/* Column order of sql/assess/space_answer.sql. */
enum {
    COL_FILE_SYSTEM,
    COL_MOUNTED_ON,
    COL_FREE
};

SpaceNeed space_need(int64_t database_bytes, int64_t largest_index_bytes, int64_t max_wal_bytes)
{
    return (SpaceNeed){
        .data_bytes = database_bytes + SORTS_AT_ONCE * largest_index_bytes,
        .wal_bytes = max_wal_bytes,
    };
}

bool space_is_enough(const SpaceNeed *need, const SpaceFree *free)
{
    if (free->shared)
        return free->data_bytes >= need->data_bytes + need->wal_bytes;
    return free->data_bytes >= need->data_bytes && free->wal_bytes >= need->wal_bytes;
}

/* postmaster.pid: process id, data directory, start time, port, ... a line each. */
bool space_folder_is_of(const char *data_directory, int64_t started)
{
    auto_arena Arena *arena = arena_new();
    char *text = NULL;
    Error ignored = ERROR_INIT;

    if (!file_read(arena, arena_printf(arena, "%s/postmaster.pid", data_directory), MAX_PID_FILE,
                   &text, NULL, &ignored))
        return false;
    char *line = strchr(text, '\n');
    line = line ? strchr(line + 1, '\n') : NULL;
    if (!line)
        return false;
    /* The file's time is taken some moments before or after the one that the server tells. */
    int64_t apart = strtoll(line + 1, NULL, 10) - started;
    return apart >= -2 && apart <= 2;
}

static bool stat_folder(const char *path, struct stat *ret_stat, int64_t *ret_free)
{
    struct statvfs space;

    if (stat(path, ret_stat) != 0 || statvfs(path, &space) != 0)
        return false; /* not run: a tablespace's that is not here, or that may not be looked at */
    *ret_free = (int64_t)(space.f_bavail * space.f_frsize);
    return true;
}

/* By the socket: a host name says little about where it leads. */
static bool is_local(const PGconn *conn)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;

    if (getpeername(PQsocket(conn), (struct sockaddr *)&peer, &len) != 0)
        return false;
    if (peer.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &peer, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
    }
    if (peer.ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, &peer, sizeof in);
        return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr);
    }
    return peer.ss_family == AF_UNIX;
}

static bool ask_this_machine(Arena *arena, PGconn *conn, const PGresult *facts, SpaceFree *ret)
{
    const char *data_directory = pg_cell(facts, 0, COL_DATA_DIRECTORY);
    const char *folder = pg_cell(facts, 0, COL_TABLESPACE_FOLDER);
    const char *location = pg_cell(facts, 0, COL_TABLESPACE_LOCATION);
    SpaceFree free = {0};
    struct stat data;
    struct stat wal;

    if (!data_directory || !is_local(conn) ||
        !space_folder_is_of(data_directory, pg_cell_i64(facts, 0, COL_STARTED)) ||
        !stat_folder(folder ? arena_printf(arena, "%s/%s", data_directory, folder) : data_directory,
                     &data, &free.data_bytes) ||
        !stat_folder(arena_printf(arena, "%s/pg_wal", data_directory), &wal, &free.wal_bytes))
        return false;
    free.name = arena_strdup(arena, location ? location : data_directory);
    free.shared = data.st_dev == wal.st_dev;
    *ret = free;
    return true;
}

static bool read_df(Arena *arena, const PGresult *res, SpaceFree *ret)
{
    int rows = PQntuples(res);

    if (rows < 1 || rows > 2)
        return false;
    int wal = rows - 1; /* one row where df names a file system that it was asked for twice once */
    ret->name = arena_strdup(arena, pg_cell(res, 0, COL_MOUNTED_ON));
    ret->data_bytes = pg_cell_i64(res, 0, COL_FREE);
    ret->wal_bytes = pg_cell_i64(res, wal, COL_FREE);
    ret->shared = strcmp(ret->name, pg_cell(res, wal, COL_MOUNTED_ON)) == 0;
    return true;
}

/* False, without an error, where it could not be had. */
static bool ask_df(Arena *arena, PGconn *conn, SpaceFree *ret)
{
    auto_result PGresult *res = NULL;
    Error ignored = ERROR_INIT;
    bool known = pg_exec(conn, "BEGIN READ WRITE", &ignored) &&
                 pg_exec(conn, sql_assess_space_probe, &ignored) &&
                 pg_query(conn, sql_assess_space_answer, 0, NULL, &res, &ignored) &&
                 read_df(arena, res, ret);

    return pg_exec(conn, "ROLLBACK", &ignored) && known;
}

static const char *bytes(Arena *arena, int64_t count)
{
    return text_bytes(arena, count > 0 ? (uint64_t)count : 0);
}

static void add_unknown(AssessRun *run, const SpaceNeed *need, const PGresult *facts)
{
    Arena *arena = run->arena;
    const char *data_directory = pg_cell(facts, 0, COL_DATA_DIRECTORY);
    const char *location = pg_cell(facts, 0, COL_TABLESPACE_LOCATION);
    const char *folder = data_directory ? text_shell_word(arena, data_directory) : "DATA_DIRECTORY";
    const char *advice =
        location ? arena_printf(arena,
                                "On the target's server, df -h %s: %s should be free in the "
                                "database's tablespace, and df -h %s/pg_wal: %s for WAL.",
                                text_shell_word(arena, location), bytes(arena, need->data_bytes),
                                folder, bytes(arena, need->wal_bytes))
                 : arena_printf(arena, "On the target's server, df -h %s: %s should be free.",
                                folder, bytes(arena, need->data_bytes + need->wal_bytes));

    finding_add(run,
                &(FindingText){
                    .id = "target-space-unknown",
                    .severity = SEVERITY_NOTE,
                    .scope = SCOPE_BOTH,
                    .side = SIDE_TARGET,
                    .summary = "this role cannot learn how much space is free on the target",
                    .advice = advice,
                },
                NULL);
}

static void judge_space(AssessRun *run, const SpaceNeed *need, const SpaceFree *free)
{
    FindingParts parts = {.arena = run->arena};

    if (space_is_enough(need, free))
        return;
    parts_add_object(
        &parts,
        arena_printf(run->arena, "%s: %s free, %s wanted", free->name,
                     bytes(run->arena, free->data_bytes),
                     bytes(run->arena, need->data_bytes + (free->shared ? need->wal_bytes : 0))));
    if (!free->shared)
        parts_add_object(&parts, arena_printf(run->arena, "pg_wal: %s free, %s wanted",
                                              bytes(run->arena, free->wal_bytes),
                                              bytes(run->arena, need->wal_bytes)));
    finding_add(run,
                &(FindingText){
                    .id = "target-space",
                    .severity = SEVERITY_BLOCKER,
                    .scope = SCOPE_BOTH,
                    .side = SIDE_TARGET,
                    .summary =
                        "the target has too little free space for the source's database, the "
                        "sorting of its indexes and the WAL of the copy",
                    .advice = "Free or add space there; a smaller max_wal_size on the target needs "
                              "less of it, and so does a source without bloat (VACUUM FULL).",
                },
                &parts);
}

bool assess_space_rules(AssessRun *run, Error *err)
{
    auto_result PGresult *source = NULL;
    auto_result PGresult *target = NULL;
    PGconn *conn = run->sides[SIDE_TARGET].conn;

    if (!pg_query(run->sides[SIDE_SOURCE].conn, sql_assess_space_source, 0, NULL, &source, err))
        return rule_unanswered(run, "target-space", SIDE_SOURCE, err);
    if (!pg_query(conn, sql_assess_space_target, 0, NULL, &target, err))
        return rule_unanswered(run, "target-space", SIDE_TARGET, err);

    /* What an earlier run has brought need not find room again. */
    int64_t to_come =
        pg_cell_i64(source, 0, COL_DATABASE) - run->sides[SIDE_TARGET].seen.size_bytes;
    SpaceNeed need = space_need(to_come > 0 ? to_come : 0, pg_cell_i64(source, 0, COL_LARGEST),
                                pg_cell_i64(target, 0, COL_MAX_WAL));
    SpaceFree free;
    if (ask_this_machine(run->arena, conn, target, &free) ||
        (pg_cell_bool(target, 0, COL_MAY_RUN) && ask_df(run->arena, conn, &free)))
        judge_space(run, &need, &free);
    else
        add_unknown(run, &need, target);
    return true;
}
