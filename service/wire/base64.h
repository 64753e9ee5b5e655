/* base64 with padding, RFC 4648 §4, canonical only: no white space, no missing padding, no bits set that are not used (§3.5). */
#pragma once

#include "base/bytes.h"

/* Characters that `size` bytes take. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4)

/* Writes BASE64_SIZE(size) characters and no NUL. */
void base64_encode(const void *data, size_t size, char *ret_text);
/* Errors: -EINVAL not canonical base64; -ENOMEM. */
int base64_decode(const char *text, size_t size, Bytes *ret_bytes) _must_check_;
