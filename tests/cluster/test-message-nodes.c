/* quorum_sign_message() with real nodes. */
#include "token-fixture.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>

#include "ed25519-deal.h"
#include "quorum/generate.h"
#include "unit.h"

static QuorumKey *key;

static void start(void)
{
    const GenerateRequest request = {
        .algorithm = THRESHOLD_ED25519,
        .bits = 256,
        .custody = CUSTODY_KEYRING,
        .record = {.private_label = (char *)"ed", .public_label = (char *)"ed"},
    };
    Deal deal = ed25519_deal(NODES, THRESHOLD);
    Problem problem = PROBLEM_INIT;

    token_start();
    token_new_client(NULL);
    ck_assert_msg(quorum_create_from_deal(quorum, &request, &deal, &key, &problem) == 0, "%s", problem.text);
}

static void stop(void)
{
    key = quorum_key_unref(key);
    token_stop();
}

/* As anybody would. */
static bool verifies(const void *message, size_t size, const uint8_t *signature)
{
    const Bytes *public_key = threshold_key_public(quorum_key_threshold(key));
    EVP_PKEY *verifier = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key->data, public_key->size);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, verifier) == 1 &&
                EVP_DigestVerify(ctx, signature, FROST_SIGNATURE_SIZE, message, size) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(verifier);
    return good;
}

/* NULL, or why not; to be freed. */
static char *sign_and_verify(unsigned number)
{
    uint8_t signature[FROST_SIGNATURE_SIZE];
    Problem problem = PROBLEM_INIT;
    char message[32];
    size_t size = (size_t)snprintf(message, sizeof(message), "message %u", number);

    if (quorum_sign_message(quorum, key, message, size, signature, &problem) != 0)
        return strdup(problem.text);
    return verifies(message, size, signature) ? NULL : strdup("it does not verify");
}

static void sign_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        _cleanup_free_ char *words = sign_and_verify(i);

        ck_assert_msg(!words, "%s", words);
    }
}

START_TEST(messages_are_signed)
{
    static uint8_t message[FROST_MESSAGE_SIZE_MAX];
    uint8_t signature[FROST_SIGNATURE_SIZE];
    Problem problem = PROBLEM_INIT;

    sign_many(50);
    memset(message, 'm', sizeof(message));
    ck_assert_msg(quorum_sign_message(quorum, key, message, sizeof(message), signature, &problem) == 0, "%s", problem.text);
    ck_assert(verifies(message, sizeof(message), signature));
    ck_assert_msg(quorum_sign_message(quorum, key, NULL, 0, signature, &problem) == 0, "%s", problem.text);
    ck_assert(verifies("", 0, signature));
}
END_TEST

/* With commitments of theirs in stock. */
START_TEST(nodes_are_killed_and_started_anew)
{
    sign_many(10);
    for (unsigned i = 0; i < NODES; i++) {
        test_node_restart(&nodes[i]);
        sign_many(3);
    }
    for (unsigned i = 0; i < NODES; i++)
        test_node_restart(&nodes[i]);
    sign_many(3);
}
END_TEST

START_TEST(two_of_five_are_dead)
{
    sign_many(10);
    (void)test_node_stop(&nodes[1], SIGKILL);
    (void)test_node_stop(&nodes[4], SIGKILL);
    sign_many(20);
}
END_TEST

START_TEST(two_of_five_hang)
{
    Microseconds begin;

    sign_many(10);
    (void)kill(nodes[0].pid, SIGSTOP);
    (void)kill(nodes[3].pid, SIGSTOP);
    begin = clock_now();
    sign_many(20);
    ck_assert_uint_lt(clock_now() - begin, quorum_roster(quorum)->timeout / 2);
    (void)kill(nodes[0].pid, SIGCONT);
    (void)kill(nodes[3].pid, SIGCONT);
}
END_TEST

static void lock(unsigned i)
{
    const NodeKeyInput input = {{(uint8_t *)(uintptr_t)quorum_key_id(key)->bytes, KEY_ID_SIZE}};
    _cleanup_link_ Link *link = call_open(&nodes[i]);

    call_well(link, "LockKey", &input, NULL);
}

START_TEST(locked_keys_do_not_sign)
{
    uint8_t signature[FROST_SIGNATURE_SIZE];
    Problem problem = PROBLEM_INIT;

    sign_many(10); /* so that there are commitments in stock */
    lock(0);
    lock(1);
    sign_many(10);
    lock(2);
    ck_assert_int_eq(quorum_sign_message(quorum, key, "m", 1, signature, &problem), QUORUM_E_REFUSED);
    ck_assert_msg(strstr(problem.text, "node3 (3): KeyLocked"), "%s", problem.text);
}
END_TEST

#define THREADS 32

static void *sign_in_thread(void *userdata)
{
    char *words = NULL;

    for (unsigned i = 0; i < 10 && !words; i++)
        words = sign_and_verify(1000 * (unsigned)(uintptr_t)userdata + i);
    return words;
}

START_TEST(threads_sign_at_once)
{
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_in_thread, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *words;

        ck_assert_int_eq(pthread_join(threads[i], &words), 0);
        ck_assert_msg(!words, "%s", (const char *)words);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, start, stop);
    tcase_add_test(cases, messages_are_signed);
    tcase_add_test(cases, nodes_are_killed_and_started_anew);
    tcase_add_test(cases, two_of_five_are_dead);
    tcase_add_test(cases, two_of_five_hang);
    tcase_add_test(cases, locked_keys_do_not_sign);
    tcase_add_test(cases, threads_sign_at_once);
}

UNIT_MAIN("message-nodes", add_tests)
