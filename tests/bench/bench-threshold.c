/*
 * What the threshold operations cost on this machine: `name value` lines, medians in microseconds; "floor" is the bare
 * constant-time exponentiation. With --deal: what dealing takes, in milliseconds; that runs for some minutes.
 */
#include <string.h>

#include "base/clock.h"
#include "threshold-fixture.h"

#define ROUNDS      101
#define DEAL_ROUNDS 9

typedef struct Bench {
    Fixture fixture;
    BIGNUM *modulus, *base, *exponent, *result;
    BN_MONT_CTX *mont;
    BN_CTX *ctx;
    uint8_t base_bytes[THRESHOLD_PARTIAL_SIZE_MAX], results[2][THRESHOLD_PARTIAL_SIZE_MAX], signature[THRESHOLD_SIGNATURE_SIZE_MAX];
} Bench;

static int by_value(const void *a, const void *b)
{
    Microseconds left = *(const Microseconds *)a, right = *(const Microseconds *)b;

    return (left > right) - (left < right);
}

static Microseconds median(Microseconds *times, size_t n)
{
    qsort(times, n, sizeof(*times), by_value);
    return times[n / 2];
}

static void run_floor(Bench *bench)
{
    must(BN_mod_exp_mont_consttime(bench->result, bench->base, bench->exponent, bench->modulus, bench->ctx, bench->mont) == 1);
}

static void run_base(Bench *bench)
{
    must(threshold_key_base(bench->fixture.key, &bench->fixture.digest, bench->base_bytes) == 0);
}

static void run_power(Bench *bench)
{
    must(threshold_key_power(bench->fixture.key, bench->fixture.shares[0], bench->base_bytes, bench->results[0]) == 0);
}

static void run_pair(Bench *bench)
{
    must(threshold_key_power_pair((const ThresholdKey *[]){bench->fixture.key, bench->fixture.key},
                                  (const Secret *[]){bench->fixture.shares[0], bench->fixture.shares[1]},
                                  (const uint8_t *[]){bench->base_bytes, bench->base_bytes},
                                  (uint8_t *[]){bench->results[0], bench->results[1]}) == 0);
}

static void run_combine(Bench *bench)
{
    must(threshold_key_combine(bench->fixture.key, &bench->fixture.digest, bench->fixture.partials, bench->signature) == 0);
}

static void run_check_partial(Bench *bench)
{
    const Fixture *fixture = &bench->fixture;
    unsigned k = threshold_key_parameters(fixture->key)->k;

    must(threshold_key_check_partial(fixture->key, fixture->partials, &fixture->partials[k]) == 0);
}

static void run_verify(Bench *bench)
{
    must(threshold_key_verify(bench->fixture.key, &bench->fixture.digest, bench->signature,
                              threshold_key_signature_size(bench->fixture.key)) == 0);
}

static const struct {
    const char *name;
    void (*run)(Bench *bench);
} operations[] = {
    {"floor", run_floor},   {"base", run_base},       {"power", run_power},
    {"pair", run_pair},     {"combine", run_combine}, {"check_partial", run_check_partial},
    {"verify", run_verify},
};

static void bench_key(const TestKey *test)
{
    Bench bench = {.fixture = fixture_of(test)};
    const Bytes *modulus = threshold_key_public(bench.fixture.key);
    Microseconds times[ROUNDS];

    bench.ctx = BN_CTX_new();
    bench.mont = BN_MONT_CTX_new();
    bench.result = BN_new();
    bench.modulus = BN_bin2bn(modulus->data, (int)modulus->size, NULL);
    bench.exponent = BN_bin2bn(secret_declassify(bench.fixture.shares[0]), (int)modulus->size, NULL); /* a test key */
    bench.base = BN_bin2bn(bench.fixture.partials[0].bytes, (int)modulus->size, NULL);
    must(BN_MONT_CTX_set(bench.mont, bench.modulus, bench.ctx) == 1);
    for (size_t i = 0; i < ELEMENTS(operations); i++) {
        for (size_t round = 0; round < ROUNDS; round++) {
            Microseconds start = clock_now();

            operations[i].run(&bench);
            times[round] = clock_now() - start;
        }
        printf("rsa%u_%u_of_%u_%s %llu\n", test->bits, test->k, test->n, operations[i].name, (unsigned long long)median(times, ROUNDS));
        fflush(stdout);
    }
    printf("rsa%u_pair_is_faster %d\n", test->bits, threshold_pair_is_faster(bench.fixture.key));
    BN_free(bench.base);
    BN_free(bench.exponent);
    BN_free(bench.modulus);
    BN_free(bench.result);
    BN_MONT_CTX_free(bench.mont);
    BN_CTX_free(bench.ctx);
    fixture_clear(&bench.fixture);
}

static int bench_deal(unsigned bits, unsigned threads, size_t rounds)
{
    ThresholdParameters parameters = {.algorithm = THRESHOLD_RSA, .bits = bits, .n = 5, .k = 3};
    Microseconds times[DEAL_ROUNDS];

    for (size_t round = 0; round < rounds; round++) {
        _cleanup_(threshold_deal_clear) Deal deal = {0};
        Problem problem = PROBLEM_INIT;
        Microseconds start = clock_now();

        if (threshold_deal(&parameters, &(DealOptions){.threads = threads}, &deal, &problem) != 0) {
            fprintf(stderr, "%s\n", problem.text);
            return EXIT_FAILURE;
        }
        times[round] = clock_now() - start;
    }
    printf("rsa%u_deal_%u_threads_ms %llu\n", bits, threads, (unsigned long long)median(times, rounds) / MICROSECONDS_PER_MILLISECOND);
    fflush(stdout);
    return EXIT_SUCCESS;
}

static int bench_deals(void)
{
    unsigned processors = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    static const unsigned sizes[] = {2048, 3072, 4096};
    int r = EXIT_SUCCESS;

    for (size_t i = 0; i < ELEMENTS(sizes) && r == EXIT_SUCCESS; i++) {
        r = bench_deal(sizes[i], processors, DEAL_ROUNDS);
        if (r == EXIT_SUCCESS)
            r = bench_deal(sizes[i], 0, sizes[i] == 2048 ? DEAL_ROUNDS : 1);
    }
    return r;
}

int main(int argc, char **argv)
{
    static const TestKey *const keys[] = {&rsa2048_3_of_5, &rsa3072_2_of_3, &rsa4096_2_of_3};

    if (argc == 2 && strcmp(argv[1], "--deal") == 0)
        return bench_deals();
    for (size_t i = 0; i < ELEMENTS(keys); i++)
        bench_key(keys[i]);
    return EXIT_SUCCESS;
}
