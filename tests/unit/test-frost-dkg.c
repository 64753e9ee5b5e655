#include <errno.h>
#include <sodium.h>

#include "frost-fixture.h"
#include "stack-search.h"
#include "threshold/frost-dkg.h"

/* ---- What the tests replace ---- */

int __real_secret_new(size_t size, Secret **ret_secret);
int __wrap_secret_new(size_t size, Secret **ret_secret);
int __real_ed25519_scalar_draw(Ed25519Scalar *ret_scalar);
int __wrap_ed25519_scalar_draw(Ed25519Scalar *ret_scalar);

static bool memory_is_short;
static const char *const *coefficients; /* what the next draws give */
static unsigned n_coefficients;
static Ed25519Scalar drawn; /* what the last draw gave, if the test did not say it */

int __wrap_secret_new(size_t size, Secret **ret_secret)
{
    return memory_is_short ? -EPERM : __real_secret_new(size, ret_secret);
}

int __wrap_ed25519_scalar_draw(Ed25519Scalar *ret_scalar)
{
    if (n_coefficients == 0) {
        int r = __real_ed25519_scalar_draw(ret_scalar);

        drawn = *ret_scalar;
        return r;
    }
    *ret_scalar = scalar_of_hex(*coefficients++);
    n_coefficients--;
    return 0;
}

static const char run_name[] = "a session";
static const Bytes context = {(uint8_t *)run_name, sizeof(run_name) - 1};

/* ---- All nodes of one run ---- */

typedef struct Run {
    unsigned n, k;
    FrostDkg *nodes[THRESHOLD_NODES_MAX];
    FrostDkgResult results[THRESHOLD_NODES_MAX];
    FrostKey *key;
} Run;

static void run_clear(Run *run)
{
    for (unsigned i = 0; i < run->n; i++) {
        frost_dkg_free(run->nodes[i]);
        frost_dkg_result_clear(&run->results[i]);
    }
    frost_key_free(run->key);
}

#define _cleanup_run_ _cleanup_(run_clear)

/* A refresh if there is an old key. */
static Run run_begin(unsigned n, unsigned k, const FrostKey *old_key)
{
    Run run = {.n = n, .k = k};

    start_group();
    for (unsigned i = 0; i < n; i++) {
        FrostDkgParameters parameters = {n, k, i + 1, context};

        ck_assert_int_eq(old_key ? frost_dkg_new_refresh(&parameters, old_key, &run.nodes[i]) : frost_dkg_new(&parameters, &run.nodes[i]),
                         0);
    }
    return run;
}

static int give_vector(Run *run, unsigned from, unsigned to)
{
    const FrostDkg *node = run->nodes[from - 1];

    return frost_dkg_accept_vector(run->nodes[to - 1], from, frost_dkg_vector(node), frost_dkg_proof(node));
}

static int give_evaluation(Run *run, unsigned from, unsigned to)
{
    _cleanup_secret_ Secret *evaluation = NULL;

    ck_assert_int_eq(frost_dkg_evaluation(run->nodes[from - 1], to, &evaluation), 0);
    return frost_dkg_accept_evaluation(run->nodes[to - 1], from, evaluation);
}

static void give_all(Run *run, int (*give)(Run *run, unsigned from, unsigned to))
{
    for (unsigned from = 1; from <= run->n; from++)
        for (unsigned to = 1; to <= run->n; to++)
            if (from != to)
                ck_assert_int_eq(give(run, from, to), 0);
}

static void check_same(const Run *run)
{
    for (unsigned i = 1; i < run->n; i++) {
        ck_assert(bytes_equal(&run->results[i].public_key, &run->results[0].public_key));
        ck_assert(bytes_equal(&run->results[i].verification, &run->results[0].verification));
    }
}

static void run_finish(Run *run, FrostDkgResult *old)
{
    Problem problem = PROBLEM_INIT;

    give_all(run, give_vector);
    give_all(run, give_evaluation);
    for (unsigned i = 0; i < run->n; i++)
        ck_assert_int_eq(frost_dkg_finish(run->nodes[i], old ? old[i].share : NULL, &run->results[i]), 0);
    check_same(run);
    ck_assert_msg(frost_key_new(run->n, run->k, &run->results[0].public_key, &run->results[0].verification, &run->key, &problem) == 0, "%s",
                  problem.text);
    for (unsigned i = 0; i < run->n; i++)
        ck_assert_int_eq(frost_key_check_share(run->key, i + 1, run->results[i].share), 0);
}

static Run run_new(unsigned n, unsigned k)
{
    Run run = run_begin(n, k, NULL);

    run_finish(&run, NULL);
    return run;
}

