#include "node/node.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/crypto.h"
#include "base/journal.h"
#include "node/bus.h"
#include "node/identity.h"
#include "node/loading.h"
#include "node/ops-run.h"
#include "node/ops.h"

#define DRAIN (5 * MICROSECONDS_PER_SECOND)

/* ---- What is told to others ------------------------------------------------------------------------------------------------- */

void node_revision(const Node *node, char ret_revision[NODE_REVISION_SIZE])
{
    (void)snprintf(ret_revision, NODE_REVISION_SIZE, "%s-%llu", node->revision_start, (unsigned long long)node->changes);
}

static void describe(const Node *node, char *ret_text, size_t size)
{
    uint64_t counts[KEY_STATE_MAX];

    keys_count(&node->keys, counts);
    (void)snprintf(ret_text, size, "%s; keys: %llu active, %llu pending, %llu unusable, %llu destroyed",
                   node->token.token.size > 0 ? "part of a token" : "part of no token yet", (unsigned long long)counts[KEY_ACTIVE],
                   (unsigned long long)counts[KEY_PENDING], (unsigned long long)counts[KEY_UNUSABLE],
                   (unsigned long long)counts[KEY_DESTROYED]);
}

void node_changed(Node *node)
{
    char text[200];

    node->changes++;
    describe(node, text, sizeof(text));
    (void)sd_notifyf(0, "STATUS=%s", text);
    bus_changed(node);
}

/* ---- Setting up: one step after the other; the ring before there is any thread ------------------------------------------------ */

static int set_up_config(Node *node, const NodeOptions *options, Problem *problem)
{
    int r = node_config_read(options->config_path, &node->config, problem);

    if (r < 0)
        return r;
    journal_set_node(node->config.name);
    node->custody = custody_from_name(node->config.custody);
    if (node->config.separation)
        return 0;
    if (options->require_separation)
        return problem_set(problem, -EPERM, "%s says Separation=no, which is refused here: make node and loader different users",
                           options->config_path);
    journal_log(LOG_WARNING, "no separation: node and loader run as one user, so whoever takes over this process can read every share; for "
                             "tests and trying out only");
    return 0;
}

static int set_up_ring(Node *node, const NodeOptions *options, Problem *problem)
{
    int r = keyring_custody_check(node->custody, problem);

    if (r == 0)
        r = keyring_ring_new(node->config.separation ? SEPARATION_USERS : SEPARATION_NONE, &node->ring, problem);
    return r == 0 ? 0 : problem_prefix(problem, r, "Custody=%s cannot be had", node->config.custody);
}

static int set_up_identity(Node *node, const NodeOptions *options, Problem *problem)
{
    return identity_read(&node->config, options->config_path, node->sealing_key, node->identity_key, problem);
}

static int add_failures(void *userdata, const char *client, uint64_t failures)
{
    uint64_t *count = pin_failures_entry(userdata, client);

    if (!count)
        return -ENOMEM;
    *count = failures;
    return 0;
}

static void log_set_aside(const char *id, bool is_second)
{
    if (is_second) {
        journal_log(LOG_WARNING,
                    "there are two shares of key %s without its record, keys/%s.set-aside and now keys/%s.share: both stay, and the key "
                    "cannot be prepared here until the one that is not needed is removed",
                    id, id, id);
        return;
    }
    journal_log(LOG_WARNING,
                "the share of key %s is without its record and set aside, as keys/%s.set-aside: either the key was never finished, or "
                "the record was lost and has to be restored from a backup",
                id, id);
}

static int add_key(void *userdata, StoredKey *stored)
{
    Node *node = userdata;
    char id[2 * KEY_ID_SIZE + 1];
    Key *key = NULL;
    int r;

    key_id_format(&stored->id, id);
    if (stored->set_aside) {
        log_set_aside(id, stored->is_second);
        return 0;
    }
    r = keys_reserve(&node->keys);
    if (r == 0)
        key = key_new(stored);
    if (!key)
        return r < 0 ? r : -ENOMEM;
    if (key->stored.damage) {
        journal_event(EVENT_SHARE_UNUSABLE, (JournalFields){[JOURNAL_KEY] = id, [JOURNAL_REASON] = key->stored.damage},
                      "key %s is unusable: %s", id, key->stored.damage);
        bus_error(node, key->stored.damage);
    }
    keys_insert(&node->keys, key);
    return 0;
}

