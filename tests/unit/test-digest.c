#include "threshold/digest.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

/* RFC 8017 §9.2, note 1, as printed there. */
static const char *const prefixes[HASH_MAX] = {
    [HASH_SHA1] = "3021300906052b0e03021a05000414",
    [HASH_SHA256] = "3031300d060960864801650304020105000420",
    [HASH_SHA384] = "3041300d060960864801650304020205000430",
    [HASH_SHA512] = "3051300d060960864801650304020305000440",
};
static const size_t sizes[HASH_MAX] = {20, 32, 48, 64};
static const char *const names[HASH_MAX] = {"sha1", "sha256", "sha384", "sha512"};

static Digest sample(HashAlgorithm hash)
{
    uint8_t bytes[DIGEST_SIZE_MAX];
    Digest digest;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(0xa0 + i);
    ck_assert_int_eq(digest_set(hash, bytes, sizes[hash], &digest), 0);
    return digest;
}

static size_t digest_info(const Digest *digest, uint8_t *ret_der)
{
    size_t prefix_size = strlen(prefixes[digest->hash]) / 2;

    ck_assert_int_eq(hex_decode(prefixes[digest->hash], ret_der, prefix_size), 0);
    memcpy(ret_der + prefix_size, digest->bytes, digest->size);
    return prefix_size + digest->size;
}

START_TEST(names_and_sizes)
{
    ck_assert_str_eq(hash_name((HashAlgorithm)_i), names[_i]);
    ck_assert_int_eq(hash_from_name(names[_i]), _i);
    ck_assert_uint_eq(hash_size((HashAlgorithm)_i), sizes[_i]);
}
END_TEST

START_TEST(unknown_hashes)
{
    static const char *const unknown[] = {"", "sha", "SHA256", "sha2566", "md5", "sha224"};
    uint8_t bytes[DIGEST_SIZE_MAX] = {0};
    Digest digest;

    for (size_t i = 0; i < ELEMENTS(unknown); i++)
        ck_assert_int_eq(hash_from_name(unknown[i]), HASH_INVALID);
    ck_assert_ptr_null(hash_name(HASH_INVALID));
    ck_assert_uint_eq(hash_size(HASH_MAX), 0);
    ck_assert_int_eq(digest_set(HASH_INVALID, bytes, 32, &digest), -EINVAL);
    ck_assert_int_eq(digest_set(HASH_MAX, bytes, 32, &digest), -EINVAL);
    ck_assert_int_eq(digest_set(HASH_SHA256, bytes, 31, &digest), -EINVAL);
    ck_assert_int_eq(digest_set(HASH_SHA256, bytes, 33, &digest), -EINVAL);
}
END_TEST

/* RFC 8017 §9.2: 0x00 0x01 0xff… 0x00 DigestInfo. */
static void check_layout(const Digest *digest, size_t size)
{
    uint8_t encoded[514], info[128];
    size_t info_size = digest_info(digest, info), padding = size - info_size - 3;

    memset(encoded, 0x55, sizeof(encoded));
    ck_assert_int_eq(digest_emsa_pkcs1_v15(digest, encoded, size), 0);
    ck_assert_uint_eq(encoded[0], 0x00);
    ck_assert_uint_eq(encoded[1], 0x01);
    for (size_t i = 0; i < padding; i++)
        ck_assert_uint_eq(encoded[2 + i], 0xff);
    ck_assert_uint_eq(encoded[2 + padding], 0x00);
    ck_assert_mem_eq(encoded + 3 + padding, info, info_size);
    ck_assert_uint_eq(encoded[size], 0x55);
}

START_TEST(emsa_layout)
{
    Digest digest = sample((HashAlgorithm)_i);

    check_layout(&digest, 256);
    check_layout(&digest, 384);
    check_layout(&digest, 512);
}
END_TEST

START_TEST(emsa_smallest_size)
{
    Digest digest = sample((HashAlgorithm)_i);
    uint8_t encoded[128] = {0};
    size_t smallest = strlen(prefixes[_i]) / 2 + sizes[_i] + 11; /* eight bytes of padding */

    check_layout(&digest, smallest);
    ck_assert_int_eq(digest_emsa_pkcs1_v15(&digest, encoded, smallest - 1), -EMSGSIZE);
    ck_assert_int_eq(digest_emsa_pkcs1_v15(&digest, encoded, 0), -EMSGSIZE);
    digest.size--;
    ck_assert_int_eq(digest_emsa_pkcs1_v15(&digest, encoded, smallest), -EINVAL);
}
END_TEST

START_TEST(digest_info_is_read)
{
    Digest digest = sample((HashAlgorithm)_i), read;
    uint8_t der[128];
    size_t size = digest_info(&digest, der);

    ck_assert_int_eq(digest_from_digest_info(der, size, &read), 0);
    ck_assert_int_eq(read.hash, _i);
    ck_assert_uint_eq(read.size, sizes[_i]);
    ck_assert_mem_eq(read.bytes, digest.bytes, digest.size);
}
END_TEST

START_TEST(digest_info_of_wrong_size)
{
    Digest digest = sample((HashAlgorithm)_i), read = {.size = 7};
    uint8_t der[128] = {0};
    size_t size = digest_info(&digest, der);

    for (size_t cut = 0; cut < sizeof(der); cut++)
        if (cut != size)
            ck_assert_int_eq(digest_from_digest_info(der, cut, &read), -EBADMSG);
    ck_assert_uint_eq(read.size, 7);
}
END_TEST

START_TEST(digest_info_with_a_flipped_bit)
{
    Digest digest = sample((HashAlgorithm)_i), read;
    uint8_t der[128];
    size_t size = digest_info(&digest, der);

    for (size_t bit = 0; bit < 8 * (size - digest.size); bit++) {
        der[bit / 8] ^= (uint8_t)(1U << bit % 8);
        ck_assert_int_eq(digest_from_digest_info(der, size, &read), -EBADMSG);
        der[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}
END_TEST

/* RFC 8017 allows readers to accept absent parameters; this one does not. */
START_TEST(digest_info_without_null)
{
    uint8_t der[17 + 32];
    Digest read;

    ck_assert_int_eq(hex_decode("302f300b0609608648016503040201"
                                "0420",
                                der, 17),
                     0);
    memset(der + 17, 1, 32);
    ck_assert_int_eq(digest_from_digest_info(der, sizeof(der), &read), -EBADMSG);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_loop_test(cases, names_and_sizes, 0, HASH_MAX);
    tcase_add_test(cases, unknown_hashes);
    tcase_add_loop_test(cases, emsa_layout, 0, HASH_MAX);
    tcase_add_loop_test(cases, emsa_smallest_size, 0, HASH_MAX);
    tcase_add_loop_test(cases, digest_info_is_read, 0, HASH_MAX);
    tcase_add_loop_test(cases, digest_info_of_wrong_size, 0, HASH_MAX);
    tcase_add_loop_test(cases, digest_info_with_a_flipped_bit, 0, HASH_MAX);
    tcase_add_test(cases, digest_info_without_null);
}

UNIT_MAIN("digest", add)
