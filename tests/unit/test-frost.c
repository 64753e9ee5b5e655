#include <errno.h>
#include <openssl/err.h>
#include <sodium.h>
#include <stdatomic.h>

#include "frost-fixture.h"
#include "stack-search.h"

/* ---- What the tests replace ---- */

int __real_secret_new(size_t size, Secret **ret_secret);
int __wrap_secret_new(size_t size, Secret **ret_secret);

static bool memory_is_short;

int __wrap_secret_new(size_t size, Secret **ret_secret)
{
    return memory_is_short ? -EPERM : __real_secret_new(size, ret_secret);
}

static const char message[] = "keyquorum";

#define MESSAGE      message, sizeof(message) - 1
#define ALL_OF_THREE 0x07U

/* ---- RFC 9591 ---- */

static Quorum rfc_quorum(void)
{
    Ed25519Scalar polynomial[] = {scalar_of_hex(rfc9591.group_secret), scalar_of_hex(rfc9591.coefficient)};

    return quorum_of(3, 2, polynomial);
}

static FrostNonces *rfc_nonces(const Quorum *quorum, const FrostVectorNode *node)
{
    uint8_t drawn[64];
    FrostNonces *nonces;

    ck_assert_int_eq(hex_decode(node->hiding_random, drawn, 32), 0);
    ck_assert_int_eq(hex_decode(node->binding_random, drawn + 32, 32), 0);
    script = (Bytes){drawn, sizeof(drawn)};
    ck_assert_int_eq(frost_nonces_new(quorum->key, node->index, quorum->shares[node->index - 1], 1, &nonces), 0);
    ck_assert_uint_eq(script.size, 0);
    return nonces;
}

/* RFC 9591 appendix C: the shares. */
START_TEST(rfc9591_shares)
{
    _cleanup_quorum_ Quorum quorum = rfc_quorum();
    Ed25519Point public_key = point_of_hex(rfc9591.public_key);

    ck_assert(ed25519_point_equal(frost_key_public(quorum.key), &public_key));
    for (unsigned i = 0; i < 3; i++) {
        Ed25519Scalar share = scalar_of_hex(rfc9591.shares[i]);

        ck_assert_mem_eq(secret_bytes(quorum.shares[i]), share.bytes, sizeof(share));
    }
}
END_TEST

/* RFC 9591 §4.1 */
START_TEST(rfc9591_nonces)
{
    _cleanup_quorum_ Quorum quorum = rfc_quorum();
    const FrostVectorNode *node = &rfc9591.signers[_i];
    _cleanup_frost_nonces_ FrostNonces *nonces = rfc_nonces(&quorum, node);
    const FrostCommitment *commitment = frost_nonces_commitment(nonces, 0);
    Ed25519Point hiding = point_of_hex(node->hiding_commitment), binding = point_of_hex(node->binding_commitment);

    ck_assert_uint_eq(frost_nonces_count(nonces), 1);
    ck_assert_uint_eq(commitment->index, node->index);
    ck_assert(ed25519_point_equal(&commitment->hiding, &hiding));
    ck_assert(ed25519_point_equal(&commitment->binding, &binding));
}
END_TEST

/* RFC 9591 §5.2, §5.3 */
START_TEST(rfc9591_signature)
{
    _cleanup_quorum_ Quorum quorum = rfc_quorum();
    _cleanup_bytes_ Bytes text = bytes_of_hex(rfc9591.message), expected = bytes_of_hex(rfc9591.signature);
    _cleanup_signing_ Signing signing = {.request = {quorum.key, signing.commitments, text.data, text.size}};
    uint8_t signature[FROST_SIGNATURE_SIZE];
    Ed25519Point r;

    for (unsigned at = 0; at < 2; at++) {
        signing.nonces[at] = rfc_nonces(&quorum, &rfc9591.signers[at]);
        signing.commitments[at] = *frost_nonces_commitment(signing.nonces[at], 0);
    }
    signing_sign_all(&signing, &quorum);
    for (unsigned at = 0; at < 2; at++) {
        Ed25519Scalar z = scalar_of_hex(rfc9591.signers[at].signature_share);

        ck_assert(scalar_equal(&signing.partials[at].z, &z));
        ck_assert_mem_eq(signing.partials[at].r.bytes, expected.data, ED25519_POINT_SIZE);
    }
    ck_assert_int_eq(frost_group_commitment(&signing.request, &r), 0);
    ck_assert_mem_eq(r.bytes, expected.data, sizeof(r));
    ck_assert_int_eq(signing_combine(&signing, signature), 0);
    ck_assert_mem_eq(signature, expected.data, sizeof(signature));
}
END_TEST

/* ---- Round trips ---- */

static const struct {
    unsigned n, k;
} sizes[] = {{2, 2}, {3, 2}, {5, 3}, {9, 5}};

