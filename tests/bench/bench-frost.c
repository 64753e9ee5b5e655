/*
 * What FROST(Ed25519, SHA-512) costs on this machine: `name value` lines, medians of the calling thread's CPU time in microseconds.
 * "node" is what one node does for one signature, without making nonces; "dkg" and "repair" are one node's steps.
 */
#include <time.h>

#include "base/clock.h"
#include "threshold/frost-dkg.h"
#include "threshold/frost-repair.h"

#define ROUNDS 101
#define MESSAGE                                                                                                                            \
    "a name, a type, a class and a lifetime: about as long as what a zone's signer signs is, when it signs one address of a host in it"

#define must(condition)                                                                                                                    \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                                                  \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

typedef struct Bench {
    unsigned n, k;
    FrostDkg *nodes[THRESHOLD_NODES_MAX];
    FrostDkgResult results[THRESHOLD_NODES_MAX];
    FrostKey *key;
    FrostNonces *nonces[THRESHOLD_NODES_MAX]; /* ROUNDS pairs for each of the first k nodes */
    FrostCommitment lists[ROUNDS][THRESHOLD_NODES_MAX];
    FrostRequest request; /* of the round */
    FrostPartial partials[THRESHOLD_NODES_MAX];
    uint8_t signature[FROST_SIGNATURE_SIZE];
    unsigned helpers[THRESHOLD_NODES_MAX];
    FrostRepair repair;
    FrostRepairParts parts[THRESHOLD_NODES_MAX];
    unsigned round;
} Bench;

static double cpu_time(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* ---- Signing ---- */

static void run_nonces(Bench *bench)
{
    FrostNonces *nonces = NULL;

    must(frost_nonces_new(bench->key, 1, bench->results[0].share, 16, &nonces) == 0);
    frost_nonces_free(nonces);
}

static void run_node(Bench *bench)
{
    bench->request.commitments = bench->lists[bench->round];
    must(frost_sign(bench->nonces[0], bench->round, &bench->request, 1, bench->results[0].share, &bench->partials[0]) == 0);
}

static void sign_others(Bench *bench)
{
    for (unsigned i = 1; i < bench->k; i++)
        must(frost_sign(bench->nonces[i], bench->round, &bench->request, i + 1, bench->results[i].share, &bench->partials[i]) == 0);
}

static void run_combine(Bench *bench)
{
    must(frost_combine(bench->key, MESSAGE, sizeof(MESSAGE) - 1, bench->partials, bench->signature) == 0);
}

static void run_verify(Bench *bench)
{
    must(frost_verify(bench->key, MESSAGE, sizeof(MESSAGE) - 1, bench->signature, sizeof(bench->signature)) == 0);
}

static void run_find_liars(Bench *bench)
{
    uint32_t liars = 1;

    must(frost_find_liars(&bench->request, bench->partials, bench->k, &liars) == 0 && liars == 0);
}

static void run_key(Bench *bench)
{
    _cleanup_frost_key_ FrostKey *key = NULL;

    must(frost_key_new(bench->n, bench->k, &bench->results[0].public_key, &bench->results[0].verification, &key, NULL) == 0);
}

/* ---- One node's part of a key generation ---- */

static void run_dkg_begin(Bench *bench)
{
    _cleanup_frost_dkg_ FrostDkg *dkg = NULL;

    must(frost_dkg_new(&(FrostDkgParameters){bench->n, bench->k, 1, {0}}, &dkg) == 0);
}

static void run_dkg_vectors(Bench *bench)
{
    bench->nodes[0] = frost_dkg_free(bench->nodes[0]);
    must(frost_dkg_new(&(FrostDkgParameters){bench->n, bench->k, 1, {0}}, &bench->nodes[0]) == 0);
    for (unsigned i = 1; i < bench->n; i++)
        must(frost_dkg_accept_vector(bench->nodes[0], i + 1, frost_dkg_vector(bench->nodes[i]), frost_dkg_proof(bench->nodes[i])) == 0);
}

static void run_dkg_whole(Bench *bench)
{
    _cleanup_frost_dkg_result_ FrostDkgResult result = {0};

    run_dkg_vectors(bench);
    for (unsigned i = 1; i < bench->n; i++) {
        _cleanup_secret_ Secret *mine = NULL, *theirs = NULL;

        must(frost_dkg_evaluation(bench->nodes[0], i + 1, &mine) == 0);
        must(frost_dkg_evaluation(bench->nodes[i], 1, &theirs) == 0);
        must(frost_dkg_accept_evaluation(bench->nodes[0], i + 1, theirs) == 0);
    }
    must(frost_dkg_finish(bench->nodes[0], NULL, &result) == 0);
}

/* ---- One helper's part of a repair ---- */

static void run_repair(Bench *bench)
{
    const Secret *got[THRESHOLD_NODES_MAX];
    _cleanup_frost_repair_parts_ FrostRepairParts parts = {0};
    _cleanup_secret_ Secret *sum = NULL;

    must(frost_repair_split(&bench->repair, 1, bench->results[0].share, &parts) == 0);
    for (unsigned i = 0; i < bench->k; i++) {
        got[i] = bench->parts[i].parts[0];
        must(frost_repair_check_vector(&bench->repair, i + 1, &bench->parts[i].vector) == 0);
        must(frost_repair_check_part(&bench->repair, 1, &bench->parts[i].vector, got[i]) == 0);
    }
    must(frost_repair_sum(&bench->repair, got, &sum) == 0);
}

static const struct {
    const char *name;
    void (*run)(Bench *bench);
    void (*after)(Bench *bench); /* not measured */
    unsigned per_run;            /* how many the figure is divided by */
} operations[] = {
    {"nonces", run_nonces, NULL, 16},        {"node", run_node, sign_others, 1},
    {"combine", run_combine, NULL, 1},       {"verify", run_verify, NULL, 1},
    {"find_liars", run_find_liars, NULL, 1}, {"key_new", run_key, NULL, 1},
    {"dkg_begin", run_dkg_begin, NULL, 1},   {"dkg_begin_and_vectors", run_dkg_vectors, NULL, 1},
    {"dkg_whole", run_dkg_whole, NULL, 1},   {"repair_helper", run_repair, NULL, 1},
};

/* ---- A key to measure with, and its end ---- */

static void make_key(Bench *bench)
{
    for (unsigned i = 0; i < bench->n; i++)
        must(frost_dkg_new(&(FrostDkgParameters){bench->n, bench->k, i + 1, {0}}, &bench->nodes[i]) == 0);
    for (unsigned to = 0; to < bench->n; to++)
        for (unsigned from = 0; from < bench->n; from++)
            if (from != to)
                must(frost_dkg_accept_vector(bench->nodes[to], from + 1, frost_dkg_vector(bench->nodes[from]),
                                             frost_dkg_proof(bench->nodes[from])) == 0);
    for (unsigned to = 0; to < bench->n; to++) {
        for (unsigned from = 0; from < bench->n; from++) {
            _cleanup_secret_ Secret *evaluation = NULL;

            if (from == to)
                continue;
            must(frost_dkg_evaluation(bench->nodes[from], to + 1, &evaluation) == 0);
            must(frost_dkg_accept_evaluation(bench->nodes[to], from + 1, evaluation) == 0);
        }
        must(frost_dkg_finish(bench->nodes[to], NULL, &bench->results[to]) == 0);
    }
    must(frost_key_new(bench->n, bench->k, &bench->results[0].public_key, &bench->results[0].verification, &bench->key, NULL) == 0);
}

static void prepare(Bench *bench)
{
    bench->request = (FrostRequest){bench->key, NULL, MESSAGE, sizeof(MESSAGE) - 1};
    bench->repair = (FrostRepair){bench->key, bench->n, bench->helpers};
    for (unsigned i = 0; i < bench->k; i++) {
        bench->helpers[i] = i + 1;
        must(frost_nonces_new(bench->key, i + 1, bench->results[i].share, ROUNDS, &bench->nonces[i]) == 0);
        for (unsigned round = 0; round < ROUNDS; round++)
            bench->lists[round][i] = *frost_nonces_commitment(bench->nonces[i], round);
    }
    for (unsigned i = 0; i < bench->k; i++)
        must(frost_repair_split(&bench->repair, i + 1, bench->results[i].share, &bench->parts[i]) == 0);
}

static void bench_clear(Bench *bench)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        frost_dkg_free(bench->nodes[i]);
        frost_dkg_result_clear(&bench->results[i]);
        frost_nonces_free(bench->nonces[i]);
        frost_repair_parts_clear(&bench->parts[i]);
    }
    frost_key_free(bench->key);
}

