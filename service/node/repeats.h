/*
 * What clients of other hosts can make the node log as often as they like: refusals, failures, and what changes nothing. The first of a
 * kind is logged as it happens; further ones are counted, and told as one event a minute later and at the end. With the floor only
 * (crew.h).
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

typedef struct Repeats Repeats;

/* Errors: -ENOMEM, -errno. */
int repeats_new(sd_event *event, Repeats **ret_repeats) _must_check_;
/* Without telling what was counted. */
Repeats *repeats_free(Repeats *repeats);
DEFINE_CLEANUP(Repeats, repeats_free)

/* Is this the first of its kind in this minute? Then it is the caller's to log; else it is counted. Clients that are not
 * known, and the node itself, have no name here: "". `operation` and `result` are kept, not copied. */
bool repeats_first(Repeats *repeats, const char *client, const char *operation, const char *result);
/* Tell what was counted since the last time. */
void repeats_tell(Repeats *repeats);
