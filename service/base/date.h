/* Days as people write them, in UTC: for what people are shown, never for a decision. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define DATE_SIZE 8

/* "20271231" (`size` DATE_SIZE: year, month, day; the years 1970 to 9999) → the last second of that day, since 1970.
 * Errors: -EINVAL. */
int date_parse(const char *text, size_t size, uint64_t *ret_seconds) _must_check_;
/* The day that a second (of a year up to 9999) is in, as above, NUL-terminated. */
void date_format(uint64_t seconds, char ret_text[DATE_SIZE + 1]);
