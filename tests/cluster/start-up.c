/*
 * start-up MODULE: a program that OpenSSL's configuration may have loaded the module into already, before main, that uses OpenSSL, and
 * that loads the module once more for itself. Ends with 0 if all goes well.
 */
#include <dlfcn.h>
#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>

static void must(int good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "start-up: %s\n", what);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    unsigned char digest[32];
    CK_RV (*get)(CK_FUNCTION_LIST **);
    CK_FUNCTION_LIST *functions;
    CK_ULONG slots = 0;
    void *library;
    CK_RV rv;

    must(EVP_Digest("abc", 3, digest, NULL, EVP_sha256(), NULL) == 1, "EVP_Digest");
    must(argc == 2 && (library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL)) != NULL, "dlopen");
    *(void **)&get = dlsym(library, "C_GetFunctionList");
    must(get && get(&functions) == CKR_OK, "C_GetFunctionList");
    rv = functions->C_Initialize(NULL);
    must(rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED, "C_Initialize");
    must(functions->C_GetSlotList(CK_TRUE, NULL, &slots) == CKR_OK && slots == 1, "C_GetSlotList");
    must(EVP_Digest("abc", 3, digest, NULL, EVP_sha512_256(), NULL) == 1, "EVP_Digest again");
    return EXIT_SUCCESS; /* all exit handlers, in libcrypto's order and the provider's */
}
