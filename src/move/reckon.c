#include "move/reckon.h"

enum {
    LONGEST_LEFT_S = 30 * 24 * 3600,
    SOON_S = 600,   /* a limit is reached */
    SMALL_REST = 8, /* or less than this part of what is held is left to it */
};

/* Before that much nothing is to be learnt from the time that it took. */
static const double least_share = 0.01;
static const double least_seconds = 1;
/* Of what is in work: it may hold more than its size lets expect. */
static const double most_running = 0.99;

double reckon_part(const PartSent *part)
{
    double most = part->weight * most_running;
    double done = part->weight * (double)part->rows / part->rows_expected;

    if (part->toasted && (double)part->bytes < done)
        done = (double)part->bytes;
    return done < most ? done : most;
}

double reckon_share(const Reckoning *reckoning)
{
    double rest = (reckoning->copies - reckoning->copies_done) * most_running;
    double factor = reckoning->bytes_done > 0 && reckoning->copies_done > 0
                        ? reckoning->copies_done / reckoning->bytes_done
                        : 1;
    double running = reckoning->bytes_sent * factor + reckoning->reckoned;

    if (reckoning->all <= 0)
        return 0;
    if (running > rest)
        running = rest;
    double share = (reckoning->done + running) / reckoning->all;
    return share < 1 ? share : 1;
}

double reckon_seconds_left(double share, double elapsed)
{
    if (share < least_share || elapsed < least_seconds)
        return -1;
    return reckon_time(1 - share, share / elapsed);
}

double reckon_time(double amount, double rate)
{
    return rate > 0 && amount / rate <= LONGEST_LEFT_S ? amount / rate : -1;
}

bool reckon_is_near(double rest, double held, double growth)
{
    double left = reckon_time(rest, growth);

    return rest < held / SMALL_REST || (left >= 0 && left < SOON_S);
}
