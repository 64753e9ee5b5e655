/* The PKCS#11 module over a fake quorum: objects, attributes, searching, making, changing and destroying keys. */
#include <errno.h>
#include <openssl/x509.h>

#include "pkcs11-fixture.h"

START_TEST(public_keys_show_before_login_and_private_after)
{
    CK_SESSION_HANDLE session = start(false);
    CK_OBJECT_HANDLE found[16], public_key, private_key;
    CK_ULONG size = sizeof(CK_ULONG), class;

    fake_add_key("zone", "1");
    ck_assert_uint_eq(find(session, NULL, 0, found), 1);
    public_key = found[0];
    assert_ulong(session, public_key, CKA_CLASS, CKO_PUBLIC_KEY);
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
    ck_assert_uint_eq(find(session, NULL, 0, found), 2);
    ck_assert_uint_eq(find_one(session, CKO_PUBLIC_KEY), public_key);
    private_key = find_one(session, CKO_PRIVATE_KEY);
    assert_ulong(session, private_key, CKA_CLASS, CKO_PRIVATE_KEY);
    ck_assert_rv(C_Logout(session), CKR_OK);
    ck_assert_rv(get(session, private_key, CKA_CLASS, &class, &size), CKR_OBJECT_HANDLE_INVALID);
    ck_assert_rv(C_SignInit(session, RSA_MECHANISM(CKM_RSA_PKCS), private_key), CKR_USER_NOT_LOGGED_IN);
    ck_assert_uint_eq(find(session, NULL, 0, found), 1);
}
END_TEST

