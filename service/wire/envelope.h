/*
 * What is around the parameters: varlink's request {method, parameters, more, oneway, upgrade} and reply {parameters, continues, error}.
 * Strict as the messages are: an unknown member or one of another type is refused.
 */
#pragma once

#include <json-c/json_object.h>
#include <stdbool.h>

#include "wire/message.h"

#define ENVELOPE_METHOD_MAX 255 /* bytes of a full method name */

/* All borrowed from the object. */
typedef struct Request {
    const char *method;
    json_object *parameters; /* an object; may be NULL */
    bool oneway, upgrade;    /* `more` is allowed and means nothing: no method of ours has more than one reply */
} Request;

typedef struct Response {
    const char *error;       /* NULL: success */
    json_object *parameters; /* an object; may be NULL */
} Response;

/* Takes over `parameters` (may be NULL), on failure too. Errors: -ENOMEM. */
int envelope_build_request(const char *method, json_object *parameters, json_object **ret_object) _must_check_;
int envelope_build_reply(const char *error, json_object *parameters, json_object **ret_object) _must_check_;

/* Errors: MESSAGE_E_INVALID_FIELD, with the member's name; `ret_request` then says whether the request was oneway, and no more. */
int envelope_parse_request(json_object *object, Request *ret_request, char ret_field[MESSAGE_FIELD_NAME_MAX]) _must_check_;
/* Errors: -EBADMSG not a reply, or one of many (`continues`), which nobody asked for. */
int envelope_parse_reply(json_object *object, Response *ret_response) _must_check_;
