#include "base/utf8.h"
#include "wire/base64.h"
#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/load-interface.h"
#include "wire/message.h"
#include "wire/node-interface.h"
#include "wire/strict-json.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void seed_random(void)
{
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    printf("# SEED=%u\n", seed);
    srandom(seed);
}

static uint64_t random_between(uint64_t min, uint64_t max)
{
    uint64_t value = (uint64_t)random() << 32 ^ (uint64_t)random() << 16 ^ (uint64_t)random();

    return max - min == UINT64_MAX ? value : min + value % (max - min + 1);
}

/* Zeroed memory. */
static void *allocate(size_t size)
{
    void *memory = calloc(1, size ?: 1);

    ck_assert_ptr_nonnull(memory);
    return memory;
}

static json_object *parse(const char *text)
{
    _cleanup_free_ char *copy = strcpy(allocate(strlen(text) + 1), text);
    json_object *object = NULL;

    ck_assert_msg(strict_json_parse(copy, strlen(copy), FRAME_NESTING_MAX, &object) == 0, "refused: %s", text);
    return object;
}

/* ---- Messages ---- */

typedef struct Inner {
    uint64_t number;
    char *text;
} Inner;

typedef struct Outer {
    bool flag;
    uint64_t number;
    char *text;
    Bytes bytes;
    Inner inner;
    List list;
    bool maybe_flag;
    uint64_t maybe_number;
    char *maybe_text;
    Bytes maybe_bytes;
    Inner maybe_inner;
    List maybe_list;
    List values;
} Outer;

static const Layout inner_layout = {
    "Inner",
    sizeof(Inner),
    (const Field[]){
        {"number", FIELD_UINT, offsetof(Inner, number), 0, INT64_MAX},
        {"text", FIELD_STRING, offsetof(Inner, text), 0, 8},
        {NULL},
    },
};

typedef struct Value {
    char *text;
} Value;

static const Layout value_layout = {
    "Value",
    sizeof(Value),
    (const Field[]){{"text", FIELD_STRING, offsetof(Value, text), 1, 4}, {NULL}},
};

static const Layout outer_layout = {
    "Outer",
    sizeof(Outer),
    (const Field[]){
        {.name = "protocol", .type = FIELD_CONSTANT, .min = 7},
        {"flag", FIELD_BOOL, offsetof(Outer, flag)},
        {"number", FIELD_UINT, offsetof(Outer, number), 5, 10},
        {"text", FIELD_STRING, offsetof(Outer, text), 2, 4},
        {"bytes", FIELD_BYTES, offsetof(Outer, bytes), 2, 4},
        {"inner", FIELD_STRUCT, offsetof(Outer, inner), .of = &inner_layout},
        {"list", FIELD_LIST, offsetof(Outer, list), 1, 3, &inner_layout},
        {"maybeFlag", FIELD_BOOL, offsetof(Outer, maybe_flag), .optional = true},
        {"maybeNumber", FIELD_UINT, offsetof(Outer, maybe_number), 5, 10, .optional = true},
        {"maybeText", FIELD_STRING, offsetof(Outer, maybe_text), 2, 4, .optional = true},
        {"maybeBytes", FIELD_BYTES, offsetof(Outer, maybe_bytes), 2, 4, .optional = true},
        {"maybeInner", FIELD_STRUCT, offsetof(Outer, maybe_inner), .of = &inner_layout, .optional = true},
        {"maybeList", FIELD_LIST, offsetof(Outer, maybe_list), 1, 3, &inner_layout, .optional = true},
        {"values", FIELD_VALUES, offsetof(Outer, values), 0, 2, &value_layout, .optional = true},
        {NULL},
    },
};

static const char least[] =
    "{\"protocol\":7,\"flag\":false,\"number\":5,\"text\":\"ab\",\"bytes\":\"AAE=\",\"inner\":{\"number\":0,\"text\":\"\"},"
    "\"list\":[{\"number\":1,\"text\":\"x\"}]}";
