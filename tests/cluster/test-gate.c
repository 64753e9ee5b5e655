/* The gate alone: who gets in, what is passed on, what ends it. The node behind it is the test. */
#include <stdatomic.h>
#include <sys/mman.h>

#include "gate-fixture.h"

/* ---- Who gets in ---- */

START_TEST(a_known_client_is_announced_and_served)
{
    Stream *client = client_connect(gate.client);
    const char *frame;
    char expected[FRAME_MAX], pin[TLS_PIN_TEXT_SIZE];
    int node = node_accept(&frame);

    tls_pin_format(tls_identity_pin(gate.client), pin);
    (void)snprintf(
        expected, sizeof(expected),
        "{\"method\":\"org.keyquorum.Node.AnnounceClient\",\"parameters\":{\"protocol\":1,\"name\":\"signer-1\",\"tlsPin\":\"%s\"},"
        "\"oneway\":true}",
        pin);
    ck_assert_str_eq(frame, expected);
    client_write(client, "question");
    node_expect(node, "question");
    node_write(node, "answer");
    client_expect(client, "answer");
    ck_assert(gate_logs("client signer-1 (127.0.0.1:"));
    stream_close(client);
    (void)close(node);
    ck_assert(gate_logs("is connected no more"));
}
END_TEST

static unsigned count_logged(const char *words)
{
    unsigned n = 0;

    for (const char *at = gate_log(); (at = strstr(at, words)); at++)
        n++;
    return n;
}

/* To come and to go costs the client little. */
START_TEST(who_comes_and_goes_does_not_fill_the_log)
{
    const char *frame;

    for (unsigned i = 0; i < 40; i++) {
        Stream *client = client_connect(gate.client);
        int node = node_accept(&frame);

        (void)close(node);
        wait_for(client, POLLIN);
        stream_close(client);
    }
    ck_assert_int_eq(gate_stop(SIGTERM), 0);
    ck_assert_uint_ge(count_logged("client signer-1 ("), 20);
    ck_assert_uint_le(count_logged("client signer-1 ("), 40); /* twenty in ten seconds */
    ck_assert(gate_logs("more connections of clients began or ended than are logged here"));
}
END_TEST

/* What comes with the end of the handshake is not lost. */
START_TEST(a_question_may_come_at_once)
{
    Stream *client = client_start(gate.client);
    const char *frame;
    int node;

    while (client->class->write(client, "question", 8) == -EAGAIN)
        wait_for(client, POLLOUT);
    node = node_accept(&frame);
    node_expect(node, "question");
    (void)close(node);
    stream_close(client);
}
END_TEST

START_TEST(an_unknown_client_is_refused_and_logged)
{
    _cleanup_tls_identity_ TlsIdentity *stranger = new_identity(NULL);
    Stream *client = client_connect(stranger);
    char data[16], words[128], pin[TLS_PIN_TEXT_SIZE];

    (void)client->class->write(client, "question", 8);
    ck_assert_int_eq(read_waiting(client, data, sizeof(data)), -EKEYREJECTED);
    tls_pin_format(tls_identity_pin(stranger), pin);
    ck_assert_ptr_nonnull(strstr(stream_words(client), pin));
    (void)snprintf(words, sizeof(words), "pin %s, from 127.0.0.1:", pin);
    ck_assert(gate_logs(words));
    ck_assert(!node_is_asked(0));
    stream_close(client);
}
END_TEST

static void check_admitted(TlsIdentity *identity, bool admitted)
{
    Stream *client = client_connect(identity);
    const char *frame;
    char data[16];

    if (admitted) {
        int node = node_accept(&frame);

        node_write(node, "welcome");
        client_expect(client, "welcome");
        (void)close(node);
    } else {
        ck_assert_int_eq(read_waiting(client, data, sizeof(data)), -EKEYREJECTED);
    }
    stream_close(client);
}

/* A node that does not run has told nobody whom it knows: that is another matter than a stranger. */
static void check_unlisted(void)
{
    Stream *client = client_connect(gate.client);
    char data[16];

    ck_assert_int_eq(read_waiting(client, data, sizeof(data)), -EPROTO);
    ck_assert_ptr_nonnull(strstr(stream_words(client), "is keyquorum-node running on that host?"));
    ck_assert(gate_logs("the node has not said whom it knows"));
    stream_close(client);
}

