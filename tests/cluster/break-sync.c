/* Loaded before the C library into a program under test: while the file $BREAK_SYNC is there, no directory can be synced. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd)
{
    const char *flag = getenv("BREAK_SYNC");
    struct stat status;

    if (flag && access(flag, F_OK) == 0 && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}
