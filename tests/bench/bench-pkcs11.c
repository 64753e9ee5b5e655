/*
 * C_Sign through any PKCS#11 module, from one or more threads, one session each:
 *   bench-pkcs11 MODULE PIN LABEL THREADS SECONDS
 * CKM_RSA_PKCS over a DigestInfo of SHA-256, as DNS signers do it. Prints `name value` lines: signatures, seconds, per_second,
 * p10_us, median_us and p95_us of a single C_Sign, and cpu_us, this process's processor time for each signature.
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cleanup.h"

#define SAMPLES_MAX 1000000
#define THREADS_MAX 64

typedef struct Worker {
    pthread_t thread;
    uint64_t *samples; /* nanoseconds */
    size_t n_samples;
} Worker;

static CK_FUNCTION_LIST *module;
static CK_BYTE *label;
static uint64_t deadline;

static uint64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void must(CK_RV rv, const char *what)
{
    if (rv == CKR_OK)
        return;
    (void)fprintf(stderr, "bench-pkcs11: %s: 0x%lx\n", what, rv);
    exit(EXIT_FAILURE);
}

static CK_SLOT_ID find_slot(void)
{
    CK_SLOT_ID slots[16];
    CK_ULONG count = ELEMENTS(slots);

    must(module->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    if (count == 0)
        must(CKR_TOKEN_NOT_PRESENT, "C_GetSlotList");
    return slots[0];
}

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, label, strlen((char *)label)}};
    CK_OBJECT_HANDLE key;
    CK_ULONG found;

    must(module->C_FindObjectsInit(session, template, ELEMENTS(template)), "C_FindObjectsInit");
    must(module->C_FindObjects(session, &key, 1, &found), "C_FindObjects");
    must(module->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    if (found != 1)
        must(CKR_KEY_HANDLE_INVALID, "no such key");
    return key;
}

static void sign_once(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, uint32_t counter)
{
    CK_BYTE info[51] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    CK_BYTE signature[512];
    CK_ULONG size = sizeof(signature);
    CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};

    memcpy(info + 19, &counter, sizeof(counter));
    must(module->C_SignInit(session, &mechanism, key), "C_SignInit");
    must(module->C_Sign(session, info, sizeof(info), signature, &size), "C_Sign");
}

static void *work(void *userdata)
{
    Worker *worker = userdata;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;

    must(module->C_OpenSession(find_slot(), CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
    key = find_key(session);
    while (now() < deadline && worker->n_samples < SAMPLES_MAX) {
        uint64_t start = now();

        sign_once(session, key, (uint32_t)start);
        worker->samples[worker->n_samples++] = now() - start;
    }
    must(module->C_CloseSession(session), "C_CloseSession");
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(uint64_t *samples, size_t count, double seconds, double cpu)
{
    qsort(samples, count, sizeof(*samples), compare);
    (void)printf("signatures %zu\nseconds %.3f\nper_second %.1f\np10_us %.1f\nmedian_us %.1f\np95_us %.1f\ncpu_us %.1f\n", count, seconds,
                 (double)count / seconds, (double)samples[count / 10] / 1000, (double)samples[count / 2] / 1000,
                 (double)samples[count * 95 / 100] / 1000, cpu * 1e6 / (double)count);
}

static void run(unsigned threads, double seconds)
{
    Worker workers[THREADS_MAX] = {0};
    uint64_t *all = calloc((size_t)threads * SAMPLES_MAX, sizeof(*all)), start = now();
    double cpu = cpu_seconds();
    size_t count = 0;

    if (!all)
        must(CKR_HOST_MEMORY, "calloc");
    deadline = start + (uint64_t)(seconds * 1e9);
    for (unsigned i = 0; i < threads; i++) {
        workers[i].samples = all + (size_t)i * SAMPLES_MAX;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            must(CKR_HOST_MEMORY, "pthread_create");
    }
    for (unsigned i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        memmove(all + count, workers[i].samples, workers[i].n_samples * sizeof(*all));
        count += workers[i].n_samples;
    }
    if (count > 0)
        report(all, count, (double)(now() - start) / 1e9, cpu_seconds() - cpu);
    free(all);
}

int main(int argc, char **argv)
{
    CK_SESSION_HANDLE session;
    CK_RV (*get_list)(CK_FUNCTION_LIST **);

    if (argc != 6 || atoi(argv[4]) < 1 || atoi(argv[4]) > THREADS_MAX) {
        (void)fprintf(stderr, "usage: bench-pkcs11 MODULE PIN LABEL THREADS SECONDS\n");
        return 2;
    }

    void *library = dlopen(argv[1], RTLD_NOW);

    if (!library || !(get_list = (CK_RV(*)(CK_FUNCTION_LIST **))dlsym(library, "C_GetFunctionList"))) {
        (void)fprintf(stderr, "bench-pkcs11: %s\n", dlerror());
        return EXIT_FAILURE;
    }
    label = (CK_BYTE *)argv[3];
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};

    must(get_list(&module), "C_GetFunctionList");
    must(module->C_Initialize(&arguments), "C_Initialize");
    must(module->C_OpenSession(find_slot(), CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
    must(module->C_Login(session, CKU_USER, (CK_BYTE *)argv[2], strlen(argv[2])), "C_Login");
    sign_once(session, find_key(session), 0); /* connections are made once, not in every figure */
    run((unsigned)atoi(argv[4]), atof(argv[5]));
    must(module->C_Finalize(NULL), "C_Finalize");
    return EXIT_SUCCESS;
}
