/*
 * Link: the client's end of a varlink connection. Never blocks and creates no thread: the caller polls link_fd() for
 * link_events() and calls link_advance(). Requests may be pipelined; replies come back in the order of the requests.
 */
#pragma once

#include "base/clock.h"
#include "wire/message.h"
#include "wire/stream.h"

typedef struct Link Link;

/* Connect to an address; link_advance() drives what that takes. `peer`: see stream_connect(), whose errors are those of this. */
int link_open(const char *address, const StreamPeer *peer, Link **ret_link, Problem *problem) _must_check_;
/* Over a stream that is connected already; owns it on success. Errors: -ENOMEM. */
int link_new(Stream *stream, Link **ret_link) _must_check_;
Link *link_close(Link *link);
Link *link_close_inherited(Link *link); /* in a forked child: writes nothing */
DEFINE_CLEANUP(Link, link_close)
#define _cleanup_link_ _cleanup_(link_closep)

int link_fd(const Link *link);
short link_events(const Link *link); /* POLLIN, POLLOUT */
/* Why link_advance() failed, in words; NULL: its error code says it all. */
const char *link_words(const Link *link);

/* Queue a call of `method` ("org.keyquorum.Node.PartialSign"), and write it at once if there is room. `layout` describes `parameters`;
 * both may be NULL for a call without. Errors: those of message_build() and frame_buffer_push(); a dead connection is link_advance()'s to
 * tell. */
int link_call(Link *link, const char *method, const Layout *layout, const void *parameters) _must_check_;
/* Do the I/O that is possible now. Errors: the connection is dead: -ECONNRESET, -EPIPE, -EBADMSG, -EMSGSIZE, -EKEYREJECTED (a pin), -errno.
 * Replies that arrived whole before that can still be taken. */
int link_advance(Link *link) _must_check_;
/* Calls sent or queued whose reply has not been taken. */
unsigned link_outstanding(const Link *link);

/* A reply: an error name or parameters. */
typedef struct Reply Reply;
/* 1 and the next reply, or 0 none yet. Errors: -EBADMSG a reply nobody asked for, or not of varlink's form. */
int link_take_reply(Link *link, Reply **ret_reply) _must_check_;
Reply *reply_free(Reply *reply);
DEFINE_CLEANUP(Reply, reply_free)
#define _cleanup_reply_ _cleanup_(reply_freep)
/* NULL: success. */
const char *reply_error(const Reply *reply);
/* Parse the parameters. Errors: those of message_parse(). */
int reply_parse(const Reply *reply, const Layout *layout, void *ret_message, char ret_field[MESSAGE_FIELD_NAME_MAX]) _must_check_;

/* One call and its reply, waiting until `deadline` (for tools and the node's loader client). After -ETIME the reply may still come:
 * close the link. Errors: -ETIME; -EBUSY a reply to an earlier call is outstanding; those above. */
int link_call_wait(Link *link, const char *method, const Layout *layout, const void *parameters, Microseconds deadline, Reply **ret_reply)
    _must_check_;
