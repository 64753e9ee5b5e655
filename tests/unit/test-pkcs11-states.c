/* The PKCS#11 module over a fake quorum: the states of digesting, signing and verifying (PKCS#11 3.0, §5.2, §5.12 to §5.16), the same rules
 * for all mechanisms; and the answers of what there is not. */
#include "pkcs11-fixture.h"

#define SIZE_MAX_ 512
#define UNSET     0xdeadbeefUL

static CK_BYTE text[] = "the bytes";
static const CK_BYTE info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
                               0x04, 0x20, 1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,
                               16,   17,   18,   19,   20,   21,   22,   23,   24,   25,   26,   27,   28,   29,   30,   31,   32};

typedef struct World {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public_key, private_key;
    CK_BYTE signature[SIZE_MAX_]; /* a good one, for verification */
} World;

typedef struct Kind Kind;

/* An operation that can be done in one part and in many. */
struct Kind {
    const char *name;
    CK_FLAGS flag;
    CK_ULONG size; /* of the result; 0: it has none */
    CK_RV (*init)(const World *world, CK_MECHANISM *mechanism);
    CK_RV (*one)(const World *world, CK_BYTE *data, CK_ULONG data_size, CK_BYTE *result, CK_ULONG *result_size);
    CK_RV (*update)(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_size);
    CK_RV (*final)(const World *world, CK_BYTE *result, CK_ULONG *result_size);
};

static CK_RV digest_init(const World *world, CK_MECHANISM *mechanism)
{
    return C_DigestInit(world->session, mechanism);
}

static CK_RV digest_one(const World *world, CK_BYTE *data, CK_ULONG data_size, CK_BYTE *result, CK_ULONG *result_size)
{
    return C_Digest(world->session, data, data_size, result, result_size);
}

static CK_RV digest_final(const World *world, CK_BYTE *result, CK_ULONG *result_size)
{
    return C_DigestFinal(world->session, result, result_size);
}

static CK_RV sign_init(const World *world, CK_MECHANISM *mechanism)
{
    return C_SignInit(world->session, mechanism, world->private_key);
}

static CK_RV sign_one(const World *world, CK_BYTE *data, CK_ULONG data_size, CK_BYTE *result, CK_ULONG *result_size)
{
    return C_Sign(world->session, data, data_size, result, result_size);
}

static CK_RV sign_final(const World *world, CK_BYTE *result, CK_ULONG *result_size)
{
    return C_SignFinal(world->session, result, result_size);
}

static CK_RV verify_init(const World *world, CK_MECHANISM *mechanism)
{
    return C_VerifyInit(world->session, mechanism, world->public_key);
}

static CK_RV verify_one(const World *world, CK_BYTE *data, CK_ULONG data_size, CK_BYTE *result, CK_ULONG *result_size)
{
    return C_Verify(world->session, data, data_size, (CK_BYTE *)(uintptr_t)world->signature, 256);
}

static CK_RV verify_final(const World *world, CK_BYTE *result, CK_ULONG *result_size)
{
    return C_VerifyFinal(world->session, (CK_BYTE *)(uintptr_t)world->signature, 256);
}

static const Kind digesting = {"digest", CKF_DIGEST, 32, digest_init, digest_one, C_DigestUpdate, digest_final};
static const Kind signing = {"sign", CKF_SIGN, 256, sign_init, sign_one, C_SignUpdate, sign_final};
static const Kind verifying = {"verify", CKF_VERIFY, 0, verify_init, verify_one, C_VerifyUpdate, verify_final};

