/*
 * open-share SHARE-FILE SEALING-KEY-FILE: opens a sealed share as the loader does and prints it in hexadecimal, so that a test knows what
 * must be found nowhere. Root of a node's host can always do this; that is what the sealing key's protector is for.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/file.h"
#include "share/sealed.h"

static void must(int r, const char *what)
{
    if (r == 0)
        return;
    (void)fprintf(stderr, "open-share: %s: %d\n", what, r);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    _cleanup_sealed_share_ SealedShare sealed = {0};
    _cleanup_secret_ Secret *key = NULL, *share = NULL;
    _cleanup_bytes_ Bytes encoded = {0};
    Problem problem = PROBLEM_INIT;

    if (argc != 3) {
        (void)fprintf(stderr, "usage: open-share SHARE-FILE SEALING-KEY-FILE\n");
        return 2;
    }
    must(file_read(AT_FDCWD, argv[1], SEALED_SHARE_SIZE_MAX, &encoded), "the share's file");
    must(file_read_secret(AT_FDCWD, argv[2], HPKE_PRIVATE_KEY_SIZE, &key), "the sealing key");
    must(sealed_share_decode(&encoded, &sealed, &problem), problem.text);
    must(sealed_share_open(&sealed, key, &share), "opening");
    for (size_t i = 0; i < secret_size(share); i++)
        (void)printf("%02x", secret_bytes(share)[i]);
    (void)printf("\n");
    return EXIT_SUCCESS;
}
