/*
 * The table of contents of a pg_dump archive (custom format).
 *
 * Read by us rather than through pg_restore, because the move needs what
 * pg_restore keeps to itself: each object's definition, owner and
 * dependencies, so that roles can be mapped, indexes built the moment their
 * table is complete, and an error named by its object. Why, and what was
 * weighed: docs/decisions/0001.
 *
 * Format: PostgreSQL's src/bin/pg_dump/pg_backup_archiver.c, ReadHead() and
 * ReadToc(), archive versions 1.14 (pg_dump 13 to 15), 1.15 (16), 1.16 (17 and
 * later). Any other version is refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/error.h"

typedef enum ArchiveSection {
    SECTION_NONE = 1, /* comments, privileges: they follow their object */
    SECTION_PRE_DATA,
    SECTION_DATA,
    SECTION_POST_DATA,
} ArchiveSection;

typedef struct ArchiveEntry {
    int id;
    const char *desc;   /* "TABLE", "FK CONSTRAINT", "INDEX", ... */
    const char *schema; /* "" where the object has none */
    const char *tag;    /* name; for a constraint "table name" */
    const char *owner;  /* "" where none */
    const char *defn;   /* SQL, may hold several statements; "" where none */
    const char *drop;   /* SQL that undoes defn; "" where none */
    const char *tablespace;
    const char *access_method;
    char relkind; /* '\0' where not known */
    unsigned oid; /* in the source's catalogue; 0 where none */
    ArchiveSection section;
    const int *deps; /* ids */
    int dep_count;
    bool user_schema; /* its schema has a provider's name, but is the user's (schema.h) */
} ArchiveEntry;

typedef struct Archive {
    ArchiveEntry *entries; /* in the order in which they are to be created */
    int count;
    const char *server_version;
    const char *dump_version;
} Archive;

bool archive_read(Arena *arena, const char *path, Archive *ret, Error *err) MUST_USE;

/* The same from memory, for tests and the fuzzer. */
bool archive_parse(Arena *arena, const void *data, size_t len, Archive *ret, Error *err) MUST_USE;

/* NULL where there is none of this id. */
const ArchiveEntry *archive_find(const Archive *archive, int id);

/* Both create the same objects in the same way. */
bool archive_equal(const Archive *a, const Archive *b);
