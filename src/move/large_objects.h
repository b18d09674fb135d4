/*
 * Large objects: data and existence by pg_restore, owners and privileges by us,
 * since their roles are mapped.
 */
#pragma once

#include "move/schema.h"

typedef struct LargeObjectRequest {
    const Config *config;
    const Programs *programs;
    const Archive *archive; /* dumped with large_objects */
    const char *path;       /* of that archive */
    const char *list_path;  /* a file that we may write */
    PGconn *target;
    const PgUrl *target_url;
} LargeObjectRequest;

/* Those that are there already are of an earlier run and are removed first. */
bool large_objects_restore(Arena *arena, const LargeObjectRequest *request, int *ret_count,
                           Error *err) MUST_USE;

/* All that there are, when they can only be an earlier run's. */
bool large_objects_remove(PGconn *target, Error *err) MUST_USE;

/* SQL of a privilege entry that stands for several large objects at once
 * (archives of pg_dump 17 and later): written out for each. Others unchanged. */
const char *large_objects_expand(Arena *arena, const Archive *archive, const ArchiveEntry *entry,
                                 const char *sql);
