/* The PKCS#11 module over a fake quorum: objects that are no keys: data, certificates, profiles. */
#include "pkcs11-fixture.h"

static CK_RV create(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const CK_ATTRIBUTE *more, CK_ULONG count,
                    CK_OBJECT_HANDLE *ret_object)
{
    CK_ATTRIBUTE attributes[16] = {A_ULONG(CKA_CLASS, class)};

    memcpy(&attributes[1], more, count * sizeof(*more));
    return C_CreateObject(session, attributes, count + 1, ret_object);
}

START_TEST(data_lives_in_a_session)
{
    CK_SESSION_HANDLE session = start(false), owner = open_session(0);
    CK_ATTRIBUTE attributes[] = {A_TEXT(CKA_LABEL, "note"), A_TEXT(CKA_APPLICATION, "test"), A_TEXT(CKA_OBJECT_ID, "\x06\x01\x2a"),
                                 A_TEXT(CKA_VALUE, "some bytes"), A_BOOL(CKA_TOKEN, CK_FALSE)};
    CK_ATTRIBUTE changed[] = {A_TEXT(CKA_VALUE, ""), A_TEXT(CKA_APPLICATION, "other")}, renamed[] = {A_TEXT(CKA_LABEL, "copy")};
    CK_ATTRIBUTE class[] = {A_ULONG(CKA_CLASS, CKO_DATA)};
    CK_OBJECT_HANDLE object, copy, found[16];
    CK_ULONG size = 0;

    ck_assert_rv(create(owner, CKO_DATA, attributes, ELEMENTS(attributes), &object), CKR_OK);
    ck_assert_uint_eq(find(session, class, 1, found), 1); /* all sessions see it */
    ck_assert_uint_eq(find(session, attributes, 4, found), 1);
    ck_assert_uint_eq(found[0], object);
    assert_ulong(session, object, CKA_CLASS, CKO_DATA);
    assert_bool(session, object, CKA_TOKEN, CK_FALSE);
    assert_bool(session, object, CKA_PRIVATE, CK_FALSE);
    assert_bool(session, object, CKA_MODIFIABLE, CK_TRUE);
    assert_text(session, object, CKA_VALUE, "some bytes");
    assert_text(session, object, CKA_OBJECT_ID, "\x06\x01\x2a");
    ck_assert_rv(get(session, object, CKA_ID, NULL, &size), CKR_ATTRIBUTE_TYPE_INVALID);
    ck_assert_rv(get(session, object, CKA_KEY_TYPE, NULL, &size), CKR_ATTRIBUTE_TYPE_INVALID);
    ck_assert_rv(C_GetObjectSize(session, object, &size), CKR_OK);
    ck_assert_uint_ge(size, 10 + 4 + 3 + 4);
    ck_assert_rv(C_CopyObject(session, object, renamed, 1, &copy), CKR_OK);
    ck_assert_rv(C_SetAttributeValue(session, object, changed, 2), CKR_OK);
    assert_text(session, object, CKA_VALUE, "");
    assert_text(session, object, CKA_APPLICATION, "other");
    assert_text(session, copy, CKA_VALUE, "some bytes");
    assert_text(session, copy, CKA_LABEL, "copy");
    ck_assert_rv(C_VerifyInit(session, RSA_MECHANISM(CKM_RSA_PKCS), object), CKR_KEY_HANDLE_INVALID);
    ck_assert_rv(C_DestroyObject(session, copy), CKR_OK);
    ck_assert_rv(C_CloseSession(owner), CKR_OK);
    ck_assert_uint_eq(find(session, class, 1, found), 0);
    ck_assert_rv(C_GetAttributeValue(session, object, class, 1), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(everything_has_defaults)
{
    CK_SESSION_HANDLE session = start(false);
    CK_ATTRIBUTE certificate[] = {A_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509), A_TEXT(CKA_SUBJECT, "\x30\x00"), A_TEXT(CKA_VALUE, "der")};
    CK_OBJECT_HANDLE object;

    ck_assert_rv(create(session, CKO_DATA, certificate, 0, &object), CKR_OK);
    assert_text(session, object, CKA_LABEL, "");
    assert_text(session, object, CKA_APPLICATION, "");
    assert_text(session, object, CKA_OBJECT_ID, "");
    assert_text(session, object, CKA_VALUE, "");
    ck_assert_rv(create(session, CKO_CERTIFICATE, certificate, 3, &object), CKR_OK);
    assert_ulong(session, object, CKA_CERTIFICATE_TYPE, CKC_X_509);
    assert_ulong(session, object, CKA_CERTIFICATE_CATEGORY, 0);
    assert_ulong(session, object, CKA_NAME_HASH_ALGORITHM, CKM_SHA_1);
    assert_ulong(session, object, CKA_JAVA_MIDP_SECURITY_DOMAIN, 0);
    assert_bool(session, object, CKA_TRUSTED, CK_FALSE);
    assert_text(session, object, CKA_SUBJECT, "\x30\x00");
    assert_text(session, object, CKA_ID, "");
    assert_text(session, object, CKA_ISSUER, "");
    assert_text(session, object, CKA_CHECK_VALUE, "");
    assert_text(session, object, CKA_START_DATE, "");
    assert_text(session, object, CKA_PUBLIC_KEY_INFO, "");
}
END_TEST

/* PKCS#11 3.0, §4.6.3: of a certificate only CKA_ID, CKA_ISSUER and CKA_SERIAL_NUMBER change, and the label of every object does. */
START_TEST(certificates_change_little)
{
    CK_SESSION_HANDLE session = start(false);
    CK_ATTRIBUTE attributes[] = {A_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509), A_TEXT(CKA_SUBJECT, "\x30\x00"), A_TEXT(CKA_VALUE, "der"),
                                 A_TEXT(CKA_ID, "1"), A_TEXT(CKA_ISSUER, "\x30\x01\x02")};
    CK_ATTRIBUTE names[] = {A_TEXT(CKA_ID, "22"), A_TEXT(CKA_ISSUER, ""), A_TEXT(CKA_SERIAL_NUMBER, "\x02\x01\x05"),
                            A_TEXT(CKA_LABEL, "x")};
    CK_ATTRIBUTE fixed[] = {A_TEXT(CKA_VALUE, "other"), A_TEXT(CKA_SUBJECT, "other"), A_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509)};
    CK_OBJECT_HANDLE object, found[16];

    ck_assert_rv(create(session, CKO_CERTIFICATE, attributes, ELEMENTS(attributes), &object), CKR_OK);
    ck_assert_rv(C_SetAttributeValue(session, object, names, 4), CKR_OK);
    assert_text(session, object, CKA_ID, "22");
    assert_text(session, object, CKA_ISSUER, "");
    assert_text(session, object, CKA_SERIAL_NUMBER, "\x02\x01\x05");
    for (size_t i = 0; i < ELEMENTS(fixed); i++)
        ck_assert_rv(C_SetAttributeValue(session, object, &fixed[i], 1), CKR_ATTRIBUTE_READ_ONLY);
    assert_text(session, object, CKA_VALUE, "der");
    ck_assert_uint_eq(find(session, names, 1, found), 1);
    ck_assert_rv(C_DestroyObject(session, object), CKR_OK);
    ck_assert_uint_eq(find(session, names, 1, found), 0);
}
END_TEST

