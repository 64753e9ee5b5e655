/*
 * Is the time of what nodes do in a run independent of their secrets: of their parts of the key, of the keys that they seal and open
 * messages with, and of the identity keys that they sign with? Real nodes, all of them under valgrind (watched-node.c; the idea is told in
 * ct-frost.c).
 */
#include "run-keys.h"
#include "watched.h"

#define NODES 2

/* What the worst of them ends with. */
static int stop_all(TestToken *token)
{
    int worst = 0;

    token_disconnect(token);
    for (unsigned i = 0; i < token->n; i++) {
        const int status = watched_stop(&token->nodes[i]);

        worst = status > worst ? status : worst;
    }
    return worst;
}

/* New shares of the key, and a signature with these. */
static void refresh(TestToken *token, const KeyId *old)
{
    _cleanup_test_run_ TestRun run = {.token = token};
    _cleanup_threshold_key_ ThresholdKey *key = NULL;
    uint8_t signature[FROST_SIGNATURE_SIZE];

    for (unsigned i = 1; i <= NODES; i++)
        ck_assert_int_eq(run_approve(token, i, old), NODE_ERROR_NONE);
    run = run_begin_refresh(token, old);

    const KeyId fresh = run_finish(&run);

    key = run_key_of(&run.said[0].header, token, 2);
    run_sign_with(token, &fresh, key, (1U << NODES) - 1, signature);
}

static const char *const leaks[] = {"message", "identity"};

START_TEST(a_leak_made_on_purpose_is_seen)
{
    _cleanup_token_ TestToken token;

    ck_assert_int_eq(setenv("CT_LEAK", leaks[_i], 1), 0);
    token_start(NODES, NODES, &token);
    (void)run_make_active(&token);
    ck_assert_int_eq(stop_all(&token), WATCHED_COMPLAINS);
}
END_TEST

START_TEST(nothing_of_a_run_shows_in_time)
{
    _cleanup_token_ TestToken token;

    token_start(NODES, NODES, &token);

    const KeyId key = run_make_active(&token);

    refresh(&token, &key);
    ck_assert_int_eq(stop_all(&token), 0);
}
END_TEST

static void add(TCase *cases)
{
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, a_leak_made_on_purpose_is_seen, 0, ELEMENTS(leaks));
    tcase_add_test(cases, nothing_of_a_run_shows_in_time);
}

UNIT_MAIN("ct-run", add)