static int set_up_state(Node *node, const NodeOptions *options, Problem *problem)
{
    int r = store_open(node->config.state, node->config.separation, &node->store, problem);

    if (r == 0)
        r = store_read_token(node->store, &node->token, problem);
    if (r == 0)
        r = store_read_clients(node->store, &node->clients, problem);
    if (r == 0)
        r = store_read_peers(node->store, &node->peers, problem);
    if (r == 0)
        r = store_read_failures(node->store, add_failures, &node->failures, problem);
    if (r == 0)
        r = store_read_keys(node->store, add_key, node, problem);
    return r;
}

static int set_up_loader(Node *node, const NodeOptions *options, Problem *problem)
{
    _cleanup_free_ char *program = NULL;
    int r = node->config.separation ? 0 : loader_program_find(options->loader_path, &program, problem);

    if (r == 0 && loader_client_new(&node->config, options->config_path, program, node->ring, &node->loader) < 0)
        r = problem_set(problem, -ENOMEM, "out of memory");
    return r;
}

static int set_up_revision(Node *node, const NodeOptions *options, Problem *problem)
{
    uint8_t random[8];
    int r = crypto_random(random, sizeof(random));

    if (r < 0)
        return problem_set(problem, r, "no randomness");
    hex_encode(random, sizeof(random), node->revision_start);
    return 0;
}

static void on_drained(void *userdata)
{
    Node *node = userdata;

    (void)sd_event_exit(node->event, 0);
}

/* The first asks for a clean end, the second for an end. */
static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    Node *node = userdata;

    if (node->stopping || server_drain(node->server, clock_now() + DRAIN, on_drained, node) < 0)
        return sd_event_exit(node->event, 0);
    node->stopping = true;
    journal_log(LOG_INFO, "stopping: %u connections, calls in hand are finished first", server_connections(node->server));
    (void)sd_notify(0, "STOPPING=1");
    return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    journal_log(LOG_INFO, "nothing is read anew: a changed configuration needs a restart");
    return 0;
}

/* Blocked before any thread exists, so that all of them inherit it; with SIGCHLD ignored, loaders leave no zombies. */
static int block_signals(void)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGCHLD, SIG_IGN) == SIG_ERR)
        return -errno;
    return 0;
}

static int set_up_loop(Node *node, const NodeOptions *options, Problem *problem)
{
    int r = block_signals();

    if (r == 0)
        r = sd_event_new(&node->event);
    if (r >= 0)
        r = sd_event_add_signal(node->event, NULL, SIGTERM, on_terminate, node);
    if (r >= 0)
        r = sd_event_add_signal(node->event, NULL, SIGINT, on_terminate, node);
    if (r >= 0)
        r = sd_event_add_signal(node->event, NULL, SIGHUP, on_reload, node);
    if (r >= 0)
        r = sd_event_set_watchdog(node->event, true);
    if (r >= 0)
        r = audit_new(node->event, &node->keys, &node->audit);
    if (r >= 0)
        r = repeats_new(node->event, &node->repeats);
    return r < 0 ? problem_set(problem, r, "no event loop: %s", strerror(-r)) : 0;
}

static unsigned threads_of(const NodeConfig *config)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (config->threads > 0)
        return config->threads;
    return processors < 1 ? 1 : processors > NODE_CONFIG_THREADS_MAX ? NODE_CONFIG_THREADS_MAX : (unsigned)processors;
}

static int set_up_threads(Node *node, const NodeOptions *options, Problem *problem)
{
    int r = crew_new(node->event, &node->crew);

    if (r == 0)
        r = crew_add_queue(node->crew, threads_of(&node->config), &node->signers);
    if (r == 0)
        r = lane_new(node->crew, NULL, node, &node->pin_lane);
    if (r == 0)
        r = lane_new(node->crew, loading_next, node, &node->key_lane);
    return r < 0 ? problem_set(problem, r, "threads cannot be started: %s", strerror(-r)) : 0;
}

