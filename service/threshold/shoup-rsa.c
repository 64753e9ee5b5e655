#include "threshold/shoup-rsa.h"

#include <errno.h>
#include <openssl/bnerr.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "threshold/bn.h"
#include "threshold/rsa-public.h"

static const unsigned sizes[] = {2048, 3072, 4096, 0};

const ShoupRsaKey *shoup_rsa_key(const ThresholdKey *key)
{
    return (const ShoupRsaKey *)(const void *)key;
}

/* ---- The key ---- */

static void key_free(ThresholdKey *key)
{
    ShoupRsaKey *rsa = (ShoupRsaKey *)(void *)key;

    BN_free(rsa->modulus);
    BN_MONT_CTX_free(rsa->mont);
    bytes_clear(&rsa->verification);
    bytes_clear(&rsa->key.public_key);
    free(rsa);
}

static void key_freep(ShoupRsaKey **rsa)
{
    if (*rsa)
        key_free(&(*rsa)->key);
}

static int read_modulus(ShoupRsaKey *rsa, BN_CTX *ctx, Problem *problem)
{
    const ThresholdParameters *parameters = &rsa->key.parameters;
    const Bytes *bytes = &rsa->key.public_key;

    if (bytes->size != rsa->key.partial_size)
        return problem_set(problem, -EBADMSG, "the RSA-%u modulus has %zu bytes instead of %zu: the key's header is damaged",
                           parameters->bits, bytes->size, rsa->key.partial_size);
    if (!BN_bin2bn(bytes->data, (int)bytes->size, rsa->modulus))
        return -ENOMEM;
    if (BN_num_bits(rsa->modulus) != (int)parameters->bits || !BN_is_odd(rsa->modulus))
        return problem_set(problem, -EBADMSG, "the RSA modulus is not an odd number of exactly %u bits: the key's header is damaged",
                           parameters->bits);
    return BN_MONT_CTX_set(rsa->mont, rsa->modulus, ctx) == 1 ? 0 : -ENOMEM;
}

int shoup_rsa_read(const ShoupRsaKey *rsa, const uint8_t *bytes, BIGNUM *number)
{
    if (!BN_bin2bn(bytes, (int)rsa->key.partial_size, number))
        return -EIO;
    return BN_is_zero(number) || BN_cmp(number, rsa->modulus) >= 0 ? -EINVAL : 0;
}

int shoup_rsa_invert(const ShoupRsaKey *rsa, BIGNUM *number, BN_CTX *ctx)
{
    (void)ERR_set_mark();
    if (BN_mod_inverse(number, number, rsa->modulus, ctx)) {
        (void)ERR_clear_last_mark();
        return 0;
    }

    bool no_inverse = ERR_GET_REASON(ERR_peek_last_error()) == BN_R_NO_INVERSE;

    (void)ERR_pop_to_mark();
    return no_inverse ? -EDOM : -EIO;
}

/* With v = 1 or -1 any share would pass the check against it. */
static bool is_trivial(const ShoupRsaKey *rsa, const BIGNUM *value, BIGNUM *scratch)
{
    return BN_is_one(value) || BN_sub(scratch, rsa->modulus, value) != 1 || BN_is_one(scratch);
}

/* v, v_1, …, v_n are in range, v is not trivial, and all are invertible: their product is. */
static int check_verification(const ShoupRsaKey *rsa, BN_CTX *ctx)
{
    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(ctx);
    BIGNUM *value = BN_CTX_get(ctx), *product = BN_CTX_get(ctx), *scratch = BN_CTX_get(ctx);

    if (!scratch || BN_one(product) != 1)
        return -ENOMEM;
    for (unsigned i = 0; i <= rsa->key.parameters.n; i++) {
        int r = shoup_rsa_read(rsa, rsa->verification.data + i * rsa->key.partial_size, value);

        if (r == -EINVAL || (r == 0 && i == 0 && is_trivial(rsa, value, scratch)))
            return -EBADMSG;
        if (r < 0 || BN_mod_mul(product, product, value, rsa->modulus, ctx) != 1)
            return -ENOMEM;
    }

    int r = shoup_rsa_invert(rsa, product, ctx);

    return r == -EDOM ? -EBADMSG : r < 0 ? -ENOMEM : 0;
}

static int read_verification(const ShoupRsaKey *rsa, BN_CTX *ctx, Problem *problem)
{
    unsigned n = rsa->key.parameters.n;
    size_t expected = (n + 1) * rsa->key.partial_size;

    if (rsa->verification.size != expected)
        return problem_set(problem, -EBADMSG,
                           "the verification values of %u nodes have %zu bytes instead of %zu: the key's header is damaged", n,
                           rsa->verification.size, expected);

    int r = check_verification(rsa, ctx);

    if (r == -EBADMSG)
        return problem_set(problem, r, "a verification value is not an invertible number below the modulus: the key's header is damaged");
    return r;
}

