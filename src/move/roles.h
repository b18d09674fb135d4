/*
 * Who owns what at home: the owner's --map-role old=new, and the roles that
 * exist only at the provider.
 *
 * Roles appear in an archive as owners and, in a few kinds of entries, in SQL
 * that pg_dump wrote (privileges, policies, user mappings); there the names
 * are replaced where the grammar has a role, and nowhere else.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "core/arena.h"
#include "move/archive.h"

/* A role that the provider's platform brings along (facts in docs/checks.md). */
bool role_is_provider(const char *name);
/* The same for schemas and extensions that are of no use elsewhere. */
bool schema_is_provider(const char *name);
bool extension_is_provider(const char *name);

/* The name at home; NULL: nobody, the connecting role keeps it. */
const char *role_mapped(const Config *config, const char *name);

/* Whether roles that the archive names are one and the same at home. */
bool roles_merge(const Config *config, const Archive *archive);

/* The SQL of an entry with its roles mapped. Statements that concern a
 * provider's role that is not mapped are left out. */
const char *roles_rewrite(Arena *arena, const Config *config, const ArchiveEntry *entry);