static void bench_size(unsigned n, unsigned k)
{
    static Bench bench;
    double times[ROUNDS];

    bench = (Bench){.n = n, .k = k};
    make_key(&bench);
    prepare(&bench);
    for (size_t i = 0; i < ELEMENTS(operations); i++) {
        for (bench.round = 0; bench.round < ROUNDS; bench.round++) {
            double start = cpu_time();

            operations[i].run(&bench);
            times[bench.round] = cpu_time() - start;
            if (operations[i].after)
                operations[i].after(&bench);
        }
        qsort(times, ROUNDS, sizeof(times[0]), by_value);
        printf("frost_%u_of_%u_%s %.1f\n", k, n, operations[i].name, times[ROUNDS / 2] / operations[i].per_run);
        fflush(stdout);
    }
    bench_clear(&bench);
}

/* ---- The group ---- */

static void bench_group(void)
{
    static const char *const names[] = {"multiply_base", "multiply", "point_is_valid", "add", "scalar_multiply", "lagrange"};
    Ed25519Scalar scalar;
    Ed25519Point point, product;
    double times[ELEMENTS(names)][ROUNDS];

    must(ed25519_scalar_draw(&scalar) == 0);
    ed25519_multiply_base(&scalar, &point);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < ELEMENTS(names); i++) {
            double start = cpu_time();

            if (i == 0)
                ed25519_multiply_base(&scalar, &product);
            else if (i == 1)
                must(ed25519_multiply(&scalar, &point, &product) == 0);
            else if (i == 2)
                must(ed25519_point_is_valid(&point));
            else if (i == 3)
                must(ed25519_add(&point, &product, &product) == 0);
            else if (i == 4)
                ed25519_scalar_multiply(&scalar, &scalar, &scalar);
            else
                ed25519_scalar_lagrange((const unsigned[]){1, 3, 5}, 3, 1, 0, &scalar);
            times[i][round] = cpu_time() - start;
        }
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        qsort(times[i], ROUNDS, sizeof(times[i][0]), by_value);
        printf("ed25519_%s %.1f\n", names[i], times[i][ROUNDS / 2]);
    }
}

int main(void)
{
    Problem problem = PROBLEM_INIT;

    if (ed25519_group_init(&problem) != 0) {
        fprintf(stderr, "%s\n", problem.text);
        return EXIT_FAILURE;
    }
    bench_group();
    bench_size(3, 2);
    bench_size(5, 3);
    bench_size(9, 5);
    return EXIT_SUCCESS;
}
