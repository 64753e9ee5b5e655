#include "wire/envelope.h"

#include <errno.h>
#include <json-c/json_object_iterator.h>
#include <string.h>

#include "base/utf8.h"
#include "wire/strict-json.h"

typedef struct Member {
    const char *name;
    json_type type;
} Member;

static const Member request_members[] = {
    {"method", json_type_string},  {"parameters", json_type_object}, {"more", json_type_boolean},
    {"oneway", json_type_boolean}, {"upgrade", json_type_boolean},   {NULL},
};

static const Member reply_members[] = {
    {"parameters", json_type_object},
    {"continues", json_type_boolean},
    {"error", json_type_string},
    {NULL},
};

/* Takes over `value`. */
static int add(json_object *object, const char *name, json_object *value)
{
    if (value && json_object_object_add_ex(object, name, value, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT) == 0)
        return 0;
    json_object_put(value);
    return -ENOMEM;
}

/* {`name`: `text`, "parameters": `parameters`}, each only if it is there. */
static int build(const char *name, const char *text, json_object *parameters, json_object **ret_object)
{
    _cleanup_json_ json_object *owned = parameters;
    _cleanup_json_ json_object *object = json_object_new_object();

    if (!object)
        return -ENOMEM;
    if (text && add(object, name, json_object_new_string(text)) < 0)
        return -ENOMEM;
    if (parameters && add(object, "parameters", TAKE_PTR(owned)) < 0)
        return -ENOMEM;
    *ret_object = TAKE_PTR(object);
    return 0;
}

int envelope_build_request(const char *method, json_object *parameters, json_object **ret_object)
{
    return build("method", method, parameters, ret_object);
}

int envelope_build_reply(const char *error, json_object *parameters, json_object **ret_object)
{
    return build("error", error, parameters, ret_object);
}

/* null counts as absent. */
static bool member_fits(const Member *members, const char *name, json_object *value)
{
    for (; members->name; members++)
        if (strcmp(members->name, name) == 0)
            return !value || json_object_is_type(value, members->type);
    return false;
}

/* The first member that is wrong, or NULL. */
static const char *find_wrong(json_object *object, const Member *members)
{
    struct json_object_iterator at = json_object_iter_begin(object), end = json_object_iter_end(object);

    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        const char *name = json_object_iter_peek_name(&at);

        if (!member_fits(members, name, json_object_iter_peek_value(&at)))
            return name;
    }
    return NULL;
}

/* A string without NUL, of 1..max bytes; else NULL. */
static const char *text_of(json_object *value, size_t max)
{
    const char *text = json_object_get_string(value);

    return text && *text && strlen(text) <= max && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static bool flag(json_object *object, const char *name)
{
    json_object *value = json_object_object_get(object, name);

    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

/* A name from outside, cut to whole characters. */
static int invalid(const char *name, char *ret_field)
{
    int size = snprintf(ret_field, MESSAGE_FIELD_NAME_MAX, "%s", name);

    for (size = size < MESSAGE_FIELD_NAME_MAX ? size : MESSAGE_FIELD_NAME_MAX - 1; !utf8_valid(ret_field, (size_t)size);)
        ret_field[--size] = '\0';
    return MESSAGE_E_INVALID_FIELD;
}

int envelope_parse_request(json_object *object, Request *ret_request, char ret_field[MESSAGE_FIELD_NAME_MAX])
{
    const char *wrong = find_wrong(object, request_members);

    *ret_request = (Request){.oneway = flag(object, "oneway")};
    if (wrong)
        return invalid(wrong, ret_field);
    ret_request->method = text_of(json_object_object_get(object, "method"), ENVELOPE_METHOD_MAX);
    if (!ret_request->method)
        return invalid("method", ret_field);
    ret_request->parameters = json_object_object_get(object, "parameters");
    ret_request->upgrade = flag(object, "upgrade");
    return 0;
}

int envelope_parse_reply(json_object *object, Response *ret_response)
{
    json_object *error = json_object_object_get(object, "error");
    const char *name = error ? text_of(error, ENVELOPE_METHOD_MAX) : NULL;

    if (find_wrong(object, reply_members) || flag(object, "continues") || (error && !name))
        return -EBADMSG;
    *ret_response = (Response){.error = name, .parameters = json_object_object_get(object, "parameters")};
    return 0;
}
