#include "ctl/file-digest.h"

#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"

static int digest_stream(FILE *file, HashAlgorithm hash, Digest *ret_digest)
{
    _cleanup_md_ EVP_MD *md = EVP_MD_fetch(crypto_context(), hash_name(hash), NULL);
    _cleanup_md_ctx_ EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t buffer[16 * 1024], digest[EVP_MAX_MD_SIZE];
    unsigned size;
    size_t got;

    if (!md || !context || EVP_DigestInit_ex2(context, md, NULL) != 1)
        return -EIO;
    while ((got = fread(buffer, 1, sizeof(buffer), file)) > 0)
        if (EVP_DigestUpdate(context, buffer, got) != 1)
            return -EIO;
    if (ferror(file))
        return errno ? -errno : -EIO;
    if (EVP_DigestFinal_ex(context, digest, &size) != 1)
        return -EIO;
    return digest_set(hash, digest, size, ret_digest);
}

int file_digest(const Call *call, const char *path, Digest *ret_digest, Problem *problem)
{
    const char *name = call->options[OPTION_HASH] ? call->options[OPTION_HASH] : "sha256";
    HashAlgorithm hash = hash_from_name(name);
    bool is_stdin = strcmp(path, "-") == 0;
    int r;

    if (hash == HASH_INVALID)
        return problem_set(problem, CTL_E_USAGE, "--hash '%s' is not known: sha256, sha384, sha512 and sha1 are", name);

    _cleanup_fclose_ FILE *opened = is_stdin ? NULL : fopen(path, "re");

    if (!is_stdin && !opened)
        return problem_set(problem, -errno, "%s cannot be opened: %s", path, strerror(errno));
    errno = 0;
    r = digest_stream(is_stdin ? stdin : opened, hash, ret_digest);
    return r < 0 ? problem_set(problem, r, "%s cannot be read: %s", path, strerror(-r)) : 0;
}
