/* Loaded before the C library into a program under test: at the call number $KILL_AT of those that change what is on the disk, the process
 * is killed, as kill -9 or a power cut would. At the number $KILL_AT_SEND of those that send something, likewise. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void count_as(const char *variable, long *calls)
{
    const char *at = getenv(variable);

    if (at && ++*calls == strtol(at, NULL, 10))
        (void)kill(getpid(), SIGKILL);
}

static void count(void)
{
    static long calls;

    count_as("KILL_AT", &calls);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    static long calls;

    count_as("KILL_AT_SEND", &calls);
    return syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
}

int fsync(int fd)
{
    count();
    return (int)syscall(SYS_fsync, fd);
}

int renameat2(int old_directory, const char *old_name, int new_directory, const char *new_name, unsigned flags)
{
    count();
    return (int)syscall(SYS_renameat2, old_directory, old_name, new_directory, new_name, flags);
}

int rename(const char *old_name, const char *new_name)
{
    return renameat2(AT_FDCWD, old_name, AT_FDCWD, new_name, 0);
}

int unlinkat(int directory, const char *name, int flags)
{
    count();
    return (int)syscall(SYS_unlinkat, directory, name, flags);
}

int mkdirat(int directory, const char *name, mode_t mode)
{
    count();
    return (int)syscall(SYS_mkdirat, directory, name, mode);
}

int linkat(int old_directory, const char *old_name, int new_directory, const char *new_name, int flags)
{
    count();
    return (int)syscall(SYS_linkat, old_directory, old_name, new_directory, new_name, flags);
}