START_TEST(templates_are_checked)
{
    const struct {
        CK_OBJECT_CLASS class;
        CK_ATTRIBUTE attributes[4];
        CK_ULONG count;
        CK_RV rv;
    } cases[] = {
        {CKO_DATA, {A_TEXT(CKA_LABEL, "\xff")}, 1, CKR_ATTRIBUTE_VALUE_INVALID},
        {CKO_DATA, {A_TEXT(CKA_ID, "1")}, 1, CKR_ATTRIBUTE_TYPE_INVALID},
        {CKO_DATA, {A_TEXT(CKA_PRIVATE, "no")}, 1, CKR_ATTRIBUTE_VALUE_INVALID},
        {CKO_DATA, {A_TEXT(CKA_VALUE, "a"), A_TEXT(CKA_VALUE, "a")}, 2, CKR_TEMPLATE_INCONSISTENT},
        {CKO_DATA, {A_TEXT(CKA_UNIQUE_ID, "mine")}, 1, CKR_ATTRIBUTE_READ_ONLY},
        {CKO_DATA, {A_TEXT(0x61d, "?")}, 1, CKR_ATTRIBUTE_TYPE_INVALID},
        {CKO_CERTIFICATE, {A_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509), A_TEXT(CKA_SUBJECT, "s")}, 2, CKR_TEMPLATE_INCOMPLETE},
        {CKO_CERTIFICATE, {A_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509), A_TEXT(CKA_VALUE, "v")}, 2, CKR_TEMPLATE_INCOMPLETE},
        {CKO_CERTIFICATE, {A_TEXT(CKA_SUBJECT, "s"), A_TEXT(CKA_VALUE, "v")}, 2, CKR_TEMPLATE_INCOMPLETE},
        {CKO_CERTIFICATE, {A_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509), A_TEXT(CKA_SUBJECT, "s"), A_TEXT(CKA_URL, "file:///c")}, 3, CKR_OK},
        {CKO_CERTIFICATE,
         {A_ULONG(CKA_CERTIFICATE_TYPE, CKC_WTLS), A_TEXT(CKA_SUBJECT, "s"), A_TEXT(CKA_VALUE, "v")},
         3,
         CKR_ATTRIBUTE_VALUE_INVALID},
        {CKO_CERTIFICATE,
         {A_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509), A_TEXT(CKA_SUBJECT, "s"), A_TEXT(CKA_VALUE, "v"), A_BOOL(CKA_TRUSTED, CK_TRUE)},
         4,
         CKR_ATTRIBUTE_READ_ONLY},
        {CKO_CERTIFICATE,
         {A_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509), A_TEXT(CKA_SUBJECT, "s"), A_TEXT(CKA_VALUE, "v"), A_TEXT(CKA_START_DATE, "2026")},
         4,
         CKR_ATTRIBUTE_VALUE_INVALID},
        {CKO_PROFILE, {A_ULONG(CKA_PROFILE_ID, CKP_BASELINE_PROVIDER)}, 1, CKR_ATTRIBUTE_READ_ONLY},
        {CKO_SECRET_KEY, {A_TEXT(CKA_VALUE, "v")}, 1, CKR_TEMPLATE_INCONSISTENT},
    };
    CK_SESSION_HANDLE session = start(true);
    CK_OBJECT_HANDLE object;

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        CK_RV rv = create(session, cases[i].class, cases[i].attributes, cases[i].count, &object);

        ck_assert_msg(rv == cases[i].rv, "case %zu: 0x%lx", i, rv);
    }
}
END_TEST

