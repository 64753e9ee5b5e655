#include "gate/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/address.h"

#define BACKLOG 1024

static int take_one(int fd, Problem *problem)
{
    int flags = fcntl(fd, F_GETFL);

    if (sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0) <= 0)
        return problem_set(problem, -EINVAL, "descriptor %d that was passed in is not a listening TCP socket", fd);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return problem_set(problem, -errno, "descriptor %d: %s", fd, strerror(errno));
    return 0;
}

static int take_passed(int n, Listeners *listeners, Problem *problem)
{
    if (n > LISTENERS_MAX)
        return problem_set(problem, -EINVAL, "%d sockets were passed in; at most %d can be served", n, LISTENERS_MAX);
    for (int i = 0; i < n; i++) {
        int r = take_one(SD_LISTEN_FDS_START + i, problem);

        if (r < 0)
            return r;
        listeners->fds[listeners->n++] = SD_LISTEN_FDS_START + i;
    }
    return 0;
}

static int bind_and_listen(int fd, const struct sockaddr_storage *name, socklen_t size)
{
    const int yes = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
        return -errno;
    if (name->ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)name, size) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return 0;
}

static int make(const char *address, Listeners *listeners, Problem *problem)
{
    struct sockaddr_storage name;
    socklen_t size;
    int r = address_parse_tls(address, &name, &size, problem);

    if (r < 0)
        return r;

    _cleanup_close_ int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    r = fd < 0 ? -errno : bind_and_listen(fd, &name, size);
    if (r < 0)
        return problem_set(problem, r, "cannot listen on %s: %s", address, strerror(-r));
    listeners->fds[listeners->n++] = TAKE_FD(fd);
    return 0;
}

int listeners_open(const char *address, Listeners *ret_listeners, Problem *problem)
{
    Listeners listeners = {0};
    int n = sd_listen_fds(1);

    if (n < 0)
        return problem_set(problem, n, "the sockets that were passed in cannot be taken: %s", strerror(-n));

    int r = n > 0 ? take_passed(n, &listeners, problem) : make(address, &listeners, problem);

    if (r == 0)
        *ret_listeners = listeners;
    return r;
}

void listeners_close(Listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++)
        (void)close(listeners->fds[i]);
    *listeners = (Listeners){0};
}
