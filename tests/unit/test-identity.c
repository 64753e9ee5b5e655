/* The node's two keys: read from files that are private, used in locked memory. */
#include "base/file.h"
#include "node/identity.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Place {
    char path[32], sealing[64], identity[64];
    NodeConfig config;
} Place;

static void put(const char *path, const void *content, size_t size)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, size), (ssize_t)size);
}

/* RFC 7748 §6.1 (Alice) and RFC 8032 §7.1 (TEST 1). */
static const char *const sealing_private = "77076d0a7318a57d3c16c17251b26645df4b86f0d9ae92f8e52a0e16a7ee5e8a";
static const char *const identity_private = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
static const char *const identity_key_public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

static void place_new(Place *place)
{
    uint8_t key[32];

    *place = (Place){.path = "/tmp/test-identity-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(place->path));
    (void)snprintf(place->sealing, sizeof(place->sealing), "%s/sealing.key", place->path);
    (void)snprintf(place->identity, sizeof(place->identity), "%s/identity.key", place->path);
    place->config = (NodeConfig){.sealing_key = place->sealing, .identity_key = place->identity};
    ck_assert_int_eq(hex_decode(sealing_private, key, sizeof(key)), 0);
    put(place->sealing, key, sizeof(key));
    ck_assert_int_eq(hex_decode(identity_private, key, sizeof(key)), 0);
    put(place->identity, key, sizeof(key));
}

static void place_clear(Place *place)
{
    char path[128];

    (void)unlink(place->sealing);
    (void)unlink(place->identity);
    (void)snprintf(path, sizeof(path), "%s.pub", place->sealing);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(place->path), 0);
}

#define _cleanup_place_ _cleanup_(place_clear)

static int read_identity(const Place *place, uint8_t ret_identity[NODE_PUBLIC_KEY_SIZE], Problem *problem)
{
    uint8_t sealing[NODE_PUBLIC_KEY_SIZE];

    return identity_read(&place->config, "/nowhere/node.conf", sealing, ret_identity, problem);
}

/* The public half of the sealing key is there as a file, so only the identity key is computed with. */
START_TEST(identity_key_is_used_in_locked_memory)
{
    _cleanup_place_ Place place;
    uint8_t public_key[NODE_PUBLIC_KEY_SIZE];
    char path[128], text[2 * NODE_PUBLIC_KEY_SIZE + 1];
    Problem problem = PROBLEM_INIT;

    place_new(&place);
    (void)snprintf(path, sizeof(path), "%s.pub", place.sealing);
    put(path, "01234567890123456789012345678901", NODE_PUBLIC_KEY_SIZE);
    ck_assert(!CRYPTO_secure_malloc_initialized());
    ck_assert_msg(read_identity(&place, public_key, &problem) == 0, "%s", problem.text);
    ck_assert(CRYPTO_secure_malloc_initialized());
    hex_encode(public_key, sizeof(public_key), text);
    ck_assert_str_eq(text, identity_key_public);
}
END_TEST

static void assert_refused(const Place *place, int expected, const char *file, const char *words)
{
    uint8_t public_key[NODE_PUBLIC_KEY_SIZE];
    Problem problem = PROBLEM_INIT;
    int r = read_identity(place, public_key, &problem);

    ck_assert_msg(r == expected, "%d: %s", r, problem.text);
    ck_assert_msg(strstr(problem.text, file) && strstr(problem.text, words), "%s", problem.text);
}

