/* Connections and the server itself: how they come and how they go. */
#include "wire-fixture.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/un.h>

/* ---- Coming and going ---- */

START_TEST(a_reply_to_nobody)
{
    int fd = connect_raw();

    send_text(fd, LATER("a"));
    send_text(fd, LATER("b"));
    pump();
    (void)close(fd);
    pump();
    /* the state is still in use */
    ck_assert_uint_eq(seen.disconnected, 0);
    ck_assert_uint_eq(server_connections(fixture.server), 1);
    ck_assert_ptr_nonnull(server_call_state(seen.later[0]));
    ck_assert_int_eq(server_call_reply(seen.later[0], &(TestText){(char *)"done"}), 0);
    ck_assert_uint_eq(seen.disconnected, 0); /* not under the feet of whoever replies */
    pump();
    ck_assert_uint_eq(seen.disconnected, 1);
    ck_assert_uint_eq(seen.n_later, 1);
    ck_assert_uint_eq(server_connections(fixture.server), 0);
}
END_TEST

START_TEST(a_reply_into_a_broken_pipe)
{
    int fd = connect_raw();

    send_text(fd, LATER("a"));
    pump();
    (void)close(fd); /* the loop does not know yet */
    ck_assert_int_eq(server_call_reply(seen.later[0], &(TestText){(char *)"done"}), -EPIPE);
    pump();
    ck_assert_uint_eq(server_connections(fixture.server), 0);
}
END_TEST

START_TEST(a_reply_after_the_server)
{
    _cleanup_close_ int fd = connect_raw();

    send_text(fd, LATER("a"));
    pump();
    fixture.server = server_free(fixture.server);
    ck_assert_uint_eq(seen.disconnected, 1);
    ck_assert_ptr_null(server_call_state(seen.later[0]));
    ck_assert_int_eq(server_call_reply(seen.later[0], &(TestText){(char *)"done"}), 0);
    ck_assert(is_closed(fd));
}
END_TEST

START_TEST(half_closed_clients_get_their_answers)
{
    _cleanup_close_ int fd = connect_raw();

    for (unsigned i = 0; i < 40; i++)
        send_text(fd, ECHO("a"));
    send_text(fd, LATER("b"));
    send_text(fd, ECHO("c"));
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    pump();
    ck_assert_uint_eq(count_lines(receive(fd)), 40);
    answer_later(0);
    ck_assert_str_eq(receive(fd), TEXT("done") "\n" TEXT("c") "\n");
    ck_assert(is_closed(fd));
    ck_assert_uint_eq(server_connections(fixture.server), 0);
}
END_TEST

static int connect_to(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strncpy(name.sun_path, path, sizeof(name.sun_path) - 1);
    if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static char directory[] = "/tmp/test-server-XXXXXX", path[64];

static void listen_at(void *listener)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/socket", directory);
    strncpy(name.sun_path, path, sizeof(name.sun_path) - 1);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    ck_assert_int_eq(server_listen(fixture.server, fd, listener), 0);
}

static void remove_socket(void)
{
    (void)unlink(path);
    (void)rmdir(directory);
}

START_TEST(listening)
{
    int here;

    listen_at(&here);

    _cleanup_close_ int fd = connect_to(path);

    check_alive(fd);
    ck_assert_ptr_eq(seen.listener, &here);
    remove_socket();
}
END_TEST

START_TEST(connections_per_client_are_limited)
{
    int fds[10];
    unsigned open = 0;

    listen_at(NULL);
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        fds[i] = connect_to(path);
    pump();
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        open += !is_closed(fds[i]);
    ck_assert_uint_eq(open, test_options.limits.connections_per_client);
    check_alive(fds[0]);
    (void)close(fds[0]);
    pump();

    _cleanup_close_ int fd = connect_to(path);

    check_alive(fd);
    for (size_t i = 1; i < ELEMENTS(fds); i++)
        (void)close(fds[i]);
    remove_socket();
}
END_TEST

START_TEST(connections_are_limited)
{
    int pair[2];

    fixture_teardown();
    fixture_start(&(ServerLimits){.connections = 2, .connections_per_client = 10, .idle = MICROSECONDS_FOREVER});

    _cleanup_close_ int first = connect_raw(), second = connect_raw();

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(server_add(fixture.server, pair[0], NULL), -ENOBUFS);
    ck_assert_int_eq(close(pair[0]), 0); /* still ours */
    (void)close(pair[1]);
    check_alive(first);
    check_alive(second);
}
END_TEST

static int add_at(void *listener, int *ret_fd)
{
    int pair[2], r;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    r = server_add(fixture.server, pair[1], listener);
    if (r < 0)
        (void)close(pair[1]);
    *ret_fd = pair[0];
    return r;
}

static char narrow_door, wide_door;

