/* Cleanup attributes: what a scope owns, the scope releases. No goto, no second list of things to free. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function)   __attribute__((cleanup(function)))
#define _must_check_          __attribute__((warn_unused_result))
#define _printf_(text, first) __attribute__((format(printf, text, first)))

/* The number of elements of an array. */
#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Hand a pointer over: the value moves out, the variable no longer owns it. */
#define TAKE_PTR(pointer)                                                                                                                  \
    ({                                                                                                                                     \
        __typeof__(pointer) _taken = (pointer);                                                                                            \
        (pointer) = NULL;                                                                                                                  \
        _taken;                                                                                                                            \
    })

/* The same for a file descriptor. */
#define TAKE_FD(fd)                                                                                                                        \
    ({                                                                                                                                     \
        int _taken = (fd);                                                                                                                 \
        (fd) = -1;                                                                                                                         \
        _taken;                                                                                                                            \
    })

/* Define NAME##p(), the cleanup function of a pointer type whose release is NAME(). */
#define DEFINE_CLEANUP(type, name)                                                                                                         \
    static inline void name##p(type **pointer)                                                                                             \
    {                                                                                                                                      \
        if (*pointer)                                                                                                                      \
            name(*pointer);                                                                                                                \
    }

static inline void cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static inline void cleanup_fclose(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}

#define _cleanup_free_   _cleanup_(cleanup_free)
#define _cleanup_close_  _cleanup_(cleanup_close)
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)
