#include "cli/mover.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

enum {
    START_S = 60, /* until a mover that is past its copy listens */
    COPY_S = 2,   /* a copy that goes on after that is left to itself */
    LOOK_MS = 20,
    LOG_MODE = 0600,
    MAX_LOG = 1 << 20,
};

static const char *log_path(const Invocation *inv)
{
    return arena_printf(inv->arena, "%s/mover.log", inv->config->dir);
}

static bool is_listening(const Invocation *inv)
{
    json_t *answer = NULL;

    if (!move_ask_status(inv->config, &answer))
        return false;
    json_decref(answer);
    return true;
}

/* The child's life. Its output goes to the log; it has no terminal. What ends it is said to the
 * parent, which may have gone by then. */
static void live_on(const Invocation *inv, const LiveOptions *options, int parent)
{
    MoveReport report;
    Error err = ERROR_INIT;
    int log = open(log_path(inv), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, LOG_MODE);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    cancel_forked();
    (void)setsid();
    if (log < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        _exit(1);
    bool ok = move_live(inv->arena, inv->config, options, NULL, &report, &err);
    if (!ok) {
        log_error("the mover has ended", kv_str("reason", err.message), kv_str("hint", err.hint));
        (void)!write(parent, &err, sizeof err);
    }
    _exit(ok ? 0 : error_exit_status(&err));
}

/* Says so where somebody has the work folder. */
static bool is_free(const Invocation *inv, Error *err)
{
    MoveStatus now;

    if (!move_status(inv->arena, inv->config, &now, err))
        return false;
    if (!now.running)
        return true;
    (void)error_set(err, ERR_WRONG_STATE, "a mover is at work in \"%s\" already (process %d)",
                    inv->config->dir, now.pid);
    return error_hint(err, "`homeport status` shows how far it is; `homeport move --stop` ends it, "
                           "and another move needs another --dir.");
}

static bool fail_ended(const Invocation *inv, int child, Error *err)
{
    Error said;

    /* One that began at the same moment was there before it. */
    if (!is_free(inv, err))
        return false;
    if (read(child, &said, sizeof said) == (ssize_t)sizeof said) {
        *err = said;
        (void)error_add_context(err, "the mover has ended");
    } else {
        (void)error_set(err, ERR_WRONG_STATE, "the mover was ended");
    }
    return *err->hint ? false : error_hint(err, "Its log is \"%s\".", log_path(inv));
}

bool mover_is_copying(const MoveStatus *status)
{
    return strcmp(status->phase, "planned") == 0 || strcmp(status->phase, "schema") == 0 ||
           strcmp(status->phase, "copying") == 0;
}

bool mover_detach(const Invocation *inv, const LiveOptions *options, int *ret_pid, Error *err)
{
    double began = clock_seconds();
    int ends[2] = {-1, -1};

    if (!is_free(inv, err) || !file_make_dir(inv->config->dir, 0700, err))
        return false;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(err, "make a pipe");
    auto_close int child = ends[0];
    auto_close int parent = ends[1];
    int pid = fork();
    if (pid < 0)
        return error_set_errno(err, "start a process");
    if (pid == 0)
        live_on(inv, options, parent);
    file_close(&parent);
    *ret_pid = pid;
    for (;;) {
        int status = 0;

        if (waitpid(pid, &status, WNOHANG) == pid)
            return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || fail_ended(inv, child, err);
        MoveStatus now;
        double patience = COPY_S;
        bool ours = move_status(inv->arena, inv->config, &now, err) && now.pid == pid;
        if (ours && is_listening(inv))
            return true;
        /* Before the copy the assessment may take minutes, and there is no move yet. */
        if (ours && now.exists && !mover_is_copying(&now))
            patience = START_S;
        if (ours && clock_seconds() - began > patience && file_exists(log_path(inv)))
            return true;
        if (clock_seconds() - began > START_S)
            return error_set(err, ERR_WRONG_STATE, "the mover does not answer");
        if (!cancel_sleep_ms(LOOK_MS, err))
            return false;
    }
}

/* There is a mover that could answer, or could be started so that it does. */
static bool can_answer(const Invocation *inv, const MoveStatus *status, Error *err)
{
    if (status->following)
        return true;
    bool copying =
        status->running && (!status->exists || (status->live && mover_is_copying(status)));
    if (!copying && (!status->exists || !status->live)) {
        (void)error_set(err, ERR_WRONG_STATE, "there is no live move in \"%s\"", inv->config->dir);
        return error_hint(err, "`homeport move` begins one; --dir names its work folder.");
    }
    if (copying) {
        (void)error_set(err, ERR_WRONG_STATE, "the copy is still at work (process %d)",
                        status->pid);
        return error_hint(err, "`homeport status --watch` shows how far it is.");
    }
    (void)error_set(err, ERR_WRONG_STATE, "this is not possible in phase %s", status->phase);
    return error_hint(err, "%s", status->next);
}

/* One that somebody has started listens soon. */
static bool wait_listening(const Invocation *inv)
{
    double began = clock_seconds();
    Error ignored = ERROR_INIT;
    MoveStatus now;

    while (!move_listens(inv->config))
        if (!move_status(inv->arena, inv->config, &now, &ignored) || !now.running ||
            !now.following || clock_seconds() - began > START_S ||
            !cancel_sleep_ms(LOOK_MS, &ignored))
            return false;
    return true;
}

/* Another command may have started one at this moment, which does as well. */
static bool start_mover(const Invocation *inv, Error *err)
{
    LiveOptions options = {.spool_limit = (int64_t)inv->config->spool_limit};
    int pid = 0;

    if (mover_detach(inv, &options, &pid, err))
        return true;
    if (!wait_listening(inv))
        return false;
    *err = ERROR_INIT;
    return true;
}

/* Asked once: a request whose answer got lost may have been done. */
bool mover_ask(const Invocation *inv, json_t *request, const MoveWatch *watch, json_t **ret,
               Error *err)
{
    MoveStatus now;

    bool ready = move_status(inv->arena, inv->config, &now, err) && can_answer(inv, &now, err) &&
                 (now.running || start_mover(inv, err));
    if (!ready) {
        json_decref(request);
        return false;
    }
    if (now.running)
        (void)wait_listening(inv);
    if (move_ask(inv->config, request, watch, 0, ret, err))
        return true;
    if (err->code == ERR_CONNECT && !*err->hint)
        return error_hint(err, "`homeport status` says where the move stands now.");
    return false;
}

bool mover_print_json(const json_t *answer, Error *err)
{
    if (json_dumpf(answer, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF)
        return error_set(err, ERR_IO, "write to standard output");
    return true;
}
