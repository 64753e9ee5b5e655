#include "ctl/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/address.h"
#include "base/crypto.h"
#include "base/evp.h"
#include "base/file.h"
#include "ctl/folder.h"
#include "ctl/recovery.h"
#include "wire/node-interface.h"
#include "wire/strict-json.h"

#define BACKUP_FORMAT  1
#define BACKUP_PURPOSE "keyquorum node backup v1"
#define PURPOSE_SIZE   (sizeof(BACKUP_PURPOSE) - 1)
#define SIGNATURE_SIZE 64
#define CONFIG_MAX     ((size_t)64 * 1024)
#define NESTING_MAX    3

static const Layout file_layout = {
    "file",
    sizeof(BackupFile),
    (const Field[]){
        {"name", FIELD_STRING, offsetof(BackupFile, name), 1, STATE_FILE_NAME_SIZE - 1},
        {"content", FIELD_BYTES, offsetof(BackupFile, content), 1, STATE_FILE_SIZE_MAX},
        {NULL},
    },
};

static const Layout backup_layout = {
    "backup",
    sizeof(Backup),
    (const Field[]){
        {.name = "format", .type = FIELD_CONSTANT, .min = BACKUP_FORMAT},
        {"name", FIELD_STRING, offsetof(Backup, name), 1, NODE_NAME_SIZE_MAX},
        {"version", FIELD_STRING, offsetof(Backup, version), 1, NODE_TEXT_SIZE_MAX},
        {"config", FIELD_STRING, offsetof(Backup, config), 1, CONFIG_MAX},
        {"listen", FIELD_STRING, offsetof(Backup, listen), 1, CONFIG_MAX, .optional = true},
        {"recovery", FIELD_BYTES, offsetof(Backup, recovery), 1, RECOVERY_SIZE_MAX},
        {"files", FIELD_LIST, offsetof(Backup, files), 1, STATE_COPY_FILES_MAX, &file_layout},
        {"checksum", FIELD_BYTES, offsetof(Backup, checksum), SHA256_SIZE, SHA256_SIZE},
        {"signature", FIELD_BYTES, offsetof(Backup, signature), SIGNATURE_SIZE, SIGNATURE_SIZE},
        {NULL},
    },
};

void backup_clear(Backup *backup)
{
    message_clear(&backup_layout, backup);
}

/* ---- Checksum ---- */

typedef struct Hashing {
    Bytes *parts;
    uint8_t (*sizes)[8];
    size_t n;
} Hashing;

static void hashing_clear(Hashing *hashing)
{
    free(hashing->parts);
    free(hashing->sizes);
}

static void add_value(Hashing *hashing, const void *data, size_t size)
{
    uint8_t *text = hashing->sizes[hashing->n / 2];
    Writer writer = writer_of(text, 8);

    write_u64(&writer, size);
    hashing->parts[hashing->n++] = (Bytes){text, 8};
    hashing->parts[hashing->n++] = (Bytes){(uint8_t *)(uintptr_t)data, size};
}

static void add_text(Hashing *hashing, const char *text)
{
    add_value(hashing, text, text ? strlen(text) : 0);
}

static int checksum(const Backup *backup, uint8_t ret_checksum[SHA256_SIZE])
{
    const BackupFile *files = backup->files.items;
    size_t n_values = 6 + 2 * backup->files.count;
    _cleanup_(hashing_clear)
        Hashing hashing = {.parts = calloc(2 * n_values, sizeof(Bytes)), .sizes = calloc(n_values, sizeof(hashing.sizes[0]))};

    if (!hashing.parts || !hashing.sizes)
        return -ENOMEM;
    add_text(&hashing, BACKUP_PURPOSE);
    add_text(&hashing, backup->name);
    add_text(&hashing, backup->version);
    add_text(&hashing, backup->config);
    add_text(&hashing, backup->listen);
    add_value(&hashing, backup->recovery.data, backup->recovery.size);
    for (size_t i = 0; i < backup->files.count; i++) {
        add_text(&hashing, files[i].name);
        add_value(&hashing, files[i].content.data, files[i].content.size);
    }
    return crypto_sha256(hashing.parts, hashing.n, ret_checksum);
}

/* ---- Signature (RFC 8032) ---- */

static void statement(const Backup *backup, uint8_t ret_statement[PURPOSE_SIZE + SHA256_SIZE])
{
    memcpy(ret_statement, BACKUP_PURPOSE, PURPOSE_SIZE);
    memcpy(ret_statement + PURPOSE_SIZE, backup->checksum.data, SHA256_SIZE);
}

static int sign_statement(const Secret *identity, const uint8_t statement[PURPOSE_SIZE + SHA256_SIZE],
                          uint8_t ret_signature[SIGNATURE_SIZE])
{
    int r = crypto_secure_heap();

    if (r < 0)
        return r;

    _cleanup_pkey_ EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key_ex(crypto_context(), "ED25519", NULL, secret_bytes(identity), secret_size(identity));
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t size = SIGNATURE_SIZE;

    return key && ctx && EVP_DigestSignInit_ex(ctx, NULL, NULL, crypto_context(), NULL, key, NULL) == 1 &&
                   EVP_DigestSign(ctx, ret_signature, &size, statement, PURPOSE_SIZE + SHA256_SIZE) == 1 && size == SIGNATURE_SIZE
               ? 0
               : -EIO;
}

