/*
 * How far a copy is and how long the rest takes, by the weights that the plan gave its tasks.
 *
 * A part of a table that is being copied counts by its bytes of COPY data, which are more or fewer
 * than its bytes on disk; by what factor, the parts that are done tell.
 */
#pragma once

/* Weights, but for the last two. */
typedef struct Reckoning {
    double all;         /* of all tasks */
    double done;        /* of those that are done */
    double copies;      /* of all copies of rows */
    double copies_done; /* of those that are done */
    double bytes_done;  /* of COPY data, of copies that are done */
    double bytes_sent;  /* of those in work */
} Reckoning;

/* 0..1, and 1 only where all is done. */
double reckon_share(const Reckoning *reckoning);
/* < 0: it cannot be known yet, or it is so long that something waits. */
double reckon_seconds_left(double share, double elapsed);
