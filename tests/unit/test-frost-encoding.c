/* Commitments and partial signatures of FROST as bytes (docs/protocol.md "The mathematics of Ed25519 keys"). */
#include <errno.h>

#include "frost-fixture.h"
#include "threshold/frost-encoding.h"

START_TEST(commitments_as_bytes)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(5, 3);
    _cleanup_signing_ Signing signing;
    uint8_t bytes[3 * FROST_COMMITMENT_SIZE];
    FrostCommitment back[3];
    unsigned count;

    signing_begin(&signing, &quorum, 0x15, "message", 7);
    frost_commitments_write(signing.commitments, 3, bytes);
    ck_assert_int_eq(frost_commitments_read(&(Bytes){bytes, sizeof(bytes)}, 3, back, &count), 0);
    ck_assert_uint_eq(count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *at = bytes + i * FROST_COMMITMENT_SIZE;

        ck_assert_uint_eq(at[0], 2 * i + 1);
        ck_assert_mem_eq(at + 1, signing.commitments[i].hiding.bytes, ED25519_POINT_SIZE);
        ck_assert_mem_eq(at + 33, signing.commitments[i].binding.bytes, ED25519_POINT_SIZE);
        ck_assert_uint_eq(back[i].index, 2 * i + 1);
        ck_assert(ed25519_point_equal(&back[i].hiding, &signing.commitments[i].hiding));
        ck_assert(ed25519_point_equal(&back[i].binding, &signing.commitments[i].binding));
    }
}
END_TEST

START_TEST(bytes_that_are_no_commitments)
{
    uint8_t bytes[3 * FROST_COMMITMENT_SIZE] = {1};
    FrostCommitment list[2];
    unsigned count;
    static const size_t sizes_of_none[] = {0, 1, FROST_COMMITMENT_SIZE - 1, FROST_COMMITMENT_SIZE + 1, sizeof(bytes)};

    for (size_t i = 0; i < ELEMENTS(sizes_of_none); i++)
        ck_assert_int_eq(frost_commitments_read(&(Bytes){bytes, sizes_of_none[i]}, 2, list, &count), -EBADMSG);
    for (unsigned index = 0; index <= UINT8_MAX; index++) {
        const bool good = index >= 1 && index <= THRESHOLD_NODES_MAX;

        bytes[FROST_COMMITMENT_SIZE] = (uint8_t)index;
        ck_assert_int_eq(frost_commitments_read(&(Bytes){bytes, sizeof(bytes) * 2 / 3}, 2, list, &count), good ? 0 : -EBADMSG);
    }
}
END_TEST

START_TEST(partials_as_bytes)
{
    _cleanup_quorum_ Quorum quorum = quorum_new(3, 2);
    _cleanup_signing_ Signing signing;
    uint8_t bytes[FROST_PARTIAL_SIZE];
    FrostPartial back;

    signing_begin(&signing, &quorum, 0x05, "message", 7);
    signing_sign_all(&signing, &quorum);
    frost_partial_write(&signing.partials[1], bytes);
    ck_assert_mem_eq(bytes, signing.partials[1].r.bytes, ED25519_POINT_SIZE);
    ck_assert_mem_eq(bytes + ED25519_POINT_SIZE, signing.partials[1].z.bytes, ED25519_SCALAR_SIZE);
    frost_partial_read(bytes, 3, &back);
    ck_assert_uint_eq(back.index, 3);
    ck_assert(ed25519_point_equal(&back.r, &signing.partials[1].r));
    ck_assert(scalar_equal(&back.z, &signing.partials[1].z));
}
END_TEST

static void add(TCase *cases)
{
    seed_random();
    tcase_add_test(cases, commitments_as_bytes);
    tcase_add_test(cases, bytes_that_are_no_commitments);
    tcase_add_test(cases, partials_as_bytes);
}

UNIT_MAIN("frost-encoding", add)
