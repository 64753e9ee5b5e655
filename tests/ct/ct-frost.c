/*
 * Is the time of what FROST does with secrets independent of them? Run under valgrind, whose memcheck complains when a jump or an address
 * depends on undefined memory: here secrets are that, from where they are drawn or loaded to where something becomes public, which the
 * test then declares defined. (The idea is Adam Langley's ctgrind, 2010.) What memcheck may find and why is in frost.supp.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "threshold/frost-dkg.h"
#include "threshold/frost-repair.h"
#include "watching.h"

#define N       3
#define K       2
#define MESSAGE "keyquorum"

#define must(condition)                                                                                                                    \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                                                  \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

static void hide(Secret *secret)
{
    HIDE(secret_data(secret), secret_size(secret));
}

/* Does memcheck watch it? What is asked so is no error itself. */
static bool is_hidden(const Secret *secret)
{
    uint8_t bits[ED25519_SCALAR_SIZE];

    must(VALGRIND_GET_VBITS(secret_bytes(secret), bits, sizeof(bits)) == 1);
    return bits[0] == 0xff;
}

static void show(const void *data, size_t size)
{
    SHOW(data, size);
}

static void show_bytes(const Bytes *bytes)
{
    show(bytes->data, bytes->size);
}

/* ---- A key, and what the steps leave for the next ones ---- */

static FrostDkg *nodes[N];
static FrostDkgResult results[N];
static FrostKey *key;

static void step_dkg_begin(void)
{
    for (unsigned i = 0; i < N; i++) {
        must(frost_dkg_new(&(FrostDkgParameters){N, K, i + 1, {0}}, &nodes[i]) == 0);
        show_bytes(frost_dkg_proof(nodes[i]));
    }
}

static void step_dkg_vectors(void)
{
    for (unsigned from = 0; from < N; from++)
        for (unsigned to = 0; to < N; to++)
            if (from != to)
                must(frost_dkg_accept_vector(nodes[to], from + 1, frost_dkg_vector(nodes[from]), frost_dkg_proof(nodes[from])) == 0);
}

static void step_dkg_evaluations(void)
{
    for (unsigned from = 0; from < N; from++)
        for (unsigned to = 0; to < N; to++) {
            _cleanup_secret_ Secret *evaluation = NULL;

            if (from == to)
                continue;
            must(frost_dkg_evaluation(nodes[from], to + 1, &evaluation) == 0);
            must(is_hidden(evaluation));
            must(frost_dkg_accept_evaluation(nodes[to], from + 1, evaluation) == 0);
        }
}

static void step_dkg_finish(void)
{
    for (unsigned i = 0; i < N; i++) {
        must(frost_dkg_finish(nodes[i], NULL, &results[i]) == 0);
        nodes[i] = frost_dkg_free(nodes[i]);
        must(is_hidden(results[i].share));
        hide(results[i].share);
    }
    must(frost_key_new(N, K, &results[0].public_key, &results[0].verification, &key, NULL) == 0);
}

static void step_check_share(void)
{
    must(frost_key_check_share(key, 1, results[0].share) == 0);
}

static FrostNonces *nonces[K];
static FrostCommitment commitments[K];

static void step_nonces(void)
{
    for (unsigned i = 0; i < K; i++) {
        must(frost_nonces_new(key, i + 1, results[i].share, 1, &nonces[i]) == 0);
        commitments[i] = *frost_nonces_commitment(nonces[i], 0);
    }
}

static FrostPartial partials[K];

static void step_sign(void)
{
    FrostRequest request = {key, commitments, MESSAGE, sizeof(MESSAGE) - 1};

    for (unsigned i = 0; i < K; i++) {
        must(frost_sign(nonces[i], 0, &request, i + 1, results[i].share, &partials[i]) == 0);
        nonces[i] = frost_nonces_free(nonces[i]);
    }
}

static void step_combine(void)
{
    uint8_t signature[FROST_SIGNATURE_SIZE];

    show(partials, sizeof(partials));
    must(frost_combine(key, MESSAGE, sizeof(MESSAGE) - 1, partials, signature) == 0);
}

