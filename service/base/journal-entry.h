/* An entry as bytes: for the journal's native protocol (systemd, "Native Journal Protocol": a datagram of NAME=value lines), or a line. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/journal.h"

typedef struct JournalEntry {
    struct JournalEntry *next;
    size_t size;
    char data[];
} JournalEntry;

/* What an entry is made of. */
typedef struct JournalContent {
    int priority;
    const char *event_id;      /* MESSAGE_ID; NULL: none */
    const char *node;          /* KEYQUORUM_NODE; "": none */
    const char *const *fields; /* JournalFields, or NULL */
} JournalContent;

/* `native`: for the journal; else a line. The result is to be released with free(); NULL without memory. */
JournalEntry *journal_entry_new(bool native, const JournalContent *content, const char *format, va_list arguments) _printf_(3, 0)
    _must_check_;