/* RFC 8032, by both libraries. */
static void check_elsewhere(const Quorum *quorum, const uint8_t *signature, const void *text, size_t size)
{
    ck_assert_int_eq(frost_verify(quorum->key, text, size, signature, FROST_SIGNATURE_SIZE), 0);
    ck_assert_int_eq(crypto_sign_verify_detached(signature, text, size, quorum->public_key.data), 0);
}

static void check_quorum(const Quorum *quorum, uint32_t nodes, const void *text, size_t size)
{
    _cleanup_signing_ Signing signing;
    uint8_t signature[FROST_SIGNATURE_SIZE];

    signing_begin(&signing, quorum, nodes, text, size);
    signing_sign_all(&signing, quorum);
    ck_assert_int_eq(signing_combine(&signing, signature), 0);
    check_elsewhere(quorum, signature, text, size);
}

START_TEST(every_quorum_signs)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(sizes[_i].n, sizes[_i].k);
    uint8_t text[300];

    for (uint32_t nodes = next_nodes(0, quorum.k); nodes < 1U << quorum.n; nodes = next_nodes(nodes, quorum.k)) {
        size_t size = (size_t)random() % sizeof(text);

        ck_assert_int_eq(crypto_random_kernel(text, size), 0);
        check_quorum(&quorum, nodes, text, size);
    }
}
END_TEST

START_TEST(the_largest_quorums_sign)
{
    _cleanup_quorum_ Quorum all = quorum_new(16, 16), few = quorum_new(16, 2);

    check_quorum(&all, 0xffff, MESSAGE);
    check_quorum(&few, 0x8001, MESSAGE);
    check_quorum(&few, 0xc000, MESSAGE);
}
END_TEST

START_TEST(messages_of_every_size_sign)
{
    static const size_t lengths[] = {0, 1, 47, 48, 63, 64, 65, 127, 128, 129, 4096, FROST_MESSAGE_SIZE_MAX};
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_bytes_ Bytes text;

    ck_assert_int_eq(bytes_new(FROST_MESSAGE_SIZE_MAX, &text), 0);
    ck_assert_int_eq(crypto_random_kernel(text.data, text.size), 0);
    for (size_t i = 0; i < ELEMENTS(lengths); i++)
        check_quorum(&quorum, 0x05, lengths[i] == 0 ? NULL : text.data, lengths[i]);
}
END_TEST

START_TEST(longer_messages_are_refused)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_signing_ Signing signing;
    _cleanup_bytes_ Bytes text;
    uint8_t signature[FROST_SIGNATURE_SIZE];
    uint32_t liars;
    Ed25519Point r;

    ck_assert_int_eq(bytes_new(FROST_MESSAGE_SIZE_MAX + 1, &text), 0);
    signing_begin(&signing, &quorum, 0x03, text.data, text.size);
    ck_assert_int_eq(signing_sign(&signing, &quorum, 0), -EMSGSIZE);
    signing.partials[0].index = 1;
    signing.partials[1].index = 2;
    ck_assert_int_eq(signing_combine(&signing, signature), -EMSGSIZE);
    ck_assert_int_eq(frost_find_liars(&signing.request, signing.partials, 2, &liars), -EMSGSIZE);
    ck_assert_int_eq(frost_group_commitment(&signing.request, &r), -EMSGSIZE);
}
END_TEST

START_TEST(partials_combine_in_any_order)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 3);
    _cleanup_signing_ Signing signing;
    uint8_t expected[FROST_SIGNATURE_SIZE], signature[FROST_SIGNATURE_SIZE];

    signing_begin(&signing, &quorum, ALL_OF_THREE, MESSAGE);
    signing_sign_all(&signing, &quorum);
    ck_assert_int_eq(signing_combine(&signing, expected), 0);

    FrostPartial first = signing.partials[0];

    signing.partials[0] = signing.partials[2];
    signing.partials[2] = first;
    ck_assert_int_eq(signing_combine(&signing, signature), 0);
    ck_assert_mem_eq(signature, expected, sizeof(signature));
}
END_TEST

/* ---- Nonces are used once ---- */

/* A good request by nodes 1, 2 and 3 of five, and what a test breaks in it. */
typedef struct Attempt {
    Quorum quorum, other;
    Signing signing;
    const Secret *share;
    unsigned index;
} Attempt;

static void attempt_begin(Attempt *attempt)
{
    *attempt = (Attempt){.quorum = quorum_new(5, 3), .other = quorum_new(5, 3), .index = 2};
    signing_begin(&attempt->signing, &attempt->quorum, ALL_OF_THREE, MESSAGE);
    attempt->share = attempt->quorum.shares[1];
}

static void attempt_clear(Attempt *attempt)
{
    signing_clear(&attempt->signing);
    quorum_clear(&attempt->quorum);
    quorum_clear(&attempt->other);
}

#define _cleanup_attempt_ _cleanup_(attempt_clear)

static int attempt_sign(Attempt *attempt, FrostPartial *ret_partial)
{
    return frost_sign(attempt->signing.nonces[1], 0, &attempt->signing.request, attempt->index, attempt->share, ret_partial);
}

