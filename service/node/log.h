/* The daemon's log: lines on standard error with the priority in front, as sd-daemon(3) wants them; the journal takes it from there. */
#pragma once

#include <syslog.h>

#include "base/cleanup.h"

/* One line; `priority` as syslog's (LOG_NOTICE …). Control characters become '?'. Never pass a secret. Any thread. */
void node_log(int priority, const char *format, ...) _printf_(2, 3);