/* Sign with these shares under this key. */
static int try_signing(const FrostKey *key, Secret *const *shares, uint32_t nodes)
{
    _cleanup_signing_ Signing signing;
    Quorum quorum = {.n = frost_key_n(key), .k = frost_key_k(key), .key = (FrostKey *)(uintptr_t)key};
    uint8_t signature[FROST_SIGNATURE_SIZE];

    for (unsigned i = 0; i < quorum.n; i++)
        quorum.shares[i] = shares[i];
    signing_begin(&signing, &quorum, nodes, "keyquorum", 9);
    signing_sign_all(&signing, &quorum);
    return signing_combine(&signing, signature);
}

static void check_signing(const Run *run)
{
    Secret *shares[THRESHOLD_NODES_MAX];

    for (unsigned i = 0; i < run->n; i++)
        shares[i] = run->results[i].share;
    for (uint32_t nodes = next_nodes(0, run->k); nodes < 1U << run->n; nodes = next_nodes(nodes, run->k))
        ck_assert_int_eq(try_signing(run->key, shares, nodes), 0);
}

/* ---- The vectors ---- */

static Bytes vector_of(const DkgVectorNode *node)
{
    Bytes vector;

    ck_assert_int_eq(bytes_new(64, &vector), 0);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(hex_decode(node->vector[i], vector.data + 32 * i, 32), 0);
    return vector;
}

static void accept_vectors(FrostDkg *dkg, unsigned index)
{
    for (unsigned peer = 1; peer <= 3; peer++) {
        _cleanup_bytes_ Bytes vector = vector_of(&zf_dkg.nodes[peer - 1]), proof = bytes_of_hex(zf_dkg.nodes[peer - 1].proof);

        if (peer == index)
            ck_assert(bytes_equal(frost_dkg_vector(dkg), &vector));
        else
            ck_assert_int_eq(frost_dkg_accept_vector(dkg, peer, &vector, &proof), 0);
    }
}

static void exchange_evaluations(FrostDkg *dkg, unsigned index)
{
    for (unsigned peer = 1; peer <= 3; peer++) {
        if (peer == index)
            continue;

        Ed25519Scalar mine = scalar_of_hex(zf_dkg.nodes[index - 1].evaluations[peer - 1]);
        _cleanup_secret_ Secret *theirs = secret_of_scalar(scalar_of_hex(zf_dkg.nodes[peer - 1].evaluations[index - 1])), *made = NULL;

        ck_assert_int_eq(frost_dkg_evaluation(dkg, peer, &made), 0);
        ck_assert_mem_eq(secret_bytes(made), mine.bytes, sizeof(mine));
        ck_assert_int_eq(frost_dkg_accept_evaluation(dkg, peer, theirs), 0);
    }
}

/* Each of the three nodes with its polynomial; the others' proofs are the library's, with no context. */
START_TEST(another_librarys_key_generation)
{
    unsigned index = (unsigned)_i + 1;
    const DkgVectorNode *node = &zf_dkg.nodes[_i];
    _cleanup_frost_dkg_ FrostDkg *dkg = NULL;
    _cleanup_frost_dkg_result_ FrostDkgResult result = {0};
    _cleanup_bytes_ Bytes public_key = bytes_of_hex(zf_dkg.public_key);
    Ed25519Scalar share = scalar_of_hex(node->share);

    start_group();
    coefficients = node->coefficients;
    n_coefficients = 2;
    ck_assert_int_eq(frost_dkg_new(&(FrostDkgParameters){3, 2, index, {0}}, &dkg), 0);
    accept_vectors(dkg, index);
    exchange_evaluations(dkg, index);
    ck_assert_int_eq(frost_dkg_finish(dkg, NULL, &result), 0);
    ck_assert(bytes_equal(&result.public_key, &public_key));
    ck_assert_mem_eq(secret_bytes(result.share), share.bytes, sizeof(share));
    for (unsigned i = 0; i < 3; i++) {
        Ed25519Point value = point_of_hex(zf_dkg.nodes[i].verification);

        ck_assert_mem_eq(result.verification.data + i * sizeof(value), value.bytes, sizeof(value));
    }
}
END_TEST

/* ---- Honest runs ---- */

static const struct {
    unsigned n, k;
} sizes[] = {{2, 2}, {3, 2}, {5, 3}, {5, 5}, {9, 5}};

START_TEST(keys_without_a_dealer_sign)
{
    _cleanup_run_ Run run = run_new(sizes[_i].n, sizes[_i].k);

    check_signing(&run);
}
END_TEST

START_TEST(sixteen_nodes)
{
    _cleanup_run_ Run run = run_new(16, 16);

    check_signing(&run);
}
END_TEST