static void break_nothing(Attempt *attempt)
{
    (void)attempt;
}

static void break_order(Attempt *attempt)
{
    FrostCommitment *list = attempt->signing.commitments, first = list[0];

    list[0] = list[1];
    list[1] = first;
}

static void break_by_repeating(Attempt *attempt)
{
    attempt->signing.commitments[2] = attempt->signing.commitments[1];
}

static void break_with_node_zero(Attempt *attempt)
{
    attempt->signing.commitments[0].index = 0;
}

static void break_with_node_six(Attempt *attempt)
{
    attempt->signing.commitments[2].index = 6;
}

static void break_by_leaving_out(Attempt *attempt)
{
    attempt->signing.commitments[1] = attempt->signing.commitments[2];
    attempt->signing.commitments[2].index = 5;
}

static void break_the_index(Attempt *attempt)
{
    attempt->index = 3;
}

static void break_the_share(Attempt *attempt)
{
    static Secret *shorter;

    ck_assert_int_eq(secret_new(FROST_SHARE_SIZE - 1, &shorter), 0);
    attempt->share = shorter;
}

static void break_the_message(Attempt *attempt)
{
    attempt->signing.request.message_size = FROST_MESSAGE_SIZE_MAX + 1;
}

static void break_the_key(Attempt *attempt)
{
    attempt->signing.request.key = attempt->other.key;
}

static void break_own_hiding(Attempt *attempt)
{
    attempt->signing.commitments[1].hiding = attempt->signing.commitments[0].hiding;
}

static void break_own_binding(Attempt *attempt)
{
    attempt->signing.commitments[1].binding = attempt->signing.commitments[0].binding;
}

static void break_hiding(Attempt *attempt)
{
    attempt->signing.commitments[0].hiding = ed25519_identity;
}

static void break_binding(Attempt *attempt)
{
    attempt->signing.commitments[2].binding = ed25519_identity;
}

static const struct {
    const char *what;
    void (*break_it)(Attempt *attempt);
    int expected;
} attempts[] = {
    {"nothing", break_nothing, 0},
    {"the list descends", break_order, -EINVAL},
    {"a node twice", break_by_repeating, -EINVAL},
    {"node 0", break_with_node_zero, -EINVAL},
    {"node 6 of 5", break_with_node_six, -EINVAL},
    {"the signer is not in the list", break_by_leaving_out, -EINVAL},
    {"another node's index", break_the_index, FROST_E_FOREIGN_NONCES},
    {"a short share", break_the_share, -EINVAL},
    {"a long message", break_the_message, -EMSGSIZE},
    {"another key", break_the_key, FROST_E_FOREIGN_NONCES},
    {"another D for the signer", break_own_hiding, FROST_E_FOREIGN_NONCES},
    {"another E for the signer", break_own_binding, FROST_E_FOREIGN_NONCES},
    {"a D that is the identity", break_hiding, FROST_E_INVALID_COMMITMENT},
    {"an E that is the identity", break_binding, FROST_E_INVALID_COMMITMENT},
};

/* Whatever was wrong, a second attempt with everything right finds the pair gone. */
START_TEST(nonces_are_gone_after_any_attempt)
{
    _cleanup_attempt_ Attempt attempt;
    FrostPartial partial = {.index = 99}, untouched = partial;

    attempt_begin(&attempt);

    Signing good = attempt.signing;

    attempts[_i].break_it(&attempt);
    ck_assert_msg(attempt_sign(&attempt, &partial) == attempts[_i].expected, "%s", attempts[_i].what);
    ck_assert_int_eq(memcmp(&partial, &untouched, sizeof(partial)) == 0, attempts[_i].expected != 0);
    good.request.commitments = good.commitments;
    ck_assert_int_eq(frost_sign(good.nonces[1], 0, &good.request, 2, attempt.quorum.shares[1], &untouched), FROST_E_NONCES_USED);
    ck_assert_uint_eq(untouched.index, 99);
}
END_TEST

/* Longer mappings are no Secrets, but a sanitizer's own. */
#define SECRET_PAGES_MAX (2 * SECRET_SIZE_MAX)

/* Is it in memory that is left out of core dumps, which Secrets are? */
static bool secrets_have(const void *wanted, size_t size)
{
    _cleanup_fclose_ FILE *maps = fopen("/proc/self/smaps", "re");
    unsigned long from = 0, to = 0, start, end;
    bool writable = false;
    char line[512], mode[8];

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) == 3) {
            from = start;
            to = end;
            writable = strncmp(mode, "rw", 2) == 0 && end - start <= SECRET_PAGES_MAX;
        } else if (writable && strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd") && memmem((void *)from, to - from, wanted, size))
            return true;
    }
    return false;
}

static void use_pair(Signing *signing, const Quorum *quorum)
{
    ck_assert_int_eq(signing_sign(signing, quorum, 0), 0);
}

