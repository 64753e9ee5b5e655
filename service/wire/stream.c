#include "wire/stream.h"

#include <errno.h>
#include <string.h>

static const StreamClass *const classes[] = {
    &stream_unix_class,
    &stream_tls_class,
};

static const StreamClass *class_of(const char *address)
{
    for (size_t i = 0; i < ELEMENTS(classes); i++) {
        size_t size = strlen(classes[i]->scheme);

        if (strncmp(address, classes[i]->scheme, size) == 0 && address[size] == ':')
            return classes[i];
    }
    return NULL;
}

int stream_address_check(const char *address, Problem *problem)
{
    const StreamClass *class = class_of(address);

    if (!class)
        return problem_set(problem, -EPROTONOSUPPORT, "'%s' is not an address: it must start with unix: or tls:", address);
    return class->check(address, problem);
}

int stream_connect(const char *address, const StreamPeer *peer, Stream **ret_stream, Problem *problem)
{
    int r = stream_address_check(address, problem);

    return r < 0 ? r : class_of(address)->connect(address, peer, ret_stream, problem);
}

Stream *stream_close(Stream *stream)
{
    if (stream)
        stream->class->close(stream, false);
    return NULL;
}

Stream *stream_close_inherited(Stream *stream)
{
    if (stream)
        stream->class->close(stream, true);
    return NULL;
}

short stream_events(const Stream *stream, short wanted)
{
    return stream->class->events ? stream->class->events(stream, wanted) : wanted;
}

const char *stream_words(const Stream *stream)
{
    return stream->class->words ? stream->class->words(stream) : NULL;
}
