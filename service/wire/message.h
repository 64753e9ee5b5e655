/*
 * Messages: C structures to and from JSON objects, driven by one const table per structure, so that a message is described once and
 * read strictly everywhere: unknown, missing, repeated or out-of-range fields are refused and named.
 */
#pragma once

#include <json-c/json_object.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/problem.h"

typedef enum FieldType {
    FIELD_CONSTANT, /* no storage: the integer `min`, written always, required always */
    FIELD_BOOL,     /* bool */
    FIELD_UINT,     /* uint64_t, min..max (at most INT64_MAX) */
    FIELD_STRING,   /* char *, malloc'd, valid UTF-8 without NUL; min..max bytes */
    FIELD_BYTES,    /* Bytes; canonical base64 with padding (RFC 4648 §4) on the wire; min..max bytes decoded */
    FIELD_STRUCT,   /* a structure inside, described by `of` */
    FIELD_LIST,     /* List of structures described by `of`; min..max entries */
    FIELD_VALUES,   /* List of structures whose one field, described by `of`, is written bare: a list of strings */
} FieldType;

typedef struct List {
    void *items; /* array of structures, malloc'd */
    size_t count;
} List;

typedef struct Layout Layout;

typedef struct Field {
    const char *name; /* camelCase; NULL ends the table */
    FieldType type;
    size_t offset;
    uint64_t min, max;
    const Layout *of;
    bool optional; /* may be absent or null: then false, 0, NULL, empty; and is left out when it is that */
} Field;

struct Layout {
    const char *name; /* the varlink type, method or error name, for messages */
    size_t size;      /* sizeof(the structure) */
    const Field *fields;
};

/* A method of an interface: what it takes and gives. */
typedef struct MethodLayout {
    const char *name; /* "PartialSign"; NULL ends a table of these */
    const Layout *input, *output;
} MethodLayout;

typedef enum MessageError {
    MESSAGE_E_OK,
    MESSAGE_E_INVALID_FIELD, /* `ret_field` names it */
    MESSAGE_E_MAX,
} MessageError;

#define MESSAGE_FIELD_NAME_MAX 64

/* Structure → new JSON object. A NULL string that is not optional is written as "". `message` may be NULL if the structure has no size.
 * Errors: -EINVAL a value out of its range or a string that is not UTF-8 (a bug of the caller); -ENOMEM. */
int message_build(const Layout *layout, const void *message, json_object **ret_object) _must_check_;
/* JSON object → structure (to be released with message_clear()). NULL counts as an empty object. A string that is not optional is
 * never NULL afterwards.
 * Errors: MESSAGE_E_INVALID_FIELD, with the field's name ("record.version", "keys[3].state" when nested; cut when longer); -ENOMEM. On
 * error the structure is zeroed: nothing is left to release. A repeated member never gets here: frame_buffer_pull() refuses it. */
int message_parse(const Layout *layout, json_object *object, void *ret_message, char ret_field[MESSAGE_FIELD_NAME_MAX]) _must_check_;
/* Release what the structure owns and zero it. */
void message_clear(const Layout *layout, void *message);
