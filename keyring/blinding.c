#include "keyring/blinding.h"

#include <errno.h>
#include <pthread.h>

#include "threshold/bn.h"
#include "threshold/draw.h"

struct Blinding {
    pthread_mutex_t lock; /* guards factor, divisor and uses */
    size_t size;
    BIGNUM *modulus;
    BN_MONT_CTX *montgomery;
    BIGNUM *factor;  /* r, in Montgomery form */
    BIGNUM *divisor; /* 1/r^s, in Montgomery form */
    unsigned uses;   /* left until the pair is made anew */
};

static BIGNUM *secret_number(void)
{
    BIGNUM *number = BN_secure_new();

    if (number)
        BN_set_flags(number, BN_FLG_CONSTTIME);
    return number;
}

Blinding *blinding_free(Blinding *blinding)
{
    if (!blinding)
        return NULL;
    (void)pthread_mutex_destroy(&blinding->lock);
    BN_clear_free(blinding->factor);
    BN_clear_free(blinding->divisor);
    BN_MONT_CTX_free(blinding->montgomery);
    BN_free(blinding->modulus);
    free(blinding);
    return NULL;
}

static int set_up(Blinding *blinding, const Bytes *modulus)
{
    _cleanup_bn_ctx_ BN_CTX *ctx = bn_public_context();

    blinding->size = modulus->size;
    blinding->modulus = BN_bin2bn(modulus->data, (int)modulus->size, NULL);
    blinding->montgomery = BN_MONT_CTX_new();
    blinding->factor = secret_number();
    blinding->divisor = secret_number();
    if (!ctx || !blinding->modulus || !blinding->montgomery || !blinding->factor || !blinding->divisor)
        return -EIO;
    if (!BN_is_odd(blinding->modulus))
        return -EINVAL;
    return BN_MONT_CTX_set(blinding->montgomery, blinding->modulus, ctx) ? 0 : -EIO;
}

int blinding_new(const Bytes *modulus, Blinding **ret_blinding)
{
    int r = crypto_secure_heap();

    if (r < 0)
        return r;

    _cleanup_(blinding_freep) Blinding *blinding = calloc(1, sizeof(*blinding));

    if (!blinding)
        return -ENOMEM;
    (void)pthread_mutex_init(&blinding->lock, NULL);
    r = set_up(blinding, modulus);
    if (r == 0)
        *ret_blinding = TAKE_PTR(blinding);
    return r;
}

/* number·other in the ordinary form, if one of the two is in Montgomery form; in Montgomery form, if both are. */
static int multiply(const Blinding *blinding, BIGNUM *ret_product, const BIGNUM *number, const BIGNUM *other, BN_CTX *ctx)
{
    return BN_mod_mul_montgomery(ret_product, number, other, blinding->montgomery, ctx) ? 0 : -EIO;
}

/* What the oracle makes of a number; the bytes on the way there and back give the blinding away. */
static int ask(const Blinding *blinding, ThresholdOracle oracle, void *userdata, const BIGNUM *base, BIGNUM *ret_power)
{
    _cleanup_secret_ Secret *bytes = NULL;
    int r = secret_new(blinding->size, &bytes);

    if (r < 0)
        return r;
    if (BN_bn2binpad(base, secret_data(bytes), (int)blinding->size) < 0)
        return -EIO;
    r = oracle(userdata, secret_bytes(bytes), secret_data(bytes));
    if (r != 0)
        return r;
    if (!BN_bin2bn(secret_bytes(bytes), (int)blinding->size, ret_power) || BN_ucmp(ret_power, blinding->modulus) >= 0)
        return -EIO;
    return 0;
}

/* A fresh pair; the lock is held. */
static int renew(Blinding *blinding, ThresholdOracle oracle, void *userdata, BN_CTX *ctx)
{
    _cleanup_bn_ BIGNUM *random = secret_number(), *power = secret_number(), *inverse = secret_number();

    if (!random || !power || !inverse)
        return -EIO;

    int r = draw_below(blinding->modulus, random);

    if (r < 0)
        return r;
    r = ask(blinding, oracle, userdata, random, power);

    if (r != 0)
        return r;
    if (!BN_mod_inverse(inverse, power, blinding->modulus, ctx))
        return -EIO;
    if (!BN_to_montgomery(blinding->factor, random, blinding->montgomery, ctx) ||
        !BN_to_montgomery(blinding->divisor, inverse, blinding->montgomery, ctx))
        return -EIO;
    blinding->uses = BLINDING_USES;
    return 0;
}

/* Copy the pair out and square it for the next one; the lock is held. */
static int use_pair(Blinding *blinding, BIGNUM *ret_factor, BIGNUM *ret_divisor, BN_CTX *ctx)
{
    if (!BN_copy(ret_factor, blinding->factor) || !BN_copy(ret_divisor, blinding->divisor))
        return -EIO;
    blinding->uses--;

    int r = multiply(blinding, blinding->factor, blinding->factor, blinding->factor, ctx);

    if (r == 0)
        r = multiply(blinding, blinding->divisor, blinding->divisor, blinding->divisor, ctx);
    if (r < 0)
        blinding->uses = 0;
    return r;
}

static int take_pair(Blinding *blinding, ThresholdOracle oracle, void *userdata, BIGNUM *ret_factor, BIGNUM *ret_divisor, BN_CTX *ctx)
{
    int r = 0;

    (void)pthread_mutex_lock(&blinding->lock);
    if (blinding->uses == 0)
        r = renew(blinding, oracle, userdata, ctx);
    if (r == 0)
        r = use_pair(blinding, ret_factor, ret_divisor, ctx);
    (void)pthread_mutex_unlock(&blinding->lock);
    return r;
}

int blinding_power(Blinding *blinding, ThresholdOracle oracle, void *userdata, const uint8_t *base, uint8_t *ret_power)
{
    _cleanup_bn_ctx_ BN_CTX *ctx = bn_secret_context();
    _cleanup_bn_ BIGNUM *number = secret_number(), *factor = secret_number(), *divisor = secret_number();

    if (!ctx || !number || !factor || !divisor || !BN_bin2bn(base, (int)blinding->size, number))
        return -EIO;
    if (BN_ucmp(number, blinding->modulus) >= 0)
        return -EINVAL;

    int r = take_pair(blinding, oracle, userdata, factor, divisor, ctx);

    if (r == 0)
        r = multiply(blinding, number, number, factor, ctx);
    if (r == 0)
        r = ask(blinding, oracle, userdata, number, number);
    if (r == 0)
        r = multiply(blinding, number, number, divisor, ctx);
    if (r == 0 && BN_bn2binpad(number, ret_power, (int)blinding->size) < 0)
        r = -EIO;
    return r;
}
