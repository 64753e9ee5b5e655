#include "wire-fixture.h"
#include "wire/frame.h"

/* ---- What is answered ---- */

#define SERVICE_CALL(method, parameters)      CALL("org.varlink.service." method, parameters)
#define SERVICE_REFUSAL(error, member, value) "{\"error\":\"org.varlink.service." error "\",\"parameters\":{\"" member "\":\"" value "\"}}"

static const char *const answers[][2] = {
    {ECHO("a\\u0001\\u00e9"), TEXT("a\\u0001\xc3\xa9")},
    {"{\"method\":\"org.example.Test.Nothing\"}", "{\"parameters\":{}}"},
    {TEST_CALL("Nothing", "{}"), "{\"parameters\":{}}"},
    {TEST_CALL("Nothing", "null"), "{\"parameters\":{}}"},
    {TEST_CALL("Refuse", "{\"text\":\"no\"}"), "{\"error\":\"org.example.Test.Refused\",\"parameters\":{\"text\":\"no\"}}"},
    {"{\"method\":\"org.example.Test.Echo\",\"more\":true,\"parameters\":{\"text\":\"once\"}}", TEXT("once")},
    {"{\"method\":\"org.example.Test.Echo\",\"oneway\":false,\"upgrade\":false,\"parameters\":{\"text\":\"b\"}}", TEXT("b")},
    /* org.varlink.service */
    {SERVICE_CALL("GetInfo", "{}"),
     "{\"parameters\":{\"vendor\":\"Example\",\"product\":\"Test\",\"version\":\"1\",\"url\":\"https://example.org/\","
     "\"interfaces\":[\"org.varlink.service\",\"org.example.Test\"]}}"},
    {SERVICE_CALL("GetInfo", "{\"x\":1}"), INVALID("x")},
    {SERVICE_CALL("GetInterfaceDescription", "{\"interface\":\"org.example.Test\"}"),
     "{\"parameters\":{\"description\":\"interface org.example.Test\\n\"}}"},
    {SERVICE_CALL("GetInterfaceDescription", "{\"interface\":\"org.example.Other\"}"),
     SERVICE_REFUSAL("InterfaceNotFound", "interface", "org.example.Other")},
    {SERVICE_CALL("GetInterfaceDescription", "{}"), INVALID("interface")},
    /* what there is not */
    {CALL("org.example.Other.Echo", "{}"), SERVICE_REFUSAL("InterfaceNotFound", "interface", "org.example.Other")},
    {CALL("org.example.Test.More.Echo", "{}"), SERVICE_REFUSAL("InterfaceNotFound", "interface", "org.example.Test.More")},
    {CALL("org.example.Tes.Echo", "{}"), SERVICE_REFUSAL("InterfaceNotFound", "interface", "org.example.Tes")},
    {TEST_CALL("Other", "{}"), SERVICE_REFUSAL("MethodNotFound", "method", "org.example.Test.Other")},
    {TEST_CALL("echo", "{}"), SERVICE_REFUSAL("MethodNotFound", "method", "org.example.Test.echo")},
    {TEST_CALL("", "{}"), SERVICE_REFUSAL("MethodNotFound", "method", "org.example.Test.")},
    {SERVICE_CALL("Upgrade", "{}"), SERVICE_REFUSAL("MethodNotFound", "method", "org.varlink.service.Upgrade")},
    {CALL("Echo", "{}"), INVALID("method")},
    /* what is wrong with the request */
    {"{}", INVALID("method")},
    {"{\"method\":1}", INVALID("method")},
    {"{\"method\":\"org.example.Test.Nothing\",\"id\":1}", INVALID("id")},
    {"{\"method\":\"org.example.Test.Nothing\",\"upgrade\":true}", INVALID("upgrade")},
    {"{\"method\":\"org.example.Test.Nothing\",\"more\":1}", INVALID("more")},
    {"{\"method\":\"org.example.Test.Nothing\",\"parameters\":[]}", INVALID("parameters")},
    {TEST_CALL("Nothing", "{\"x\":null}"), INVALID("x")},
    {TEST_CALL("Echo", "{}"), INVALID("text")},
    {"{\"method\":\"org.example.Test.Echo\"}", INVALID("text")},
    {TEST_CALL("Echo", "{\"text\":1}"), INVALID("text")},
    {TEST_CALL("Echo", "{\"text\":\"a\\u0000\"}"), INVALID("text")},
    {TEST_CALL("Echo", "{\"text\":\"a\",\"\\u00e9\":2}"), INVALID("\xc3\xa9")},
};

START_TEST(requests_are_answered)
{
    _cleanup_close_ int fd = connect_raw();

    check_answer(fd, answers[_i][0], answers[_i][1]);
    check_alive(fd);
}
END_TEST

