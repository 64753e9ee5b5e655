/* The limits of the gate, and what clients cost that come near them. The node behind it is the test. */
#include <stdatomic.h>
#include <sys/mman.h>

#include "gate-fixture.h"

/* ---- Limits ---- */

static int connect_silently(void)
{
    char address[64];

    (void)snprintf(address, sizeof(address), "tls:127.0.0.1:%u", gate.port);
    return connect_to(address);
}

static bool is_gone(int fd, int milliseconds)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    char data[16];

    return poll(&poller, 1, milliseconds) == 1 && recv(fd, data, sizeof(data), MSG_DONTWAIT) <= 0;
}

/* The oldest of an address's unfinished handshakes give way, and the rest does not stay for ever either. */
START_TEST(unfinished_handshakes_are_few_and_short)
{
    int fds[16 + 4];

    for (size_t i = 0; i < ELEMENTS(fds); i++)
        fds[i] = connect_silently();
    for (size_t i = 0; i < 4; i++)
        ck_assert(is_gone(fds[i], 3000));
    ck_assert(!is_gone(fds[4], 0));
    check_admitted(gate.client, true); /* drops fds[4] */
    for (size_t i = 5; i < ELEMENTS(fds); i++)
        ck_assert(is_gone(fds[i], 10000));
    ck_assert(gate_logs("the handshake was not done within 5 seconds"));
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        (void)close(fds[i]);
}
END_TEST