START_TEST(runs_make_different_keys)
{
    _cleanup_run_ Run run = run_new(3, 2), other = run_new(3, 2);

    ck_assert(!bytes_equal(&run.results[0].public_key, &other.results[0].public_key));
}
END_TEST

/* ---- Refresh ---- */

START_TEST(refreshed_shares_sign_for_the_same_key)
{
    _cleanup_run_ Run old = run_new(sizes[_i].n, sizes[_i].k);

    for (unsigned generation = 0; generation < 2; generation++) {
        _cleanup_run_ Run new = run_begin(old.n, old.k, old.key);

        run_finish(&new, old.results);
        ck_assert(bytes_equal(&new.results[0].public_key, &old.results[0].public_key));
        for (unsigned i = 0; i < new.n; i++) {
            ck_assert_mem_ne(frost_key_verification(new.key, i + 1), frost_key_verification(old.key, i + 1), ED25519_POINT_SIZE);
            ck_assert(!secret_equal(new.results[i].share, old.results[i].share));
        }
        check_signing(&new);

        Run swap = old;

        old = new;
        new = swap;
    }
}
END_TEST

/* k - 1 old shares and a new one, and the reverse: no signature, and the one of the other generation is the liar. */
START_TEST(generations_do_not_mix)
{
    _cleanup_run_ Run old = run_new(5, 3), new = run_begin(5, 3, old.key);

    run_finish(&new, old.results);
    for (uint32_t olds = 0; olds < 8; olds++) {
        Secret *shares[THRESHOLD_NODES_MAX];

        for (unsigned i = 0; i < 5; i++)
            shares[i] = (olds & 1U << i ? old.results : new.results)[i].share;
        ck_assert_int_eq(try_signing(new.key, shares, 0x07), olds == 0 || olds == 7 ? 0 : FROST_E_INVALID_SIGNATURE);
    }
}
END_TEST

START_TEST(an_old_share_does_not_fit_the_new_key)
{
    _cleanup_run_ Run old = run_new(3, 2), new = run_begin(3, 2, old.key);
    _cleanup_frost_nonces_ FrostNonces *nonces = NULL, *others = NULL;
    FrostPartial partial;

    run_finish(&new, old.results);
    ck_assert_int_eq(frost_key_check_share(new.key, 1, old.results[0].share), FROST_E_INVALID_SHARE);
    ck_assert_int_eq(frost_nonces_new(old.key, 1, old.results[0].share, 1, &nonces), 0);
    ck_assert_int_eq(frost_nonces_new(new.key, 2, new.results[1].share, 1, &others), 0);

    FrostCommitment list[] = {*frost_nonces_commitment(nonces, 0), *frost_nonces_commitment(others, 0)};
    FrostRequest request = {new.key, list, "keyquorum", 9};

    ck_assert_int_eq(frost_sign(nonces, 0, &request, 1, new.results[0].share, &partial), FROST_E_FOREIGN_NONCES);
}
END_TEST

START_TEST(a_wrong_old_share_is_found)
{
    _cleanup_run_ Run old = run_new(3, 2), new = run_begin(3, 2, old.key);
    FrostDkgResult result = {0};
    _cleanup_secret_ Secret *shorter = NULL;

    give_all(&new, give_vector);
    give_all(&new, give_evaluation);
    ck_assert_int_eq(secret_new(31, &shorter), 0);
    ck_assert_int_eq(frost_dkg_finish(new.nodes[0], old.results[1].share, &result), FROST_DKG_E_INVALID_SHARE);
    ck_assert_int_eq(frost_dkg_finish(new.nodes[0], NULL, &result), -EINVAL);
    ck_assert_int_eq(frost_dkg_finish(new.nodes[0], shorter, &result), -EINVAL);
    ck_assert_int_eq(frost_dkg_finish(old.nodes[0], old.results[0].share, &result), -EINVAL);
    ck_assert_ptr_null(result.share);
    ck_assert_int_eq(frost_dkg_finish(new.nodes[0], old.results[0].share, &new.results[0]), 0);
}
END_TEST

/* ---- Cheating with vectors and proofs ---- */

typedef struct Message {
    Bytes vector, proof;
} Message;

static void cheat_with_a_short_vector(Message *sent)
{
    sent->vector.size -= ED25519_POINT_SIZE;
}

static void cheat_with_a_long_vector(Message *sent)
{
    uint8_t *longer = realloc(sent->vector.data, sent->vector.size + ED25519_POINT_SIZE);

    ck_assert_ptr_nonnull(longer);
    memcpy(longer + sent->vector.size, longer, ED25519_POINT_SIZE);
    sent->vector.data = longer;
    sent->vector.size += ED25519_POINT_SIZE;
}