static void refuse_pair(Signing *signing, const Quorum *quorum)
{
    signing->request.message_size = FROST_MESSAGE_SIZE_MAX + 1;
    ck_assert_int_eq(signing_sign(signing, quorum, 0), -EMSGSIZE);
}

static void give_pair_up(Signing *signing, const Quorum *quorum)
{
    frost_nonces_give_up(signing->nonces[0], 0);
    ck_assert_int_eq(signing_sign(signing, quorum, 0), FROST_E_NONCES_USED);
    frost_nonces_give_up(signing->nonces[0], 0);
    frost_nonces_give_up(signing->nonces[0], 1);
}

static void (*const ends_of_a_pair[])(Signing *signing, const Quorum *quorum) = {use_pair, refuse_pair, give_pair_up};

START_TEST(nonces_are_wiped)
{
    _cleanup_quorum_ Quorum quorum = rfc_quorum();
    _cleanup_signing_ Signing signing = {.request = {quorum.key, signing.commitments, MESSAGE}};
    Ed25519Scalar hiding = scalar_of_hex(rfc9591.signers[0].hiding_nonce), binding = scalar_of_hex(rfc9591.signers[0].binding_nonce);

    for (unsigned at = 0; at < 2; at++) {
        signing.nonces[at] = rfc_nonces(&quorum, &rfc9591.signers[at]);
        signing.commitments[at] = *frost_nonces_commitment(signing.nonces[at], 0);
    }
    ck_assert(secrets_have(hiding.bytes, sizeof(hiding)) && secrets_have(binding.bytes, sizeof(binding)));
    ends_of_a_pair[_i](&signing, &quorum);
    ck_assert(!secrets_have(hiding.bytes, sizeof(hiding)) && !secrets_have(binding.bytes, sizeof(binding)));
}
END_TEST

START_TEST(pairs_of_a_batch_are_independent)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_frost_nonces_ FrostNonces *mine = NULL, *theirs = NULL;
    FrostCommitment list[2];
    FrostRequest request = {quorum.key, list, MESSAGE};
    FrostPartial partials[2];
    uint8_t signature[FROST_SIGNATURE_SIZE];

    ck_assert_int_eq(frost_nonces_new(quorum.key, 1, quorum.shares[0], FROST_NONCES_MAX, &mine), 0);
    ck_assert_int_eq(frost_nonces_new(quorum.key, 3, quorum.shares[2], FROST_NONCES_MAX, &theirs), 0);
    ck_assert_int_eq(frost_sign(mine, FROST_NONCES_MAX, &request, 1, quorum.shares[0], &partials[0]), -EINVAL);
    for (unsigned pair = FROST_NONCES_MAX; pair-- > FROST_NONCES_MAX - 20;) {
        for (unsigned earlier = 0; earlier < pair; earlier++)
            ck_assert(!ed25519_point_equal(&frost_nonces_commitment(mine, pair)->hiding, &frost_nonces_commitment(mine, earlier)->hiding));
        list[0] = *frost_nonces_commitment(mine, pair);
        list[1] = *frost_nonces_commitment(theirs, pair);
        ck_assert_int_eq(frost_sign(mine, pair, &request, 1, quorum.shares[0], &partials[0]), 0);
        ck_assert_int_eq(frost_sign(mine, pair, &request, 1, quorum.shares[0], &partials[0]), FROST_E_NONCES_USED);
        ck_assert_int_eq(frost_sign(theirs, pair, &request, 3, quorum.shares[2], &partials[1]), 0);
        ck_assert_int_eq(frost_combine(quorum.key, MESSAGE, partials, signature), 0);
    }
}
END_TEST

/* A fork finds Secrets empty; nonces of zero would give the share away. */
START_TEST(a_forked_child_has_no_nonces)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_signing_ Signing signing;
    int status;

    signing_begin(&signing, &quorum, 0x03, MESSAGE);

    pid_t child = fork();

    if (child == 0)
        _exit(signing_sign(&signing, &quorum, 0));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), FROST_E_NONCES_USED);
    ck_assert_int_eq(signing_sign(&signing, &quorum, 0), 0);
}
END_TEST

#define RACERS 2
#define RACES  20

typedef struct Race {
    Quorum quorum;
    FrostNonces *nonces;
    atomic_uint waiting;
    bool won[RACERS][FROST_NONCES_MAX];
} Race;

static Race race;

/* Through all pairs, as fast as it goes: the list is none, so who gets a pair is told so at once, and who is behind catches up. */
static void *race_for_pairs(void *userdata)
{
    const FrostCommitment list[2] = {{.index = 2}, {.index = 1}};
    const FrostRequest request = {race.quorum.key, list, MESSAGE};
    bool *won = userdata;
    FrostPartial partial;

    atomic_fetch_sub(&race.waiting, 1);
    while (atomic_load(&race.waiting) > 0)
        ;
    for (unsigned pair = 0; pair < FROST_NONCES_MAX; pair++)
        won[pair] = frost_sign(race.nonces, pair, &request, 1, race.quorum.shares[0], &partial) == -EINVAL;
    return NULL;
}

