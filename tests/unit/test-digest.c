#include "threshold/digest.h"
#include "unit.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
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
    ck_assert_int_eq(digest_encode(digest, 8 * size, encoded), 0);
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
    ck_assert_int_eq(digest_encode(&digest, 8 * (smallest - 1), encoded), -EMSGSIZE);
    ck_assert_int_eq(digest_encode(&digest, 0, encoded), -EMSGSIZE);
    digest.size--;
    ck_assert_int_eq(digest_encode(&digest, 8 * smallest, encoded), -EINVAL);
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

/* ---- EMSA-PSS: RFC 8017 §9.1, against libcrypto's ---- */

static const char *const openssl_names[HASH_MAX] = {"SHA1", "SHA256", "SHA384", "SHA512"};

/* emBits one more, the same and one less than whole bytes; the sizes of keys that are dealt. */
static const unsigned pss_bits[] = {1024, 1025, 1026, 1031, 2048, 3072};

static EVP_PKEY_CTX *pss_context(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *), HashAlgorithm hash, size_t salt_size)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    ck_assert_int_eq(init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbyname(openssl_names[hash])), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)salt_size), 1);
    return ctx;
}

/* The private operation over the bytes as they are; then what libcrypto says of the signature. */
static bool pss_accepts(EVP_PKEY *key, const Digest *digest, const uint8_t *encoded, size_t size)
{
    EVP_PKEY_CTX *raw = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL), *verify;
    uint8_t signature[1024];
    size_t signature_size = sizeof(signature);
    int r;

    ck_assert_int_eq(EVP_PKEY_sign_init(raw), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(raw, RSA_NO_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_sign(raw, signature, &signature_size, encoded, size), 1);
    verify = pss_context(key, EVP_PKEY_verify_init, digest->hash, digest->salt_size);
    r = EVP_PKEY_verify(verify, signature, signature_size, digest->bytes, digest->size);
    EVP_PKEY_CTX_free(raw);
    EVP_PKEY_CTX_free(verify);
    return r == 1;
}

