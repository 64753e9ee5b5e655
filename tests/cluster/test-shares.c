/* Signatures with Ed25519 keys: a real node's commitments and signature shares, combined with those of nodes made here. */
#include "share-fixture.h"

#include <openssl/evp.h>
#include <signal.h>
#include <string.h>

#define MESSAGE "some message"

/* As anybody would: libcrypto, the public key, the message. */
static void verify(const EdKey *key, const void *message, size_t size, const uint8_t signature[FROST_SIGNATURE_SIZE])
{
    EVP_PKEY *public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->quorum.public_key.data, key->quorum.public_key.size);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    ck_assert_ptr_nonnull(public_key);
    ck_assert_int_eq(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public_key), 1);
    ck_assert_int_eq(EVP_DigestVerify(ctx, signature, FROST_SIGNATURE_SIZE, message, size), 1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public_key);
}

static void sign_and_verify(Link *link, const EdKey *key, const void *message, size_t size)
{
    uint8_t signature[FROST_SIGNATURE_SIZE];
    NodeError error = mixed_sign(link, key, message, size, signature);

    ck_assert_msg(error == NODE_ERROR_NONE, "%s: %s", call_error, call_detail.reason);
    verify(key, message, size, signature);
}

START_TEST(messages_of_any_size_are_signed)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_ed_key_ EdKey key = ed_key(5, 3);
    static uint8_t message[NODE_MESSAGE_SIZE_MAX];

    memset(message, 'm', sizeof(message));
    call_make_active_ed(link, &node, &key);
    for (size_t size = 0; size <= sizeof(message); size = size ? 16 * size : 1)
        sign_and_verify(link, &key, message, size);
}
END_TEST

/* 2 of 3, all of them real. */
START_TEST(real_nodes_sign_together)
{
    _cleanup_ed_key_ EdKey key = ed_key(3, 2);
    TestNode nodes[3];
    Link *links[3];

    for (unsigned i = 0; i < 3; i++) {
        nodes[i] = test_node_new();
        nodes[i].index = i + 1;
        nodes[i].n = 3;
        nodes[i].k = 2;
        test_node_start(&nodes[i]);
        call_init_token(&nodes[i]);
        links[i] = call_open_logged_in(&nodes[i]);
        call_make_active_ed(links[i], &nodes[i], &key);
    }
    for (uint32_t set = next_nodes(0, 2); set < 1U << 3; set = next_nodes(set, 2)) {
        FrostCommitment list[2];
        FrostPartial partials[2];
        uint8_t signature[FROST_SIGNATURE_SIZE];
        unsigned at = 0;

        for (unsigned i = 0; i < 3; i++)
            if (set & 1U << i)
                list[at++] = call_commitment(links[i], &key);

        const FrostRequest request = {key.quorum.key, list, MESSAGE, strlen(MESSAGE)};

        for (at = 0; at < 2; at++)
            ck_assert_int_eq(call_share(links[list[at].index - 1], &key, &request, list[at].index, &partials[at]), NODE_ERROR_NONE);
        ck_assert_int_eq(frost_combine(key.quorum.key, MESSAGE, strlen(MESSAGE), partials, signature), 0);
        verify(&key, MESSAGE, strlen(MESSAGE), signature);
    }
    for (unsigned i = 0; i < 3; i++) {
        (void)link_close(links[i]);
        test_node_clear(&nodes[i]);
    }
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, messages_of_any_size_are_signed);
    tcase_add_test(cases, real_nodes_sign_together);
}

UNIT_MAIN("shares", add)
