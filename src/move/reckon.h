/*
 * How far a copy is and how long the rest takes, by the weights that the plan gave its tasks.
 *
 * A part of a table that is being copied counts by its rows, where it is known how many it has.
 * Where most of it is TOAST, whose size differs from row to row, it counts by its bytes of COPY
 * data if that is less: values that are compressed on disk are more bytes than these. Where nobody
 * knows the rows its bytes have to do, which are more or fewer than its bytes on disk; by what
 * factor, the parts that are done tell.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Weights, but for bytes. */
typedef struct Reckoning {
    double all;         /* of all tasks */
    double done;        /* of those that are done */
    double copies;      /* of all copies of rows */
    double copies_done; /* of those that are done */
    double bytes_done;  /* of COPY data, of copies that are done */
    double bytes_sent;  /* of those in work, but for the next ones */
    double reckoned;    /* weight of those in work that reckon_part() knows */
} Reckoning;

/* A part in work. */
typedef struct PartSent {
    double weight;        /* of the whole part: its bytes on disk */
    double rows_expected; /* <= 0: not known */
    bool toasted;         /* most of its bytes are not in its rows */
    int64_t rows;
    int64_t bytes; /* of COPY data */
} PartSent;

/* How much of its weight is done; only where its rows are known. */
double reckon_part(const PartSent *part);

/* 0..1, and 1 only where all is done. */
double reckon_share(const Reckoning *reckoning);
/* < 0: it cannot be known yet, or it is so long that something waits. */
double reckon_seconds_left(double share, double elapsed);
/* How long that much takes at that rate; < 0 likewise. */
double reckon_time(double amount, double rate);
/* Whether a limit is: `rest` is left of it beside what is held, which grows by so much a second. */
bool reckon_is_near(double rest, double held, double growth);
