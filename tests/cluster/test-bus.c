/* The node on D-Bus: what it says, and what can be asked of it. */
#include <signal.h>
#include <string.h>

#include "bus-fixture.h"
#include "dbus/bus-objects.h"
#include "share-fixture.h"
#include "threshold/rsa-public.h"
#include "unit.h"

START_TEST(properties_say_what_is)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};

    bus_fixture_start(&fixture);

    _cleanup_bytes_ Bytes public_key = {0};
    static const uint8_t exponent[] = {1, 0, 1};
    sd_bus *client = fixture.client;
    const TestPath path = key_path(&fixture.key);

    ck_assert(text_is(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Instance", "alpha"));
    ck_assert(text_is(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Version", KEYQUORUM_VERSION));
    ck_assert(text_is(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "LastError", ""));
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Index", 'u'), 1);
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Threshold", 'u'), 3);
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Nodes", 'u'), 5);
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "KeysActive", 'u'), 1);
    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Signatures", 't'), 1);
    bytes_are(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "Token", &(Bytes){fixture.node.token, NODE_TOKEN_SIZE});

    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Id", strrchr(path.text, '/') + 1));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Algorithm", "rsa"));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Label", "label"));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "State", "active"));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Reason", ""));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Custody", "keyring"));
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Bits", 'u'), 2048);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Created", 't'), 1700000000);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "NotAfter", 't'), TEST_NOT_AFTER);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "SignaturesMade", 't'), 1);
    ck_assert_uint_gt(get_number(client, path.text, BUS_KEY_INTERFACE, "LastUsed", 't'), 1700000000);
    bytes_are(client, path.text, BUS_KEY_INTERFACE, "CkaId", &(Bytes){(uint8_t *)"id", 2});
    ck_assert_int_eq(rsa_public_info(threshold_key_public(fixture.key.key), &(Bytes){(uint8_t *)exponent, 3}, &public_key), 0);
    bytes_are(client, path.text, BUS_KEY_INTERFACE, "PublicKey", &public_key);
}
END_TEST

/* They sign with nonces, which are for clients of the node. */
START_TEST(ed25519_keys_are_shown_and_do_not_sign_here)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    _cleanup_ed_key_ EdKey key = ed_key(5, 3);
    const DealtKey shown = {.id = key.id};
    const Digest digest = test_digest(HASH_SHA256, 7);
    uint8_t signature[FROST_SIGNATURE_SIZE], public_key[44] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

    bus_fixture_start(&fixture);
    call_make_active_ed(fixture.link, &fixture.node, &key);

    const TestPath path = key_path(&shown);

    ck_assert(text_is(fixture.client, path.text, BUS_KEY_INTERFACE, "Algorithm", "ed25519"));
    ck_assert(text_is(fixture.client, path.text, BUS_KEY_INTERFACE, "Custody", "keyring"));
    ck_assert_uint_eq(get_number(fixture.client, path.text, BUS_KEY_INTERFACE, "Bits", 'u'), 256);
    memcpy(public_key + 12, key.quorum.public_key.data, 32);
    bytes_are(fixture.client, path.text, BUS_KEY_INTERFACE, "PublicKey", &(Bytes){public_key, sizeof(public_key)});
    ck_assert_str_eq(key_sign(fixture.client, &shown, "sha256", digest.bytes, digest.size, NULL), BUS_ERROR("Rejected"));
    ck_assert_int_eq(mixed_sign(fixture.link, &key, "message", 7, signature), NODE_ERROR_NONE);
    ck_assert_uint_eq(get_number(fixture.client, path.text, BUS_KEY_INTERFACE, "SignaturesMade", 't'), 1);
}
END_TEST

START_TEST(what_changes_is_told)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    _cleanup_dealt_key_ DealtKey other = dealt_key(1);
    Heard heard = {0};

    bus_fixture_start(&fixture);
    listen_to(fixture.client, &heard);
    call_make_active(fixture.link, &fixture.node, &other);
    client_run(fixture.client, heard_added, &heard);
    client_run(fixture.client, heard_active, &heard);
    ck_assert_str_eq(key_call(fixture.client, &other, "Lock", NULL, 0, 0), "");
    client_run(fixture.client, heard_locked, &heard);
    ck_assert_int_eq(call_key(fixture.link, "DestroyKey", &other.id), NODE_ERROR_NONE);
    client_run(fixture.client, heard_removed, &heard);
    ck_assert_uint_eq(heard.added, 1);
    ck_assert_uint_eq(heard.removed, 1);
    ck_assert_str_eq(key_call(fixture.client, &other, "Lock", NULL, 0, 0), SD_BUS_ERROR_UNKNOWN_OBJECT);
}
END_TEST

static bool heard_all_signatures(void *heard)
{
    return ((const Heard *)heard)->signatures == 101;
}

