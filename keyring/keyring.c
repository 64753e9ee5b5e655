#include "keyring/keyring.h"

#include <errno.h>
#include <keyutils.h>
#include <string.h>

#include "keyring/custody.h"
#include "keyring/errors.h"
#include "keyring/scratch.h"

#define RING_DESCRIPTION "keyquorum"

/* Nobody, the node included, may change the ring's permissions or link it elsewhere. What is in it, its possessor can see. */
static const uint32_t ring_permissions[] = {
    [SEPARATION_USERS] = KEY_POS_VIEW | KEY_POS_SEARCH | KEY_GRP_VIEW | KEY_GRP_SEARCH | KEY_GRP_WRITE,
    [SEPARATION_NONE] = KEY_POS_VIEW | KEY_POS_SEARCH | KEY_USR_VIEW | KEY_USR_SEARCH | KEY_USR_WRITE,
};

int keyring_ring_new(Separation separation, KeySerial *ret_ring, Problem *problem)
{
    KeySerial ring = add_key("keyring", RING_DESCRIPTION, NULL, 0, KEY_SPEC_PROCESS_KEYRING);

    if (ring < 0)
        return errors_explain(errno, "add_key of the node's ring", problem);
    if (keyctl_setperm(ring, ring_permissions[separation]) < 0) {
        int r = errors_explain(errno, "keyctl(KEYCTL_SETPERM) of the node's ring", problem);

        custody_discard(ring);
        return r;
    }
    *ret_ring = ring;
    return 0;
}

int keyring_custody_check(CustodyKind kind, Problem *problem)
{
    const Custody *custody = custody_row(kind);

    return custody ? custody->check(problem) : problem_set(problem, -EINVAL, "there is no custody %d", (int)kind);
}

static int search(KeySerial ring, const Custody *custody, const char *description, KeySerial *ret_serial, Problem *problem)
{
    long serial = keyctl_search(ring, custody->type, description, 0);

    if (serial < 0)
        return errors_explain(errno, "searching the node's ring", problem);
    *ret_serial = (KeySerial)serial;
    return 0;
}

static int find_serial(KeySerial ring, const Custody *custody, const KeyId *id, KeySerial *ret_serial, Problem *problem)
{
    char description[CUSTODY_DESCRIPTION_SIZE];

    if (!custody)
        return problem_set(problem, -EINVAL, "there is no such custody");
    custody_describe(id, description);
    return search(ring, custody, description, ret_serial, problem);
}

int keyring_share_find(KeySerial ring, CustodyKind kind, const KeyId *id, const ThresholdKey *key, KeyringShare **ret_share,
                       Problem *problem)
{
    const Custody *custody = custody_row(kind);
    KeySerial serial;
    int r = find_serial(ring, custody, id, &serial, problem);

    if (r != 0)
        return r;
    r = custody_open(custody, serial, key, ret_share);
    return r == 0 ? 0 : problem_set(problem, r, "the key cannot be used: %s", strerror(-r));
}

KeyringShare *keyring_share_free(KeyringShare *share)
{
    if (share)
        (void)blinding_free(share->blinding);
    free(share);
    return NULL;
}

int keyring_share_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem)
{
    return share->custody->power(share, base, ret_power, problem);
}

int keyring_share_use(KeyringShare *share, KeyringUse use, void *userdata, bool *ret_used, Problem *problem)
{
    _cleanup_scratch_ Secret *secret = NULL;
    int r;

    *ret_used = false;
    if (!share->custody->read || threshold_scheme_has_dealer(threshold_key_scheme(share->key)))
        return problem_set(problem, -EOPNOTSUPP, "shares of this kind are not read");
    r = share->custody->read(share, &secret, problem);
    if (r != 0)
        return r;
    *ret_used = true;
    return use(userdata, secret);
}

int keyring_identity_read(KeySerial ring, Secret **ret_seed, Problem *problem)
{
    KeySerial serial = 0;
    int r = search(ring, custody_row(CUSTODY_KEYRING), CUSTODY_IDENTITY, &serial, problem);

    return r == 0 ? user_key_read_payload(serial, KEYRING_IDENTITY_SIZE, ret_seed, problem) : r;
}

bool keyring_share_pair_is_faster(const KeyringShare *a, const KeyringShare *b)
{
    return a->custody == b->custody && a->custody->power_pair &&
           threshold_key_parameters(a->key)->bits == threshold_key_parameters(b->key)->bits && threshold_pair_is_faster(a->key);
}

int keyring_share_power_pair(KeyringShare *const shares[2], const uint8_t *const bases[2], uint8_t *const ret_powers[2], Problem *problem)
{
    if (keyring_share_pair_is_faster(shares[0], shares[1]))
        return shares[0]->custody->power_pair(shares, bases, ret_powers, problem);

    int r = keyring_share_power(shares[0], bases[0], ret_powers[0], problem);

    return r != 0 ? r : keyring_share_power(shares[1], bases[1], ret_powers[1], problem);
}

/* The node may not write to its ring; to invalidate a key, which ends it at once in every ring, the search permission is enough. */
int keyring_share_remove(KeySerial ring, CustodyKind kind, const KeyId *id)
{
    KeySerial serial;
    int r = find_serial(ring, custody_row(kind), id, &serial, NULL);

    if (r != 0)
        return r;
    return keyctl_invalidate(serial) < 0 ? errors_explain(errno, "keyctl(KEYCTL_INVALIDATE)", NULL) : 0;
}

/* A line of /proc/key-users: "UID: usage keys/instantiated keys/max bytes/max" (Documentation/security/keys/core.rst). */
int keyring_quota(KeyringQuota *ret_quota)
{
    _cleanup_fclose_ FILE *file = fopen("/proc/key-users", "re");
    KeyringQuota quota;
    unsigned uid;
    char line[256];

    if (!file)
        return -errno;
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%u: %*u %*u/%*u %u/%u %u/%u", &uid, &quota.keys, &quota.keys_max, &quota.bytes, &quota.bytes_max) != 5)
            continue;
        if (uid == geteuid()) {
            *ret_quota = quota;
            return 0;
        }
    }
    return ferror(file) ? -EIO : -ENOENT;
}
