#include "gate/gate.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "base/crypto.h"
#include "gate/connection.h"

#define ACCEPTS_AT_A_TIME 16
#define ACCEPT_PAUSE      (100 * MICROSECONDS_PER_MILLISECOND) /* when there are no descriptors */
#define DESCRIPTORS       2                                    /* of a connection */
#define DESCRIPTORS_OWN   64

/* After who is being served, and after handshakes under way. */
#define PRIORITY_ACCEPT (SD_EVENT_PRIORITY_NORMAL + 20)
/* Before all of them, so rarely and with so little that a flood gains nothing by it. */
#define PRIORITY_TURN   (SD_EVENT_PRIORITY_NORMAL - 10)
#define TURN_INTERVAL   (20 * MICROSECONDS_PER_MILLISECOND)
#define TURN_HANDSHAKES 4

/* ---- Stopping -------------------------------------------------------------------------------------------------------------------------
 */

void gate_connection_ended(Gate *gate)
{
    if (gate->stopping && gate->open.n + gate->handshakes.n == 0)
        (void)sd_event_exit(gate->event, 0);
}

static int on_end(sd_event_source *source, uint64_t now, void *userdata)
{
    Gate *gate = userdata;

    journal_log(LOG_WARNING, "%u connections did not come to an end in time", gate->open.n);
    return sd_event_exit(gate->event, 0);
}

static void stop_accepting(Gate *gate)
{
    gate->pause = sd_event_source_disable_unref(gate->pause);
    for (size_t i = 0; i < LISTENERS_MAX; i++)
        gate->accepting[i] = sd_event_source_disable_unref(gate->accepting[i]);
    listeners_close(&gate->listeners);
}

static void drain(Gate *gate)
{
    Connection *connection = gate->open.first;

    while (gate->handshakes.first)
        connection_end(gate->handshakes.first);
    while (connection) {
        Connection *next = connection_next(connection);

        connection_drain(connection);
        connection = next;
    }
}

/* The first asks for a clean end, the second for an end. */
static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    Gate *gate = userdata;
    uint64_t deadline = clock_now() + GATE_DRAIN_TIME;

    if (gate->stopping || sd_event_add_time(gate->event, &gate->end, CLOCK_MONOTONIC, deadline, 0, on_end, gate) < 0)
        return sd_event_exit(gate->event, 0);
    gate->stopping = true;
    journal_log(LOG_INFO, "stopping: %u connections, what was asked on them is answered first", gate->open.n);
    (void)sd_notify(0, "STOPPING=1");
    stop_accepting(gate);
    drain(gate);
    gate_connection_ended(gate);
    return 0;
}

/* ---- Reading anew ---------------------------------------------------------------------------------------------------------------------
 */

static int read_identity(Gate *gate, Problem *problem)
{
    TlsIdentity *identity = NULL;
    int r = tls_identity_read(gate->config.tls_key, &identity, problem);

    if (r < 0)
        return r;
    tls_identity_unref(gate->identity);
    gate->identity = identity;
    return 0;
}

static void log_state(const Gate *gate, const char *words)
{
    char pin[TLS_PIN_TEXT_SIZE];

    tls_pin_format(tls_identity_pin(gate->identity), pin);
    journal_log(LOG_INFO, "%s: TLS pin %s, %zu pins of clients in %s", words, pin, gate->clients.n_pins, gate->clients.path);
    (void)sd_notifyf(0, "STATUS=TLS pin %s; %zu pins of clients at the last look", pin, gate->clients.n_pins);
}

static void refresh_clients(Gate *gate)
{
    Problem problem = PROBLEM_INIT;

    if (clients_refresh(&gate->clients, &problem) < 0)
        journal_log(LOG_ERR, "%s", problem.text);
}

/* The TLS key is for connections that come from now on. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    Gate *gate = userdata;
    Problem problem = PROBLEM_INIT;

    if (read_identity(gate, &problem) < 0)
        journal_log(LOG_ERR, "the TLS key stays what it was: %s", problem.text);
    refresh_clients(gate);
    log_state(gate, "read anew");
    return 0;
}

/* ---- Accepting ------------------------------------------------------------------------------------------------------------------------
 */

static void set_accepting(Gate *gate, int enabled)
{
    for (size_t i = 0; i < LISTENERS_MAX; i++)
        if (gate->accepting[i])
            (void)sd_event_source_set_enabled(gate->accepting[i], enabled);
}

static int on_pause_over(sd_event_source *source, uint64_t now, void *userdata)
{
    set_accepting(userdata, SD_EVENT_ON);
    return 0;
}

/* Without descriptors or memory the listening socket stays readable: no more of it for a moment. */
static void pause_accepting(Gate *gate, int error)
{
    uint64_t until = clock_now() + ACCEPT_PAUSE;

    gate->pause = sd_event_source_disable_unref(gate->pause);
    if (sd_event_add_time(gate->event, &gate->pause, CLOCK_MONOTONIC, until, 0, on_pause_over, gate) < 0)
        return;
    if (refusals_take(&gate->refused))
        journal_log(LOG_ERR, "connections cannot be accepted for a moment: %s", strerror(error));
    set_accepting(gate, SD_EVENT_OFF);
}

