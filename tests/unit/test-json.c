#include "base/utf8.h"
#include "wire/base64.h"
#include "wire/frame.h"
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

/* Zeroed memory. */
static void *allocate(size_t size)
{
    void *memory = calloc(1, size ?: 1);

    ck_assert_ptr_nonnull(memory);
    return memory;
}

/* Parse a copy of the text, in memory of just its size so that ASan sees every step beyond it. */
static int parse_sized(const char *text, size_t size, json_object **ret_object)
{
    _cleanup_free_ char *copy = allocate(size);

    memcpy(copy, text, size);
    return strict_json_parse(copy, size, FRAME_NESTING_MAX, ret_object);
}

static json_object *parse(const char *text)
{
    json_object *object = NULL;

    ck_assert_msg(parse_sized(text, strlen(text), &object) == 0, "refused: %s", text);
    return object;
}

/* ---- JSON: RFC 8259 ---- */

START_TEST(json_is_read)
{
    _cleanup_json_ json_object *object =
        parse(" {\"a\" : [1, -2,\t-0, 9223372036854775807 , -9223372036854775808],\r\n \"b\":"
              "{\"\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00 \xc3\xa9\", \"c\":[null,true,false,{},[]]}} ");

    ck_assert_str_eq(
        json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
        "{\"a\":[1,-2,0,9223372036854775807,-9223372036854775808],\"b\":{\"\":\"\\\"\\\\/\\b\\f\\n\\r\\t\xc3\xa9\xf0\x9f\x98\x80 "
        "\xc3\xa9\",\"c\":[null,true,false,{},[]]}}");
}
END_TEST

/* A number that is no integer is JSON, but its value is nobody's. */
START_TEST(json_numbers)
{
    static const char *const texts[] = {
        "1.0", "1e0", "-1.5E+3", "0.5", "9223372036854775808", "-9223372036854775809", "99999999999999999999999"};
    char text[64];

    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        (void)snprintf(text, sizeof(text), "{\"n\":%s}", texts[i]);

        _cleanup_json_ json_object *object = parse(text);

        ck_assert(json_object_is_type(json_object_object_get(object, "n"), json_type_double));
    }
}
END_TEST

/* The names are the result's own: they do not need the text any more. */
START_TEST(json_outlives_its_text)
{
    char text[] = "{\"a\\u0062\":{\"c\":[{\"d\":1}]}}";
    json_object *object = NULL;

    ck_assert_int_eq(strict_json_parse(text, strlen(text), FRAME_NESTING_MAX, &object), 0);
    ck_assert_str_eq(text, "{\"a\\u0062\":{\"c\":[{\"d\":1}]}}"); /* nor is it touched */
    memset(text, 'x', strlen(text));
    ck_assert_str_eq(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN), "{\"ab\":{\"c\":[{\"d\":1}]}}");
    json_object_put(object);
}
END_TEST

static const char *const bad_json[] = {
    "",
    " ",
    "[]",
    "1",
    "null",
    "\"a\"",
    "{",
    "}",
    "{}{}",
    "{} x",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":[1,]}",
    "{\"a\":[1 2]}",
    "{\"a\":[}",
    "{\"a\":[1}",
    "{\"a\":01}",
    "{\"a\":-}",
    "{\"a\":+1}",
    "{\"a\":.5}",
    "{\"a\":1.}",
    "{\"a\":1e}",
    "{\"a\":1e+}",
    "{\"a\":0x1}",
    "{\"a\":NaN}",
    "{\"a\":Infinity}",
    "{\"a\":nul}",
    "{\"a\":True}",
    "{\"a\":truely}",
    "{\"a\":\"",
    "{\"a\":\"\\\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\\u12\"}",
    "{\"a\":\"\\u12g4\"}",
    "{\"a\":\"\n\"}",
    "{\"a\":\"\x1f\"}",
    "{\"a\":\"\\ud800\"}",
    "{\"a\":\"\\ud800\\n\"}",
    "{\"a\":\"\\ud800\\u0041\"}",
    "{\"a\":\"\\udc00\"}",
    "{\"a\":\"\\ud800\\ud800\"}",
    "{\"a\":\"\\ud800\\ue000\"}",
    /* a byte order mark, comments, form feed as space */
    "\xef\xbb\xbf{}",
    "{/**/}",
    "{}//",
    "{\f}",
    /* repeated members, also in disguise and further down */
    "{\"a\":1,\"a\":1}",
    "{\"a\":1,\"\\u0061\":2}",
    "{\"b\":[{\"a\":null,\"a\":null}]}",
    /* a NUL in a name */
    "{\"a\\u0000b\":1}",
    /* not UTF-8: lone continuation, overlong, surrogate, above U+10FFFF, cut short, Latin-1 */
    "{\"a\":\"\x80\"}",
    "{\"a\":\"\xc0\xaf\"}",
    "{\"a\":\"\xe0\x9f\xbf\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\xf0\x8f\xbf\xbf\"}",
    "{\"a\":\"\xe2\x82\"}",
    "{\"\xe9\":1}",
    "{\"a\":\"\xff\"}",
};

