/* The keys made of a PIN: what they are, and where they lie meanwhile. */
#include "quorum/pin.h"
#include "unit.h"

#include <openssl/crypto.h>
#include <string.h>

START_TEST(keys_are_made_in_locked_memory)
{
    const Roster roster = {.n = 5, .k = 3};
    _cleanup_secret_ Secret *master = NULL;
    uint8_t verifier[NODE_VERIFIER_SIZE] = {0}, again[NODE_VERIFIER_SIZE] = {0}, other[NODE_VERIFIER_SIZE] = {0};

    ck_assert_int_eq(secret_new(32, &master), 0);
    ck_assert(!CRYPTO_secure_malloc_initialized());
    ck_assert_int_eq(pin_verifier(&roster, master, 1, verifier), 0);
    ck_assert(CRYPTO_secure_malloc_initialized());
    ck_assert_int_eq(pin_verifier(&roster, master, 1, again), 0);
    ck_assert_mem_eq(verifier, again, sizeof(again));
    ck_assert_int_eq(pin_verifier(&roster, master, 2, other), 0);
    ck_assert_mem_ne(verifier, other, sizeof(other));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, keys_are_made_in_locked_memory);
}

UNIT_MAIN("pin-keys", add_tests)
