#include "ctl/state-file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "base/text.h"
#include "wire/base64.h"
#include "wire/strict-json.h"

#define NESTING_MAX 8

/* ---- Names ---- */

#define ID_TEXT_SIZE (2 * KEY_ID_SIZE)

/* "keys/" and an id, or "failures/" and a client, or nothing stands before the name. */
typedef struct Rule {
    const char *directory; /* NULL: the state directory itself */
    const char *name;      /* the whole name there, or the suffix of a name below a directory */
    StateKind kind;
} Rule;

static const Rule rules[] = {
    {NULL, STATE_FORMAT, STATE_PLAIN},       {NULL, "token.json", STATE_PLAIN},      {NULL, "clients.json", STATE_PLAIN},
    {NULL, "peers.json", STATE_PLAIN},       {STATE_FAILURES, ".json", STATE_PLAIN}, {STATE_KEYS, ".share", STATE_SHARE},
    {STATE_KEYS, ".set-aside", STATE_ASIDE}, {STATE_KEYS, ".record", STATE_RECORD},  {STATE_KEYS, ".tombstone", STATE_TOMBSTONE},
};

static bool is_key_name(const char *name, KeyId *ret_id)
{
    char text[ID_TEXT_SIZE + 1];

    (void)snprintf(text, sizeof(text), "%s", name);
    return strspn(text, "0123456789abcdef") == ID_TEXT_SIZE && key_id_parse(text, ret_id) == 0;
}

/* The part before the suffix: an id, or a client's name without anything that a path is made of. */
static bool is_stem(const Rule *rule, const char *name, size_t size, KeyId *ret_id)
{
    if (rule->kind == STATE_PLAIN)
        return size > 0 && name[0] != '.' && !memchr(name, '/', size);
    return size == ID_TEXT_SIZE && is_key_name(name, ret_id);
}

static bool rule_fits(const Rule *rule, const char *name, KeyId *ret_id)
{
    size_t directory = rule->directory ? strlen(rule->directory) : 0, suffix = strlen(rule->name), size = strlen(name);

    if (!rule->directory)
        return strcmp(name, rule->name) == 0;
    if (strncmp(name, rule->directory, directory) != 0 || name[directory] != '/' || size < directory + 1 + suffix)
        return false;
    return strcmp(name + size - suffix, rule->name) == 0 && is_stem(rule, name + directory + 1, size - suffix - directory - 1, ret_id);
}

StateKind state_file_kind(const char *name, KeyId *ret_id)
{
    if (strlen(name) >= STATE_FILE_NAME_SIZE)
        return STATE_UNKNOWN;
    for (size_t i = 0; i < ELEMENTS(rules); i++)
        if (rule_fits(&rules[i], name, ret_id))
            return rules[i].kind;
    return STATE_UNKNOWN;
}

void state_file_name(const KeyId *id, StateKind kind, char ret_name[STATE_FILE_NAME_SIZE])
{
    char text[ID_TEXT_SIZE + 1];

    key_id_format(id, text);
    for (size_t i = 0; i < ELEMENTS(rules); i++)
        if (rules[i].kind == kind)
            (void)snprintf(ret_name, STATE_FILE_NAME_SIZE, "%s/%s%s", rules[i].directory, text, rules[i].name);
}

mode_t state_file_mode(StateKind kind, bool separation)
{
    return (kind == STATE_SHARE || kind == STATE_ASIDE) && separation ? 0640 : 0600;
}

/* ---- JSON files: {"checksum":"<64 digits>","content":<JSON>}\n ---- */

#define HEAD          "{\"checksum\":\""
#define MIDDLE        "\",\"content\":"
#define TAIL          "}\n"
#define CHECKSUM_SIZE ((size_t)(2 * SHA256_SIZE))
#define MIDDLE_AT     (sizeof(HEAD) - 1 + CHECKSUM_SIZE)
#define CONTENT_AT    (MIDDLE_AT + sizeof(MIDDLE) - 1)
#define TAIL_SIZE     (sizeof(TAIL) - 1)

static int sum(const void *data, size_t size, char ret_text[CHECKSUM_SIZE + 1])
{
    uint8_t digest[SHA256_SIZE];
    int r = crypto_sha256(&(Bytes){(uint8_t *)(uintptr_t)data, size}, 1, digest);

    if (r == 0)
        hex_encode(digest, sizeof(digest), ret_text);
    return r;
}

static int make_frame(const char *content, Bytes *ret_file)
{
    char checksum[CHECKSUM_SIZE + 1];
    int r = sum(content, strlen(content), checksum);
    _cleanup_free_ char *text = r == 0 ? text_format(HEAD "%s" MIDDLE "%s" TAIL, checksum, content) : NULL;

    return r < 0 ? r : text ? bytes_copy(text, strlen(text), ret_file) : -ENOMEM;
}

/* `ret_content` points into the file and has no NUL. */
static int open_frame(const Bytes *file, const char **ret_content, size_t *ret_size)
{
    const char *text = (const char *)file->data;
    char checksum[CHECKSUM_SIZE + 1];

    if (file->size <= CONTENT_AT + TAIL_SIZE || memcmp(text, HEAD, sizeof(HEAD) - 1) != 0 ||
        memcmp(text + MIDDLE_AT, MIDDLE, sizeof(MIDDLE) - 1) != 0 || memcmp(text + file->size - TAIL_SIZE, TAIL, TAIL_SIZE) != 0)
        return -EBADMSG;

    size_t size = file->size - CONTENT_AT - TAIL_SIZE;
    int r = sum(text + CONTENT_AT, size, checksum);

    if (r == 0 && memcmp(checksum, text + sizeof(HEAD) - 1, CHECKSUM_SIZE) != 0)
        r = -EBADMSG;
    if (r == 0) {
        *ret_content = text + CONTENT_AT;
        *ret_size = size;
    }
    return r;
}

