#include "ctl/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "ctl/recovery-key.h"
#include "wire/message.h"
#include "wire/node-interface.h"
#include "wire/strict-json.h"
#include "wire/tls.h"

#define RECOVERY_FORMAT 1
#define RECOVERY_INFO   "keyquorum recovery v1"
#define N_KEYS          3
#define FINGERPRINT     16 /* digits of a public key that are shown */

typedef struct Recovery {
    char *name;
    Bytes recovery_key, sealing_key, identity_key, tls_pin;
    Bytes sealed;
} Recovery;

static const Layout recovery_layout = {
    "recovery",
    sizeof(Recovery),
    (const Field[]){
        {.name = "format", .type = FIELD_CONSTANT, .min = RECOVERY_FORMAT},
        {"name", FIELD_STRING, offsetof(Recovery, name), 1, NODE_NAME_SIZE_MAX},
        {"recoveryKey", FIELD_BYTES, offsetof(Recovery, recovery_key), RECOVERY_KEY_SIZE, RECOVERY_KEY_SIZE},
        {"sealingKey", FIELD_BYTES, offsetof(Recovery, sealing_key), HPKE_PUBLIC_KEY_SIZE, HPKE_PUBLIC_KEY_SIZE},
        {"identityKey", FIELD_BYTES, offsetof(Recovery, identity_key), NODE_PUBLIC_KEY_SIZE, NODE_PUBLIC_KEY_SIZE},
        {"tlsPin", FIELD_BYTES, offsetof(Recovery, tls_pin), TLS_PIN_SIZE, TLS_PIN_SIZE},
        {"sealed", FIELD_BYTES, offsetof(Recovery, sealed), HPKE_OVERHEAD + 1, RECOVERY_SIZE_MAX / 2},
        {NULL},
    },
};

static void recovery_clear(Recovery *recovery)
{
    message_clear(&recovery_layout, recovery);
}

#define _cleanup_recovery_ _cleanup_(recovery_clear)

/* ---- Public halves ---- */

int recovery_public_keys(const NodeKeys *keys, PublicKeys *ret_public, Problem *problem)
{
    _cleanup_(card_clear) NodeCard card = {0};
    int r = node_keys_card(keys, "", "", &card, problem);

    if (r < 0)
        return r;
    memcpy(ret_public->sealing, card.sealing_key, sizeof(card.sealing_key));
    memcpy(ret_public->identity, card.identity_key, sizeof(card.identity_key));
    memcpy(ret_public->tls_pin, card.tls_pin, sizeof(card.tls_pin));
    return 0;
}

/* ---- What is inside ---- */

/* Both directions need them in one order. */
static void list_keys(NodeKeys *keys, Secret **ret_list[N_KEYS])
{
    ret_list[0] = &keys->sealing;
    ret_list[1] = &keys->identity;
    ret_list[2] = &keys->tls;
}

static int pack(const NodeKeys *keys, Secret **ret_plain)
{
    const Secret *const list[N_KEYS] = {keys->sealing, keys->identity, keys->tls};
    _cleanup_secret_ Secret *plain = NULL;
    size_t size = 0;

    for (size_t i = 0; i < N_KEYS; i++)
        size += 2 + secret_size(list[i]);

    int r = secret_new(size, &plain);

    if (r < 0)
        return r;

    Writer writer = writer_of(secret_data(plain), size);

    for (size_t i = 0; i < N_KEYS; i++) {
        write_u16(&writer, (uint16_t)secret_size(list[i]));
        write_bytes(&writer, secret_bytes(list[i]), secret_size(list[i]));
    }
    r = writer_finish(&writer, NULL);
    if (r == 0)
        *ret_plain = TAKE_PTR(plain);
    return r;
}

static int unpack(const Secret *plain, NodeKeys *ret_keys)
{
    _cleanup_node_keys_ NodeKeys keys = {0};
    Reader reader = reader_of(secret_bytes(plain), secret_size(plain));
    Secret **list[N_KEYS];
    int r = 0;

    list_keys(&keys, list);
    for (size_t i = 0; r == 0 && i < N_KEYS; i++) {
        size_t size = (size_t)read_u8(&reader) << 8;

        size |= read_u8(&reader);

        const uint8_t *bytes = read_bytes(&reader, size);

        r = bytes ? secret_new_copy(bytes, size, list[i]) : -EBADMSG;
    }
    if (r == 0)
        r = reader_finish(&reader);
    if (r == 0) {
        *ret_keys = keys;
        keys = (NodeKeys){0};
    }
    return r;
}