static void cheat_with_one_byte_less(Message *sent)
{
    sent->vector.size--;
}

static void cheat_with_no_vector(Message *sent)
{
    sent->vector.size = 0;
}

static void cheat_with_a_constant_of_zero(Message *sent)
{
    memcpy(sent->vector.data, ed25519_identity.bytes, ED25519_POINT_SIZE);
}

static void cheat_with_a_lower_degree(Message *sent)
{
    memcpy(sent->vector.data + sent->vector.size - ED25519_POINT_SIZE, ed25519_identity.bytes, ED25519_POINT_SIZE);
}

static void cheat_with_another_constant(Message *sent)
{
    memcpy(sent->vector.data, sent->vector.data + ED25519_POINT_SIZE, ED25519_POINT_SIZE);
}

static void cheat_with_another_response(Message *sent)
{
    sent->proof.data[40] ^= 1;
}

static void cheat_with_another_r(Message *sent)
{
    memcpy(sent->proof.data, sent->vector.data, ED25519_POINT_SIZE);
}

static void cheat_with_r_off_the_curve(Message *sent)
{
    memset(sent->proof.data, 0, ED25519_POINT_SIZE);
    sent->proof.data[0] = 2;
}

static void cheat_with_a_large_response(Message *sent)
{
    Ed25519Scalar order = scalar_of_hex(L_ITSELF);

    sodium_add(sent->proof.data + 32, order.bytes, sizeof(order.bytes));
}

static void cheat_with_a_short_proof(Message *sent)
{
    sent->proof.size--;
}

static void cheat_with_no_proof(Message *sent)
{
    sent->proof.size = 0;
}

static const struct {
    const char *name;
    void (*cheat)(Message *sent);
    int expected;
} cheats[] = {
    {"k - 1 points", cheat_with_a_short_vector, FROST_DKG_E_VECTOR_SIZE},
    {"k + 1 points", cheat_with_a_long_vector, FROST_DKG_E_VECTOR_SIZE},
    {"not whole points", cheat_with_one_byte_less, FROST_DKG_E_VECTOR_SIZE},
    {"no points", cheat_with_no_vector, FROST_DKG_E_VECTOR_SIZE},
    {"a constant term of zero", cheat_with_a_constant_of_zero, FROST_DKG_E_INVALID_POINT},
    {"a lower degree", cheat_with_a_lower_degree, FROST_DKG_E_INVALID_POINT},
    {"another constant term", cheat_with_another_constant, FROST_DKG_E_INVALID_PROOF},
    {"another response", cheat_with_another_response, FROST_DKG_E_INVALID_PROOF},
    {"another R", cheat_with_another_r, FROST_DKG_E_INVALID_PROOF},
    {"R off the curve", cheat_with_r_off_the_curve, FROST_DKG_E_INVALID_PROOF},
    {"a response of L or more", cheat_with_a_large_response, FROST_DKG_E_INVALID_PROOF},
    {"a short proof", cheat_with_a_short_proof, FROST_DKG_E_INVALID_PROOF},
    {"no proof", cheat_with_no_proof, FROST_DKG_E_INVALID_PROOF},
};

static Message message_of(const FrostDkg *dkg)
{
    Message sent = {0};

    ck_assert_int_eq(bytes_copy(frost_dkg_vector(dkg)->data, frost_dkg_vector(dkg)->size, &sent.vector), 0);
    if (frost_dkg_proof(dkg)->size > 0)
        ck_assert_int_eq(bytes_copy(frost_dkg_proof(dkg)->data, frost_dkg_proof(dkg)->size, &sent.proof), 0);
    return sent;
}

static void message_clear(Message *sent)
{
    free(sent->vector.data);
    free(sent->proof.data);
}

#define _cleanup_message_ _cleanup_(message_clear)

/* After cheating nothing goes on, with the same answer whatever is called. */
static void check_dead(FrostDkg *dkg, const FrostDkg *honest, int expected)
{
    _cleanup_secret_ Secret *evaluation = NULL, *made = NULL;
    FrostDkgResult result = {0};

    ck_assert_int_eq(secret_new(FROST_DKG_EVALUATION_SIZE, &evaluation), 0);
    ck_assert_int_eq(frost_dkg_accept_vector(dkg, 2, frost_dkg_vector(honest), frost_dkg_proof(honest)), expected);
    ck_assert_int_eq(frost_dkg_evaluation(dkg, 2, &made), expected);
    ck_assert_int_eq(frost_dkg_accept_evaluation(dkg, 2, evaluation), expected);
    ck_assert_int_eq(frost_dkg_finish(dkg, NULL, &result), expected);
    ck_assert_int_eq(frost_dkg_accept_vector(dkg, 3, frost_dkg_vector(honest), frost_dkg_proof(honest)), expected);
    ck_assert_uint_eq(frost_dkg_cheater(dkg), 2); /* and not 3 */
    ck_assert_ptr_null(made);
    ck_assert_ptr_null(result.share);
}

