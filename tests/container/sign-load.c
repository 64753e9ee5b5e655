/*
 * A signer at work: signs again and again with one key until it is told to stop, and goes on after a failure.
 *   sign-load MODULE PIN LABEL SECONDS      0: until SIGTERM
 * Prints a line for each failure, and at the end `signatures N failures N per_second N longest_ms N`. Exit status: 0 if nothing failed.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static CK_FUNCTION_LIST *module;
static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
    stop = true;
}

static void must(CK_RV rv, const char *what)
{
    if (rv == CKR_OK)
        return;
    (void)fprintf(stderr, "sign-load: %s: 0x%lx\n", what, rv);
    exit(EXIT_FAILURE);
}

static CK_SESSION_HANDLE log_in(const char *pin)
{
    CK_SESSION_HANDLE session;
    CK_SLOT_ID slot;
    CK_ULONG n_slots = 1;

    must(module->C_Initialize(NULL), "C_Initialize");
    must(module->C_GetSlotList(CK_TRUE, &slot, &n_slots), "C_GetSlotList");
    must(n_slots > 0 ? CKR_OK : CKR_TOKEN_NOT_PRESENT, "C_GetSlotList");
    must(module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), "C_OpenSession");
    must(module->C_Login(session, CKU_USER, (CK_BYTE *)pin, strlen(pin)), "C_Login");
    return session;
}

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session, const char *label)
{
    CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &private_key, sizeof(private_key)}, {CKA_LABEL, (void *)label, strlen(label)}};
    CK_OBJECT_HANDLE key;
    CK_ULONG count = 0;

    must(module->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
    must(module->C_FindObjects(session, &key, 1, &count), "C_FindObjects");
    must(module->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    must(count == 1 ? CKR_OK : CKR_KEY_HANDLE_INVALID, "the key");
    return key;
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, uint64_t what)
{
    CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_BYTE signature[512];
    CK_ULONG size = sizeof(signature);
    CK_RV rv = module->C_SignInit(session, &mechanism, key);

    return rv == CKR_OK ? module->C_Sign(session, (CK_BYTE *)&what, sizeof(what), signature, &size) : rv;
}

static void tell_failure(CK_RV rv, uint64_t count, Microseconds since)
{
    time_t now = time(NULL);
    struct tm local;

    (void)localtime_r(&now, &local);
    (void)printf("%02d:%02d:%02d signature %llu: 0x%lx after %llu ms\n", local.tm_hour, local.tm_min, local.tm_sec,
                 (unsigned long long)count, rv, (unsigned long long)(clock_now() - since) / 1000);
    (void)fflush(stdout);
}

static bool work(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, unsigned seconds)
{
    Microseconds begin = clock_now(), end = begin + seconds * MICROSECONDS_PER_SECOND, longest = 0, since = begin;
    uint64_t count = 0, failures = 0;

    for (; !stop && (seconds == 0 || since < end); count++) {
        CK_RV rv = sign(session, key, count);

        if (rv != CKR_OK) {
            tell_failure(rv, count, since);
            failures++;
        }
        longest = clock_now() - since > longest ? clock_now() - since : longest;
        since = clock_now();
    }
    (void)printf("signatures %llu failures %llu per_second %.0f longest_ms %llu\n", (unsigned long long)count, (unsigned long long)failures,
                 (double)(count - failures) * 1e6 / (double)(since - begin), (unsigned long long)longest / 1000);
    return failures == 0;
}

int main(int argc, char **argv)
{
    void *library = argc == 5 ? dlopen(argv[1], RTLD_NOW) : NULL;
    CK_RV (*get_list)(CK_FUNCTION_LIST **) = library ? (CK_RV(*)(CK_FUNCTION_LIST **))dlsym(library, "C_GetFunctionList") : NULL;

    must(get_list ? get_list(&module) : CKR_GENERAL_ERROR, "usage: sign-load MODULE PIN LABEL SECONDS; the module");
    (void)signal(SIGTERM, on_signal);

    CK_SESSION_HANDLE session = log_in(argv[2]);
    CK_OBJECT_HANDLE key = find_key(session, argv[3]);

    (void)puts("ready");
    (void)fflush(stdout);
    return work(session, key, (unsigned)atoi(argv[4])) ? EXIT_SUCCESS : EXIT_FAILURE;
}
