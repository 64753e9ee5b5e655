/*
 * One node's partial signature through its socket, beside the bare exponentiation, alternating in one run:
 *   bench-node ROUNDS          (inside tests/with-quorum; the token's first key is used)
 * Prints `name value` lines: floor_us (median of BN_mod_exp_mont_consttime at the key's size), node_us (median of PartialSign, one
 * request at a time), node_over_floor (median of the ratios of neighbours: a busy machine changes its pace, but seldom between the two),
 * node_two_us (median while a second thread asks the same node), combine_us, verify_us.
 */
#include <openssl/bn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "quorum/ask.h"

#include <fcntl.h>

#define ROUNDS_MAX 100000

static Quorum *quorum;
static QuorumKey *key;
static atomic_bool stop;

static void must(int r, const char *what, const Problem *problem)
{
    if (r == 0)
        return;
    (void)fprintf(stderr, "bench-node: %s: %d %s\n", what, r, problem ? problem->text : "");
    exit(EXIT_FAILURE);
}

static double microseconds(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static double median(double *samples, size_t count)
{
    qsort(samples, count, sizeof(*samples), compare);
    return samples[count / 2];
}

static void digest_of(uint32_t counter, Digest *ret_digest)
{
    uint8_t bytes[32] = {0};

    memcpy(bytes, &counter, sizeof(counter));
    must(digest_set(HASH_SHA256, bytes, sizeof(bytes), ret_digest), "digest_set", NULL);
}

/* Ask node `index` for its part of a signature. */
static void ask_partial(unsigned index, const Digest *digest, Partial *ret_partial)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodePartialSignInput input = {
        .key = {(uint8_t *)quorum_key_id(key)->bytes, KEY_ID_SIZE},
        .hash = (char *)hash_name(digest->hash),
        .digest = {(uint8_t *)digest->bytes, digest->size},
    };
    const void *inputs[] = {&input};

    must(quorum_ask(quorum, NODE_SET_OF(index), ASK_LOGGED_IN, NODE_METHOD("PartialSign"), &node_partial_sign_input, inputs, true,
                    &node_partial_sign_output, quorum_deadline(quorum), &answers),
         "quorum_ask", NULL);

    const NodeAnswer *answer = &answers.of[index - 1];

    if (answer->r != 0 || answer->error != NODE_ERROR_NONE) {
        (void)fprintf(stderr, "bench-node: node %u: %s\n", index, answer->words);
        exit(EXIT_FAILURE);
    }

    const NodePartialSignOutput *output = answer->output;

    ret_partial->index = index;
    memcpy(ret_partial->bytes, output->partial.data, output->partial.size);
}

static void *ask_all_the_time(void *userdata)
{
    Partial partial;

    for (uint32_t counter = 1U << 31; !atomic_load(&stop); counter++) {
        Digest digest;

        digest_of(counter, &digest);
        ask_partial(1, &digest, &partial);
    }
    return NULL;
}

typedef struct Floor {
    BIGNUM *base, *exponent, *modulus, *result;
    BN_MONT_CTX *mont;
    BN_CTX *ctx;
} Floor;

static Floor floor_new(void)
{
    const Bytes *public_key = threshold_key_public(quorum_key_threshold(key));
    Floor floor = {.base = BN_new(), .exponent = BN_new(), .result = BN_new(), .mont = BN_MONT_CTX_new(), .ctx = BN_CTX_new()};

    floor.modulus = BN_bin2bn(public_key->data, (int)public_key->size, NULL);
    if (!floor.modulus || !BN_rand_range(floor.base, floor.modulus) || !BN_rand_range(floor.exponent, floor.modulus) ||
        !BN_MONT_CTX_set(floor.mont, floor.modulus, floor.ctx))
        must(-1, "BN", NULL);
    return floor;
}

static double time_floor(Floor *floor)
{
    double start = microseconds();

    if (!BN_mod_exp_mont_consttime(floor->result, floor->base, floor->exponent, floor->modulus, floor->ctx, floor->mont))
        must(-1, "BN_mod_exp_mont_consttime", NULL);
    return microseconds() - start;
}