static const char most[] =
    "{\"protocol\":7,\"flag\":true,\"number\":10,\"text\":\"abcd\",\"bytes\":\"AAECAw==\",\"inner\":{\"number\":9223372036854775807,"
    "\"text\":\"12345678\"},\"list\":[{\"number\":1,\"text\":\"x\"},{\"number\":2,\"text\":\"y\"},{\"number\":3,\"text\":\"z\"}],"
    "\"maybeFlag\":true,"
    "\"maybeNumber\":6,\"maybeText\":\"\xc3\xa9\",\"maybeBytes\":\"AAEC\",\"maybeInner\":{\"number\":1,\"text\":\"\"},"
    "\"maybeList\":[{\"number\":4,\"text\":\"\"}],\"values\":[\"x\",\"€\"]}";

static void check_text_round_trip(const char *text)
{
    _cleanup_json_ json_object *object = parse(text), *back = NULL;
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    Outer outer;

    ck_assert_msg(message_parse(&outer_layout, object, &outer, field) == 0, "%s", field);
    ck_assert_int_eq(message_build(&outer_layout, &outer, &back), 0);
    ck_assert_str_eq(json_object_to_json_string_ext(back, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), text);
    message_clear(&outer_layout, &outer);
    ck_assert_ptr_null(outer.text);
}

START_TEST(messages_survive)
{
    check_text_round_trip(least);
    check_text_round_trip(most);
}
END_TEST

START_TEST(null_is_absent)
{
    _cleanup_json_ json_object *object = parse(least);
    char field[MESSAGE_FIELD_NAME_MAX];
    Outer outer;

    json_object_object_add(object, "maybeText", NULL);
    json_object_object_add(object, "maybeInner", NULL);
    ck_assert_int_eq(message_parse(&outer_layout, object, &outer, field), 0);
    ck_assert_ptr_null(outer.maybe_text);
    message_clear(&outer_layout, &outer);
}
END_TEST

