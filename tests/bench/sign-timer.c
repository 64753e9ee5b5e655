/*
 * A PKCS#11 module in front of another, $SIGN_TIMER_MODULE, that measures how a program spends its time: it passes every call on, and when
 * it is unloaded writes `name value` lines to $SIGN_TIMER_OUTPUT: signatures, span_us (from one signature to the next, the first call of
 * C_Sign to the end of the last, divided by their number), sign_us (in C_Sign) and outside_us (the rest: the program, and other calls),
 * all for one signature, with one in flight.
 *
 * It loads the module in the ordinary way even if it is itself loaded with RTLD_DEEPBIND: so SoftHSM2 lives in programs with an allocator
 * of their own, such as BIND's.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

static CK_FUNCTION_LIST *module, timed;
static atomic_uint_least64_t signatures, in_sign, first_start, last_end; /* nanoseconds */

static uint64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static CK_RV timed_sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size, CK_BYTE *signature, CK_ULONG *signature_size)
{
    uint64_t start = now(), end, unset = 0;
    CK_RV rv = module->C_Sign(session, data, size, signature, signature_size);

    if (!signature) /* a question for the size */
        return rv;
    end = now();
    (void)atomic_compare_exchange_strong(&first_start, &unset, start);
    atomic_store(&last_end, end);
    atomic_fetch_add(&in_sign, end - start);
    atomic_fetch_add(&signatures, 1);
    return rv;
}

static CK_RV load(void)
{
    const char *path = getenv("SIGN_TIMER_MODULE");
    void *library = path ? dlopen(path, RTLD_NOW) : NULL;
    CK_RV (*get_list)(CK_FUNCTION_LIST **) = library ? (CK_RV(*)(CK_FUNCTION_LIST **))dlsym(library, "C_GetFunctionList") : NULL;

    if (get_list)
        return get_list(&module);
    (void)fprintf(stderr, "sign-timer: SIGN_TIMER_MODULE: %s\n", path ? dlerror() : "is not set");
    return CKR_GENERAL_ERROR;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret_list)
{
    CK_RV rv = module ? CKR_OK : load();

    if (rv != CKR_OK)
        return rv;
    timed = *module;
    timed.C_Sign = timed_sign;
    timed.C_GetFunctionList = C_GetFunctionList;
    *ret_list = &timed;
    return CKR_OK;
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("SIGN_TIMER_OUTPUT");
    double count = (double)atomic_load(&signatures), span, inside;

    if (!path || count == 0)
        return;

    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    span = (double)(atomic_load(&last_end) - atomic_load(&first_start)) / count / 1000;
    inside = (double)atomic_load(&in_sign) / count / 1000;
    if (fd < 0 || dprintf(fd, "signatures %.0f\nspan_us %.1f\nsign_us %.1f\noutside_us %.1f\n", count, span, inside, span - inside) < 0)
        perror("sign-timer: SIGN_TIMER_OUTPUT");
}
