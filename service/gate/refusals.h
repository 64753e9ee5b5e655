/* Refusals, and what else anybody can bring about, logged: each kind at most so often, so that nobody can fill the journal; what is left
 * out is counted. */
#pragma once

#include "base/clock.h"
#include "base/journal.h"

#define REFUSALS_PER_WINDOW 20
#define REFUSALS_WINDOW     (10 * MICROSECONDS_PER_SECOND)

typedef struct Refusals {
    Microseconds window; /* when it began */
    unsigned logged, left_out;
    const char *what; /* NULL: "connections were refused" */
} Refusals;

/* May one more be logged now? Says first how many were left out. */
bool refusals_take(Refusals *refusals);
/* Say how many were left out, if any. */
void refusals_report(Refusals *refusals);
