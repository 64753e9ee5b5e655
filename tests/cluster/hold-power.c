/* In the place of functions of a node: if there are the named pipes $HOLD_POWER.computed and $HOLD_POWER.go, what is computed with a share
 * waits until the test has opened both, one after the other. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "keyring/keyring.h"

int __wrap_keyring_share_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem);
int __real_keyring_share_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem);

int __wrap_keyring_share_use(KeyringShare *share, KeyringUse use, void *userdata, bool *ret_used, Problem *problem);
int __real_keyring_share_use(KeyringShare *share, KeyringUse use, void *userdata, bool *ret_used, Problem *problem);

/* To open a pipe waits for who opens its other end (fifo(7)). */
static void meet(const char *suffix, int flags)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s%s", getenv("HOLD_POWER") ?: "/nowhere", suffix);

    int fd = open(path, flags | O_CLOEXEC);

    if (fd >= 0)
        (void)close(fd);
}

int __wrap_keyring_share_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem)
{
    int r = __real_keyring_share_power(share, base, ret_power, problem);

    meet(".computed", O_WRONLY);
    meet(".go", O_RDONLY);
    return r;
}

int __wrap_keyring_share_use(KeyringShare *share, KeyringUse use, void *userdata, bool *ret_used, Problem *problem)
{
    int r = __real_keyring_share_use(share, use, userdata, ret_used, problem);

    meet(".computed", O_WRONLY);
    meet(".go", O_RDONLY);
    return r;
}
