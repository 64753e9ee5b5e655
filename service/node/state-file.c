#include "node/state-file.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "base/crypto.h"
#include "base/file.h"

/* {"checksum":"<64 digits>","content":<JSON>}\n */
#define HEAD          "{\"checksum\":\""
#define MIDDLE        "\",\"content\":"
#define TAIL          "}\n"
#define HEAD_SIZE     (sizeof(HEAD) - 1)
#define MIDDLE_SIZE   (sizeof(MIDDLE) - 1)
#define TAIL_SIZE     (sizeof(TAIL) - 1)
#define CHECKSUM_SIZE ((size_t)(2 * SHA256_SIZE))
#define CONTENT_AT    (HEAD_SIZE + CHECKSUM_SIZE + MIDDLE_SIZE)

static void put_object(json_object **object)
{
    (void)json_object_put(*object);
}

static void free_tokener(json_tokener **tokener)
{
    if (*tokener)
        json_tokener_free(*tokener);
}

#define _cleanup_object_ _cleanup_(put_object)

static int checksum(const char *content, size_t size, char ret_text[CHECKSUM_SIZE + 1])
{
    uint8_t digest[SHA256_SIZE];
    const Bytes part = {(uint8_t *)content, size};
    int r = crypto_sha256(&part, 1, digest);

    if (r == 0)
        hex_encode(digest, sizeof(digest), ret_text);
    return r;
}

int state_file_write(int directory, const char *name, mode_t mode, const Layout *layout, const void *message)
{
    _cleanup_object_ json_object *object = NULL;
    _cleanup_free_ char *text = NULL;
    char sum[CHECKSUM_SIZE + 1];
    size_t size;
    int r = message_build(layout, message, &object);

    if (r < 0)
        return r;

    const char *content = json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);

    if (!content)
        return -ENOMEM;
    r = checksum(content, size, sum);
    if (r < 0)
        return r;

    int length = asprintf(&text, HEAD "%s" MIDDLE "%s" TAIL, sum, content);

    if (length < 0) {
        text = NULL;
        return -ENOMEM;
    }
    return file_replace(directory, name, text, (size_t)length, mode);
}

static int check_frame(const Bytes *file, const char **ret_content, size_t *ret_size)
{
    const char *text = (const char *)file->data;
    char sum[CHECKSUM_SIZE + 1];

    if (file->size <= CONTENT_AT + TAIL_SIZE || memcmp(text, HEAD, HEAD_SIZE) != 0 ||
        memcmp(text + HEAD_SIZE + CHECKSUM_SIZE, MIDDLE, MIDDLE_SIZE) != 0 || memcmp(text + file->size - TAIL_SIZE, TAIL, TAIL_SIZE) != 0)
        return -EBADMSG;

    const size_t size = file->size - CONTENT_AT - TAIL_SIZE;
    int r = checksum(text + CONTENT_AT, size, sum);

    if (r < 0)
        return r;
    if (memcmp(sum, text + HEAD_SIZE, CHECKSUM_SIZE) != 0)
        return -EBADMSG;
    *ret_content = text + CONTENT_AT;
    *ret_size = size;
    return 0;
}

static int parse(const char *content, size_t size, const Layout *layout, void *ret_message, char field[MESSAGE_FIELD_NAME_MAX])
{
    _cleanup_(free_tokener) json_tokener *tokener = json_tokener_new();
    _cleanup_object_ json_object *object = NULL;

    if (!tokener)
        return -ENOMEM;
    object = json_tokener_parse_ex(tokener, content, (int)size);
    if (!object || json_tokener_get_parse_end(tokener) != size)
        return -EBADMSG;
    return message_parse(layout, object, ret_message, field);
}

int state_file_read(int directory, const char *name, const Layout *layout, void *ret_message, Problem *problem)
{
    _cleanup_bytes_ Bytes file = {0};
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    const char *content;
    size_t size;
    int r = file_read(directory, name, STATE_FILE_SIZE_MAX, &file);

    if (r < 0)
        return problem_set(problem, r, "%s cannot be read: %s", name, strerror(-r));
    r = check_frame(&file, &content, &size);
    if (r < 0)
        return problem_set(problem, r, "%s is damaged: its checksum does not match", name);
    r = parse(content, size, layout, ret_message, field);
    if (r == MESSAGE_E_INVALID_FIELD)
        return problem_set(problem, -EBADMSG, "%s has another format than this version knows (its field '%s')", name, field);
    return r < 0 ? problem_set(problem, r, "%s cannot be parsed: %s", name, strerror(-r)) : 0;
}
