#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "move/apply_reduce.h"

/*
 * A table of three columns: id (key), a, b. The model keeps what the source has; the side is what
 * the window finds. After a window its net effect on the side must give the source's rows.
 */
enum {
    COLUMNS = 3,
    IDS = 8,
};

typedef struct Row {
    bool there;
    char values[COLUMNS][16];
} Row;

typedef struct Model {
    Arena *arena;
    Binding binding;
    Reduce *reduce;
    Row source[IDS];
    Row side[IDS];
} Model;

static const char *const no_value = "";

static PgValue value(const char *text)
{
    if (!text)
        return (PgValue){.kind = PG_VALUE_NULL};
    if (text == no_value)
        return (PgValue){.kind = PG_VALUE_UNCHANGED};
    return (PgValue){.kind = PG_VALUE_TEXT, .data = text, .len = (int)strlen(text)};
}

static Model model_new(ApplyWay way, bool replace)
{
    Model model = {.arena = arena_new()};

    model.binding = (Binding){.schema = "s", .name = "t", .way = way, .replace = replace};
    model.binding.column_count = COLUMNS;
    model.binding.columns = arena_array(model.arena, COLUMNS, sizeof(BoundColumn));
    model.binding.key = arena_array(model.arena, 1, sizeof(int));
    model.binding.key_count = way == APPLY_APPEND ? 0 : 1;
    return model;
}

static void model_clear(Model *model)
{
    reduce_clear(model->reduce);
    arena_free(model->arena);
}

static void begin_window(Model *model)
{
    reduce_clear(model->reduce);
    model->reduce = reduce_new(model->arena, &model->binding);
}

static void change(Model *model, char op, const char *old_id, const char *id, const char *a,
                   const char *b)
{
    PgValue now[COLUMNS] = {value(id), value(a), value(b)};
    PgValue old[COLUMNS] = {value(old_id ? old_id : id), value(NULL), value(NULL)};
    RowChange made = {
        .op = op,
        .now = op == 'D' ? NULL : now,
        .old = op == 'I' ? NULL : old,
        .key_changed = op == 'U' && old_id && strcmp(old_id, id) != 0,
    };
    reduce_add(model->reduce, &made);
}

static const NetRow *net_row(const Model *model, const char *id)
{
    PgValue key[COLUMNS] = {{0}};

    for (const NetRow *row = net_next(model->reduce, NULL); row;
         row = net_next(model->reduce, row)) {
        net_key_values(model->reduce, row, key);
        if ((size_t)key[0].len == strlen(id) && memcmp(key[0].data, id, strlen(id)) == 0)
            return row;
    }
    return NULL;
}

static NetVerb verb_of(const Model *model, const char *id)
{
    const NetRow *row = net_row(model, id);

    return row ? net_verb(model->reduce, row) : NET_NOTHING;
}

static void check_image(const Model *model, const char *id, const char *a, const char *b)
{
    const char *const wanted[] = {id, a, b};
    const NetRow *row = net_row(model, id);
    PgValue values[COLUMNS];

    assert_non_null(row);
    net_image_values(model->reduce, row, values);
    for (int i = 0; i < COLUMNS; i++) {
        PgValue want = value(wanted[i]);
        if (!values_equal(&want, &values[i]))
            fail_msg("%s, column %d: kind %c, \"%.*s\"", id, i, values[i].kind, values[i].len,
                     values[i].data ? values[i].data : "");
    }
}

static void rule_15_a_row_is_reduced_to_its_last_state(void **state)
{
    (void)state;
    Model model = model_new(APPLY_BY_KEY, false);

    begin_window(&model);
    change(&model, 'I', NULL, "1", "x", "y");
    change(&model, 'U', NULL, "1", "z", "y");
    change(&model, 'I', NULL, "2", "x", NULL);
    change(&model, 'D', NULL, "2", NULL, NULL);
    change(&model, 'U', NULL, "3", "p", "q");
    change(&model, 'D', NULL, "3", NULL, NULL);
    change(&model, 'D', NULL, "4", NULL, NULL);
    change(&model, 'I', NULL, "4", "new", NULL);
    assert_int_equal(verb_of(&model, "1"), NET_INSERT);
    check_image(&model, "1", "z", "y");
    assert_int_equal(verb_of(&model, "2"), NET_NOTHING);
    assert_int_equal(verb_of(&model, "3"), NET_DELETE);
    assert_int_equal(verb_of(&model, "4"), NET_UPDATE);
    check_image(&model, "4", "new", NULL);
    assert_false(model.reduce->odd);
    model_clear(&model);
}

