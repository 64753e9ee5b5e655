/* FROST as a row of the table of schemes. There is no dealer and no oracle: the nodes make the keys among themselves (frost-dkg.h) and sign
 * with pairs of nonces (frost.h), which is what frost_scheme_key() is asked for. */
#include <errno.h>
#include <stdlib.h>

#include "threshold/ed25519-public.h"
#include "threshold/frost-scheme.h"

static const unsigned sizes[] = {256, 0};

typedef struct FrostSchemeKey {
    ThresholdKey key; /* first: a ThresholdKey of this scheme is one of these */
    FrostKey *frost;
} FrostSchemeKey;

static void key_free(ThresholdKey *key)
{
    FrostSchemeKey *own = (FrostSchemeKey *)key;

    (void)frost_key_free(own->frost);
    bytes_clear(&key->public_key);
    free(own);
}

static int key_new(const ThresholdParameters *parameters, const Bytes *public_key, const Bytes *verification, ThresholdKey **ret_key,
                   Problem *problem)
{
    FrostSchemeKey *own = calloc(1, sizeof(*own));
    int r = own ? ed25519_group_init(problem) : -ENOMEM;

    if (r > 0)
        r = -EIO; /* the codes of two modules would otherwise meet in one int; the problem has the words */
    if (r == 0)
        r = frost_key_new(parameters->n, parameters->k, public_key, verification, &own->frost, problem);
    if (r == 0)
        r = bytes_copy(public_key->data, public_key->size, &own->key.public_key);
    if (r < 0) {
        if (own)
            key_free(&own->key);
        return r;
    }
    own->key.scheme = &frost_scheme;
    own->key.parameters = *parameters;
    own->key.share_size = FROST_SHARE_SIZE;
    own->key.partial_size = FROST_PARTIAL_SIZE;
    own->key.signature_size = FROST_SIGNATURE_SIZE;
    *ret_key = &own->key;
    return 0;
}

static int verify(const ThresholdKey *key, const void *message, size_t message_size, const void *signature, size_t size)
{
    int r = frost_verify(((const FrostSchemeKey *)key)->frost, message, message_size, signature, size);

    return r == FROST_E_INVALID_SIGNATURE ? THRESHOLD_E_INVALID_SIGNATURE : r;
}

static int verify_statement(const ThresholdKey *key, const Digest *digest, const void *signature, size_t size)
{
    uint8_t statement[THRESHOLD_STATEMENT_SIZE_MAX];

    return verify(key, statement, threshold_statement(digest, statement), signature, size);
}

static int public_info(const Bytes *public_key, Bytes *ret_der)
{
    return ed25519_public_info(public_key->data, ret_der);
}

static int check_share(const ThresholdKey *key, unsigned index, const Secret *share)
{
    int r = frost_key_check_share(((const FrostSchemeKey *)key)->frost, index, share);

    return r == FROST_E_INVALID_SHARE ? THRESHOLD_E_INVALID_SHARE : r;
}

const FrostKey *threshold_key_frost(const ThresholdKey *key)
{
    return key->scheme == &frost_scheme ? ((const FrostSchemeKey *)key)->frost : NULL;
}

const Scheme frost_scheme = {
    .algorithm = THRESHOLD_ED25519,
    .name = "ed25519",
    .sizes = sizes,
    .public_info = public_info,
    .key_new = key_new,
    .key_free = key_free,
    .check_secret = check_share,
    .verify = verify_statement,
    .verify_message = verify,
};
