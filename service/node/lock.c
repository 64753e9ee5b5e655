#include "node/lock.h"

#include <time.h>

Microseconds lock_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (Microseconds)now.tv_sec * MICROSECONDS_PER_SECOND + (Microseconds)now.tv_nsec / 1000;
}

LockWindow lock_window(uint64_t seconds, uint64_t count, Microseconds now)
{
    return (LockWindow){
        .until = seconds > 0 ? now + seconds * MICROSECONDS_PER_SECOND : MICROSECONDS_FOREVER,
        .left = count > 0 ? count : UINT64_MAX,
    };
}

bool lock_window_is_open(const LockWindow *window, Microseconds now)
{
    return window->left > 0 && now < window->until;
}

bool lock_window_take(LockWindow *window, Microseconds now)
{
    if (!lock_window_is_open(window, now))
        return false;
    if (window->left != UINT64_MAX)
        window->left--;
    return true;
}
