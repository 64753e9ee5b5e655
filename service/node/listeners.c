#include "node/listeners.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#define BACKLOG 128

static int take_passed(int n, Listeners *listeners, Problem *problem)
{
    if (n > LISTENERS_MAX)
        return problem_set(problem, -EINVAL, "%d sockets were passed in; at most %d can be served", n, LISTENERS_MAX);
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;

        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0)
            return problem_set(problem, -EINVAL, "descriptor %d that was passed in is not a listening unix stream socket", fd);
        listeners->fds[listeners->n++] = fd;
    }
    return 0;
}

static int answers(const struct sockaddr_un *address)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return 1;
    return errno == ECONNREFUSED ? 0 : -errno; /* EAGAIN: somebody listens, with a full backlog */
}

static int remove_stale(const struct sockaddr_un *address, Problem *problem)
{
    struct stat status;
    int r;

    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : problem_set(problem, -errno, "%s: %s", address->sun_path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return problem_set(problem, -EADDRINUSE, "%s is there and is not a socket: remove it or choose another Listen=", address->sun_path);
    r = answers(address);
    if (r != 0)
        return problem_set(problem, -EADDRINUSE, "somebody listens on %s already", address->sun_path);
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return problem_set(problem, -errno, "the stale socket %s cannot be removed: %s", address->sun_path, strerror(errno));
    return 0;
}

/* The mode is that of the file from its first moment. */
static int bind_privately(int fd, const struct sockaddr_un *address)
{
    const mode_t before = umask(0177);
    int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

    (void)umask(before);
    return r;
}

static int make(const char *path, Listeners *listeners, Problem *problem)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r;

    if (fd < 0)
        return problem_set(problem, -errno, "no socket: %s", strerror(errno));
    if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >= (int)sizeof(address.sun_path))
        return problem_set(problem, -ENAMETOOLONG, "the path %s is too long for a socket", path);
    r = remove_stale(&address, problem);
    if (r < 0)
        return r;
    r = bind_privately(fd, &address);
    if (r < 0)
        return problem_set(problem, r, "%s: %s", path, strerror(-r));
    listeners->path = strdup(path);
    if (!listeners->path || listen(fd, BACKLOG) < 0)
        return problem_set(problem, -errno, "%s: %s", path, strerror(errno));
    listeners->fds[listeners->n++] = TAKE_FD(fd);
    return 0;
}

int listeners_open(const char *address, Listeners *ret_listeners, Problem *problem)
{
    _cleanup_(listeners_close) Listeners listeners = {0};
    int n = sd_listen_fds(1);
    int r;

    if (n < 0)
        return problem_set(problem, n, "the sockets that were passed in cannot be taken: %s", strerror(-n));
    r = n > 0 ? take_passed(n, &listeners, problem) : make(address + strlen("unix:"), &listeners, problem);
    if (r < 0)
        return r;
    *ret_listeners = listeners;
    listeners = (Listeners){0};
    return 0;
}

void listeners_close(Listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++)
        cleanup_close(&listeners->fds[i]);
    if (listeners->path)
        (void)unlink(listeners->path);
    free(listeners->path);
    *listeners = (Listeners){0};
}