START_TEST(cheating_with_the_first_message_is_found)
{
    _cleanup_run_ Run run = run_begin(3, 2, NULL);
    _cleanup_message_ Message sent = message_of(run.nodes[1]);

    cheats[_i].cheat(&sent);
    ck_assert_msg(frost_dkg_accept_vector(run.nodes[0], 2, &sent.vector, &sent.proof) == cheats[_i].expected, "%s", cheats[_i].name);
    check_dead(run.nodes[0], run.nodes[1], cheats[_i].expected);
}
END_TEST

START_TEST(bad_points_in_a_vector_are_found)
{
    Ed25519Point bad = point_of_hex(bad_points[_i].point);

    for (unsigned at = 0; at < 2; at++) {
        _cleanup_run_ Run run = run_begin(3, 2, NULL);
        _cleanup_message_ Message sent = message_of(run.nodes[1]);

        memcpy(sent.vector.data + at * sizeof(bad), bad.bytes, sizeof(bad));
        ck_assert_int_eq(frost_dkg_accept_vector(run.nodes[0], 2, &sent.vector, &sent.proof), FROST_DKG_E_INVALID_POINT);
    }
}
END_TEST

/* A proof is of one node in one run: repeated by another, or from another run, it proves nothing. */
START_TEST(proofs_are_bound_to_index_and_context)
{
    _cleanup_run_ Run run = run_begin(3, 2, NULL);
    _cleanup_frost_dkg_ FrostDkg *other = NULL;
    Bytes name = {(uint8_t *)run_name, sizeof(run_name) - 2};

    ck_assert_int_eq(frost_dkg_accept_vector(run.nodes[0], 3, frost_dkg_vector(run.nodes[1]), frost_dkg_proof(run.nodes[1])),
                     FROST_DKG_E_INVALID_PROOF);
    ck_assert_int_eq(frost_dkg_new(&(FrostDkgParameters){3, 2, 2, name}, &other), 0);
    ck_assert_int_eq(frost_dkg_accept_vector(run.nodes[2], 2, frost_dkg_vector(other), frost_dkg_proof(other)), FROST_DKG_E_INVALID_PROOF);
}
END_TEST

START_TEST(proofs_use_fresh_nonces)
{
    _cleanup_run_ Run run = run_begin(2, 2, NULL);

    ck_assert_mem_ne(frost_dkg_proof(run.nodes[0])->data, frost_dkg_proof(run.nodes[1])->data, ED25519_POINT_SIZE);
    ck_assert_mem_ne(frost_dkg_proof(run.nodes[0])->data, frost_dkg_vector(run.nodes[0])->data, ED25519_POINT_SIZE);
}
END_TEST

static void cheat_with_a_changed_key(Message *sent)
{
    memcpy(sent->vector.data, sent->vector.data + ED25519_POINT_SIZE, ED25519_POINT_SIZE);
}

static void cheat_with_a_needless_proof(Message *sent)
{
    ck_assert_int_eq(bytes_new(FROST_DKG_PROOF_SIZE, &sent->proof), 0);
}

static const struct {
    const char *name;
    void (*cheat)(Message *sent);
    int expected;
} refresh_cheats[] = {
    {"k - 1 points", cheat_with_a_short_vector, FROST_DKG_E_VECTOR_SIZE},
    {"k + 1 points", cheat_with_a_long_vector, FROST_DKG_E_VECTOR_SIZE},
    {"a constant term", cheat_with_a_changed_key, FROST_DKG_E_CONSTANT_TERM},
    {"a lower degree", cheat_with_a_lower_degree, FROST_DKG_E_INVALID_POINT},
    {"a proof of something", cheat_with_a_needless_proof, FROST_DKG_E_INVALID_PROOF},
};

START_TEST(cheating_in_a_refresh_is_found)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_run_ Run run = run_begin(3, 2, quorum.key);
    _cleanup_message_ Message sent = message_of(run.nodes[1]);

    refresh_cheats[_i].cheat(&sent);
    ck_assert_msg(frost_dkg_accept_vector(run.nodes[0], 2, &sent.vector, &sent.proof) == refresh_cheats[_i].expected, "%s",
                  refresh_cheats[_i].name);
    check_dead(run.nodes[0], run.nodes[1], refresh_cheats[_i].expected);
}
END_TEST

