#include <stdlib.h>
#include <string.h>

#include "move/finish.h"
#include "move/verify.h"

static int64_t increment_of(const SequenceValue *value, const PGresult *increments)
{
    for (int i = 0; i < PQntuples(increments); i++)
        if (strcmp(PQgetvalue(increments, i, 1), value->name) == 0 &&
            strcmp(PQgetvalue(increments, i, 0), value->schema) == 0)
            return pg_cell_i64(increments, i, 2);
    return 0;
}

/* What a sequence gives next: that is all that the app can see of it. A sequence that was never
 * used and one that was set back before its first use are equal, however they say it. */
static int64_t next_value(const SequenceValue *value, const PGresult *increments)
{
    int64_t last = strtoll(value->last_value, NULL, 10);
    int64_t next = 0;

    /* At its end: the next one fails, on both sides alike. */
    if (strcmp(value->is_called, "t") != 0 ||
        __builtin_add_overflow(last, increment_of(value, increments), &next))
        return last;
    return next;
}

static const SequenceValue *find(const SequenceValue *values, int count, const SequenceValue *like)
{
    for (int i = 0; i < count; i++)
        if (strcmp(values[i].name, like->name) == 0 && strcmp(values[i].schema, like->schema) == 0)
            return &values[i];
    return NULL;
}

static void note_missing(VerifyRun *run, const SequenceValue *value, const char *where)
{
    verify_note(run,
                arena_printf(run->arena, "SEQUENCE %s",
                             verify_name(run->arena, value->schema, value->name)),
                where);
}

typedef struct SequenceList {
    const SequenceValue *values;
    int count;
    PGresult *increments;
} SequenceList;

static void compare_all(VerifyRun *run, const SequenceList *source, const SequenceList *target)
{
    for (int i = 0; i < source->count; i++) {
        const SequenceValue *here = &source->values[i];
        const SequenceValue *there = find(target->values, target->count, here);

        if (!there) {
            note_missing(run, here, "only on the source");
            continue;
        }
        int64_t next_here = next_value(here, source->increments);
        int64_t next_there = next_value(there, target->increments);
        bool ahead = increment_of(there, target->increments) < 0 ? next_there < next_here
                                                                 : next_there > next_here;
        if (next_here != next_there && !(ahead && run->options->sequences_ahead))
            verify_add(run, DIFFERENCE_SEQUENCE, verify_name(run->arena, here->schema, here->name),
                       NULL,
                       arena_printf(run->arena, "next value: %lld -> %lld", (long long)next_here,
                                    (long long)next_there));
    }
    for (int i = 0; i < target->count; i++)
        if (!find(source->values, source->count, &target->values[i]))
            note_missing(run, &target->values[i], "only on the target");
}

static bool read_list(VerifyRun *run, VerifySide side, const SequenceValue *given, int given_count,
                      SequenceList *ret, Error *err)
{
    SequenceValue *values = NULL;

    ret->values = given;
    ret->count = given_count;
    if (!given) {
        if (!sequences_read(run->sides[side].conn, run->arena, &values, &ret->count, err))
            return error_add_context(err, "%s", run->sides[side].name);
        ret->values = values;
    }
    return pg_query(run->sides[side].conn, sql_verify_increments, 0, NULL, &ret->increments, err) ||
           error_add_context(err, "%s: read the steps of the sequences", run->sides[side].name);
}

bool verify_sequences(VerifyRun *run, Error *err)
{
    SequenceList source = {0};
    SequenceList target = {0};

    bool ok = read_list(run, VERIFY_SOURCE, run->options->sequences, run->options->sequence_count,
                        &source, err) &&
              read_list(run, VERIFY_TARGET, NULL, 0, &target, err);
    if (ok) {
        compare_all(run, &source, &target);
        run->report->sequences = source.count;
    }
    PQclear(source.increments);
    PQclear(target.increments);
    return ok;
}
