/* What a signature of 3 of 5 costs a node: its processor time (all of its threads, the socket included), and the round trip. New
 * nonces come with the signatures, so many at a time. */
#include "share-fixture.h"

#include <time.h>

#define ROUNDS 256

static double seconds_of(clockid_t clock)
{
    struct timespec time;

    ck_assert_int_eq(clock_gettime(clock, &time), 0);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

typedef struct Stock {
    FrostCommitment list[NODE_COMMITMENTS_MAX];
    unsigned n;
} Stock;

typedef struct Times {
    double trip; /* to the node and back */
    double bare; /* processor: what the node computes, computed here */
} Times;

/* The nonces of signing_begin() are the others'; here it is what the node does for one signature, new pair included. */
static double time_bare(const EdKey *key)
{
    const double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    _cleanup_frost_nonces_ FrostNonces *nonces = NULL;
    double taken;
    _cleanup_signing_ Signing signing;

    ck_assert_int_eq(frost_nonces_new(key->quorum.key, 1, key->quorum.shares[0], 1, &nonces), 0);
    taken = seconds_of(CLOCK_THREAD_CPUTIME_ID) - start;
    mixed_begin(&signing, key, frost_nonces_commitment(nonces, 0), "a message", 9);

    const double again = seconds_of(CLOCK_THREAD_CPUTIME_ID);

    ck_assert_int_eq(frost_sign(nonces, 0, &signing.request, 1, key->quorum.shares[0], &signing.partials[0]), 0);
    return taken + seconds_of(CLOCK_THREAD_CPUTIME_ID) - again;
}

/* Uses the last of the stock, and fills it up when it is empty. */
static void sign(Link *link, const EdKey *key, Stock *stock, unsigned refill, Times *times)
{
    _cleanup_signing_ Signing signing;
    NodeSignShareOutput output = {0};
    uint8_t signature[FROST_SIGNATURE_SIZE];

    mixed_begin(&signing, key, &stock->list[--stock->n], "a message", 9);

    const double start = seconds_of(CLOCK_MONOTONIC);

    ck_assert_int_eq(call_share_of(link, &key->id, &signing.request, 3, stock->n == 0 ? refill : 0, &output), NODE_ERROR_NONE);
    times->trip += seconds_of(CLOCK_MONOTONIC) - start;
    if (stock->n == 0)
        ck_assert_int_eq(frost_commitments_read(&output.commitments, NODE_COMMITMENTS_MAX, stock->list, &stock->n), 0);
    frost_partial_read(output.partial.data, 1, &signing.partials[0]);
    mixed_end(&signing, key, signature);
    message_clear(&node_sign_share_output, &output);
    times->bare += time_bare(key);
}

START_TEST(signature_shares)
{
    static const unsigned refills[] = {1, 4, 16};
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_ed_key_ EdKey key = ed_key(5, 3);
    clockid_t clock;

    call_make_active_ed(link, &node, &key);
    ck_assert_int_eq(clock_getcpuclockid(node.pid, &clock), 0);
    for (size_t i = 0; i < ELEMENTS(refills); i++) {
        Stock stock = {{call_commitment(link, &key)}, 1};
        Times times = {0};

        sign(link, &key, &stock, refills[i], &times);
        times = (Times){0};

        const double start = seconds_of(clock);

        for (unsigned round = 0; round < ROUNDS; round++)
            sign(link, &key, &stock, refills[i], &times);
        (void)printf("# 3 of 5, %2u new pairs at a time: %.0f us of the node's processor (bare: %.0f us), round trip %.0f us\n", refills[i],
                     (seconds_of(clock) - start) / ROUNDS * 1e6, times.bare / ROUNDS * 1e6, times.trip / ROUNDS * 1e6);
    }
    (void)fflush(stdout);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, signature_shares);
}

UNIT_MAIN("bench-share", add)