/* No restart, no signal. */
START_TEST(the_file_of_clients_is_read_anew)
{
    _cleanup_tls_identity_ TlsIdentity *other = new_identity(NULL);

    check_admitted(other, false);
    gate_authorize(other, "signer-2");
    check_admitted(other, true);
    check_admitted(gate.client, false);
    ck_assert_int_eq(unlink(gate_path("clients")), 0);
    check_unlisted();
    gate_write("clients", "", 0, 0644);
    check_admitted(gate.client, false);
    gate_authorize(gate.client, "signer-1");
    check_admitted(gate.client, true);
    gate_write("clients", "nonsense\n", 9, 0644);
    check_unlisted();
    ck_assert(gate_logs("clients, so no client is known: line 1 is not 'PIN NAME'"));
}
END_TEST

START_TEST(the_tls_key_is_read_anew)
{
    _cleanup_secret_ Secret *pem = NULL;
    _cleanup_tls_identity_ TlsIdentity *identity = new_identity(&pem);
    Stream *before = client_connect(gate.client);
    const char *frame;
    int node = node_accept(&frame);

    gate_write("tls.key", "nonsense", 8, 0600);
    ck_assert_int_eq(kill(gate.pid, SIGHUP), 0);
    ck_assert(gate_logs("the TLS key stays what it was"));
    check_admitted(gate.client, true);
    gate_write_key(pem);
    ck_assert_int_eq(kill(gate.pid, SIGHUP), 0);
    gate_wait_for("STATUS=TLS pin");
    check_admitted(gate.client, true); /* at the new pin */
    node_write(node, "still here");
    client_expect(before, "still here");
    stream_close(before);
    (void)close(node);
}
END_TEST

/* ---- What is passed on ---- */

static void make_nonblocking(int fd)
{
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

typedef struct Flow {
    const uint8_t *sent;
    uint8_t *got;
    size_t size, out, in;
} Flow;

static ssize_t node_send(int fd, const uint8_t *data, size_t size)
{
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

    return n < 0 ? -errno : n;
}

static ssize_t node_receive(int fd, uint8_t *data, size_t size)
{
    ssize_t n = recv(fd, data, size, 0);

    return n < 0 ? -errno : n;
}

static void count(size_t *done, ssize_t n)
{
    ck_assert(n > 0 || n == -EAGAIN);
    *done += n > 0 ? (size_t)n : 0;
}

/* Both directions at once, as fast as they go. */
static void exchange_much(Stream *client, int node, Flow *up, Flow *down)
{
    while (up->in < up->size || down->in < down->size) {
        struct pollfd fds[] = {{.fd = client->fd, .events = stream_events(client, POLLIN | (up->out < up->size ? POLLOUT : 0))},
                               {.fd = node, .events = (short)(POLLIN | (down->out < down->size ? POLLOUT : 0))}};

        ck_assert_int_gt(poll(fds, 2, 10000), 0);
        if (up->out < up->size)
            count(&up->out, client->class->write(client, up->sent + up->out, up->size - up->out));
        if (up->in < up->size)
            count(&up->in, node_receive(node, up->got + up->in, up->size - up->in));
        if (down->out < down->size)
            count(&down->out, node_send(node, down->sent + down->out, down->size - down->out));
        if (down->in < down->size)
            count(&down->in, client->class->read(client, down->got + down->in, down->size - down->in));
    }
}

START_TEST(much_is_passed_on)
{
    const size_t size = 4 * 1024 * 1024;
    _cleanup_free_ uint8_t *sent = malloc(size), *got_up = malloc(size), *got_down = malloc(size);
    Stream *client = client_connect(gate.client);
    const char *frame;
    int node = node_accept(&frame);
    Flow up = {sent, got_up, size, 0, 0}, down = {sent, got_down, size, 0, 0};

    ck_assert_int_eq(crypto_random(sent, size), 0);
    make_nonblocking(node);
    exchange_much(client, node, &up, &down);
    ck_assert_mem_eq(sent, got_up, size);
    ck_assert_mem_eq(sent, got_down, size);
    stream_close(client);
    (void)close(node);
}
END_TEST

static size_t resident_kilobytes(void)
{
    char path[64], line[128];
    size_t size = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)gate.pid);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (size == 0 && fgets(line, sizeof(line), file))
        (void)sscanf(line, "VmRSS: %zu kB", &size);
    (void)fclose(file);
    return size;
}