/* `most` with one member replaced (NULL: removed), and the field that is to be blamed. */
static const char *const bad_fields[][3] = {
    {"protocol", NULL, "protocol"},
    {"protocol", "8", "protocol"},
    {"protocol", "7.0", "protocol"},
    {"protocol", "\"7\"", "protocol"},
    {"protocol", "null", "protocol"},
    {"flag", NULL, "flag"},
    {"flag", "null", "flag"},
    {"flag", "0", "flag"},
    {"flag", "\"true\"", "flag"},
    {"maybeFlag", "1", "maybeFlag"},
    {"number", NULL, "number"},
    {"number", "4", "number"},
    {"number", "11", "number"},
    {"number", "-6", "number"},
    {"number", "6.0", "number"},
    {"number", "true", "number"},
    {"number", "\"6\"", "number"},
    {"number", "9223372036854775808", "number"},
    {"number", "18446744073709551622", "number"},
    {"number", "[6]", "number"},
    {"maybeNumber", "0", "maybeNumber"},
    {"maybeNumber", "4", "maybeNumber"},
    {"text", NULL, "text"},
    {"text", "\"a\"", "text"},
    {"text", "\"abcde\"", "text"},
    {"text", "\"\\u20ac\\u20ac\"", "text"},
    {"text", "\"a\\u0000b\"", "text"},
    {"text", "12", "text"},
    {"maybeText", "\"\"", "maybeText"},
    {"bytes", NULL, "bytes"},
    {"bytes", "\"AA==\"", "bytes"},
    {"bytes", "\"AAECAwQ=\"", "bytes"},
    {"bytes", "\"AAE\"", "bytes"},
    {"bytes", "\"AAF=\"", "bytes"},
    {"bytes", "\"AAE=\\n\"", "bytes"},
    {"bytes", "\"AA E\"", "bytes"},
    {"bytes", "\"AAE\\u0000\"", "bytes"},
    {"bytes", "[0,1]", "bytes"},
    {"maybeBytes", "\"\"", "maybeBytes"},
    {"inner", NULL, "inner"},
    {"inner", "1", "inner"},
    {"inner", "[]", "inner"},
    {"inner", "{\"number\":1}", "inner.text"},
    {"inner", "{\"text\":\"\"}", "inner.number"},
    {"inner", "{\"number\":-1,\"text\":\"\"}", "inner.number"},
    {"inner", "{\"number\":1,\"text\":\"\",\"more\":1}", "inner.more"},
    {"list", NULL, "list"},
    {"list", "{}", "list"},
    {"list", "[]", "list"},
    {"list", "[{\"number\":1,\"text\":\"\"},{\"number\":1,\"text\":\"\"},{\"number\":1,\"text\":\"\"},{\"number\":1,\"text\":\"\"}]",
     "list"},
    {"list", "[1]", "list[0]"},
    {"list", "[{\"number\":1,\"text\":\"\"},null]", "list[1]"},
    {"list", "[{\"number\":1,\"text\":\"\"},{\"number\":1,\"text\":\"\"},{\"number\":1,\"text\":\"123456789\"}]", "list[2].text"},
    {"list", "[{\"number\":1,\"text\":\"\",\"x\":null}]", "list[0].x"},
    {"maybeList", "[]", "maybeList"},
    {"maybeList", "[{}]", "maybeList[0].number"},
    {"values", "\"x\"", "values"},
    {"values", "{}", "values"},
    {"values", "[\"x\",\"y\",\"z\"]", "values"},
    {"values", "[\"x\",\"\"]", "values[1]"},
    {"values", "[1]", "values[0]"},
    {"values", "[{\"text\":\"x\"}]", "values[0]"},
    {"values", "[null]", "values[0]"},
    {"unknown", "null", "unknown"},
    {"Flag", "true", "Flag"},
    {"", "1", ""},
};

/* {"v": text} */
static json_object *wrap(const char *text)
{
    _cleanup_free_ char *wrapped = NULL;

    ck_assert_int_gt(asprintf(&wrapped, "{\"v\":%s}", text), 0);
    return parse(wrapped);
}

START_TEST(bad_fields_are_named)
{
    _cleanup_json_ json_object *wrapped = wrap(bad_fields[_i][1] ?: "null"); /* outlives the object that gets its value */
    _cleanup_json_ json_object *object = parse(most);
    char field[MESSAGE_FIELD_NAME_MAX] = "?";
    Outer outer, zero = {0};

    if (bad_fields[_i][1])
        json_object_object_add(object, bad_fields[_i][0], json_object_get(json_object_object_get(wrapped, "v")));
    else
        json_object_object_del(object, bad_fields[_i][0]);
    ck_assert_int_eq(message_parse(&outer_layout, object, &outer, field), MESSAGE_E_INVALID_FIELD);
    ck_assert_str_eq(field, bad_fields[_i][2]);
    ck_assert_mem_eq(&outer, &zero, sizeof(outer));
}
END_TEST

START_TEST(null_object_is_empty)
{
    char field[MESSAGE_FIELD_NAME_MAX];
    Outer outer;

    ck_assert_int_eq(message_parse(&outer_layout, NULL, &outer, field), MESSAGE_E_INVALID_FIELD);
    ck_assert_str_eq(field, "protocol");
}
END_TEST

/* A long name is cut, and never inside a character. */
START_TEST(long_names_are_cut)
{
    for (size_t before = 0; before < 4; before++) {
        _cleanup_json_ json_object *object = json_object_new_object();
        char name[200] = "", field[MESSAGE_FIELD_NAME_MAX];
        Outer outer;

        memset(name, 'x', before);
        for (size_t i = 0; i < 30; i++)
            strcat(name, "\xf0\x9f\x98\x80");
        json_object_object_add(object, name, NULL);
        ck_assert_int_eq(message_parse(&outer_layout, object, &outer, field), MESSAGE_E_INVALID_FIELD);
        ck_assert(utf8_valid(field, strlen(field)));
        ck_assert_uint_ge(strlen(field), MESSAGE_FIELD_NAME_MAX - 4);
        ck_assert(strncmp(field, name, strlen(field)) == 0);
    }
}
END_TEST

