#include "wire/strict-json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

typedef struct Parser {
    char *at, *end;
    unsigned nesting_left, values_left;
} Parser;

/* A decoded string: inside the text, NUL-terminated. */
typedef struct Text {
    char *data;
    size_t size;
} Text;

static void skip_space(Parser *parser)
{
    while (parser->at < parser->end && memchr(" \t\n\r", *parser->at, 4))
        parser->at++;
}

/* The next character after white space; '\0' at the end (a NUL in the text is no JSON either). */
static char peek(Parser *parser)
{
    skip_space(parser);
    return parser->at < parser->end ? *parser->at : '\0';
}

static bool accept(Parser *parser, char c)
{
    if (peek(parser) != c)
        return false;
    parser->at++;
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits of \uXXXX. */
static int read_code_unit(Parser *parser, uint32_t *ret_unit)
{
    uint32_t unit = 0;

    if (parser->end - parser->at < 4)
        return -EBADMSG;
    for (int i = 0; i < 4; i++) {
        int value = hex_value(*parser->at++);

        if (value < 0)
            return -EBADMSG;
        unit = unit << 4 | (uint32_t)value;
    }
    *ret_unit = unit;
    return 0;
}

/* RFC 8259 §7: a character outside the basic plane is two escapes, a surrogate pair. */
static int read_unicode_escape(Parser *parser, char **to)
{
    uint32_t unit, low;
    int r = read_code_unit(parser, &unit);

    if (r < 0)
        return r;
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return -EBADMSG;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (parser->end - parser->at < 2 || *parser->at++ != '\\' || *parser->at++ != 'u')
            return -EBADMSG;
        if (read_code_unit(parser, &low) < 0 || low < 0xdc00 || low > 0xdfff)
            return -EBADMSG;
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    *to += utf8_write(unit, *to);
    return 0;
}

static int read_escape(Parser *parser, char **to)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";

    if (parser->at == parser->end)
        return -EBADMSG;

    char c = *parser->at++;

    if (c == 'u')
        return read_unicode_escape(parser, to);

    const char *escape = c ? strchr(escapes, c) : NULL;

    if (!escape)
        return -EBADMSG;
    *(*to)++ = meanings[escape - escapes];
    return 0;
}

/* What is decoded is never longer than its escapes, so it can be written over them. The closing quote makes room for the NUL. */
static int read_string(Parser *parser, Text *ret_text)
{
    char *start = ++parser->at, *to = start;

    while (parser->at < parser->end && *parser->at != '"') {
        char c = *parser->at++;

        if ((unsigned char)c < 0x20)
            return -EBADMSG;
        if (c != '\\')
            *to++ = c;
        else if (read_escape(parser, &to) < 0)
            return -EBADMSG;
    }
    if (parser->at == parser->end)
        return -EBADMSG;
    parser->at++;
    *to = '\0';
    *ret_text = (Text){.data = start, .size = (size_t)(to - start)};
    return 0;
}

static int finish_value(json_object *value, json_object **ret_value)
{
    if (!value)
        return -ENOMEM;
    *ret_value = value;
    return 0;
}

static int read_string_value(Parser *parser, json_object **ret_value)
{
    Text text;
    int r = read_string(parser, &text);

    return r < 0 ? r : finish_value(json_object_new_string_len(text.data, (int)text.size), ret_value);
}

/* At least one digit. */
static int skip_digits(Parser *parser)
{
    const char *start = parser->at;

    while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9')
        parser->at++;
    return parser->at > start ? 0 : -EBADMSG;
}

static bool accept_here(Parser *parser, const char *characters)
{
    bool here = parser->at < parser->end && *parser->at != '\0' && strchr(characters, *parser->at);

    if (here)
        parser->at++;
    return here;
}

/* Digits to a number; false: beyond int64_t. */
static bool integer_value(const char *at, const char *end, bool negative, int64_t *ret_value)
{
    uint64_t value = 0, max = (uint64_t)INT64_MAX + negative;

    for (; at < end; at++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value) || value > max)
            return false;
    *ret_value = (int64_t)(negative ? -value : value);
    return true;
}

/* RFC 8259 §6. */
static int read_number(Parser *parser, json_object **ret_value)
{
    bool negative = accept_here(parser, "-"), whole = true;
    const char *start = parser->at;
    int64_t value;

    if (skip_digits(parser) < 0 || (*start == '0' && parser->at - start > 1))
        return -EBADMSG;

    const char *end = parser->at;

    if (accept_here(parser, ".")) {
        whole = false;
        if (skip_digits(parser) < 0)
            return -EBADMSG;
    }
    if (accept_here(parser, "eE")) {
        whole = false;
        (void)accept_here(parser, "+-");
        if (skip_digits(parser) < 0)
            return -EBADMSG;
    }
    /* No message has fractions: that it is one is all that matters. */
    if (!whole || !integer_value(start, end, negative, &value))
        return finish_value(json_object_new_double(0), ret_value);
    return finish_value(json_object_new_int64(value), ret_value);
}