/* The kind, its mechanism, and data that it takes. */
static const struct {
    const Kind *kind;
    CK_MECHANISM_TYPE type;
    const CK_BYTE *data;
    CK_ULONG size;
    bool pss, empty; /* takes no data at all as well */
} rows[] = {
    {&digesting, CKM_SHA256, text, sizeof(text), false, true},    {&signing, CKM_SHA256_RSA_PKCS, text, sizeof(text), false, true},
    {&signing, CKM_RSA_PKCS, info, sizeof(info), false, false},   {&signing, CKM_SHA256_RSA_PKCS_PSS, text, sizeof(text), true, true},
    {&signing, CKM_RSA_PKCS_PSS, info + 19, 32, true, false},     {&verifying, CKM_SHA256_RSA_PKCS, text, sizeof(text), false, false},
    {&verifying, CKM_RSA_PKCS, info, sizeof(info), false, false}, {&verifying, CKM_SHA256_RSA_PKCS_PSS, text, sizeof(text), true, false},
};

static CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};

static CK_MECHANISM mechanism_of(size_t row)
{
    CK_MECHANISM mechanism = {rows[row].type, NULL, 0};

    if (rows[row].pss) {
        mechanism.pParameter = &pss;
        mechanism.ulParameterLen = sizeof(pss);
    }
    return mechanism;
}

static World make_world(size_t row)
{
    World world = {.session = start(true)};
    CK_MECHANISM mechanism = mechanism_of(row);
    CK_ULONG size = SIZE_MAX_;

    fake_add_key("zone", "1");
    world.public_key = find_one(world.session, CKO_PUBLIC_KEY);
    world.private_key = find_one(world.session, CKO_PRIVATE_KEY);
    if (rows[row].kind == &verifying) {
        ck_assert_rv(C_SignInit(world.session, &mechanism, world.private_key), CKR_OK);
        ck_assert_rv(C_Sign(world.session, (CK_BYTE *)(uintptr_t)rows[row].data, rows[row].size, world.signature, &size), CKR_OK);
    }
    return world;
}

#define WORLD                                                                                                                              \
    const size_t row = (size_t)_i;                                                                                                         \
    const Kind *kind = rows[row].kind;                                                                                                     \
    World world = make_world(row);                                                                                                         \
    CK_MECHANISM mechanism = mechanism_of(row);                                                                                            \
    CK_BYTE *data = (CK_BYTE *)(uintptr_t)rows[row].data, result[SIZE_MAX_];                                                               \
    CK_ULONG data_size = rows[row].size, size = SIZE_MAX_

#define begin() ck_assert_rv(kind->init(&world, &mechanism), CKR_OK)
#define assert_ended()                                                                                                                     \
    do {                                                                                                                                   \
        size = SIZE_MAX_;                                                                                                                  \
        ck_assert_rv(kind->one(&world, data, data_size, result, &size), CKR_OPERATION_NOT_INITIALIZED);                                    \
        ck_assert_rv(kind->update(world.session, data, data_size), CKR_OPERATION_NOT_INITIALIZED);                                         \
        ck_assert_rv(kind->final(&world, result, &size), CKR_OPERATION_NOT_INITIALIZED);                                                   \
        ck_assert_uint_eq(size, SIZE_MAX_);                                                                                                \
        ck_assert_rv(C_GetOperationState(world.session, NULL, &size), CKR_OPERATION_NOT_INITIALIZED);                                      \
    } while (0)

START_TEST(one_part)
{
    WORLD;

    assert_ended();
    begin();
    ck_assert_rv(kind->init(&world, &mechanism), CKR_OPERATION_ACTIVE);
    ck_assert_rv(kind->one(&world, data, data_size, result, &size), CKR_OK); /* the second Init changed nothing */
    assert_ended();
    begin();
    ck_assert_rv(kind->one(&world, NULL, 1, result, &size), CKR_ARGUMENTS_BAD);
    assert_ended();
}
END_TEST

