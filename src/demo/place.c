/* The folder, and the two servers in it. */
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/process.h"
#include "core/text.h"
#include "demo/caretaker.h"
#include "demo/place.h"

enum {
    SECRET_BYTES = 18,
    START_WITHIN_S = 60,
    INITDB_WITHIN_MS = 120000,
    LOOK_EVERY_MS = 30,
    MAX_LOG = 1 << 20,
    MAX_FILE = 4096,
};

static const char database[] = "gitgud";
static const char login[] = "demo";
/* Names the socket; nothing listens on a port. */
static const char port[] = "5432";
static const char *const side_names[DEMO_SIDES] = {"source", "target"};

typedef struct Side {
    const char *folder; /* the server's own: data, log, socket */
    const char *data;
    const char *log;
    const char *url;
    const char *public_url;
} Side;

/* Who the servers run as. */
typedef struct ServerUser {
    const char *name; /* NULL: ourselves */
    uid_t uid;
    gid_t gid;
} ServerUser;

struct DemoPlace {
    Arena *arena;
    DemoPostgres postgres;
    const char *folder;
    const char *work;
    const char *password;
    ServerUser user;
    Side sides[DEMO_SIDES];
    Caretaker caretaker;
};

/* ---- opening ---- */

/* The server does not run as root. */
static bool choose_user(Arena *arena, ServerUser *ret, Error *err)
{
    const struct passwd *found = getpwnam("postgres");

    if (geteuid() != 0)
        return true;
    if (!found)
        found = getpwnam("nobody");
    if (!found)
        return error_set(err, ERR_WRONG_STATE,
                         "PostgreSQL does not run as root, and there is no user \"postgres\" or "
                         "\"nobody\"");
    *ret = (ServerUser){
        .name = arena_strdup(arena, found->pw_name), .uid = found->pw_uid, .gid = found->pw_gid};
    return true;
}

/* Where temporary files go, if a socket's address and a configuration file can hold that path. */
static const char *temporary_folder(void)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
    static const char inside[] = "/homeport-demo-XXXXXX/source/.s.PGSQL.5432";
    const char *folder = getenv("TMPDIR");

    if (!folder || folder[0] != '/' || folder[strspn(folder, plain)] ||
        strlen(folder) + sizeof inside > sizeof((struct sockaddr_un *)NULL)->sun_path)
        return "/tmp";
    return folder;
}

static bool make_password(Arena *arena, const char **ret, Error *err)
{
    unsigned char bytes[SECRET_BYTES];
    Text text = text_init(arena, (size_t)2 * SECRET_BYTES);

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return error_set_errno(err, "get random bytes");
    for (size_t i = 0; i < sizeof bytes; i++)
        text_addf(&text, "%02x", bytes[i]);
    *ret = text_str(&text);
    return true;
}

static bool make_folder(Arena *arena, const char **ret, Error *err)
{
    char *folder = arena_printf(arena, "%s/homeport-demo-XXXXXX", temporary_folder());

    if (!mkdtemp(folder))
        return error_set_errno(err, "create a folder \"%s\"", folder);
    /* The servers' user must get through to its own folders, and see nothing else. */
    if (chmod(folder, 0711) < 0) {
        (void)error_set_errno(err, "chmod \"%s\"", folder);
        (void)rmdir(folder);
        return false;
    }
    *ret = folder;
    return true;
}

static Side plan_side(const DemoPlace *place, DemoSide side)
{
    Arena *arena = place->arena;
    Side made = {.folder = arena_printf(arena, "%s/%s", place->folder, side_names[side])};

    made.data = arena_printf(arena, "%s/data", made.folder);
    made.log = arena_printf(arena, "%s/log", made.folder);
    made.url = arena_printf(arena, "postgresql://%s:%s@/%s?host=%s&port=%s", login, place->password,
                            database, made.folder, port);
    made.public_url = arena_printf(arena, "postgresql://%s@/%s?host=%s&port=%s", login, database,
                                   made.folder, port);
    return made;
}

static bool hire_caretaker(DemoPlace *place, Error *err)
{
    CaretakerOrder order = {
        .folder = place->folder,
        .postgres = arena_printf(place->arena, "%s/postgres", place->postgres.bin),
        .other_user = place->user.name != NULL,
        .uid = place->user.uid,
        .gid = place->user.gid,
    };

    for (int i = 0; i < DEMO_SIDES; i++) {
        order.data[i] = place->sides[i].data;
        order.log[i] = place->sides[i].log;
    }
    return caretaker_start(&order, &place->caretaker, err);
}

