/* In the place of functions of the arithmetic, for all programs that run under valgrind: watching.c. */
#pragma once

#include <stdint.h>
#include <valgrind/memcheck.h>

#define SHOW(data, size) ((void)VALGRIND_MAKE_MEM_DEFINED(data, size))
#define HIDE(data, size) ((void)VALGRIND_MAKE_MEM_UNDEFINED(data, size))

/* With $CT_LEAK=`what`, do what nobody may: look at a bit of this secret. */
void watching_leak(const char *what, const uint8_t *secret);