/* A node that does not read holds up its client, not the gate's memory. */
START_TEST(what_waits_is_bounded)
{
    const size_t piece = 64 * 1024;
    _cleanup_free_ uint8_t *data = calloc(1, piece);
    Stream *client = client_connect(gate.client);
    const char *frame;
    int node = node_accept(&frame);
    size_t before = resident_kilobytes(), written = 0;

    for (unsigned quiet = 0; quiet < 5;) {
        ssize_t n = client->class->write(client, data, piece);

        ck_assert(n > 0 || n == -EAGAIN);
        written += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        if (n < 0)
            (void)poll(&(struct pollfd){.fd = client->fd, .events = POLLOUT}, 1, 50);
        ck_assert_uint_lt(written, 64 * 1024 * 1024);
    }
    ck_assert_uint_lt(resident_kilobytes(), before + 1024);
    stream_close(client);
    (void)close(node);
}
END_TEST

/* ---- Ends ---- */

START_TEST(a_client_ends_and_is_still_answered)
{
    Stream *client = client_connect(gate.client);
    const char *frame;
    char data[16];
    int node = node_accept(&frame);

    client_write(client, "question");
    stream_tls_end(client);
    node_expect(node, "question");
    ck_assert_int_eq(recv(node, data, sizeof(data), 0), 0);
    node_write(node, "answer");
    (void)close(node);
    client_expect(client, "answer");
    ck_assert_int_eq(read_waiting(client, data, sizeof(data)), 0);
    stream_close(client);
}
END_TEST

START_TEST(the_node_ends)
{
    Stream *client = client_connect(gate.client);
    const char *frame;
    char data[16];
    int node = node_accept(&frame);

    node_write(node, "last");
    (void)close(node);
    client_expect(client, "last");
    ck_assert_int_eq(read_waiting(client, data, sizeof(data)), 0);
    stream_close(client);
}
END_TEST

START_TEST(a_client_is_cut_off)
{
    Stream *client = client_connect(gate.client);
    const char *frame;
    char data[16];
    int node = node_accept(&frame);

    stream_close_inherited(client); /* without close_notify */
    ck_assert_int_eq(recv(node, data, sizeof(data), 0), 0);
    (void)close(node);
}
END_TEST

START_TEST(the_node_is_away)
{
    Stream *client;
    char data[16];

    (void)close(gate.node);
    client = client_connect(gate.client);
    ck_assert_int_eq(read_waiting(client, data, sizeof(data)), 0);
    stream_close(client);
    ck_assert(gate_logs("refused a connection of client signer-1"));
    gate_node_start();
    check_admitted(gate.client, true);
}
END_TEST

/* Asked to stop, it takes no more questions; those that were asked are answered. */
START_TEST(a_stop_waits_for_answers)
{
    Stream *client = client_connect(gate.client), *idle = client_connect(gate.client);
    const char *frame;
    char data[16];
    int node = node_accept(&frame), other = node_accept(&frame), status;

    client_write(client, "question");
    node_expect(node, "question");
    ck_assert_int_eq(kill(gate.pid, SIGTERM), 0);
    ck_assert_int_eq(recv(node, data, sizeof(data), 0), 0);
    ck_assert_int_eq(recv(other, data, sizeof(data), 0), 0);
    (void)close(other);
    ck_assert_int_eq(read_waiting(idle, data, sizeof(data)), 0);
    node_write(node, "answer");
    (void)close(node);
    client_expect(client, "answer");
    ck_assert_int_eq(read_waiting(client, data, sizeof(data)), 0);
    ck_assert_int_eq(waitpid(gate.pid, &status, 0), gate.pid);
    gate.pid = 0;
    ck_assert_int_eq(status, 0);
    stream_close(client);
    stream_close(idle);
}
END_TEST

