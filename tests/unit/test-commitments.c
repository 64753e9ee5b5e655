/* The stock of commitments of a connection. */
#include "quorum/connection.h"
#include "quorum/state.h"
#include "unit.h"

#include <string.h>

#define NODE 2

static Quorum quorum = {.lock = PTHREAD_MUTEX_INITIALIZER};
static const KeyId key = {.bytes = {1}};

static void start(void)
{
    memset(quorum.peers, 0, sizeof(quorum.peers));
}

/* Points they need not be: nobody has looked. */
static FrostCommitment numbered(unsigned index, unsigned number)
{
    FrostCommitment commitment = {.index = index};

    memcpy(commitment.hiding.bytes, &number, sizeof(number));
    memcpy(commitment.binding.bytes + 4, &number, sizeof(number));
    return commitment;
}

/* `count` of them, numbered from `first` on. */
static int add(Connection *connection, const KeyId *of, unsigned index, unsigned first, unsigned count)
{
    uint8_t bytes[NODE_COMMITMENTS_MAX * FROST_COMMITMENT_SIZE];
    const Bytes list = {bytes, count * FROST_COMMITMENT_SIZE};

    for (unsigned i = 0; i < count; i++) {
        const FrostCommitment commitment = numbered(index, first + i);

        frost_commitments_write(&commitment, 1, bytes + i * FROST_COMMITMENT_SIZE);
    }
    return commitments_add(&quorum, connection, of, &list);
}

static void check_next(Connection *connection, const KeyId *of, unsigned number)
{
    const FrostCommitment expected = numbered(NODE, number);
    FrostCommitment taken;

    ck_assert(commitments_take(connection, of, &taken));
    ck_assert_uint_eq(taken.index, expected.index);
    ck_assert_mem_eq(&taken.hiding, &expected.hiding, sizeof(taken.hiding));
    ck_assert_mem_eq(&taken.binding, &expected.binding, sizeof(taken.binding));
}

static void clear(Connection *connection)
{
    commitments_free(connection->commitments);
}

START_TEST(they_come_out_as_they_went_in)
{
    _cleanup_(clear) Connection connection = {.index = NODE};
    FrostCommitment none;

    ck_assert_uint_eq(commitments_count(&connection, &key), 0);
    ck_assert(!commitments_take(&connection, &key, &none));
    ck_assert_int_eq(add(&connection, &key, NODE, 1, 3), 0);
    for (unsigned i = 1; i < 100; i++) { /* around the ring, many times */
        ck_assert_uint_eq(commitments_count(&connection, &key), 3);
        check_next(&connection, &key, i);
        ck_assert_int_eq(add(&connection, &key, NODE, i + 3, 1), 0);
    }
    for (unsigned i = 100; i < 103; i++)
        check_next(&connection, &key, i);
    ck_assert(!commitments_take(&connection, &key, &none));
}
END_TEST

START_TEST(there_is_room_for_so_many)
{
    _cleanup_(clear) Connection connection = {.index = NODE};
    FrostCommitment none;

    ck_assert_int_eq(add(&connection, &key, NODE, 1, NODE_COMMITMENTS_MAX), 0);
    ck_assert_uint_eq(commitments_count(&connection, &key), COMMITMENTS_MAX);
    for (unsigned i = 1; i <= COMMITMENTS_MAX; i++)
        check_next(&connection, &key, i);
    ck_assert(!commitments_take(&connection, &key, &none));
}
END_TEST

START_TEST(others_are_not_taken)
{
    _cleanup_(clear) Connection connection = {.index = NODE};
    uint8_t bytes[(NODE_COMMITMENTS_MAX + 1) * FROST_COMMITMENT_SIZE] = {NODE};
    const size_t sizes[] = {0, 1, FROST_COMMITMENT_SIZE - 1, FROST_COMMITMENT_SIZE + 1, sizeof(bytes)};

    for (size_t i = 0; i < ELEMENTS(sizes); i++)
        ck_assert_int_eq(commitments_add(&quorum, &connection, &key, &(Bytes){bytes, sizes[i]}), COMMITMENTS_E_FOREIGN);
    ck_assert_int_eq(add(&connection, &key, NODE + 1, 1, 1), COMMITMENTS_E_FOREIGN);
    ck_assert_int_eq(add(&connection, &key, 0, 1, 1), COMMITMENTS_E_FOREIGN);
    ck_assert_uint_eq(commitments_count(&connection, &key), 0);
}
END_TEST