static double time_node(uint32_t counter)
{
    Partial partial;
    Digest digest;
    double start;

    digest_of(counter, &digest);
    start = microseconds();
    ask_partial(1, &digest, &partial);
    return microseconds() - start;
}

static double time_node_twice(unsigned rounds, double *samples)
{
    pthread_t other;

    if (pthread_create(&other, NULL, ask_all_the_time, NULL) != 0)
        must(-1, "pthread_create", NULL);
    for (unsigned i = 0; i < rounds; i++)
        samples[i] = time_node(i);
    atomic_store(&stop, true);
    (void)pthread_join(other, NULL);
    return median(samples, rounds);
}

static void time_client(unsigned rounds, double *samples)
{
    const ThresholdKey *threshold = quorum_key_threshold(key);
    unsigned k = threshold_key_parameters(threshold)->k;
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    Partial partials[THRESHOLD_NODES_MAX];
    Digest digest;

    digest_of(7, &digest);
    for (unsigned i = 0; i < k; i++)
        ask_partial(i + 1, &digest, &partials[i]);
    for (unsigned i = 0; i < rounds; i++) {
        double start = microseconds();

        must(threshold_key_combine(threshold, &digest, partials, signature), "combine", NULL);
        samples[i] = microseconds() - start;
    }
    (void)printf("combine_us %.1f\n", median(samples, rounds));
    for (unsigned i = 0; i < rounds; i++) {
        double start = microseconds();

        must(threshold_key_verify(threshold, &digest, signature, threshold_key_signature_size(threshold)), "verify", NULL);
        samples[i] = microseconds() - start;
    }
    (void)printf("verify_us %.1f\n", median(samples, rounds));
}

static void read_pin(Secret **ret_pin)
{
    const char *path = getenv("PKCS11_PIN_FILE");

    must(path ? file_read_secret(AT_FDCWD, path, 300, ret_pin) : -1, "PKCS11_PIN_FILE", NULL);
    secret_truncate(*ret_pin, strcspn((const char *)secret_bytes(*ret_pin), "\n"));
}

static void open_token(void)
{
    _cleanup_secret_ Secret *pin = NULL;
    QuorumKey **keys;
    Problem problem = PROBLEM_INIT;
    Roster *roster;
    size_t n_keys;

    must(roster_read(NULL, &roster, &problem), "roster", &problem);
    must(quorum_new(roster, NULL, &quorum), "quorum", NULL);
    read_pin(&pin);
    must(quorum_login(quorum, pin, NULL, &problem), "login", &problem);
    must(quorum_keys(quorum, 0, &keys, &n_keys, &problem), "keys", &problem);
    if (n_keys == 0)
        must(-1, "the token has no key", NULL);
    key = quorum_key_ref(keys[0]);
    quorum_keys_free(keys, n_keys);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc == 2 ? (unsigned)atoi(argv[1]) : 0;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: bench-node ROUNDS\n");
        return 2;
    }
    open_token();

    _cleanup_free_ double *floor_samples = calloc(rounds, sizeof(double)), *node_samples = calloc(rounds, sizeof(double));
    _cleanup_free_ double *ratios = calloc(rounds, sizeof(double));
    Floor floor = floor_new();

    if (!floor_samples || !node_samples || !ratios)
        must(-1, "memory", NULL);
    (void)time_node(0); /* the connection is made once, not in every figure */
    for (unsigned i = 0; i < rounds; i++) {
        floor_samples[i] = time_floor(&floor);
        node_samples[i] = time_node(i);
        ratios[i] = node_samples[i] / floor_samples[i];
    }
    (void)printf("floor_us %.1f\nnode_us %.1f\nnode_over_floor %.3f\n", median(floor_samples, rounds), median(node_samples, rounds),
                 median(ratios, rounds));
    (void)printf("node_two_us %.1f\n", time_node_twice(rounds, node_samples));
    time_client(rounds, node_samples);
    quorum_key_unref(key);
    quorum_free(quorum);
    return EXIT_SUCCESS;
}
