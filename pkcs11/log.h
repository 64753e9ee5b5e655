/* The module's voice: one line for the administrator, to where the roster says. */
#pragma once

#include "quorum/roster.h"

/* `priority` as syslog's. Never opens or closes the process's own connection to syslog. */
void log_line(LogTarget target, int priority, const char *text);