START_TEST(many_parts)
{
    WORLD;

    begin();
    for (CK_ULONG i = 0; i < data_size; i++) {
        ck_assert_rv(kind->update(world.session, data + i, 1), CKR_OK);
        ck_assert_rv(kind->update(world.session, i % 2 ? NULL : data, 0), CKR_OK);
    }
    ck_assert_rv(kind->init(&world, &mechanism), CKR_OPERATION_ACTIVE);
    ck_assert_rv(kind->final(&world, result, &size), CKR_OK);
    assert_ended();
    begin();
    ck_assert_rv(kind->update(world.session, NULL, 1), CKR_ARGUMENTS_BAD);
    assert_ended();
}
END_TEST

/* §5.12.2, §5.13.2: the one-part function cannot end what was begun in many parts; the try does. */
START_TEST(parts_do_not_mix)
{
    WORLD;

    begin();
    ck_assert_rv(kind->update(world.session, data, 1), CKR_OK);
    ck_assert_rv(kind->one(&world, data, data_size, result, &size), CKR_OPERATION_ACTIVE);
    assert_ended();
}
END_TEST

START_TEST(no_data_at_all)
{
    WORLD;
    CK_RV one, final;

    begin();
    one = kind->one(&world, NULL, 0, result, &size);
    assert_ended();
    begin();
    final = kind->final(&world, result, &size); /* without an Update: the same */
    assert_ended();
    ck_assert_rv(one, final);
    ck_assert_int_eq(one == CKR_OK, rows[row].empty);
}
END_TEST

/* §5.2: questions for the size, and buffers that are too small, leave everything as it is. */
START_TEST(sizes)
{
    WORLD;

    if (kind->size == 0)
        return;
    begin();
    size = UNSET;
    ck_assert_rv(kind->one(&world, data, data_size, NULL, &size), CKR_OK);
    ck_assert_uint_eq(size, kind->size);
    size--;
    ck_assert_rv(kind->one(&world, data, data_size, result, &size), CKR_BUFFER_TOO_SMALL);
    ck_assert_uint_eq(size, kind->size);
    size = 0;
    ck_assert_rv(kind->one(&world, data, data_size, result, &size), CKR_BUFFER_TOO_SMALL);
    ck_assert_rv(kind->one(&world, data, data_size, result, &size), CKR_OK);
    ck_assert_uint_eq(size, kind->size);
    assert_ended();

    begin();
    ck_assert_rv(kind->update(world.session, data, data_size - 1), CKR_OK);
    size = UNSET;
    ck_assert_rv(kind->final(&world, NULL, &size), CKR_OK);
    ck_assert_uint_eq(size, kind->size);
    ck_assert_rv(kind->update(world.session, data + data_size - 1, 1), CKR_OK); /* it goes on */
    size--;
    ck_assert_rv(kind->final(&world, result, &size), CKR_BUFFER_TOO_SMALL);
    ck_assert_rv(kind->final(&world, result, &size), CKR_OK);
    ck_assert_uint_eq(size, kind->size);
    assert_ended();

    begin();
    ck_assert_rv(kind->one(&world, data, data_size, result, NULL), CKR_ARGUMENTS_BAD);
    assert_ended();
    begin();
    ck_assert_rv(kind->update(world.session, data, data_size), CKR_OK);
    ck_assert_rv(kind->final(&world, result, NULL), CKR_ARGUMENTS_BAD);
    assert_ended();
}
END_TEST

START_TEST(cancelling)
{
    const CK_FLAGS all = CKF_DIGEST | CKF_SIGN | CKF_VERIFY | CKF_ENCRYPT | CKF_DECRYPT | CKF_FIND_OBJECTS;
    WORLD;

    ck_assert_rv(kind->init(&world, NULL), CKR_ARGUMENTS_BAD); /* nothing to cancel */
    begin();
    ck_assert_rv(kind->init(&world, NULL), CKR_OK);
    assert_ended();
    begin();
    ck_assert_rv(kind->update(world.session, data, 1), CKR_OK);
    ck_assert_rv(kind->init(&world, NULL), CKR_OK);
    assert_ended();
    begin();
    ck_assert_rv(C_SessionCancel(world.session, all & ~kind->flag), CKR_OK); /* all others */
    ck_assert_rv(C_SessionCancel(world.session, 0), CKR_OK);
    ck_assert_rv(C_GetOperationState(world.session, NULL, &size), CKR_STATE_UNSAVEABLE);
    ck_assert_rv(C_SessionCancel(world.session, kind->flag), CKR_OK);
    assert_ended();
    ck_assert_rv(C_SessionCancel(world.session, all), CKR_OK);
    ck_assert_rv(C_SessionCancel(0, all), CKR_SESSION_HANDLE_INVALID);
}
END_TEST

