/* What tests of the PKCS#11 module write all the time. */
#pragma once

#include <check.h>

/* Entries of templates. */
#define A_ULONG(type_, value_)                                                                                                             \
    {                                                                                                                                      \
        (type_), &(CK_ULONG){value_}, sizeof(CK_ULONG)                                                                                     \
    }
#define A_BOOL(type_, value_)                                                                                                              \
    {                                                                                                                                      \
        (type_), &(CK_BBOOL){value_}, sizeof(CK_BBOOL)                                                                                     \
    }
#define A_TEXT(type_, text_)                                                                                                               \
    {                                                                                                                                      \
        (type_), (void *)(uintptr_t)(text_), sizeof(text_) - 1                                                                             \
    }

#define ck_assert_rv(call, rv)                                                                                                             \
    do {                                                                                                                                   \
        CK_RV actual_rv = (call), expected_rv = (rv);                                                                                      \
        ck_assert_msg(actual_rv == expected_rv, "%s: 0x%lx, not 0x%lx", #call, actual_rv, expected_rv);                                    \
    } while (0)
