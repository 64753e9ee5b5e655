/* A wall clock that is wrong, for the program that this is loaded into: by $SHIFT_CLOCK seconds. Other clocks are as they are. */
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    const char *shift = getenv("SHIFT_CLOCK");
    int r = (int)syscall(SYS_clock_gettime, clock, ret_time);

    if (r == 0 && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret_time->tv_sec += atol(shift);
    return r;
}

time_t time(time_t *ret_seconds)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret_seconds)
        *ret_seconds = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret_time, void *restrict zone)
{
    struct timespec now = {0};
    int r = clock_gettime(CLOCK_REALTIME, &now);

    *ret_time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return r;
}
