/* State directories for the tests of node/store.h. */
#pragma once

#include "key-fixture.h"
#include "node/store.h"
#include "unit.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>

/* ---- A state directory ------------------------------------------------------------------------------------------------------- */

typedef struct Place {
    char path[64];
} Place;

static inline Place place_new(void)
{
    Place place = {"/tmp/test-store-XXXXXX"};

    ck_assert_ptr_nonnull(mkdtemp(place.path));
    return place;
}

static inline void place_clear(Place *place)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf %s", place->path);
    ck_assert_int_eq(system(command), 0);
}

#define _cleanup_place_ _cleanup_(place_clear)

static inline Store *open_store(const Place *place)
{
    Problem problem = PROBLEM_INIT;
    Store *store = NULL;
    int r = store_open(place->path, false, &store, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    return store;
}

static inline unsigned count_files(const Place *place, const char *directory)
{
    char path[PATH_MAX];
    unsigned count = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", place->path, directory);

    DIR *stream = opendir(path);

    ck_assert_ptr_nonnull(stream);
    for (const struct dirent *entry; (entry = readdir(stream));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(stream);
    return count;
}

/* So many files of keys, and nothing that does not belong there. */
static inline void check_nothing_else(const Place *place, unsigned keys)
{
    ck_assert_uint_eq(count_files(place, "keys"), keys);
    ck_assert_uint_eq(count_files(place, ""), 3); /* format, keys, failures */
}

/* ---- A key -------------------------------------------------------------------------------------------------------------------- */

static inline StoredKey test_key(Bytes *ret_sealed)
{
    _cleanup_header_ Header header = fixture_header(&rsa2048_3_of_5, CUSTODY_KEYRING);
    _cleanup_secret_ Secret *private_key = NULL, *share = fixture_share(&rsa2048_3_of_5, 1);
    _cleanup_bytes_ Bytes common = {0};
    uint8_t public_key[HPKE_PUBLIC_KEY_SIZE];
    StoredKey key = {.has_record = true};

    ck_assert_int_eq(hpke_key_new(&private_key, public_key), 0);
    ck_assert_int_eq(header_encode(&header, &common), 0);
    ck_assert_int_eq(header_key_id(&common, &key.id), 0);
    ck_assert_int_eq(sealed_share_new(&common, 1, public_key, share, ret_sealed), 0);
    key.record.version = 1;
    key.record.private_label = strdup("label \"\\ \xc3\xa4");
    key.record.public_label = strdup("");
    return key;
}

/* What the next start finds. */
typedef struct Seen {
    unsigned keys, destroyed, damaged, set_aside, second;
    bool locked;
    uint64_t version;
    size_t activation_size;
    char damage[PROBLEM_SIZE_MAX];
} Seen;

static inline int see(void *userdata, StoredKey *key)
{
    Seen *seen = userdata;

    if (key->set_aside) {
        seen->set_aside++;
        seen->second += key->is_second;
        return 0;
    }
    seen->keys++;
    seen->locked = key->locked;
    seen->destroyed += key->destroyed;
    seen->damaged += key->damage != NULL;
    seen->version = key->record.version;
    seen->activation_size = key->activation.size;
    (void)snprintf(seen->damage, sizeof(seen->damage), "%s", key->damage ? key->damage : "");
    ck_assert(key->destroyed || key->damage || key->common.size > 0);
    return 0;
}

static inline Seen look(const Place *place)
{
    _cleanup_store_ Store *store = open_store(place);
    Problem problem = PROBLEM_INIT;
    Seen seen = {0};
    int r = store_read_keys(store, see, &seen, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    return seen;
}

static inline StoredToken test_token(void)
{
    static uint8_t bytes[NODE_VERIFIER_SIZE] = {1};

    return (StoredToken){
        .token = {bytes, NODE_TOKEN_SIZE}, .index = 1, .n = 5, .k = 3, .pin_version = 1, .verifier = {bytes, sizeof(bytes)}};
}
