/* What identity*.c share. */
#pragma once

#include <pthread.h>
#include <stdio.h>
#include <uthash.h>

#include "core/text.h"
#include "move/identity.h"

typedef struct IdentityPair {
    IdentityText source;
    IdentityText home;
    int line;
    UT_hash_handle by_source;
    UT_hash_handle by_home;
} IdentityPair;

typedef struct KeptId {
    UT_hash_handle hh;
    IdentityText id;
} KeptId;

/* Ids that went through as they were. */
typedef struct IdentityNotes {
    pthread_mutex_t lock;
    Arena *arena;
    KeptId *kept[2]; /* towards home; backwards */
    int64_t counts[2];
    FILE *file; /* NULL: nowhere */
    const char *path;
} IdentityNotes;

struct Identities {
    Arena *arena;     /* of its own: pairs and texts */
    const char *name; /* of the file, for errors */
    IdentityPair *pairs;
    int count;
    int cap;
    IdentityPair *by_source;
    IdentityPair *by_home;
    IdentityColumn *columns;
    int column_count;
    UnmappedRule rules[2]; /* towards home; backwards */
    IdentityNotes *notes;
};

/* The map of a file's text. */
bool identity_map_read(Identities *identities, const char *text, size_t len, Error *err) MUST_USE;
/* "public.users.id, app.\"Order\".\"userId\"": names as SQL writes them. */
bool identity_columns_read(Identities *identities, const char *text, Error *err) MUST_USE;
IdentityPair *identity_by_source(const Identities *identities, IdentityText id);
IdentityPair *identity_by_home(const Identities *identities, IdentityText id);
/* Notes one that passes as it is. */
bool identity_keep(const Identities *identities, bool back, IdentityText id, Error *err) MUST_USE;
Identities *identities_new(void) RETURNS_NONNULL;
/* A value as COPY's text format writes it, and back. */
void identity_encode(Text *out, IdentityText value);
IdentityText identity_decode(Text *out, const char *field, size_t len);
