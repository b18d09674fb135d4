#include "gateway/relay.h"

#include <string.h>

#include "http/bytes.h"

enum {
    LONGEST_MESSAGE = 0x40000000 /* PostgreSQL's MaxAllocSize */
};

void relay_init(RelayState *state)
{
    *state = (RelayState){.transaction = 'I'};
}

static void client_message(RelayState *state, char type)
{
    switch (type) {
    case 'Q': /* query */
    case 'S': /* Sync */
    case 'F': /* function call */
        state->pending++;
        state->unsynced = false;
        break;
    case 'd': /* COPY's data, its end */
    case 'c':
    case 'f':
    case 'X':
        break;
    default:
        state->unsynced = true;
        break;
    }
}

static void server_message(RelayState *state, char type, char first)
{
    if (type == 'G' || type == 'W')
        state->copied = true;
    if (type != 'Z')
        return;
    state->transaction = first;
    state->pending = state->copied || state->pending == 0 ? 0 : state->pending - 1;
    state->copied = false;
}

static void tell_error(const RelayState *state)
{
    const char *at = state->error;
    const char *end = at + state->error_len;

    while (at < end && *at) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        if (!nul)
            return;
        if (*at == 'C') {
            state->on_error(state->arg, at + 1);
            return;
        }
        at = nul + 1;
    }
}

static void error_bytes(RelayState *state, const char *data, size_t len)
{
    size_t room = sizeof state->error - state->error_len;
    size_t taken = len < room ? len : room;

    memcpy(state->error + state->error_len, data, taken);
    state->error_len += taken;
    if (state->server.left > 0)
        return;
    if (state->on_error)
        tell_error(state);
    state->error_len = 0;
}

typedef void MessageSeen(RelayState *state, char type, char first);

static void client_seen(RelayState *state, char type, char first)
{
    (void)first;
    client_message(state, type);
}

/* Called with each message's type and first byte, once that is known. */
static bool track(RelayState *state, Tracker *tracker, const char *data, size_t len,
                  MessageSeen *seen)
{
    for (size_t at = 0; at < len && !tracker->broken;) {
        if (tracker->left > 0) {
            if (tracker->first)
                seen(state, tracker->type, data[at]);
            tracker->first = false;
            size_t n = tracker->left < len - at ? tracker->left : len - at;
            tracker->left -= (uint32_t)n;
            if (tracker == &state->server && tracker->type == 'E')
                error_bytes(state, data + at, n);
            at += n;
            continue;
        }
        tracker->head[tracker->head_len++] = data[at++];
        if (tracker->head_len < 5)
            continue;
        uint32_t size = wire_u32(tracker->head + 1);
        tracker->head_len = 0;
        tracker->type = tracker->head[0];
        tracker->broken = size < 4 || size > LONGEST_MESSAGE;
        if (tracker->broken)
            break;
        tracker->left = size - 4;
        tracker->first = tracker->left > 0;
        if (!tracker->first)
            seen(state, tracker->type, '\0');
    }
    return !tracker->broken;
}

bool relay_from_client(RelayState *state, const char *data, size_t len)
{
    return track(state, &state->client, data, len, client_seen);
}

bool relay_from_server(RelayState *state, const char *data, size_t len)
{
    return track(state, &state->server, data, len, server_message);
}

bool relay_is_answered(const RelayState *state)
{
    return state->pending == 0 && !state->unsynced;
}

bool relay_is_idle(const RelayState *state)
{
    return relay_is_answered(state) && state->transaction == 'I' && state->client.head_len == 0 &&
           state->client.left == 0 && state->server.left == 0 && state->server.head_len == 0;
}
