#include "gateway/roles.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text.h"

enum {
    MAX_FILE = 1024 * 1024,
    MAX_ROLES = 10000
};

typedef struct Role {
    const char *name;
    const char *password;
    ScramKeys keys;
} Role;

struct Roles {
    pthread_mutex_t lock;
    Arena *arena; /* of the list */
    const char *path;
    Role *list;
    int count;
    unsigned char secret[32]; /* made-up salts come of it, and last as long as the list's */
};

/* A text in double quotes, in which "" is one of them. NULL: there is none. */
static const char *take_quoted(Arena *arena, const char **at)
{
    const char *p = *at + strspn(*at, " \t");
    char *out = arena_alloc(arena, strlen(p) + 1);
    size_t len = 0;

    if (*p != '"')
        return NULL;
    for (p++; *p && *p != '\n'; p++) {
        if (*p == '"' && p[1] != '"') {
            *at = p + 1;
            return out;
        }
        p += *p == '"';
        out[len++] = *p;
    }
    return NULL;
}

static bool salt_of(const Roles *roles, const char *name, unsigned char ret[SCRAM_SALT_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!HMAC(EVP_sha256(), roles->secret, sizeof roles->secret, (const unsigned char *)name,
              strlen(name), digest, &len))
        return false;
    memcpy(ret, digest, SCRAM_SALT_BYTES);
    return true;
}

static bool read_line(Arena *arena, const char **at, Role *ret, Error *err)
{
    ret->name = take_quoted(arena, at);
    ret->password = ret->name ? take_quoted(arena, at) : NULL;
    if (!ret->password || !*ret->name)
        return error_set(err, ERR_USAGE, "a line must be \"role\" \"password\"");
    if (strncmp(ret->password, "SCRAM-SHA-256$", 14) == 0 ||
        (strncmp(ret->password, "md5", 3) == 0 && strlen(ret->password) == 35)) {
        (void)error_set(err, ERR_USAGE, "the password of a role is a hash");
        return error_hint(err, "The gateway logs in itself, which needs the password.");
    }
    if (!scram_keys_make(ret->password, &ret->keys))
        return error_set(err, ERR_IO, "no keys could be made of a password");
    return true;
}

static bool load(const Roles *roles, Arena *arena, Role **ret, int *ret_count, Error *err)
{
    char *text;
    int line = 1;

    if (!file_read(arena, roles->path, MAX_FILE, &text, NULL, err))
        return false;
    /* Not refused: what mounts secrets into a container may give them no other mode. */
    if (!file_is_secret(roles->path))
        log_warn("others may read the passwords of the roles", kv_str("file", roles->path),
                 kv_str("hint",
                        arena_printf(arena, "chmod 600 %s", text_shell_word(arena, roles->path))));
    Role *list = arena_array(arena, MAX_ROLES, sizeof *list);
    int count = 0;
    for (const char *at = text; *at; line++) {
        const char *start = at + strspn(at, " \t\r");
        if (*start && *start != '\n' && *start != ';' && *start != '#') {
            if (count == MAX_ROLES)
                return error_set(err, ERR_USAGE, "%s: too many roles", roles->path);
            at = start;
            if (!read_line(arena, &at, &list[count++], err))
                return error_add_context(err, "%s:%d", roles->path, line);
        }
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    *ret = list;
    *ret_count = count;
    return true;
}

bool roles_reload(Roles *roles, Error *err)
{
    Arena *arena = arena_new();
    unsigned char secret[sizeof roles->secret];
    Role *list = NULL;
    int count = 0;

    bool fine = RAND_bytes(secret, sizeof secret) == 1 ||
                error_set(err, ERR_IO, "no random numbers can be had");
    if (!fine || (roles->path && !load(roles, arena, &list, &count, err))) {
        arena_free(arena);
        return false;
    }
    (void)pthread_mutex_lock(&roles->lock);
    memcpy(roles->secret, secret, sizeof secret);
    Arena *old = roles->arena;
    roles->arena = arena;
    roles->list = list;
    roles->count = count;
    (void)pthread_mutex_unlock(&roles->lock);
    arena_free(old);
    return true;
}

bool roles_new(const char *path, Roles **ret, Error *err)
{
    Roles *roles = memory_zeroed(1, sizeof *roles);

    roles->path = path;
    (void)pthread_mutex_init(&roles->lock, NULL);
    if (roles_reload(roles, err)) {
        *ret = roles;
        return true;
    }
    roles_free(roles);
    return false;
}

void roles_free(Roles *roles)
{
    if (!roles)
        return;
    arena_free(roles->arena);
    (void)pthread_mutex_destroy(&roles->lock);
    free(roles);
}

bool roles_known(Roles *roles)
{
    return roles->path != NULL;
}

void roles_find(Roles *roles, Arena *arena, const char *role, ScramKeys *ret,
                const char **ret_password)
{
    *ret = (ScramKeys){{0}, {0}, {0}};
    *ret_password = NULL;
    (void)RAND_bytes(ret->stored, sizeof ret->stored);
    (void)pthread_mutex_lock(&roles->lock);
    (void)salt_of(roles, role, ret->salt);
    for (int i = 0; i < roles->count; i++)
        if (strcmp(roles->list[i].name, role) == 0) {
            *ret = roles->list[i].keys;
            *ret_password = arena_strdup(arena, roles->list[i].password);
            break;
        }
    (void)pthread_mutex_unlock(&roles->lock);
}

static bool list_has(const char *list, const char *name)
{
    size_t wanted = strlen(name);

    while (*list) {
        size_t len = strcspn(list, ",");
        if (len == wanted && strncmp(list, name, len) == 0)
            return true;
        list += len;
        list += strspn(list, ", ");
    }
    return false;
}

bool login_is_served(const GatewayOptions *options, const char *role, const char *database,
                     Error *err)
{
    if (options->databases && !list_has(options->databases, database))
        return error_set(err, ERR_FORMAT, "database \"%s\" is not served here", database);
    if (options->role_names && !list_has(options->role_names, role))
        return error_set(err, ERR_FORMAT, "role \"%s\" is not served here", role);
    return true;
}
