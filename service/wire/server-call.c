#include <errno.h>
#include <string.h>

#include "wire/server-internal.h"
#include "wire/service-interface.h"
#include "wire/strict-json.h"

static const Layout nothing = {"", 0, (const Field[]){{NULL}}};

static ServerCall *call_new(ServerConnection *connection, bool oneway)
{
    ServerCall *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    *call = (ServerCall){.connection = connection, .oneway = oneway};
    connection->call = call;
    return call;
}

static void call_free(ServerCall *call)
{
    if (call->connection)
        call->connection->call = NULL;
    if (call->parameters)
        message_clear(call->method->input, call->parameters);
    free(call->parameters);
    free(call);
}

/* ---- Replies ---- */

/* Somebody is there and wants to hear it. */
static bool is_awaited(const ServerCall *call)
{
    return call->connection && call->connection->stream && !call->oneway;
}

static int send_reply(ServerConnection *connection, const char *error, json_object *parameters)
{
    _cleanup_json_ json_object *object = NULL;
    int r = envelope_build_reply(error, parameters, &object);

    if (r == 0)
        r = frame_buffer_push(connection->buffer, object);
    return r < 0 ? r : frame_buffer_flush(connection->buffer);
}

static int end_call(ServerCall *call, int r)
{
    ServerConnection *connection = call->connection;

    call_free(call);
    if (connection)
        server_connection_call_done(connection, r);
    return r;
}

int server_call_finish(ServerCall *call, const char *error, json_object *parameters)
{
    int r = 0;

    if (is_awaited(call))
        r = send_reply(call->connection, error, parameters);
    else
        json_object_put(parameters);
    return end_call(call, r);
}

void *server_call_state(const ServerCall *call)
{
    return call->connection ? call->connection->state : NULL;
}

int server_call_reply(ServerCall *call, const void *output)
{
    const Layout *layout = call->method->output ?: &nothing;
    json_object *object = NULL;
    int r = is_awaited(call) ? message_build(layout, output, &object) : 0;

    return r < 0 ? end_call(call, r) : server_call_finish(call, NULL, object);
}

int server_call_error(ServerCall *call, const char *error, const Layout *layout, const void *parameters)
{
    json_object *object = NULL;
    int r = layout && is_awaited(call) ? message_build(layout, parameters, &object) : 0;

    return r < 0 ? end_call(call, r) : server_call_finish(call, error, object);
}

int server_call_invalid(ServerCall *call, const char *field)
{
    return server_call_error(call, SERVICE_INVALID_PARAMETER, &service_invalid_parameter, &(ServiceText){.text = (char *)field});
}

/* ---- Requests ---- */

static const ServerMethod *find_method(const ServerInterface *interface, const char *name)
{
    for (const ServerMethod *method = interface->methods; method->name; method++)
        if (strcmp(method->name, name) == 0)
            return method;
    return NULL;
}

static int refuse_interface(ServerCall *call, const char *name, size_t size)
{
    char text[ENVELOPE_METHOD_MAX + 1];

    (void)snprintf(text, sizeof(text), "%.*s", (int)size, name);
    return server_call_error(call, SERVICE_INTERFACE_NOT_FOUND, &service_interface_not_found, &(ServiceText){.text = text});
}

static int refuse_method(ServerCall *call, const char *name)
{
    return server_call_error(call, SERVICE_METHOD_NOT_FOUND, &service_method_not_found, &(ServiceText){.text = (char *)name});
}

static int call_handler(ServerCall *call, json_object *parameters)
{
    const Layout *input = call->method->input ?: &nothing;
    void *userdata = call->connection->server->options.userdata;
    char field[MESSAGE_FIELD_NAME_MAX];

    if (input->size > 0 && !(call->parameters = calloc(1, input->size)))
        return -ENOMEM;

    int r = message_parse(input, parameters, call->parameters, field);

    if (r < 0)
        return r;
    return r > 0 ? server_call_invalid(call, field) : call->method->handler(call, call->parameters, userdata);
}

static int handle(ServerCall *call, const Request *request)
{
    const char *dot = strrchr(request->method, '.');
    const ServerInterface *interface;

    if (request->upgrade)
        return server_call_invalid(call, "upgrade");
    if (!dot)
        return server_call_invalid(call, "method");
    interface = server_find_interface(call->connection->server, request->method, (size_t)(dot - request->method));
    if (!interface)
        return refuse_interface(call, request->method, (size_t)(dot - request->method));
    call->method = find_method(interface, dot + 1);
    return call->method ? call_handler(call, request->parameters) : refuse_method(call, request->method);
}

static bool is_admitted(const ServerConnection *connection, const char *method)
{
    const ServerOptions *options = &connection->server->options;

    return !options->admits || options->admits(options->userdata, connection->state, method);
}

int server_call_take(ServerConnection *connection, json_object *object)
{
    char field[MESSAGE_FIELD_NAME_MAX];
    Request request;
    int r = envelope_parse_request(object, &request, field);
    ServerCall *call = call_new(connection, request.oneway);

    if (!call)
        return -ENOMEM;
    if (!is_admitted(connection, r > 0 ? NULL : request.method))
        r = -EPERM;
    else
        r = r > 0 ? server_call_invalid(call, field) : handle(call, &request);
    if (r < 0 && connection->call)
        call_free(connection->call); /* the handler gave up without a reply */
    return r < 0 ? r : 0;
}
