/* The secure heap: locked in every process that is told so; random bytes from the kernel. */
#include "base/crypto.h"
#include "unit.h"

#include <errno.h>
#include <grp.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define HEAP_KILOBYTES 2048
#define THREADS        8

/* VmLck of this process: what mlock() counts. */
static unsigned locked_kilobytes(void)
{
    _cleanup_fclose_ FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    unsigned locked = 0;

    while (status && fgets(line, sizeof(line), status))
        (void)sscanf(line, "VmLck: %u kB", &locked);
    return locked;
}

/* Memory cannot be locked from here on: the limit is for processes without CAP_IPC_LOCK. */
static void forbid_locking(void)
{
    const struct rlimit none = {0, 0};

    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (geteuid() == 0)
        ck_assert(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
}

/* What crypto_secure_heap() returns in a child, after `prepare`; and whether the memory is locked then. */
static void assert_in_child(void (*prepare)(void), int expected, unsigned locked_min)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        if (prepare)
            prepare();

        int r = crypto_secure_heap();
        unsigned locked = locked_kilobytes();

        if (r != expected || locked < locked_min)
            printf("# result %d, %u kB locked\n", r, locked);
        fflush(stdout);
        _exit(r == expected && locked >= locked_min ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(heap_is_locked)
{
    ck_assert_uint_lt(locked_kilobytes(), HEAP_KILOBYTES);
    ck_assert_int_eq(crypto_secure_heap(), 0);
    ck_assert_int_eq(crypto_secure_heap(), 0);
    ck_assert_uint_ge(locked_kilobytes(), HEAP_KILOBYTES);
}
END_TEST

static void nothing_is_locked(void)
{
    ck_assert_uint_eq(locked_kilobytes(), 0);
}

/* mlock(2): locks are not inherited. */
START_TEST(heap_is_locked_anew_in_children)
{
    ck_assert_int_eq(crypto_secure_heap(), 0);
    assert_in_child(nothing_is_locked, 0, HEAP_KILOBYTES);
    assert_in_child(forbid_locking, -EPERM, 0);
    ck_assert_int_eq(crypto_secure_heap(), 0);
}
END_TEST

static void *in_thread(void *result)
{
    *(int *)result = crypto_secure_heap();
    return NULL;
}

static void from_threads(void)
{
    pthread_t threads[THREADS];
    int results[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, in_thread, &results[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(results[i], 0);
    }
}

START_TEST(heap_from_many_threads)
{
    from_threads();
    assert_in_child(from_threads, 0, HEAP_KILOBYTES);
}
END_TEST

START_TEST(heap_that_cannot_be_locked)
{
    assert_in_child(forbid_locking, -EPERM, 0);
}
END_TEST

/* Answer 1: locked; 2: not. */
static void make_foreign_heap(void)
{
    ck_assert_int_eq(CRYPTO_secure_malloc_init(64 * 1024, 32), 1);
}

static void make_unlocked_foreign_heap(void)
{
    forbid_locking();
    ck_assert_int_eq(CRYPTO_secure_malloc_init(64 * 1024, 32), 2);
}

START_TEST(foreign_heap_serves_if_it_is_locked)
{
    assert_in_child(make_foreign_heap, 0, 64);
    assert_in_child(make_unlocked_foreign_heap, -EPERM, 0);

    uint8_t drawn;

    ck_assert_int_eq(crypto_random(&drawn, 1), 0); /* a generator made later would live in the heap, where a leak checker does not look */
    make_foreign_heap();
    ck_assert_int_eq(crypto_secure_heap(), 0);
    assert_in_child(nothing_is_locked, -EPERM, 0); /* and it is not ours to lock */
}
END_TEST

/* ---- Random bytes from the kernel ---- */

ssize_t __wrap_getrandom(void *ret_data, size_t size, unsigned flags);
ssize_t __real_getrandom(void *ret_data, size_t size, unsigned flags);

static unsigned n_draws;
static bool kernel_refuses;

/* Interrupted at every other call, and never more than a few bytes. */
ssize_t __wrap_getrandom(void *ret_data, size_t size, unsigned flags)
{
    errno = kernel_refuses ? ENOSYS : EINTR;
    if (kernel_refuses || n_draws++ % 2 == 0)
        return -1;
    return __real_getrandom(ret_data, size < 7 ? size : 7, flags);
}

START_TEST(kernel_gives_all_bytes)
{
    uint8_t drawn[100] = {0}, more[100];
    unsigned zeros = 0;

    ck_assert_int_eq(crypto_random_kernel(drawn, 99), 0);
    ck_assert_uint_eq(n_draws, 2 * 15);
    ck_assert_uint_eq(drawn[99], 0);
    for (size_t i = 0; i < 99; i++)
        zeros += drawn[i] == 0;
    ck_assert_uint_lt(zeros, 10);
    ck_assert_int_eq(crypto_random_kernel(more, 99), 0);
    ck_assert_mem_ne(more, drawn, 99);
    kernel_refuses = true;
    ck_assert_int_eq(crypto_random_kernel(drawn, 1), -EIO);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, heap_is_locked);
    tcase_add_test(cases, heap_is_locked_anew_in_children);
    tcase_add_test(cases, heap_from_many_threads);
    tcase_add_test(cases, heap_that_cannot_be_locked);
    tcase_add_test(cases, foreign_heap_serves_if_it_is_locked);
    tcase_add_test(cases, kernel_gives_all_bytes);
}

UNIT_MAIN("crypto", add_tests)
