/* A server and its clients in one process, without threads: the test turns the event loop until nothing moves any more. */
#pragma once

#include "base/clock.h"
#include "wire/link.h"
#include "wire/server.h"

#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define TEST_TEXT_MAX  (2 * 1024 * 1024)
#define TEST_LATER_MAX 200

typedef struct TestText {
    char *text;
} TestText;

static const Layout test_text = {
    "Text",
    sizeof(TestText),
    (const Field[]){{"text", FIELD_STRING, offsetof(TestText, text), 0, TEST_TEXT_MAX}, {NULL}},
};

/* What the handlers and callbacks saw. */
typedef struct Seen {
    ServerCall *later[TEST_LATER_MAX]; /* calls that wait for the test to answer them */
    unsigned n_later, calls, connected, disconnected, drained;
    void *listener;
    ServerConnection *connection; /* the last one */
} Seen;

static Seen seen;

static int test_echo(ServerCall *call, void *parameters, void *userdata)
{
    ck_assert_ptr_eq(userdata, &seen);
    seen.calls++;
    return server_call_reply(call, parameters);
}

static int test_later(ServerCall *call, void *parameters, void *userdata)
{
    ck_assert_uint_lt(seen.n_later, TEST_LATER_MAX);
    seen.calls++;
    seen.later[seen.n_later++] = call;
    return 0;
}

/* `size` times the letter x. */
static inline char *letters(size_t size)
{
    char *text = calloc(1, size + 1);

    ck_assert_ptr_nonnull(text);
    memset(text, 'x', size);
    return text;
}

/* A reply of as many characters as the text says. */
static int test_large(ServerCall *call, void *parameters, void *userdata)
{
    size_t size = strtoul(((TestText *)parameters)->text, NULL, 10);
    _cleanup_free_ char *text = letters(size);

    seen.calls++;
    return server_call_reply(call, &(TestText){text});
}

static int test_fail(ServerCall *call, void *parameters, void *userdata)
{
    seen.calls++;
    return -ENOMEM;
}

static int test_refuse(ServerCall *call, void *parameters, void *userdata)
{
    seen.calls++;
    return server_call_error(call, "org.example.Test.Refused", &test_text, parameters);
}

static int test_nothing(ServerCall *call, void *parameters, void *userdata)
{
    ck_assert_ptr_null(parameters);
    seen.calls++;
    return server_call_reply(call, NULL);
}

static int test_drain(ServerCall *call, void *parameters, void *userdata);

static const ServerInterface test_interface = {
    .name = "org.example.Test",
    .description = "interface org.example.Test\n",
    .methods =
        (const ServerMethod[]){
            {"Echo", &test_text, &test_text, test_echo},
            {"Later", &test_text, &test_text, test_later},
            {"Large", &test_text, &test_text, test_large},
            {"Fail", NULL, NULL, test_fail},
            {"Refuse", &test_text, NULL, test_refuse},
            {"Nothing", NULL, NULL, test_nothing},
            {"Drain", NULL, NULL, test_drain},
            {NULL},
        },
};

static const ServerInterface *const test_interfaces[] = {&test_interface, NULL};

static void *test_connected(void *userdata, ServerConnection *connection, void *listener)
{
    seen.connected++;
    seen.listener = listener;
    seen.connection = connection;
    return malloc(1); /* so that ASan sees a state that is lost or used too late */
}

static void test_disconnected(void *userdata, void *state)
{
    ck_assert_ptr_nonnull(state);
    seen.disconnected++;
    free(state);
}

static const ServerOptions test_options = {
    .vendor = "Example",
    .product = "Test",
    .version = "1",
    .url = "https://example.org/",
    .interfaces = test_interfaces,
    .limits = {.connections = 8, .connections_per_client = 6, .idle = MICROSECONDS_FOREVER},
    .userdata = &seen,
    .connected = test_connected,
    .disconnected = test_disconnected,
};

typedef struct Fixture {
    sd_event *event;
    Server *server;
} Fixture;

static Fixture fixture;