static void allow_files(void)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int connect_silently_from(const char *source)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(source)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)gate.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Strangers from many addresses do not take up all the connections that there may be. */
START_TEST(unfinished_handshakes_leave_room)
{
    static const char *const sources[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4"};
    struct rlimit files = {160, 160}; /* for 48 connections */
    int fds[48];

    ck_assert_int_eq(gate_stop(SIGTERM), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    gate_start();
    ck_assert(gate_logs("allows 48 connections"));
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        fds[i] = connect_silently_from(sources[i / 16]);
    check_admitted(gate.client, true);
    ck_assert(is_gone(fds[0], 0));
    ck_assert(!is_gone(fds[1], 0));
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        (void)close(fds[i]);
}
END_TEST

START_TEST(a_client_has_so_many_connections)
{
    static Stream *clients[257];
    static int nodes[256];
    const char *frame;
    char data[16];

    allow_files();
    for (size_t i = 0; i < 256; i++) {
        clients[i] = client_connect(gate.client);
        nodes[i] = node_accept(&frame);
    }
    clients[256] = client_connect(gate.client);
    ck_assert_int_eq(read_waiting(clients[256], data, sizeof(data)), 0);
    ck_assert(gate_logs("as many connections as one may have"));
    for (size_t i = 0; i < 257; i++)
        stream_close(clients[i]);
    for (size_t i = 0; i < 256; i++)
        (void)close(nodes[i]);
    check_admitted(gate.client, true);
}
END_TEST

/* Who says nothing for fifteen minutes is cut off; who says something has fifteen more. */
START_TEST(idle_clients_are_cut_off)
{
    enum { MINUTE = 60 };

    const char *frame;
    char data[16];

    if (*getenv("KEYQUORUM_SANITIZED"))
        skip_test("a sanitizer's runtime has to be loaded before everything else");
    ck_assert_int_eq(gate_stop(SIGTERM), 0);
    gate.jumps = true;
    gate_start();

    Stream *idle = client_connect(gate.client);
    int node_of_idle = node_accept(&frame);
    Stream *busy = client_connect(gate.client);
    int node_of_busy = node_accept(&frame);

    gate_jump(14 * MINUTE);
    ck_assert(!is_gone(idle->fd, 0));
    client_write(busy, "question");
    node_expect(node_of_busy, "question");
    gate_jump(14 * MINUTE); /* it has noted when that was */
    gate_jump(16 * MINUTE);
    ck_assert_int_eq(read_waiting(idle, data, sizeof(data)), 0);
    ck_assert_int_eq(recv(node_of_idle, data, sizeof(data), 0), 0);
    node_write(node_of_busy, "answer");
    client_expect(busy, "answer");
    gate_jump(16 * MINUTE);
    gate_jump(32 * MINUTE);
    ck_assert_int_eq(read_waiting(busy, data, sizeof(data)), 0);
    (void)close(node_of_idle);
    (void)close(node_of_busy);
    stream_close(idle);
    stream_close(busy);
}
END_TEST

/* ---- Figures ---- */

static void authorize_some(TlsIdentity **identities, size_t n)
{
    char text[1024] = "", pin[TLS_PIN_TEXT_SIZE];

    for (size_t i = 0; i < n; i++) {
        identities[i] = new_identity(NULL);
        tls_pin_format(tls_identity_pin(identities[i]), pin);
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s client-%zu\n", pin, i);
    }
    gate_write("clients", text, strlen(text), 0644);
}

START_TEST(idle_connections_cost_little)
{
    enum { N = 1000, CLIENTS = 4 };

    static Stream *streams[N];
    static int nodes[N];
    TlsIdentity *identities[CLIENTS];
    const char *frame;
    size_t before, after;

    allow_files();
    authorize_some(identities, CLIENTS);
    before = resident_kilobytes();
    for (size_t i = 0; i < N; i++) {
        streams[i] = client_connect(identities[i % CLIENTS]);
        nodes[i] = node_accept(&frame);
        client_write(streams[i], "question");
        node_expect(nodes[i], "question");
        node_write(nodes[i], "answer");
        client_expect(streams[i], "answer");
    }
    after = resident_kilobytes();
    (void)printf("# %d idle connections: the gate has %zu kB, of which %zu kB are theirs\n", N, after, after - before);
    (void)fflush(stdout);
    if (!*getenv("KEYQUORUM_SANITIZED"))
        ck_assert_uint_lt(after, 100 * 1000);
    for (size_t i = 0; i < N; i++) {
        stream_close(streams[i]);
        (void)close(nodes[i]);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        tls_identity_unref(identities[i]);
}
END_TEST

/* Questions and answers there and back, for so long. */
static unsigned count_rounds(Stream *client, int node, Microseconds duration)
{
    unsigned rounds = 0;

    for (Microseconds end = clock_now() + duration; clock_now() < end; rounds++) {
        client_write(client, "question");
        node_expect(node, "question");
        node_write(node, "answer");
        client_expect(client, "answer");
    }
    return rounds;
}

/* As from another host: it does not take our processors. */
static pid_t start_flood(void (*flood)(void))
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)setpriority(PRIO_PROCESS, 0, 19);
    for (;;)
        flood();
}

static void flood_with_garbage(void)
{
    char data[4096];
    int fd = connect_silently();

    memset(data, 'x', sizeof(data));
    (void)send(fd, data, sizeof(data), MSG_NOSIGNAL);
    (void)recv(fd, data, sizeof(data), 0);
    (void)close(fd);
}

/* Half a ClientHello each, and never more. */
static void flood_with_halves(void)
{
    static int fds[64];
    static unsigned next;

    if (fds[next] > 0)
        (void)close(fds[next]);
    fds[next] = connect_silently();
    (void)send(fds[next], "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL);
    next = (next + 1) % ELEMENTS(fds);
    (void)poll(NULL, 0, 1);
}

static void end_flood(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* In one of up to five turns: the machine may have something else to do in any of them. */
START_TEST(floods_leave_clients_their_rate)
{
    Stream *client = client_connect(gate.client);
    const char *frame;
    int node = node_accept(&frame);
    unsigned alone = 1, flooded = 0;
    pid_t garbage, halves;

    for (unsigned i = 0; i < 5 && 2 * flooded < alone; i++) {
        alone = count_rounds(client, node, MICROSECONDS_PER_SECOND);
        garbage = start_flood(flood_with_garbage);
        halves = start_flood(flood_with_halves);
        ck_assert(gate_logs("refused a connection from"));
        flooded = count_rounds(client, node, MICROSECONDS_PER_SECOND);
        check_admitted(gate.client, true); /* and new ones get in */
        end_flood(garbage);
        end_flood(halves);
        (void)printf("# rounds in a second: %u alone, %u under floods\n", alone, flooded);
        (void)fflush(stdout);
    }
    ck_assert_uint_ge(2 * flooded, alone);
    stream_close(client);
    (void)close(node);
}
END_TEST

enum { TORRENTS = 16 };

typedef struct Torrent {
    pid_t source, sink;
    int node;
} Torrent;

static _Atomic(uint64_t) *bytes_sunk; /* shared with the sinks */

/* A client that talks all the time. */
static pid_t start_source(TlsIdentity *identity)
{
    static char data[256 * 1024];
    pid_t pid = fork();

    if (pid != 0)
        return pid;

    Stream *stream = client_connect(identity);

    for (;;)
        if (stream->class->write(stream, data, sizeof(data)) == -EAGAIN)
            wait_for(stream, POLLOUT);
}

/* A node that takes all of it. */
static pid_t start_sink(int node)
{
    static char data[256 * 1024];
    pid_t pid = fork();
    ssize_t n;

    if (pid != 0)
        return pid;
    while ((n = recv(node, data, sizeof(data), 0)) > 0)
        atomic_fetch_add(bytes_sunk, (uint64_t)n);
    _exit(1);
}

static void start_torrents(Torrent *torrents, TlsIdentity *identity)
{
    const char *frame;

    bytes_sunk = mmap(NULL, sizeof(*bytes_sunk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(bytes_sunk, MAP_FAILED);
    for (size_t i = 0; i < TORRENTS; i++) {
        torrents[i].source = start_source(identity);
        torrents[i].node = node_accept(&frame);
        torrents[i].sink = start_sink(torrents[i].node);
    }
}

static void end_torrents(Torrent *torrents)
{
    for (size_t i = 0; i < TORRENTS; i++) {
        end_flood(torrents[i].source);
        end_flood(torrents[i].sink);
        (void)close(torrents[i].node);
    }
}

/* A client that has the gate work without a pause leaves those who are served their turn, and those who come. */
START_TEST(torrents_leave_others_their_turn)
{
    TlsIdentity *identities[2];
    Torrent torrents[TORRENTS];
    Stream *client;
    const char *frame;
    int node;

    authorize_some(identities, 2);
    client = client_connect(identities[0]);
    node = node_accept(&frame);
    start_torrents(torrents, identities[1]);

    uint64_t before = *bytes_sunk;
    unsigned rounds = count_rounds(client, node, MICROSECONDS_PER_SECOND);
    uint64_t turns = (*bytes_sunk - before) / (64 * 1024);
    Microseconds begin = clock_now();

    for (unsigned i = 0; i < 5; i++)
        check_admitted(identities[0], true);
    (void)printf("# beside %d torrents: %u rounds, %llu turns of theirs; 5 connections in %llu ms\n", TORRENTS, rounds,
                 (unsigned long long)turns, (unsigned long long)((clock_now() - begin) / MICROSECONDS_PER_MILLISECOND));
    (void)fflush(stdout);
    ck_assert_uint_lt(turns, 8 * TORRENTS * (uint64_t)rounds);
    ck_assert_uint_lt(clock_now() - begin, 5 * MICROSECONDS_PER_SECOND);
    end_torrents(torrents);
    stream_close(client);
    (void)close(node);
    tls_identity_unref(identities[0]);
    tls_identity_unref(identities[1]);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, gate_setup, gate_teardown);
    tcase_add_test(cases, unfinished_handshakes_are_few_and_short);
    tcase_add_test(cases, unfinished_handshakes_leave_room);
    tcase_add_test(cases, a_client_has_so_many_connections);
    tcase_add_test(cases, idle_clients_are_cut_off);
    tcase_add_test(cases, idle_connections_cost_little);
    tcase_add_test(cases, floods_leave_clients_their_rate);
    tcase_add_test(cases, torrents_leave_others_their_turn);
}

UNIT_MAIN("gate-limits", add_tests)