START_TEST(counters_are_not_told_for_each_signature)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    Heard heard = {0};
    const Digest digest = test_digest(HASH_SHA256, 7);

    bus_fixture_start(&fixture);
    listen_to(fixture.client, &heard);

    const Microseconds start = clock_now();

    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(call_sign(fixture.link, &fixture.key.id, &digest, NULL), NODE_ERROR_NONE);
    client_run(fixture.client, heard_all_signatures, &heard);
    ck_assert_uint_le(heard.changes_of_signatures, 2 + (clock_now() - start) / MICROSECONDS_PER_SECOND);
}
END_TEST

START_TEST(signatures_are_those_of_the_other_door)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    static const struct {
        HashAlgorithm hash;
        const char *name;
    } hashes[] = {{HASH_SHA1, "sha1"}, {HASH_SHA256, "sha256"}, {HASH_SHA384, "sha384"}, {HASH_SHA512, "sha512"}};

    bus_fixture_start(&fixture);
    for (size_t i = 0; i < ELEMENTS(hashes); i++) {
        const Digest digest = test_digest(hashes[i].hash, (uint8_t)i);
        _cleanup_bytes_ Bytes by_bus = {0}, by_link = {0};
        uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];

        ck_assert_str_eq(key_sign(fixture.client, &fixture.key, hashes[i].name, digest.bytes, digest.size, &by_bus), "");
        ck_assert_int_eq(call_sign(fixture.link, &fixture.key.id, &digest, &by_link), NODE_ERROR_NONE);
        ck_assert(bytes_equal(&by_bus, &by_link));
        dealt_key_combine(&fixture.key, &digest, &by_bus, signature);
    }
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    const uint8_t digest[NODE_DIGEST_SIZE_MAX + 1] = {0};

    bus_fixture_start(&fixture);

    sd_bus *client = fixture.client;
    const DealtKey *key = &fixture.key;

    ck_assert_str_eq(key_sign(client, key, "sha256", digest, 31, NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_sign(client, key, "sha256", digest, sizeof(digest), NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_sign(client, key, "sha256", digest, 0, NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_sign(client, key, "md5", digest, 16, NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_sign(client, key, "", digest, 32, NULL), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_call(client, key, "Unlock", "tt", UINT64_MAX, 1), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_call(client, key, "Unlock", "tt", 0, 0), SD_BUS_ERROR_INVALID_ARGS);
    ck_assert_str_eq(key_call(client, key, "Unlock", "tt", 60, 1), BUS_ERROR("Rejected"));
    ck_assert_str_eq(key_sign(client, key, "sha256", digest, 32, NULL), "");
}
END_TEST

START_TEST(locks_hold)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    const Digest digest = test_digest(HASH_SHA256, 1);
    const KeyId *id;
    TestPath path;

    bus_fixture_start(&fixture);
    id = &fixture.key.id;
    path = key_path(&fixture.key);

    sd_bus *client = fixture.client;
    const DealtKey *key = &fixture.key;

    ck_assert_str_eq(key_call(client, key, "Lock", NULL, 0, 0), "");
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Locked", 'b'), 1);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Unlocked", 'b'), 0);
    ck_assert_str_eq(key_sign(client, key, "sha256", digest.bytes, digest.size, NULL), BUS_ERROR("KeyLocked"));
    ck_assert_int_eq(call_sign(fixture.link, id, &digest, NULL), NODE_ERROR_KEY_LOCKED);

    ck_assert_str_eq(key_call(client, key, "Unlock", "tt", 600, 2), "");
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Unlocked", 'b'), 1);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "UnlockedCount", 't'), 2);
    ck_assert_uint_le(get_number(client, path.text, BUS_KEY_INTERFACE, "UnlockedSeconds", 't'), 600);
    ck_assert_uint_gt(get_number(client, path.text, BUS_KEY_INTERFACE, "UnlockedSeconds", 't'), 500);
    ck_assert_str_eq(key_sign(client, key, "sha256", digest.bytes, digest.size, NULL), "");
    ck_assert_int_eq(call_sign(fixture.link, id, &digest, NULL), NODE_ERROR_NONE);
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Unlocked", 'b'), 0);
    ck_assert_str_eq(key_sign(client, key, "sha256", digest.bytes, digest.size, NULL), BUS_ERROR("KeyLocked"));
}
END_TEST

static bool heard_closed(void *userdata)
{
    const uint64_t *unlocked = userdata;

    return *unlocked == 2;
}

/* Counts how often Unlocked was told. */
static int on_unlocked(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    uint64_t *unlocked = userdata;
    const char *interface, *name;

    ck_assert_int_ge(sd_bus_message_read(signal, "s", &interface), 0);
    ck_assert_int_ge(sd_bus_message_enter_container(signal, 'a', "{sv}"), 0);
    while (sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
        ck_assert_int_ge(sd_bus_message_read(signal, "s", &name), 0);
        *unlocked += strcmp(name, "Unlocked") == 0;
        ck_assert_int_ge(sd_bus_message_skip(signal, "v"), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(signal), 0);
    }
    return 0;
}

