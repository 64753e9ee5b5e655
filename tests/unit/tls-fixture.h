/* Both ends of TLS connections over loopback, in one thread: the test turns both until nothing moves. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/crypto.h"
#include "wire/stream.h"

#include "unit.h"

static inline TlsIdentity *new_identity(Secret **ret_pem)
{
    _cleanup_secret_ Secret *pem = NULL;
    TlsIdentity *identity;

    ck_assert_int_eq(tls_key_new(&pem), 0);
    ck_assert_int_eq(tls_identity_new(pem, &identity), 0);
    if (ret_pem)
        *ret_pem = TAKE_PTR(pem);
    return identity;
}

/* A listening socket on a port of its own; its address as text is static. */
static inline int listen_somewhere(int backlog, const char **ret_address)
{
    static char address[64];
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, size), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    (void)snprintf(address, sizeof(address), "tls:127.0.0.1:%u", ntohs(name.sin_port));
    *ret_address = address;
    return fd;
}

static inline int connect_to(const char *address)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

/* A pin that the server knows. */
typedef struct Known {
    uint8_t pin[TLS_PIN_SIZE], shown[TLS_PIN_SIZE];
    unsigned asked;
} Known;

static inline int is_known_pin(void *userdata, const uint8_t pin[TLS_PIN_SIZE])
{
    Known *known = userdata;

    known->asked++;
    memcpy(known->shown, pin, TLS_PIN_SIZE);
    return memcmp(known->pin, pin, TLS_PIN_SIZE) == 0;
}

typedef struct Ends {
    TlsIdentity *client_identity, *server_identity;
    Known known;
    StreamPeer peer;
    const char *address;
    int listener;
    Stream *client, *server;
} Ends;

static inline void ends_prepare(Ends *ends)
{
    *ends = (Ends){.listener = -1};
    ends->client_identity = new_identity(NULL);
    ends->server_identity = new_identity(NULL);
    ends->listener = listen_somewhere(8, &ends->address);
    memcpy(ends->known.pin, tls_identity_pin(ends->client_identity), TLS_PIN_SIZE);
    ends->peer = (StreamPeer){.own = ends->client_identity, .n_pins = 1};
    memcpy(ends->peer.pins[0], tls_identity_pin(ends->server_identity), TLS_PIN_SIZE);
}

static inline void ends_accept(Ends *ends)
{
    int fd = accept4(ends->listener, NULL, NULL, SOCK_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(stream_tls_accept(fd, ends->server_identity, &(TlsCheck){is_known_pin, &ends->known}, &ends->server), 0);
}

static inline void ends_connect(Ends *ends)
{
    Problem problem = PROBLEM_INIT;

    ck_assert_msg(stream_connect(ends->address, &ends->peer, &ends->client, &problem) == 0, "%s", problem.text);
    ends_accept(ends);
}

static inline void ends_clear(Ends *ends)
{
    stream_close(ends->client);
    stream_close(ends->server);
    tls_identity_unref(ends->client_identity);
    tls_identity_unref(ends->server_identity);
    if (ends->listener >= 0)
        (void)close(ends->listener);
}

/* Wait for what the stream waits for, but not for ever. */
static inline void wait_for(Stream *stream, short wanted)
{
    struct pollfd fd = {.fd = stream->fd, .events = stream_events(stream, wanted)};

    (void)poll(&fd, 1, 1000);
}

/* Both handshakes, until both have an answer. */
static inline void shake_hands(Ends *ends, int *ret_client, int *ret_server)
{
    *ret_client = *ret_server = -EAGAIN;
    for (unsigned i = 0; i < 1000 && (*ret_client == -EAGAIN || *ret_server == -EAGAIN); i++) {
        struct pollfd fds[] = {{.fd = ends->client->fd, .events = *ret_client == -EAGAIN ? stream_events(ends->client, 0) : 0},
                               {.fd = ends->server->fd, .events = *ret_server == -EAGAIN ? stream_events(ends->server, 0) : 0}};

        (void)poll(fds, 2, 100);
        if (*ret_client == -EAGAIN)
            *ret_client = stream_tls_handshake(ends->client);
        if (*ret_server == -EAGAIN)
            *ret_server = stream_tls_handshake(ends->server);
    }
}

/* One read that waits. */
static inline ssize_t read_waiting(Stream *stream, void *data, size_t size)
{
    ssize_t n = stream->class->read(stream, data, size);

    for (unsigned i = 0; i < 10 && n == -EAGAIN; i++) {
        wait_for(stream, POLLIN);
        n = stream->class->read(stream, data, size);
    }
    return n;
}

static inline void ends_setup(Ends *ends)
{
    int client, server;

    ends_prepare(ends);
    ends_connect(ends);
    shake_hands(ends, &client, &server);
    ck_assert_int_eq(client, 0);
    ck_assert_int_eq(server, 0);
}