static int build(const Outer *outer)
{
    _cleanup_json_ json_object *object = NULL;

    return message_build(&outer_layout, outer, &object);
}

/* What could not be parsed is not built. */
START_TEST(build_checks_ranges)
{
    Inner inner = {1, (char *)"x"}, bad_inner = {UINT64_MAX, NULL};
    const Outer good = {.number = 5, .text = (char *)"ab", .bytes = {(uint8_t *)"ab", 2}, .list = {&inner, 1}};
    Outer outer = good;

    ck_assert_int_eq(build(&outer), 0);
    outer.number = 4;
    ck_assert_int_eq(build(&outer), -EINVAL);
    outer = good, outer.number = 11;
    ck_assert_int_eq(build(&outer), -EINVAL);
    outer = good, outer.text = NULL;
    ck_assert_int_eq(build(&outer), -EINVAL);
    outer = good, outer.text = (char *)"abcde";
    ck_assert_int_eq(build(&outer), -EINVAL);
    outer = good, outer.text = (char *)"\xe9\xe9";
    ck_assert_int_eq(build(&outer), -EINVAL);
    outer = good, outer.bytes.size = 1;
    ck_assert_int_eq(build(&outer), -EINVAL);
    outer = good, outer.list.count = 0;
    ck_assert_int_eq(build(&outer), -EINVAL);
    outer = good, outer.list.items = &bad_inner;
    ck_assert_int_eq(build(&outer), -EINVAL);
    outer = good, outer.maybe_number = 4;
    ck_assert_int_eq(build(&outer), -EINVAL);
    outer = good, outer.maybe_text = (char *)"a";
    ck_assert_int_eq(build(&outer), -EINVAL);
}
END_TEST

/* ---- The layouts of the interfaces ---- */

static const Layout *const layouts[] = {
    &node_no_parameters,
    &node_hello_input,
    &node_hello_output,
    &node_status_output,
    &node_init_token_input,
    &node_challenge_input,
    &node_prepare_pin_input,
    &node_commit_pin_input,
    &node_list_input,
    &node_list_output,
    &node_key_input,
    &node_get_key_output,
    &node_prepare_input,
    &node_activate_input,
    &node_set_record_input,
    &node_partial_sign_input,
    &node_partial_sign_output,
    &node_error_detail,
    &node_record,
    &node_key_entry,
    &node_announce_input,
    &node_authorize_input,
    &node_name_input,
    &node_client_entry,
    &node_clients_output,
    &node_peer,
    &node_peers,
    &node_unlock_input,
    &load_input,
    &load_output,
    &load_error_detail,
};

static void fill(const Layout *layout, void *message);

