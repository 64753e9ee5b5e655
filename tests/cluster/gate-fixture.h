/* A gate, a process of its own, between clients and a node that the test plays itself. */
#pragma once

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/text.h"

#include "tls-fixture.h"

#define FRAME_MAX 512

typedef struct GateFixture {
    char directory[32];
    char path[96];
    bool jumps;                     /* its clock, by gate_jump() */
    TlsIdentity *client;            /* authorized as signer-1 */
    uint8_t gate_pin[TLS_PIN_SIZE]; /* the gate's */
    int node;                       /* listens where the gate looks for the node */
    int notify;                     /* what the gate tells the service manager */
    pid_t pid;                      /* of the gate; 0: none */
    unsigned port;
} GateFixture;

static GateFixture gate;

static inline const char *gate_path(const char *name)
{
    (void)snprintf(gate.path, sizeof(gate.path), "%s/%s", gate.directory, name);
    return gate.path;
}

static inline void gate_write(const char *name, const void *data, size_t size, mode_t mode)
{
    char temporary[160];
    int fd;

    (void)snprintf(temporary, sizeof(temporary), "%s.new", gate_path(name));
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    (void)close(fd);
    ck_assert_int_eq(rename(temporary, gate_path(name)), 0);
}

static inline void gate_write_key(Secret *pem)
{
    gate_write("tls.key", secret_bytes(pem), secret_size(pem), 0600);
    ck_assert_int_eq(tls_key_pin(pem, gate.gate_pin), 0);
}

static inline void gate_authorize(const TlsIdentity *identity, const char *name)
{
    char pin[TLS_PIN_TEXT_SIZE], line[128];

    tls_pin_format(tls_identity_pin(identity), pin);
    (void)snprintf(line, sizeof(line), "%s %s\n", pin, name);
    gate_write("clients", line, strlen(line), 0644);
}

