#include "wire/link.h"

#include <errno.h>
#include <poll.h>

#include "wire/envelope.h"
#include "wire/frame.h"
#include "wire/strict-json.h"

struct Link {
    Stream *stream;
    FrameBuffer *buffer;
    unsigned outstanding;
    int error;   /* the connection is dead */
    bool unread; /* the stream may hold more without becoming readable again */
};

struct Reply {
    json_object *object;
    Response response; /* borrowed from it */
};

int link_new(Stream *stream, Link **ret_link)
{
    Link *link = calloc(1, sizeof(*link));

    if (!link)
        return -ENOMEM;
    if (frame_buffer_new(stream, &link->buffer) < 0) {
        free(link);
        return -ENOMEM;
    }
    link->stream = stream;
    *ret_link = link;
    return 0;
}

int link_open(const char *address, const StreamPeer *peer, Link **ret_link, Problem *problem)
{
    _cleanup_stream_ Stream *stream = NULL;
    int r = stream_connect(address, peer, &stream, problem);

    if (r < 0)
        return r;
    r = link_new(stream, ret_link);
    if (r < 0)
        return problem_set(problem, r, "out of memory");
    (void)TAKE_PTR(stream);
    return 0;
}

static void release(Link *link)
{
    frame_buffer_free(link->buffer);
    free(link);
}

Link *link_close(Link *link)
{
    if (link) {
        stream_close(link->stream);
        release(link);
    }
    return NULL;
}

Link *link_close_inherited(Link *link)
{
    if (link) {
        stream_close_inherited(link->stream);
        release(link);
    }
    return NULL;
}

int link_fd(const Link *link)
{
    return link->stream->fd;
}

short link_events(const Link *link)
{
    return stream_events(link->stream, (short)(POLLIN | (frame_buffer_wants_write(link->buffer) ? POLLOUT : 0)));
}

const char *link_words(const Link *link)
{
    return stream_words(link->stream);
}

static int build_request(const char *method, const Layout *layout, const void *parameters, json_object **ret_object)
{
    json_object *object = NULL;
    int r = layout ? message_build(layout, parameters, &object) : 0;

    return r < 0 ? r : envelope_build_request(method, object, ret_object);
}

int link_call(Link *link, const char *method, const Layout *layout, const void *parameters)
{
    _cleanup_json_ json_object *object = NULL;
    bool idle = !frame_buffer_wants_write(link->buffer);
    int r = build_request(method, layout, parameters, &object);

    if (r < 0)
        return r;
    r = frame_buffer_push(link->buffer, object);
    if (r < 0)
        return r;
    link->outstanding++;
    /* Without a poll() first: there is nearly always room. If it fails, link_advance() says so, after the replies that are here. */
    if (idle && link->error == 0)
        link->error = frame_buffer_flush(link->buffer);
    return 0;
}

static void read_and_write(Link *link)
{
    int filled = frame_buffer_fill(link->buffer);
    int flushed = link->error < 0 ? link->error : frame_buffer_flush(link->buffer);

    link->unread = filled == 1;
    /* Who is refused may find out by writing: what is read then says why. */
    link->error = filled == -EKEYREJECTED ? filled : flushed < 0 ? flushed : filled < 0 ? filled : 0;
}

int link_advance(Link *link)
{
    read_and_write(link);
    return link->error;
}

unsigned link_outstanding(const Link *link)
{
    return link->outstanding;
}

/* The next frame, from the stream too if the last reading stopped early. */
static int next_frame(Link *link, json_object **ret_object)
{
    int r = frame_buffer_pull(link->buffer, ret_object);

    if (r != 0 || !link->unread)
        return r;
    read_and_write(link);
    return frame_buffer_pull(link->buffer, ret_object);
}

int link_take_reply(Link *link, Reply **ret_reply)
{
    _cleanup_json_ json_object *object = NULL;
    Response response;
    int r = next_frame(link, &object);

    if (r <= 0)
        return r;
    if (link->outstanding == 0 || envelope_parse_reply(object, &response) < 0)
        return -EBADMSG;

    Reply *reply = malloc(sizeof(*reply));

    if (!reply)
        return -ENOMEM;
    *reply = (Reply){.object = TAKE_PTR(object), .response = response};
    link->outstanding--;
    *ret_reply = reply;
    return 1;
}

Reply *reply_free(Reply *reply)
{
    if (reply)
        json_object_put(reply->object);
    free(reply);
    return NULL;
}

const char *reply_error(const Reply *reply)
{
    return reply->response.error;
}

int reply_parse(const Reply *reply, const Layout *layout, void *ret_message, char ret_field[MESSAGE_FIELD_NAME_MAX])
{
    return message_parse(layout, reply->response.parameters, ret_message, ret_field);
}

/* Wait until something can be done. */
static int wait_for_link(Link *link, Microseconds deadline)
{
    struct pollfd fd = {.fd = link_fd(link), .events = link_events(link)};
    int n = poll(&fd, 1, clock_poll_timeout(deadline));

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    return n == 0 && clock_now() >= deadline ? -ETIME : 0;
}

int link_call_wait(Link *link, const char *method, const Layout *layout, const void *parameters, Microseconds deadline, Reply **ret_reply)
{
    int r = link->outstanding > 0 ? -EBUSY : link_call(link, method, layout, parameters);

    while (r == 0) {
        r = wait_for_link(link, deadline);
        if (r < 0)
            return r;

        int advanced = link_advance(link);

        r = link_take_reply(link, ret_reply);
        if (r == 0)
            r = advanced;
    }
    return r < 0 ? r : 0;
}
