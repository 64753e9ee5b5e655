/* What tests of the PKCS#11 module write again and again. */
#pragma once

#include <string.h>

#include "fake-quorum.h"
#include "pkcs11-assert.h"
#include "pkcs11/cryptoki.h"
#include "unit.h"

#define PIN                  ((CK_UTF8CHAR *)(uintptr_t) "1234")
#define RSA_MECHANISM(type_) (&(CK_MECHANISM){.mechanism = (type_)})

static inline CK_SESSION_HANDLE open_session(CK_FLAGS flags)
{
    CK_SESSION_HANDLE session = 0;

    ck_assert_rv(C_OpenSession(0, CKF_SERIAL_SESSION | flags, NULL, NULL, &session), CKR_OK);
    ck_assert_uint_ne(session, 0);
    return session;
}

/* Initialized, with a session; `logged_in` too. */
static inline CK_SESSION_HANDLE start(bool logged_in)
{
    CK_SESSION_HANDLE session;

    ck_assert_rv(C_Initialize(NULL), CKR_OK);
    session = open_session(CKF_RW_SESSION);
    if (logged_in)
        ck_assert_rv(C_Login(session, CKU_USER, PIN, 4), CKR_OK);
    return session;
}

/* Profile objects are always there. */
static inline bool is_profile(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    CK_OBJECT_CLASS class = CK_UNAVAILABLE_INFORMATION;

    (void)C_GetAttributeValue(session, object, &(CK_ATTRIBUTE){CKA_CLASS, &class, sizeof(class)}, 1); /* another thread may destroy it */
    return class == CKO_PROFILE;
}

/* All that match, but of profile objects only those that are asked for by class; returns how many. */
static inline CK_ULONG find(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG count, CK_OBJECT_HANDLE found[16])
{
    bool by_class = count > 0 && attributes[0].type == CKA_CLASS;
    CK_OBJECT_HANDLE all[32];
    CK_ULONG n = 0, kept = 0;

    ck_assert_rv(C_FindObjectsInit(session, attributes, count), CKR_OK);
    ck_assert_rv(C_FindObjects(session, all, 32, &n), CKR_OK);
    ck_assert_rv(C_FindObjectsFinal(session), CKR_OK);
    for (CK_ULONG i = 0; i < n && kept < 16; i++)
        if (by_class || !is_profile(session, all[i]))
            found[kept++] = all[i];
    return kept;
}

/* The only object of a class. */
static inline CK_OBJECT_HANDLE find_one(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class)
{
    CK_ATTRIBUTE attributes[] = {A_ULONG(CKA_CLASS, class)};
    CK_OBJECT_HANDLE found[16];

    ck_assert_uint_eq(find(session, attributes, 1, found), 1);
    ck_assert_uint_ne(found[0], 0);
    return found[0];
}

static inline void reset(void)
{
    fake_reset();
}

/* Once for all tests of a process. */
static inline void make_key(void)
{
    (void)fake_key();
}

/* ---- Attributes ---- */

static inline CK_RV get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG *size)
{
    CK_ATTRIBUTE attribute = {type, value, *size};
    CK_RV rv = C_GetAttributeValue(session, object, &attribute, 1);

    *size = attribute.ulValueLen;
    return rv;
}

static inline void assert_bytes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, const void *wanted,
                                CK_ULONG size)
{
    CK_BYTE value[1024];
    CK_ULONG found = sizeof(value);

    ck_assert_rv(get(session, object, type, value, &found), CKR_OK);
    ck_assert_uint_eq(found, size);
    ck_assert_mem_eq(value, wanted, size);
}

#define assert_ulong(session, object, type, wanted) assert_bytes(session, object, type, &(CK_ULONG){wanted}, sizeof(CK_ULONG))
#define assert_bool(session, object, type, wanted)  assert_bytes(session, object, type, &(CK_BBOOL){wanted}, sizeof(CK_BBOOL))
#define assert_text(session, object, type, wanted)  assert_bytes(session, object, type, wanted, sizeof(wanted) - 1)
