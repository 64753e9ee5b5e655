#include "wire/message.h"

#include <errno.h>
#include <json-c/json_object_iterator.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"
#include "wire/base64.h"
#include "wire/strict-json.h"

/* Where in a message a value is: one link per level, for the name in `ret_field`. */
typedef struct Path {
    const struct Path *parent;
    const char *name;
    size_t index; /* of an entry of a list; NO_INDEX: it is not one */
} Path;

#define NO_INDEX SIZE_MAX

/* What is done with one type of field. `storage` is its place in the structure; zeroed before it is read into. */
typedef struct FieldClass {
    bool (*is_empty)(const Field *field, const void *storage);
    int (*write)(const Field *field, const void *storage, json_object **ret_value);
    int (*read)(const Field *field, json_object *value, void *storage, const Path *path, char *ret_field);
    void (*clear)(const Field *field, void *storage);
} FieldClass;

static const FieldClass *class_of(const Field *field);

static bool in_range(const Field *field, uint64_t value)
{
    return value >= field->min && value <= field->max;
}

static int finish_value(json_object *value, json_object **ret_value)
{
    if (!value)
        return -ENOMEM;
    *ret_value = value;
    return 0;
}

/* ---- Names of fields ---- */

static size_t append(char *text, size_t used, const char *format, ...) _printf_(3, 4);

static size_t append(char *text, size_t used, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(text + used, MESSAGE_FIELD_NAME_MAX - used, format, arguments);
    va_end(arguments);
    used += size > 0 ? (size_t)size : 0;
    return used < MESSAGE_FIELD_NAME_MAX ? used : MESSAGE_FIELD_NAME_MAX - 1;
}

static size_t append_path(char *text, const Path *path)
{
    size_t used = path->parent ? append(text, append_path(text, path->parent), ".") : 0;

    used = append(text, used, "%s", path->name);
    return path->index == NO_INDEX ? used : append(text, used, "[%zu]", path->index);
}

/* The name may come from outside and be cut in the middle of a character. */
static int invalid(const Path *path, char *ret_field)
{
    size_t size = append_path(ret_field, path);

    while (size > 0 && !utf8_valid(ret_field, size))
        ret_field[--size] = '\0';
    return MESSAGE_E_INVALID_FIELD;
}

/* ---- Types without storage, and plain values ---- */

static bool constant_is_empty(const Field *field, const void *storage)
{
    return true;
}

static int constant_write(const Field *field, const void *storage, json_object **ret_value)
{
    return finish_value(json_object_new_int64((int64_t)field->min), ret_value);
}

static int constant_read(const Field *field, json_object *value, void *storage, const Path *path, char *ret_field)
{
    bool right = json_object_is_type(value, json_type_int) && json_object_get_int64(value) == (int64_t)field->min;

    return right ? 0 : invalid(path, ret_field);
}

static bool bool_is_empty(const Field *field, const void *storage)
{
    return !*(const bool *)storage;
}

static int bool_write(const Field *field, const void *storage, json_object **ret_value)
{
    return finish_value(json_object_new_boolean(*(const bool *)storage), ret_value);
}

static int bool_read(const Field *field, json_object *value, void *storage, const Path *path, char *ret_field)
{
    if (!json_object_is_type(value, json_type_boolean))
        return invalid(path, ret_field);
    *(bool *)storage = json_object_get_boolean(value);
    return 0;
}

static bool uint_is_empty(const Field *field, const void *storage)
{
    return *(const uint64_t *)storage == 0;
}

static int uint_write(const Field *field, const void *storage, json_object **ret_value)
{
    uint64_t value = *(const uint64_t *)storage;

    if (!in_range(field, value) || value > INT64_MAX)
        return -EINVAL;
    return finish_value(json_object_new_int64((int64_t)value), ret_value);
}

static int uint_read(const Field *field, json_object *value, void *storage, const Path *path, char *ret_field)
{
    if (!json_object_is_type(value, json_type_int))
        return invalid(path, ret_field);

    int64_t number = json_object_get_int64(value);

    if (number < 0 || !in_range(field, (uint64_t)number))
        return invalid(path, ret_field);
    *(uint64_t *)storage = (uint64_t)number;
    return 0;
}

static void plain_clear(const Field *field, void *storage)
{
}

/* ---- Strings and bytes ---- */

static bool string_is_empty(const Field *field, const void *storage)
{
    const char *text = *(char *const *)storage;

    return !text || !*text;
}

static int string_write(const Field *field, const void *storage, json_object **ret_value)
{
    const char *text = *(char *const *)storage ?: "";
    size_t size = strlen(text);

    if (!in_range(field, size) || !utf8_valid(text, size))
        return -EINVAL;
    return finish_value(json_object_new_string_len(text, (int)size), ret_value);
}