static const ServerLimits *limits_by_door(void *userdata, void *listener)
{
    static const ServerLimits narrow = {2, 2, 50 * MICROSECONDS_PER_MILLISECOND}, wide = {100, 100, MICROSECONDS_FOREVER};

    ck_assert_ptr_eq(userdata, &seen);
    return listener == &narrow_door ? &narrow : listener == &wide_door ? &wide : NULL;
}

/* Each door counts for itself; the others' are those of the options. */
START_TEST(doors_have_limits_of_their_own)
{
    ServerOptions options = test_options;
    int fds[40], more;
    size_t n = 0;

    fixture_teardown();
    options.limits_of = limits_by_door;
    fixture_start_with(options, NULL);
    for (; n < 30; n++)
        ck_assert_int_eq(add_at(&wide_door, &fds[n]), 0);
    for (; n < 32; n++)
        ck_assert_int_eq(add_at(&narrow_door, &fds[n]), 0);
    for (; n < 38; n++)
        ck_assert_int_eq(add_at(NULL, &fds[n]), 0);
    ck_assert_int_eq(add_at(&narrow_door, &more), -ENOBUFS);
    (void)close(more);
    ck_assert_int_eq(add_at(NULL, &more), -ENOBUFS);
    (void)close(more);
    while (server_connections(fixture.server) > 36) /* the narrow door's are idle */
        ck_assert_int_ge(sd_event_run(fixture.event, UINT64_MAX), 0);
    check_alive(fds[0]);
    check_alive(fds[37]);
    ck_assert(is_closed(fds[30]) && is_closed(fds[31]));
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
}
END_TEST

static bool admits_echo(void *userdata, void *state, const char *method)
{
    ck_assert_ptr_eq(userdata, &seen);
    ck_assert_ptr_nonnull(state);
    return method && strcmp(method, "org.example.Test.Echo") == 0;
}

START_TEST(what_is_not_admitted_is_not_answered)
{
    static const char *const others[] = {"{\"method\":\"org.varlink.service.GetInfo\"}", "{\"method\":\"org.example.Test.Nothing\"}",
                                         "{\"method\":\"nothing\"}", "{\"method\":1}", "{}"};
    ServerOptions options = test_options;

    fixture_teardown();
    options.admits = admits_echo;
    fixture_start_with(options, NULL);
    for (size_t i = 0; i < ELEMENTS(others); i++) {
        _cleanup_close_ int fd = connect_raw();

        send_text(fd, ECHO("a"));
        pump();
        ck_assert_str_eq(receive(fd), TEXT("a") "\n");
        send_text(fd, others[i]);
        send_text(fd, ECHO("b"));
        pump();
        ck_assert_str_eq(receive(fd), "");
        ck_assert_msg(is_closed(fd), "%s", others[i]);
    }
    ck_assert_uint_eq(server_connections(fixture.server), 0);
}
END_TEST

START_TEST(a_connection_is_closed_from_outside)
{
    _cleanup_close_ int idle = connect_raw();

    server_connection_close(seen.connection);
    ck_assert_uint_eq(seen.disconnected, 0); /* not under the feet of whoever closes it */
    pump();
    ck_assert_uint_eq(seen.disconnected, 1);
    ck_assert(is_closed(idle));

    _cleanup_close_ int busy = connect_raw();

    send_text(busy, LATER("a"));
    send_text(busy, ECHO("b"));
    pump();
    server_connection_close(seen.connection);
    pump();
    ck_assert(is_closed(busy));
    ck_assert_uint_eq(seen.disconnected, 1); /* the state is still in use */
    ck_assert_ptr_nonnull(server_call_state(seen.later[0]));
    ck_assert_int_eq(server_call_reply(seen.later[0], &(TestText){(char *)"done"}), 0);
    pump();
    ck_assert_uint_eq(seen.disconnected, 2);
    ck_assert_uint_eq(server_connections(fixture.server), 0);
}
END_TEST

