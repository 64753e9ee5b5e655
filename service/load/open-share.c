#include "load/open-share.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "keyring/keyring.h"
#include "share/sealed.h"

#define SHARES_DIRECTORY "keys"
#define SHARE_SUFFIX     ".share"

/* ---- The border: how this module's and the keyring's errors look from outside ---------------------------------------------- */

static const LoadError keyring_errors[KEYRING_E_MAX] = {
    [KEYRING_E_UNSUPPORTED] = LOAD_ERROR_UNSUPPORTED, [KEYRING_E_QUOTA] = LOAD_ERROR_QUOTA,    [KEYRING_E_FORBIDDEN] = LOAD_ERROR_FORBIDDEN,
    [KEYRING_E_INVALID_SHARE] = LOAD_ERROR_REJECTED,  [KEYRING_E_GONE] = LOAD_ERROR_FORBIDDEN,
};

/* Of the negative codes these speak about the share itself; every other one about this moment. */
static const int share_errors[] = {EBADMSG, EPROTONOSUPPORT, EINVAL, EFBIG};

static LoadError to_load_error(int r)
{
    if (r >= 0)
        return r < KEYRING_E_MAX ? keyring_errors[r] : LOAD_ERROR_UNAVAILABLE;
    for (size_t i = 0; i < ELEMENTS(share_errors); i++)
        if (r == -share_errors[i])
            return LOAD_ERROR_REJECTED;
    return LOAD_ERROR_UNAVAILABLE;
}

/* ---- The share -------------------------------------------------------------------------------------------------------------- */

static int read_share_file(const NodeConfig *config, const KeyId *id, Bytes *ret_encoded, Problem *problem)
{
    char path[PATH_MAX], text[2 * KEY_ID_SIZE + 1];

    key_id_format(id, text);
    if (snprintf(path, sizeof(path), "%s/" SHARES_DIRECTORY "/%s" SHARE_SUFFIX, config->state, text) >= (int)sizeof(path))
        return problem_set(problem, -ENAMETOOLONG, "the path of the state directory is too long");

    int r = file_read(AT_FDCWD, path, SEALED_SHARE_SIZE_MAX, ret_encoded);

    if (r == -EFBIG)
        return problem_set(problem, r, "%s is too large for a sealed share", path);
    return r < 0 ? problem_set(problem, r, "%s cannot be read: %s", path, strerror(-r)) : 0;
}

static int read_share(const NodeConfig *config, const KeyId *id, SealedShare *ret_share, Problem *problem)
{
    _cleanup_bytes_ Bytes encoded = {0};
    _cleanup_sealed_share_ SealedShare share = {0};
    int r = read_share_file(config, id, &encoded, problem);

    if (r == 0)
        r = sealed_share_decode(&encoded, &share, problem);
    if (r == 0 && !key_id_equal(&share.id, id))
        r = problem_set(problem, -EBADMSG, "the stored share is of another key than its file's name says");
    if (r == 0) {
        *ret_share = share;
        share = (SealedShare){0};
    }
    return r;
}

/* ---- The keys --------------------------------------------------------------------------------------------------------------- */

/* `option` and `what`: how the key is called in the configuration and in words. */
static int read_key(const NodeConfig *config, const char *path, const char *option, const char *what, Secret **ret_key, Problem *problem)
{
    const mode_t forbidden = config->separation ? FILE_NO_STRANGERS : FILE_OWNER_ONLY;

    if (!path)
        return problem_set(problem, -ENOKEY, "there is no %s: neither %s= nor $CREDENTIALS_DIRECTORY is set", what, option);
    if (file_read_private(path, SECRET_SIZE_MAX, forbidden, ret_key, problem) < 0)
        return problem_prefix(problem, -ENOKEY, "the %s", what);
    return 0;
}

