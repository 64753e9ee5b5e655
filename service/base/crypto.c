#include "base/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/evp.h"

/* Enough for a dealer's temporaries on sixteen cores at 4096 bits; the default RLIMIT_MEMLOCK is 8 MiB. */
#define SECURE_HEAP_SIZE      (2 * 1024 * 1024)
#define SECURE_HEAP_MIN_BLOCK 32

static pthread_once_t context_once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *context;

static void make_context(void)
{
    OSSL_LIB_CTX *made = OSSL_LIB_CTX_new();

    if (made && !OSSL_PROVIDER_load(made, "default")) {
        OSSL_LIB_CTX_free(made);
        made = NULL;
    }
    context = made;
}

OSSL_LIB_CTX *crypto_context(void)
{
    (void)pthread_once(&context_once, make_context);
    return context;
}

int crypto_check(Problem *problem)
{
    if (crypto_context())
        return 0;
    return problem_set(problem, -EIO, "OpenSSL gives no library context with its default provider: it is out of memory or badly installed");
}

int crypto_random(void *ret_data, size_t size)
{
    return crypto_context() && RAND_priv_bytes_ex(crypto_context(), ret_data, size, 0) == 1 ? 0 : -EIO;
}

int crypto_random_kernel(void *ret_data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t drawn = getrandom((uint8_t *)ret_data + done, size - done, 0);

        if (drawn < 0 && errno != EINTR)
            return -EIO;
        done += drawn < 0 ? 0 : (size_t)drawn;
    }
    return 0;
}

/* ---- The secure heap ---------------------------------------------------------------------------------------------------------- */

static pthread_once_t heap_once = PTHREAD_ONCE_INIT;
static int heap_result;
static void *heap_arena;            /* NULL: the heap is the application's */
static _Atomic(pid_t) heap_process; /* the process in which it is known to be locked */

/* The first allocation of this size is the whole arena: the only way to learn where it lies. */
static void find_arena(void)
{
    heap_arena = OPENSSL_secure_malloc(SECURE_HEAP_SIZE);
    OPENSSL_secure_free(heap_arena);
}

static void make_heap(void)
{
    uint8_t drawn;

    /* The random generator makes itself at the first draw: before the heap is there, so that it does not live in it for good. */
    heap_result = crypto_random(&drawn, sizeof(drawn));
    if (heap_result < 0 || CRYPTO_secure_malloc_initialized())
        return;
    /* Answer 2 means: there, but not locked or not guarded. */
    if (CRYPTO_secure_malloc_init(SECURE_HEAP_SIZE, SECURE_HEAP_MIN_BLOCK) == 1)
        find_arena();
    else
        heap_result = -EPERM;
}

/* The lines of /proc/self/smaps from `address`'s mapping on; the next "Locked:" is its own. */
static bool mapping_is_locked(FILE *maps, const void *address)
{
    char line[512];
    unsigned long start, end, locked;
    bool here = false;

    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = (uintptr_t)address >= start && (uintptr_t)address < end;
        else if (here && sscanf(line, "Locked: %lu kB", &locked) == 1)
            return locked > 0;
    }
    return false;
}

/* OpenSSL does not tell whether the application's heap could be locked; the kernel does. Only pages that are there count as locked, so
 * the block is written to. */
static int check_foreign_heap(void)
{
    _cleanup_fclose_ FILE *maps = fopen("/proc/self/smaps", "re");
    uint8_t *block = OPENSSL_secure_malloc(SECURE_HEAP_MIN_BLOCK);
    bool locked = false;

    if (block && CRYPTO_secure_allocated(block)) {
        memset(block, 1, SECURE_HEAP_MIN_BLOCK);
        locked = maps && mapping_is_locked(maps, block);
    }
    OPENSSL_secure_free(block);
    return locked ? 0 : -EPERM;
}

/* mlock2(2) as OpenSSL does it: pages that are never used cost nothing. Where the kernel (or what stands in for it, as valgrind does) has
 * no mlock2, the C library says ENOSYS or EINVAL. */
static int lock_arena(void)
{
    if (mlock2(heap_arena, SECURE_HEAP_SIZE, MLOCK_ONFAULT) == 0)
        return 0;
    return (errno == ENOSYS || errno == EINVAL) && mlock(heap_arena, SECURE_HEAP_SIZE) == 0 ? 0 : -EPERM;
}

/* A forked child inherits the heap, but not its being locked. Two threads that come here at once do the same twice, to no harm. */
int crypto_secure_heap(void)
{
    pid_t process = getpid();

    (void)pthread_once(&heap_once, make_heap);
    if (heap_result < 0 || atomic_load(&heap_process) == process)
        return heap_result;

    int r = heap_arena ? lock_arena() : check_foreign_heap();

    if (r == 0)
        atomic_store(&heap_process, process);
    return r;
}

int crypto_sha256(const Bytes *parts, size_t n_parts, uint8_t ret_digest[SHA256_SIZE])
{
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    _cleanup_md_ EVP_MD *md = crypto_context() ? EVP_MD_fetch(crypto_context(), "SHA256", NULL) : NULL;
    uint8_t digest[SHA256_SIZE];

    if (!ctx || !md || EVP_DigestInit_ex2(ctx, md, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < n_parts; i++)
        if (EVP_DigestUpdate(ctx, parts[i].data, parts[i].size) != 1)
            return -EIO;
    if (EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < SHA256_SIZE; i++)
        ret_digest[i] = digest[i];
    return 0;
}