static void accept_some(Gate *gate, int listener)
{
    for (unsigned i = 0; i < ACCEPTS_AT_A_TIME; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof(address);
        int fd = accept4(listener, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
            connection_start(gate, fd, &address);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(gate, errno);
        if (fd < 0)
            break; /* others: that one connection has gone wrong already */
    }
}

static int on_accept(sd_event_source *source, int listener, uint32_t events, void *userdata)
{
    accept_some(userdata, listener);
    return 0;
}

static int on_turn(sd_event_source *source, void *userdata)
{
    Gate *gate = userdata;

    gate->turn_at = clock_now() + TURN_INTERVAL;
    connection_handshakes(gate, TURN_HANDSHAKES);
    for (size_t i = 0; i < gate->listeners.n; i++)
        if (sd_event_source_get_pending(gate->accepting[i]) > 0)
            accept_some(gate, gate->listeners.fds[i]);
    return 0;
}

void gate_served(Gate *gate)
{
    if (clock_now() >= gate->turn_at)
        (void)sd_event_source_set_enabled(gate->turn, SD_EVENT_ONESHOT);
}

/* ---- Setting up -----------------------------------------------------------------------------------------------------------------------
 */

static int set_up_config(Gate *gate, Problem *problem)
{
    int r = node_config_read(gate->config_path, &gate->config, problem);

    if (r < 0)
        return r;
    if (!gate->config.address)
        return problem_set(problem, -ENOENT, "%s has no Address=, GateSocket= and Clients=: this node is for its own host only",
                           gate->config_path);
    if (!gate->config.tls_key)
        return problem_set(problem, -ENOENT, "%s has no TlsKey=, and there is no credential tls-key from the service manager",
                           gate->config_path);
    journal_set_node(gate->config.name);
    clients_init(&gate->clients, gate->config.clients);
    return read_identity(gate, problem);
}

static int set_up_limits(Gate *gate, Problem *problem)
{
    const rlim_t wanted = GATE_CONNECTIONS_MAX * DESCRIPTORS + DESCRIPTORS_OWN;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return problem_set(problem, -errno, "the limit of open files: %s", strerror(errno));
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    gate->connections_max = GATE_CONNECTIONS_MAX;
    if (limit.rlim_cur < wanted) {
        gate->connections_max = limit.rlim_cur > 2 * DESCRIPTORS_OWN ? (unsigned)(limit.rlim_cur - DESCRIPTORS_OWN) / DESCRIPTORS : 32;
        journal_log(LOG_WARNING, "the limit of open files (%llu) allows %u connections instead of %u", (unsigned long long)limit.rlim_cur,
                    gate->connections_max, GATE_CONNECTIONS_MAX);
    }
    return 0;
}

/* Blocked before any thread exists, so that all inherit it. */
static int block_signals(void)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    return sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0;
}

static int set_up_loop(Gate *gate, Problem *problem)
{
    int r = block_signals();

    if (r == 0)
        r = sd_event_new(&gate->event);
    if (r >= 0)
        r = sd_event_add_signal(gate->event, NULL, SIGTERM, on_terminate, gate);
    if (r >= 0)
        r = sd_event_add_signal(gate->event, NULL, SIGINT, on_terminate, gate);
    if (r >= 0)
        r = sd_event_add_signal(gate->event, NULL, SIGHUP, on_reload, gate);
    if (r >= 0)
        r = sd_event_add_defer(gate->event, &gate->turn, on_turn, gate);
    if (r >= 0)
        r = sd_event_source_set_priority(gate->turn, PRIORITY_TURN);
    if (r >= 0)
        r = sd_event_set_watchdog(gate->event, true);
    return r < 0 ? problem_set(problem, r, "no event loop: %s", strerror(-r)) : 0;
}

static int add_listener(Gate *gate, size_t i)
{
    int r = sd_event_add_io(gate->event, &gate->accepting[i], gate->listeners.fds[i], EPOLLIN, on_accept, gate);

    return r < 0 ? r : sd_event_source_set_priority(gate->accepting[i], PRIORITY_ACCEPT);
}

static int set_up_listeners(Gate *gate, Problem *problem)
{
    int r = listeners_open(gate->config.address, &gate->listeners, problem);

    for (size_t i = 0; r == 0 && i < gate->listeners.n; i++)
        if (add_listener(gate, i) < 0)
            return problem_set(problem, -ENOMEM, "out of memory");
    return r;
}

int gate_new(const char *config_path, Gate **ret_gate, Problem *problem)
{
    static int (*const steps[])(Gate * gate, Problem * problem) = {set_up_config, set_up_limits, set_up_loop, set_up_listeners};
    _cleanup_gate_ Gate *gate = calloc(1, sizeof(*gate));
    int r = gate ? 0 : problem_set(problem, -ENOMEM, "out of memory");

    if (gate) {
        gate->config_path = config_path;
        gate->known.what = "connections of clients began or ended";
    }
    for (size_t i = 0; r == 0 && i < ELEMENTS(steps); i++)
        r = steps[i](gate, problem);
    if (r == 0)
        *ret_gate = TAKE_PTR(gate);
    return r;
}

int gate_run(Gate *gate)
{
    journal_start();
    refresh_clients(gate);
    journal_event(EVENT_GATE_STARTED, NULL, "the gate of node %s serves %s", gate->config.name, gate->config.address);
    log_state(gate, "started");
    (void)sd_notify(0, "READY=1");

    int r = sd_event_loop(gate->event);

    refusals_report(&gate->unknown);
    refusals_report(&gate->refused);
    refusals_report(&gate->known);
    journal_event(EVENT_GATE_STOPPED, NULL, "the gate of node %s stops", gate->config.name);
    journal_stop();
    return r;
}

Gate *gate_free(Gate *gate)
{
    gate->stopping = false;
    stop_accepting(gate);
    while (gate->handshakes.first)
        connection_end(gate->handshakes.first);
    while (gate->open.first)
        connection_end(gate->open.first);
    gate->turn = sd_event_source_disable_unref(gate->turn);
    gate->end = sd_event_source_disable_unref(gate->end);
    (void)sd_event_unref(gate->event);
    tls_identity_unref(gate->identity);
    clients_clear(&gate->clients);
    node_config_clear(&gate->config);
    free(gate);
    return NULL;
}