static inline int gate_unix(const char *name, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", gate_path(name));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void gate_node_start(void)
{
    (void)unlink(gate_path("gate.sock"));
    gate.node = gate_unix("gate.sock", SOCK_STREAM);
    ck_assert_int_eq(listen(gate.node, 128), 0);
}

/* A port that was free a moment ago. */
static inline unsigned free_port(void)
{
    const char *address;
    int fd = listen_somewhere(1, &address);

    (void)close(fd);
    return (unsigned)atoi(strrchr(address, ':') + 1);
}

static inline void gate_write_config(void)
{
    char text[1024];

    gate.port = free_port();
    (void)snprintf(text, sizeof(text),
                   "[node]\nName=alpha\nState=%1$s\nListen=unix:%1$s/node.sock\nCustody=keyring\nSeparation=no\nSealingKey=%1$s/none\n"
                   "IdentityKey=%1$s/none\nAddress=tls:127.0.0.1:%2$u\nGateSocket=unix:%1$s/gate.sock\nClients=%1$s/clients\n"
                   "TlsKey=%1$s/tls.key\n",
                   gate.directory, gate.port);
    gate_write("node.conf", text, strlen(text), 0600);
}

/* Wait for what the gate says of itself. */
static inline void gate_wait_for(const char *words)
{
    char text[512];
    ssize_t n;

    do {
        struct pollfd fd = {.fd = gate.notify, .events = POLLIN};

        ck_assert_msg(poll(&fd, 1, 10000) == 1, "the gate does not say %s", words);
        n = recv(gate.notify, text, sizeof(text) - 1, 0);
        ck_assert_int_gt(n, 0);
        text[n] = '\0';
    } while (!strstr(text, words));
}

static inline void gate_exec(void)
{
    char socket_path[128], config[128];
    int log = open(gate_path("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

    (void)snprintf(socket_path, sizeof(socket_path), "%s", gate_path("notify"));
    (void)snprintf(config, sizeof(config), "%s", gate_path("node.conf"));
    (void)setenv("NOTIFY_SOCKET", socket_path, 1);
    if (gate.jumps) {
        (void)setenv("JUMP_CLOCK", gate_path("jump"), 1);
        (void)setenv("LD_PRELOAD", getenv("KEYQUORUM_JUMP_CLOCK"), 1);
    }
    (void)dup2(log, STDERR_FILENO);
    (void)execl(getenv("KEYQUORUM_GATE"), "keyquorum-gate", "--config", config, NULL);
    _exit(127);
}

static inline void gate_start(void)
{
    gate.pid = fork();
    ck_assert_int_ge(gate.pid, 0);
    if (gate.pid == 0)
        gate_exec();
    gate_wait_for("READY=1");
}

/* Its exit status. */
static inline int gate_stop(int signal)
{
    int status = -1;

    ck_assert_int_eq(kill(gate.pid, signal), 0);
    ck_assert_int_eq(waitpid(gate.pid, &status, 0), gate.pid);
    gate.pid = 0;
    return status;
}

static inline void gate_setup(void)
{
    _cleanup_secret_ Secret *pem = NULL;
    TlsIdentity *identity = new_identity(&pem);

    tls_identity_unref(identity);
    gate = (GateFixture){.directory = "/tmp/test-gate-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(gate.directory));
    gate_write_key(pem);
    gate.client = new_identity(NULL);
    gate_authorize(gate.client, "signer-1");
    gate.notify = gate_unix("notify", SOCK_DGRAM);
    gate_node_start();
    gate_write_config();
    gate_start();
}

static inline void gate_teardown(void)
{
    char command[128];

    if (gate.pid > 0)
        ck_assert_int_eq(gate_stop(SIGTERM), 0);
    tls_identity_unref(gate.client);
    (void)close(gate.node);
    (void)close(gate.notify);
    (void)snprintf(command, sizeof(command), "rm -rf %s", gate.directory);
    ck_assert_int_eq(system(command), 0);
}

/* Ahead of our clock, by so many seconds in all; comes back when the gate has looked at it. */
static inline void gate_jump(unsigned seconds)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", seconds);
    gate_write("jump", text, strlen(text), 0600);
    ck_assert_int_eq(kill(gate.pid, SIGHUP), 0);
    gate_wait_for("STATUS=");
}

/* What the gate has logged. Static. */
static inline const char *gate_log(void)
{
    static char text[64 * 1024];
    FILE *file = fopen(gate_path("log"), "re");

    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

/* The log is written by a thread of its own. */
static inline bool gate_logs(const char *words)
{
    for (Microseconds end = clock_now() + 5 * MICROSECONDS_PER_SECOND; clock_now() < end;) {
        if (strstr(gate_log(), words))
            return true;
        (void)poll(NULL, 0, 10);
    }
    return false;
}

/* ---- Clients ---- */

static inline Stream *client_start(TlsIdentity *identity)
{
    StreamPeer peer = {.own = identity, .n_pins = 1};
    Problem problem = PROBLEM_INIT;
    Stream *stream = NULL;
    char address[64];

    memcpy(peer.pins[0], gate.gate_pin, TLS_PIN_SIZE);
    (void)snprintf(address, sizeof(address), "tls:127.0.0.1:%u", gate.port);
    ck_assert_msg(stream_connect(address, &peer, &stream, &problem) == 0, "%s", problem.text);
    return stream;
}

/* With its handshake done, as far as the client knows. */
static inline Stream *client_connect(TlsIdentity *identity)
{
    Stream *stream = client_start(identity);
    int r = stream_tls_handshake(stream);

    for (unsigned i = 0; r == -EAGAIN && i < 100; i++) {
        wait_for(stream, 0);
        r = stream_tls_handshake(stream);
    }
    ck_assert_int_eq(r, 0);
    return stream;
}

static inline void client_write(Stream *stream, const char *text)
{
    ck_assert_int_eq(stream->class->write(stream, text, strlen(text)), (ssize_t)strlen(text));
}

/* So much of it comes. */
static inline void client_expect(Stream *stream, const char *text)
{
    char data[1024];
    size_t done = 0;

    while (done < strlen(text)) {
        ssize_t n = read_waiting(stream, data + done, strlen(text) - done);

        ck_assert_int_gt(n, 0);
        done += (size_t)n;
    }
    ck_assert_mem_eq(data, text, done);
}

/* ---- The node ---- */

static inline bool node_is_asked(int milliseconds)
{
    struct pollfd fd = {.fd = gate.node, .events = POLLIN};

    return poll(&fd, 1, milliseconds) == 1;
}

/* Take a connection, and what it begins with, up to its NUL. Static. */
static inline int node_accept(const char **ret_frame)
{
    static char frame[FRAME_MAX];
    size_t size = 0;
    int fd;

    ck_assert(node_is_asked(10000));
    fd = accept4(gate.node, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    do {
        ck_assert_uint_lt(size, sizeof(frame));
        ck_assert_int_eq(recv(fd, frame + size, 1, 0), 1);
    } while (frame[size++] != '\0');
    *ret_frame = frame;
    return fd;
}

static inline void node_expect(int fd, const char *text)
{
    char data[1024];

    ck_assert_int_eq(recv(fd, data, strlen(text), MSG_WAITALL), (ssize_t)strlen(text));
    ck_assert_mem_eq(data, text, strlen(text));
}

static inline void node_write(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Does the gate let it in, and to the node? */
static inline void check_admitted(TlsIdentity *identity, bool admitted)
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

/* Of the gate. */
static inline size_t resident_kilobytes(void)
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