/* Without file descriptors left, accepting pauses and goes on later. */
START_TEST(accepting_recovers)
{
    struct rlimit before, few;

    listen_at(NULL);
    pump();

    _cleanup_close_ int fd = connect_to(path);

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    pump();
    ck_assert_uint_eq(seen.connected, 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    while (seen.connected == 0)
        ck_assert_int_ge(sd_event_run(fixture.event, UINT64_MAX), 0);
    check_alive(fd);
    remove_socket();
}
END_TEST

/* Bytes alone, and replies that are not fetched, do not keep a connection alive; a call in hand does. */
START_TEST(idle_connections_are_closed)
{
    fixture_teardown();
    fixture_start(&(ServerLimits){.connections = 10, .connections_per_client = 10, .idle = 50 * MICROSECONDS_PER_MILLISECOND});

    _cleanup_close_ int silent = connect_raw(), half = connect_raw(), busy = connect_raw(), deaf = connect_raw();
    Microseconds start = clock_now();

    send_text(busy, LATER("a"));
    send_text(deaf, TEST_CALL("Large", "{\"text\":\"1000000\"}"));
    while (seen.disconnected < 3) {
        ck_assert_int_ge(sd_event_run(fixture.event, 5 * MICROSECONDS_PER_MILLISECOND), 0);
        send_all(half, " ", 1);
    }
    ck_assert_uint_ge(clock_now() - start, 50 * MICROSECONDS_PER_MILLISECOND);
    ck_assert(is_closed(silent));
    ck_assert(is_closed(half));
    ck_assert_uint_eq(server_connections(fixture.server), 1);
    answer_later(0);
    check_answer(busy, ECHO("b"), TEXT("done") "\n" TEXT("b"));
    while (seen.disconnected < 4)
        ck_assert_int_ge(sd_event_run(fixture.event, UINT64_MAX), 0);
    ck_assert(is_closed(busy));
}
END_TEST

/* ---- Draining ---- */

START_TEST(draining_finishes_what_is_in_hand)
{
    listen_at(NULL);

    _cleanup_close_ int idle = connect_raw(), busy = connect_raw();
    int pair[2];

    send_text(busy, LATER("a"));
    send_text(busy, ECHO("behind"));
    pump();
    ck_assert_int_eq(server_drain(fixture.server, MICROSECONDS_FOREVER, test_drained, &fixture), 0);
    ck_assert_int_eq(server_drain(fixture.server, MICROSECONDS_FOREVER, test_drained, &fixture), -EALREADY);
    pump();
    ck_assert(is_closed(idle));
    ck_assert_int_eq(connect_to(path), -1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(server_add(fixture.server, pair[0], NULL), -ESHUTDOWN);
    ck_assert_uint_eq(seen.drained, 0);
    answer_later(0);
    ck_assert_str_eq(receive(busy), TEXT("done") "\n");
    ck_assert(is_closed(busy));
    ck_assert_uint_eq(seen.calls, 1);
    ck_assert_uint_eq(seen.drained, 1);
    (void)close(pair[0]);
    (void)close(pair[1]);
    remove_socket();
}
END_TEST

START_TEST(draining_has_a_deadline)
{
    _cleanup_close_ int busy = connect_raw();

    send_text(busy, LATER("a"));
    pump();
    ck_assert_int_eq(server_drain(fixture.server, clock_now() + 20 * MICROSECONDS_PER_MILLISECOND, test_drained, &fixture), 0);
    while (seen.drained == 0)
        ck_assert_int_ge(sd_event_run(fixture.event, UINT64_MAX), 0);
    ck_assert_uint_eq(server_connections(fixture.server), 1);
    answer_later(0);
    ck_assert_uint_eq(seen.drained, 1);
    ck_assert_uint_eq(server_connections(fixture.server), 0);
}
END_TEST

START_TEST(draining_from_a_handler)
{
    _cleanup_close_ int fd = connect_raw();

    send_text(fd, "{\"method\":\"org.example.Test.Drain\"}");
    send_text(fd, ECHO("behind"));
    pump();
    ck_assert_str_eq(receive(fd), "{\"parameters\":{}}\n");
    ck_assert(is_closed(fd));
    ck_assert_uint_eq(seen.drained, 1);
}
END_TEST

START_TEST(draining_nothing)
{
    ck_assert_int_eq(server_drain(fixture.server, MICROSECONDS_FOREVER, test_drained, &fixture), 0);
    ck_assert_uint_eq(seen.drained, 0);
    pump();
    ck_assert_uint_eq(seen.drained, 1);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, fixture_setup, fixture_teardown);
    tcase_add_test(cases, a_reply_to_nobody);
    tcase_add_test(cases, a_reply_into_a_broken_pipe);
    tcase_add_test(cases, a_reply_after_the_server);
    tcase_add_test(cases, half_closed_clients_get_their_answers);
    tcase_add_test(cases, listening);
    tcase_add_test(cases, connections_per_client_are_limited);
    tcase_add_test(cases, connections_are_limited);
    tcase_add_test(cases, doors_have_limits_of_their_own);
    tcase_add_test(cases, what_is_not_admitted_is_not_answered);
    tcase_add_test(cases, a_connection_is_closed_from_outside);
    tcase_add_test(cases, accepting_recovers);
    tcase_add_test(cases, idle_connections_are_closed);
    tcase_add_test(cases, draining_finishes_what_is_in_hand);
    tcase_add_test(cases, draining_has_a_deadline);
    tcase_add_test(cases, draining_from_a_handler);
    tcase_add_test(cases, draining_nothing);
}

UNIT_MAIN("server-life", add_tests)
