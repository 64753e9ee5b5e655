/*
 * Dealing a threshold RSA key: Shoup, "Practical Threshold Signatures", section 3.1. The factors, the private exponent and the
 * polynomial live in locked memory, and no longer than shoup_rsa_deal() runs. The exception is libcrypto's Montgomery contexts for the
 * factors (safe-prime.c): ordinary memory, wiped.
 */
#include <errno.h>
#include <string.h>

#include "threshold/bn.h"
#include "threshold/draw.h"
#include "threshold/safe-prime.h"
#include "threshold/shoup-rsa.h"

typedef struct Dealer {
    const ThresholdParameters *parameters;
    BN_CTX *ctx;
    BIGNUM *primes[2];                         /* p = 2p' + 1 and q = 2q' + 1 */
    BIGNUM *modulus;                           /* N = pq */
    BIGNUM *order;                             /* m = p'q', of the group of squares */
    BIGNUM *coefficients[THRESHOLD_NODES_MAX]; /* of f over Z_m; the first is the private exponent */
    BIGNUM *shares[THRESHOLD_NODES_MAX];       /* n!·f(i) mod m */
} Dealer;

static void dealer_clear(Dealer *dealer)
{
    for (size_t i = 0; i < ELEMENTS(dealer->primes); i++)
        BN_clear_free(dealer->primes[i]);
    BN_CTX_free(dealer->ctx);
}

/* A secret number that is computed with in constant time; it is wiped with the context. */
static BIGNUM *secret_number(BN_CTX *ctx)
{
    BIGNUM *number = BN_CTX_get(ctx);

    if (number)
        BN_set_flags(number, BN_FLG_CONSTTIME);
    return number;
}

static int dealer_init(Dealer *dealer)
{
    const ThresholdParameters *parameters = dealer->parameters;

    dealer->ctx = bn_secret_context();
    if (!dealer->ctx)
        return -EIO;
    BN_CTX_start(dealer->ctx);
    dealer->modulus = secret_number(dealer->ctx);
    dealer->order = secret_number(dealer->ctx);
    for (unsigned i = 0; i < parameters->k; i++)
        dealer->coefficients[i] = secret_number(dealer->ctx);
    for (unsigned i = 0; i < parameters->n; i++)
        dealer->shares[i] = secret_number(dealer->ctx);
    return dealer->shares[parameters->n - 1] ? 0 : -EIO;
}

/* N = pq and m = p'q'. */
static int make_modulus(Dealer *dealer)
{
    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(dealer->ctx);
    BIGNUM *p_half = secret_number(dealer->ctx), *q_half = secret_number(dealer->ctx);

    if (!q_half || BN_rshift1(p_half, dealer->primes[0]) != 1 || BN_rshift1(q_half, dealer->primes[1]) != 1 ||
        BN_mul(dealer->modulus, dealer->primes[0], dealer->primes[1], dealer->ctx) != 1 ||
        BN_mul(dealer->order, p_half, q_half, dealer->ctx) != 1)
        return -EIO;
    return 0;
}

/* f(X) = d + a_1 X + … + a_(k-1) X^(k-1) with d = 1/e mod m and a_j uniform in Z_m. */
static int make_polynomial(Dealer *dealer)
{
    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(dealer->ctx);
    BIGNUM *e = BN_CTX_get(dealer->ctx);

    if (!e || BN_set_word(e, SHOUP_RSA_EXPONENT) != 1 || !BN_mod_inverse(dealer->coefficients[0], e, dealer->order, dealer->ctx))
        return -EIO;

    int r = 0;

    for (unsigned j = 1; j < dealer->parameters->k && r == 0; j++)
        r = draw_below(dealer->order, dealer->coefficients[j]);
    return r;
}

static int set_factorial(BIGNUM *number, unsigned n)
{
    if (BN_one(number) != 1)
        return -EIO;
    for (unsigned i = 2; i <= n; i++)
        if (BN_mul_word(number, i) != 1)
            return -EIO;
    return 0;
}