static void run_race(void)
{
    pthread_t threads[RACERS];

    ck_assert_int_eq(frost_nonces_new(race.quorum.key, 1, race.quorum.shares[0], FROST_NONCES_MAX, &race.nonces), 0);
    atomic_store(&race.waiting, RACERS);
    for (unsigned i = 0; i < RACERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race_for_pairs, race.won[i]), 0);
    for (unsigned i = 0; i < RACERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (unsigned pair = 0; pair < FROST_NONCES_MAX; pair++)
        ck_assert_uint_eq(race.won[0][pair] + race.won[1][pair], 1);
    race.nonces = frost_nonces_free(race.nonces);
}

START_TEST(one_of_many_threads_gets_a_pair)
{
    race.quorum = quorum_new(3, 2);
    for (unsigned i = 0; i < RACES; i++)
        run_race();
    quorum_clear(&race.quorum);
}
END_TEST

START_TEST(nonces_need_good_arguments)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_secret_ Secret *shorter = NULL;
    FrostNonces *nonces = NULL;

    ck_assert_int_eq(secret_new(FROST_SHARE_SIZE - 1, &shorter), 0);
    ck_assert_int_eq(frost_nonces_new(quorum.key, 1, quorum.shares[0], 0, &nonces), -EINVAL);
    ck_assert_int_eq(frost_nonces_new(quorum.key, 1, quorum.shares[0], FROST_NONCES_MAX + 1, &nonces), -EINVAL);
    ck_assert_int_eq(frost_nonces_new(quorum.key, 0, quorum.shares[0], 1, &nonces), -EINVAL);
    ck_assert_int_eq(frost_nonces_new(quorum.key, 4, quorum.shares[0], 1, &nonces), -EINVAL);
    ck_assert_int_eq(frost_nonces_new(quorum.key, 1, shorter, 1, &nonces), -EINVAL);
    random_fails = true;
    ck_assert_int_eq(frost_nonces_new(quorum.key, 1, quorum.shares[0], 2, &nonces), -EIO);
    memory_is_short = true;
    ck_assert_int_eq(frost_nonces_new(quorum.key, 1, quorum.shares[0], 2, &nonces), -EPERM);
    ck_assert_ptr_null(nonces);
}
END_TEST

/* ---- Bad commitments ---- */

START_TEST(bad_commitments_are_refused_and_blamed)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3);
    Ed25519Point bad = point_of_hex(bad_points[_i].point);

    for (unsigned binding = 0; binding < 2; binding++) {
        _cleanup_signing_ Signing signing;
        uint32_t liars = 0;
        Ed25519Point r = {{0x5a}}, untouched = r;

        signing_begin(&signing, &quorum, 0x15, MESSAGE);
        *(binding ? &signing.commitments[1].binding : &signing.commitments[1].hiding) = bad;
        signing.partials[0].index = 1;
        ck_assert_msg(signing_sign(&signing, &quorum, 0) == FROST_E_INVALID_COMMITMENT, "%s", bad_points[_i].name);
        ck_assert_int_eq(frost_group_commitment(&signing.request, &r), FROST_E_INVALID_COMMITMENT);
        ck_assert(ed25519_point_equal(&r, &untouched));
        ck_assert_int_eq(frost_find_liars(&signing.request, signing.partials, 1, &liars), 0);
        ck_assert_uint_eq(liars, 0x04);
    }
}
END_TEST

/* ---- Liars ---- */

static void lie_with_z(const Quorum *quorum, const Signing *signing, FrostPartial *partial)
{
    Ed25519Scalar one = {{1}};

    (void)quorum;
    (void)signing;
    ed25519_scalar_add(&partial->z, &one, &partial->z);
}

/* z + L, where that fits into 32 bytes; it is the same number. */
static void lie_with_the_encoding(const Quorum *quorum, const Signing *signing, FrostPartial *partial)
{
    Ed25519Scalar order = scalar_of_hex(L_ITSELF);

    (void)quorum;
    (void)signing;
    sodium_add(partial->z.bytes, order.bytes, sizeof(order.bytes));
}

static void lie_with_r(const Quorum *quorum, const Signing *signing, FrostPartial *partial)
{
    (void)quorum;
    partial->r = signing->commitments[0].hiding;
}

static void lie_with_zeros(const Quorum *quorum, const Signing *signing, FrostPartial *partial)
{
    (void)quorum;
    (void)signing;
    partial->z = (Ed25519Scalar){0};
}

static const struct {
    const char *name;
    void (*lie)(const Quorum *quorum, const Signing *signing, FrostPartial *partial);
    int expected; /* of the combination */
} lies[] = {
    {"a wrong z", lie_with_z, FROST_E_INVALID_SIGNATURE},
    {"z not canonical", lie_with_the_encoding, FROST_E_INVALID_SIGNATURE},
    {"another R", lie_with_r, FROST_E_COMMITMENTS_DIFFER},
    {"zeros", lie_with_zeros, FROST_E_INVALID_SIGNATURE},
};

