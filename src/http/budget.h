/*
 * Memory that all connections may hold together for what clients send and what
 * is sent to them: whoever comes when it is used up is told to come again.
 * Those who have not shown who they are have a part of it only.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Budget {
    size_t limit; /* 0: none */
    atomic_size_t used;
    atomic_size_t strangers; /* of that, by those */
} Budget;

/* False: there is not that much left, and nothing was taken. */
bool budget_take(Budget *budget, size_t bytes, bool stranger);
/* It is there already, and cannot be refused. */
void budget_add(Budget *budget, size_t bytes);
void budget_give(Budget *budget, size_t bytes, bool stranger);
/* Of one who has shown by now who he is. */
void budget_accept(Budget *budget, size_t bytes);