/* share = f(i) mod m by Horner's rule. */
static int evaluate(const Dealer *dealer, unsigned i, BIGNUM *share)
{
    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(dealer->ctx);
    BIGNUM *at = BN_CTX_get(dealer->ctx);

    if (!at || BN_set_word(at, i) != 1)
        return -EIO;
    BN_zero(share);
    for (unsigned j = dealer->parameters->k; j-- > 0;)
        if (BN_mod_mul(share, share, at, dealer->order, dealer->ctx) != 1 ||
            BN_mod_add_quick(share, share, dealer->coefficients[j], dealer->order) != 1)
            return -EIO;
    return 0;
}

/* s_i = n!·f(i) mod m: with the factor in it, the exponent stays shorter than the modulus. */
static int make_shares(Dealer *dealer)
{
    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(dealer->ctx);
    BIGNUM *delta = BN_CTX_get(dealer->ctx);

    if (!delta || set_factorial(delta, dealer->parameters->n) < 0)
        return -EIO;
    for (unsigned i = 0; i < dealer->parameters->n; i++)
        if (evaluate(dealer, i + 1, dealer->shares[i]) < 0 ||
            BN_mod_mul(dealer->shares[i], dealer->shares[i], delta, dealer->order, dealer->ctx) != 1)
            return -EIO;
    return 0;
}

/* v is a random square, v_i = v^s_i. */
static int make_verification(const Dealer *dealer, uint8_t *ret_values)
{
    _cleanup_bn_frame_ BN_CTX *frame = bn_frame(dealer->ctx);
    BIGNUM *v = BN_CTX_get(dealer->ctx), *value = BN_CTX_get(dealer->ctx);
    int size = (int)dealer->parameters->bits / 8;

    if (!value || BN_rand_range_ex(v, dealer->modulus, 0, dealer->ctx) != 1 || BN_mod_sqr(v, v, dealer->modulus, dealer->ctx) != 1 ||
        BN_bn2binpad(v, ret_values, size) < 0)
        return -EIO;
    for (unsigned i = 0; i < dealer->parameters->n; i++) {
        ret_values += size;
        if (BN_mod_exp_mont_consttime(value, v, dealer->shares[i], dealer->modulus, dealer->ctx, NULL) != 1 ||
            BN_bn2binpad(value, ret_values, size) < 0)
            return -EIO;
    }
    return 0;
}

static int export_share(const Dealer *dealer, unsigned i, Secret **ret_share)
{
    size_t size = dealer->parameters->bits / 8;

    if (secret_new(size, ret_share) < 0)
        return -EPERM;
    return BN_bn2binpad(dealer->shares[i], secret_data(*ret_share), (int)size) < 0 ? -EIO : 0;
}

static int export_deal(const Dealer *dealer, Deal *ret_deal)
{
    size_t size = dealer->parameters->bits / 8;
    int r = bytes_new(size, &ret_deal->public_key);

    if (r == 0)
        r = bytes_new(size * (dealer->parameters->n + 1), &ret_deal->verification);
    if (r == 0)
        r = make_verification(dealer, ret_deal->verification.data);
    for (unsigned i = 0; i < dealer->parameters->n && r == 0; i++)
        r = export_share(dealer, i, &ret_deal->shares[i]);
    if (r == 0 && BN_bn2binpad(dealer->modulus, ret_deal->public_key.data, (int)size) < 0)
        return -EIO;
    return r;
}

/* ---- Is what was dealt right? ---- */

typedef struct ShareOracle {
    const ThresholdKey *key;
    const Secret *share;
} ShareOracle;

static int ask_share(void *userdata, const uint8_t *base, uint8_t *ret_power)
{
    const ShareOracle *oracle = userdata;

    return threshold_key_power(oracle->key, oracle->share, base, ret_power);
}

