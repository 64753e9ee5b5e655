/* Arrays that grow, in memory of our own: reallocarray() is one of the functions that service/base/text.h forbids. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

/* As realloc() to `count` > 0 elements of `size` bytes; NULL without memory or when the product overflows: `array` is then as it was. */
void *array_resize(void *array, size_t count, size_t size) _must_check_;