START_TEST(wrong_keys_begin_nothing)
{
    WORLD;
    CK_OBJECT_HANDLE wrong = kind == &signing ? world.public_key : world.private_key;

    if (kind == &digesting)
        return;
    world.private_key = world.public_key = wrong;
    ck_assert_rv(kind->init(&world, &mechanism), CKR_KEY_FUNCTION_NOT_PERMITTED);
    assert_ended();
    world.private_key = world.public_key = 0;
    ck_assert_rv(kind->init(&world, &mechanism), CKR_KEY_HANDLE_INVALID);
    mechanism.mechanism = CKM_RSA_X_509; /* raw integers are not signed, and nothing is verified that could not be signed */
    ck_assert_rv(kind->init(&world, &mechanism), CKR_MECHANISM_INVALID);
    assert_ended();
}
END_TEST

/* Three kinds at once in one session, a search beside them. */
START_TEST(kinds_do_not_disturb_each_other)
{
    World world = make_world(5);
    CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0}, rsa = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_BYTE digest[32], expected[32], signature[256];
    CK_ULONG digest_size = 32, size = 256, found;
    CK_OBJECT_HANDLE objects[8];

    ck_assert_rv(C_DigestInit(world.session, &sha256), CKR_OK);
    ck_assert_rv(C_SignInit(world.session, &rsa, world.private_key), CKR_OK);
    ck_assert_rv(C_VerifyInit(world.session, &rsa, world.public_key), CKR_OK);
    ck_assert_rv(C_FindObjectsInit(world.session, NULL, 0), CKR_OK);
    for (size_t i = 0; i < sizeof(text); i++) {
        ck_assert_rv(C_DigestUpdate(world.session, text + i, 1), CKR_OK);
        ck_assert_rv(C_SignUpdate(world.session, text + i, 1), CKR_OK);
        ck_assert_rv(C_VerifyUpdate(world.session, text + i, 1), CKR_OK);
    }
    ck_assert_rv(C_FindObjects(world.session, objects, 8, &found), CKR_OK);
    ck_assert_rv(C_VerifyFinal(world.session, world.signature, 256), CKR_OK);
    ck_assert_rv(C_SignFinal(world.session, signature, &size), CKR_OK);
    ck_assert_mem_eq(signature, world.signature, 256);
    ck_assert_rv(C_DigestFinal(world.session, digest, &digest_size), CKR_OK);
    ck_assert_int_eq(EVP_Digest(text, sizeof(text), expected, NULL, EVP_sha256(), NULL), 1);
    ck_assert_mem_eq(digest, expected, 32);
    ck_assert_rv(C_FindObjectsFinal(world.session), CKR_OK);
}
END_TEST

/* §5.12.2: data and result may be in the same place. */
START_TEST(digests_in_place)
{
    CK_SESSION_HANDLE session = start(false);
    CK_BYTE place[64] = "in place", expected[32];
    CK_ULONG size = sizeof(place);

    ck_assert_int_eq(EVP_Digest(place, 8, expected, NULL, EVP_sha256(), NULL), 1);
    ck_assert_rv(C_DigestInit(session, RSA_MECHANISM(CKM_SHA256)), CKR_OK);
    ck_assert_rv(C_Digest(session, place, 8, place, &size), CKR_OK);
    ck_assert_mem_eq(place, expected, 32);
}
END_TEST

