/*
 * An application of a PKCS#11 module that a script drives: pkcs11-signer MODULE. Each line of its standard input is a call, each line of
 * its standard output what came of it, "RV MILLISECONDS" and the result:
 *   login PIN            C_Login
 *   find LABEL           private keys with that label: their number
 *   sign LABEL MESSAGE   CKM_SHA256_RSA_PKCS: the signature in hexadecimal
 *   generate LABEL       C_GenerateKeyPair, RSA-2048
 *   remember LABEL       the handle of the private key with that label, for:
 *   eddsa MESSAGE        CKM_EDDSA with that handle: the signature in hexadecimal
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define SIGNATURE_SIZE_MAX 512

static CK_FUNCTION_LIST *module;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE remembered;

static CK_RV find(char *label, CK_OBJECT_HANDLE ret_keys[2], CK_ULONG *ret_count)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, label, strlen(label)}};
    CK_RV rv = module->C_FindObjectsInit(session, template, ELEMENTS(template));

    if (rv != CKR_OK)
        return rv;
    rv = module->C_FindObjects(session, ret_keys, 2, ret_count);
    (void)module->C_FindObjectsFinal(session);
    return rv;
}

static CK_RV call_login(char *pin, char *unused, char *ret_result)
{
    return module->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin));
}

static CK_RV call_find(char *label, char *unused, char *ret_result)
{
    CK_OBJECT_HANDLE keys[2];
    CK_ULONG count;
    CK_RV rv = find(label, keys, &count);

    if (rv == CKR_OK)
        (void)sprintf(ret_result, "%lu", count);
    return rv;
}

static CK_RV find_one(char *label, CK_OBJECT_HANDLE *ret_key)
{
    CK_ULONG count;
    CK_OBJECT_HANDLE keys[2];
    CK_RV rv = find(label, keys, &count);

    if (rv == CKR_OK && count != 1)
        return CKR_KEY_HANDLE_INVALID;
    *ret_key = keys[0];
    return rv;
}

static CK_RV sign(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, char *message, char *ret_result)
{
    CK_BYTE signature[SIGNATURE_SIZE_MAX];
    CK_ULONG size = sizeof(signature);
    CK_RV rv = module->C_SignInit(session, &(CK_MECHANISM){.mechanism = mechanism}, key);

    if (rv == CKR_OK)
        rv = module->C_Sign(session, (CK_BYTE *)message, strlen(message), signature, &size);
    for (CK_ULONG i = 0; rv == CKR_OK && i < size; i++)
        (void)sprintf(ret_result + 2 * i, "%02x", signature[i]);
    return rv;
}

static CK_RV call_sign(char *label, char *message, char *ret_result)
{
    CK_OBJECT_HANDLE key;
    CK_RV rv = find_one(label, &key);

    return rv == CKR_OK ? sign(CKM_SHA256_RSA_PKCS, key, message, ret_result) : rv;
}

static CK_RV call_remember(char *label, char *unused, char *ret_result)
{
    return find_one(label, &remembered);
}

static CK_RV call_eddsa(char *message, char *unused, char *ret_result)
{
    return sign(CKM_EDDSA, remembered, message, ret_result);
}

static CK_RV call_generate(char *label, char *unused, char *ret_result)
{
    CK_ULONG bits = 2048;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE public[] = {{CKA_MODULUS_BITS, &bits, sizeof(bits)}, {CKA_TOKEN, &yes, sizeof(yes)}, {CKA_LABEL, label, strlen(label)}};
    CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_LABEL, label, strlen(label)}};
    CK_OBJECT_HANDLE public_key, private_key;

    return module->C_GenerateKeyPair(session, &(CK_MECHANISM){.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN}, public, ELEMENTS(public), private,
                                     ELEMENTS(private), &public_key, &private_key);
}

static const struct {
    const char *name;
    CK_RV (*call)(char *argument, char *second_argument, char *ret_result);
} calls[] = {
    {"login", call_login},       {"find", call_find},         {"sign", call_sign},
    {"generate", call_generate}, {"remember", call_remember}, {"eddsa", call_eddsa},
};

static void answer(char *line)
{
    char nothing[] = "", result[2 * SIGNATURE_SIZE_MAX + 1] = "", *place = NULL;
    char *name = strtok_r(line, " \n", &place), *argument = strtok_r(NULL, " \n", &place), *second = strtok_r(NULL, " \n", &place);

    for (size_t i = 0; name && i < ELEMENTS(calls); i++) {
        if (strcmp(name, calls[i].name) != 0)
            continue;

        Microseconds start = clock_now();
        CK_RV rv = calls[i].call(argument ? argument : nothing, second ? second : nothing, result);

        (void)printf("0x%lx %.3f %s\n", rv, (double)(clock_now() - start) / (double)MICROSECONDS_PER_MILLISECOND, result);
    }
    (void)fflush(stdout);
}

static CK_RV start(void)
{
    CK_SLOT_ID slot;
    CK_ULONG count = 1;
    CK_RV rv = module->C_Initialize(NULL);

    if (rv == CKR_OK)
        rv = module->C_GetSlotList(CK_FALSE, &slot, &count);
    if (rv == CKR_OK)
        rv = module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
    return rv;
}

int main(int argc, char **argv)
{
    void *library = dlopen(argc == 2 ? argv[1] : "", RTLD_NOW);
    CK_RV (*get_list)(CK_FUNCTION_LIST **) = library ? (CK_RV(*)(CK_FUNCTION_LIST **))dlsym(library, "C_GetFunctionList") : NULL;
    char line[1024];

    if (!get_list || get_list(&module) != CKR_OK) {
        (void)fprintf(stderr, "usage: pkcs11-signer MODULE: %s\n", dlerror());
        return 2;
    }

    CK_RV rv = start();

    if (rv != CKR_OK)
        (void)fprintf(stderr, "pkcs11-signer: cannot start: 0x%lx\n", rv);
    while (rv == CKR_OK && fgets(line, sizeof(line), stdin))
        answer(line);
    return rv == CKR_OK && module->C_Finalize(NULL) == CKR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