/* libcrypto's own encoding, with a salt of its choice. */
static void pss_encoding_of(EVP_PKEY *key, const Digest *digest, size_t salt_size, uint8_t *ret_encoded, size_t size)
{
    EVP_PKEY_CTX *sign = pss_context(key, EVP_PKEY_sign_init, digest->hash, salt_size), *open = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    uint8_t signature[1024];
    size_t signature_size = sizeof(signature);

    ck_assert_int_eq(EVP_PKEY_sign(sign, signature, &signature_size, digest->bytes, digest->size), 1);
    ck_assert_int_eq(EVP_PKEY_verify_recover_init(open), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(open, RSA_NO_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_verify_recover(open, ret_encoded, &size, signature, signature_size), 1);
    EVP_PKEY_CTX_free(sign);
    EVP_PKEY_CTX_free(open);
}

static size_t salt_max(HashAlgorithm hash, unsigned bits)
{
    return (bits - 1 + 7) / 8 - sizes[hash] - 2;
}

static void check_pss(EVP_PKEY *key, unsigned bits, HashAlgorithm hash, size_t salt_size)
{
    Digest digest = sample(hash), read = sample(hash);
    uint8_t salt[DIGEST_SALT_SIZE_MAX], encoded[1024], again[1024];
    size_t size = (bits + 7) / 8;

    memset(salt, 0x5a, sizeof(salt));
    ck_assert_int_eq(digest_set_pss(&digest, salt, salt_size), 0);
    memset(encoded, 0x55, sizeof(encoded));
    ck_assert_int_eq(digest_encode(&digest, bits, encoded), 0);
    ck_assert_uint_eq(encoded[size], 0x55);
    ck_assert_msg(pss_accepts(key, &digest, encoded, size), "%u bits, %s, salt of %zu bytes", bits, names[hash], salt_size);

    pss_encoding_of(key, &digest, salt_size, encoded, size);
    ck_assert_int_eq(digest_take_salt(&read, bits, encoded, salt_size), 0);
    ck_assert_int_eq(digest_encode(&read, bits, again), 0);
    ck_assert_mem_eq(again, encoded, size);
    if (salt_size == 0)
        return;
    ck_assert_int_eq(digest_take_salt(&read, bits, encoded, salt_size - 1), 0); /* right for another length of salt only */
    ck_assert_int_eq(digest_encode(&read, bits, again), 0);
    ck_assert_mem_ne(again, encoded, size);
}

START_TEST(pss_agrees_with_libcrypto)
{
    const unsigned bits = pss_bits[_i];
    EVP_PKEY *key = EVP_RSA_gen(bits);

    for (HashAlgorithm hash = 0; hash < HASH_MAX; hash++) {
        size_t longest = salt_max(hash, bits);

        check_pss(key, bits, hash, 0);
        check_pss(key, bits, hash, sizes[hash] <= longest ? sizes[hash] : 1);
        check_pss(key, bits, hash, longest);
    }
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(pss_sizes)
{
    Digest digest = sample((HashAlgorithm)_i), before;
    uint8_t salt[DIGEST_SALT_SIZE_MAX + 1] = {0}, encoded[600];

    for (unsigned bits = 1024; bits <= 4096; bits += 1024) {
        size_t longest = salt_max((HashAlgorithm)_i, bits);

        ck_assert_int_eq(digest_set_pss(&digest, salt, longest), 0);
        ck_assert_uint_gt(digest_bits_min(&digest), bits - 8);
        ck_assert_uint_le(digest_bits_min(&digest), bits);
        ck_assert_int_eq(digest_encode(&digest, bits, encoded), 0);
        ck_assert_int_eq(digest_encode(&digest, digest_bits_min(&digest), encoded), 0);
        ck_assert_int_eq(digest_encode(&digest, digest_bits_min(&digest) - 1, encoded), -EMSGSIZE);
        before = digest;
        ck_assert_int_eq(digest_take_salt(&digest, digest_bits_min(&digest) - 1, encoded, longest), -EMSGSIZE);
        ck_assert(digest_equal(&before, &digest));
    }
    ck_assert_int_eq(digest_set_pss(&digest, salt, sizeof(salt)), -EINVAL);
    ck_assert_int_eq(digest_take_salt(&digest, 4096, encoded, sizeof(salt)), -EINVAL);
}
END_TEST

/* RFC 8017 §9.1.2: every bit counts, those in front that have to be zero and the trailer included. */
START_TEST(pss_with_a_flipped_bit)
{
    Digest digest = sample(HASH_SHA256);
    uint8_t encoded[129], again[129];

    ck_assert_int_eq(digest_set_pss(&digest, "salt", 4), 0);
    for (unsigned bits = 1024; bits <= 1025; bits++) {
        size_t size = (bits + 7) / 8;

        ck_assert_int_eq(digest_encode(&digest, bits, encoded), 0);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            Digest read = sample(HASH_SHA256);

            encoded[bit / 8] ^= (uint8_t)(0x80U >> bit % 8);
            ck_assert_int_eq(digest_take_salt(&read, bits, encoded, 4), 0);
            ck_assert_int_eq(digest_encode(&read, bits, again), 0);
            ck_assert_msg(memcmp(again, encoded, size) != 0, "%u bits, bit %zu", bits, bit);
            encoded[bit / 8] ^= (uint8_t)(0x80U >> bit % 8);
        }
    }
}
END_TEST

START_TEST(encodings_are_told_apart)
{
    Digest plain = sample(HASH_SHA256), pss = plain, other = plain;

    ck_assert_str_eq(encoding_name(ENCODING_PKCS1_V15), "emsa-pkcs1-v1_5");
    ck_assert_str_eq(encoding_name(ENCODING_PSS), "emsa-pss");
    ck_assert_ptr_null(encoding_name(ENCODING_MAX));
    ck_assert_int_eq(encoding_from_name("emsa-pss"), ENCODING_PSS);
    ck_assert_int_eq(encoding_from_name("emsa-pkcs1-v1_5"), ENCODING_PKCS1_V15);
    ck_assert_int_eq(encoding_from_name("EMSA-PSS"), ENCODING_INVALID);
    ck_assert(digest_equal(&plain, &other));
    ck_assert_int_eq(digest_set_pss(&pss, NULL, 0), 0);
    ck_assert_int_eq(digest_set_pss(&other, "x", 1), 0);
    ck_assert(!digest_equal(&plain, &pss));
    ck_assert(!digest_equal(&pss, &other));
    pss.encoding = ENCODING_MAX;
    ck_assert_uint_eq(digest_bits_min(&pss), 0);
    ck_assert_int_eq(digest_encode(&pss, 2048, (uint8_t[256]){0}), -EINVAL);
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
    tcase_add_loop_test(cases, pss_agrees_with_libcrypto, 0, ELEMENTS(pss_bits));
    tcase_add_loop_test(cases, pss_sizes, 0, HASH_MAX);
    tcase_add_test(cases, pss_with_a_flipped_bit);
    tcase_add_test(cases, encodings_are_told_apart);
}

UNIT_MAIN("digest", add)
