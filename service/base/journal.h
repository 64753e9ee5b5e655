/*
 * The log of the daemons; libraries never log. An entry goes to the journal with its fields, or as a line "<PRIORITY>message" to standard
 * error where there is no journal (sd-daemon(3)): $KEYQUORUM_JOURNAL and $JOURNAL_STREAM decide, see keyquorum-journal(7).
 *
 * Any thread may log, and none waits for whoever reads: after journal_start() entries go through a bounded queue to a thread of their own.
 * What does not fit is counted, and EVENT_LOST says how many once entries are taken again. Without journal_start(), after journal_stop(),
 * and in a forked child, an entry goes out at once, or is counted as lost if it is not taken within a tenth of a second.
 *
 * Never pass a secret.
 */
#pragma once

#include <stdbool.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/journal-events.h"

#define JOURNAL_QUEUE_MAX 4096

/* The value of each field, by JournalField; NULL: none. Any text: control characters, backslashes and what is not UTF-8 are escaped
 * ("\x0a"). */
typedef const char *const JournalFields[JOURNAL_FIELD_MAX];

/* One line in words; `priority` as syslog's (LOG_NOTICE …). Control characters become '?'. */
void journal_log(int priority, const char *format, ...) _printf_(2, 3);
/* An event of the table, with the words for those who read without fields:
 *     journal_event(EVENT_CLIENT_UNKNOWN, (JournalFields){[JOURNAL_PIN] = pin, [JOURNAL_PEER] = peer}, "%s is unknown here (pin %s)", peer,
 * pin); `fields` may be NULL. */
void journal_event(JournalEvent event, const JournalFields fields, const char *format, ...) _printf_(3, 4);

/* The node's name, which every entry from now on carries as KEYQUORUM_NODE; cut at 64 bytes. While there is one thread. */
void journal_set_node(const char *name);
/* Threads may be made now: from here on nobody waits. The thread starts with the next entry. */
void journal_start(void);
/* Wait until the queue is empty, but not longer than about a second: a journal that takes nothing holds up no exit. */
void journal_stop(void);

/* Lines of journal_log() beyond this priority are left out; events never are. LOG_INFO unless set. Any thread. */
void journal_level_set(int priority);
int journal_level(void);
/* Does it go to the journal (else to standard error)? */
bool journal_is_native(void);