/* Other encodings of the identity, and points of small order in its place. */
START_TEST(a_refresh_keeps_the_key_exactly)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_run_ Run run = run_begin(3, 2, quorum.key);
    _cleanup_message_ Message sent = message_of(run.nodes[1]);
    Ed25519Point bad = point_of_hex(bad_points[_i].point);

    ck_assert_mem_eq(sent.vector.data, ed25519_identity.bytes, sizeof(ed25519_identity));
    memcpy(sent.vector.data, bad.bytes, sizeof(bad));
    ck_assert_int_eq(frost_dkg_accept_vector(run.nodes[0], 2, &sent.vector, &sent.proof), FROST_DKG_E_CONSTANT_TERM);
}
END_TEST

/* ---- Cheating with evaluations ---- */

static Secret *another_number(const Secret *honest)
{
    Ed25519Scalar number = *ed25519_scalars_of(honest), one = {{1}};

    ed25519_scalar_add(&number, &one, &number);
    return secret_of_scalar(number);
}

static Secret *a_large_number(const Secret *honest)
{
    Ed25519Scalar number = *ed25519_scalars_of(honest), order = scalar_of_hex(L_ITSELF);

    sodium_add(number.bytes, order.bytes, sizeof(order.bytes));
    return secret_of_scalar(number);
}

static Secret *zero(const Secret *honest)
{
    (void)honest;
    return secret_of_scalar((Ed25519Scalar){0});
}

static Secret *a_short_number(const Secret *honest)
{
    Secret *secret;

    ck_assert_int_eq(secret_new_copy(secret_bytes(honest), 31, &secret), 0);
    return secret;
}

static Secret *a_long_number(const Secret *honest)
{
    Secret *secret;

    ck_assert_int_eq(secret_new(33, &secret), 0);
    memcpy(secret_data(secret), secret_bytes(honest), 32);
    return secret;
}

static Secret *(*const wrong_evaluations[])(const Secret *honest) = {another_number, a_large_number, zero, a_short_number, a_long_number};

START_TEST(wrong_evaluations_are_found)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);

    for (unsigned refresh = 0; refresh < 2; refresh++) {
        _cleanup_run_ Run run = run_begin(3, 2, refresh ? quorum.key : NULL);
        _cleanup_secret_ Secret *honest = NULL, *wrong = NULL;

        give_all(&run, give_vector);
        ck_assert_int_eq(frost_dkg_evaluation(run.nodes[1], 1, &honest), 0);
        wrong = wrong_evaluations[_i](honest);
        ck_assert_int_eq(frost_dkg_accept_evaluation(run.nodes[0], 2, wrong), FROST_DKG_E_INVALID_EVALUATION);
        check_dead(run.nodes[0], run.nodes[1], FROST_DKG_E_INVALID_EVALUATION);
    }
}
END_TEST

START_TEST(evaluations_for_others_are_found)
{
    _cleanup_run_ Run run = run_begin(3, 2, NULL);
    _cleanup_secret_ Secret *for_three = NULL;

    give_all(&run, give_vector);
    ck_assert_int_eq(frost_dkg_evaluation(run.nodes[1], 3, &for_three), 0);
    ck_assert_int_eq(frost_dkg_accept_evaluation(run.nodes[0], 2, for_three), FROST_DKG_E_INVALID_EVALUATION);
}
END_TEST

/* ---- The order of things ---- */

START_TEST(calls_out_of_order_are_refused)
{
    _cleanup_run_ Run run = run_begin(3, 2, NULL);
    _cleanup_secret_ Secret *evaluation = NULL;
    FrostDkgResult result = {0};

    ck_assert_int_eq(frost_dkg_finish(run.nodes[0], NULL, &result), -EAGAIN);
    ck_assert_int_eq(give_vector(&run, 2, 1), 0);
    ck_assert_int_eq(give_vector(&run, 2, 1), -EALREADY);
    ck_assert_int_eq(frost_dkg_evaluation(run.nodes[0], 2, &evaluation), -EAGAIN);
    ck_assert_int_eq(secret_new(FROST_DKG_EVALUATION_SIZE, &evaluation), 0);
    ck_assert_int_eq(frost_dkg_accept_evaluation(run.nodes[0], 2, evaluation), -EAGAIN);
    ck_assert_int_eq(give_vector(&run, 3, 1), 0);
    ck_assert_int_eq(give_vector(&run, 1, 2), 0);
    ck_assert_int_eq(give_vector(&run, 3, 2), 0);
    ck_assert_int_eq(give_evaluation(&run, 2, 1), 0);
    ck_assert_int_eq(give_evaluation(&run, 2, 1), -EALREADY);
    ck_assert_int_eq(frost_dkg_finish(run.nodes[0], NULL, &result), -EAGAIN);
    ck_assert_ptr_null(result.share);
}
END_TEST

