/*
 * How many rows tables have, inside the pause (rule 34): the smallest first, on both sides at
 * once, as far as a small part of the time goes. Private to src/move/verify*.c.
 */
#pragma once

#include "move/verify.h"

/* Differences go to the report; *ret: how many tables were counted on both sides. */
bool verify_counts(VerifyRun *run, double deadline_s, int *ret, Error *err) MUST_USE;