static int key_new(const ThresholdParameters *parameters, const Bytes *public_key, const Bytes *verification, ThresholdKey **ret_key,
                   Problem *problem)
{
    _cleanup_(key_freep) ShoupRsaKey *rsa = calloc(1, sizeof(*rsa));
    _cleanup_bn_ctx_ BN_CTX *ctx = bn_public_context();

    if (!rsa || !ctx)
        return -ENOMEM;
    rsa->key = (ThresholdKey){
        .scheme = &shoup_rsa,
        .parameters = *parameters,
        .share_size = parameters->bits / 8,
        .partial_size = parameters->bits / 8,
        .signature_size = parameters->bits / 8,
    };
    rsa->modulus = BN_new();
    rsa->mont = BN_MONT_CTX_new();
    if (!rsa->modulus || !rsa->mont || bytes_copy(public_key->data, public_key->size, &rsa->key.public_key) < 0 ||
        bytes_copy(verification->data, verification->size, &rsa->verification) < 0)
        return -ENOMEM;

    int r = read_modulus(rsa, ctx, problem);

    if (r == 0)
        r = read_verification(rsa, ctx, problem);
    if (r < 0)
        return r;
    *ret_key = &rsa->key;
    rsa = NULL;
    return 0;
}

/* ---- The node's part ---- */

int shoup_rsa_encode(const ShoupRsaKey *rsa, const Digest *digest, BIGNUM *x)
{
    uint8_t encoded[THRESHOLD_SIGNATURE_SIZE_MAX];
    int r = digest_encode(digest, rsa->key.parameters.bits, encoded);

    if (r == 0 && !BN_bin2bn(encoded, (int)rsa->key.signature_size, x))
        return -EIO;
    return r;
}

static int compute_base(const ThresholdKey *key, const Digest *digest, uint8_t *ret_base)
{
    const ShoupRsaKey *rsa = shoup_rsa_key(key);
    _cleanup_bn_ctx_ BN_CTX *ctx = bn_public_context();
    _cleanup_bn_ BIGNUM *x = BN_new();

    if (!ctx || !x)
        return -EIO;

    int r = shoup_rsa_encode(rsa, digest, x);

    if (r < 0)
        return r;
    if (BN_mod_sqr(x, x, rsa->modulus, ctx) != 1 || BN_bn2binpad(x, ret_base, (int)key->partial_size) < 0)
        return -EIO;
    return 0;
}

/* One exponentiation with a secret exponent. */
typedef struct Power {
    const ShoupRsaKey *rsa;
    BIGNUM *base, *exponent, *result;
} Power;

static int power_init(Power *power, const ThresholdKey *key, const Secret *share, const uint8_t *base, BN_CTX *ctx)
{
    *power = (Power){shoup_rsa_key(key), BN_CTX_get(ctx), BN_CTX_get(ctx), BN_CTX_get(ctx)};
    if (!power->result)
        return -EIO;
    if (secret_size(share) != key->partial_size)
        return -EINVAL;
    if (!BN_bin2bn(secret_bytes(share), (int)secret_size(share), power->exponent))
        return -EIO;
    BN_set_flags(power->exponent, BN_FLG_CONSTTIME);
    if (BN_is_zero(power->exponent) || BN_cmp(power->exponent, power->rsa->modulus) >= 0)
        return -EINVAL;
    return shoup_rsa_read(power->rsa, base, power->base);
}

static int power_write(const Power *power, uint8_t *ret_power)
{
    return BN_bn2binpad(power->result, ret_power, (int)power->rsa->key.partial_size) < 0 ? -EIO : 0;
}

static int single_power(const Power *power, BN_CTX *ctx)
{
    const ShoupRsaKey *rsa = power->rsa;

    return BN_mod_exp_mont_consttime(power->result, power->base, power->exponent, rsa->modulus, ctx, rsa->mont) == 1 ? 0 : -EIO;
}

static int paired_power(const Power powers[2], BN_CTX *ctx)
{
    const Power *a = &powers[0], *b = &powers[1];

    if (BN_mod_exp_mont_consttime_x2(a->result, a->base, a->exponent, a->rsa->modulus, a->rsa->mont, b->result, b->base, b->exponent,
                                     b->rsa->modulus, b->rsa->mont, ctx) != 1)
        return -EIO;
    return 0;
}

static int compute_power(const ThresholdKey *key, const Secret *share, const uint8_t *base, uint8_t *ret_power)
{
    int r = crypto_secure_heap();

    if (r < 0)
        return r;

    _cleanup_bn_ctx_ BN_CTX *ctx = bn_secret_context();
    Power one;

    if (!ctx)
        return -EIO;
    BN_CTX_start(ctx);
    r = power_init(&one, key, share, base, ctx);
    if (r == 0)
        r = single_power(&one, ctx);
    return r < 0 ? r : power_write(&one, ret_power);
}

