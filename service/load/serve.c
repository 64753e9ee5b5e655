#include "load/serve.h"

#include <string.h>

#include "base/clock.h"
#include "keyring/keyring.h"
#include "load/open-share.h"
#include "wire/server.h"

/* A connection that asks nothing keeps the process for this long, and a listening socket without any for this. */
#define CONNECTION_IDLE (5 * MICROSECONDS_PER_SECOND)
#define LISTENER_IDLE   MICROSECONDS_PER_SECOND

typedef struct Service {
    const NodeConfig *config;
    Microseconds linger; /* between the last connection's end and ours */
    sd_event *event;
    sd_event_source *end;
    Server *server;
} Service;

static void service_clear(Service *service)
{
    (void)server_free(service->server);
    sd_event_source_disable_unref(service->end);
    sd_event_unref(service->event);
}

/* Shares are charged to this user: nobody else can tell how many more there may be. */
static LoadOutput read_quota(void)
{
    KeyringQuota quota;

    if (keyring_quota(&quota) < 0)
        return (LoadOutput){0};
    return (LoadOutput){.keys_used = quota.keys, .keys_max = quota.keys_max, .bytes_used = quota.bytes, .bytes_max = quota.bytes_max};
}

static int reply_loaded(ServerCall *call)
{
    const LoadOutput output = read_quota();

    return server_call_reply(call, &output);
}

static int answer(ServerCall *call, LoadError error, Problem *problem)
{
    if (error == LOAD_ERROR_NONE)
        return reply_loaded(call);
    return server_call_error(call, load_error_name(error), &load_error_detail, &(LoadErrorDetail){.reason = problem->text});
}

static int on_load(ServerCall *call, void *parameters, void *userdata)
{
    const Service *service = userdata;
    Problem problem = PROBLEM_INIT;
    LoadError error = open_share(service->config, parameters, &problem);

    return answer(call, error, &problem);
}

static int on_load_identity(ServerCall *call, void *parameters, void *userdata)
{
    const Service *service = userdata;
    Problem problem = PROBLEM_INIT;
    LoadError error = open_identity(service->config, parameters, &problem);

    return answer(call, error, &problem);
}

static int arm_end(Service *service)
{
    int r = sd_event_source_set_time(service->end, clock_now() + service->linger);

    return r < 0 ? r : sd_event_source_set_enabled(service->end, SD_EVENT_ONESHOT);
}

static int on_end(sd_event_source *source, uint64_t now, void *userdata)
{
    Service *service = userdata;

    return server_connections(service->server) == 0 ? sd_event_exit(service->event, 0) : 0;
}

static void on_disconnected(void *userdata, void *connection_state)
{
    Service *service = userdata;

    if (server_connections(service->server) == 0 && arm_end(service) < 0)
        (void)sd_event_exit(service->event, 0);
}

static int set_up(Service *service)
{
    static const ServerMethod methods[] = {
        {"Load", &load_input, &load_output, on_load}, {"LoadIdentity", &load_identity_input, &load_output, on_load_identity}, {NULL}};
    static const ServerInterface interface = {LOAD_INTERFACE, load_interface_description, methods};
    static const ServerInterface *const interfaces[] = {&interface, NULL};
    const ServerOptions options = {
        .vendor = "Keyquorum",
        .product = "keyquorum-load",
        .version = KEYQUORUM_VERSION,
        .url = "",
        .interfaces = interfaces,
        .limits = {.connections = 16, .connections_per_client = 16, .idle = CONNECTION_IDLE},
        .userdata = service,
        .disconnected = on_disconnected,
    };
    int r = sd_event_new(&service->event);

    if (r >= 0)
        r = sd_event_add_time(service->event, &service->end, CLOCK_MONOTONIC, clock_now() + service->linger, 1, on_end, service);
    if (r >= 0)
        r = server_new(service->event, &options, &service->server);
    return r < 0 ? r : 0;
}

static int run(Service *service, int fd, int (*add)(Server *server, int fd, void *listener), Problem *problem)
{
    _cleanup_close_ int own = fd;
    int r = set_up(service);

    if (r == 0)
        r = add(service->server, own, NULL);
    if (r == 0) {
        (void)TAKE_FD(own);
        r = sd_event_loop(service->event);
    }
    return r < 0 ? problem_set(problem, r, "cannot serve the socket: %s", strerror(-r)) : 0;
}

int serve_listener(const NodeConfig *config, int fd, Problem *problem)
{
    _cleanup_(service_clear) Service service = {.config = config, .linger = LISTENER_IDLE};

    return run(&service, fd, server_listen, problem);
}

int serve_connection(const NodeConfig *config, int fd, Problem *problem)
{
    _cleanup_(service_clear) Service service = {.config = config};

    return run(&service, fd, server_add, problem);
}
