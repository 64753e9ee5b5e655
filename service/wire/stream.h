/*
 * A stream is how bytes travel: a table of functions. Rows: unix sockets, and TLS 1.3 over TCP (wire/tls.h).
 * All operations are non-blocking; nothing waits for a connection or a handshake either: reading and writing drive them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/problem.h"
#include "wire/tls.h"

#define STREAM_PINS_MAX 2

/* Who we are to a "tls:" address, and whom we expect there; other addresses ignore it. The function that gets it keeps what it needs. */
typedef struct StreamPeer {
    TlsIdentity *own;
    uint8_t pins[STREAM_PINS_MAX][TLS_PIN_SIZE]; /* any of them will do: two while the other side changes its key */
    unsigned n_pins;
    Microseconds silence; /* a host that takes nothing for so long is gone; 0: STREAM_SILENCE */
} StreamPeer;

#define STREAM_SILENCE     (5 * MICROSECONDS_PER_SECOND)
#define STREAM_SILENCE_MIN (1 * MICROSECONDS_PER_SECOND)

typedef struct Stream Stream;

typedef struct StreamClass {
    const char *scheme; /* of an address: "unix" in "unix:/run/…" */
    /* Is what follows the scheme and its colon right? Errors: -EINVAL. */
    int (*check)(const char *address, Problem *problem);
    /* Start connecting; the address was checked. Errors: -EAGAIN the other side's queue is full: try again later; -errno. */
    int (*connect)(const char *address, const StreamPeer *peer, Stream **ret_stream, Problem *problem);
    /* Bytes read or written; -EAGAIN; 0 from read: the end. Other errors: -EPIPE, -ECONNRESET, -EKEYREJECTED (a pin, on either side),
     * -errno. No signals. A write that answered -EAGAIN is to be repeated with the same bytes first. */
    ssize_t (*read)(Stream *stream, void *ret_data, size_t size);
    ssize_t (*write)(Stream *stream, const void *data, size_t size);
    /* What to poll for, of one that wants `wanted` (POLLIN, POLLOUT); NULL: that. */
    short (*events)(const Stream *stream, short wanted);
    /* What went wrong, in words; NULL, also as the answer: the error code says it all. */
    const char *(*words)(const Stream *stream);
    /* Close without a word to the other side when `inherited` (a forked child), otherwise properly; releases it. */
    void (*close)(Stream *stream, bool inherited);
} StreamClass;

struct Stream {
    const StreamClass *class;
    int fd; /* for poll(); O_CLOEXEC, O_NONBLOCK */
};

/* Connect to an address such as "unix:/run/keyquorum/alpha.sock" (the path absolute, at most 107 bytes) or "tls:192.0.2.11:7853"
 * (base/address.h). `peer` may be NULL but for "tls:".
 * Errors: those of stream_address_check(); -ENOKEY "tls:" without a `peer` that has a key; the row's. */
int stream_connect(const char *address, const StreamPeer *peer, Stream **ret_stream, Problem *problem) _must_check_;
/* A stream over a connected unix socket; owns `fd` on success and makes it non-blocking. Errors: -ENOMEM, -errno. */
int stream_from_unix_fd(int fd, Stream **ret_stream) _must_check_;
Stream *stream_close(Stream *stream);           /* NULL is fine */
Stream *stream_close_inherited(Stream *stream); /* in a forked child */
DEFINE_CLEANUP(Stream, stream_close)
#define _cleanup_stream_ _cleanup_(stream_closep)

short stream_events(const Stream *stream, short wanted);
const char *stream_words(const Stream *stream);

/* Is the text an address that stream_connect() could take (scheme known, form right)? Errors: -EINVAL, -EPROTONOSUPPORT. */
int stream_address_check(const char *address, Problem *problem) _must_check_;

/* ---- The server's end of TLS -------------------------------------------------------------------------------------------------------- */

/* Over an accepted TCP socket; owns `fd` on success and makes it non-blocking. `check` decides about the client's pin, once, in the
 * handshake. Errors: -ENOMEM, -errno. */
int stream_tls_accept(int fd, TlsIdentity *own, const TlsCheck *check, Stream **ret_stream) _must_check_;
/* Go on with the handshake, of either side. 0: it is done; -EAGAIN: poll for stream_events(stream, 0); others as read(). */
int stream_tls_handshake(Stream *stream) _must_check_;
/* Tell the other side, as far as there is room, that no more is written; reading goes on. */
void stream_tls_end(Stream *stream);

/* The rows. */
extern const StreamClass stream_unix_class;
extern const StreamClass stream_tls_class;
