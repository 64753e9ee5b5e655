/*
 * Signatures of messages with an Ed25519 key, beside the arithmetic of one node's share of one, alternating in one run:
 *   bench-message ROUNDS          (inside tests/with-quorum; the token's first Ed25519 key is used)
 * Prints `name value` lines: floor_us (median of frost_sign() for the same k of n), sign_us and sign_p90_us (median and ninth decile of
 * quorum_sign_message(), one at a time), sign_over_floor (median of the ratios of neighbours), client_us (median of the caller's processor
 * time for one), client_over_floor.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "ed25519-deal.h"
#include "quorum/quorum.h"

#include <fcntl.h>

#define ROUNDS_MAX 100000
#define MESSAGE    100 /* bytes: about what a signed record set has */

static Quorum *quorum;
static QuorumKey *key;

static void must(int r, const char *what, const Problem *problem)
{
    if (r == 0)
        return;
    (void)fprintf(stderr, "bench-message: %s: %d %s\n", what, r, problem ? problem->text : "");
    exit(EXIT_FAILURE);
}

static double microseconds(clockid_t clock)
{
    struct timespec time;

    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

/* In order afterwards. */
static double median(double *samples, size_t count)
{
    qsort(samples, count, sizeof(*samples), compare);
    return samples[count / 2];
}

/* ---- The floor ------------------------------------------------------------------------------------------------------------ */

typedef struct Floor {
    Deal deal;
    FrostKey *key;
} Floor;

static Floor floor_new(void)
{
    const ThresholdParameters *parameters = threshold_key_parameters(quorum_key_threshold(key));
    Floor floor = {.deal = ed25519_deal(parameters->n, parameters->k)};
    Problem problem = PROBLEM_INIT;

    must(frost_key_new(parameters->n, parameters->k, &floor.deal.public_key, &floor.deal.verification, &floor.key, &problem), "key",
         &problem);
    return floor;
}

static void floor_clear(Floor *floor)
{
    threshold_deal_clear(&floor->deal);
    frost_key_free(floor->key);
}

/* Node 1 signs with a list of the first k. */
static double time_floor(const Floor *floor)
{
    FrostNonces *nonces[THRESHOLD_NODES_MAX];
    FrostCommitment list[THRESHOLD_NODES_MAX];
    uint8_t message[MESSAGE] = {0};
    const FrostRequest request = {floor->key, list, message, sizeof(message)};
    FrostPartial partial;
    double start, end;

    for (unsigned i = 0; i < frost_key_k(floor->key); i++) {
        must(frost_nonces_new(floor->key, i + 1, floor->deal.shares[i], 1, &nonces[i]), "nonces", NULL);
        list[i] = *frost_nonces_commitment(nonces[i], 0);
    }
    start = microseconds(CLOCK_THREAD_CPUTIME_ID);
    must(frost_sign(nonces[0], 0, &request, 1, floor->deal.shares[0], &partial), "frost_sign", NULL);
    end = microseconds(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < frost_key_k(floor->key); i++)
        frost_nonces_free(nonces[i]);
    return end - start;
}

/* ---- Signatures ------------------------------------------------------------------------------------------------------------- */

static void time_signature(uint32_t counter, double *ret_elapsed, double *ret_processor)
{
    uint8_t message[MESSAGE] = {0}, signature[FROST_SIGNATURE_SIZE];
    Problem problem = PROBLEM_INIT;
    double start, processor;

    memcpy(message, &counter, sizeof(counter));
    start = microseconds(CLOCK_MONOTONIC);
    processor = microseconds(CLOCK_THREAD_CPUTIME_ID);
    must(quorum_sign_message(quorum, key, message, sizeof(message), signature, &problem), "signature", &problem);
    *ret_processor = microseconds(CLOCK_THREAD_CPUTIME_ID) - processor;
    *ret_elapsed = microseconds(CLOCK_MONOTONIC) - start;
}

static void open_token(void)
{
    _cleanup_secret_ Secret *pin = NULL;
    const char *path = getenv("PKCS11_PIN_FILE");
    QuorumKey **keys;
    Problem problem = PROBLEM_INIT;
    Roster *roster;
    size_t n_keys;

    must(roster_read(NULL, &roster, &problem), "roster", &problem);
    must(quorum_new(roster, NULL, &quorum), "quorum", NULL);
    must(path ? file_read_secret(AT_FDCWD, path, 300, &pin) : -1, "PKCS11_PIN_FILE", NULL);
    secret_truncate(pin, strcspn((const char *)secret_bytes(pin), "\n"));
    must(quorum_login(quorum, pin, NULL, &problem), "login", &problem);
    must(quorum_keys(quorum, 0, &keys, &n_keys, &problem), "keys", &problem);
    for (size_t i = 0; i < n_keys && !key; i++)
        if (threshold_key_frost(quorum_key_threshold(keys[i])))
            key = quorum_key_ref(keys[i]);
    quorum_keys_free(keys, n_keys);
    must(key ? 0 : -1, "the token has no Ed25519 key", NULL);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc == 2 ? (unsigned)atoi(argv[1]) : 0;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: bench-message ROUNDS\n");
        return 2;
    }
    open_token();

    _cleanup_free_ double *samples = calloc(5 * (size_t)rounds, sizeof(double));
    double *floors = samples, *elapsed = floors + rounds, *processor = elapsed + rounds, *ratios = processor + rounds,
           *processor_ratios = ratios + rounds;
    _cleanup_(floor_clear) Floor floor = floor_new();

    must(samples ? 0 : -1, "memory", NULL);
    time_signature(0, elapsed, processor); /* connections and commitments are made once, not in every figure */
    for (unsigned i = 0; i < rounds; i++) {
        floors[i] = time_floor(&floor);
        time_signature(i, &elapsed[i], &processor[i]);
        ratios[i] = elapsed[i] / floors[i];
        processor_ratios[i] = processor[i] / floors[i];
    }
    (void)printf("floor_us %.1f\nsign_us %.1f\n", median(floors, rounds), median(elapsed, rounds));
    (void)printf("sign_p90_us %.1f\nsign_over_floor %.3f\n", elapsed[rounds - rounds / 10 - 1], median(ratios, rounds));
    (void)printf("client_us %.1f\nclient_over_floor %.3f\n", median(processor, rounds), median(processor_ratios, rounds));
    quorum_key_unref(key);
    quorum_free(quorum);
    return EXIT_SUCCESS;
}