START_TEST(indices_are_checked)
{
    static const unsigned wrong[] = {0, 1, 4, 33, UINT32_MAX};
    _cleanup_run_ Run run = run_begin(3, 2, NULL);
    _cleanup_secret_ Secret *evaluation = NULL, *made = NULL;

    give_all(&run, give_vector);
    ck_assert_int_eq(secret_new(FROST_DKG_EVALUATION_SIZE, &evaluation), 0);
    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        ck_assert_int_eq(frost_dkg_accept_vector(run.nodes[0], wrong[i], frost_dkg_vector(run.nodes[1]), frost_dkg_proof(run.nodes[1])),
                         -EINVAL);
        ck_assert_int_eq(frost_dkg_evaluation(run.nodes[0], wrong[i], &made), -EINVAL);
        ck_assert_int_eq(frost_dkg_accept_evaluation(run.nodes[0], wrong[i], evaluation), -EINVAL);
    }
    ck_assert_ptr_null(made);
}
END_TEST

START_TEST(parameters_are_checked)
{
    static uint8_t long_context[FROST_DKG_CONTEXT_SIZE_MAX + 1];
    static const FrostDkgParameters wrong[] = {
        {17, 2, 1, {0}}, {3, 1, 1, {0}}, {3, 4, 1, {0}}, {3, 2, 0, {0}},
        {3, 2, 4, {0}},  {0, 0, 0, {0}}, {1, 1, 1, {0}}, {3, 2, 1, {long_context, sizeof(long_context)}},
    };
    static const FrostDkgParameters others[] = {{4, 2, 1, {0}}, {3, 3, 1, {0}}};
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    FrostDkg *dkg = NULL;

    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        ck_assert_int_eq(frost_dkg_new(&wrong[i], &dkg), -EINVAL);
        ck_assert_int_eq(frost_dkg_new_refresh(&wrong[i], quorum.key, &dkg), -EINVAL);
    }
    for (size_t i = 0; i < ELEMENTS(others); i++)
        ck_assert_int_eq(frost_dkg_new_refresh(&others[i], quorum.key, &dkg), -EINVAL);
    random_fails = true;
    ck_assert_int_eq(frost_dkg_new(&others[0], &dkg), -EIO);
    memory_is_short = true;
    ck_assert_int_eq(frost_dkg_new(&others[0], &dkg), -EPERM);
    ck_assert_ptr_null(dkg);
}
END_TEST

/* ---- A key of zero ---- */

/* Two nodes whose constant terms add up to zero: they would have to know each other's, but then the run must not end with such a key. */
START_TEST(a_key_of_zero_is_refused)
{
    static const char *const one[] = {"0100000000000000000000000000000000000000000000000000000000000000",
                                      "0500000000000000000000000000000000000000000000000000000000000000"};
    static const char *const minus_one[] = {L_MINUS_1, "0700000000000000000000000000000000000000000000000000000000000000"};
    Run run = {.n = 2, .k = 2};
    FrostDkgResult result = {0};

    start_group();
    for (unsigned i = 0; i < 2; i++) {
        coefficients = i == 0 ? one : minus_one;
        n_coefficients = 2;
        ck_assert_int_eq(frost_dkg_new(&(FrostDkgParameters){2, 2, i + 1, context}, &run.nodes[i]), 0);
    }
    give_all(&run, give_vector);
    give_all(&run, give_evaluation);
    ck_assert_int_eq(frost_dkg_finish(run.nodes[0], NULL, &result), FROST_DKG_E_DEGENERATE);
    run_clear(&run);
}
END_TEST

/* f_1 + f_2 = 1 + … with a zero at 2: node 2 would have a share of zero. */
START_TEST(a_share_of_zero_is_refused)
{
    static const char *const lines[2][2] = {{"0400000000000000000000000000000000000000000000000000000000000000",
                                             "0500000000000000000000000000000000000000000000000000000000000000"},
                                            {"0200000000000000000000000000000000000000000000000000000000000000",
                                             "e5d3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"}}; /* L - 8 */
    Run run = {.n = 2, .k = 2};
    FrostDkgResult result = {0};

    start_group();
    for (unsigned i = 0; i < 2; i++) {
        coefficients = lines[i];
        n_coefficients = 2;
        ck_assert_int_eq(frost_dkg_new(&(FrostDkgParameters){2, 2, i + 1, context}, &run.nodes[i]), 0);
    }
    give_all(&run, give_vector);
    give_all(&run, give_evaluation);
    ck_assert_int_eq(frost_dkg_finish(run.nodes[0], NULL, &result), FROST_DKG_E_DEGENERATE);
    run_clear(&run);
}
END_TEST

