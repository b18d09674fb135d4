/*
 * Why a server refused a connection. libpq tells the SQLSTATE only where it is
 * asked to be verbose, which it can be of a connection that is made step by
 * step alone, and such a one does not go on to a host's next address when the
 * first is silent. So connections are made in one go, and where words come back
 * that are none we know, since the server speaks another language, it is asked
 * once more for the code.
 */
#include <ctype.h>
#include <poll.h>
#include <string.h>

#include "core/cancel.h"
#include "core/clock.h"
#include "pg/pg.h"

enum {
    LOOK_MS = 100 /* for a request to stop */
};

const char *pg_find_code(const char *text)
{
    for (const char *at = strstr(text, ":  "); at; at = strstr(at + 1, ":  ")) {
        size_t len = 0;
        while (len < 5 &&
               (isupper((unsigned char)at[3 + len]) || isdigit((unsigned char)at[3 + len])))
            len++;
        if (len == 5 && at[8] == ':' && at[9] == ' ')
            return at + 3;
    }
    return NULL;
}

static void finish_connecting(PGconn *conn, double until_s)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;

    while (PQstatus(conn) != CONNECTION_BAD && clock_seconds() < until_s && !cancel_requested()) {
        struct pollfd wait = {.fd = PQsocket(conn),
                              .events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT};

        if (poll(&wait, 1, LOOK_MS) <= 0)
            continue;
        next = PQconnectPoll(conn);
        if (next == PGRES_POLLING_OK || next == PGRES_POLLING_FAILED)
            return;
    }
}

void pg_ask_code(const char *const *keywords, const char *const *values, double until_s,
                 char ret[6])
{
    PGconn *conn = PQconnectStartParams(keywords, values, 0);

    if (!conn)
        return;
    (void)PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
    finish_connecting(conn, until_s);
    const char *code = pg_find_code(PQerrorMessage(conn));
    if (code)
        memcpy(ret, code, 5);
    PQfinish(conn);
}
