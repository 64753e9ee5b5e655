#include "wire-fixture.h"
#include "wire/frame.h"

#include <sys/un.h>
#include <sys/wait.h>

#define TEST_METHOD(name) "org.example.Test." name

static char *number_text(unsigned i)
{
    static char text[16];

    (void)snprintf(text, sizeof(text), "%u", i);
    return text;
}

/* A link whose other end is the test's own. */
static Link *connect_pair(int *ret_peer)
{
    int pair[2];
    Stream *stream;
    Link *link;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(stream_from_unix_fd(pair[0], &stream), 0);
    ck_assert_int_eq(link_new(stream, &link), 0);
    *ret_peer = pair[1];
    return link;
}

static void check_reply(Reply *reply, const char *error, const char *text)
{
    char field[MESSAGE_FIELD_NAME_MAX];
    TestText message;

    if (error)
        ck_assert_str_eq(reply_error(reply), error);
    else
        ck_assert_ptr_null(reply_error(reply));
    ck_assert_int_eq(reply_parse(reply, &test_text, &message, field), 0);
    ck_assert_str_eq(message.text, text);
    message_clear(&test_text, &message);
    reply_free(reply);
}

/* ---- With a server ---- */

START_TEST(calls_are_answered)
{
    _cleanup_link_ Link *link = connect_link();
    Reply *reply;

    ck_assert_int_eq(link_call(link, TEST_METHOD("Echo"), &test_text, &(TestText){(char *)"a"}), 0);
    ck_assert_int_eq(link_events(link), POLLIN); /* it was written already */
    ck_assert_uint_eq(link_outstanding(link), 1);
    ck_assert_int_eq(link_take_reply(link, &reply), 0);
    pump();
    ck_assert_int_eq(link_advance(link), 0);
    ck_assert_int_eq(link_take_reply(link, &reply), 1);
    check_reply(reply, NULL, "a");
    ck_assert_uint_eq(link_outstanding(link), 0);
    ck_assert_int_eq(link_take_reply(link, &reply), 0);

    ck_assert_int_eq(link_call(link, TEST_METHOD("Refuse"), &test_text, &(TestText){(char *)"no"}), 0);
    pump();
    ck_assert_int_eq(link_advance(link), 0);
    ck_assert_int_eq(link_take_reply(link, &reply), 1);
    check_reply(reply, "org.example.Test.Refused", "no");
}
END_TEST

START_TEST(a_reply_without_parameters)
{
    _cleanup_link_ Link *link = connect_link();
    Reply *reply;
    char field[MESSAGE_FIELD_NAME_MAX];
    TestText message;

    ck_assert_int_eq(link_call(link, TEST_METHOD("Nothing"), NULL, NULL), 0);
    pump();
    ck_assert_int_eq(link_advance(link), 0);
    ck_assert_int_eq(link_take_reply(link, &reply), 1);
    ck_assert_ptr_null(reply_error(reply));
    ck_assert_int_eq(reply_parse(reply, &test_text, &message, field), MESSAGE_E_INVALID_FIELD);
    ck_assert_str_eq(field, "text");
    reply_free(reply);
}
END_TEST

START_TEST(pipelined_replies_keep_their_order)
{
    _cleanup_link_ Link *link = connect_link();
    Reply *reply;

    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(link_call(link, i % 3 ? TEST_METHOD("Echo") : TEST_METHOD("Refuse"), &test_text, &(TestText){number_text(i)}), 0);
    ck_assert_uint_eq(link_outstanding(link), 100);
    pump();
    ck_assert_int_eq(link_advance(link), 0);
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_int_eq(link_take_reply(link, &reply), 1);
        check_reply(reply, i % 3 ? NULL : "org.example.Test.Refused", number_text(i));
    }
}
END_TEST

/* More than the socket holds, both ways: the rest follows as the link is advanced. */
START_TEST(large_messages_go_in_pieces)
{
    _cleanup_link_ Link *link = connect_link();
    _cleanup_free_ char *text = letters(1000000);
    Reply *reply = NULL;
    int r = 0;

    ck_assert_int_eq(link_call(link, TEST_METHOD("Echo"), &test_text, &(TestText){text}), 0);
    ck_assert_int_eq(link_events(link), POLLIN | POLLOUT);
    while (r == 0) {
        pump();
        ck_assert_int_eq(link_advance(link), 0);
        r = link_take_reply(link, &reply);
    }
    ck_assert_int_eq(r, 1);
    check_reply(reply, NULL, text);
    ck_assert_int_eq(link_events(link), POLLIN);
}
END_TEST

/* ---- Limits of the sending side ---- */

START_TEST(bad_calls_are_refused)
{
    int peer;
    _cleanup_link_ Link *link = connect_pair(&peer);
    _cleanup_free_ char *text = letters(FRAME_SIZE_MAX);

    ck_assert_int_eq(link_call(link, TEST_METHOD("Echo"), &test_text, &(TestText){(char *)"\xff"}), -EINVAL);
    ck_assert_int_eq(link_call(link, TEST_METHOD("Echo"), &test_text, &(TestText){text}), -EMSGSIZE);
    ck_assert_uint_eq(link_outstanding(link), 0);
    ck_assert_int_eq(link_events(link), POLLIN);
    (void)close(peer);
}
END_TEST