static void rule_15_unchanged_values_come_from_the_windows_earlier_image(void **state)
{
    (void)state;
    Model model = model_new(APPLY_BY_KEY, false);

    begin_window(&model);
    change(&model, 'U', NULL, "1", "x", no_value);
    change(&model, 'U', NULL, "1", no_value, "y");
    check_image(&model, "1", "x", "y");
    assert_false(net_row(&model, "1")->partial);
    change(&model, 'U', NULL, "2", "x", no_value);
    check_image(&model, "2", "x", no_value);
    assert_true(net_row(&model, "2")->partial);
    assert_null(net_row(&model, "2")->origin);
    model_clear(&model);
}

static void rule_15_a_moved_row_keeps_what_its_old_key_knows(void **state)
{
    (void)state;
    Model model = model_new(APPLY_BY_KEY, false);
    PgValue key[COLUMNS] = {{0}};

    begin_window(&model);
    change(&model, 'U', "1", "2", "x", no_value);
    change(&model, 'U', "2", "3", no_value, no_value);
    assert_int_equal(verb_of(&model, "1"), NET_DELETE);
    assert_int_equal(verb_of(&model, "2"), NET_NOTHING);
    assert_int_equal(verb_of(&model, "3"), NET_INSERT);
    check_image(&model, "3", "x", no_value);
    assert_non_null(net_row(&model, "3")->origin);
    net_key_values(model.reduce, net_row(&model, "3")->origin, key);
    assert_memory_equal(key[0].data, "1", 1);
    /* Back where it came from: nothing to be filled in, it is the row that is there. */
    change(&model, 'U', "3", "1", no_value, no_value);
    assert_int_equal(verb_of(&model, "1"), NET_UPDATE);
    assert_null(net_row(&model, "1")->origin);
    assert_int_equal(verb_of(&model, "3"), NET_NOTHING);
    model_clear(&model);
}

static void what_cannot_follow_on_each_other_is_odd(void **state)
{
    (void)state;
    Model model = model_new(APPLY_BY_KEY, false);

    begin_window(&model);
    change(&model, 'I', NULL, "1", "x", "y");
    change(&model, 'I', NULL, "1", "x", "y");
    assert_true(model.reduce->odd);
    begin_window(&model);
    change(&model, 'D', NULL, "1", NULL, NULL);
    change(&model, 'U', NULL, "1", "x", "y");
    assert_true(model.reduce->odd);
    begin_window(&model);
    change(&model, 'D', NULL, "1", NULL, NULL);
    change(&model, 'D', NULL, "1", NULL, NULL);
    assert_true(model.reduce->odd);
    begin_window(&model);
    change(&model, 'I', NULL, "2", "x", "y");
    assert_false(model.reduce->odd);
    change(&model, 'U', "1", "2", "x", "y"); /* onto one that is there */
    assert_true(model.reduce->odd);
    model_clear(&model);
    model = model_new(APPLY_APPEND, false);
    begin_window(&model);
    change(&model, 'I', NULL, "1", "x", "y");
    assert_false(model.reduce->odd);
    change(&model, 'D', NULL, "1", NULL, NULL); /* which row? */
    assert_true(model.reduce->odd);
    model_clear(&model);
}

static void rows_without_identity_are_added_in_their_order(void **state)
{
    (void)state;
    Model model = model_new(APPLY_APPEND, false);
    const char *const wanted[] = {"1", "1", "2"};
    PgValue values[COLUMNS];
    int at = 0;

    begin_window(&model);
    change(&model, 'I', NULL, "1", "x", NULL);
    change(&model, 'I', NULL, "1", "x", NULL);
    change(&model, 'I', NULL, "2", "x", NULL);
    for (const NetRow *row = net_next(model.reduce, NULL); row; row = net_next(model.reduce, row)) {
        assert_int_equal(net_verb(model.reduce, row), NET_INSERT);
        net_image_values(model.reduce, row, values);
        assert_memory_equal(values[0].data, wanted[at++], 1);
    }
    assert_int_equal(at, 3);
    model_clear(&model);
}

/* ---- random windows ---- */

static void set_text(char *to, int number)
{
    (void)snprintf(to, 16, "%d", number);
}

static void random_insert(Model *model, int id)
{
    Row *row = &model->source[id];

    row->there = true;
    set_text(row->values[0], id);
    set_text(row->values[1], rand() % 1000);
    set_text(row->values[2], rand() % 100000);
    change(model, 'I', NULL, row->values[0], row->values[1], row->values[2]);
}