/* ---- What is left behind ---- */

static void *one_nodes_part(void *userdata)
{
    FrostDkg **dkg = userdata;

    coefficients = zf_dkg.nodes[0].coefficients;
    n_coefficients = 2;
    ck_assert_int_eq(frost_dkg_new(&(FrostDkgParameters){3, 2, 1, {0}}, dkg), 0);
    accept_vectors(*dkg, 1);
    for (unsigned peer = 2; peer <= 3; peer++) {
        _cleanup_secret_ Secret *evaluation = NULL;

        ck_assert_int_eq(frost_dkg_evaluation(*dkg, peer, &evaluation), 0);
    }
    return NULL;
}

/* The coefficients come from the test itself, whose hexadecimal reader is as careless as it likes: only the evaluations are looked for. */
START_TEST(no_evaluation_stays_on_the_stack)
{
    FrostDkg *dkg = NULL;
    uint8_t *stack = new_stack();

    start_group();
    run_on_stack(stack, one_nodes_part, &dkg);
    for (unsigned peer = 2; peer <= 3; peer++) {
        Ed25519Scalar evaluation = scalar_of_hex(zf_dkg.nodes[0].evaluations[peer - 1]);

        ck_assert(!stack_has(stack, evaluation.bytes, sizeof(evaluation)));
    }
    frost_dkg_free(dkg);
}
END_TEST

typedef struct Beginning {
    FrostDkg *dkg;
    int r;
} Beginning;

static void *begin_to_generate(void *userdata)
{
    Beginning *beginning = userdata;

    beginning->r = frost_dkg_new(&(FrostDkgParameters){3, 2, 1, context}, &beginning->dkg);
    return NULL;
}

/* The nonce of the proof is what is drawn last. */
START_TEST(no_nonce_stays_on_the_stack)
{
    Beginning beginning = {0};
    uint8_t *stack = new_stack();
    Ed25519Point commitment;

    start_group();
    run_on_stack(stack, begin_to_generate, &beginning);
    ck_assert_int_eq(beginning.r, 0);
    ed25519_multiply_base(&drawn, &commitment);
    ck_assert_mem_eq(commitment.bytes, frost_dkg_proof(beginning.dkg)->data, sizeof(commitment.bytes));
    ck_assert(!stack_has(stack, drawn.bytes, sizeof(drawn)));
    frost_dkg_free(beginning.dkg);
}
END_TEST

static void add(TCase *cases)
{
    seed_random();
    tcase_add_loop_test(cases, another_librarys_key_generation, 0, ELEMENTS(zf_dkg.nodes));
    tcase_add_loop_test(cases, keys_without_a_dealer_sign, 0, ELEMENTS(sizes));
    tcase_add_test(cases, sixteen_nodes);
    tcase_add_test(cases, runs_make_different_keys);
    tcase_add_loop_test(cases, refreshed_shares_sign_for_the_same_key, 0, ELEMENTS(sizes));
    tcase_add_test(cases, generations_do_not_mix);
    tcase_add_test(cases, an_old_share_does_not_fit_the_new_key);
    tcase_add_test(cases, a_wrong_old_share_is_found);
    tcase_add_loop_test(cases, cheating_with_the_first_message_is_found, 0, ELEMENTS(cheats));
    tcase_add_loop_test(cases, bad_points_in_a_vector_are_found, 0, ELEMENTS(bad_points));
    tcase_add_test(cases, proofs_are_bound_to_index_and_context);
    tcase_add_test(cases, proofs_use_fresh_nonces);
    tcase_add_loop_test(cases, cheating_in_a_refresh_is_found, 0, ELEMENTS(refresh_cheats));
    tcase_add_loop_test(cases, a_refresh_keeps_the_key_exactly, 1, ELEMENTS(bad_points));
    tcase_add_loop_test(cases, wrong_evaluations_are_found, 0, ELEMENTS(wrong_evaluations));
    tcase_add_test(cases, evaluations_for_others_are_found);
    tcase_add_test(cases, calls_out_of_order_are_refused);
    tcase_add_test(cases, indices_are_checked);
    tcase_add_test(cases, parameters_are_checked);
    tcase_add_test(cases, a_key_of_zero_is_refused);
    tcase_add_test(cases, a_share_of_zero_is_refused);
    tcase_add_test(cases, no_evaluation_stays_on_the_stack);
    tcase_add_test(cases, no_nonce_stays_on_the_stack);
}

UNIT_MAIN("frost-dkg", add)
