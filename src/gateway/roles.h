/*
 * Passwords of roles, for clients on 5432: SCRAM is ended here, and the
 * gateway logs in at the server with the password itself. The file has the
 * form of PgBouncer's userlist.txt: "role" "password" on a line.
 * And which roles and databases the configuration lets in at all.
 * Private to src/gateway.
 */
#pragma once

#include <stdbool.h>

#include "core/arena.h"
#include "core/error.h"
#include "gateway/gateway.h"
#include "gateway/scram.h"

typedef struct Roles Roles;

/* `path` NULL: there are none. */
bool roles_new(const char *path, Roles **ret, Error *err) MUST_USE;
void roles_free(Roles *roles);
/* Reads the file again; on failure everything stays. */
bool roles_reload(Roles *roles, Error *err) MUST_USE;
/* Is there a file of roles at all? */
bool roles_known(Roles *roles);
/* From any thread. What SCRAM needs of the role, and its password (NULL: no such role, and then
 * the keys are made up, so that nobody can tell). */
void roles_find(Roles *roles, Arena *arena, const char *role, ScramKeys *ret,
                const char **ret_password);

/* Says the same of a role or a database that is there as of one that is not. */
bool login_is_served(const GatewayOptions *options, const char *role, const char *database,
                     Error *err) MUST_USE;
