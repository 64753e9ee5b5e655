#include "ctl/lock-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define NAME ".lock"

/* One that was removed between open() and flock() locks nothing. */
static int take(int fd)
{
    struct stat status;

    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    if (fstat(fd, &status) < 0)
        return -errno;
    return status.st_nlink > 0 ? 0 : -EBUSY;
}

int lock_file_take(int directory, const char *path, const char *busy, int *ret_fd, Problem *problem)
{
    _cleanup_close_ int fd = openat(directory, NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    int r = fd < 0 ? -errno : take(fd);

    if (r < 0)
        return problem_set(problem, r, "%s: %s", path, r == -EBUSY ? busy : strerror(-r));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

void lock_file_remove(int directory)
{
    (void)unlinkat(directory, NAME, 0);
}