START_TEST(searches_match_any_attribute)
{
    CK_SESSION_HANDLE session = start(true), reader = open_session(0);
    CK_OBJECT_HANDLE found[16];
    CK_ATTRIBUTE by_name[] = {A_ULONG(CKA_CLASS, CKO_PRIVATE_KEY), A_TEXT(CKA_LABEL, "zsk"), A_TEXT(CKA_ID, "2")};
    CK_ATTRIBUTE other[] = {A_TEXT(CKA_LABEL, "zs")};
    CK_ATTRIBUTE unknown[] = {A_TEXT(0x61d, "x")};
    CK_ATTRIBUTE sensitive[] = {A_TEXT(CKA_PRIVATE_EXPONENT, "x")};
    CK_ATTRIBUTE profile[] = {A_ULONG(CKA_CLASS, CKO_PROFILE), A_BOOL(CKA_TOKEN, CK_TRUE), A_TEXT(CKA_LABEL, "zsk")};
    CK_ATTRIBUTE empty[] = {A_TEXT(CKA_SUBJECT, ""), A_BOOL(CKA_TOKEN, CK_TRUE)};
    CK_ATTRIBUTE twice[] = {A_TEXT(CKA_LABEL, "zsk"), A_TEXT(CKA_LABEL, "zsk")};
    CK_ULONG count;

    fake_add_key("ksk", "1");
    fake_add_key("zsk", "2");
    fake_add_key("zsk", "2"); /* neither need be unique */
    ck_assert_uint_eq(find(session, by_name, 3, found), 2);
    ck_assert_uint_ne(found[0], found[1]);
    ck_assert_uint_eq(find(session, by_name, 1, found), 3);
    ck_assert_uint_eq(find(session, other, 1, found), 0);
    ck_assert_uint_eq(find(session, unknown, 1, found), 0);
    ck_assert_uint_eq(find(session, sensitive, 1, found), 0);
    ck_assert_uint_eq(find(session, profile, 2, found), 3);
    ck_assert_uint_eq(find(session, profile, 3, found), 0);
    ck_assert_uint_eq(find(session, empty, 2, found), 6);

    ck_assert_rv(C_FindObjects(session, found, 16, &count), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_FindObjectsInit(session, NULL, 1), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_FindObjectsInit(session, twice, 2), CKR_TEMPLATE_INCONSISTENT);
    ck_assert_rv(C_FindObjectsInit(session, NULL, 0), CKR_OK);
    ck_assert_rv(C_FindObjectsInit(session, NULL, 0), CKR_OPERATION_ACTIVE);
    ck_assert_rv(C_FindObjectsInit(reader, NULL, 0), CKR_OK); /* sessions do not share a search */
    ck_assert_rv(C_FindObjects(session, found, 4, &count), CKR_OK);
    ck_assert_uint_eq(count, 4);
    ck_assert_rv(C_FindObjects(session, found, 16, &count), CKR_OK);
    ck_assert_uint_eq(count, 5); /* with the profiles */
    ck_assert_rv(C_FindObjects(session, found, 4, &count), CKR_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert_rv(C_FindObjectsFinal(session), CKR_OK);
    ck_assert_rv(C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
}
END_TEST

/* OpenDNSSEC's enforcer makes a key and tells the signer, another process, its CKA_ID: that must find it at once. */
START_TEST(a_name_that_is_not_known_is_asked_for_anew)
{
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE found[16];
    CK_ATTRIBUTE by_id[] = {A_ULONG(CKA_CLASS, CKO_PRIVATE_KEY), A_TEXT(CKA_ID, "1")};
    CK_ATTRIBUTE by_label[] = {A_TEXT(CKA_LABEL, "new")};
    CK_ATTRIBUTE by_class[] = {A_ULONG(CKA_CLASS, CKO_PRIVATE_KEY)};
    CK_ATTRIBUTE unknown[] = {A_TEXT(CKA_LABEL, "none")};
    CK_ATTRIBUTE certificate[] = {A_ULONG(CKA_CLASS, CKO_CERTIFICATE), A_TEXT(CKA_LABEL, "new")};

    fake.stale = true;
    fake_add_key("new", "1");
    fake.lists = 0;
    ck_assert_uint_eq(find(session, by_class, 1, found), 0);
    ck_assert_uint_eq(fake.lists, 1);
    ck_assert_uint_eq(find(session, by_id, 2, found), 1);
    ck_assert_uint_eq(fake.lists, 3);
    ck_assert_uint_eq(find(session, by_label, 1, found), 2);
    ck_assert_uint_eq(find(session, unknown, 1, found), 0);
    ck_assert_uint_eq(fake.lists, 7);
    ck_assert_uint_eq(find(session, certificate, 2, found), 0);
    ck_assert_uint_eq(fake.lists, 8); /* nodes have none */
    ck_assert_rv(C_Logout(session), CKR_OK);
    ck_assert_uint_eq(find(session, by_id, 2, found), 0);
    ck_assert_uint_eq(fake.lists, 9); /* it is hidden, new or not */
}
END_TEST

START_TEST(attributes_tell_the_truth)
{
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE keys[2];
    CK_BYTE modulus[256], *info = NULL;
    BIGNUM *n = NULL;
    int size;

    fake_add_key("zone", "\x01\x02");
    keys[0] = find_one(session, CKO_PUBLIC_KEY);
    keys[1] = find_one(session, CKO_PRIVATE_KEY);
    ck_assert_int_eq(EVP_PKEY_get_bn_param(fake_key(), "n", &n), 1);
    ck_assert_int_eq(BN_bn2binpad(n, modulus, sizeof(modulus)), sizeof(modulus));
    BN_free(n);
    size = i2d_PUBKEY(fake_key(), &info);
    for (size_t i = 0; i < 2; i++) {
        assert_bool(session, keys[i], CKA_TOKEN, CK_TRUE);
        assert_bool(session, keys[i], CKA_LOCAL, CK_TRUE);
        assert_bool(session, keys[i], CKA_MODIFIABLE, CK_TRUE);
        assert_bool(session, keys[i], CKA_COPYABLE, CK_TRUE);
        assert_bool(session, keys[i], CKA_DESTROYABLE, CK_TRUE);
        assert_bool(session, keys[i], CKA_DERIVE, CK_FALSE);
        assert_ulong(session, keys[i], CKA_KEY_TYPE, CKK_RSA);
        assert_ulong(session, keys[i], CKA_KEY_GEN_MECHANISM, CKM_RSA_PKCS_KEY_PAIR_GEN);
        assert_text(session, keys[i], CKA_LABEL, "zone");
        assert_text(session, keys[i], CKA_ID, "\x01\x02");
        assert_text(session, keys[i], CKA_SUBJECT, "");
        assert_bytes(session, keys[i], CKA_MODULUS, modulus, sizeof(modulus));
        assert_text(session, keys[i], CKA_PUBLIC_EXPONENT, "\x01\x00\x01");
        assert_bytes(session, keys[i], CKA_PUBLIC_KEY_INFO, info, (CK_ULONG)size);
    }
    OPENSSL_free(info);
    assert_bool(session, keys[0], CKA_PRIVATE, CK_FALSE);
    assert_bool(session, keys[0], CKA_VERIFY, CK_TRUE);
    assert_bool(session, keys[0], CKA_ENCRYPT, CK_FALSE);
    assert_ulong(session, keys[0], CKA_MODULUS_BITS, 2048);
    assert_bool(session, keys[1], CKA_PRIVATE, CK_TRUE);
    assert_bool(session, keys[1], CKA_SIGN, CK_TRUE);
    assert_bool(session, keys[1], CKA_DECRYPT, CK_FALSE);
    assert_bool(session, keys[1], CKA_SENSITIVE, CK_TRUE);
    assert_bool(session, keys[1], CKA_ALWAYS_SENSITIVE, CK_TRUE);
    assert_bool(session, keys[1], CKA_EXTRACTABLE, CK_FALSE);
    assert_bool(session, keys[1], CKA_NEVER_EXTRACTABLE, CK_TRUE);
    assert_bool(session, keys[1], CKA_ALWAYS_AUTHENTICATE, CK_FALSE);
}
END_TEST

START_TEST(unique_ids_are_unique)
{
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE found[16];
    CK_BYTE values[4][80];
    CK_ULONG count, sizes[4];

    fake_add_key("a", "1");
    fake_add_key("b", "2");
    count = find(session, NULL, 0, found);
    ck_assert_uint_eq(count, 4);
    for (size_t i = 0; i < count; i++) {
        sizes[i] = sizeof(values[i]);
        ck_assert_rv(get(session, found[i], CKA_UNIQUE_ID, values[i], &sizes[i]), CKR_OK);
        for (size_t j = 0; j < i; j++)
            ck_assert(sizes[i] != sizes[j] || memcmp(values[i], values[j], sizes[i]) != 0);
    }
}
END_TEST

START_TEST(every_entry_is_answered)
{
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE key;
    CK_BYTE label[4], small[2], private[256];
    CK_ATTRIBUTE attributes[] = {
        {CKA_PRIVATE_EXPONENT, private, sizeof(private)},
        {0x61d, private, sizeof(private)},
        {CKA_MODULUS, small, sizeof(small)},
        {CKA_LABEL, label, sizeof(label)},
        {CKA_ID, NULL, CK_UNAVAILABLE_INFORMATION},
        {CKA_PRIME_1, NULL, 0},
    };
    CK_ULONG size;

    fake_add_key("zone", "12");
    key = find_one(session, CKO_PRIVATE_KEY);
    ck_assert_rv(C_GetAttributeValue(session, key, attributes, ELEMENTS(attributes)), CKR_ATTRIBUTE_SENSITIVE);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(attributes[i].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    ck_assert_uint_eq(attributes[3].ulValueLen, 4);
    ck_assert_mem_eq(label, "zone", 4);
    ck_assert_uint_eq(attributes[4].ulValueLen, 2);
    ck_assert_uint_eq(attributes[5].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    ck_assert_rv(C_GetAttributeValue(session, key, &attributes[1], 1), CKR_ATTRIBUTE_TYPE_INVALID);
    attributes[2].ulValueLen = sizeof(small);
    ck_assert_rv(C_GetAttributeValue(session, key, &attributes[2], 1), CKR_BUFFER_TOO_SMALL);
    ck_assert_rv(C_GetAttributeValue(session, key, NULL, 1), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GetAttributeValue(session, 4711, attributes, 1), CKR_OBJECT_HANDLE_INVALID);
    ck_assert_rv(C_GetObjectSize(session, key, &size), CKR_OK);
    ck_assert_uint_gt(size, 512);
    ck_assert_rv(C_GetObjectSize(session, key, NULL), CKR_ARGUMENTS_BAD);
}
END_TEST

START_TEST(nodes_that_are_down_are_no_error)
{
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE found[16], key;

    fake.keys_result = QUORUM_E_TOO_FEW_NODES;
    ck_assert_uint_eq(find(session, NULL, 0, found), 0);
    fake.keys_result = 0;
    fake_add_key("zone", "1");
    key = find_one(session, CKO_PRIVATE_KEY);
    fake.keys_result = QUORUM_E_TOO_FEW_NODES;
    ck_assert_uint_eq(find_one(session, CKO_PRIVATE_KEY), key);
    (void)open_session(0);
    assert_text(session, key, CKA_LABEL, "zone");
    fake.keys_result = -ENOMEM;
    ck_assert_rv(C_FindObjectsInit(session, NULL, 0), CKR_HOST_MEMORY);
    fake.keys_result = 0;
    fake_remove_key("zone");
    ck_assert_uint_eq(find(session, NULL, 0, found), 0);
    ck_assert_rv(C_SignInit(session, RSA_MECHANISM(CKM_RSA_PKCS), key), CKR_KEY_HANDLE_INVALID);
}
END_TEST

START_TEST(handles_stay_while_the_key_does)
{
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE before, found[16];
    CK_ATTRIBUTE by_label[] = {A_ULONG(CKA_CLASS, CKO_PRIVATE_KEY), A_TEXT(CKA_LABEL, "b")};

    fake_add_key("a", "1");
    fake_add_key("b", "1");
    ck_assert_uint_eq(find(session, by_label, 2, found), 1);
    before = found[0];
    fake_add_key("c", "1");
    fake_remove_key("a");
    ck_assert_uint_eq(find(session, by_label, 2, found), 1);
    ck_assert_uint_eq(found[0], before);
    ck_assert_uint_eq(find(session, NULL, 0, found), 4);
}
END_TEST

static CK_RV generate(CK_SESSION_HANDLE session, CK_ATTRIBUTE *public_one, CK_ATTRIBUTE *private_one, CK_OBJECT_HANDLE ret_keys[2])
{
    CK_ATTRIBUTE public_attributes[] = {A_ULONG(CKA_MODULUS_BITS, 2048), A_BOOL(CKA_TOKEN, CK_TRUE), A_TEXT(CKA_LABEL, "new"), *public_one};
    CK_ATTRIBUTE private_attributes[] = {A_BOOL(CKA_TOKEN, CK_TRUE), A_TEXT(CKA_ID, "0123456789abcdef"), *private_one};

    return C_GenerateKeyPair(session, RSA_MECHANISM(CKM_RSA_PKCS_KEY_PAIR_GEN), public_attributes, ELEMENTS(public_attributes),
                             private_attributes, ELEMENTS(private_attributes), &ret_keys[0], &ret_keys[1]);
}

START_TEST(generation_makes_two_objects)
{
    CK_SESSION_HANDLE session = start(true);
    CK_ATTRIBUTE wrap = A_BOOL(CKA_WRAP, CK_TRUE), unwrap = A_BOOL(CKA_UNWRAP, CK_TRUE); /* asked for by habit */
    CK_OBJECT_HANDLE keys[2];

    ck_assert_rv(generate(session, &wrap, &unwrap, keys), CKR_OK);
    ck_assert_uint_eq(find_one(session, CKO_PUBLIC_KEY), keys[0]);
    ck_assert_uint_eq(find_one(session, CKO_PRIVATE_KEY), keys[1]);
    assert_text(session, keys[0], CKA_LABEL, "new");
    assert_text(session, keys[0], CKA_ID, "");
    assert_text(session, keys[1], CKA_LABEL, "");
    assert_text(session, keys[1], CKA_ID, "0123456789abcdef");
    assert_bool(session, keys[1], CKA_UNWRAP, CK_FALSE);
    ck_assert_uint_eq(fake.last_request.bits, 2048);
    ck_assert_uint_eq(fake.last_request.threads, 0);
    ck_assert_int_eq(fake.last_request.custody, CUSTODY_INVALID);
    ck_assert(!fake.last_request.record.public_hidden);
}
END_TEST

START_TEST(generation_reads_its_templates)
{
    static const CK_BYTE long_name[256] = {'x'};
    const struct {
        CK_ATTRIBUTE public_one, private_one;
        CK_RV rv;
    } cases[] = {
        {A_TEXT(CKA_PUBLIC_EXPONENT, "\x01\x00\x01"), A_BOOL(CKA_SIGN, CK_TRUE), CKR_OK},
        {A_TEXT(CKA_PUBLIC_EXPONENT, "\x00\x00\x01\x00\x01"), A_BOOL(CKA_SENSITIVE, CK_TRUE), CKR_OK},
        {A_ULONG(CKA_CLASS, CKO_PUBLIC_KEY), A_ULONG(CKA_KEY_TYPE, CKK_RSA), CKR_OK},
        {A_TEXT(CKA_PUBLIC_EXPONENT, "\x03"), A_BOOL(CKA_SIGN, CK_TRUE), CKR_ATTRIBUTE_VALUE_INVALID},
        {A_TEXT(CKA_PUBLIC_EXPONENT, ""), A_BOOL(CKA_SIGN, CK_TRUE), CKR_ATTRIBUTE_VALUE_INVALID},
        {A_ULONG(CKA_CLASS, CKO_SECRET_KEY), A_BOOL(CKA_SIGN, CK_TRUE), CKR_TEMPLATE_INCONSISTENT},
        {A_ULONG(CKA_KEY_TYPE, CKK_EC), A_BOOL(CKA_SIGN, CK_TRUE), CKR_TEMPLATE_INCONSISTENT},
        {A_BOOL(CKA_VERIFY, CK_TRUE), A_BOOL(CKA_EXTRACTABLE, CK_TRUE), CKR_ATTRIBUTE_VALUE_INVALID},
        {A_BOOL(CKA_VERIFY, CK_TRUE), A_BOOL(CKA_SENSITIVE, CK_FALSE), CKR_ATTRIBUTE_VALUE_INVALID},
        {A_BOOL(CKA_VERIFY, CK_TRUE), A_BOOL(CKA_PRIVATE, CK_FALSE), CKR_ATTRIBUTE_VALUE_INVALID},
        {A_BOOL(CKA_VERIFY, CK_TRUE), A_BOOL(CKA_TOKEN, CK_TRUE), CKR_TEMPLATE_INCONSISTENT}, /* twice */
        {A_BOOL(CKA_VERIFY, CK_TRUE), A_BOOL(CKA_MODULUS, CK_TRUE), CKR_ATTRIBUTE_TYPE_INVALID},
        {A_BOOL(CKA_VERIFY, CK_TRUE), A_TEXT(CKA_SIGN, "no"), CKR_ATTRIBUTE_VALUE_INVALID},
        {A_BOOL(CKA_VERIFY, CK_TRUE), A_TEXT(CKA_LABEL, "a\0b"), CKR_ATTRIBUTE_VALUE_INVALID},
        {A_BOOL(CKA_VERIFY, CK_TRUE), A_TEXT(CKA_LABEL, "\xff"), CKR_ATTRIBUTE_VALUE_INVALID},
        {A_BOOL(CKA_VERIFY, CK_TRUE), {CKA_LABEL, (void *)(uintptr_t)long_name, sizeof(long_name)}, CKR_ATTRIBUTE_VALUE_INVALID},
        {A_BOOL(CKA_VERIFY, CK_TRUE), {CKA_LABEL, NULL, 3}, CKR_ATTRIBUTE_VALUE_INVALID},
    };
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE keys[2];

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        CK_ATTRIBUTE public_one = cases[i].public_one, private_one = cases[i].private_one;
        CK_RV rv = generate(session, &public_one, &private_one, keys);

        ck_assert_msg(rv == cases[i].rv, "case %zu: 0x%lx", i, rv);
    }
}
END_TEST

START_TEST(generation_wants_what_it_needs)
{
    CK_SESSION_HANDLE session = start(false), reader = open_session(0);
    CK_ATTRIBUTE verify = A_BOOL(CKA_VERIFY, CK_TRUE), sign = A_BOOL(CKA_SIGN, CK_TRUE);
    CK_ATTRIBUTE bits[] = {A_ULONG(CKA_MODULUS_BITS, 1024)}, more_bits[] = {A_ULONG(CKA_MODULUS_BITS, 2048)};
    CK_ATTRIBUTE token[] = {A_BOOL(CKA_TOKEN, CK_TRUE)};
    CK_MECHANISM *mechanism = RSA_MECHANISM(CKM_RSA_PKCS_KEY_PAIR_GEN);
    CK_OBJECT_HANDLE keys[2];

    ck_assert_rv(generate(session, &verify, &sign, keys), CKR_USER_NOT_LOGGED_IN);
    ck_assert_rv(generate(reader, &verify, &sign, keys), CKR_SESSION_READ_ONLY);
    ck_assert_rv(C_GenerateKeyPair(reader, mechanism, NULL, 1, token, 1, keys, keys + 1), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GenerateKeyPair(reader, mechanism, more_bits, 1, NULL, 0, keys, keys + 1), CKR_TEMPLATE_INCONSISTENT);
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
    ck_assert_rv(C_GenerateKeyPair(session, RSA_MECHANISM(CKM_RSA_PKCS), bits, 1, token, 1, keys, keys + 1), CKR_MECHANISM_INVALID);
    ck_assert_rv(C_GenerateKeyPair(session, mechanism, bits, 1, token, 1, NULL, keys + 1), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GenerateKeyPair(session, mechanism, bits, 1, token, 1, keys, keys + 1), CKR_KEY_SIZE_RANGE);
    ck_assert_rv(C_GenerateKeyPair(session, mechanism, bits, 1, NULL, 1, keys, keys + 1), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GenerateKeyPair(session, mechanism, NULL, 0, token, 1, keys, keys + 1), CKR_TEMPLATE_INCOMPLETE);
    ck_assert_rv(C_GenerateKeyPair(session, mechanism, more_bits, 1, NULL, 0, keys, keys + 1), CKR_TEMPLATE_INCONSISTENT);
    fake.generate_result = QUORUM_E_TOO_FEW_NODES;
    ck_assert_rv(generate(session, &verify, &sign, keys), CKR_DEVICE_ERROR);
    fake.generate_result = QUORUM_E_REFUSED;
    ck_assert_rv(generate(session, &verify, &sign, keys), CKR_FUNCTION_REJECTED);
}
END_TEST

START_TEST(generation_without_public_key_on_the_token)
{
    CK_SESSION_HANDLE session = start(true), other = open_session(CKF_RW_SESSION);
    CK_ATTRIBUTE bits[] = {A_ULONG(CKA_MODULUS_BITS, 2048), A_BOOL(CKA_TOKEN, CK_FALSE)};
    CK_ATTRIBUTE token[] = {A_BOOL(CKA_TOKEN, CK_TRUE)};
    CK_OBJECT_HANDLE keys[2], found[16];

    ck_assert_rv(C_GenerateKeyPair(other, RSA_MECHANISM(CKM_RSA_PKCS_KEY_PAIR_GEN), bits, 2, token, 1, &keys[0], &keys[1]), CKR_OK);
    ck_assert(fake.last_request.record.public_hidden);
    assert_bool(session, keys[0], CKA_TOKEN, CK_FALSE);
    assert_bool(session, keys[1], CKA_TOKEN, CK_TRUE);
    ck_assert_rv(C_CloseSession(other), CKR_OK);
    ck_assert_uint_eq(find(session, NULL, 0, found), 1);
    ck_assert_uint_eq(found[0], keys[1]);
    ck_assert_rv(C_DestroyObject(session, keys[1]), CKR_OK);
}
END_TEST

START_TEST(names_can_be_changed_and_nothing_else)
{
    CK_SESSION_HANDLE session = start(true), reader = open_session(0);
    CK_ATTRIBUTE names[] = {A_TEXT(CKA_LABEL, "other"), A_TEXT(CKA_ID, "\xff")};
    CK_ATTRIBUTE read_only[] = {A_TEXT(CKA_LABEL, "third"), A_BOOL(CKA_SIGN, CK_FALSE)}, unknown[] = {A_BOOL(0x61d, CK_FALSE)};
    CK_ATTRIBUTE bad[] = {A_TEXT(CKA_LABEL, "\xc3")};
    CK_OBJECT_HANDLE public_key, private_key;

    fake_add_key("zone", "1");
    public_key = find_one(session, CKO_PUBLIC_KEY);
    private_key = find_one(session, CKO_PRIVATE_KEY);
    ck_assert_rv(C_SetAttributeValue(reader, public_key, names, 2), CKR_SESSION_READ_ONLY);
    ck_assert_rv(C_SetAttributeValue(session, private_key, read_only, 2), CKR_ATTRIBUTE_READ_ONLY);
    ck_assert_rv(C_SetAttributeValue(session, private_key, unknown, 1), CKR_ATTRIBUTE_TYPE_INVALID);
    ck_assert_rv(C_SetAttributeValue(session, private_key, bad, 1), CKR_ATTRIBUTE_VALUE_INVALID);
    assert_text(session, private_key, CKA_LABEL, "zone");
    ck_assert_rv(C_SetAttributeValue(session, private_key, names, 2), CKR_OK);
    assert_text(session, private_key, CKA_LABEL, "other");
    assert_text(session, private_key, CKA_ID, "\xff");
    assert_text(session, public_key, CKA_LABEL, "zone"); /* each half has its own */
    ck_assert_uint_eq(find_one(session, CKO_PRIVATE_KEY), private_key);
    fake.record_result = QUORUM_E_CONFLICT;
    ck_assert_rv(C_SetAttributeValue(session, public_key, names, 2), CKR_FUNCTION_FAILED);
    fake.record_result = QUORUM_E_REFUSED;
    ck_assert_rv(C_SetAttributeValue(session, public_key, names, 2), CKR_FUNCTION_REJECTED);
    fake.record_result = 0;
    ck_assert_rv(C_Logout(session), CKR_OK);
    ck_assert_rv(C_SetAttributeValue(session, public_key, names, 2), CKR_USER_NOT_LOGGED_IN);
}
END_TEST

START_TEST(a_pair_has_one_end_date)
{
    CK_SESSION_HANDLE session = start(true), other = open_session(CKF_RW_SESSION);
    CK_ATTRIBUTE sign = A_BOOL(CKA_SIGN, CK_TRUE), date = A_TEXT(CKA_END_DATE, "20271231"), day_before = A_TEXT(CKA_END_DATE, "20271230");
    CK_ATTRIBUTE no_day = A_TEXT(CKA_END_DATE, "20270231"), short_one = A_TEXT(CKA_END_DATE, "2027"), none = A_TEXT(CKA_END_DATE, "");
    CK_ATTRIBUTE place = A_BOOL(CKA_TOKEN, CK_FALSE);
    CK_OBJECT_HANDLE keys[2], found[16], copy;

    ck_assert_rv(generate(session, &no_day, &sign, keys), CKR_ATTRIBUTE_VALUE_INVALID);
    ck_assert_rv(generate(session, &date, &short_one, keys), CKR_ATTRIBUTE_VALUE_INVALID);
    ck_assert_rv(generate(session, &date, &day_before, keys), CKR_TEMPLATE_INCONSISTENT);
    ck_assert_rv(generate(session, &date, &date, keys), CKR_OK);
    for (size_t half = 0; half < 2; half++)
        assert_text(session, keys[half], CKA_END_DATE, "20271231");
    ck_assert_uint_eq(find(session, &date, 1, found), 2);

    ck_assert_rv(C_SetAttributeValue(session, keys[0], &no_day, 1), CKR_ATTRIBUTE_VALUE_INVALID);
    ck_assert_rv(C_SetAttributeValue(session, keys[0], &day_before, 1), CKR_OK);
    for (size_t half = 0; half < 2; half++)
        assert_text(session, keys[half], CKA_END_DATE, "20271230");
    ck_assert_rv(C_CopyObject(other, keys[1], &place, 1, &copy), CKR_OK);
    assert_text(session, copy, CKA_END_DATE, "20271230");
    ck_assert_rv(C_SetAttributeValue(other, copy, &none, 1), CKR_ATTRIBUTE_READ_ONLY);
    ck_assert_rv(C_SetAttributeValue(session, keys[1], &none, 1), CKR_OK);
    ck_assert_uint_eq(find(session, &none, 1, found), 2);
}
END_TEST

static void change_in_between(void)
{
    fake.while_changing = NULL;
    fake_change_id("zone", "2");
}

static void change_always(void)
{
    static const char *const ids[] = {"3", "4"};
    static unsigned next;

    fake_change_id("zone", ids[next++ % 2]);
}

/* Two clients change different fields of one record: neither undoes what the other did. */
START_TEST(changes_of_other_clients_stay)
{
    CK_SESSION_HANDLE session = start(true);
    CK_ATTRIBUTE label[] = {A_TEXT(CKA_LABEL, "other")};
    CK_OBJECT_HANDLE public_key, private_key, found[16];

    fake_add_key("zone", "1");
    public_key = find_one(session, CKO_PUBLIC_KEY);
    private_key = find_one(session, CKO_PRIVATE_KEY);
    fake.while_changing = change_in_between;
    ck_assert_rv(C_SetAttributeValue(session, public_key, label, 1), CKR_OK);
    ck_assert_uint_eq(fake.last_max_age, 0);
    assert_text(session, public_key, CKA_LABEL, "other");
    assert_text(session, private_key, CKA_ID, "2");

    fake_change_id("zone", "1");
    fake.while_changing = change_in_between;
    ck_assert_rv(C_DestroyObject(session, public_key), CKR_OK);
    ck_assert_uint_eq(find(session, NULL, 0, found), 1);
    assert_text(session, private_key, CKA_ID, "2");

    fake.while_changing = change_always; /* once more, and no oftener */
    ck_assert_rv(C_SetAttributeValue(session, private_key, label, 1), CKR_FUNCTION_FAILED);
    fake.while_changing = change_in_between;
    fake.keys_result = QUORUM_E_TOO_FEW_NODES;
    ck_assert_rv(C_SetAttributeValue(session, private_key, label, 1), CKR_DEVICE_ERROR);
}
END_TEST

START_TEST(a_refused_pin_ends_the_login)
{
    static const int refusals[] = {QUORUM_E_PIN_INCORRECT, QUORUM_E_PIN_LOCKED};
    CK_ATTRIBUTE verify = A_BOOL(CKA_VERIFY, CK_TRUE), sign = A_BOOL(CKA_SIGN, CK_TRUE), label[] = {A_TEXT(CKA_LABEL, "other")};
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE key, keys[2];

    fake_add_key("zone", "1");
    key = find_one(session, CKO_PRIVATE_KEY);
    for (size_t i = 0; i < ELEMENTS(refusals); i++) {
        fake.generate_result = fake.record_result = fake.destroy_result = refusals[i];
        ck_assert_rv(generate(session, &verify, &sign, keys), CKR_USER_NOT_LOGGED_IN);
        ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
        ck_assert_rv(C_SetAttributeValue(session, key, label, 1), CKR_USER_NOT_LOGGED_IN);
        ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
        ck_assert_rv(C_DestroyObject(session, key), CKR_USER_NOT_LOGGED_IN);
        ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
    }
}
END_TEST

START_TEST(destroying_private_then_public)
{
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE public_key, private_key, found[16];

    fake_add_key("zone", "1");
    public_key = find_one(session, CKO_PUBLIC_KEY);
    private_key = find_one(session, CKO_PRIVATE_KEY);
    ck_assert_rv(C_DestroyObject(open_session(0), private_key), CKR_SESSION_READ_ONLY);
    fake.destroy_result = QUORUM_E_TOO_FEW_NODES;
    ck_assert_rv(C_DestroyObject(session, private_key), CKR_DEVICE_ERROR);
    fake.destroy_result = QUORUM_E_REFUSED; /* not permitted */
    ck_assert_rv(C_DestroyObject(session, private_key), CKR_FUNCTION_REJECTED);
    fake.destroy_result = 0;
    ck_assert_rv(C_DestroyObject(session, private_key), CKR_OK);
    ck_assert_uint_eq(find(session, NULL, 0, found), 0);
    ck_assert_rv(C_VerifyInit(session, RSA_MECHANISM(CKM_RSA_PKCS), public_key), CKR_KEY_HANDLE_INVALID);
    ck_assert_rv(C_DestroyObject(session, public_key), CKR_OK);
    ck_assert_rv(C_DestroyObject(session, public_key), CKR_OBJECT_HANDLE_INVALID);
    ck_assert_rv(C_DestroyObject(session, private_key), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

static CK_SESSION_HANDLE destroyer;
static CK_OBJECT_HANDLE victim;

static void destroy_in_between(void)
{
    fake.while_listing = NULL;
    ck_assert_rv(C_DestroyObject(destroyer, victim), CKR_OK);
}

START_TEST(old_lists_bring_nothing_back)
{
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE found[16];

    fake_add_key("zone", "1");
    victim = find_one(session, CKO_PRIVATE_KEY);
    destroyer = open_session(CKF_RW_SESSION);
    fake.while_listing = destroy_in_between;
    ck_assert_uint_eq(find(session, NULL, 0, found), 0);
}
END_TEST

START_TEST(destroying_public_then_private)
{
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE public_key, private_key, found[16];

    fake_add_key("zone", "1");
    public_key = find_one(session, CKO_PUBLIC_KEY);
    private_key = find_one(session, CKO_PRIVATE_KEY);
    ck_assert_rv(C_DestroyObject(session, public_key), CKR_OK);
    ck_assert_rv(C_DestroyObject(session, public_key), CKR_OBJECT_HANDLE_INVALID);
    ck_assert_uint_eq(find(session, NULL, 0, found), 1);
    ck_assert_uint_eq(found[0], private_key);
    ck_assert_rv(C_DestroyObject(session, private_key), CKR_OK);
    ck_assert_uint_eq(find(session, NULL, 0, found), 0);
}
END_TEST

START_TEST(copies_belong_to_sessions)
{
    CK_SESSION_HANDLE session = start(true), other = open_session(0);
    CK_ATTRIBUTE session_copy[] = {A_BOOL(CKA_TOKEN, CK_FALSE)}, token_copy[] = {A_BOOL(CKA_TOKEN, CK_TRUE)};
    CK_ATTRIBUTE renamed[] = {A_BOOL(CKA_TOKEN, CK_FALSE), A_TEXT(CKA_LABEL, "copy")};
    CK_ATTRIBUTE weaker[] = {A_BOOL(CKA_TOKEN, CK_FALSE), A_BOOL(CKA_EXTRACTABLE, CK_TRUE)};
    CK_ATTRIBUTE label[] = {A_TEXT(CKA_LABEL, "again")};
    CK_OBJECT_HANDLE key, copy, public_copy, found[16];

    fake_add_key("zone", "1");
    key = find_one(session, CKO_PRIVATE_KEY);
    ck_assert_rv(C_CopyObject(session, key, NULL, 0, &copy), CKR_TEMPLATE_INCONSISTENT);
    ck_assert_rv(C_CopyObject(session, key, token_copy, 1, &copy), CKR_TEMPLATE_INCONSISTENT);
    ck_assert_rv(C_CopyObject(session, key, weaker, 2, &copy), CKR_ATTRIBUTE_READ_ONLY);
    ck_assert_rv(C_CopyObject(other, key, renamed, 2, &copy), CKR_OK);
    assert_bool(session, copy, CKA_TOKEN, CK_FALSE);
    assert_text(session, copy, CKA_LABEL, "copy");
    assert_text(session, copy, CKA_ID, "1");
    ck_assert_rv(C_SetAttributeValue(other, copy, label, 1), CKR_OK);
    assert_text(session, copy, CKA_LABEL, "again");
    assert_text(session, key, CKA_LABEL, "zone");
    ck_assert_rv(C_SignInit(session, RSA_MECHANISM(CKM_RSA_PKCS), copy), CKR_OK);
    ck_assert_rv(C_CopyObject(other, find_one(session, CKO_PUBLIC_KEY), session_copy, 1, &public_copy), CKR_OK);
    ck_assert_rv(C_CloseSession(other), CKR_OK);
    ck_assert_rv(C_DestroyObject(session, copy), CKR_OBJECT_HANDLE_INVALID);

    ck_assert_rv(C_CopyObject(session, key, session_copy, 1, &copy), CKR_OK);
    ck_assert_uint_eq(find(session, session_copy, 1, found), 1);
    ck_assert_rv(C_DestroyObject(session, copy), CKR_OK);
    ck_assert_rv(C_CopyObject(session, key, session_copy, 1, &copy), CKR_OK);
    ck_assert_rv(C_Logout(session), CKR_OK);
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
    ck_assert_rv(C_DestroyObject(session, copy), CKR_OBJECT_HANDLE_INVALID); /* the logout took it */
    ck_assert_uint_eq(find_one(session, CKO_PRIVATE_KEY), key);
}
END_TEST

START_TEST(objects_can_be_created_to_verify_with)
{
    CK_SESSION_HANDLE session = start(false);
    CK_BYTE modulus[65];
    CK_ATTRIBUTE attributes[] = {A_ULONG(CKA_CLASS, CKO_PUBLIC_KEY),  A_ULONG(CKA_KEY_TYPE, CKK_RSA),
                                 A_TEXT(CKA_PUBLIC_EXPONENT, "\x03"), {CKA_MODULUS, modulus, sizeof(modulus)},
                                 A_BOOL(CKA_TOKEN, CK_FALSE),         A_TEXT(CKA_LABEL, "mine"),
                                 A_BOOL(CKA_ENCRYPT, CK_TRUE)};
    CK_ATTRIBUTE on_token = A_BOOL(CKA_TOKEN, CK_TRUE), private = A_ULONG(CKA_CLASS, CKO_PRIVATE_KEY),
                 hidden = A_BOOL(CKA_PRIVATE, CK_TRUE);
    CK_OBJECT_HANDLE object;

    memset(modulus, 0xff, sizeof(modulus));
    modulus[0] = 0;
    ck_assert_rv(C_CreateObject(session, attributes, 3, &object), CKR_TEMPLATE_INCOMPLETE);
    ck_assert_rv(C_CreateObject(session, attributes, 7, NULL), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_CreateObject(session, attributes, 7, &object), CKR_OK);
    assert_ulong(session, object, CKA_MODULUS_BITS, 512);
    assert_text(session, object, CKA_LABEL, "mine");
    assert_bool(session, object, CKA_LOCAL, CK_FALSE);
    assert_ulong(session, object, CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION);
    attributes[6] = hidden;
    ck_assert_rv(C_CreateObject(session, attributes, 7, &object), CKR_TEMPLATE_INCONSISTENT);
    attributes[4] = on_token;
    ck_assert_rv(C_CreateObject(session, attributes, 6, &object), CKR_TEMPLATE_INCONSISTENT);
    attributes[0] = private;
    ck_assert_rv(C_CreateObject(session, attributes, 4, &object), CKR_TEMPLATE_INCONSISTENT);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, make_key, NULL);
    tcase_add_checked_fixture(cases, reset, NULL);
    tcase_add_test(cases, public_keys_show_before_login_and_private_after);
    tcase_add_test(cases, searches_match_any_attribute);
    tcase_add_test(cases, a_name_that_is_not_known_is_asked_for_anew);
    tcase_add_test(cases, attributes_tell_the_truth);
    tcase_add_test(cases, unique_ids_are_unique);
    tcase_add_test(cases, every_entry_is_answered);
    tcase_add_test(cases, nodes_that_are_down_are_no_error);
    tcase_add_test(cases, handles_stay_while_the_key_does);
    tcase_add_test(cases, generation_makes_two_objects);
    tcase_add_test(cases, generation_reads_its_templates);
    tcase_add_test(cases, generation_wants_what_it_needs);
    tcase_add_test(cases, generation_without_public_key_on_the_token);
    tcase_add_test(cases, names_can_be_changed_and_nothing_else);
    tcase_add_test(cases, a_pair_has_one_end_date);
    tcase_add_test(cases, changes_of_other_clients_stay);
    tcase_add_test(cases, a_refused_pin_ends_the_login);
    tcase_add_test(cases, destroying_private_then_public);
    tcase_add_test(cases, old_lists_bring_nothing_back);
    tcase_add_test(cases, destroying_public_then_private);
    tcase_add_test(cases, copies_belong_to_sessions);
    tcase_add_test(cases, objects_can_be_created_to_verify_with);
}

UNIT_MAIN("pkcs11-objects", add_tests)