int backup_sign(Backup *backup, const Secret *identity)
{
    uint8_t digest[SHA256_SIZE], words[PURPOSE_SIZE + SHA256_SIZE], signature[SIGNATURE_SIZE];
    int r = checksum(backup, digest);

    bytes_clear(&backup->checksum);
    bytes_clear(&backup->signature);
    if (r == 0)
        r = bytes_copy(digest, sizeof(digest), &backup->checksum);
    if (r < 0)
        return r;
    statement(backup, words);
    r = sign_statement(identity, words, signature);
    return r < 0 ? r : bytes_copy(signature, sizeof(signature), &backup->signature);
}

int backup_verify(const Backup *backup, const uint8_t identity[32], Problem *problem)
{
    uint8_t words[PURPOSE_SIZE + SHA256_SIZE];
    _cleanup_pkey_ EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(crypto_context(), "ED25519", NULL, identity, 32);
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    statement(backup, words);
    if (key && ctx && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, crypto_context(), NULL, key, NULL) == 1 &&
        EVP_DigestVerify(ctx, backup->signature.data, backup->signature.size, words, sizeof(words)) == 1)
        return 0;
    return problem_set(problem, -EKEYREJECTED,
                       "the backup was not signed by node %s: somebody changed it after it was made; nothing of it can be trusted",
                       backup->name);
}

/* ---- The file ---- */

int backup_write(const char *path, const Backup *backup, Problem *problem)
{
    _cleanup_json_ json_object *object = NULL;
    const char *name;
    _cleanup_close_ int directory = folder_above(path, &name);
    int r = directory < 0 ? directory : message_build(&backup_layout, backup, &object);
    const char *text = r == 0 ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;

    if (r == 0)
        r = text ? file_create(directory, name, text, strlen(text), 0600) : -ENOMEM;
    if (r == -EEXIST)
        return problem_set(problem, r, "%s exists already: name a file that does not", path);
    return r < 0 ? problem_set(problem, r, "the backup %s cannot be written: %s", path, strerror(-r)) : 0;
}

static int parse(const char *path, Backup *ret_backup, Problem *problem)
{
    _cleanup_bytes_ Bytes file = {0};
    _cleanup_json_ json_object *object = NULL;
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    int r = file_read(AT_FDCWD, path, BACKUP_SIZE_MAX, &file);

    if (r < 0)
        return problem_set(problem, r, "the backup %s cannot be read: %s", path, strerror(-r));
    r = strict_json_parse((const char *)file.data, file.size, NESTING_MAX, &object);
    if (r == 0)
        r = message_parse(&backup_layout, object, ret_backup, field);
    if (r == MESSAGE_E_INVALID_FIELD)
        return problem_set(problem, -EBADMSG, "%s is no backup of a node that this version can read: its field '%s'", path, field);
    return r < 0 ? problem_set(problem, r, "%s is no backup of a node, or damaged: %s", path, strerror(-r)) : 0;
}

static int check_files(const Backup *backup, Problem *problem)
{
    const BackupFile *files = backup->files.items;

    for (size_t i = 0; i < backup->files.count; i++) {
        KeyId id;
        int r =
            i > 0 && strcmp(files[i - 1].name, files[i].name) >= 0
                ? problem_set(problem, -EBADMSG, "it is not in its place")
                : (state_file_kind(files[i].name, &id) == STATE_TOMBSTONE ? 0
                                                                          : state_file_check(files[i].name, &files[i].content, problem));

        if (r < 0)
            return problem_prefix(problem, -EBADMSG, "%s", files[i].name);
    }
    return backup_find(backup, STATE_FORMAT) ? 0 : problem_set(problem, -EBADMSG, "the file '" STATE_FORMAT "' is missing");
}

/* It goes into a unit file, in which other lines would be commands that root runs. */
static int check_listen(const Backup *backup, Problem *problem)
{
    struct sockaddr_storage address;
    socklen_t size;

    if (!backup->listen || address_parse_tls(backup->listen, &address, &size, problem) == 0)
        return 0;
    return problem_prefix(problem, -EBADMSG, "where the gate listens");
}

static int check(const Backup *backup, Problem *problem)
{
    uint8_t digest[SHA256_SIZE];
    int r = checksum(backup, digest);

    if (r < 0)
        return problem_set(problem, r, "%s", strerror(-r));
    if (memcmp(digest, backup->checksum.data, sizeof(digest)) != 0)
        return problem_set(problem, -EBADMSG, "its checksum does not match: it is damaged");
    r = check_listen(backup, problem);
    return r < 0 ? r : check_files(backup, problem);
}

int backup_read(const char *path, Backup *ret_backup, Problem *problem)
{
    _cleanup_backup_ Backup backup = {0};
    int r = parse(path, &backup, problem);

    if (r < 0)
        return r;
    r = check(&backup, problem);
    if (r < 0)
        return problem_prefix(problem, r, "the backup %s", path);
    *ret_backup = backup;
    backup = (Backup){0};
    return 0;
}

static int compare_name(const void *name, const void *file)
{
    return strcmp(name, ((const BackupFile *)file)->name);
}

const BackupFile *backup_find(const Backup *backup, const char *name)
{
    return backup->files.count > 0 ? bsearch(name, backup->files.items, backup->files.count, sizeof(BackupFile), compare_name) : NULL;
}