/* Every set of liars among three, one after the other, and with every lie. */
START_TEST(every_liar_is_found)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3);
    _cleanup_signing_ Signing signing;
    uint32_t found = 99;

    signing_begin(&signing, &quorum, 0x16, MESSAGE); /* nodes 2, 3, 5 */
    signing_sign_all(&signing, &quorum);
    ck_assert_int_eq(frost_find_liars(&signing.request, signing.partials, 3, &found), 0);
    ck_assert_uint_eq(found, 0);
    for (uint32_t liars = 1; liars < 8; liars++) {
        FrostPartial partials[3];
        uint8_t signature[FROST_SIGNATURE_SIZE] = {0x5a}, untouched[FROST_SIGNATURE_SIZE] = {0x5a};
        uint32_t expected = 0;

        memcpy(partials, signing.partials, sizeof(partials));
        for (unsigned at = 0; at < 3; at++)
            if (liars & 1U << at) {
                lies[_i].lie(&quorum, &signing, &partials[at]);
                expected |= 1U << (partials[at].index - 1);
            }
        ck_assert_int_eq(frost_find_liars(&signing.request, partials, 3, &found), 0);
        ck_assert_msg(found == expected, "%s: found %x, not %x", lies[_i].name, found, expected);

        int r = frost_combine(quorum.key, MESSAGE, partials, signature);

        /* If all lie about R alike, only the signature shows it. */
        ck_assert_int_eq(r, lies[_i].expected == FROST_E_COMMITMENTS_DIFFER && liars == 7 ? FROST_E_INVALID_SIGNATURE : lies[_i].expected);
        ck_assert_mem_eq(signature, untouched, sizeof(signature));
        ck_assert_uint_eq(ERR_peek_error(), 0);
    }
}
END_TEST

/* A node that signs another message, or with another share, makes a partial that is well formed. */
START_TEST(another_message_or_share_is_found)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3), other = quorum_new(5, 3);
    uint32_t liars;

    for (unsigned liar = 0; liar < 3; liar++) {
        for (unsigned way = 0; way < 2; way++) {
            _cleanup_signing_ Signing signing;
            uint8_t signature[FROST_SIGNATURE_SIZE];

            signing_begin(&signing, &quorum, ALL_OF_THREE, MESSAGE);

            FrostRequest changed = signing.request;

            changed.message = way == 0 ? "keyquorun" : message;
            for (unsigned at = 0; at < 3; at++)
                ck_assert_int_eq(frost_sign(signing.nonces[at], 0, at == liar ? &changed : &signing.request, at + 1,
                                            at == liar && way == 1 ? other.shares[at] : quorum.shares[at], &signing.partials[at]),
                                 0);
            ck_assert_int_eq(signing_combine(&signing, signature), way == 0 ? FROST_E_COMMITMENTS_DIFFER : FROST_E_INVALID_SIGNATURE);
            ck_assert_int_eq(frost_find_liars(&signing.request, signing.partials, 3, &liars), 0);
            ck_assert_uint_eq(liars, 1U << liar);
        }
    }
}
END_TEST

START_TEST(another_nodes_partial_is_found)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3);
    _cleanup_signing_ Signing signing;
    uint8_t signature[FROST_SIGNATURE_SIZE];
    uint32_t liars;

    signing_begin(&signing, &quorum, 0x16, MESSAGE);
    signing_sign_all(&signing, &quorum);
    signing.partials[0].z = signing.partials[2].z;
    ck_assert_int_eq(signing_combine(&signing, signature), FROST_E_INVALID_SIGNATURE);
    ck_assert_int_eq(frost_find_liars(&signing.request, signing.partials, 3, &liars), 0);
    ck_assert_uint_eq(liars, 0x02);
}
END_TEST

START_TEST(blame_needs_good_arguments)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3);
    _cleanup_signing_ Signing signing;
    FrostPartial partials[4];
    uint32_t liars = 99;

    signing_begin(&signing, &quorum, ALL_OF_THREE, MESSAGE);
    signing_sign_all(&signing, &quorum);
    memcpy(partials, signing.partials, 3 * sizeof(partials[0]));
    ck_assert_int_eq(frost_find_liars(&signing.request, partials, 4, &liars), -EINVAL);
    partials[2].index = 2;
    ck_assert_int_eq(frost_find_liars(&signing.request, partials, 3, &liars), -EINVAL);
    partials[2].index = 4;
    ck_assert_int_eq(frost_find_liars(&signing.request, partials, 3, &liars), -EINVAL);
    ck_assert_uint_eq(liars, 99);
    for (unsigned count = 0; count <= 2; count += 2) {
        liars = 99;
        ck_assert_int_eq(frost_find_liars(&signing.request, partials, count, &liars), 0);
        ck_assert_uint_eq(liars, 0);
    }
    signing.commitments[1].index = 1;
    ck_assert_int_eq(frost_find_liars(&signing.request, partials, 1, &liars), -EINVAL);
}
END_TEST