/* A node that does not answer does not keep it for ever. */
START_TEST(a_stop_has_an_end)
{
    Stream *client = client_connect(gate.client);
    Microseconds begin = clock_now();
    const char *frame;
    int node = node_accept(&frame);

    ck_assert_int_eq(gate_stop(SIGTERM), 0);
    ck_assert_uint_gt(clock_now() - begin, 4 * MICROSECONDS_PER_SECOND);
    ck_assert_uint_lt(clock_now() - begin, 20 * MICROSECONDS_PER_SECOND);
    (void)close(node);
    stream_close(client);
}
END_TEST

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

START_TEST(floods_leave_clients_their_rate)
{
    Stream *client = client_connect(gate.client);
    const char *frame;
    int node = node_accept(&frame);
    unsigned alone = 0, flooded = 0;
    pid_t garbage, halves;

    for (unsigned i = 0; i < 3; i++) {
        alone += count_rounds(client, node, MICROSECONDS_PER_SECOND);
        garbage = start_flood(flood_with_garbage);
        halves = start_flood(flood_with_halves);
        ck_assert(gate_logs("refused a connection from"));
        flooded += count_rounds(client, node, MICROSECONDS_PER_SECOND);
        check_admitted(gate.client, true); /* and new ones get in */
        end_flood(garbage);
        end_flood(halves);
    }
    (void)printf("# rounds in 3 s: %u alone, %u under floods\n", alone, flooded);
    (void)fflush(stdout);
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
    ck_assert_uint_lt(turns, 4 * TORRENTS * (uint64_t)rounds);
    ck_assert_uint_lt(clock_now() - begin, 5 * MICROSECONDS_PER_SECOND);
    end_torrents(torrents);
    stream_close(client);
    (void)close(node);
    tls_identity_unref(identities[0]);
    tls_identity_unref(identities[1]);
}
END_TEST

/* ---- The program ---- */

static int run_gate(const char *arguments)
{
    char command[512];

    (void)snprintf(command, sizeof(command), "%s %s >%s 2>&1", getenv("KEYQUORUM_GATE"), arguments, gate_path("output"));
    return WEXITSTATUS(system(command));
}

START_TEST(it_says_what_is_wrong)
{
    char arguments[256], line[256] = "";
    FILE *file;

    ck_assert_int_eq(run_gate("--help"), 0);
    ck_assert_int_eq(run_gate("--version"), 0);
    ck_assert_int_eq(run_gate(""), 2);
    ck_assert_int_eq(run_gate("--nonsense"), 2);
    (void)snprintf(arguments, sizeof(arguments), "--config %s", gate_path("node.conf"));
    ck_assert_int_eq(run_gate(arguments), 1); /* the port is taken */
    file = fopen(gate_path("output"), "re");
    while (!strstr(line, "cannot listen on tls:127.0.0.1:"))
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
    (void)fclose(file);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, gate_setup, gate_teardown);
    tcase_add_test(cases, a_known_client_is_announced_and_served);
    tcase_add_test(cases, a_question_may_come_at_once);
    tcase_add_test(cases, who_comes_and_goes_does_not_fill_the_log);
    tcase_add_test(cases, an_unknown_client_is_refused_and_logged);
    tcase_add_test(cases, the_file_of_clients_is_read_anew);
    tcase_add_test(cases, the_tls_key_is_read_anew);
    tcase_add_test(cases, much_is_passed_on);
    tcase_add_test(cases, what_waits_is_bounded);
    tcase_add_test(cases, a_client_ends_and_is_still_answered);
    tcase_add_test(cases, the_node_ends);
    tcase_add_test(cases, a_client_is_cut_off);
    tcase_add_test(cases, the_node_is_away);
    tcase_add_test(cases, a_stop_waits_for_answers);
    tcase_add_test(cases, a_stop_has_an_end);
    tcase_add_test(cases, unfinished_handshakes_are_few_and_short);
    tcase_add_test(cases, unfinished_handshakes_leave_room);
    tcase_add_test(cases, a_client_has_so_many_connections);
    tcase_add_test(cases, idle_clients_are_cut_off);
    tcase_add_test(cases, idle_connections_cost_little);
    tcase_add_test(cases, floods_leave_clients_their_rate);
    tcase_add_test(cases, torrents_leave_others_their_turn);
    tcase_add_test(cases, it_says_what_is_wrong);
}

UNIT_MAIN("gate", add_tests)