static int string_read(const Field *field, json_object *value, void *storage, const Path *path, char *ret_field)
{
    if (!json_object_is_type(value, json_type_string))
        return invalid(path, ret_field);

    const char *text = json_object_get_string(value);
    size_t size = (size_t)json_object_get_string_len(value);

    if (!in_range(field, size) || strlen(text) != size || !utf8_valid(text, size))
        return invalid(path, ret_field);

    char *copy = text_copy(text);

    if (!copy)
        return -ENOMEM;
    *(char **)storage = copy;
    return 0;
}

static void string_clear(const Field *field, void *storage)
{
    free(*(char **)storage);
}

static bool bytes_is_empty(const Field *field, const void *storage)
{
    return ((const Bytes *)storage)->size == 0;
}

static int bytes_write(const Field *field, const void *storage, json_object **ret_value)
{
    const Bytes *bytes = storage;

    if (!in_range(field, bytes->size) || bytes->size > INT_MAX / 2)
        return -EINVAL;

    size_t size = BASE64_SIZE(bytes->size);
    _cleanup_free_ char *text = malloc(size + 1);

    if (!text)
        return -ENOMEM;
    base64_encode(bytes->data, bytes->size, text);
    return finish_value(json_object_new_string_len(text, (int)size), ret_value);
}

static int bytes_read(const Field *field, json_object *value, void *storage, const Path *path, char *ret_field)
{
    Bytes *bytes = storage;

    if (!json_object_is_type(value, json_type_string))
        return invalid(path, ret_field);

    size_t size = (size_t)json_object_get_string_len(value);

    if (size > BASE64_SIZE(field->max))
        return invalid(path, ret_field);

    int r = base64_decode(json_object_get_string(value), size, bytes);

    if (r == -EINVAL || (r == 0 && !in_range(field, bytes->size)))
        return invalid(path, ret_field);
    return r;
}

static void bytes_clear_field(const Field *field, void *storage)
{
    bytes_clear(storage);
}

/* ---- Structures and lists of them ---- */

/* A structure without size may be NULL. */
static const void *storage_of(const Field *field, const void *message)
{
    return message ? (const char *)message + field->offset : NULL;
}

static void *storage_in(const Field *field, void *message)
{
    return message ? (char *)message + field->offset : NULL;
}

static bool structure_is_empty(const Field *field, const void *storage)
{
    for (const Field *inner = field->of->fields; inner->name; inner++)
        if (!class_of(inner)->is_empty(inner, storage_of(inner, storage)))
            return false;
    return true;
}

static int structure_write(const Field *field, const void *storage, json_object **ret_value)
{
    return message_build(field->of, storage, ret_value);
}

