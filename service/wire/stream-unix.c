#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "wire/stream.h"

#define SCHEME "unix"

static const char *path_of(const char *address)
{
    return address + strlen(SCHEME ":");
}

static int unix_check(const char *address, Problem *problem)
{
    const size_t size_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    const char *path = path_of(address);

    if (path[0] != '/')
        return problem_set(problem, -EINVAL, "'%s': the path of a unix socket must be absolute: " SCHEME ":/run/…", address);
    if (strlen(path) > size_max)
        return problem_set(problem, -EINVAL, "'%s': the path of a unix socket has at most %zu bytes", address, size_max);
    return 0;
}

static const char *advice_for(int error)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return "; is it running?";
    case EACCES:
    case EPERM:
        return "; is this user in the socket's group?";
    default:
        return "";
    }
}

static int unix_connect(const char *address, const StreamPeer *peer, Stream **ret_stream, Problem *problem)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    if (fd < 0)
        return problem_set(problem, -errno, "cannot make a socket: %m");
    memcpy(name.sun_path, path_of(address), strlen(path_of(address)));
    if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
        int error = errno;

        return problem_set(problem, -error, "cannot connect to %s: %m%s", address, advice_for(error));
    }

    int r = stream_from_unix_fd(fd, ret_stream);

    if (r < 0)
        return problem_set(problem, r, "out of memory");
    (void)TAKE_FD(fd);
    return 0;
}

static ssize_t unix_read(Stream *stream, void *ret_data, size_t size)
{
    ssize_t n;

    do
        n = recv(stream->fd, ret_data, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t unix_write(Stream *stream, const void *data, size_t size)
{
    ssize_t n;

    do
        n = send(stream->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void unix_close(Stream *stream, bool inherited)
{
    (void)close(stream->fd);
    free(stream);
}

const StreamClass stream_unix_class = {
    .scheme = SCHEME,
    .check = unix_check,
    .connect = unix_connect,
    .read = unix_read,
    .write = unix_write,
    .close = unix_close,
};

static int set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

int stream_from_unix_fd(int fd, Stream **ret_stream)
{
    int r = set_flags(fd);

    if (r < 0)
        return r;

    Stream *stream = malloc(sizeof(*stream));

    if (!stream)
        return -ENOMEM;
    *stream = (Stream){.class = &stream_unix_class, .fd = fd};
    *ret_stream = stream;
    return 0;
}
