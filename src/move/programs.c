#include "move/programs.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/process.h"
#include "core/text.h"

enum {
    VERSION_TIMEOUT_MS = 10000,
    MAX_FOLDERS = 64,
    VERSION_NUM_PER_MAJOR = 10000
};

typedef struct Candidates {
    Programs found[MAX_FOLDERS];
    int count;
    Text seen; /* "15 in /usr/lib/postgresql/15/bin, ...": for the error */
} Candidates;

int programs_parse_major(const char *version_line)
{
    static const char mark[] = "(PostgreSQL) ";
    const char *at = strstr(version_line, mark);

    if (!at)
        return 0;
    long major = strtol(at + strlen(mark), NULL, 10);
    return major > 0 && major < 1000 ? (int)major : 0;
}

int programs_choose(const int *majors, int count, int source_major, int target_major)
{
    int best = -1;

    for (int i = 0; i < count; i++) {
        if (majors[i] < source_major)
            continue;
        if (majors[i] == target_major)
            return i;
        if (best < 0 || majors[i] < majors[best])
            best = i;
    }
    return best;
}

/* 0 where it cannot be run or is no PostgreSQL program: then it is as if it were not there. */
static int program_major(Arena *arena, const char *path)
{
    const char *argv[] = {path, "--version", NULL};
    ProcessResult result = {0};
    Error ignored = ERROR_INIT;

    if (access(path, X_OK) != 0)
        return 0;
    if (!process_check(arena, &(ProcessOptions){.argv = argv, .timeout_ms = VERSION_TIMEOUT_MS},
                       &result, &ignored))
        return 0;
    return programs_parse_major(result.out);
}

static void consider(Arena *arena, Candidates *candidates, const char *folder)
{
    if (candidates->count == MAX_FOLDERS)
        return;
    Programs programs = {
        .pg_dump = arena_printf(arena, "%s/pg_dump", folder),
        .pg_restore = arena_printf(arena, "%s/pg_restore", folder),
    };

    programs.major = program_major(arena, programs.pg_dump);
    if (programs.major == 0)
        return;
    text_addf(&candidates->seen, "%s%d in %s", candidates->seen.len > 0 ? ", " : "", programs.major,
              folder);
    if (program_major(arena, programs.pg_restore) != programs.major) {
        text_add(&candidates->seen, " (without its pg_restore)");
        return;
    }
    candidates->found[candidates->count++] = programs;
}

static void consider_packages(Arena *arena, Candidates *candidates)
{
    static const char *const patterns[] = {
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/usr/local/pgsql/bin",
    };

    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        glob_t matches = {0};
        if (glob(patterns[i], 0, NULL, &matches) == 0)
            for (size_t j = 0; j < matches.gl_pathc; j++)
                consider(arena, candidates, matches.gl_pathv[j]);
        globfree(&matches);
    }
}

/* Only where the packages have none that fits: Debian's pg_dump in PATH is a wrapper that picks a
 * version by the clusters of this machine, which have nothing to do with the move. */
static void consider_path(Arena *arena, Candidates *candidates)
{
    char *path = NULL;

    if (!process_find(arena, "pg_dump", &path))
        return;
    char *slash = strrchr(path, '/');
    if (slash)
        consider(arena, candidates, arena_strndup(arena, path, (size_t)(slash - path)));
}

/* `advised` reads the target as well: what is installed for the dump then does for the comparison.
 */
static bool fail_none(const Config *config, const Candidates *candidates, int needed, int advised,
                      Error *err)
{
    (void)error_set(err, ERR_PROGRAM, "no pg_dump of version %d or newer (found: %s)", needed,
                    candidates->seen.len > 0 ? text_str(&candidates->seen) : "none");
    if (config->pg_bin && access(config->pg_bin, F_OK) != 0)
        return error_hint(err, "There is no folder %s, which --pg-bin names.", config->pg_bin);
    if (config->pg_bin)
        return error_hint(err,
                          "Only %s was looked in, as --pg-bin says: give the folder of "
                          "PostgreSQL %d's pg_dump and pg_restore.",
                          config->pg_bin, advised);
    return error_hint(err,
                      "Install PostgreSQL %d's client programs (apt-get install "
                      "postgresql-client-%d, of Debian or apt.postgresql.org), or give their "
                      "folder with --pg-bin.",
                      advised, advised);
}

static int choose(const Candidates *candidates, int needed, int target_version_num)
{
    int majors[MAX_FOLDERS];

    for (int i = 0; i < candidates->count; i++)
        majors[i] = candidates->found[i].major;
    return programs_choose(majors, candidates->count, needed,
                           target_version_num / VERSION_NUM_PER_MAJOR);
}

bool programs_find(Arena *arena, const Config *config, int source_version_num,
                   int target_version_num, Programs *ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    Candidates *candidates = arena_alloc(scratch, sizeof *candidates);
    int needed = source_version_num / VERSION_NUM_PER_MAJOR;
    int target = target_version_num / VERSION_NUM_PER_MAJOR;

    candidates->seen = text_init(scratch, 4096);
    if (config->pg_bin)
        consider(scratch, candidates, config->pg_bin);
    else
        consider_packages(scratch, candidates);
    int chosen = choose(candidates, needed, target_version_num);
    if (chosen < 0 && !config->pg_bin) {
        consider_path(scratch, candidates);
        chosen = choose(candidates, needed, target_version_num);
    }
    if (chosen < 0)
        return fail_none(config, candidates, needed, target > needed ? target : needed, err);
    *ret = (Programs){
        .pg_dump = arena_strdup(arena, candidates->found[chosen].pg_dump),
        .pg_restore = arena_strdup(arena, candidates->found[chosen].pg_restore),
        .major = candidates->found[chosen].major,
    };
    return true;
}
