#include "base/clock.h"

#include <limits.h>
#include <time.h>

Microseconds clock_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (Microseconds)now.tv_sec * MICROSECONDS_PER_SECOND + (Microseconds)now.tv_nsec / 1000;
}

int clock_poll_timeout(Microseconds deadline)
{
    Microseconds now = clock_now();

    if (deadline == MICROSECONDS_FOREVER)
        return -1;
    if (deadline <= now)
        return 0;

    Microseconds left = (deadline - now + MICROSECONDS_PER_MILLISECOND - 1) / MICROSECONDS_PER_MILLISECOND;

    return left > INT_MAX ? INT_MAX : (int)left;
}
