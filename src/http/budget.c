#include "http/budget.h"

enum {
    STRANGERS_PART = 4 /* of the whole */
};

static bool take(atomic_size_t *used, size_t bytes, size_t limit)
{
    size_t before = atomic_fetch_add(used, bytes);

    if (limit == 0 || (before <= limit && bytes <= limit - before))
        return true;
    atomic_fetch_sub(used, bytes);
    return false;
}

bool budget_take(Budget *budget, size_t bytes, bool stranger)
{
    if (stranger && !take(&budget->strangers, bytes, budget->limit / STRANGERS_PART))
        return false;
    if (take(&budget->used, bytes, budget->limit))
        return true;
    if (stranger)
        atomic_fetch_sub(&budget->strangers, bytes);
    return false;
}

void budget_add(Budget *budget, size_t bytes)
{
    atomic_fetch_add(&budget->used, bytes);
}

void budget_give(Budget *budget, size_t bytes, bool stranger)
{
    atomic_fetch_sub(&budget->used, bytes);
    if (stranger)
        atomic_fetch_sub(&budget->strangers, bytes);
}

void budget_accept(Budget *budget, size_t bytes)
{
    atomic_fetch_sub(&budget->strangers, bytes);
}