START_TEST(private_keys_are_private)
{
    _cleanup_place_ Place place;

    place_new(&place);
    ck_assert_int_eq(chmod(place.identity, 0640), 0);
    assert_refused(&place, -EKEYREJECTED, place.identity, "chmod 0600");
    ck_assert_int_eq(chmod(place.identity, 0600), 0);
    ck_assert_int_eq(chmod(place.sealing, 0604), 0);
    assert_refused(&place, -EKEYREJECTED, place.sealing, "chmod 0600");
    ck_assert_int_eq(chmod(place.sealing, 0600), 0);
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(place.identity, 12345, 0), 0);
        assert_refused(&place, -EPERM, place.identity, "belongs to user 12345");
    }
    put(place.identity, "short", 5);
    ck_assert_int_eq(chown(place.identity, geteuid(), getegid()), 0);
    assert_refused(&place, -EBADMSG, place.identity, "cannot be used");
}
END_TEST

/* As the node of an installation: its configuration names no key, and it could read none. */
START_TEST(public_keys_stand_beside_the_configuration)
{
    static const char *const names[] = {"sealing-key.pub", "identity-key.pub"};
    const NodeConfig config = {.separation = true};
    uint8_t sealing[NODE_PUBLIC_KEY_SIZE], identity[NODE_PUBLIC_KEY_SIZE], keys[2][NODE_PUBLIC_KEY_SIZE] = {{1}, {2}};
    char directory[] = "/tmp/test-identity-XXXXXX", file[64];
    Problem problem = PROBLEM_INIT;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(file, sizeof(file), "%s/node.conf", directory);
    ck_assert_int_eq(identity_read(&config, file, sealing, identity, &problem), -ENOENT);
    ck_assert_ptr_nonnull(strstr(problem.text, "/sealing-key.pub"));
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        put(path, keys[i], sizeof(keys[i]));
    }
    ck_assert_msg(identity_read(&config, file, sealing, identity, &problem) == 0, "%s", problem.text);
    ck_assert_mem_eq(sealing, keys[0], sizeof(sealing));
    ck_assert_mem_eq(identity, keys[1], sizeof(identity));
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        (void)snprintf(file, sizeof(file), "%s/%s", directory, names[i]);
        ck_assert_int_eq(unlink(file), 0);
    }
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* RFC 8032 §7.1, TEST 1: the empty message. */
START_TEST(signatures_are_of_the_key_and_the_message)
{
    static const char *const expected = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                                        "d25bf5f0595bbe24655141438e7a100b";
    uint8_t seed_bytes[32], public_key[NODE_PUBLIC_KEY_SIZE], signature[IDENTITY_SIGNATURE_SIZE];
    char text[2 * IDENTITY_SIGNATURE_SIZE + 1];
    const Bytes empty = {0}, other = {(uint8_t *)"a", 1};
    _cleanup_secret_ Secret *seed = NULL;

    ck_assert_int_eq(hex_decode(identity_private, seed_bytes, sizeof(seed_bytes)), 0);
    ck_assert_int_eq(secret_new_copy(seed_bytes, sizeof(seed_bytes), &seed), 0);
    ck_assert_int_eq(identity_public(seed, public_key), 0);
    hex_encode(public_key, sizeof(public_key), text);
    ck_assert_str_eq(text, identity_key_public);
    ck_assert_int_eq(identity_sign(seed, &empty, signature), 0);
    hex_encode(signature, sizeof(signature), text);
    ck_assert_str_eq(text, expected);
    ck_assert_int_eq(identity_verify(public_key, &empty, signature), 0);
    ck_assert_int_eq(identity_verify(public_key, &other, signature), -EBADMSG);
    signature[0] ^= 1;
    ck_assert_int_eq(identity_verify(public_key, &empty, signature), -EBADMSG);
    signature[0] ^= 1;
    ck_assert_int_eq(hex_decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", public_key, sizeof(public_key)), 0);
    ck_assert_int_eq(identity_verify(public_key, &empty, signature), -EBADMSG);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, signatures_are_of_the_key_and_the_message);
    tcase_add_test(cases, public_keys_stand_beside_the_configuration);
    tcase_add_test(cases, identity_key_is_used_in_locked_memory);
    tcase_add_test(cases, private_keys_are_private);
}

UNIT_MAIN("identity", add_tests)