static void step_refresh(void)
{
    for (unsigned i = 0; i < N; i++) {
        must(frost_dkg_new_refresh(&(FrostDkgParameters){N, K, i + 1, {0}}, key, &nodes[i]) == 0);
    }
    step_dkg_vectors();
    step_dkg_evaluations();
    for (unsigned i = 0; i < N; i++) {
        _cleanup_frost_dkg_result_ FrostDkgResult result = {0};

        must(frost_dkg_finish(nodes[i], results[i].share, &result) == 0);
        nodes[i] = frost_dkg_free(nodes[i]);
    }
}

static void step_repair(void)
{
    static const unsigned helpers[K] = {1, 2};
    FrostRepair repair = {key, 3, helpers};
    FrostRepairParts parts[K] = {0};
    Secret *sums[K];
    _cleanup_secret_ Secret *share = NULL;

    for (unsigned i = 0; i < K; i++) {
        must(frost_repair_split(&repair, i + 1, results[i].share, &parts[i]) == 0);
        must(is_hidden(parts[i].parts[K - 1]));
        must(frost_repair_check_vector(&repair, i + 1, &parts[i].vector) == 0);
    }
    for (unsigned i = 0; i < K; i++) {
        const Secret *got[K] = {parts[0].parts[i], parts[1].parts[i]};

        for (unsigned from = 0; from < K; from++)
            must(frost_repair_check_part(&repair, i + 1, &parts[from].vector, got[from]) == 0);
        must(frost_repair_sum(&repair, got, &sums[i]) == 0);
    }
    for (unsigned i = 0; i < K; i++)
        must(frost_repair_check_sum(&repair, i + 1, (const Bytes[]){parts[0].vector, parts[1].vector}, sums[i]) == 0);
    must(frost_repair_finish(&repair, (const Secret *const *)sums, &share) == 0);
    for (unsigned i = 0; i < K; i++) {
        frost_repair_parts_clear(&parts[i]);
        secret_free(sums[i]);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} steps[] = {
    {"key generation: polynomial, vector, proof", step_dkg_begin},
    {"key generation: the others' vectors", step_dkg_vectors},
    {"key generation: evaluations", step_dkg_evaluations},
    {"key generation: the share", step_dkg_finish},
    {"loading a share", step_check_share},
    {"nonces", step_nonces},
    {"a partial signature", step_sign},
    {"a signature", step_combine},
    {"refresh", step_refresh},
    {"repair", step_repair},
};

/* ---- Would a leak be seen? ---- */

static volatile unsigned sink;

static void leak_by_a_jump(const Secret *secret)
{
    if (secret_bytes(secret)[0] & 1)
        sink++;
}

static void leak_by_an_address(const Secret *secret)
{
    static const uint8_t table[256] = {1};

    sink += table[secret_bytes(secret)[1]];
}

static void (*const leaks[])(const Secret *secret) = {leak_by_a_jump, leak_by_an_address};

static bool leak_is_seen(void (*leak)(const Secret *secret))
{
    _cleanup_secret_ Secret *secret = NULL;
    unsigned before = VALGRIND_COUNT_ERRORS;

    must(secret_new(2, &secret) == 0);
    hide(secret);
    leak(secret);
    return VALGRIND_COUNT_ERRORS > before;
}

static unsigned report(unsigned number, bool good, const char *name)
{
    printf("%s %u - %s\n", good ? "ok" : "not ok", number, name);
    fflush(stdout);
    return good ? 0 : 1;
}

int main(void)
{
    unsigned number = 0, failed = 0;
    Problem problem = PROBLEM_INIT;

    if (!RUNNING_ON_VALGRIND) {
        printf("1..0 # SKIP only valgrind sees anything here\n");
        return EXIT_SUCCESS;
    }
    must(ed25519_group_init(&problem) == 0);
    for (size_t i = 0; i < ELEMENTS(leaks); i++)
        failed += report(++number, leak_is_seen(leaks[i]), "a leak made on purpose is seen");
    for (size_t i = 0; i < ELEMENTS(steps); i++) {
        unsigned before = VALGRIND_COUNT_ERRORS;

        steps[i].run();
        failed += report(++number, VALGRIND_COUNT_ERRORS == before, steps[i].name);
    }
    frost_key_free(key);
    for (unsigned i = 0; i < N; i++)
        frost_dkg_result_clear(&results[i]);
    printf("1..%u\n", number);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