START_TEST(oneway_is_not_answered)
{
    _cleanup_close_ int fd = connect_raw();

    send_text(fd, "{\"method\":\"org.example.Test.Echo\",\"oneway\":true,\"parameters\":{\"text\":\"a\"}}");
    send_text(fd, "{\"method\":\"org.example.Test.Echo\",\"oneway\":true,\"parameters\":{}}");
    send_text(fd, "{\"method\":\"org.example.Test.Echo\",\"oneway\":true,\"x\":1}");
    send_text(fd, "{\"method\":\"org.example.Test.Refuse\",\"oneway\":true,\"parameters\":{\"text\":\"a\"}}");
    send_text(fd, "{\"method\":\"org.example.Test.Later\",\"oneway\":true,\"parameters\":{\"text\":\"a\"}}");
    pump();
    ck_assert_uint_eq(seen.calls, 3);
    ck_assert_str_eq(receive(fd), "");
    answer_later(0);
    check_alive(fd);
}
END_TEST

/* ---- What ends a connection, and that one only ---- */

static const char *const garbage[] = {
    "",
    "garbage",
    "[]",
    "\"method\"",
    "{\"method\":\"org.example.Test.Nothing\"",
    "{\"method\":\"org.example.Test.Nothing\",\"method\":\"org.example.Test.Nothing\"}",
    "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"text\":\"a\",\"te\\u0078t\":\"b\"}}",
    "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"text\":\"\xff\"}}",
    "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"text\":01}}",
};

START_TEST(garbage_closes)
{
    _cleanup_close_ int fd = connect_raw(), other = connect_raw();

    send_text(fd, garbage[_i]);
    send_text(fd, ECHO("never"));
    pump();
    ck_assert(is_closed(fd));
    ck_assert_uint_eq(seen.calls, 0);
    check_alive(other);
    ck_assert_uint_eq(server_connections(fixture.server), 1);
}
END_TEST

START_TEST(a_bomb_closes)
{
    _cleanup_close_ int fd = connect_raw(), other = connect_raw();
    _cleanup_free_ char *bomb = letters(FRAME_SIZE_MAX);

    memset(bomb, '[', FRAME_SIZE_MAX);
    memcpy(bomb, "{\"a\":", 5);
    bomb[FRAME_SIZE_MAX - 1] = '\0';
    send_all(fd, bomb, FRAME_SIZE_MAX);
    ck_assert(is_closed(fd));
    check_alive(other);
}
END_TEST

START_TEST(half_a_frame_and_good_bye)
{
    _cleanup_close_ int other = connect_raw();

    for (size_t size = 0; size < strlen(ECHO("x")); size++) {
        _cleanup_close_ int fd = connect_raw();

        send_all(fd, ECHO("x"), size);
        pump();
    }
    pump();
    ck_assert_uint_eq(seen.calls, 0);
    ck_assert_uint_eq(server_connections(fixture.server), 1);
    check_alive(other);
}
END_TEST

/* White space makes a frame of any size. */
static void send_frame_of(int fd, size_t size)
{
    static const char text[] = "{\"method\":\"org.example.Test.Nothing\"}";
    _cleanup_free_ char *frame = letters(size);

    memset(frame, ' ', size);
    memcpy(frame, text, sizeof(text) - 1);
    send_all(fd, frame, size + 1);
}

START_TEST(frames_are_bounded)
{
    _cleanup_close_ int fd = connect_raw(), other = connect_raw();

    send_frame_of(fd, FRAME_SIZE_MAX);
    ck_assert_str_eq(receive(fd), "{\"parameters\":{}}\n");
    send_frame_of(fd, FRAME_SIZE_MAX + 1);
    ck_assert(is_closed(fd));
    ck_assert_uint_eq(seen.calls, 1);
    check_alive(other);
}
END_TEST

START_TEST(replies_are_bounded)
{
    _cleanup_close_ int fd = connect_raw(), other = connect_raw();

    send_text(fd, TEST_CALL("Large", "{\"text\":\"1048576\"}"));
    pump();
    ck_assert(is_closed(fd));
    check_alive(other);
}
END_TEST

START_TEST(a_handler_that_fails_closes)
{
    _cleanup_close_ int fd = connect_raw(), other = connect_raw();

    send_text(fd, "{\"method\":\"org.example.Test.Fail\"}");
    send_text(fd, ECHO("never"));
    pump();
    ck_assert(is_closed(fd));
    ck_assert_uint_eq(seen.calls, 1);
    check_alive(other);
}
END_TEST

/* ---- Order and pressure ---- */

START_TEST(bytes_may_trickle)
{
    static const char text[] = ECHO("slowly");
    _cleanup_close_ int fd = connect_raw();

    for (size_t i = 0; i < sizeof(text); i++)
        send_all(fd, text + i, 1);
    pump();
    ck_assert_str_eq(receive(fd), TEXT("slowly") "\n");
}
END_TEST