START_TEST(the_end_of_a_window_is_told)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    uint64_t unlocked = 0;

    bus_fixture_start(&fixture);
    ck_assert_str_eq(key_call(fixture.client, &fixture.key, "Lock", NULL, 0, 0), "");
    ck_assert_int_ge(sd_bus_match_signal(fixture.client, NULL, BUS_NODE_NAME, key_path(&fixture.key).text,
                                         "org.freedesktop.DBus.Properties", "PropertiesChanged", on_unlocked, &unlocked),
                     0);
    ck_assert_str_eq(key_call(fixture.client, &fixture.key, "Unlock", "tt", 1, 0), "");
    client_run(fixture.client, heard_closed, &unlocked);
    ck_assert_uint_eq(get_number(fixture.client, key_path(&fixture.key).text, BUS_KEY_INTERFACE, "Unlocked", 'b'), 0);
}
END_TEST

START_TEST(keys_are_destroyed)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};

    bus_fixture_start(&fixture);
    ck_assert_str_eq(key_call(fixture.client, &fixture.key, "Destroy", NULL, 0, 0), "");
    ck_assert_str_eq(call_key_state(fixture.link, &fixture.key.id), "destroyed");
    ck_assert_str_eq(key_call(fixture.client, &fixture.key, "Destroy", NULL, 0, 0), SD_BUS_ERROR_UNKNOWN_OBJECT);
    ck_assert_uint_eq(get_number(fixture.client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "KeysDestroyed", 'u'), 1);
    bus_check_logged(&fixture.node, "local destroys key");
}
END_TEST

/* The one share on the disk. */
static void damage_share(const TestNode *node, const DealtKey *key)
{
    char id[2 * KEY_ID_SIZE + 1], name[128];

    key_id_format(&key->id, id);
    (void)snprintf(name, sizeof(name), "state/keys/%s.share", id);
    test_node_put_file(node, name, "nothing", 7);
}

START_TEST(what_is_damaged_is_told)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    TestPath path;

    bus_fixture_start(&fixture);
    path = key_path(&fixture.key);
    (void)test_node_stop(&fixture.node, SIGTERM);
    damage_share(&fixture.node, &fixture.key);
    test_node_start(&fixture.node);
    client_wait_for_node(fixture.client);

    sd_bus *client = fixture.client;

    ck_assert_uint_eq(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "KeysUnusable", 'u'), 1);
    ck_assert(!text_is(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "LastError", ""));
    ck_assert_uint_gt(get_number(client, BUS_MANAGER_PATH, BUS_MANAGER_INTERFACE, "LastErrorTime", 't'), 1700000000);
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "State", "unusable"));
    ck_assert(!text_is(client, path.text, BUS_KEY_INTERFACE, "Reason", ""));
    ck_assert(text_is(client, path.text, BUS_KEY_INTERFACE, "Algorithm", ""));
    ck_assert_uint_eq(get_number(client, path.text, BUS_KEY_INTERFACE, "Bits", 'u'), 0);
    bytes_are(client, path.text, BUS_KEY_INTERFACE, "PublicKey", &(Bytes){0});
}
END_TEST

START_TEST(the_log_level_is_set)
{
    _cleanup_bus_fixture_ BusFixture fixture = {0};
    sd_bus_error error = SD_BUS_ERROR_NULL;

    bus_fixture_start(&fixture);

    sd_bus *client = fixture.client;

    ck_assert(text_is(client, BUS_LOG_PATH, BUS_LOG_INTERFACE, "LogLevel", "info"));
    ck_assert(text_is(client, BUS_LOG_PATH, BUS_LOG_INTERFACE, "SyslogIdentifier", "keyquorum-node"));
    ck_assert_int_ge(sd_bus_set_property(client, BUS_NODE_NAME, BUS_LOG_PATH, BUS_LOG_INTERFACE, "LogLevel", NULL, "s", "err"), 0);
    ck_assert(text_is(client, BUS_LOG_PATH, BUS_LOG_INTERFACE, "LogLevel", "err"));
    ck_assert_int_lt(sd_bus_set_property(client, BUS_NODE_NAME, BUS_LOG_PATH, BUS_LOG_INTERFACE, "LogLevel", &error, "s", "loud"), 0);
    ck_assert_str_eq(error.name, SD_BUS_ERROR_INVALID_ARGS);
    sd_bus_error_free(&error);
    /* What a node says when it stops is of level info. */
    (void)test_node_stop(&fixture.node, SIGTERM);
    ck_assert(!test_node_logged(&fixture.node, "stopping:"));
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, properties_say_what_is);
    tcase_add_test(cases, ed25519_keys_are_shown_and_do_not_sign_here);
    tcase_add_test(cases, what_changes_is_told);
    tcase_add_test(cases, counters_are_not_told_for_each_signature);
    tcase_add_test(cases, signatures_are_those_of_the_other_door);
    tcase_add_test(cases, wrong_arguments_are_refused);
    tcase_add_test(cases, locks_hold);
    tcase_add_test(cases, the_end_of_a_window_is_told);
    tcase_add_test(cases, keys_are_destroyed);
    tcase_add_test(cases, what_is_damaged_is_told);
    tcase_add_test(cases, the_log_level_is_set);
}

UNIT_MAIN("bus", add)