static int parse_frame(const Bytes *file, json_object **ret_content)
{
    const char *content;
    size_t size;
    int r = open_frame(file, &content, &size);

    return r < 0 ? r : strict_json_parse(content, size, NESTING_MAX, ret_content);
}

/* The member that names a key or hashes a share: 32 bytes. */
static int get_bytes(json_object *content, const char *member, Bytes *ret_bytes)
{
    json_object *value = json_object_object_get(content, member);

    if (!json_object_is_type(value, json_type_string))
        return -EBADMSG;

    int r = base64_decode(json_object_get_string(value), (size_t)json_object_get_string_len(value), ret_bytes);

    return r == -EINVAL ? -EBADMSG : r;
}

/* ---- Checking ---- */

static int check_json(const Bytes *content, const KeyId *id, Problem *problem)
{
    _cleanup_json_ json_object *object = NULL;
    _cleanup_bytes_ Bytes key = {0};
    int r = parse_frame(content, &object);

    if (r < 0)
        return problem_set(problem, r, "it is damaged: its checksum does not match");
    if (!id)
        return 0;
    r = get_bytes(object, "key", &key);
    if (r == 0 && (key.size != KEY_ID_SIZE || memcmp(key.data, id->bytes, KEY_ID_SIZE) != 0))
        r = -EBADMSG;
    return r < 0 ? problem_set(problem, r, "it is of another key than its name says") : 0;
}

static int check_share(const Bytes *content, const KeyId *id, Problem *problem)
{
    _cleanup_sealed_share_ SealedShare share = {0};
    int r = sealed_share_decode(content, &share, problem);

    if (r == 0 && !key_id_equal(&share.id, id))
        r = problem_set(problem, -EBADMSG, "it is the share of another key than its name says");
    return r < 0 ? r : 0;
}

int state_file_check(const char *name, const Bytes *content, Problem *problem)
{
    KeyId id;
    StateKind kind = state_file_kind(name, &id);

    if (kind == STATE_UNKNOWN)
        return problem_set(problem, -EBADMSG, "it is none of a node's files");
    if (kind == STATE_SHARE || kind == STATE_ASIDE)
        return check_share(content, &id, problem);
    if (strcmp(name, STATE_FORMAT) == 0)
        return content->size > 0 ? 0 : problem_set(problem, -EBADMSG, "it is empty");
    return check_json(content, kind == STATE_PLAIN ? NULL : &id, problem);
}

static int share_hash(const Bytes *share, char ret_text[BASE64_SIZE(SHA256_SIZE) + 1])
{
    uint8_t digest[SHA256_SIZE];
    int r = crypto_sha256(share, 1, digest);

    if (r < 0)
        return r;
    base64_encode(digest, sizeof(digest), ret_text);
    ret_text[BASE64_SIZE(SHA256_SIZE)] = '\0';
    return 0;
}

/* Where in the content the hash of the share stands: base64 is always the same in JSON. */
static int find_hash(const Bytes *record, char **ret_content, char **ret_hash)
{
    static const char member[] = "\"share\":\"";
    _cleanup_free_ char *copy = NULL;
    const char *content;
    size_t size;
    int r = open_frame(record, &content, &size);

    if (r < 0)
        return r;
    copy = text_copy_of(content, size);
    if (!copy)
        return -ENOMEM;

    char *at = strstr(copy, member);

    if (!at || strlen(at) < sizeof(member) - 1 + BASE64_SIZE(SHA256_SIZE) || strstr(at + 1, member))
        return -EBADMSG;
    *ret_hash = at + sizeof(member) - 1;
    *ret_content = TAKE_PTR(copy);
    return 0;
}

int state_file_check_pair(const Bytes *record, const Bytes *share, Problem *problem)
{
    _cleanup_free_ char *content = NULL;
    char hash[BASE64_SIZE(SHA256_SIZE) + 1], *found;
    int r = share_hash(share, hash);

    if (r == 0)
        r = find_hash(record, &content, &found);
    if (r == 0 && strncmp(found, hash, BASE64_SIZE(SHA256_SIZE)) != 0)
        r = -EBADMSG;
    return r < 0 ? problem_set(problem, r, "its share is damaged: it is not what was stored") : 0;
}

/* ---- Making ---- */

int state_file_record_for(const Bytes *record, const Bytes *share, Bytes *ret_record)
{
    _cleanup_free_ char *content = NULL;
    char hash[BASE64_SIZE(SHA256_SIZE) + 1], *found;
    int r = share_hash(share, hash);

    if (r == 0)
        r = find_hash(record, &content, &found);
    if (r < 0)
        return r;
    memcpy(found, hash, BASE64_SIZE(SHA256_SIZE));
    return make_frame(content, ret_record);
}

int state_file_tombstone(const KeyId *id, const char *who, Bytes *ret_tombstone)
{
    char key[BASE64_SIZE(KEY_ID_SIZE) + 1];

    base64_encode(id->bytes, KEY_ID_SIZE, key);
    key[BASE64_SIZE(KEY_ID_SIZE)] = '\0';

    _cleanup_free_ char *content = text_format("{\"format\":1,\"key\":\"%s\",\"client\":\"%s\"}", key, who);

    return content ? make_frame(content, ret_tombstone) : -ENOMEM;
}
