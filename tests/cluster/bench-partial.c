/*
 * What a node costs beside its mathematics: partial signatures through the socket, one caller, alternating with the bare
 * exponentiation of the same numbers (BN_mod_exp_mont_consttime with a ready Montgomery context). Prints medians and their ratio.
 */
#include "key-fixture.h"
#include "node-fixture.h"
#include "unit.h"

#include <openssl/bn.h>
#include <string.h>
#include <time.h>

#define ROUNDS 301

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static double quantile(double *samples, unsigned percent)
{
    qsort(samples, ROUNDS, sizeof(*samples), compare);
    return samples[ROUNDS * percent / 100];
}

typedef struct Bare {
    BN_CTX *ctx;
    BN_MONT_CTX *mont;
    BIGNUM *modulus, *share, *base, *power;
} Bare;

static Bare bare_new(const DealtKey *key)
{
    Bare bare = {BN_CTX_new(), BN_MONT_CTX_new(), BN_new(), BN_new(), BN_new(), BN_new()};
    const Bytes *modulus = threshold_key_public(key->key);

    ck_assert_ptr_nonnull(BN_bin2bn(modulus->data, (int)modulus->size, bare.modulus));
    ck_assert_ptr_nonnull(BN_bin2bn(secret_bytes(key->shares[0]), (int)secret_size(key->shares[0]), bare.share));
    ck_assert_int_eq(BN_MONT_CTX_set(bare.mont, bare.modulus, bare.ctx), 1);
    BN_set_flags(bare.share, BN_FLG_CONSTTIME);
    return bare;
}

static double time_bare(Bare *bare, const DealtKey *key, const Digest *digest)
{
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX];

    ck_assert_int_eq(threshold_key_base(key->key, digest, base), 0);
    ck_assert_ptr_nonnull(BN_bin2bn(base, (int)threshold_key_partial_size(key->key), bare->base));

    double start = now();

    ck_assert_int_eq(BN_mod_exp_mont_consttime(bare->power, bare->base, bare->share, bare->modulus, bare->ctx, bare->mont), 1);
    return now() - start;
}

static double time_node(Link *link, const DealtKey *key, const Digest *digest, const Bare *bare)
{
    uint8_t expected[THRESHOLD_PARTIAL_SIZE_MAX];
    _cleanup_bytes_ Bytes partial = {0};
    double start = now(), taken;

    ck_assert_int_eq(call_sign(link, &key->id, digest, &partial), NODE_ERROR_NONE);
    taken = now() - start;
    ck_assert_int_ge(BN_bn2binpad(bare->power, expected, (int)partial.size), 0);
    ck_assert_mem_eq(partial.data, expected, partial.size);
    return taken;
}

START_TEST(partial_signatures_cost_little_more_than_the_exponentiation)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    static double bare_times[ROUNDS], node_times[ROUNDS];
    Bare bare = bare_new(&key);

    call_make_active(link, &node, &key);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const Digest digest = test_digest(HASH_SHA256, (uint8_t)i);

        bare_times[i] = time_bare(&bare, &key, &digest);
        node_times[i] = time_node(link, &key, &digest, &bare);
    }

    double bare_median = quantile(bare_times, 50), node_median = quantile(node_times, 50);

    (void)printf("# bare exponentiation: median %.0f us, p95 %.0f us\n", bare_median, quantile(bare_times, 95));
    (void)printf("# partial signature through the socket: median %.0f us, p95 %.0f us\n", node_median, quantile(node_times, 95));
    (void)printf("# node over bare: %.3f (%+.0f us)\n", node_median / bare_median, node_median - bare_median);
    (void)fflush(stdout);
    BN_MONT_CTX_free(bare.mont);
    BN_CTX_free(bare.ctx);
    BN_free(bare.modulus);
    BN_free(bare.share);
    BN_free(bare.base);
    BN_free(bare.power);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, partial_signatures_cost_little_more_than_the_exponentiation);
}

UNIT_MAIN("bench-partial", add)