START_TEST(bad_json_is_refused)
{
    json_object *object = NULL;

    ck_assert_int_eq(parse_sized(bad_json[_i], strlen(bad_json[_i]), &object), -EBADMSG);
    ck_assert_ptr_null(object);
}
END_TEST

START_TEST(json_with_a_nul_is_refused)
{
    json_object *object = NULL;

    ck_assert_int_eq(parse_sized("{}\0", 3, &object), -EBADMSG);
    ck_assert_int_eq(parse_sized("{\0}", 3, &object), -EBADMSG);
    ck_assert_int_eq(parse_sized("{\"a\":\"\0\"}", 9, &object), -EBADMSG);
    ck_assert_int_eq(parse_sized("{\"a\":1\0}", 8, &object), -EBADMSG);
}
END_TEST

/* Every beginning of a good text is bad. */
START_TEST(half_json_is_refused)
{
    static const char text[] = "{\"method\":\"a.b\",\"parameters\":{\"x\":[1,-2.5e3,\"\\ud83d\\ude00\xc3\xa9\",true,null]}}";
    json_object *object = NULL;

    for (size_t size = 0; size < sizeof(text) - 1; size++)
        ck_assert_int_eq(parse_sized(text, size, &object), -EBADMSG);
    json_object_put(parse(text));
}
END_TEST

static char *nested(unsigned levels)
{
    char *text = allocate(8 + 2 * levels);
    size_t at = strlen("{\"a\":");

    memcpy(text, "{\"a\":", at);
    memset(text + at, '[', levels - 1);
    memset(text + at + levels - 1, ']', levels - 1);
    text[at + 2 * (levels - 1)] = '}';
    return text;
}

START_TEST(nesting_is_bounded)
{
    _cleanup_free_ char *good = nested(FRAME_NESTING_MAX), *bad = nested(FRAME_NESTING_MAX + 1), *bomb = nested(400000);
    json_object *object = NULL;

    json_object_put(parse(good));
    ck_assert_int_eq(parse_sized(bad, strlen(bad), &object), -EBADMSG);
    ck_assert_int_eq(parse_sized(bomb, strlen(bomb), &object), -EBADMSG);
    ck_assert_int_eq(parse_sized(bomb, 400000, &object), -EBADMSG);
}
END_TEST

/* An array of `count` zeros. The object and the array are values too. */
static int parse_many(size_t count)
{
    _cleanup_free_ char *text = allocate(16 + 2 * count);
    _cleanup_json_ json_object *object = NULL;
    size_t at = strlen("{\"a\":[0");

    memcpy(text, "{\"a\":[0", at);
    for (size_t i = 1; i < count; i++, at += 2)
        memcpy(text + at, ",0", 2);
    memcpy(text + at, "]}", 2);
    return parse_sized(text, strlen(text), &object);
}

START_TEST(values_are_bounded)
{
    ck_assert_int_eq(parse_many(STRICT_JSON_VALUES_MAX - 2), 0);
    ck_assert_int_eq(parse_many(STRICT_JSON_VALUES_MAX - 1), -EBADMSG);
}
END_TEST

