#include "node/listeners.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "node/remains.h"

#define BACKLOG 128

/* Whoever may connect there: what a socket is for must never be guessed. */
static int check_passed(int fd, Door door, const char *name, const NodeConfig *config, Problem *problem)
{
    if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0)
        return problem_set(problem, -EINVAL, "descriptor %d that was passed in is not a listening unix stream socket", fd);
    if (door == DOOR_MAX)
        return problem_set(problem, -EINVAL,
                           "the socket that was passed in under the name '%s' is for nothing: FileDescriptorName= has to "
                           "be local or gate",
                           name);
    if (door == DOOR_GATE && !config->gate_socket)
        return problem_set(problem, -EINVAL,
                           "a gate's socket was passed in, but the configuration has no Address=, GateSocket= and "
                           "Clients=");
    return 0;
}

static int take_passed(int n, char *const *names, const NodeConfig *config, Listeners *listeners, Problem *problem)
{
    int r = 0;

    if (n > LISTENERS_MAX)
        return problem_set(problem, -EINVAL, "%d sockets were passed in; at most %d can be served", n, LISTENERS_MAX);
    for (int i = 0; r == 0 && i < n; i++) {
        const int fd = SD_LISTEN_FDS_START + i;
        const Door door = door_from_name(names[i]);

        r = check_passed(fd, door, names[i], config, problem);
        if (r == 0) {
            listeners->doors[listeners->n] = door;
            listeners->fds[listeners->n++] = fd;
        }
    }
    return r;
}

static int answers(const void *address)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (connect(fd, address, sizeof(struct sockaddr_un)) == 0 || errno == EAGAIN) /* with a full backlog */
        return 1;
    return errno == ECONNREFUSED ? 0 : -errno;
}

static int remove_stale(const struct sockaddr_un *address, Problem *problem)
{
    struct stat status;
    int r;

    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : problem_set(problem, -errno, "%s: %s", address->sun_path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return problem_set(problem, -EADDRINUSE, "%s is there and is not a socket: remove it or choose another path", address->sun_path);
    r = remains_wait(answers, address);
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

static int make(const char *configured, Door door, Listeners *listeners, Problem *problem)
{
    const char *path = configured + strlen("unix:");
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
    listeners->doors[listeners->n] = door;
    listeners->paths[listeners->n] = strdup(path);
    listeners->fds[listeners->n++] = TAKE_FD(fd);
    if (!listeners->paths[listeners->n - 1] || listen(listeners->fds[listeners->n - 1], BACKLOG) < 0)
        return problem_set(problem, -errno, "%s: %s", path, strerror(errno));
    return 0;
}

static int make_all(const NodeConfig *config, Listeners *listeners, Problem *problem)
{
    int r = make(config->listen, DOOR_LOCAL, listeners, problem);

    return r == 0 && config->gate_socket ? make(config->gate_socket, DOOR_GATE, listeners, problem) : r;
}

static void free_names(char ***names)
{
    for (char **name = *names; name && *name; name++)
        free(*name);
    free(*names);
}

int listeners_open(const NodeConfig *config, Listeners *ret_listeners, Problem *problem)
{
    _cleanup_(listeners_close) Listeners listeners = {0};
    _cleanup_(free_names) char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names);
    int r;

    if (n < 0)
        return problem_set(problem, n, "the sockets that were passed in cannot be taken: %s", strerror(-n));
    r = n > 0 ? take_passed(n, names, config, &listeners, problem) : make_all(config, &listeners, problem);
    if (r < 0)
        return r;
    *ret_listeners = listeners;
    listeners = (Listeners){0};
    return 0;
}

void listeners_close(Listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++) {
        cleanup_close(&listeners->fds[i]);
        if (listeners->paths[i])
            (void)unlink(listeners->paths[i]);
        free(listeners->paths[i]);
    }
    *listeners = (Listeners){0};
}
