/*
 * RFC 8259 to the letter, for text that a stranger wrote: json-c's own reader overwrites repeated members, accepts more than JSON, and has
 * no bound on what it allocates. The result is json-c objects, so that the rest is json-c's.
 */
#pragma once

#include <json-c/json_object.h>

#include "base/cleanup.h"

#define STRICT_JSON_NAME_MAX   255   /* bytes of a member's name */
#define STRICT_JSON_VALUES_MAX 16384 /* in one text: a bound on memory, a little above the largest ListKeys reply */

/* Read one object; white space around it is allowed. `text` needs no NUL and is copied; the copy belongs to the root, so nothing
 * of the result may outlive it (json_object_get() on a part of it). Integers that fit int64_t become json_type_int; every other number
 * becomes a json_type_double whose value is not kept. A string may hold NUL characters (json_object_get_string_len()). Errors: -EBADMSG
 * anything else than one object, not UTF-8, a member's name that is repeated, too long or holds a NUL, nested deeper than `nesting_max` (1:
 * an object of plain values), too many values; -ENOMEM. */
int strict_json_parse(const char *text, size_t size, unsigned nesting_max, json_object **ret_object) _must_check_;

DEFINE_CLEANUP(json_object, json_object_put)
#define _cleanup_json_ _cleanup_(json_object_putp)