/* In one message, in two, on another connection, for another key, after it was used. */
START_TEST(none_is_taken_twice)
{
    _cleanup_(clear) Connection connection = {.index = NODE}, other = {.index = NODE}, of_another = {.index = NODE + 1};
    const KeyId other_key = {.bytes = {2}};
    uint8_t bytes[2 * FROST_COMMITMENT_SIZE];
    const FrostCommitment same[] = {numbered(NODE, 99), numbered(NODE, 99)};

    frost_commitments_write(same, 2, bytes);
    ck_assert_int_eq(commitments_add(&quorum, &connection, &key, &(Bytes){bytes, sizeof(bytes)}), COMMITMENTS_E_REPEATED);
    ck_assert_uint_eq(commitments_count(&connection, &key), 0);
    ck_assert_int_eq(add(&connection, &key, NODE, 1, 4), 0);
    ck_assert_int_eq(add(&connection, &key, NODE, 4, 4), COMMITMENTS_E_REPEATED);
    ck_assert_uint_eq(commitments_count(&connection, &key), 4);
    ck_assert_int_eq(add(&other, &key, NODE, 2, 1), COMMITMENTS_E_REPEATED);
    ck_assert_int_eq(add(&connection, &other_key, NODE, 2, 1), COMMITMENTS_E_REPEATED);
    check_next(&connection, &key, 1);
    ck_assert_int_eq(add(&connection, &key, NODE, 1, 1), COMMITMENTS_E_REPEATED);
    ck_assert_int_eq(add(&of_another, &key, NODE + 1, 1, 1), 0); /* what another node says is its own matter */
}
END_TEST

/* All that may be outstanding is remembered: every connection's stock of one key. */
START_TEST(what_may_be_in_stock_is_remembered)
{
    unsigned forgotten = 0;

    for (unsigned i = 0; i < PEER_IDLE_MAX; i++) {
        _cleanup_(clear) Connection connection = {.index = NODE};

        ck_assert_int_eq(add(&connection, &key, NODE, 1000 * 0x01010101u + i * COMMITMENTS_MAX, COMMITMENTS_MAX), 0);
    }
    for (unsigned i = 0; i < PEER_IDLE_MAX; i++) {
        _cleanup_(clear) Connection connection = {.index = NODE};

        forgotten += add(&connection, &key, NODE, 1000 * 0x01010101u + i * COMMITMENTS_MAX, COMMITMENTS_MAX) == 0;
    }
    ck_assert_uint_eq(forgotten, 0);
}
END_TEST

START_TEST(keys_have_stocks_of_their_own)
{
    _cleanup_(clear) Connection connection = {.index = NODE};
    KeyId keys[COMMITMENTS_KEYS_MAX + 1] = {0};

    for (unsigned i = 0; i <= COMMITMENTS_KEYS_MAX; i++) {
        keys[i].bytes[0] = (uint8_t)(i + 1);
        if (i == COMMITMENTS_KEYS_MAX)
            check_next(&connection, &keys[0], 1); /* then the second is the one not used for longest */
        ck_assert_int_eq(add(&connection, &keys[i], NODE, 10 * i + 1, 2), 0);
    }
    check_next(&connection, &keys[0], 2);
    ck_assert_uint_eq(commitments_count(&connection, &keys[1]), 0);
    for (unsigned i = 2; i <= COMMITMENTS_KEYS_MAX; i++)
        check_next(&connection, &keys[i], 10 * i + 1);
    commitments_forget(&connection, &keys[3]);
    ck_assert_uint_eq(commitments_count(&connection, &keys[3]), 0);
    ck_assert_uint_eq(commitments_count(&connection, &keys[4]), 1);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, NULL);
    tcase_add_test(cases, they_come_out_as_they_went_in);
    tcase_add_test(cases, there_is_room_for_so_many);
    tcase_add_test(cases, others_are_not_taken);
    tcase_add_test(cases, none_is_taken_twice);
    tcase_add_test(cases, what_may_be_in_stock_is_remembered);
    tcase_add_test(cases, keys_have_stocks_of_their_own);
}

UNIT_MAIN("commitments", add_tests)
