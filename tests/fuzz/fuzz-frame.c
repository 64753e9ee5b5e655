/*
 * What a stranger sends: bytes through the frame buffer, every frame as a request and as a reply, its parameters as every message of
 * our interfaces. What is accepted must survive being built and parsed again.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/load-interface.h"
#include "wire/node-interface.h"
#include "wire/service-interface.h"
#include "wire/strict-json.h"

#define REQUIRE(condition)                                                                                                                 \
    do {                                                                                                                                   \
        if (!(condition))                                                                                                                  \
            abort();                                                                                                                       \
    } while (0)

/* A stream that reads from memory, a few bytes at a time. */
typedef struct MemoryStream {
    Stream stream;
    const uint8_t *at;
    size_t left;
} MemoryStream;

static ssize_t memory_read(Stream *stream, void *ret_data, size_t size)
{
    MemoryStream *memory = (MemoryStream *)stream;
    size_t n = memory->left < size ? memory->left : size;

    n = n < 1000 ? n : 1000;
    if (n > 0)
        memcpy(ret_data, memory->at, n);
    memory->at += n;
    memory->left -= n;
    return (ssize_t)n;
}

static const StreamClass memory_class = {.scheme = "memory", .read = memory_read};

static void check_survives(const Layout *layout, const void *message, void *again)
{
    _cleanup_json_ json_object *object = NULL, *read = NULL;
    _cleanup_free_ char *text = NULL;
    char field[MESSAGE_FIELD_NAME_MAX];

    REQUIRE(message_build(layout, message, &object) == 0);
    text = strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    REQUIRE(text && strict_json_parse(text, strlen(text), FRAME_NESTING_MAX, &read) == 0);
    REQUIRE(message_parse(layout, read, again, field) == 0);
    message_clear(layout, again);
}

static void try_layout(const Layout *layout, json_object *parameters)
{
    _cleanup_free_ void *message = malloc(layout->size ?: 1), *again = malloc(layout->size ?: 1);
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    int r;

    REQUIRE(message && again);
    r = message_parse(layout, parameters, message, field);
    REQUIRE(r == 0 || r == MESSAGE_E_INVALID_FIELD);
    if (r == 0) {
        check_survives(layout, message, again);
        message_clear(layout, message);
        return;
    }

    /* the answer that names the field can be built */
    _cleanup_json_ json_object *object = NULL;

    REQUIRE(message_build(&service_invalid_parameter, &(ServiceText){field}, &object) == 0);
}

static void try_layouts(json_object *parameters)
{
    static const Layout *const others[] = {&node_error_detail, &node_record, &node_key_entry, &load_error_detail,
                                           &service_description_input};

    for (const MethodLayout *method = node_methods; method->name; method++) {
        try_layout(method->input, parameters);
        try_layout(method->output, parameters);
    }
    for (const MethodLayout *method = load_methods; method->name; method++)
        try_layout(method->input, parameters);
    for (size_t i = 0; i < ELEMENTS(others); i++)
        try_layout(others[i], parameters);
}

static void try_frame(json_object *object)
{
    char field[MESSAGE_FIELD_NAME_MAX];
    Request request;
    Response response;

    if (envelope_parse_request(object, &request, field) == 0)
        try_layouts(request.parameters);
    if (envelope_parse_reply(object, &response) == 0)
        try_layouts(response.parameters);
}

static int pull_all(FrameBuffer *buffer)
{
    json_object *object;
    int r;

    while ((r = frame_buffer_pull(buffer, &object)) == 1) {
        try_frame(object);
        json_object_put(object);
    }
    REQUIRE(r == 0 || r == -EBADMSG);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MemoryStream memory = {.stream = {.class = &memory_class, .fd = -1}, .at = data, .left = size};
    FrameBuffer *buffer;
    int filled, pulled;

    if (frame_buffer_new(&memory.stream, &buffer) < 0)
        return 0;
    do {
        filled = frame_buffer_fill(buffer);
        REQUIRE(filled == 1 || filled == -ECONNRESET || filled == -EMSGSIZE);
        pulled = pull_all(buffer);
    } while (filled == 1 && pulled == 0);
    frame_buffer_free(buffer);
    return 0;
}