START_TEST(the_queue_is_bounded)
{
    int peer, r = 0;
    _cleanup_link_ Link *link = connect_pair(&peer);
    _cleanup_free_ char *text = letters(100000);
    unsigned n = 0;

    for (; r == 0 && n < 100; n++)
        r = link_call(link, TEST_METHOD("Echo"), &test_text, &(TestText){text});
    ck_assert_int_eq(r, -ENOBUFS);
    ck_assert_uint_eq(link_outstanding(link), n - 1);
    (void)close(peer);
}
END_TEST

/* ---- Bad servers ---- */

static const char *const bad_replies[] = {
    "",
    "x",
    "[]",
    "{\"parameters\":{},\"parameters\":{}}",
    "{\"parameters\":1}",
    "{\"continues\":true,\"parameters\":{}}",
    "{\"result\":{}}",
    "{\"error\":\"\"}",
};

START_TEST(bad_replies_are_found)
{
    int peer;
    _cleanup_link_ Link *link = connect_pair(&peer);
    Reply *reply;

    ck_assert_int_eq(link_call(link, TEST_METHOD("Nothing"), NULL, NULL), 0);
    ck_assert_str_eq(receive(peer), "{\"method\":\"org.example.Test.Nothing\"}\n");
    send_text(peer, bad_replies[_i]);
    ck_assert_int_eq(link_advance(link), 0);
    ck_assert_int_eq(link_take_reply(link, &reply), -EBADMSG);
    (void)close(peer);
}
END_TEST

START_TEST(a_reply_nobody_asked_for)
{
    int peer;
    _cleanup_link_ Link *link = connect_pair(&peer);
    Reply *reply;

    send_text(peer, "{\"parameters\":{}}");
    ck_assert_int_eq(link_advance(link), 0);
    ck_assert_int_eq(link_take_reply(link, &reply), -EBADMSG);
    (void)close(peer);
}
END_TEST

START_TEST(an_endless_reply)
{
    int peer, r = 0;
    _cleanup_link_ Link *link = connect_pair(&peer);
    char data[4096];

    memset(data, 'x', sizeof(data));
    for (unsigned i = 0; i < FRAME_SIZE_MAX / sizeof(data) + 2 && r == 0; i++) {
        ck_assert_int_eq(send(peer, data, sizeof(data), MSG_NOSIGNAL), sizeof(data));
        r = link_advance(link);
    }
    ck_assert_int_eq(r, -EMSGSIZE);
    (void)close(peer);
}
END_TEST

START_TEST(what_came_before_the_end_counts)
{
    int peer;
    _cleanup_link_ Link *link = connect_pair(&peer);
    Reply *reply;

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(link_call(link, TEST_METHOD("Nothing"), NULL, NULL), 0);
    send_text(peer, TEXT("1"));
    send_text(peer, TEXT("2"));
    ck_assert_int_eq(send(peer, TEXT("3"), 5, MSG_NOSIGNAL), 5);
    (void)close(peer);
    /* a call to a peer that has gone is no error of the call */
    ck_assert_int_eq(link_call(link, TEST_METHOD("Nothing"), NULL, NULL), 0);
    ck_assert_int_lt(link_advance(link), 0);
    ck_assert_int_eq(link_take_reply(link, &reply), 1);
    check_reply(reply, NULL, "1");
    ck_assert_int_eq(link_take_reply(link, &reply), 1);
    check_reply(reply, NULL, "2");
    ck_assert_int_eq(link_take_reply(link, &reply), 0);
    ck_assert_int_lt(link_advance(link), 0);
    ck_assert_uint_eq(link_outstanding(link), 2);
}
END_TEST