static World busy_world;

static void cancel_in_between(void)
{
    ck_assert_rv(C_SessionCancel(busy_world.session, CKF_SIGN), CKR_OPERATION_CANCEL_FAILED);
    ck_assert_rv(C_SessionCancel(busy_world.session, CKF_DIGEST), CKR_OK);
    ck_assert_rv(C_SignInit(busy_world.session, NULL, 0), CKR_OPERATION_CANCEL_FAILED);
}

/* A signature that the nodes are making already cannot be called back. */
START_TEST(what_is_under_way_is_not_cancelled)
{
    CK_BYTE signature[256];
    CK_ULONG size = 256;

    busy_world = make_world(1);
    fake.while_signing = cancel_in_between;
    ck_assert_rv(C_SignInit(busy_world.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), busy_world.private_key), CKR_OK);
    ck_assert_rv(C_Sign(busy_world.session, text, sizeof(text), signature, &size), CKR_OK);
}
END_TEST

START_TEST(states_are_not_saved)
{
    World world = make_world(1);
    CK_BYTE state[16] = {0};
    CK_ULONG size = UNSET;

    ck_assert_rv(C_GetOperationState(0, state, &size), CKR_SESSION_HANDLE_INVALID);
    ck_assert_rv(C_GetOperationState(world.session, state, NULL), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_GetOperationState(world.session, state, &size), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_FindObjectsInit(world.session, NULL, 0), CKR_OK); /* is no state of cryptography */
    ck_assert_rv(C_GetOperationState(world.session, state, &size), CKR_OPERATION_NOT_INITIALIZED);
    ck_assert_rv(C_SignInit(world.session, RSA_MECHANISM(CKM_SHA256_RSA_PKCS), world.private_key), CKR_OK);
    ck_assert_rv(C_GetOperationState(world.session, state, &size), CKR_STATE_UNSAVEABLE);
    ck_assert_uint_eq(size, UNSET);
    ck_assert_rv(C_SetOperationState(world.session, state, sizeof(state), 0, 0), CKR_SAVED_STATE_INVALID);
    ck_assert_rv(C_SetOperationState(world.session, NULL, 0, 0, 0), CKR_ARGUMENTS_BAD);
    ck_assert_rv(C_SetOperationState(0, state, sizeof(state), 0, 0), CKR_SESSION_HANDLE_INVALID);
}
END_TEST

