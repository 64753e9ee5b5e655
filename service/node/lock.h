/* The lock of a key: a durable flag beside it says that it is locked; an operator opens it for a time, a number of signatures, or both.
 * What is open is known in memory only, so a restart locks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* All zero: closed. */
typedef struct LockWindow {
    Microseconds until; /* by lock_now(); MICROSECONDS_FOREVER: no limit */
    uint64_t left;      /* signatures; UINT64_MAX: no limit */
} LockWindow;

/* CLOCK_BOOTTIME: it goes on while the host sleeps, and nobody sets it. */
Microseconds lock_now(void);
/* 0: no limit. Not both. */
LockWindow lock_window(uint64_t seconds, uint64_t count, Microseconds now);
bool lock_window_is_open(const LockWindow *window, Microseconds now);
/* One signature more, if it is open. */
bool lock_window_take(LockWindow *window, Microseconds now);