static void random_update(Model *model, int id, int to)
{
    Row row = model->source[id];
    char old_id[16];
    bool changed[COLUMNS] = {true, rand() % 2, rand() % 2};

    set_text(old_id, id);
    set_text(row.values[0], to);
    for (int i = 1; i < COLUMNS; i++)
        if (changed[i])
            set_text(row.values[i], rand() % 100000);
    change(model, 'U', to != id ? old_id : NULL, row.values[0],
           changed[1] ? row.values[1] : no_value, changed[2] ? row.values[2] : no_value);
    model->source[id].there = false;
    model->source[to] = row;
}

static void random_change(Model *model)
{
    int id = rand() % IDS;
    int to = rand() % IDS;
    char text[16];

    if (!model->source[id].there) {
        random_insert(model, id);
    } else if (rand() % 4 == 0) {
        set_text(text, id);
        change(model, 'D', NULL, text, NULL, NULL);
        model->source[id].there = false;
    } else {
        random_update(model, id, rand() % 2 && !model->source[to].there ? to : id);
    }
}

static int id_of(const Model *model, const NetRow *row)
{
    PgValue key[COLUMNS] = {{0}};
    char text[16] = {0};

    net_key_values(model->reduce, row, key);
    memcpy(text, key[0].data, (size_t)key[0].len);
    return (int)strtol(text, NULL, 10);
}

static void put_values(const Model *model, const NetRow *row, const Row *before, Row *ret)
{
    PgValue values[COLUMNS];

    net_image_values(model->reduce, row, values);
    ret->there = true;
    for (int i = 0; i < COLUMNS; i++) {
        if (values[i].kind == PG_VALUE_UNCHANGED) {
            memcpy(ret->values[i], before->values[i], sizeof ret->values[i]);
            continue;
        }
        memset(ret->values[i], 0, sizeof ret->values[i]);
        memcpy(ret->values[i], values[i].data, (size_t)values[i].len);
    }
}

/* As the server does it: fill from old keys, delete, update, insert; every count as it must be. */
static void apply_net(Model *model)
{
    Row after[IDS];

    memcpy(after, model->side, sizeof after);
    for (const NetRow *row = net_next(model->reduce, NULL); row;
         row = net_next(model->reduce, row)) {
        NetVerb verb = net_verb(model->reduce, row);
        if (verb != NET_DELETE && verb != NET_REPLACE)
            continue;
        assert_true(model->side[id_of(model, row)].there);
        after[id_of(model, row)].there = false;
    }
    for (const NetRow *row = net_next(model->reduce, NULL); row;
         row = net_next(model->reduce, row)) {
        NetVerb verb = net_verb(model->reduce, row);
        const NetRow *origin = row->origin ? row->origin : row;
        if (verb == NET_NOTHING || verb == NET_DELETE)
            continue;
        if (row->partial)
            assert_true(model->side[id_of(model, origin)].there);
        assert_int_equal(after[id_of(model, row)].there, verb == NET_UPDATE);
        put_values(model, row, &model->side[id_of(model, origin)], &after[id_of(model, row)]);
    }
    memcpy(model->side, after, sizeof after);
}

static void check_sides(const Model *model, int round)
{
    for (int id = 0; id < IDS; id++) {
        const Row *source = &model->source[id];
        const Row *side = &model->side[id];
        bool same = source->there == side->there;
        for (int i = 0; same && source->there && i < COLUMNS; i++)
            same = strcmp(source->values[i], side->values[i]) == 0;
        if (!same)
            fail_msg("window %d: row %d differs", round, id);
    }
}

static void random_windows(bool replace)
{
    Model model = model_new(APPLY_BY_KEY, replace);

    for (int round = 0; round < 3000; round++) {
        begin_window(&model);
        for (int i = rand() % 30; i >= 0; i--)
            random_change(&model);
        assert_false(model.reduce->odd);
        apply_net(&model);
        check_sides(&model, round);
    }
    model_clear(&model);
}

static void rule_15_random_windows_end_where_the_source_is(void **state)
{
    (void)state;
    srand(1);
    random_windows(false);
    random_windows(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_15_a_row_is_reduced_to_its_last_state),
        cmocka_unit_test(rule_15_unchanged_values_come_from_the_windows_earlier_image),
        cmocka_unit_test(rule_15_a_moved_row_keeps_what_its_old_key_knows),
        cmocka_unit_test(what_cannot_follow_on_each_other_is_odd),
        cmocka_unit_test(rows_without_identity_are_added_in_their_order),
        cmocka_unit_test(rule_15_random_windows_end_where_the_source_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