START_TEST(nothing_but_keys_on_the_token)
{
    CK_SESSION_HANDLE session = start(true), reader = open_session(0);
    CK_ATTRIBUTE attributes[] = {A_BOOL(CKA_TOKEN, CK_TRUE), A_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509), A_TEXT(CKA_SUBJECT, "s"),
                                 A_TEXT(CKA_VALUE, "v")};
    CK_ATTRIBUTE here[] = {A_BOOL(CKA_TOKEN, CK_FALSE)}, on_token[] = {A_BOOL(CKA_TOKEN, CK_TRUE)};
    CK_OBJECT_HANDLE object, found[16];

    ck_assert_rv(create(session, CKO_DATA, attributes, 1, &object), CKR_TEMPLATE_INCONSISTENT);
    ck_assert_rv(create(session, CKO_CERTIFICATE, attributes, 4, &object), CKR_TEMPLATE_INCONSISTENT);
    ck_assert_rv(create(reader, CKO_DATA, attributes, 1, &object), CKR_SESSION_READ_ONLY);
    ck_assert_uint_eq(find(session, NULL, 0, found), 0);
    ck_assert_rv(create(reader, CKO_DATA, here, 1, &object), CKR_OK);
    ck_assert_rv(C_CopyObject(session, object, on_token, 1, &object), CKR_TEMPLATE_INCONSISTENT);
}
END_TEST

START_TEST(private_data_is_for_the_user)
{
    CK_SESSION_HANDLE session = start(false);
    CK_ATTRIBUTE attributes[] = {A_BOOL(CKA_PRIVATE, CK_TRUE), A_TEXT(CKA_VALUE, "v")};
    CK_OBJECT_HANDLE object, found[16];

    ck_assert_rv(create(session, CKO_DATA, attributes, 2, &object), CKR_USER_NOT_LOGGED_IN);
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
    ck_assert_rv(create(session, CKO_DATA, attributes, 2, &object), CKR_OK);
    ck_assert_uint_eq(find(session, attributes, 2, found), 1);
    ck_assert_rv(C_Logout(session), CKR_OK);
    ck_assert_uint_eq(find(session, NULL, 0, found), 0);
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
    ck_assert_rv(C_DestroyObject(session, object), CKR_OBJECT_HANDLE_INVALID);
}
END_TEST

