/* Points in time as people write them, on the wall clock and in the local time zone: for looking things up, never for a decision. */
#pragma once

#include <stdint.h>

#include "base/problem.h"

/* "30min" (ago; s, min, h, d), "today", "yesterday", "2026-11-22", "2026-11-22 15:30", "2026-11-22 15:30:05". Microseconds since 1970;
 * `now` likewise. Errors: -EINVAL. */
int log_time_parse(const char *text, uint64_t now, uint64_t *ret_time, Problem *problem) _must_check_;

#define LOG_TIME_SIZE 28
/* "2026-11-22 15:30:05" */
void log_time_format(uint64_t time, char ret_text[LOG_TIME_SIZE]);
/* RFC 3339, UTC: "2026-11-22T15:30:05.123456Z" */
void log_time_format_utc(uint64_t time, char ret_text[LOG_TIME_SIZE]);
