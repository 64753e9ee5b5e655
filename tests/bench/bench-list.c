/*
 * Listing all objects of a token through any PKCS#11 module, as an application does that looks for its keys:
 *   bench-list MODULE PIN
 * Prints `name value` lines: objects, milliseconds of a search of everything together with reading class, label, id, key type,
 * modulus and exponent of each object: first_ms in a process that knows nothing yet, again_ms right after it, and later_ms when what is
 * known is more than a second old, so that the nodes are asked whether it has changed. first_cpu_ms and so on are the processor time that
 * this process had of it, which says more where the machine has other things to do.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

#define OBJECTS_MAX 65536
#define STALE_AFTER ((struct timespec){1, 200000000}) /* what a list is good for, and a little more: this is what is measured */

static CK_FUNCTION_LIST *module;
static CK_OBJECT_HANDLE objects[OBJECTS_MAX];

static double now_ms(clockid_t clock)
{
    struct timespec time;

    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void must(CK_RV rv, const char *what)
{
    if (rv == CKR_OK)
        return;
    (void)fprintf(stderr, "bench-list: %s: 0x%lx\n", what, rv);
    exit(EXIT_FAILURE);
}

static CK_ULONG search(CK_SESSION_HANDLE session)
{
    CK_ULONG count = 0, found;

    must(module->C_FindObjectsInit(session, NULL, 0), "C_FindObjectsInit");
    do {
        must(module->C_FindObjects(session, objects + count, OBJECTS_MAX - count < 100 ? OBJECTS_MAX - count : 100, &found),
             "C_FindObjects");
        count += found;
    } while (found > 0);
    must(module->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    return count;
}

/* Sizes first, then values, as most do. */
static void read_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    CK_BYTE values[6][600];
    CK_ATTRIBUTE attributes[] = {{CKA_CLASS}, {CKA_LABEL}, {CKA_ID}, {CKA_KEY_TYPE}, {CKA_MODULUS}, {CKA_PUBLIC_EXPONENT}};

    (void)module->C_GetAttributeValue(session, object, attributes, ELEMENTS(attributes)); /* not all are keys */
    for (size_t i = 0; i < ELEMENTS(attributes); i++) {
        attributes[i].pValue = values[i];
        attributes[i].ulValueLen = sizeof(values[i]);
    }
    (void)module->C_GetAttributeValue(session, object, attributes, ELEMENTS(attributes));
}

static void list(CK_SESSION_HANDLE session, const char *name)
{
    double began = now_ms(CLOCK_MONOTONIC), cpu = now_ms(CLOCK_PROCESS_CPUTIME_ID);
    CK_ULONG count = search(session);

    for (CK_ULONG i = 0; i < count; i++)
        read_object(session, objects[i]);
    (void)printf("%s_ms %.1f\n%s_cpu_ms %.1f\n%s_objects %lu\n", name, now_ms(CLOCK_MONOTONIC) - began, name,
                 now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu, name, count);
}

static void load(const char *path)
{
    CK_RV (*get)(CK_FUNCTION_LIST **);
    void *library = dlopen(path, RTLD_NOW);

    if (!library) {
        (void)fprintf(stderr, "bench-list: %s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    must(get(&module), "C_GetFunctionList");
}

int main(int argc, char **argv)
{
    CK_SESSION_HANDLE session;

    if (argc != 3) {
        (void)fprintf(stderr, "usage: bench-list MODULE PIN\n");
        return 2;
    }
    load(argv[1]);
    must(module->C_Initialize(NULL), "C_Initialize");
    must(module->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
    must(module->C_Login(session, CKU_USER, (CK_UTF8CHAR *)argv[2], strlen(argv[2])), "C_Login");
    list(session, "first");
    list(session, "again");
    (void)nanosleep(&STALE_AFTER, NULL);
    list(session, "later");
    return EXIT_SUCCESS;
}