START_TEST(combination_needs_good_indices)
{
    static const unsigned wrong[] = {0, 1, 2, 6, 33, UINT32_MAX};
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3);
    _cleanup_signing_ Signing signing;
    uint8_t signature[FROST_SIGNATURE_SIZE];

    signing_begin(&signing, &quorum, ALL_OF_THREE, MESSAGE);
    signing_sign_all(&signing, &quorum);
    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        signing.partials[2].index = wrong[i];
        ck_assert_int_eq(signing_combine(&signing, signature), -EINVAL);
    }
}
END_TEST

/* ---- Keys, shares, signatures ---- */

START_TEST(signatures_of_others_do_not_verify)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2), other = quorum_new(3, 2);
    _cleanup_signing_ Signing signing;
    uint8_t signature[FROST_SIGNATURE_SIZE + 1] = {0};

    signing_begin(&signing, &quorum, 0x06, MESSAGE);
    signing_sign_all(&signing, &quorum);
    ck_assert_int_eq(signing_combine(&signing, signature), 0);
    ck_assert_int_eq(frost_verify(other.key, MESSAGE, signature, 64), FROST_E_INVALID_SIGNATURE);
    ck_assert_int_eq(frost_verify(quorum.key, message, sizeof(message), signature, 64), FROST_E_INVALID_SIGNATURE);
    ck_assert_int_eq(frost_verify(quorum.key, MESSAGE, signature, 63), FROST_E_INVALID_SIGNATURE);
    ck_assert_int_eq(frost_verify(quorum.key, MESSAGE, signature, 65), FROST_E_INVALID_SIGNATURE);
    for (unsigned bit = 0; bit < 512; bit += 5) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(frost_verify(quorum.key, MESSAGE, signature, 64), FROST_E_INVALID_SIGNATURE);
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_int_eq(frost_verify(quorum.key, MESSAGE, signature, 64), 0);
}
END_TEST

START_TEST(shares_are_checked)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_secret_ Secret *shorter = NULL, *large = secret_of_scalar(*ed25519_scalars_of(quorum.shares[0]));
    Ed25519Scalar order = scalar_of_hex(L_ITSELF);

    for (unsigned i = 1; i <= 3; i++)
        for (unsigned j = 1; j <= 3; j++)
            ck_assert_int_eq(frost_key_check_share(quorum.key, i, quorum.shares[j - 1]), i == j ? 0 : FROST_E_INVALID_SHARE);
    ck_assert_int_eq(frost_key_check_share(quorum.key, 0, quorum.shares[0]), -EINVAL);
    ck_assert_int_eq(frost_key_check_share(quorum.key, 4, quorum.shares[0]), -EINVAL);
    ck_assert_int_eq(secret_new_copy(secret_bytes(quorum.shares[0]), 31, &shorter), 0);
    ck_assert_int_eq(frost_key_check_share(quorum.key, 1, shorter), FROST_E_INVALID_SHARE);
    sodium_add(secret_data(large), order.bytes, sizeof(order.bytes));
    ck_assert_int_eq(frost_key_check_share(quorum.key, 1, large), FROST_E_INVALID_SHARE);
}
END_TEST

static void check_key(unsigned n, unsigned k, const Bytes *public_key, const Bytes *verification, int expected)
{
    _cleanup_frost_key_ FrostKey *key = NULL;
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(frost_key_new(n, k, public_key, verification, &key, &problem), expected);
    ck_assert_int_eq(key == NULL, expected != 0);
    ck_assert_int_eq(problem.text[0] != '\0', expected != 0);
}

START_TEST(keys_are_checked)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(16, 2);
    Bytes short_key = {quorum.public_key.data, 31}, three = {quorum.verification.data, 96}, short_values = {quorum.verification.data, 95};

    check_key(16, 16, &quorum.public_key, &quorum.verification, 0);
    check_key(3, 2, &quorum.public_key, &three, 0);
    check_key(3, 1, &quorum.public_key, &three, -EINVAL);
    check_key(3, 4, &quorum.public_key, &three, -EINVAL);
    check_key(17, 2, &quorum.public_key, &quorum.verification, -EINVAL);
    check_key(0, 0, &quorum.public_key, &three, -EINVAL);
    check_key(3, 2, &short_key, &three, -EBADMSG);
    check_key(3, 2, &quorum.public_key, &short_values, -EBADMSG);
    check_key(4, 2, &quorum.public_key, &three, -EBADMSG);
    check_key(3, 2, &(Bytes){0}, &three, -EBADMSG);
}
END_TEST

