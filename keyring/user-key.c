#include <errno.h>
#include <keyutils.h>
#include <string.h>

#include "keyring/custody.h"
#include "keyring/errors.h"
#include "keyring/scratch.h"

/* Possession and the search permission are enough to read a user key (kernel, Documentation/security/keys/core.rst). */
int user_key_read_payload(KeySerial serial, size_t size, Secret **ret_payload, Problem *problem)
{
    _cleanup_scratch_ Secret *payload = NULL;
    int r = scratch_take(size, &payload);

    if (r < 0)
        return problem_set(problem, r, "no locked memory for a share: %s", strerror(-r));

    long got = keyctl_read(serial, (char *)secret_data(payload), size);

    if (got < 0)
        return errors_explain_use(errno, "keyctl(KEYCTL_READ)", problem);
    if ((size_t)got != size)
        return problem_set(problem, -EIO, "the key in the kernel has %ld bytes; it should have %zu", got, size);
    *ret_payload = TAKE_PTR(payload);
    return 0;
}

static int check_reading(KeySerial serial, const Secret *expected, Problem *problem)
{
    _cleanup_scratch_ Secret *got = NULL;
    int r = user_key_read_payload(serial, secret_size(expected), &got, problem);

    if (r == 0 && !secret_equal(expected, got))
        return problem_set(problem, KEYRING_E_UNSUPPORTED, "the kernel gives back another user key than it was given");
    return r;
}

int user_key_check(Problem *problem)
{
    static const uint8_t sample[] = "custody check";
    _cleanup_secret_ Secret *payload = NULL;
    KeySerial serial;
    int r = secret_new_copy(sample, sizeof(sample), &payload);

    if (r < 0)
        return problem_set(problem, r, "no locked memory: %s", strerror(-r));
    r = custody_add(custody_row(CUSTODY_KEYRING), CUSTODY_DESCRIPTION_PREFIX "check", payload, &serial, problem);
    if (r != 0)
        return r;
    r = check_reading(serial, payload, problem);
    custody_discard(serial);
    return r;
}

int user_key_payload(const ThresholdKey *key, const Secret *share, Secret **ret_payload)
{
    if (secret_size(share) != threshold_key_share_size(key))
        return -EINVAL;
    return secret_new_copy(secret_bytes(share), secret_size(share), ret_payload);
}

int user_key_explain(int error, Problem *problem)
{
    return errors_explain(error, "add_key", problem);
}

int user_key_open(KeyringShare *share)
{
    return 0;
}

int user_key_read(const KeyringShare *share, Secret **ret_secret, Problem *problem)
{
    return user_key_read_payload(share->serial, threshold_key_share_size(share->key), ret_secret, problem);
}

int user_key_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem)
{
    _cleanup_scratch_ Secret *secret = NULL;
    int r = user_key_read(share, &secret, problem);

    if (r != 0)
        return r;
    r = threshold_key_power(share->key, secret, base, ret_power);
    return r == 0 ? 0 : problem_set(problem, r, "the exponentiation failed: %s", strerror(-r));
}

int user_key_power_pair(KeyringShare *const shares[2], const uint8_t *const bases[2], uint8_t *const ret_powers[2], Problem *problem)
{
    _cleanup_scratch_ Secret *first = NULL, *second = NULL;
    int r = user_key_read(shares[0], &first, problem);

    if (r == 0)
        r = user_key_read(shares[1], &second, problem);
    if (r != 0)
        return r;
    r = threshold_key_power_pair((const ThresholdKey *[]){shares[0]->key, shares[1]->key}, (const Secret *[]){first, second}, bases,
                                 ret_powers);
    return r == 0 ? 0 : problem_set(problem, r, "the exponentiation failed: %s", strerror(-r));
}
