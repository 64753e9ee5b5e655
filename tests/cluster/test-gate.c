/* The gate alone: who gets in, what is passed on, what ends it. The node behind it is the test. */
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
    tcase_add_test(cases, it_says_what_is_wrong);
}

UNIT_MAIN("gate", add_tests)
