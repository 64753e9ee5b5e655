/* Time for deadlines: the monotonic clock only; no decision of this product reads the wall clock. */
#pragma once

#include <stdint.h>

typedef uint64_t Microseconds;

#define MICROSECONDS_PER_MILLISECOND 1000ULL
#define MICROSECONDS_PER_SECOND      1000000ULL
#define MICROSECONDS_FOREVER         UINT64_MAX

/* CLOCK_MONOTONIC now. */
Microseconds clock_now(void);
/* Milliseconds left until `deadline` as poll() wants them: rounded up, 0 when it has passed, -1 for MICROSECONDS_FOREVER. */
int clock_poll_timeout(Microseconds deadline);