/* Every share fits its verification value and signs `digest`. */
static int use_shares(const ThresholdKey *key, Secret *const *shares, const Digest *digest, Partial *ret_partials)
{
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX];
    int r = threshold_key_base(key, digest, base);

    for (unsigned i = 0; i < key->parameters.n && r == 0; i++) {
        ret_partials[i].index = i + 1;
        r = threshold_key_check_share(key, i + 1, ask_share, &(ShareOracle){key, shares[i]});
        if (r == 0)
            r = threshold_key_power(key, shares[i], base, ret_partials[i].bytes);
    }
    return r;
}

/* The first k shares make a signature, and every other share agrees with them. */
static int check_key(const ThresholdKey *key, Secret *const *shares)
{
    static const uint8_t bytes[32] = "a digest to try a new key with";
    Partial partials[THRESHOLD_NODES_MAX];
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    Digest digest;
    int r = digest_set(HASH_SHA256, bytes, sizeof(bytes), &digest);

    if (r == 0)
        r = use_shares(key, shares, &digest, partials);
    if (r == 0)
        r = threshold_key_combine(key, &digest, partials, signature);
    for (unsigned i = key->parameters.k; i < key->parameters.n && r == 0; i++)
        r = threshold_key_check_partial(key, partials, &partials[i]);
    return r;
}

/* Equal verification values are equal shares: one node would stand for several. */
static int check_distinct(const ThresholdKey *key, const Bytes *verification)
{
    size_t size = key->partial_size;

    for (unsigned i = 1; i <= key->parameters.n; i++)
        for (unsigned j = i + 1; j <= key->parameters.n; j++)
            if (memcmp(verification->data + i * size, verification->data + j * size, size) == 0)
                return THRESHOLD_E_INVALID_SHARE;
    return 0;
}

static int explain(int r, Problem *problem)
{
    switch (r) {
    case -EPERM:
        return problem_set(problem, r,
                           "memory for secrets cannot be locked, no key was made: raise the limit on locked memory (RLIMIT_MEMLOCK)");
    case -EAGAIN:
        return problem_set(problem, -EIO, "no thread could be started, no key was made: raise the limit on processes or use fewer threads");
    case 0:
    case THRESHOLD_E_CANCELLED:
        return r;
    default:
        return problem_set(problem, -EIO, "libcrypto failed (out of memory or of randomness), no key was made");
    }
}

static int check_deal(const ThresholdParameters *parameters, const Deal *deal, Problem *problem)
{
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    int r = threshold_key_new(parameters, &deal->public_key, &deal->verification, &key, NULL);

    if (r == 0)
        r = check_distinct(key, &deal->verification);
    if (r == 0)
        r = check_key(key, deal->shares);
    if (r > 0 || r == -EBADMSG)
        return problem_set(problem, -EIO, "the new key does not sign correctly and was thrown away: this machine computes wrongly");
    return explain(r, problem);
}

/* ---- Dealing ---- */

static int compute(Dealer *dealer, const DealOptions *options, Deal *ret_deal)
{
    int r = dealer_init(dealer);

    if (r == 0)
        r = safe_primes_find(dealer->parameters->bits / 2, ELEMENTS(dealer->primes), options, dealer->primes);
    if (r == 0)
        r = make_modulus(dealer);
    if (r == 0)
        r = make_polynomial(dealer);
    if (r == 0)
        r = make_shares(dealer);
    if (r == 0)
        r = export_deal(dealer, ret_deal);
    return r;
}

int shoup_rsa_deal(const ThresholdParameters *parameters, const DealOptions *options, Deal *ret_deal, Problem *problem)
{
    _cleanup_(dealer_clear) Dealer dealer = {.parameters = parameters};
    _cleanup_(threshold_deal_clear) Deal deal = {0};
    int r = crypto_secure_heap();

    if (r == 0)
        r = compute(&dealer, options, &deal);
    if (r != 0)
        return explain(r, problem);
    r = check_deal(parameters, &deal, problem);
    if (r != 0)
        return r;
    *ret_deal = deal;
    deal = (Deal){0};
    return 0;
}
