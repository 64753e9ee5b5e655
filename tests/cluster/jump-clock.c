/* A monotonic clock that jumps ahead, for the program that this is loaded into: by as many seconds as the file $JUMP_CLOCK says. It wakes
 * nobody: whoever waits for a time looks at the clock when something else has come. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long seconds(void)
{
    const char *path = getenv("JUMP_CLOCK");
    FILE *file = path ? fopen(path, "re") : NULL;
    char text[32] = "";

    if (!file)
        return 0;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret_time);

    if (r == 0 && clock == CLOCK_MONOTONIC)
        ret_time->tv_sec += seconds();
    return r;
}