static void fill_string(const Field *field, char **text)
{
    static const char *const characters[] = {"a", "\"", "\\", "/", "\n", "\x01", "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    size_t wanted = random_between(field->min, field->max < 300 ? field->max : 300), size = 0;

    *text = allocate(wanted + 1);
    while (size < wanted) {
        const char *character = characters[random_between(0, ELEMENTS(characters) - 1)];

        if (strlen(character) > wanted - size)
            character = "z";
        strcpy(*text + size, character);
        size += strlen(character);
    }
}

static void fill_bytes(const Field *field, Bytes *bytes)
{
    ck_assert_int_eq(bytes_new(random_between(field->min, field->max), bytes), 0);
    for (size_t i = 0; i < bytes->size; i++)
        bytes->data[i] = (uint8_t)random();
}

static void fill_list(const Field *field, List *list)
{
    list->count = random_between(field->min, field->max < 20 ? field->max : 20);
    list->items = list->count > 0 ? allocate(list->count * field->of->size) : NULL;
    for (size_t i = 0; i < list->count; i++)
        fill(field->of, (char *)list->items + i * field->of->size);
}

static void fill_field(const Field *field, void *storage)
{
    switch (field->type) {
    case FIELD_CONSTANT:
        return;
    case FIELD_BOOL:
        *(bool *)storage = random() & 1;
        return;
    case FIELD_UINT:
        *(uint64_t *)storage = random_between(field->min, field->max);
        return;
    case FIELD_STRING:
        fill_string(field, storage);
        return;
    case FIELD_BYTES:
        fill_bytes(field, storage);
        return;
    case FIELD_STRUCT:
        fill(field->of, storage);
        return;
    case FIELD_LIST:
    case FIELD_VALUES:
        fill_list(field, storage);
        return;
    }
}

static void fill(const Layout *layout, void *message)
{
    for (const Field *field = layout->fields; field->name; field++)
        if (!field->optional || (random() & 1))
            fill_field(field, (char *)message + field->offset);
}

static json_object *random_object(const Layout *layout)
{
    _cleanup_free_ void *message = allocate(layout->size);
    json_object *object = NULL;

    fill(layout, message);
    ck_assert_int_eq(message_build(layout, message, &object), 0);
    message_clear(layout, message);
    return object;
}

static const char *text_of(json_object *object)
{
    return json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

START_TEST(random_messages_survive)
{
    const Layout *layout = layouts[_i];
    _cleanup_free_ void *message = allocate(layout->size);

    seed_random();
    for (int round = 0; round < 200; round++) {
        _cleanup_json_ json_object *object = random_object(layout), *read = parse(text_of(object)), *back = NULL;
        char field[MESSAGE_FIELD_NAME_MAX] = "";

        ck_assert_msg(message_parse(layout, read, message, field) == 0, "%s: %s in %s", layout->name, field, text_of(object));
        ck_assert_int_eq(message_build(layout, message, &back), 0);
        ck_assert_str_eq(text_of(back), text_of(object));
        message_clear(layout, message);
    }
}
END_TEST

static void check_blamed(const Layout *layout, const Field *wrong, json_object *value)
{
    _cleanup_free_ void *message = allocate(layout->size);
    _cleanup_json_ json_object *object = random_object(layout);
    char field[MESSAGE_FIELD_NAME_MAX] = "";

    json_object_object_add(object, wrong->name, value);
    ck_assert_msg(message_parse(layout, object, message, field) == MESSAGE_E_INVALID_FIELD, "%s.%s", layout->name, wrong->name);
    ck_assert_str_eq(field, wrong->name);
}

/* Every field of every layout: missing, of another type, out of its range. */
START_TEST(every_field_is_checked)
{
    for (const Field *field = layouts[_i]->fields; field->name; field++) {
        if (!field->optional)
            check_blamed(layouts[_i], field, NULL);
        check_blamed(layouts[_i], field, json_object_new_double(1));
        if (field->type != FIELD_BOOL)
            check_blamed(layouts[_i], field, json_object_new_boolean(true));
        if (field->type == FIELD_UINT || field->type == FIELD_CONSTANT)
            check_blamed(layouts[_i], field, json_object_new_int64(-1));
        if (field->type == FIELD_UINT && field->min > 0)
            check_blamed(layouts[_i], field, json_object_new_int64((int64_t)field->min - 1));
        if (field->type == FIELD_UINT && field->max < INT64_MAX)
            check_blamed(layouts[_i], field, json_object_new_int64((int64_t)field->max + 1));
        if (field->type == FIELD_STRING || field->type == FIELD_BYTES) {
            _cleanup_free_ char *text = allocate(BASE64_SIZE(field->max + 3) + 1);

            memset(text, 'A', BASE64_SIZE(field->max + 3));
            check_blamed(layouts[_i], field, json_object_new_string(text));
        }
    }
}
END_TEST

START_TEST(error_names_go_both_ways)
{
    for (NodeError error = NODE_ERROR_NONE + 1; error < NODE_ERROR_UNKNOWN; error++)
        ck_assert_int_eq(node_error_from_name(node_error_name(error)), error);
    ck_assert_int_eq(node_error_from_name(NULL), NODE_ERROR_NONE);
    ck_assert_int_eq(node_error_from_name("org.keyquorum.Node.Nothing"), NODE_ERROR_UNKNOWN);
    ck_assert_ptr_null(node_error_name(NODE_ERROR_UNKNOWN));
    for (LoadError error = LOAD_ERROR_NONE + 1; error < LOAD_ERROR_UNKNOWN; error++)
        ck_assert_int_eq(load_error_from_name(load_error_name(error)), error);
    ck_assert_int_eq(load_error_from_name("org.keyquorum.Node.Rejected"), LOAD_ERROR_UNKNOWN);
}
END_TEST

/* ---- Envelopes ---- */

static const char *const bad_requests[][2] = {
    {"{}", "method"},
    {"{\"method\":null}", "method"},
    {"{\"method\":1}", "method"},
    {"{\"method\":\"\"}", "method"},
    {"{\"method\":\"a.b\\u0000c\"}", "method"},
    {"{\"method\":\"a.b\",\"parameters\":[]}", "parameters"},
    {"{\"method\":\"a.b\",\"parameters\":\"\"}", "parameters"},
    {"{\"method\":\"a.b\",\"more\":1}", "more"},
    {"{\"method\":\"a.b\",\"oneway\":\"yes\"}", "oneway"},
    {"{\"method\":\"a.b\",\"Parameters\":{}}", "Parameters"},
    {"{\"method\":\"a.b\",\"id\":1}", "id"},
};

START_TEST(bad_requests_are_named)
{
    _cleanup_json_ json_object *object = parse(bad_requests[_i][0]);
    char field[MESSAGE_FIELD_NAME_MAX];
    Request request;

    ck_assert_int_eq(envelope_parse_request(object, &request, field), MESSAGE_E_INVALID_FIELD);
    ck_assert_str_eq(field, bad_requests[_i][1]);
}
END_TEST

static const char *const bad_replies[] = {
    "{\"parameters\":[]}",  "{\"error\":1}",     "{\"error\":\"\"}",     "{\"error\":\"a\\u0000\"}",
    "{\"continues\":true}", "{\"continues\":0}", "{\"method\":\"a.b\"}",
};

START_TEST(bad_replies_are_refused)
{
    _cleanup_json_ json_object *object = parse(bad_replies[_i]), *good = parse("{\"parameters\":null,\"error\":null,\"continues\":false}");
    Response response;

    ck_assert_int_eq(envelope_parse_reply(object, &response), -EBADMSG);
    ck_assert_int_eq(envelope_parse_reply(good, &response), 0);
    ck_assert_ptr_null(response.error);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, messages_survive);
    tcase_add_test(cases, null_is_absent);
    tcase_add_loop_test(cases, bad_fields_are_named, 0, ELEMENTS(bad_fields));
    tcase_add_test(cases, null_object_is_empty);
    tcase_add_test(cases, long_names_are_cut);
    tcase_add_test(cases, build_checks_ranges);
    tcase_add_loop_test(cases, random_messages_survive, 0, ELEMENTS(layouts));
    tcase_add_loop_test(cases, every_field_is_checked, 0, ELEMENTS(layouts));
    tcase_add_test(cases, error_names_go_both_ways);
    tcase_add_loop_test(cases, bad_requests_are_named, 0, ELEMENTS(bad_requests));
    tcase_add_loop_test(cases, bad_replies_are_refused, 0, ELEMENTS(bad_replies));
}

UNIT_MAIN("message", add_tests)
