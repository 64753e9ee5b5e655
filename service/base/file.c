#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crypto.h"

/* Open for reading and say how large it is; only regular files, so that nobody can make us wait on a FIFO. */
static int open_regular(int directory, const char *name, size_t size_max, int *ret_fd, size_t *ret_size)
{
    _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if ((uint64_t)status.st_size > size_max)
        return -EFBIG;
    *ret_size = (size_t)status.st_size;
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
    size_t size;
    int r = open_regular(directory, name, size_max, &fd, &size);

    if (r == 0)
        r = bytes_new(size, &content);
    if (r == 0)
        r = read_whole(fd, content.data, size);
    if (r == 0)
        *ret_content = bytes_take(&content);
    return r;
}

int file_read_secret(int directory, const char *name, size_t size_max, Secret **ret_content)
{
    _cleanup_close_ int fd = -1;
    _cleanup_secret_ Secret *content = NULL;
    size_t size;
    int r = open_regular(directory, name, size_max, &fd, &size);

    if (r == 0 && size == 0)
        return -ENODATA;
    if (r == 0)
        r = secret_new(size, &content);
    if (r == 0)
        r = read_whole(fd, secret_data(content), size);
    if (r == 0)
        *ret_content = TAKE_PTR(content);
    return r;
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

static int sync_directory(int directory)
{
    return fsync(directory) < 0 ? -errno : 0;
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
