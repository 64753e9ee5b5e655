/*
 * Ten thousand signatures must not leave anything behind: the heap in use after the first thousand and after all of them is
 * compared. Runs inside tests/with-quorum: test-growth [SIGNATURES]
 */
#include <dlfcn.h>
#include <malloc.h>
#include <p11-kit/pkcs11.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define WARM_UP    1000
#define GROWTH_MAX (64 * 1024) /* bytes: what pools and averages may differ by */

static CK_FUNCTION_LIST *module;

static void must(CK_RV rv, const char *what)
{
    if (rv == CKR_OK)
        return;
    (void)printf("Bail out! %s: 0x%lx\n", what, rv);
    exit(EXIT_FAILURE);
}

static CK_OBJECT_HANDLE generate(CK_SESSION_HANDLE session)
{
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = 2048;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE public_template[] = {{CKA_MODULUS_BITS, &bits, sizeof(bits)}, {CKA_TOKEN, &yes, sizeof(yes)}};
    CK_ATTRIBUTE private_template[] = {{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_SIGN, &yes, sizeof(yes)}};
    CK_OBJECT_HANDLE public_key, private_key;

    must(module->C_GenerateKeyPair(session, &mechanism, public_template, ELEMENTS(public_template), private_template,
                                   ELEMENTS(private_template), &public_key, &private_key),
         "C_GenerateKeyPair");
    return private_key;
}

static void sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, uint32_t count)
{
    CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_BYTE signature[256];

    for (uint32_t i = 0; i < count; i++) {
        CK_ULONG size = sizeof(signature);

        must(module->C_SignInit(session, &mechanism, key), "C_SignInit");
        must(module->C_Sign(session, (CK_BYTE *)&i, sizeof(i), signature, &size), "C_Sign");
    }
}

int main(int argc, char **argv)
{
    uint32_t signatures = argc > 1 ? (uint32_t)atoi(argv[1]) : 10000;
    void *library = dlopen(getenv("PKCS11_MODULE"), RTLD_NOW);
    CK_RV (*get_list)(CK_FUNCTION_LIST **) = library ? (CK_RV(*)(CK_FUNCTION_LIST **))dlsym(library, "C_GetFunctionList") : NULL;
    const char *pin = getenv("PKCS11_PIN");
    CK_SESSION_HANDLE session;
    CK_SLOT_ID slot;
    CK_ULONG n_slots = 1;

    must(get_list && pin ? get_list(&module) : CKR_GENERAL_ERROR, "the module, inside tests/with-quorum");
    must(module->C_Initialize(NULL), "C_Initialize");
    must(module->C_GetSlotList(CK_TRUE, &slot, &n_slots), "C_GetSlotList");
    must(module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), "C_OpenSession");
    must(module->C_Login(session, CKU_USER, (CK_BYTE *)pin, strlen(pin)), "C_Login");

    CK_OBJECT_HANDLE key = generate(session);

    sign(session, key, WARM_UP);

    size_t before = mallinfo2().uordblks;

    sign(session, key, signatures);

    size_t after = mallinfo2().uordblks;

    must(module->C_Finalize(NULL), "C_Finalize");
    (void)printf("# heap in use: %zu bytes after %u signatures, %zu after %u\n", before, WARM_UP, after, WARM_UP + signatures);
    (void)printf("%s 1 - the heap does not grow with signatures\n1..1\n", after <= before + GROWTH_MAX ? "ok" : "not ok");
    return after <= before + GROWTH_MAX ? EXIT_SUCCESS : EXIT_FAILURE;
}
