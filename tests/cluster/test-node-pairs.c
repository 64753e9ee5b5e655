/* A node that computes partial signatures in pairs (always-pair.c): every one of them is right. */
#include "node-fixture.h"
#include "unit.h"

#include <limits.h>

#define KEYS     2
#define REQUESTS 24
#define ROUNDS   4

/* More requests at once than its threads take singly. */
static void limit_threads(const TestNode *node)
{
    char path[PATH_MAX];

    test_node_path(node, "node.conf", path);

    _cleanup_fclose_ FILE *file = fopen(path, "ae");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs("Threads=2\n", file), 0);
}

/* Three with one key, three with the other, and so on: wherever pairs begin, some are of one key and some of two. */
static void ask_all(Link *const links[REQUESTS], const DealtKey keys[KEYS], uint8_t round)
{
    for (unsigned i = 0; i < REQUESTS; i++) {
        const Digest digest = test_digest(HASH_SHA256, (uint8_t)(round * REQUESTS + i));
        const NodePartialSignInput input = {
            .key = {(uint8_t *)keys[i / 3 % KEYS].id.bytes, KEY_ID_SIZE},
            .hash = (char *)"sha256",
            .digest = {(uint8_t *)digest.bytes, digest.size},
        };

        ck_assert_int_eq(link_call(links[i], NODE_METHOD("PartialSign"), &node_partial_sign_input, &input), 0);
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        const Digest digest = test_digest(HASH_SHA256, (uint8_t)(round * REQUESTS + i));

        call_take_partial(links[i], &keys[i / 3 % KEYS], &digest);
    }
}

START_TEST(partial_signatures_in_pairs_are_right)
{
    _cleanup_test_node_ TestNode node = test_node_new();
    DealtKey keys[KEYS] = {dealt_key(0), dealt_key(1)};
    Link *links[REQUESTS];

    limit_threads(&node);
    test_node_start(&node);
    call_init_token(&node);
    for (unsigned i = 0; i < REQUESTS; i++)
        links[i] = call_open_logged_in(&node);
    for (unsigned i = 0; i < KEYS; i++)
        call_make_active(links[0], &node, &keys[i]);
    for (uint8_t round = 0; round < ROUNDS; round++)
        ask_all(links, keys, round);
    ck_assert(test_node_logged(&node, "a pair with one key"));
    ck_assert(test_node_logged(&node, "a pair with two keys"));
    for (unsigned i = 0; i < REQUESTS; i++)
        (void)link_close(links[i]);
    for (unsigned i = 0; i < KEYS; i++)
        dealt_key_clear(&keys[i]);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, partial_signatures_in_pairs_are_right);
}

UNIT_MAIN("node-pairs", add)
