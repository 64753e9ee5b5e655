#include <errno.h>
#include <string.h>

#include "dbus/bus-internal.h"
#include "wire/link.h"
#include "wire/service-interface.h"

/* Each has a connection to the node of its own, so that none waits behind a slow one. */
struct BusCall {
    BusCall *previous, *next;
    BusCalls *calls;
    const BusCallClass *class;
    sd_bus_message *request;
    Link *link;
    sd_event_source *io;
};

static BusCall *call_free(BusCall *call)
{
    sd_event_source_disable_unref(call->io);
    (void)link_close(call->link);
    sd_bus_message_unref(call->request);
    free(call);
    return NULL;
}

DEFINE_CLEANUP(BusCall, call_free)

static void insert(BusCalls *calls, BusCall *call)
{
    call->next = calls->first;
    if (call->next)
        call->next->previous = call;
    calls->first = call;
    calls->n++;
}

static void remove_call(BusCall *call)
{
    BusCalls *calls = call->calls;

    if (call->next)
        call->next->previous = call->previous;
    if (call->previous)
        call->previous->next = call->next;
    else
        calls->first = call->next;
    calls->n--;
    (void)call_free(call);
}

/* ---- The answer ---- */

/* "org.keyquorum.Node.KeyLocked" → "org.keyquorum.Node1.Error.KeyLocked" */
static int refuse(sd_bus_message *request, NodeError error, const char *reason)
{
    const char *name = node_error_name(error);
    char text[SD_BUS_MAXIMUM_NAME_LENGTH + 1];

    (void)snprintf(text, sizeof(text), BUS_ERROR("%s"), name ? strrchr(name, '.') + 1 : "Unavailable");
    return sd_bus_reply_method_errorf(request, text, "%s", reason);
}

static int refuse_away(sd_bus_message *request)
{
    return refuse(request, NODE_ERROR_UNAVAILABLE, "the node ended before it had answered");
}

static int reply_invalid(sd_bus_message *request, const Reply *reply)
{
    ServiceText parameter = {0};
    char field[MESSAGE_FIELD_NAME_MAX];
    int r = reply_parse(reply, &service_invalid_parameter, &parameter, field);

    r = sd_bus_reply_method_errorf(request, SD_BUS_ERROR_INVALID_ARGS, "%s cannot be that", r == 0 ? parameter.text : "an argument");
    message_clear(&service_invalid_parameter, &parameter);
    return r;
}

static int reply_error_of(sd_bus_message *request, const Reply *reply)
{
    NodeErrorDetail detail = {0};
    NodeError error = node_error_from_name(reply_error(reply));
    char field[MESSAGE_FIELD_NAME_MAX];
    int r;

    if (strcmp(reply_error(reply), SERVICE_INVALID_PARAMETER) == 0)
        return reply_invalid(request, reply);
    r = reply_parse(reply, &node_error_detail, &detail, field);
    r = refuse(request, error, r == 0 ? detail.reason : reply_error(reply));
    message_clear(&node_error_detail, &detail);
    return r;
}

static int reply_well(const BusCall *call, const Reply *reply)
{
    const Layout *layout = call->class->output;
    char field[MESSAGE_FIELD_NAME_MAX];
    _cleanup_free_ void *output = calloc(1, layout->size + 1);
    int r = output ? reply_parse(reply, layout, output, field) : -ENOMEM;

    if (r != 0)
        return refuse_away(call->request);
    r = call->class->reply(call->request, output);
    message_clear(layout, output);
    return r;
}

/* true: it was answered. An answer that cannot be sent has nobody to go to. */
static bool advance(BusCall *call)
{
    _cleanup_reply_ Reply *reply = NULL;
    int advanced = link_advance(call->link);
    int r = link_take_reply(call->link, &reply);

    if (r == 1)
        r = reply_error(reply) ? reply_error_of(call->request, reply) : reply_well(call, reply);
    else if (r < 0 || advanced < 0)
        r = refuse_away(call->request);
    else
        return false;
    (void)r;
    return true;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    BusCall *call = userdata;

    if (!advance(call))
        return sd_event_source_set_io_events(source, (uint32_t)link_events(call->link));
    remove_call(call);
    return 0;
}

/* ---- The call ---- */

static int open_link(const BusCalls *calls, Link **ret_link)
{
    _cleanup_close_ int fd = -1;
    _cleanup_stream_ Stream *stream = NULL;
    int r = calls->source->connect(calls->userdata, &fd);

    if (r == 0)
        r = stream_from_unix_fd(fd, &stream);
    if (r < 0)
        return r;
    (void)TAKE_FD(fd);
    r = link_new(stream, ret_link);
    if (r == 0)
        (void)TAKE_PTR(stream);
    return r;
}

/* Errors: -EINVAL an argument is out of range; -errno. */
static int begin(BusCalls *calls, const BusCallClass *class, sd_bus_message *request, const void *input)
{
    _cleanup_(call_freep) BusCall *call = calloc(1, sizeof(*call));
    int r;

    if (!call)
        return -ENOMEM;
    *call = (BusCall){.calls = calls, .class = class, .request = sd_bus_message_ref(request)};
    r = open_link(calls, &call->link);
    if (r == 0)
        r = link_call(call->link, class->method, class->input, input);
    if (r == 0)
        r = sd_event_add_io(calls->event, &call->io, link_fd(call->link), (uint32_t)link_events(call->link), on_io, call);
    if (r < 0)
        return r;
    insert(calls, TAKE_PTR(call));
    return 1;
}

int bus_calls_add(BusCalls *calls, const BusCallClass *class, sd_bus_message *request, const void *input, sd_bus_error *error)
{
    const unsigned max = class->administrative ? BUS_CALLS_MAX : BUS_CALLS_MAX - BUS_CALLS_KEPT;
    int r;

    if (calls->n >= max)
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "%u calls are in hand already", max);
    r = begin(calls, class, request, input);
    if (r == -EINVAL)
        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "an argument is out of its range");
    if (r < 0)
        return sd_bus_error_setf(error, BUS_ERROR("Unavailable"), "the node cannot take the call: %s",
                                 r == -ESHUTDOWN ? "it stops" : strerror(-r));
    return r;
}

void bus_calls_finish(BusCalls *calls)
{
    BusCall *call;

    while ((call = calls->first)) {
        if (!advance(call))
            (void)refuse_away(call->request);
        remove_call(call);
    }
}