static const Field *find_field(const Layout *layout, const char *name)
{
    for (const Field *field = layout->fields; field->name; field++)
        if (strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

static int refuse_unknown(const Layout *layout, json_object *object, const Path *parent, char *ret_field)
{
    struct json_object_iterator at = json_object_iter_begin(object), end = json_object_iter_end(object);

    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        const char *name = json_object_iter_peek_name(&at);

        if (!find_field(layout, name))
            return invalid(&(Path){parent, name, NO_INDEX}, ret_field);
    }
    return 0;
}

static int read_fields(const Layout *layout, json_object *object, void *message, const Path *parent, char *ret_field)
{
    int r = object ? refuse_unknown(layout, object, parent, ret_field) : 0;

    for (const Field *field = layout->fields; r == 0 && field->name; field++) {
        json_object *value = object ? json_object_object_get(object, field->name) : NULL;
        Path path = {parent, field->name, NO_INDEX};

        if (value)
            r = class_of(field)->read(field, value, storage_in(field, message), &path, ret_field);
        else if (!field->optional)
            r = invalid(&path, ret_field);
    }
    return r;
}

static int structure_read(const Field *field, json_object *value, void *storage, const Path *path, char *ret_field)
{
    if (!json_object_is_type(value, json_type_object))
        return invalid(path, ret_field);
    return read_fields(field->of, value, storage, path, ret_field);
}

static void structure_clear(const Field *field, void *storage)
{
    message_clear(field->of, storage);
}

static bool list_is_empty(const Field *field, const void *storage)
{
    return ((const List *)storage)->count == 0;
}

/* A structure; of FIELD_VALUES, its one field. */
static int write_entry(const Field *field, const void *storage, json_object **ret_value)
{
    const Field *bare = field->of->fields;

    return field->type == FIELD_LIST ? message_build(field->of, storage, ret_value)
                                     : class_of(bare)->write(bare, storage_of(bare, storage), ret_value);
}

static int list_write(const Field *field, const void *storage, json_object **ret_value)
{
    const List *list = storage;
    _cleanup_json_ json_object *array = json_object_new_array();

    if (!array)
        return -ENOMEM;
    if (!in_range(field, list->count))
        return -EINVAL;
    for (size_t i = 0; i < list->count; i++) {
        json_object *entry;
        int r = write_entry(field, (const char *)list->items + i * field->of->size, &entry);

        if (r < 0)
            return r;
        if (json_object_array_add(array, entry) < 0) {
            json_object_put(entry);
            return -ENOMEM;
        }
    }
    *ret_value = TAKE_PTR(array);
    return 0;
}

static int read_entry(const Field *field, json_object *value, void *storage, const Path *list, size_t index, char *ret_field)
{
    const Field *bare = field->of->fields;
    Path path = {list->parent, list->name, index};

    if (!value)
        return invalid(&path, ret_field);
    return field->type == FIELD_LIST ? structure_read(field, value, storage, &path, ret_field)
                                     : class_of(bare)->read(bare, value, storage_in(bare, storage), &path, ret_field);
}

static int list_read(const Field *field, json_object *value, void *storage, const Path *path, char *ret_field)
{
    List *list = storage;

    if (!json_object_is_type(value, json_type_array))
        return invalid(path, ret_field);

    size_t count = json_object_array_length(value);

    if (!in_range(field, count))
        return invalid(path, ret_field);
    if (count == 0)
        return 0;

    char *items = calloc(count, field->of->size);

    if (!items)
        return -ENOMEM;
    *list = (List){.items = items, .count = count};
    for (size_t i = 0; i < count; i++) {
        int r = read_entry(field, json_object_array_get_idx(value, i), items + i * field->of->size, path, i, ret_field);

        if (r != 0)
            return r;
    }
    return 0;
}

static void list_clear(const Field *field, void *storage)
{
    List *list = storage;

    for (size_t i = 0; i < list->count; i++)
        message_clear(field->of, (char *)list->items + i * field->of->size);
    free(list->items);
}

static const FieldClass classes[] = {
    [FIELD_CONSTANT] = {constant_is_empty, constant_write, constant_read, plain_clear},
    [FIELD_BOOL] = {bool_is_empty, bool_write, bool_read, plain_clear},
    [FIELD_UINT] = {uint_is_empty, uint_write, uint_read, plain_clear},
    [FIELD_STRING] = {string_is_empty, string_write, string_read, string_clear},
    [FIELD_BYTES] = {bytes_is_empty, bytes_write, bytes_read, bytes_clear_field},
    [FIELD_STRUCT] = {structure_is_empty, structure_write, structure_read, structure_clear},
    [FIELD_LIST] = {list_is_empty, list_write, list_read, list_clear},
    [FIELD_VALUES] = {list_is_empty, list_write, list_read, list_clear},
};

static const FieldClass *class_of(const Field *field)
{
    return &classes[field->type];
}

/* The names in layouts are constants, so json-c need not copy them. */
static int add_field(const Field *field, const void *storage, json_object *object)
{
    json_object *value;
    int r = class_of(field)->write(field, storage, &value);

    if (r < 0)
        return r;
    if (json_object_object_add_ex(object, field->name, value, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT) < 0) {
        json_object_put(value);
        return -ENOMEM;
    }
    return 0;
}

int message_build(const Layout *layout, const void *message, json_object **ret_object)
{
    _cleanup_json_ json_object *object = json_object_new_object();

    if (!object)
        return -ENOMEM;
    for (const Field *field = layout->fields; field->name; field++) {
        const void *storage = storage_of(field, message);

        if (field->optional && class_of(field)->is_empty(field, storage))
            continue;

        int r = add_field(field, storage, object);

        if (r < 0)
            return r;
    }
    *ret_object = TAKE_PTR(object);
    return 0;
}

int message_parse(const Layout *layout, json_object *object, void *ret_message, char ret_field[MESSAGE_FIELD_NAME_MAX])
{
    if (layout->size > 0)
        memset(ret_message, 0, layout->size);

    int r = read_fields(layout, object, ret_message, NULL, ret_field);

    if (r != 0)
        message_clear(layout, ret_message);
    return r;
}

void message_clear(const Layout *layout, void *message)
{
    for (const Field *field = layout->fields; field->name; field++)
        class_of(field)->clear(field, storage_in(field, message));
    if (layout->size > 0)
        memset(message, 0, layout->size);
}
