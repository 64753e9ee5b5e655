#include "keyring/scratch.h"

#include <pthread.h>

/* More threads than this seldom compute at the same moment; each piece is a page. */
#define KEPT_MAX 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Secret *kept[KEPT_MAX];
static unsigned n_kept;

static Secret *take_kept(size_t size)
{
    Secret *secret = NULL;

    (void)pthread_mutex_lock(&lock);
    for (unsigned i = n_kept; i > 0 && !secret; i--) {
        if (secret_size(kept[i - 1]) != size)
            continue;
        secret = kept[i - 1];
        kept[i - 1] = kept[--n_kept];
    }
    (void)pthread_mutex_unlock(&lock);
    return secret;
}

int scratch_take(size_t size, Secret **ret_secret)
{
    Secret *secret = take_kept(size);

    if (!secret)
        return secret_new(size, ret_secret);
    *ret_secret = secret;
    return 0;
}

Secret *scratch_give_back(Secret *secret)
{
    if (!secret)
        return NULL;
    memory_wipe(secret_data(secret), secret_size(secret));
    (void)pthread_mutex_lock(&lock);
    if (n_kept < KEPT_MAX)
        kept[n_kept++] = TAKE_PTR(secret);
    (void)pthread_mutex_unlock(&lock);
    return secret_free(secret);
}