static int compute_power_pair(const ThresholdKey *const keys[2], const Secret *const shares[2], const uint8_t *const bases[2],
                              uint8_t *const ret_powers[2])
{
    int r = crypto_secure_heap();

    if (r < 0)
        return r;

    _cleanup_bn_ctx_ BN_CTX *ctx = bn_secret_context();
    Power both[2];

    if (!ctx)
        return -EIO;
    BN_CTX_start(ctx);
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = power_init(&both[i], keys[i], shares[i], bases[i], ctx);
    if (r == 0)
        r = paired_power(both, ctx);
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = power_write(&both[i], ret_powers[i]);
    return r;
}

/* ---- Is a pair faster than two? ---- */

#define PAIR_ROUNDS 4

typedef enum PairSpeed {
    PAIR_UNKNOWN,
    PAIR_MEASURED_NOW,
    PAIR_FASTER,
    PAIR_NOT_FASTER,
} PairSpeed;

static _Atomic PairSpeed pair_speeds[ELEMENTS(sizes)];

/* Best time of each way in alternating rounds, so that what else the machine does hits both alike. */
static bool pair_wins(const Power both[2], BN_CTX *ctx)
{
    Microseconds singles = MICROSECONDS_FOREVER, paired = MICROSECONDS_FOREVER;

    for (unsigned round = 0; round < PAIR_ROUNDS; round++) {
        Microseconds start = clock_now();

        if (single_power(&both[0], ctx) < 0 || single_power(&both[1], ctx) < 0)
            return false;

        Microseconds middle = clock_now();

        if (paired_power(both, ctx) < 0)
            return false;

        Microseconds end = clock_now();

        singles = middle - start < singles ? middle - start : singles;
        paired = end - middle < paired ? end - middle : paired;
    }
    return paired * 10 <= singles * 9;
}

/* With public numbers of the usual size: v as the base, N/4 as the exponent. */
static PairSpeed measure_pair(const ShoupRsaKey *rsa)
{
    _cleanup_bn_ctx_ BN_CTX *ctx = bn_public_context();
    Power both[2];

    if (!ctx)
        return PAIR_NOT_FASTER;
    BN_CTX_start(ctx);
    for (unsigned i = 0; i < 2; i++) {
        both[i] = (Power){rsa, BN_CTX_get(ctx), BN_CTX_get(ctx), BN_CTX_get(ctx)};
        if (!both[i].result || shoup_rsa_read(rsa, rsa->verification.data, both[i].base) < 0 ||
            BN_rshift(both[i].exponent, rsa->modulus, 2) != 1)
            return PAIR_NOT_FASTER;
    }
    return pair_wins(both, ctx) ? PAIR_FASTER : PAIR_NOT_FASTER;
}

static bool pair_is_faster(const ThresholdKey *key)
{
    size_t row = 0;

    while (sizes[row] != key->parameters.bits)
        row++;

    PairSpeed unknown = PAIR_UNKNOWN;

    if (atomic_compare_exchange_strong(&pair_speeds[row], &unknown, PAIR_MEASURED_NOW))
        atomic_store(&pair_speeds[row], measure_pair(shoup_rsa_key(key)));
    return atomic_load(&pair_speeds[row]) == PAIR_FASTER;
}

/* ---- Does the share fit? ---- */

static int check_share(const ThresholdKey *key, unsigned index, ThresholdOracle oracle, void *userdata)
{
    const ShoupRsaKey *rsa = shoup_rsa_key(key);
    uint8_t answer[THRESHOLD_PARTIAL_SIZE_MAX];
    int r = oracle(userdata, rsa->verification.data, answer);

    if (r != 0)
        return r;
    return memcmp(answer, rsa->verification.data + index * key->partial_size, key->partial_size) == 0 ? 0 : THRESHOLD_E_INVALID_SHARE;
}

static int public_info(const Bytes *public_key, Bytes *ret_der)
{
    uint8_t exponent[] = {1, 0, 1};

    return rsa_public_info(public_key, &(Bytes){exponent, sizeof(exponent)}, ret_der);
}

const Scheme shoup_rsa = {
    .algorithm = THRESHOLD_RSA,
    .name = "rsa",
    .sizes = sizes,
    .public_info = public_info,
    .deal = shoup_rsa_deal,
    .key_new = key_new,
    .key_free = key_free,
    .base = compute_base,
    .power = compute_power,
    .power_pair = compute_power_pair,
    .pair_is_faster = pair_is_faster,
    .check_share = check_share,
    .combine = shoup_rsa_combine,
    .check_partial = shoup_rsa_check_partial,
    .verify = shoup_rsa_verify,
};
