#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crypto.h"

/* Open for reading and say how large it is; only regular files, so that nobody can make us wait on a FIFO. */
static int open_regular(int directory, const char *name, size_t size_max, int *ret_fd, struct stat *ret_status)
{
    _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if ((uint64_t)status.st_size > size_max)
        return -EFBIG;
    *ret_status = status;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int read_whole(int fd, uint8_t *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = read(fd, data + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EIO; /* it shrank while we read */
        done += (size_t)got;
    }
    return 0;
}

int file_read(int directory, const char *name, size_t size_max, Bytes *ret_content)
{
    _cleanup_close_ int fd = -1;
    _cleanup_bytes_ Bytes content = {0};
    struct stat status;
    int r = open_regular(directory, name, size_max, &fd, &status);

    if (r == 0)
        r = bytes_new((size_t)status.st_size, &content);
    if (r == 0)
        r = read_whole(fd, content.data, content.size);
    if (r == 0)
        *ret_content = bytes_take(&content);
    return r;
}

static int read_into_secret(int fd, const struct stat *status, Secret **ret_content)
{
    _cleanup_secret_ Secret *content = NULL;

    if (status->st_size == 0)
        return -ENODATA;

    int r = secret_new((size_t)status->st_size, &content);

    if (r == 0)
        r = read_whole(fd, secret_data(content), secret_size(content));
    if (r == 0)
        *ret_content = TAKE_PTR(content);
    return r;
}

int file_read_secret(int directory, const char *name, size_t size_max, Secret **ret_content)
{
    _cleanup_close_ int fd = -1;
    struct stat status;
    int r = open_regular(directory, name, size_max, &fd, &status);

    return r < 0 ? r : read_into_secret(fd, &status, ret_content);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim) &&
           same_time(&a->st_ctim, &b->st_ctim) && (a->st_nlink == 0) == (b->st_nlink == 0);
}

static int check_private(const char *path, const struct stat *status, mode_t forbidden, Problem *problem)
{
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return problem_set(problem, -EPERM, "%s belongs to user %u, neither to this one (%u) nor to root", path, (unsigned)status->st_uid,
                           (unsigned)geteuid());
    if (status->st_mode & forbidden)
        return problem_set(problem, -EKEYREJECTED, "%s is open to others (mode %04o): run 'chmod %04o %s', and consider who has read it",
                           path, (unsigned)status->st_mode & 07777, 0700u & ~(unsigned)forbidden & status->st_mode, path);
    return 0;
}

int file_read_private(const char *path, size_t size_max, mode_t forbidden, Secret **ret_content, Problem *problem)
{
    _cleanup_close_ int fd = -1;
    struct stat status;
    int r = open_regular(AT_FDCWD, path, size_max, &fd, &status);

    if (r == -EINVAL)
        return problem_set(problem, r, "%s is not a regular file", path);
    if (r == 0) {
        r = check_private(path, &status, forbidden, problem);
        if (r < 0)
            return r;
        r = read_into_secret(fd, &status, ret_content);
    }
    return r < 0 ? problem_set(problem, r, "%s cannot be read: %s", path, strerror(-r)) : 0;
}

static int write_whole(int fd, const uint8_t *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t wrote = write(fd, data + done, size - done);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -errno;
        done += (size_t)wrote;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int write_temporary(int directory, const void *content, size_t size, mode_t mode, char ret_name[NAME_MAX])
{
    uint8_t random[8];
    char suffix[2 * sizeof(random) + 1];
    int r = crypto_random(random, sizeof(random));

    if (r < 0)
        return r;
    hex_encode(random, sizeof(random), suffix);
    (void)snprintf(ret_name, NAME_MAX, FILE_TEMPORARY_PREFIX "%s", suffix);

    _cleanup_close_ int fd = openat(directory, ret_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0)
        return -errno;
    r = write_whole(fd, content, size);
    if (r < 0)
        (void)unlinkat(directory, ret_name, 0);
    return r;
}

/* The names are changed already, for everyone who looks; whether they are after a power cut, nobody knows. */
static int sync_directory(int directory)
{
    return fsync(directory) < 0 ? -EUCLEAN : 0;
}

static int put_in_place(int directory, const char *temporary, const char *name, unsigned flags)
{
    if (renameat2(directory, temporary, directory, name, flags) < 0) {
        int r = -errno;

        (void)unlinkat(directory, temporary, 0);
        return r;
    }
    return sync_directory(directory);
}

static int file_put(int directory, const char *name, const void *content, size_t size, mode_t mode, unsigned flags)
{
    char temporary[NAME_MAX];
    int r = write_temporary(directory, content, size, mode, temporary);

    return r < 0 ? r : put_in_place(directory, temporary, name, flags);
}

int file_replace(int directory, const char *name, const void *content, size_t size, mode_t mode)
{
    return file_put(directory, name, content, size, mode, 0);
}

int file_create(int directory, const char *name, const void *content, size_t size, mode_t mode)
{
    return file_put(directory, name, content, size, mode, RENAME_NOREPLACE);
}

int file_remove(int directory, const char *name)
{
    if (unlinkat(directory, name, 0) < 0)
        return -errno;
    return sync_directory(directory);
}

int file_rename(int directory, const char *from, const char *to)
{
    if (renameat(directory, from, directory, to) < 0)
        return -errno;
    return sync_directory(directory);
}
