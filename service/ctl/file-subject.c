#include "ctl/file-subject.h"

#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"
#include "threshold/frost.h"

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

static int read_digest(const Call *call, FILE *file, const char *path, FileSubject *subject, Problem *problem)
{
    const char *name = call->options[OPTION_HASH] ? call->options[OPTION_HASH] : "sha256";
    HashAlgorithm hash = hash_from_name(name);
    int r;

    if (hash == HASH_INVALID)
        return problem_set(problem, CTL_E_USAGE, "--hash '%s' is not known: sha256, sha384, sha512 and sha1 are", name);
    r = digest_stream(file, hash, &subject->digest);
    return r < 0 ? problem_set(problem, r, "%s cannot be read: %s", path, strerror(-r)) : 0;
}

static int read_message(const Call *call, FILE *file, const char *path, FileSubject *subject, Problem *problem)
{
    if (call->options[OPTION_HASH])
        return problem_set(problem, CTL_E_USAGE, "--hash is for RSA keys: an Ed25519 key signs the file itself");
    if (bytes_new(FROST_MESSAGE_SIZE_MAX + 1, &subject->message) < 0)
        return problem_set(problem, -ENOMEM, "out of memory");
    subject->is_message = true;
    subject->message.size = fread(subject->message.data, 1, FROST_MESSAGE_SIZE_MAX + 1, file);
    if (ferror(file))
        return problem_set(problem, -EIO, "%s cannot be read: %s", path, strerror(errno ? errno : EIO));
    if (subject->message.size > FROST_MESSAGE_SIZE_MAX)
        return problem_set(problem, -EFBIG, "%s has more than the %d bytes that an Ed25519 key signs: sign a file with a digest of it",
                           path, FROST_MESSAGE_SIZE_MAX);
    return 0;
}

int file_subject_read(const Call *call, const char *path, const QuorumKey *key, FileSubject *ret_subject, Problem *problem)
{
    bool dealt = threshold_scheme_has_dealer(threshold_key_scheme(quorum_key_threshold(key)));
    bool is_stdin = strcmp(path, "-") == 0;
    _cleanup_fclose_ FILE *opened = is_stdin ? NULL : fopen(path, "re");

    if (!is_stdin && !opened)
        return problem_set(problem, -errno, "%s cannot be opened: %s", path, strerror(errno));
    errno = 0;
    return (dealt ? read_digest : read_message)(call, is_stdin ? stdin : opened, path, ret_subject, problem);
}

void file_subject_clear(FileSubject *subject)
{
    bytes_clear(&subject->message);
}
