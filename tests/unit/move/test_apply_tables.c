/* A change of the stream in the terms of the table that it goes to: what has not the shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "move/apply_tables.h"

enum {
    ID,
    PART,
    NOTE,
    COLUMNS
};

static const PgRelation relation = {.schema = "public", .name = "t", .column_count = COLUMNS};

typedef struct Case {
    Binding binding;
    BoundColumn columns[COLUMNS];
    int key[2];
    PgValue now[COLUMNS];
    PgValue old[COLUMNS];
    PgOutput message;
} Case;

static PgValue text(const char *value)
{
    return (PgValue){.kind = PG_VALUE_TEXT, .data = value, .len = (int)strlen(value)};
}

/* UPDATE t SET note = 'x' WHERE id = 1 AND part = 'a' */
static void case_make(Case *made)
{
    static const char *const names[COLUMNS] = {"id", "part", "note"};

    *made = (Case){
        .binding = {.relation = &relation,
                    .schema = "public",
                    .name = "t",
                    .way = APPLY_BY_KEY,
                    .columns = made->columns,
                    .column_count = COLUMNS,
                    .key = made->key,
                    .key_count = 2},
        .key = {ID,   PART},
        .now = {text("1"),      text("a"),           text("x")},
        .message = {.kind = PGOUTPUT_UPDATE,                    .new_row = {COLUMNS, made->now}              },
    };
    for (int i = 0; i < COLUMNS; i++)
        made->columns[i] = (BoundColumn){.source = i, .name = names[i], .key = i != NOTE};
}

static void is_read(const Case *made, bool key_changed)
{
    RowScratch scratch = {0};
    RowChange change = {0};
    Error err = ERROR_INIT;

    if (!row_change_read(&made->binding, &made->message, NULL, &scratch, &change, &err))
        fail_msg("%s", err.message);
    assert_int_equal(change.op, made->message.kind);
    assert_int_equal(change.key_changed, key_changed);
    row_scratch_clear(&scratch);
}

static void is_malformed(const Case *made, const char *why)
{
    RowScratch scratch = {0};
    RowChange change = {0};
    Error err = ERROR_INIT;

    assert_false(row_change_read(&made->binding, &made->message, NULL, &scratch, &change, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_string_equal(err.message, why);
    row_scratch_clear(&scratch);
}

static void a_row_of_another_width_is_malformed(void **state)
{
    (void)state;
    Case made;

    case_make(&made);
    is_read(&made, false);
    made.message.new_row.count = COLUMNS - 1;
    is_malformed(&made, "public.t: a change has another number of columns than its table");
    case_make(&made);
    made.message.old_kind = 'K';
    made.message.old_row = (PgTuple){COLUMNS + 1, made.old};
    is_malformed(&made, "public.t: a change has another number of columns than its table");
}

/* Nobody asked for it. */
static void a_value_in_binary_form_is_malformed(void **state)
{
    (void)state;
    Case made;

    case_make(&made);
    made.now[NOTE].kind = PG_VALUE_BINARY;
    is_malformed(&made, "public.t: a change came in binary form");
}

static void a_change_that_names_no_row_is_malformed(void **state)
{
    (void)state;
    Case made;

    case_make(&made);
    made.message = (PgOutput){.kind = PGOUTPUT_DELETE};
    is_malformed(&made, "public.t: a change does not say which row it is about");
    case_make(&made);
    made.binding.key_count = 0;
    is_malformed(&made, "public.t: a change does not say which row it is about");
    made.message.kind = PGOUTPUT_INSERT;
    is_read(&made, false);
}

static void a_key_that_is_not_whole_is_malformed(void **state)
{
    (void)state;
    Case made;

    case_make(&made);
    made.now[PART] = (PgValue){.kind = PG_VALUE_NULL};
    is_malformed(&made, "public.t: a change does not have the whole key");
    made.now[PART] = (PgValue){.kind = PG_VALUE_UNCHANGED};
    is_malformed(&made, "public.t: a change does not have the whole key");
    /* Of a whole row NULL is as good as any value. */
    case_make(&made);
    made.binding.way = APPLY_BY_ROW;
    made.binding.whole_old = true;
    made.old[ID] = text("1");
    made.old[PART] = made.old[NOTE] = (PgValue){.kind = PG_VALUE_NULL};
    made.message.old_kind = 'O';
    made.message.old_row = (PgTuple){COLUMNS, made.old};
    is_read(&made, true);
}

/* A value of the key that was TOASTed and did not change is in the old row alone. */
static void an_unchanged_value_of_the_key_is_the_old_ones(void **state)
{
    (void)state;
    Case made;
    RowScratch scratch = {0};
    RowChange change = {0};
    Error err = ERROR_INIT;

    case_make(&made);
    made.old[ID] = text("0");
    made.old[PART] = text("long");
    made.old[NOTE] = (PgValue){.kind = PG_VALUE_NULL};
    made.message.old_kind = 'K';
    made.message.old_row = (PgTuple){COLUMNS, made.old};
    made.now[PART] = made.now[NOTE] = (PgValue){.kind = PG_VALUE_UNCHANGED};
    if (!row_change_read(&made.binding, &made.message, NULL, &scratch, &change, &err))
        fail_msg("%s", err.message);
    assert_true(change.key_changed);
    assert_string_equal(change.now[PART].data, "long");
    assert_int_equal(change.now[NOTE].kind, PG_VALUE_UNCHANGED);
    row_scratch_clear(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_of_another_width_is_malformed),
        cmocka_unit_test(a_value_in_binary_form_is_malformed),
        cmocka_unit_test(a_change_that_names_no_row_is_malformed),
        cmocka_unit_test(a_key_that_is_not_whole_is_malformed),
        cmocka_unit_test(an_unchanged_value_of_the_key_is_the_old_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