START_TEST(names_are_bounded)
{
    char text[STRICT_JSON_NAME_MAX + 16];
    json_object *object = NULL;

    (void)snprintf(text, sizeof(text), "{\"%0*d\":1}", STRICT_JSON_NAME_MAX, 0);
    json_object_put(parse(text));
    (void)snprintf(text, sizeof(text), "{\"%0*d\":1}", STRICT_JSON_NAME_MAX + 1, 0);
    ck_assert_int_eq(parse_sized(text, strlen(text), &object), -EBADMSG);
}
END_TEST

/* Every scalar value is valid, every surrogate is not, and nothing is when its last byte is missing. */
START_TEST(utf8_is_exact)
{
    char text[UTF8_SIZE_MAX];

    for (uint32_t character = 0; character <= 0x10ffff; character++) {
        size_t size = utf8_write(character, text);
        bool surrogate = character >= 0xd800 && character <= 0xdfff;

        if (utf8_valid(text, size) == surrogate || (size > 1 && utf8_valid(text, size - 1)))
            ck_abort_msg("U+%04x", (unsigned)character); /* an assertion for each takes a minute */
    }
}
END_TEST

/* ---- base64: RFC 4648 ---- */

/* §10, and the two characters that matter. */
static const char *const base64_vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff", "+/8="},
};

START_TEST(base64_agrees)
{
    const char *data = base64_vectors[_i][0], *text = base64_vectors[_i][1];
    char encoded[16] = {0};
    Bytes decoded _cleanup_bytes_ = {0};

    base64_encode(data, strlen(data), encoded);
    ck_assert_str_eq(encoded, text);
    ck_assert_int_eq(base64_decode(text, strlen(text), &decoded), 0);
    ck_assert_uint_eq(decoded.size, strlen(data));
    if (decoded.size > 0)
        ck_assert_mem_eq(decoded.data, data, decoded.size);
}
END_TEST

/* White space, no or too much padding, padding inside, unused bits (§3.5), the other alphabet (§5), control characters. */
static const char *const bad_base64[] = {
    " ",      "Zg",   "Zg=",   "Zm8",  "Z===",    "====",       "=",        "Zg==Zg==", "Zm=8", "Zh==",    "Zm9=",
    "Zm9v\n", "Zm 9", "Zm9v ", "-_8=", "Zm9\x80", "Zm9vYg==\n", "Zm9vYh==", "Zm9vYmF=", "Zg=a", "\x01m9v", "Zm9vZ",
};

START_TEST(bad_base64_is_refused)
{
    Bytes decoded = {0};

    ck_assert_int_eq(base64_decode(bad_base64[_i], strlen(bad_base64[_i]), &decoded), -EINVAL);
    ck_assert_ptr_null(decoded.data);
}
END_TEST

START_TEST(base64_round_trips)
{
    uint8_t data[200];
    char text[BASE64_SIZE(sizeof(data))];

    seed_random();
    for (int round = 0; round < 5000; round++) {
        size_t size = (size_t)random() % (sizeof(data) + 1);
        Bytes decoded _cleanup_bytes_ = {0};

        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)random();
        base64_encode(data, size, text);
        ck_assert_int_eq(base64_decode(text, BASE64_SIZE(size), &decoded), 0);
        ck_assert(bytes_equal(&decoded, &(Bytes){data, size}));
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, json_is_read);
    tcase_add_test(cases, json_outlives_its_text);
    tcase_add_test(cases, json_numbers);
    tcase_add_loop_test(cases, bad_json_is_refused, 0, ELEMENTS(bad_json));
    tcase_add_test(cases, json_with_a_nul_is_refused);
    tcase_add_test(cases, half_json_is_refused);
    tcase_add_test(cases, nesting_is_bounded);
    tcase_add_test(cases, values_are_bounded);
    tcase_add_test(cases, names_are_bounded);
    tcase_add_test(cases, utf8_is_exact);
    tcase_add_loop_test(cases, base64_agrees, 0, ELEMENTS(base64_vectors));
    tcase_add_loop_test(cases, bad_base64_is_refused, 0, ELEMENTS(bad_base64));
    tcase_add_test(cases, base64_round_trips);
}

UNIT_MAIN("json", add_tests)