static int read_sealing_keys(const NodeConfig *config, Secret **ret_keys, Problem *problem)
{
    _cleanup_secret_ Secret *key = NULL;
    int r = read_key(config, config->sealing_key, "SealingKey", "sealing key", &key, problem);

    if (r < 0)
        return r;
    if (secret_size(key) != HPKE_PRIVATE_KEY_SIZE && secret_size(key) != 2 * HPKE_PRIVATE_KEY_SIZE)
        return problem_set(problem, -ENOKEY, "the sealing key %s has %zu bytes; it must have %d, or %d while a rotation is under way",
                           config->sealing_key, secret_size(key), HPKE_PRIVATE_KEY_SIZE, 2 * HPKE_PRIVATE_KEY_SIZE);
    *ret_keys = TAKE_PTR(key);
    return 0;
}

/* While the sealing key is rotated there are two, new and old: shares that clients seal to the old one meanwhile are good as well. */
static int open_with(const Secret *keys, const SealedShare *sealed, Secret **ret_share)
{
    int r = -EBADMSG;

    for (size_t at = 0; r == -EBADMSG && at < secret_size(keys); at += HPKE_PRIVATE_KEY_SIZE) {
        _cleanup_secret_ Secret *key = NULL;

        r = secret_new_copy(secret_bytes(keys) + at, HPKE_PRIVATE_KEY_SIZE, &key);
        if (r == 0)
            r = sealed_share_open(sealed, key, ret_share);
    }
    return r;
}

/* ---- Together ---------------------------------------------------------------------------------------------------------------- */

static int unseal(const NodeConfig *config, const SealedShare *sealed, Secret **ret_share, Problem *problem)
{
    _cleanup_secret_ Secret *keys = NULL;
    int r = read_sealing_keys(config, &keys, problem);

    if (r < 0)
        return r;
    r = open_with(keys, sealed, ret_share);
    if (r == -EBADMSG)
        return problem_set(problem, r, "the share does not open: it was sealed to another node's key, or changed");
    return r < 0 ? problem_set(problem, r, "the share could not be opened: %s", strerror(-r)) : 0;
}

static Separation separation_of(const NodeConfig *config)
{
    return config->separation ? SEPARATION_USERS : SEPARATION_NONE;
}

static int insert(const NodeConfig *config, const LoadInput *input, const SealedShare *sealed, Problem *problem)
{
    const Header *header = &sealed->header;
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    _cleanup_secret_ Secret *share = NULL;
    int r = threshold_key_new(&header->parameters, &header->public_key, &header->verification, &key, problem);

    if (r == 0)
        r = unseal(config, sealed, &share, problem);
    if (r == 0)
        r = keyring_insert((KeySerial)input->ring, separation_of(config), header->custody, &sealed->id, sealed->index, key, share, problem);
    return r == -EEXIST ? 0 : r;
}

static bool is_agreed(const NodeConfig *config, bool separation, Problem *problem)
{
    if (separation == config->separation)
        return true;
    (void)problem_set(problem, 0, "the node says separation=%s, the loader's configuration Separation=%s", separation ? "yes" : "no",
                      config->separation ? "yes" : "no");
    return false;
}

LoadError open_share(const NodeConfig *config, const LoadInput *input, Problem *problem)
{
    _cleanup_sealed_share_ SealedShare sealed = {0};
    KeyId id;

    if (!is_agreed(config, input->separation, problem))
        return LOAD_ERROR_FORBIDDEN;
    memcpy(id.bytes, input->key.data, KEY_ID_SIZE);

    int r = read_share(config, &id, &sealed, problem);

    if (r == 0)
        r = insert(config, input, &sealed, problem);
    return to_load_error(r);
}

LoadError open_identity(const NodeConfig *config, const LoadIdentityInput *input, Problem *problem)
{
    _cleanup_secret_ Secret *seed = NULL;

    if (!is_agreed(config, input->separation, problem))
        return LOAD_ERROR_FORBIDDEN;

    int r = read_key(config, config->identity_key, "IdentityKey", "identity key", &seed, problem);

    if (r == 0)
        r = keyring_identity_insert((KeySerial)input->ring, separation_of(config), seed, problem);
    return to_load_error(r);
}