START_TEST(pipelined_calls_keep_their_order)
{
    _cleanup_close_ int fd = connect_raw();
    char expected[100 * 64] = "", request[128];

    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(request, sizeof(request), ECHO("%u"), i);
        send_text(fd, request);
        (void)snprintf(expected + strlen(expected), 64, TEXT("%u") "\n", i);
    }
    pump();
    ck_assert_str_eq(receive(fd), expected);
}
END_TEST

START_TEST(one_call_at_a_time)
{
    _cleanup_close_ int fd = connect_raw();

    for (unsigned i = 0; i < 50; i++) {
        send_text(fd, LATER("a"));
        send_text(fd, ECHO("b"));
    }
    pump();
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_uint_eq(seen.calls, 2 * i + 1);
        ck_assert_uint_eq(seen.n_later, i + 1);
        ck_assert_str_eq(receive(fd), i == 0 ? "" : TEXT("b") "\n");
        ck_assert_int_eq(server_call_reply(seen.later[i], &(TestText){(char *)"done"}), 0);
        ck_assert_uint_eq(seen.calls, 2 * i + 1); /* the next one starts from the loop */
        ck_assert_str_eq(receive(fd), TEXT("done") "\n");
        pump();
    }
    ck_assert_str_eq(receive(fd), TEXT("b") "\n");
}
END_TEST

/* A client with many requests at hand gets a few answers in one go; then others have their turn. */
START_TEST(nobody_holds_up_the_loop)
{
    _cleanup_close_ int greedy = connect_raw(), other = connect_raw();
    unsigned before = 0;

    for (unsigned i = 0; i < 100; i++)
        send_text(greedy, ECHO("a"));
    send_text(other, ECHO("b"));
    while (sd_event_run(fixture.event, 0) > 0) {
        ck_assert_uint_le(seen.calls - before, 16);
        before = seen.calls;
        if (strcmp(receive(other), "") != 0)
            break;
    }
    ck_assert_uint_lt(seen.calls, 100);
    pump();
    ck_assert_uint_eq(seen.calls, 101);
    ck_assert_uint_eq(count_lines(receive(greedy)), 100);
}
END_TEST

/* While a call is in hand, a client cannot make the server read without end. */
START_TEST(reading_stops)
{
    _cleanup_close_ int fd = connect_raw(), other = connect_raw();
    size_t sent = 0;

    send_text(fd, LATER("a"));
    for (pump(); send(fd, ECHO("b"), sizeof(ECHO("b")), MSG_NOSIGNAL) == sizeof(ECHO("b")); pump())
        sent++;
    ck_assert_uint_lt(sent * sizeof(ECHO("b")), 2 * 1024 * 1024);
    ck_assert_uint_eq(seen.calls, 1);
    check_alive(other);
}
END_TEST

/* A client that does not read its replies is not worked for. */
START_TEST(a_slow_reader_waits)
{
    static char text[64 * 1024];
    _cleanup_close_ int fd = connect_raw(), other = connect_raw();
    size_t received = 0, frames = 0;
    ssize_t n;

    for (unsigned i = 0; i < 10; i++)
        send_text(fd, TEST_CALL("Large", "{\"text\":\"1000000\"}"));
    pump();
    ck_assert_uint_lt(seen.calls, 10);
    check_alive(other);
    while (pump(), (n = recv(fd, text, sizeof(text), MSG_DONTWAIT)) > 0) {
        received += (size_t)n;
        for (ssize_t i = 0; i < n; i++)
            frames += text[i] == '\0';
    }
    ck_assert_uint_eq(seen.calls, 11);
    ck_assert_uint_eq(frames, 10);
    ck_assert_uint_eq(received, 10 * (1000000 + sizeof(TEXT(""))));
    check_alive(fd);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, fixture_setup, fixture_teardown);
    tcase_add_loop_test(cases, requests_are_answered, 0, ELEMENTS(answers));
    tcase_add_test(cases, oneway_is_not_answered);
    tcase_add_loop_test(cases, garbage_closes, 0, ELEMENTS(garbage));
    tcase_add_test(cases, a_bomb_closes);
    tcase_add_test(cases, half_a_frame_and_good_bye);
    tcase_add_test(cases, frames_are_bounded);
    tcase_add_test(cases, replies_are_bounded);
    tcase_add_test(cases, a_handler_that_fails_closes);
    tcase_add_test(cases, bytes_may_trickle);
    tcase_add_test(cases, pipelined_calls_keep_their_order);
    tcase_add_test(cases, one_call_at_a_time);
    tcase_add_test(cases, nobody_holds_up_the_loop);
    tcase_add_test(cases, reading_stops);
    tcase_add_test(cases, a_slow_reader_waits);
}

UNIT_MAIN("server", add_tests)