/* Which functions there are not; of no mechanism that is offered the flags say that there are. */
START_TEST(what_there_is_not)
{
    static const CK_FLAGS missing =
        CKF_ENCRYPT | CKF_DECRYPT | CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER | CKF_GENERATE | CKF_WRAP | CKF_UNWRAP | CKF_DERIVE;
    World world = make_world(1);
    CK_SESSION_HANDLE s = world.session;
    CK_MECHANISM *rsa = RSA_MECHANISM(CKM_RSA_PKCS);
    CK_BYTE out[512];
    CK_ULONG size = sizeof(out), count = 32;
    CK_OBJECT_HANDLE key;
    CK_MECHANISM_TYPE types[32];
    CK_RV answers[] = {
        C_EncryptInit(s, rsa, world.public_key),
        C_Encrypt(s, text, 1, out, &size),
        C_EncryptUpdate(s, text, 1, out, &size),
        C_EncryptFinal(s, out, &size),
        C_DecryptInit(s, rsa, world.private_key),
        C_Decrypt(s, text, 1, out, &size),
        C_DecryptUpdate(s, text, 1, out, &size),
        C_DecryptFinal(s, out, &size),
        C_DigestKey(s, world.private_key),
        C_SignRecoverInit(s, rsa, world.private_key),
        C_SignRecover(s, text, 1, out, &size),
        C_VerifyRecoverInit(s, rsa, world.public_key),
        C_VerifyRecover(s, text, 1, out, &size),
        C_DigestEncryptUpdate(s, text, 1, out, &size),
        C_DecryptDigestUpdate(s, text, 1, out, &size),
        C_SignEncryptUpdate(s, text, 1, out, &size),
        C_DecryptVerifyUpdate(s, text, 1, out, &size),
        C_GenerateKey(s, rsa, NULL, 0, &key),
        C_WrapKey(s, rsa, world.public_key, world.private_key, out, &size),
        C_UnwrapKey(s, rsa, world.private_key, out, 256, NULL, 0, &key),
        C_DeriveKey(s, rsa, world.private_key, NULL, 0, &key),
        C_MessageEncryptInit(s, rsa, world.public_key),
        C_EncryptMessage(s, NULL, 0, NULL, 0, text, 1, out, &size),
        C_EncryptMessageBegin(s, NULL, 0, NULL, 0),
        C_EncryptMessageNext(s, NULL, 0, text, 1, out, &size, 0),
        C_MessageEncryptFinal(s),
        C_MessageDecryptInit(s, rsa, world.private_key),
        C_DecryptMessage(s, NULL, 0, NULL, 0, text, 1, out, &size),
        C_DecryptMessageBegin(s, NULL, 0, NULL, 0),
        C_DecryptMessageNext(s, NULL, 0, text, 1, out, &size, 0),
        C_MessageDecryptFinal(s),
        C_MessageSignInit(s, rsa, world.private_key),
        C_SignMessage(s, NULL, 0, text, 1, out, &size),
        C_SignMessageBegin(s, NULL, 0),
        C_SignMessageNext(s, NULL, 0, text, 1, out, &size),
        C_MessageSignFinal(s),
        C_MessageVerifyInit(s, rsa, world.public_key),
        C_VerifyMessage(s, NULL, 0, text, 1, out, size),
        C_VerifyMessageBegin(s, NULL, 0),
        C_VerifyMessageNext(s, NULL, 0, text, 1, out, size),
        C_MessageVerifyFinal(s),
        C_InitToken(0, PIN, 4, (CK_UTF8CHAR *)(uintptr_t) "0123456789abcdef0123456789abcdef"),
        C_InitPIN(s, PIN, 4),
    };

    for (size_t i = 0; i < ELEMENTS(answers); i++)
        ck_assert_msg(answers[i] == CKR_FUNCTION_NOT_SUPPORTED, "answer %zu: 0x%lx", i, answers[i]);
    ck_assert_rv(C_GetMechanismList(0, types, &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_MECHANISM_INFO about;

        ck_assert_rv(C_GetMechanismInfo(0, types[i], &about), CKR_OK);
        ck_assert_uint_eq(about.flags & missing, 0);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_unchecked_fixture(cases, make_key, NULL);
    tcase_add_checked_fixture(cases, reset, NULL);
    tcase_add_loop_test(cases, one_part, 0, ELEMENTS(rows));
    tcase_add_loop_test(cases, many_parts, 0, ELEMENTS(rows));
    tcase_add_loop_test(cases, parts_do_not_mix, 0, ELEMENTS(rows));
    tcase_add_loop_test(cases, no_data_at_all, 0, ELEMENTS(rows));
    tcase_add_loop_test(cases, sizes, 0, ELEMENTS(rows));
    tcase_add_loop_test(cases, cancelling, 0, ELEMENTS(rows));
    tcase_add_loop_test(cases, wrong_keys_begin_nothing, 0, ELEMENTS(rows));
    tcase_add_test(cases, kinds_do_not_disturb_each_other);
    tcase_add_test(cases, digests_in_place);
    tcase_add_test(cases, what_is_under_way_is_not_cancelled);
    tcase_add_test(cases, states_are_not_saved);
    tcase_add_test(cases, what_there_is_not);
}

UNIT_MAIN("pkcs11-states", add_tests)