static int set_up_server(Node *node, const NodeOptions *options, Problem *problem)
{
    static const ServerInterface *const interfaces[] = {&node_server_interface, NULL};
    const ServerOptions server_options = {
        .vendor = "Keyquorum",
        .product = "keyquorum-node",
        .version = KEYQUORUM_VERSION,
        .url = "https://keyquorum.example/",
        .interfaces = interfaces,
        .userdata = node,
        .limits_of = callers_limits,
        .admits = callers_admits,
        .connected = callers_connected,
        .disconnected = callers_disconnected,
    };
    int r = server_new(node->event, &server_options, &node->server);

    return r < 0 ? problem_set(problem, r, "no server: %s", strerror(-r)) : 0;
}

/* Before anybody can connect: the gate must not go by what was right before this start. */
static int set_up_clients(Node *node, const NodeOptions *options, Problem *problem)
{
    return node->config.clients ? clients_publish(&node->clients, node->config.clients, problem) : 0;
}

static int set_up_bus(Node *node, const NodeOptions *options, Problem *problem)
{
    return bus_open(node, options->bus, problem);
}

/* Last, since from here on callers wait for us. */
static int set_up_listeners(Node *node, const NodeOptions *options, Problem *problem)
{
    Listeners *listeners = &node->listeners;
    int r = listeners_open(&node->config, listeners, problem);

    for (size_t i = 0; r == 0 && i < listeners->n; i++) {
        r = server_listen(node->server, listeners->fds[i], door_listener(listeners->doors[i]));
        if (r < 0)
            return problem_set(problem, r, "a socket cannot be served: %s", strerror(-r));
        listeners->fds[i] = -1;
    }
    return r;
}

int node_new(const NodeOptions *options, Node **ret_node, Problem *problem)
{
    static int (*const steps[])(Node * node, const NodeOptions *options, Problem *problem) = {
        set_up_config,   set_up_ring,    set_up_identity, set_up_state,   set_up_loader, set_up_loop,
        set_up_revision, set_up_threads, set_up_server,   set_up_clients, set_up_bus,    set_up_listeners,
    };
    _cleanup_node_ Node *node = calloc(1, sizeof(*node));
    int r = node ? 0 : problem_set(problem, -ENOMEM, "out of memory");

    for (size_t i = 0; r == 0 && i < ELEMENTS(steps); i++)
        r = steps[i](node, options, problem);
    if (r == 0)
        *ret_node = TAKE_PTR(node);
    return r;
}

/* What was counted, and the last word. */
static void tell_stopped(const Node *node)
{
    char count[24];

    (void)snprintf(count, sizeof(count), "%llu", (unsigned long long)node->signatures);
    audit_tell(node->audit);
    repeats_tell(node->repeats);
    journal_event(EVENT_NODE_STOPPED, (JournalFields){[JOURNAL_COUNT] = count}, "node %s stops after %s partial signatures",
                  node->config.name, count);
    journal_stop();
}

int node_run(Node *node)
{
    char text[200];

    journal_start();
    describe(node, text, sizeof(text));
    journal_event(EVENT_NODE_STARTED, NULL, "node %s serves %s, custody %s, ring %d; %s", node->config.name, node->config.listen,
                  node->config.custody, node->ring, text);
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", text);
    node->loading_all = node->config.separation;
    loading_next(node);

    int r = crew_run(node->crew);

    tell_stopped(node);
    return r;
}

bool node_idle(const Node *node)
{
    return !lane_busy(node->pin_lane) && !lane_busy(node->key_lane) && crew_outstanding(node->signers) == 0;
}

Node *node_free(Node *node)
{
    bus_close(node);
    listeners_close(&node->listeners);
    server_freep(&node->server);
    crew_freep(&node->crew);
    lane_freep(&node->pin_lane);
    lane_freep(&node->key_lane);
    runs_clear(node);
    loader_client_freep(&node->loader);
    audit_freep(&node->audit);
    repeats_freep(&node->repeats);
    keys_clear(&node->keys);
    pin_failures_clear(&node->failures);
    stored_token_clear(&node->token);
    store_closep(&node->store);
    (void)sd_event_unref(node->event);
    node_config_clear(&node->config);
    free(node);
    return NULL;
}