/* Each of them alone is a good point. */
START_TEST(keys_are_of_one_polynomial)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3), other = quorum_new(5, 3);
    uint8_t swapped[32];

    check_key(5, 3, &other.public_key, &quorum.verification, -EBADMSG);
    check_key(5, 2, &quorum.public_key, &quorum.verification, -EBADMSG);
    memcpy(swapped, quorum.verification.data, 32);
    memcpy(quorum.verification.data, quorum.verification.data + 32, 32);
    memcpy(quorum.verification.data + 32, swapped, 32);
    check_key(5, 3, &quorum.public_key, &quorum.verification, -EBADMSG);
    memcpy(other.verification.data + 4 * 32, swapped, 32);
    check_key(5, 3, &other.public_key, &other.verification, -EBADMSG);
}
END_TEST

START_TEST(keys_are_points_of_the_group)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_bytes_ Bytes bad = bytes_of_hex(bad_points[_i].point);

    ck_assert_uint_eq(frost_key_n(quorum.key), 3);
    ck_assert_uint_eq(frost_key_k(quorum.key), 2);
    ck_assert_mem_eq(frost_key_verification(quorum.key, 3)->bytes, quorum.verification.data + 64, 32);
    check_key(3, 2, &bad, &quorum.verification, -EBADMSG);
    memcpy(quorum.verification.data + 32, bad.data, 32);
    check_key(3, 2, &quorum.public_key, &quorum.verification, -EBADMSG);
}
END_TEST

/* ---- What is left behind ---- */

typedef struct Node {
    Quorum quorum;
    Signing signing;
    int r;
} Node;

static void *sign_as_a_node(void *userdata)
{
    Node *node = userdata;

    signing_begin(&node->signing, &node->quorum, 0x03, MESSAGE);
    node->r = signing_sign(&node->signing, &node->quorum, 0);
    return NULL;
}

START_TEST(no_share_or_nonce_stays_on_the_stack)
{
    uint8_t *stack = new_stack(), drawn[64];
    Node node = {.quorum = rfc_quorum()};
    const FrostVectorNode *vector = &rfc9591.signers[0];
    Ed25519Scalar hiding = scalar_of_hex(vector->hiding_nonce), binding = scalar_of_hex(vector->binding_nonce);

    ck_assert_int_eq(hex_decode(vector->hiding_random, drawn, 32), 0);
    ck_assert_int_eq(hex_decode(vector->binding_random, drawn + 32, 32), 0);
    script = (Bytes){drawn, sizeof(drawn)};
    run_on_stack(stack, sign_as_a_node, &node);
    ck_assert_int_eq(node.r, 0);
    ck_assert(!stack_has(stack, secret_bytes(node.quorum.shares[0]), FROST_SHARE_SIZE));
    ck_assert(!stack_has(stack, hiding.bytes, sizeof(hiding)));
    ck_assert(!stack_has(stack, binding.bytes, sizeof(binding)));
    ck_assert(!stack_has(stack, drawn, sizeof(drawn)));
    signing_clear(&node.signing);
    quorum_clear(&node.quorum);
}
END_TEST

static void add(TCase *cases)
{
    seed_random();
    tcase_add_test(cases, rfc9591_shares);
    tcase_add_loop_test(cases, rfc9591_nonces, 0, ELEMENTS(rfc9591.signers));
    tcase_add_test(cases, rfc9591_signature);
    tcase_add_loop_test(cases, every_quorum_signs, 0, ELEMENTS(sizes));
    tcase_add_test(cases, the_largest_quorums_sign);
    tcase_add_test(cases, messages_of_every_size_sign);
    tcase_add_test(cases, longer_messages_are_refused);
    tcase_add_test(cases, partials_combine_in_any_order);
    tcase_add_loop_test(cases, nonces_are_gone_after_any_attempt, 0, ELEMENTS(attempts));
    tcase_add_loop_test(cases, nonces_are_wiped, 0, ELEMENTS(ends_of_a_pair));
    tcase_add_test(cases, pairs_of_a_batch_are_independent);
    tcase_add_test(cases, a_forked_child_has_no_nonces);
    tcase_add_test(cases, one_of_many_threads_gets_a_pair);
    tcase_add_test(cases, nonces_need_good_arguments);
    tcase_add_loop_test(cases, bad_commitments_are_refused_and_blamed, 0, ELEMENTS(bad_points));
    tcase_add_loop_test(cases, every_liar_is_found, 0, ELEMENTS(lies));
    tcase_add_test(cases, another_message_or_share_is_found);
    tcase_add_test(cases, another_nodes_partial_is_found);
    tcase_add_test(cases, blame_needs_good_arguments);
    tcase_add_test(cases, combination_needs_good_indices);
    tcase_add_test(cases, signatures_of_others_do_not_verify);
    tcase_add_test(cases, shares_are_checked);
    tcase_add_test(cases, keys_are_checked);
    tcase_add_test(cases, keys_are_of_one_polynomial);
    tcase_add_loop_test(cases, keys_are_points_of_the_group, 0, ELEMENTS(bad_points));
    tcase_add_test(cases, no_share_or_nonce_stays_on_the_stack);
}

UNIT_MAIN("frost", add)
