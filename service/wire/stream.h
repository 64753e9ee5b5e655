/*
 * A stream is how bytes travel: a table of functions. Rows: unix sockets (and, for federation, TLS).
 * All operations are non-blocking.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/problem.h"

typedef struct Stream Stream;

typedef struct StreamClass {
    const char *scheme; /* of an address: "unix" in "unix:/run/…" */
    /* Is what follows the scheme and its colon right? Errors: -EINVAL. */
    int (*check)(const char *address, Problem *problem);
    /* Start connecting; the address was checked. Errors: -EAGAIN the other side's queue is full: try again later; -errno. */
    int (*connect)(const char *address, Stream **ret_stream, Problem *problem);
    /* Bytes read or written; -EAGAIN; 0 from read: the end. Other errors: -EPIPE, -ECONNRESET, -errno. No signals. */
    ssize_t (*read)(Stream *stream, void *ret_data, size_t size);
    ssize_t (*write)(Stream *stream, const void *data, size_t size);
    /* Close without a word to the other side when `inherited` (a forked child), otherwise properly; releases it. */
    void (*close)(Stream *stream, bool inherited);
} StreamClass;

struct Stream {
    const StreamClass *class;
    int fd; /* for poll(); O_CLOEXEC, O_NONBLOCK */
};

/* Connect to an address such as "unix:/run/keyquorum/alpha.sock" (the path absolute, at most 107 bytes).
 * Errors: those of stream_address_check(); the row's. */
int stream_connect(const char *address, Stream **ret_stream, Problem *problem) _must_check_;
/* A stream over a connected unix socket; owns `fd` on success and makes it non-blocking. Errors: -ENOMEM, -errno. */
int stream_from_unix_fd(int fd, Stream **ret_stream) _must_check_;
Stream *stream_close(Stream *stream);           /* NULL is fine */
Stream *stream_close_inherited(Stream *stream); /* in a forked child */
DEFINE_CLEANUP(Stream, stream_close)
#define _cleanup_stream_ _cleanup_(stream_closep)

/* Is the text an address that stream_connect() could take (scheme known, form right)? Errors: -EINVAL, -EPROTONOSUPPORT. */
int stream_address_check(const char *address, Problem *problem) _must_check_;

/* The rows. */
extern const StreamClass stream_unix_class;