/* More replies than the buffer holds at once: taking them reads on. */
START_TEST(replies_beyond_the_buffer)
{
    int peer, size = 2 * FRAME_SIZE_MAX;
    _cleanup_link_ Link *link = connect_pair(&peer);
    _cleanup_free_ char *text = letters(100000);
    Reply *reply;

    /* beyond the system's maximum this needs privilege; without it the socket holds too little to fill the buffer */
    (void)setsockopt(peer, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    memcpy(text, "{\"parameters\":{\"text\":\"", 23);
    memcpy(text + 100000 - 3, "\"}}", 3);

    unsigned sent = 0, taken = 0;

    while (sent < 20 && send(peer, text, 100001, MSG_NOSIGNAL | MSG_DONTWAIT) == 100001) {
        ck_assert_int_eq(link_call(link, TEST_METHOD("Nothing"), NULL, NULL), 0);
        sent++;
    }
    ck_assert_int_eq(link_advance(link), 0);
    for (; link_take_reply(link, &reply) == 1; taken++)
        reply_free(reply);
    ck_assert_uint_ge(taken, sent);
    (void)close(peer);
}
END_TEST

/* ---- One call, waiting ---- */

START_TEST(waiting_for_a_reply)
{
    int peer;
    _cleanup_link_ Link *link = connect_pair(&peer);
    Reply *reply;

    send_text(peer, TEXT("early")); /* it is there when the call has been sent */
    ck_assert_int_eq(link_call_wait(link, TEST_METHOD("Nothing"), NULL, NULL, MICROSECONDS_FOREVER, &reply), 0);
    check_reply(reply, NULL, "early");
    ck_assert_int_eq(link_call_wait(link, TEST_METHOD("Nothing"), NULL, NULL, clock_now() + 5 * MICROSECONDS_PER_MILLISECOND, &reply),
                     -ETIME);
    ck_assert_int_eq(link_call_wait(link, TEST_METHOD("Nothing"), NULL, NULL, MICROSECONDS_FOREVER, &reply), -EBUSY);
    (void)close(peer);
}
END_TEST

START_TEST(waiting_for_nobody)
{
    int peer;
    _cleanup_link_ Link *link = connect_pair(&peer);
    Reply *reply;

    (void)shutdown(peer, SHUT_WR);
    ck_assert_int_eq(link_call_wait(link, TEST_METHOD("Nothing"), NULL, NULL, MICROSECONDS_FOREVER, &reply), -ECONNRESET);
    (void)close(peer);
}
END_TEST

/* A child that lets go of its parent's link disturbs nothing. */
START_TEST(inherited_links_are_dropped)
{
    Link *link = connect_link();
    Reply *reply;
    int status;

    ck_assert_int_eq(link_call(link, TEST_METHOD("Echo"), &test_text, &(TestText){(char *)"a"}), 0);

    pid_t child = fork();

    if (child == 0) {
        link_close_inherited(link);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    pump();
    ck_assert_int_eq(link_advance(link), 0);
    ck_assert_int_eq(link_take_reply(link, &reply), 1);
    check_reply(reply, NULL, "a");
    link_close(link);
}
END_TEST

/* ---- Addresses ---- */

#define LONG_10(x) x x x x x x x x x x

static const struct {
    const char *address;
    int error;
} addresses[] = {
    {"unix:/run/keyquorum/alpha.sock", 0},
    {"unix:/" LONG_10("0123456789") "012345", 0},
    {"unix:/" LONG_10("0123456789") "0123456", -EINVAL},
    {"unix:relative", -EINVAL},
    {"unix:", -EINVAL},
    {"unix:@abstract", -EINVAL},
    {"", -EPROTONOSUPPORT},
    {"unix", -EPROTONOSUPPORT},
    {"unixx:/run/a", -EPROTONOSUPPORT},
    {"/run/a", -EPROTONOSUPPORT},
    {"tcp:127.0.0.1:1", -EPROTONOSUPPORT},
};

START_TEST(addresses_are_checked)
{
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(stream_address_check(addresses[_i].address, &problem), addresses[_i].error);
    ck_assert((addresses[_i].error == 0) == (problem.text[0] == '\0'));
    ck_assert_int_eq(stream_address_check(addresses[_i].address, NULL), addresses[_i].error);
}
END_TEST

/* No socket, one that nobody listens on, one whose queue is full: an error at once. */
START_TEST(connecting_never_waits)
{
    char directory[] = "/tmp/test-link-XXXXXX", address[64];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0;
    Problem problem = PROBLEM_INIT;
    Link *links[16] = {0};
    size_t n = 0;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s/socket", directory);
    (void)snprintf(address, sizeof(address), "unix:%s/socket", directory);
    ck_assert_int_eq(link_open(address, NULL, &links[0], &problem), -ENOENT);
    ck_assert_ptr_nonnull(strstr(problem.text, address));
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(link_open(address, NULL, &links[0], &problem), -ECONNREFUSED);
    ck_assert_int_eq(listen(fd, 2), 0);
    while (r == 0 && n < ELEMENTS(links))
        r = link_open(address, NULL, &links[n++], &problem);
    ck_assert_int_eq(r, -EAGAIN);
    while (n > 0)
        link_close(links[--n]);
    (void)close(fd);
    (void)unlink(name.sun_path);
    (void)rmdir(directory);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, fixture_setup, fixture_teardown);
    tcase_add_test(cases, calls_are_answered);
    tcase_add_test(cases, a_reply_without_parameters);
    tcase_add_test(cases, pipelined_replies_keep_their_order);
    tcase_add_test(cases, large_messages_go_in_pieces);
    tcase_add_test(cases, bad_calls_are_refused);
    tcase_add_test(cases, the_queue_is_bounded);
    tcase_add_loop_test(cases, bad_replies_are_found, 0, ELEMENTS(bad_replies));
    tcase_add_test(cases, a_reply_nobody_asked_for);
    tcase_add_test(cases, an_endless_reply);
    tcase_add_test(cases, what_came_before_the_end_counts);
    tcase_add_test(cases, replies_beyond_the_buffer);
    tcase_add_test(cases, waiting_for_a_reply);
    tcase_add_test(cases, waiting_for_nobody);
    tcase_add_test(cases, inherited_links_are_dropped);
    tcase_add_loop_test(cases, addresses_are_checked, 0, ELEMENTS(addresses));
    tcase_add_test(cases, connecting_never_waits);
}

UNIT_MAIN("link", add_tests)
