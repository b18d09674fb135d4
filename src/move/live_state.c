/* Facts and feeds of a live move in its state database. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "move/live.h"
#include "sql.gen.h"

enum {
    TOKEN_BYTES = 24
};

/* Column order of sql/store/read_feeds.sql. */
enum {
    COL_NUMBER,
    COL_DIRECTION,
    COL_SLOT,
    COL_START,
};

bool live_fact(const Live *live, Arena *arena, const char *name, const char **ret, Error *err)
{
    StoreRows rows;

    if (!store_query(live->job.state.store, arena, sql_store_read_fact,
                     STORE_VALUES(STORE_TEXT(name)), &rows, err))
        return false;
    *ret = rows.rows > 0 ? store_cell(&rows, 0, 0) : NULL;
    return true;
}

bool live_set_fact(Live *live, const char *name, const char *value, Error *err)
{
    return store_run(live->job.state.store, sql_store_set_fact,
                     STORE_VALUES(STORE_TEXT(name), STORE_TEXT(value)), err);
}

bool live_save_encoding(Live *live, Error *err)
{
    return live_set_fact(live, "encoding", live->job.report->assessment.source.encoding, err);
}

bool live_load_encoding(Live *live, Error *err)
{
    const char *encoding = NULL;

    if (!live_fact(live, live->arena, "encoding", &encoding, err))
        return false;
    if (encoding)
        job_set_encoding(&live->job, encoding);
    return true;
}

static const char *system_fact(LiveSideName side)
{
    return side == LIVE_SOURCE ? "system source" : "system home";
}

bool live_load_system(const Live *live, LiveSideName side, SystemId *ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *text = NULL;

    if (!live_fact(live, scratch, system_fact(side), &text, err))
        return false;
    *ret = (SystemId){0};
    size_t len = text ? strcspn(text, " ") : 0;
    if (text && text[len] && len < sizeof ret->id) {
        memcpy(ret->id, text, len);
        ret->timeline = (int)strtol(text + len, NULL, 10);
    }
    return true;
}

bool live_note_system(Live *live, LiveSideName side, const SystemId *system, Error *err)
{
    auto_arena Arena *scratch = arena_new();

    return live_set_fact(live, system_fact(side),
                         arena_printf(scratch, "%s %d", system->id, system->timeline), err);
}

bool live_keep_hooks(Live *live, const SwitchOptions *options, Error *err)
{
    return live_set_fact(live, "on-pause", options->on_pause ? options->on_pause : "", err) &&
           live_set_fact(live, "on-switch", options->on_switch ? options->on_switch : "", err) &&
           live_set_fact(live, "on-resume", options->on_resume ? options->on_resume : "", err);
}

bool live_load_hooks(Live *live, SwitchOptions *ret, Error *err)
{
    *ret = (SwitchOptions){0};
    if (!live_fact(live, live->arena, "on-pause", &ret->on_pause, err) ||
        !live_fact(live, live->arena, "on-switch", &ret->on_switch, err) ||
        !live_fact(live, live->arena, "on-resume", &ret->on_resume, err))
        return false;
    const char **texts[] = {&ret->on_pause, &ret->on_switch, &ret->on_resume};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (*texts[i] && !**texts[i])
            *texts[i] = NULL;
    return true;
}

bool live_save_feed(Live *live, const LiveFeed *feed, Error *err)
{
    char start[LSN_TEXT_SIZE];

    return store_run(live->job.state.store, sql_store_set_feed,
                     STORE_VALUES(STORE_INT(feed->number),
                                  STORE_TEXT(direction_name(feed->direction)),
                                  STORE_TEXT(feed->slot),
                                  STORE_TEXT(feed->start ? lsn_text(feed->start, start) : NULL)),
                     err);
}

static bool read_feed(const StoreRows *rows, int row, LiveFeed *ret, Error *err)
{
    const char *start = store_cell(rows, row, COL_START);

    *ret = (LiveFeed){
        .number = (int)store_cell_i64(rows, row, COL_NUMBER),
        .direction =
            strcmp(store_cell(rows, row, COL_DIRECTION), direction_name(DIRECTION_BACK)) == 0
                ? DIRECTION_BACK
                : DIRECTION_FORWARD,
        .slot = store_cell(rows, row, COL_SLOT),
    };
    if (!start || lsn_parse(start, &ret->start))
        return true;
    /* not run: only of a state that somebody changed */
    return error_set(err, ERR_FORMAT, "the state has no position but \"%s\"", start);
}

bool live_number(Live *live, const char *name, int *ret, Error *err)
{
    auto_arena Arena *scratch = arena_new();
    const char *text = NULL;

    if (!live_fact(live, scratch, name, &text, err))
        return false;
    *ret = text ? (int)strtol(text, NULL, 10) : 0;
    return true;
}

bool live_set_number(Live *live, const char *name, int number, Error *err)
{
    return live_set_fact(live, name, arena_printf(live->arena, "%d", number), err);
}

bool live_load_feeds(Live *live, LiveFeed *ret, LiveFeed **ret_others, int *ret_count, Error *err)
{
    StoreRows rows;
    LiveFeed feed = {0};
    int current = 0;
    int count = 0;

    if (!live_number(live, "feed", &current, err) ||
        !store_query(live->job.state.store, live->arena, sql_store_read_feeds, STORE_NO_VALUES,
                     &rows, err))
        return false;
    LiveFeed *others = arena_array(live->arena, (size_t)rows.rows, sizeof *others);
    for (int row = 0; row < rows.rows; row++) {
        LiveFeed one;
        if (!read_feed(&rows, row, &one, err))
            return false;
        if (one.number == current)
            feed = one;
        else
            others[count++] = one;
    }
    *ret = feed;
    *ret_others = others;
    *ret_count = count;
    return true;
}

bool live_forget_feed(Live *live, int number, Error *err)
{
    return store_run(live->job.state.store, sql_store_forget_feed, STORE_VALUES(STORE_INT(number)),
                     err);
}

bool live_load_token(Live *live, Error *err)
{
    unsigned char bytes[TOKEN_BYTES];

    if (!live_fact(live, live->arena, "token", &live->token, err))
        return false;
    if (live->token)
        return true;
    if (getentropy(bytes, sizeof bytes) < 0)
        return error_set(err, ERR_IO, "no random bytes for the fence's token");
    char *token = arena_alloc(live->arena, sizeof bytes * 2 + 1);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    live->token = token;
    return live_set_fact(live, "token", token, err);
}
