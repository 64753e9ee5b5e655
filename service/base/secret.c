#include "base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct Secret {
    size_t size;
    size_t mapped; /* the whole mapping, guard pages included */
};

/* Layout: guard page, data pages (struct Secret first), guard page. */
static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t data_pages_size(size_t size)
{
    size_t page = page_size();

    return (sizeof(Secret) + size + page - 1) / page * page;
}

static int protect(uint8_t *mapping, size_t inner)
{
    uint8_t *data = mapping + page_size();

    if (mprotect(data, inner, PROT_READ | PROT_WRITE) < 0)
        return -errno;
    if (mlock(data, inner) < 0)
        return -errno;
    if (madvise(data, inner, MADV_DONTDUMP) < 0)
        return -errno;
    return madvise(data, inner, MADV_WIPEONFORK) < 0 ? -errno : 0;
}

int secret_new(size_t size, Secret **ret_secret)
{
    if (size == 0 || size > SECRET_SIZE_MAX)
        return -EINVAL;

    size_t inner = data_pages_size(size);
    size_t mapped = inner + 2 * page_size();
    uint8_t *mapping = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mapping == MAP_FAILED)
        return -errno;

    int r = protect(mapping, inner);

    if (r < 0) {
        (void)munmap(mapping, mapped);
        return r;
    }

    Secret *secret = (Secret *)(void *)(mapping + page_size());

    secret->size = size;
    secret->mapped = mapped;
    *ret_secret = secret;
    return 0;
}

int secret_new_copy(const void *data, size_t size, Secret **ret_secret)
{
    int r = secret_new(size, ret_secret);

    if (r == 0)
        memcpy(secret_data(*ret_secret), data, size);
    return r;
}

Secret *secret_free(Secret *secret)
{
    if (!secret)
        return NULL;

    /* In a forked child the page reads as zeros: the mapping's size is then unknown, and leaving it costs nothing. */
    size_t mapped = secret->mapped;

    if (mapped == 0)
        return NULL;
    memory_wipe(secret, mapped - 2 * page_size());
    (void)munmap((uint8_t *)secret - page_size(), mapped);
    return NULL;
}

uint8_t *secret_data(Secret *secret)
{
    return (uint8_t *)(secret + 1);
}

const uint8_t *secret_bytes(const Secret *secret)
{
    return (const uint8_t *)(secret + 1);
}

size_t secret_size(const Secret *secret)
{
    return secret->size;
}

void secret_truncate(Secret *secret, size_t size)
{
    if (size >= secret->size)
        return;
    memory_wipe(secret_data(secret) + size, secret->size - size);
    secret->size = size;
}

bool secret_equal(const Secret *a, const Secret *b)
{
    return a->size == b->size && memory_equal(secret_bytes(a), secret_bytes(b), a->size);
}

const uint8_t *secret_declassify(const Secret *secret)
{
    return secret_bytes(secret);
}

bool memory_equal(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *left = a, *right = b;
    uint8_t difference = 0;

    for (size_t i = 0; i < size; i++)
        difference = (uint8_t)(difference | (left[i] ^ right[i]));
    return difference == 0;
}

void memory_wipe(void *data, size_t size)
{
    explicit_bzero(data, size);
}
