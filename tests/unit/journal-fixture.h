/* A journal of our own: a datagram socket in a temporary directory, to which $KEYQUORUM_JOURNAL leads. For one test in one process. */
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/journal.h"
#include "unit.h"

#define JOURNAL_ENTRY_SIZE 16384

static char journal_directory[] = "/tmp/test-journal-XXXXXX";
static char journal_path[64];

static inline void journal_set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(journal_directory));
    (void)snprintf(journal_path, sizeof(journal_path), "%s/socket", journal_directory);
    ck_assert_int_eq(setenv("KEYQUORUM_JOURNAL", journal_path, 1), 0);
}

static inline void journal_clean_up(void)
{
    (void)unlink(journal_path);
    (void)rmdir(journal_directory);
}

static inline int journal_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", journal_path);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The next entry, as text; fails when none comes. */
static inline void journal_take(int fd, char ret_entry[JOURNAL_ENTRY_SIZE])
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    ck_assert_msg(poll(&readable, 1, 10 * 1000) == 1, "no entry comes");

    ssize_t size = recv(fd, ret_entry, JOURNAL_ENTRY_SIZE - 1, 0);

    ck_assert_int_gt(size, 0);
    ret_entry[size] = '\0';
    ck_assert_uint_eq(strlen(ret_entry), (size_t)size);
    ck_assert_int_eq(ret_entry[size - 1], '\n');
}

/* The value of a line "NAME=value"; NULL: there is no such line. The last one stays. */
static inline const char *journal_value(const char *entry, const char *name)
{
    static char found[JOURNAL_ENTRY_SIZE];
    const size_t size = strlen(name);

    for (const char *line = entry, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (strncmp(line, name, size) != 0 || line[size] != '=')
            continue;
        (void)snprintf(found, sizeof(found), "%.*s", (int)(end - line - (ptrdiff_t)size - 1), line + size + 1);
        return found;
    }
    return NULL;
}
