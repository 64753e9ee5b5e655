#include "base/journal-sink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"

#define SYSTEM_JOURNAL "/run/systemd/journal/socket"

static const char *path;

static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char expected[64];

    if (!stream || fstat(STDERR_FILENO, &status) < 0)
        return false;
    (void)snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, expected) == 0;
}

static void choose(void)
{
    const char *told = getenv("KEYQUORUM_JOURNAL");

    if (told)
        path = *told ? told : NULL;
    else if (stderr_is_journal() && access(SYSTEM_JOURNAL, W_OK) == 0)
        path = SYSTEM_JOURNAL;
}

const char *journal_sink_path(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, choose);
    return path;
}

/* Connected, so that poll() waits for room at the other end. */
static int open_journal(JournalSink *sink)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", journal_sink_path()) >= (int)sizeof(address.sun_path))
        return -ENAMETOOLONG;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    sink->fd = TAKE_FD(fd);
    return 0;
}

static int wait_for_room(int fd, int timeout)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    return poll(&room, 1, timeout) == 1 ? 0 : -EAGAIN;
}

static int try_journal(JournalSink *sink, const void *data, size_t size, int timeout)
{
    int r = sink->fd < 0 ? open_journal(sink) : 0;

    if (r == 0)
        r = wait_for_room(sink->fd, timeout);
    if (r == 0 && send(sink->fd, data, size, MSG_NOSIGNAL) < 0)
        r = -errno;
    return r;
}

/* A journal that is away comes back: only an entry that it will never take is lost. */
static int send_to_journal(JournalSink *sink, const void *data, size_t size, int timeout)
{
    int r = try_journal(sink, data, size, timeout);

    if (r == 0 || r == -EAGAIN || r == -EMSGSIZE)
        return r;
    journal_sink_close(sink);
    (void)poll(NULL, 0, timeout);
    return -EAGAIN;
}

/* One write, so that lines of several processes do not mix. */
static int write_to_stderr(const void *data, size_t size, int timeout)
{
    int r = wait_for_room(STDERR_FILENO, timeout);

    if (r == 0 && write(STDERR_FILENO, data, size) < 0)
        r = errno == EINTR ? -EAGAIN : -errno;
    return r;
}

int journal_sink_send(JournalSink *sink, const void *data, size_t size, int timeout)
{
    return journal_sink_path() ? send_to_journal(sink, data, size, timeout) : write_to_stderr(data, size, timeout);
}

void journal_sink_close(JournalSink *sink)
{
    cleanup_close(&sink->fd);
    sink->fd = -1;
}