static void test_drained(void *userdata)
{
    ck_assert_ptr_eq(userdata, &fixture);
    seen.drained++;
}

static int test_drain(ServerCall *call, void *parameters, void *userdata)
{
    ck_assert_int_eq(server_drain(fixture.server, MICROSECONDS_FOREVER, test_drained, &fixture), 0);
    return server_call_reply(call, NULL);
}

static inline void fixture_start_with(ServerOptions options, const ServerLimits *limits)
{
    memset(&seen, 0, sizeof(seen));
    if (limits)
        options.limits = *limits;
    ck_assert_int_ge(sd_event_new(&fixture.event), 0);
    ck_assert_int_eq(server_new(fixture.event, &options, &fixture.server), 0);
}

static inline void fixture_start(const ServerLimits *limits)
{
    fixture_start_with(test_options, limits);
}

static inline void fixture_setup(void)
{
    fixture_start(NULL);
}

static inline void fixture_teardown(void)
{
    fixture.server = server_free(fixture.server);
    fixture.event = sd_event_unref(fixture.event);
    ck_assert_uint_eq(seen.connected, seen.disconnected);
}

/* Turn the loop until nothing is left to do. */
static inline void pump(void)
{
    while (sd_event_run(fixture.event, 0) > 0)
        ;
}

/* A new connection's other end. */
static inline int connect_raw(void)
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    ck_assert_int_eq(server_add(fixture.server, pair[1], NULL), 0);
    return pair[0];
}

static inline Link *connect_link(void)
{
    Stream *stream;
    Link *link;

    ck_assert_int_eq(stream_from_unix_fd(connect_raw(), &stream), 0);
    ck_assert_int_eq(link_new(stream, &link), 0);
    return link;
}

/* The text with its NUL. */
static inline void send_text(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text) + 1, MSG_NOSIGNAL), (ssize_t)strlen(text) + 1);
}

/* Everything that is there; NULs become newlines. Static. */
static inline const char *receive(int fd)
{
    static char text[64 * 1024];
    size_t size = 0;
    ssize_t n;

    while (size < sizeof(text) - 1 && (n = recv(fd, text + size, sizeof(text) - 1 - size, MSG_DONTWAIT)) > 0)
        size += (size_t)n;
    for (size_t i = 0; i < size; i++)
        text[i] = text[i] ? text[i] : '\n';
    text[size] = '\0';
    return text;
}

/* Has the other side closed? What it sent before is thrown away. */
static inline bool is_closed(int fd)
{
    char data[4096];
    ssize_t n;

    while ((n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
        ;
    return n == 0 || errno == ECONNRESET;
}

/* However much room the socket has: turn the loop in between. */
static inline void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            return; /* the server closed */
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
        pump();
    }
}

static inline void answer_later(unsigned i)
{
    ck_assert_int_eq(server_call_reply(seen.later[i], &(TestText){(char *)"done"}), 0);
    pump();
}

static inline size_t count_lines(const char *text)
{
    size_t n = 0;

    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

/* Send a request, turn the loop, compare the answer (without its NUL). */
static inline void check_answer(int fd, const char *request, const char *answer)
{
    _cleanup_free_ char *line = NULL;

    ck_assert_int_ge(asprintf(&line, "%s\n", answer), 0);
    send_text(fd, request);
    pump();
    ck_assert_str_eq(receive(fd), line);
}

#define CALL(method, parameters)      "{\"method\":\"" method "\",\"parameters\":" parameters "}"
#define TEST_CALL(method, parameters) CALL("org.example.Test." method, parameters)

#define ECHO(text)     "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"text\":\"" text "\"}}"
#define LATER(text)    "{\"method\":\"org.example.Test.Later\",\"parameters\":{\"text\":\"" text "\"}}"
#define TEXT(text)     "{\"parameters\":{\"text\":\"" text "\"}}"
#define INVALID(field) "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"" field "\"}}"

/* The connection is still in order. */
static inline void check_alive(int fd)
{
    check_answer(fd, ECHO("alive"), TEXT("alive"));
}