static int associated_data(const Recovery *recovery, Bytes *ret_data)
{
    const Bytes *const values[] = {&recovery->recovery_key, &recovery->sealing_key, &recovery->identity_key, &recovery->tls_pin};
    size_t name_size = strlen(recovery->name);
    int r = bytes_new(1 + name_size + ELEMENTS(values) * 32, ret_data);

    if (r < 0)
        return r;

    Writer writer = writer_of(ret_data->data, ret_data->size);

    write_u8(&writer, (uint8_t)name_size);
    write_bytes(&writer, recovery->name, name_size);
    for (size_t i = 0; i < ELEMENTS(values); i++)
        write_bytes(&writer, values[i]->data, values[i]->size);
    return writer_finish(&writer, NULL);
}

/* ---- Wrapping ---- */

static int write_down(const char *directory_path, const Recovery *recovery)
{
    _cleanup_close_ int directory = open(directory_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_json_ json_object *object = NULL;
    int r = directory < 0 ? -errno : message_build(&recovery_layout, recovery, &object);

    if (r < 0)
        return r;

    const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

    return text ? file_replace(directory, RECOVERY_FILE, text, strlen(text), 0644) : -ENOMEM;
}

static int seal(Recovery *recovery, const NodeKeys *keys)
{
    _cleanup_bytes_ Bytes data = {0};
    _cleanup_secret_ Secret *plain = NULL;
    int r = associated_data(recovery, &data);

    if (r == 0)
        r = pack(keys, &plain);
    if (r == 0)
        r = hpke_seal(recovery->recovery_key.data, RECOVERY_INFO, &data, plain, &recovery->sealed);
    return r;
}

/* The borrowed fields are not released here. */
static int wrap(const char *directory_path, const char *name, uint8_t recovery_public[RECOVERY_KEY_SIZE], const NodeKeys *keys,
                Problem *problem)
{
    PublicKeys public;
    int r = recovery_public_keys(keys, &public, problem);

    if (r < 0)
        return r;

    Recovery recovery = {.name = (char *)(uintptr_t)name,
                         .recovery_key = {recovery_public, RECOVERY_KEY_SIZE},
                         .sealing_key = {public.sealing, sizeof(public.sealing)},
                         .identity_key = {public.identity, sizeof(public.identity)},
                         .tls_pin = {public.tls_pin, sizeof(public.tls_pin)}};

    r = seal(&recovery, keys);
    if (r == 0)
        r = write_down(directory_path, &recovery);
    bytes_clear(&recovery.sealed);
    return r < 0 ? problem_set(problem, r, "%s/" RECOVERY_FILE " cannot be written: %s", directory_path, strerror(-r)) : 0;
}

/* ---- Reading ---- */

static int parse(const Bytes *file, Recovery *ret_recovery, Problem *problem)
{
    _cleanup_json_ json_object *object = NULL;
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    int r = strict_json_parse((const char *)file->data, file->size, 1, &object);

    if (r == 0)
        r = message_parse(&recovery_layout, object, ret_recovery, field);
    if (r == MESSAGE_E_INVALID_FIELD)
        return problem_set(problem, -EBADMSG, RECOVERY_FILE " is not of a format that this version knows: its field '%s'", field);
    return r < 0 ? problem_set(problem, r, RECOVERY_FILE " is damaged: %s", strerror(-r)) : 0;
}

int recovery_read(const char *directory_path, Bytes *ret_file, Problem *problem)
{
    _cleanup_close_ int directory = open(directory_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_bytes_ Bytes file = {0};
    _cleanup_recovery_ Recovery recovery = {0};
    int r = directory < 0 ? -errno : file_read(directory, RECOVERY_FILE, RECOVERY_SIZE_MAX, &file);

    if (r < 0)
        return problem_set(problem, r, "%s/" RECOVERY_FILE " cannot be read: %s", directory_path, strerror(-r));
    r = parse(&file, &recovery, problem);
    if (r == 0)
        *ret_file = bytes_take(&file);
    return r;
}

int recovery_identity(const Bytes *file, uint8_t ret_identity[32], Problem *problem)
{
    _cleanup_recovery_ Recovery recovery = {0};
    int r = parse(file, &recovery, problem);

    if (r == 0)
        memcpy(ret_identity, recovery.identity_key.data, NODE_PUBLIC_KEY_SIZE);
    return r;
}

static int check_recovery_key(const Recovery *recovery, const Secret *key, Problem *problem)
{
    uint8_t public[RECOVERY_KEY_SIZE];
    char have[2 * RECOVERY_KEY_SIZE + 1], want[2 * RECOVERY_KEY_SIZE + 1];
    int r = hpke_key_public(key, public);

    if (r < 0)
        return problem_set(problem, r, "the recovery key cannot be used: %s", strerror(-r));
    if (memcmp(public, recovery->recovery_key.data, sizeof(public)) == 0)
        return 0;
    hex_encode(public, sizeof(public), have);
    hex_encode(recovery->recovery_key.data, sizeof(public), want);
    return problem_set(
        problem, -EKEYREJECTED,
        "this is another recovery key (its public half is %.*s…) than the one that the keys of node %s were wrapped with (%.*s…)",
        FINGERPRINT, have, recovery->name, FINGERPRINT, want);
}

static bool is_what_it_says(const Recovery *recovery, const PublicKeys *public)
{
    return memcmp(recovery->sealing_key.data, public->sealing, sizeof(public->sealing)) == 0 &&
           memcmp(recovery->identity_key.data, public->identity, sizeof(public->identity)) == 0 &&
           memcmp(recovery->tls_pin.data, public->tls_pin, sizeof(public->tls_pin)) == 0;
}

static int unwrap(const Recovery *recovery, const Secret *recovery_key, NodeKeys *ret_keys)
{
    _cleanup_bytes_ Bytes data = {0};
    _cleanup_secret_ Secret *plain = NULL;
    int r = associated_data(recovery, &data);

    if (r == 0)
        r = hpke_open(recovery_key, RECOVERY_INFO, &data, &recovery->sealed, &plain);
    return r < 0 ? r : unpack(plain, ret_keys);
}

int recovery_open(const Bytes *file, const Secret *recovery_key, NodeKeys *ret_keys, Problem *problem)
{
    _cleanup_recovery_ Recovery recovery = {0};
    _cleanup_node_keys_ NodeKeys keys = {0};
    PublicKeys public;
    int r = parse(file, &recovery, problem);

    if (r == 0)
        r = check_recovery_key(&recovery, recovery_key, problem);
    if (r < 0)
        return r;
    r = unwrap(&recovery, recovery_key, &keys);
    if (r < 0)
        return problem_set(problem, r, RECOVERY_FILE " is damaged: what is sealed in it does not open");
    r = recovery_public_keys(&keys, &public, problem);
    if (r == 0 && !is_what_it_says(&recovery, &public))
        r = problem_set(problem, -EBADMSG, RECOVERY_FILE " contradicts itself: its public keys are not of the keys in it");
    if (r == 0) {
        *ret_keys = keys;
        keys = (NodeKeys){0};
    }
    return r;
}

/* ---- Beginning and renewing ---- */

int recovery_renew(const char *directory_path, const char *name, const NodeKeys *keys, Problem *problem)
{
    _cleanup_bytes_ Bytes file = {0};
    _cleanup_recovery_ Recovery recovery = {0};
    int r = recovery_read(directory_path, &file, problem);

    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = parse(&file, &recovery, problem);
    return r < 0 ? r : wrap(directory_path, name, recovery.recovery_key.data, keys, problem);
}

/* Nobody will ever have the key that is wrapped with now. */
static int put_back(const char *directory_path, const Bytes *before)
{
    _cleanup_close_ int directory = open(directory_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (directory < 0)
        return -errno;
    return before->size > 0 ? file_replace(directory, RECOVERY_FILE, before->data, before->size, 0644)
                            : file_remove(directory, RECOVERY_FILE);
}

int recovery_begin(const char *directory_path, const char *name, const NodeKeys *keys, const char *key_file, Problem *problem)
{
    _cleanup_bytes_ Bytes before = {0};
    _cleanup_secret_ Secret *key = NULL;
    uint8_t public[RECOVERY_KEY_SIZE];
    int r = recovery_key_check(key_file, problem);

    if (r != 0)
        return r;
    r = recovery_read(directory_path, &before, NULL);
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return problem_set(problem, r, "%s/" RECOVERY_FILE " cannot be read: %s", directory_path, strerror(-r));
    r = hpke_key_new(&key, public);
    if (r < 0)
        return problem_set(problem, r, "a recovery key cannot be made: %s", strerror(-r));
    r = wrap(directory_path, name, public, keys, problem);
    if (r < 0)
        return r;
    r = recovery_key_show(key, name, key_file, problem);
    if (r != 0 && put_back(directory_path, &before) < 0)
        return problem_prefix(problem, r, "%s/" RECOVERY_FILE " is of no use now, make it anew with 'kqctl node rotate --recovery'",
                              directory_path);
    return r;
}