static int read_literal(Parser *parser, json_object **ret_value)
{
    static const char *const words[] = {"null", "false", "true"};

    for (size_t i = 0; i < ELEMENTS(words); i++) {
        size_t size = strlen(words[i]);

        if ((size_t)(parser->end - parser->at) < size || memcmp(parser->at, words[i], size) != 0)
            continue;
        parser->at += size;
        if (i > 0)
            return finish_value(json_object_new_boolean(i == 2), ret_value);
        *ret_value = NULL;
        return 0;
    }
    return -EBADMSG;
}

static int read_value(Parser *parser, json_object **ret_value);

/* The name stays in the text: json-c would strdup() it, and where the process and json-c have different allocators (RTLD_DEEPBIND),
 * libc takes that memory from the one and json-c gives it to the other. */
static int read_member(Parser *parser, json_object *object)
{
    _cleanup_json_ json_object *value = NULL;
    Text name;

    if (peek(parser) != '"' || read_string(parser, &name) < 0)
        return -EBADMSG;
    if (name.size > STRICT_JSON_NAME_MAX || strlen(name.data) != name.size || json_object_object_get_ex(object, name.data, NULL))
        return -EBADMSG;
    if (!accept(parser, ':'))
        return -EBADMSG;

    int r = read_value(parser, &value);

    if (r < 0)
        return r;
    if (json_object_object_add_ex(object, name.data, value, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT) < 0)
        return -ENOMEM;
    value = NULL;
    return 0;
}

static int read_item(Parser *parser, json_object *array)
{
    _cleanup_json_ json_object *value = NULL;
    int r = read_value(parser, &value);

    if (r < 0)
        return r;
    if (json_object_array_add(array, value) < 0)
        return -ENOMEM;
    value = NULL;
    return 0;
}

/* What stands between the brackets, separated by commas. */
static int read_entries(Parser *parser, json_object *container, char close, int (*read_entry)(Parser *, json_object *))
{
    parser->at++;
    if (accept(parser, close))
        return 0;
    do {
        int r = read_entry(parser, container);

        if (r < 0)
            return r;
    } while (accept(parser, ','));
    return accept(parser, close) ? 0 : -EBADMSG;
}

static int read_container(Parser *parser, json_object **ret_value)
{
    bool is_object = *parser->at == '{';
    _cleanup_json_ json_object *container = is_object ? json_object_new_object() : json_object_new_array();

    if (!container)
        return -ENOMEM;
    if (parser->nesting_left == 0)
        return -EBADMSG;
    parser->nesting_left--;

    int r = read_entries(parser, container, is_object ? '}' : ']', is_object ? read_member : read_item);

    if (r < 0)
        return r;
    parser->nesting_left++;
    *ret_value = TAKE_PTR(container);
    return 0;
}

static int read_value(Parser *parser, json_object **ret_value)
{
    char first = peek(parser);

    if (parser->values_left == 0)
        return -EBADMSG;
    parser->values_left--;
    if (first == '"')
        return read_string_value(parser, ret_value);
    if (first == '{' || first == '[')
        return read_container(parser, ret_value);
    if (first == '-' || (first >= '0' && first <= '9'))
        return read_number(parser, ret_value);
    return read_literal(parser, ret_value);
}

static void free_text(json_object *object, void *text)
{
    free(text);
}

int strict_json_parse(const char *text, size_t size, unsigned nesting_max, json_object **ret_object)
{
    _cleanup_free_ char *copy = malloc(size + 1);
    _cleanup_json_ json_object *object = NULL; /* released first: its members' names are in the copy */

    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, size);

    Parser parser = {.at = copy, .end = copy + size, .nesting_left = nesting_max, .values_left = STRICT_JSON_VALUES_MAX};

    if (!utf8_valid(text, size) || peek(&parser) != '{')
        return -EBADMSG;

    int r = read_value(&parser, &object);

    if (r < 0)
        return r;
    if (peek(&parser) != '\0' || parser.at != parser.end)
        return -EBADMSG;
    json_object_set_userdata(object, TAKE_PTR(copy), free_text);
    *ret_object = TAKE_PTR(object);
    return 0;
}
