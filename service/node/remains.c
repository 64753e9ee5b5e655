#include "node/remains.h"

#include <time.h>

#include "base/clock.h"

#define WAIT (2 * MICROSECONDS_PER_SECOND)

int remains_wait(int (*held)(const void *thing), const void *thing)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    const Microseconds deadline = clock_now() + WAIT;
    int r;

    while ((r = held(thing)) == 1 && clock_now() < deadline)
        (void)nanosleep(&pause, NULL);
    return r;
}
