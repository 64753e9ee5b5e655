/* Where entries go: the journal's socket, or standard error. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct JournalSink {
    int fd; /* of the journal's socket; -1: not open */
} JournalSink;

#define JOURNAL_SINK_INIT                                                                                                                  \
    (JournalSink)                                                                                                                          \
    {                                                                                                                                      \
        .fd = -1                                                                                                                           \
    }

/* The journal's socket: $KEYQUORUM_JOURNAL, where that is set (empty: none); else the system's, if standard error is connected to the
 * journal ($JOURNAL_STREAM, systemd.exec(5)). NULL: entries are lines for standard error. The answer never changes. */
const char *journal_sink_path(void);

/* Hand one entry over, whole. One thread at a time; never waits much longer than `timeout` (milliseconds).
 * Errors: -EAGAIN it is not taken now: try again; -errno it is lost. */
int journal_sink_send(JournalSink *sink, const void *data, size_t size, int timeout);
void journal_sink_close(JournalSink *sink);