bool demo_open(Arena *arena, const DemoPostgres *postgres, DemoPlace **ret, Error *err)
{
    DemoPlace *place = arena_alloc(arena, sizeof *place);

    *place = (DemoPlace){
        .arena = arena,
        .postgres = *postgres,
    };
    if (!choose_user(arena, &place->user, err) || !make_password(arena, &place->password, err) ||
        !make_folder(arena, &place->folder, err))
        return false;
    place->work = arena_printf(arena, "%s/work", place->folder);
    for (int i = 0; i < DEMO_SIDES; i++)
        place->sides[i] = plan_side(place, (DemoSide)i);
    if (!hire_caretaker(place, err)) {
        (void)rmdir(place->folder);
        return false;
    }
    *ret = place;
    return true;
}

/* ---- making and starting servers ---- */

static bool give_to_server(const DemoPlace *place, const char *path, Error *err)
{
    if (!place->user.name || chown(path, place->user.uid, place->user.gid) == 0)
        return true;
    return error_set_errno(err, "chown \"%s\"", path);
}

static bool write_text(const char *path, const Text *text, Error *err)
{
    return file_replace(path, text_str(text), text->len, err);
}

/* What a server that holds nothing of worth can do without. */
static bool write_settings(Arena *arena, const DemoPlace *place, const Side *side, Error *err)
{
    const char *path = arena_printf(arena, "%s/postgresql.auto.conf", side->data);
    Text text = text_init(arena, MAX_FILE);

    text_addf(&text,
              "listen_addresses = ''\n"
              "unix_socket_directories = '%s'\n"
              "unix_socket_permissions = 0700\n"
              "port = %s\n"
              "fsync = off\n"
              "full_page_writes = off\n"
              "wal_level = logical\n"
              "max_wal_size = '4GB'\n"
              "shared_buffers = '128MB'\n"
              "maintenance_work_mem = '128MB'\n"
              "jit = off\n"
              "timezone = 'UTC'\n"
              "log_timezone = 'UTC'\n",
              side->folder, port);
    return write_text(path, &text, err) && give_to_server(place, path, err);
}

typedef struct Making {
    const DemoPlace *place;
    const Side *side;
    const char *password_file;
    Arena *arena; /* of this thread alone */
    bool ok;
    Error err;
} Making;

static bool make_server(const Making *making, Error *err)
{
    const DemoPlace *place = making->place;
    const Side *side = making->side;
    const char *argv[] = {
        arena_printf(making->arena, "%s/initdb", place->postgres.bin),
        "-D",
        side->data,
        "-U",
        login,
        "--pwfile",
        making->password_file,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        "--no-instructions",
        NULL,
    };
    static const char *const env[] = {"LC_ALL=C", "PGDATA", "PGOPTIONS", "PGPORT", NULL};
    ProcessOptions options = {
        .argv = argv,
        .env = env,
        .dir = "/",
        .timeout_ms = INITDB_WITHIN_MS,
        .user = place->user.name,
    };

    return file_make_dir(side->folder, 0700, err) && give_to_server(place, side->folder, err) &&
           process_check(making->arena, &options, NULL, err) &&
           write_settings(making->arena, place, side, err);
}

static void *make_server_thread(void *context)
{
    Making *making = context;

    making->ok = make_server(making, &making->err);
    return NULL;
}

/* At the same time: most of the demo's wait is for this. */
static bool make_both(const DemoPlace *place, const char *password_file, Error *err)
{
    Making makings[DEMO_SIDES];
    pthread_t threads[DEMO_SIDES];
    int started = 0;
    bool ok = true;

    for (int i = 0; i < DEMO_SIDES; i++) {
        makings[i] = (Making){
            .place = place,
            .side = &place->sides[i],
            .password_file = password_file,
            .arena = arena_new(),
        };
        if (ok && pthread_create(&threads[i], NULL, make_server_thread, &makings[i]) == 0)
            started++;
        else
            ok = error_set(err, ERR_WRONG_STATE, "no more threads can be had");
    }
    for (int i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
        if (ok && !makings[i].ok) {
            *err = makings[i].err;
            ok = false;
        }
    }
    for (int i = 0; i < DEMO_SIDES; i++)
        arena_free(makings[i].arena);
    return ok;
}

static bool make_servers(const DemoPlace *place, Error *err)
{
    const char *path = arena_printf(place->arena, "%s/password", place->folder);
    bool ok = file_replace(path, place->password, strlen(place->password), err) &&
              give_to_server(place, path, err) && make_both(place, path, err);

    if (unlink(path) < 0 && ok)
        return error_set_errno(err, "remove \"%s\"", path);
    return ok;
}

