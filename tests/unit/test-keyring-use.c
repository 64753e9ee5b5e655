/* Shares that nobody computes with but the node itself (Ed25519): into the ring, and read for a moment. */
#include <errno.h>

#include "frost-fixture.h"
#include "key-fixture.h"
#include "keyring/keyring.h"

static const KeyId KEY_ID = {.bytes = {0x61, 0x62, 0x63}};

typedef struct Fixture {
    Quorum quorum;
    ThresholdKey *key;
    KeySerial ring;
} Fixture;

static void fixture_clear(Fixture *fixture)
{
    threshold_key_freep(&fixture->key);
    quorum_clear(&fixture->quorum);
}

#define _cleanup_fixture_ _cleanup_(fixture_clear)

static Fixture fixture_new(void)
{
    Fixture fixture = {.quorum = quorum_new(5, 3)};
    const ThresholdParameters parameters = {THRESHOLD_ED25519, 256, 5, 3};
    Problem problem = PROBLEM_INIT;

    ck_assert_msg(threshold_key_new(&parameters, &fixture.quorum.public_key, &fixture.quorum.verification, &fixture.key, &problem) == 0,
                  "%s", problem.text);
    ck_assert_msg(keyring_ring_new(SEPARATION_NONE, &fixture.ring, &problem) == 0, "%s", problem.text);
    return fixture;
}

static int insert(const Fixture *fixture, CustodyKind custody, const Secret *share, Problem *problem)
{
    return keyring_insert(fixture->ring, SEPARATION_NONE, custody, &KEY_ID, 2, fixture->key, share, problem);
}

static KeyringShare *find(const Fixture *fixture)
{
    KeyringShare *share = NULL;
    Problem problem = PROBLEM_INIT;
    int r = keyring_share_find(fixture->ring, CUSTODY_KEYRING, &KEY_ID, fixture->key, &share, &problem);

    ck_assert_msg(r == 0 || r == KEYRING_E_GONE, "%s", problem.text);
    return share;
}

typedef struct Use {
    const Secret *expected;
    unsigned times;
    int answer;
} Use;

static int compare(void *userdata, const Secret *share)
{
    Use *use = userdata;

    ck_assert(secret_equal(share, use->expected));
    use->times++;
    return use->answer;
}

START_TEST(a_share_is_read_while_it_is_there)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    const Secret *secret = fixture.quorum.shares[1];
    Problem problem = PROBLEM_INIT;
    uint8_t power[THRESHOLD_PARTIAL_SIZE_MAX] = {0};
    Use use = {secret, 0, 7};
    bool used = false;

    ck_assert_msg(insert(&fixture, CUSTODY_KEYRING, secret, &problem) == 0, "%s", problem.text);

    _cleanup_(keyring_share_freep) KeyringShare *share = find(&fixture);

    ck_assert_ptr_nonnull(share);
    ck_assert_int_eq(keyring_share_use(share, compare, &use, &used, &problem), 7); /* its own answer */
    ck_assert(used);
    use.answer = 0;
    ck_assert_int_eq(keyring_share_use(share, compare, &use, &used, &problem), 0);
    ck_assert_uint_eq(use.times, 2);
    ck_assert(!keyring_share_pair_is_faster(share, share));
    ck_assert_int_ne(keyring_share_power(share, power, power, &problem), 0); /* there is no oracle */
    ck_assert_int_eq(keyring_share_remove(fixture.ring, CUSTODY_KEYRING, &KEY_ID), 0);
    ck_assert_int_eq(keyring_share_use(share, compare, &use, &used, &problem), KEYRING_E_GONE);
    ck_assert(!used);
    ck_assert_uint_eq(use.times, 2);
}
END_TEST

START_TEST(wrong_shares_are_refused)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    _cleanup_secret_ Secret *damaged = NULL, *shorter = NULL;
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(secret_new_copy(secret_bytes(fixture.quorum.shares[1]), FROST_SHARE_SIZE, &damaged), 0);
    ck_assert_int_eq(secret_new_copy(secret_bytes(fixture.quorum.shares[1]), FROST_SHARE_SIZE - 1, &shorter), 0);
    secret_data(damaged)[0] ^= 1;
    ck_assert_int_eq(insert(&fixture, CUSTODY_KEYRING, damaged, &problem), KEYRING_E_INVALID_SHARE);
    ck_assert_int_eq(insert(&fixture, CUSTODY_KEYRING, fixture.quorum.shares[0], &problem), KEYRING_E_INVALID_SHARE);
    ck_assert_ptr_nonnull(strstr(problem.text, "verification value of node 2"));
    ck_assert_int_eq(insert(&fixture, CUSTODY_KEYRING, shorter, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, "31 bytes; this key's have 32"));
    ck_assert_int_ne(insert(&fixture, CUSTODY_KERNEL, fixture.quorum.shares[1], &problem), 0);
    ck_assert_ptr_null(find(&fixture));
}
END_TEST

/* Whose shares have an oracle: nobody reads them. */
START_TEST(shares_of_rsa_keys_are_not_read)
{
    _cleanup_fixture_ Fixture fixture = fixture_new();
    _cleanup_threshold_key_ ThresholdKey *key = fixture_key(&rsa2048_3_of_5);
    _cleanup_secret_ Secret *secret = fixture_share(&rsa2048_3_of_5, 2);
    _cleanup_(keyring_share_freep) KeyringShare *share = NULL;
    Problem problem = PROBLEM_INIT;
    Use use = {secret, 0, 0};
    bool used = true;

    ck_assert_int_eq(keyring_insert(fixture.ring, SEPARATION_NONE, CUSTODY_KEYRING, &KEY_ID, 2, key, secret, &problem), 0);
    ck_assert_int_eq(keyring_share_find(fixture.ring, CUSTODY_KEYRING, &KEY_ID, key, &share, &problem), 0);
    ck_assert_int_eq(keyring_share_use(share, compare, &use, &used, &problem), -EOPNOTSUPP);
    ck_assert(!used);
    ck_assert_uint_eq(use.times, 0);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, a_share_is_read_while_it_is_there);
    tcase_add_test(cases, wrong_shares_are_refused);
    tcase_add_test(cases, shares_of_rsa_keys_are_not_read);
}

UNIT_MAIN("keyring-use", add)