START_TEST(objects_can_be_made_to_stay_as_they_are)
{
    CK_SESSION_HANDLE session = start(false);
    CK_ATTRIBUTE attributes[] = {A_BOOL(CKA_MODIFIABLE, CK_FALSE), A_BOOL(CKA_COPYABLE, CK_FALSE), A_BOOL(CKA_DESTROYABLE, CK_FALSE)};
    CK_ATTRIBUTE value[] = {A_TEXT(CKA_VALUE, "v")};
    CK_OBJECT_HANDLE object, copy;

    ck_assert_rv(create(session, CKO_DATA, attributes, 3, &object), CKR_OK);
    for (size_t i = 0; i < 3; i++)
        assert_bool(session, object, attributes[i].type, CK_FALSE);
    ck_assert_rv(C_SetAttributeValue(session, object, value, 1), CKR_ACTION_PROHIBITED);
    ck_assert_rv(C_CopyObject(session, object, NULL, 0, &copy), CKR_ACTION_PROHIBITED);
    ck_assert_rv(C_DestroyObject(session, object), CKR_ACTION_PROHIBITED);
    assert_text(session, object, CKA_VALUE, "");
}
END_TEST

/* PKCS#11 Profiles 3.0, §5.1 to §5.3. */
START_TEST(profiles_are_told)
{
    static const CK_ULONG ids[] = {CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER, CKP_AUTHENTICATION_TOKEN};
    CK_SESSION_HANDLE session = start(false);
    CK_ATTRIBUTE label[] = {A_TEXT(CKA_LABEL, "x")}, here[] = {A_BOOL(CKA_TOKEN, CK_FALSE)};
    CK_OBJECT_HANDLE found[16], copy;
    CK_ULONG size = 0;

    fake.keys_result = QUORUM_E_TOO_FEW_NODES; /* no node is needed for them */
    for (size_t i = 0; i < ELEMENTS(ids); i++) {
        CK_ATTRIBUTE attributes[] = {A_ULONG(CKA_CLASS, CKO_PROFILE), A_BOOL(CKA_TOKEN, CK_TRUE), A_ULONG(CKA_PROFILE_ID, ids[i])};

        ck_assert_uint_eq(find(session, attributes, 1, found), ELEMENTS(ids));
        ck_assert_uint_eq(find(session, attributes, 3, found), 1);
        assert_bool(session, found[0], CKA_PRIVATE, CK_FALSE);
        assert_bool(session, found[0], CKA_MODIFIABLE, CK_FALSE);
        ck_assert_rv(get(session, found[0], CKA_UNIQUE_ID, NULL, &size), CKR_OK);
        ck_assert_rv(get(session, found[0], CKA_KEY_TYPE, NULL, &size), CKR_ATTRIBUTE_TYPE_INVALID);
    }
    ck_assert_rv(C_CopyObject(session, found[0], here, 1, &copy), CKR_ACTION_PROHIBITED);
    ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
    ck_assert_rv(C_SetAttributeValue(session, found[0], label, 1), CKR_ACTION_PROHIBITED);
    ck_assert_rv(C_DestroyObject(session, found[0]), CKR_ACTION_PROHIBITED);
    ck_assert_rv(C_Logout(session), CKR_OK);
    assert_ulong(session, found[0], CKA_PROFILE_ID, CKP_AUTHENTICATION_TOKEN);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, make_key, NULL);
    tcase_add_checked_fixture(cases, reset, NULL);
    tcase_add_test(cases, data_lives_in_a_session);
    tcase_add_test(cases, everything_has_defaults);
    tcase_add_test(cases, certificates_change_little);
    tcase_add_test(cases, templates_are_checked);
    tcase_add_test(cases, nothing_but_keys_on_the_token);
    tcase_add_test(cases, private_data_is_for_the_user);
    tcase_add_test(cases, objects_can_be_made_to_stay_as_they_are);
    tcase_add_test(cases, profiles_are_told);
}

UNIT_MAIN("pkcs11-stored", add_tests)