/* Why a server did not come up is in its log. */
static bool fail_start(const DemoPlace *place, const Side *side, Error *err)
{
    char *log;
    Error ignored;

    (void)error_set(err, ERR_PROGRAM, "PostgreSQL did not start");
    if (!file_read(place->arena, side->log, MAX_LOG, &log, NULL, &ignored))
        return false;
    const char *fatal = strstr(log, "FATAL:");
    return error_add_context(err, "%.*s", (int)strcspn(fatal ? fatal : log, "\n"),
                             fatal ? fatal : log);
}

static bool wait_for_server(const DemoPlace *place, const PgUrl *url, PGconn **ret, Error *err)
{
    double deadline = clock_seconds() + START_WITHIN_S;

    while (!pg_connect(url, "demo", ret, err)) {
        if (err->code == ERR_CANCELLED)
            return false;
        int lost = caretaker_lost_server(&place->caretaker);
        if (lost >= 0)
            return fail_start(place, &place->sides[lost], err);
        if (clock_seconds() > deadline)
            return error_add_context(err, "wait for PostgreSQL to start");
        if (!cancel_sleep_ms(LOOK_EVERY_MS, err))
            return false;
    }
    return true;
}

static bool make_database(const DemoPlace *place, DemoSide side, Error *err)
{
    auto_conn PGconn *conn = NULL;
    PgUrl url;

    if (!url_parse(place->arena, place->sides[side].url, side_names[side], &url, err))
        return false;
    url = url_with_database(place->arena, &url, "postgres");
    return wait_for_server(place, &url, &conn, err) &&
           pg_execf(conn, err, "CREATE DATABASE %s", database);
}

bool demo_start(DemoPlace *place, Error *err)
{
    if (!make_servers(place, err))
        return error_add_context(err, "make the servers");
    for (int i = 0; i < DEMO_SIDES; i++)
        if (!caretaker_start_server(&place->caretaker, i, err))
            return false;
    for (int i = 0; i < DEMO_SIDES; i++)
        if (!make_database(place, (DemoSide)i, err))
            return error_add_context(err, "start the %s", side_names[i]);
    return true;
}

/* ---- using it ---- */

const char *demo_folder(const DemoPlace *place)
{
    return place->folder;
}

const char *demo_work_folder(const DemoPlace *place)
{
    return place->work;
}

const char *demo_gateway_socket(const DemoPlace *place)
{
    return arena_printf(place->arena, "%s/gateway.http", place->folder);
}

const char *demo_url(const DemoPlace *place, DemoSide side)
{
    return place->sides[side].url;
}

const char *demo_public_url(const DemoPlace *place, DemoSide side)
{
    return place->sides[side].public_url;
}

bool place_connect(const DemoPlace *place, DemoSide side, PGconn **ret, Error *err)
{
    PgUrl url;

    return url_parse(place->arena, place->sides[side].url, side_names[side], &url, err) &&
           pg_connect(&url, "demo", ret, err);
}

Arena *place_arena(const DemoPlace *place)
{
    return place->arena;
}

/* ---- the end of it ---- */

void demo_forked(DemoPlace *place)
{
    file_close(&place->caretaker.fd);
    place->caretaker.pid = 0;
}

bool demo_close(DemoPlace *place, Error *err)
{
    if (!place || caretaker_finish(&place->caretaker))
        return true;
    (void)error_set(err, ERR_IO, "not all of \"%s\" could be taken down", place->folder);
    return error_hint(err, "Look for servers there with `ps`, and remove the folder.");
}

static bool write_stop(const DemoPlace *place, const char *path, Error *err)
{
    Text text = text_init(place->arena, MAX_FILE);

    text_addf(&text,
              "#!/bin/sh\n"
              "# Takes down what `homeport demo --keep` left: both servers and this folder.\n"
              "for side in source target; do\n"
              "    pid=$(head -n 1 '%s/'$side/data/postmaster.pid 2>/dev/null) || continue\n"
              "    kill -INT \"$pid\" || continue\n"
              "    while kill -0 \"$pid\" 2>/dev/null; do sleep 0.1; done\n"
              "done\n"
              "rm -rf '%s'\n",
              place->folder, place->folder);
    if (!write_text(path, &text, err))
        return false;
    return chmod(path, 0700) == 0 || error_set_errno(err, "chmod \"%s\"", path);
}

bool demo_keep(DemoPlace *place, DemoKept *ret, Error *err)
{
    DemoKept kept = {
        .password_file = arena_printf(place->arena, "%s/pgpass", place->folder),
        .stop = arena_printf(place->arena, "%s/stop", place->folder),
    };
    Text text = text_init(place->arena, MAX_FILE);

    text_addf(&text, "*:*:*:%s:%s\n", login, place->password);
    if (!write_text(kept.password_file, &text, err) || !write_stop(place, kept.stop, err) ||
        !caretaker_dismiss(&place->caretaker, err))
        return false;
    *ret = kept;
    return true;
}
