#include "wire/load-interface.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
#define PROTOCOL {.name = "protocol", .type = FIELD_CONSTANT, .min = LOAD_PROTOCOL}
#define QUOTA(name, member) {name, FIELD_UINT, offsetof(LoadOutput, member), 0, UINT32_MAX, .optional = true}
/* clang-format on */

const Layout load_input = {
    "Load",
    sizeof(LoadInput),
    (const Field[]){
        PROTOCOL,
        {"key", FIELD_BYTES, offsetof(LoadInput, key), LOAD_KEY_ID_SIZE, LOAD_KEY_ID_SIZE},
        {"ring", FIELD_UINT, offsetof(LoadInput, ring), 1, INT32_MAX},
        {"separation", FIELD_BOOL, offsetof(LoadInput, separation)},
        {NULL},
    },
};

const Layout load_identity_input = {
    "LoadIdentity",
    sizeof(LoadIdentityInput),
    (const Field[]){
        PROTOCOL,
        {"ring", FIELD_UINT, offsetof(LoadIdentityInput, ring), 1, INT32_MAX},
        {"separation", FIELD_BOOL, offsetof(LoadIdentityInput, separation)},
        {NULL},
    },
};

const Layout load_output = {
    "Load",
    sizeof(LoadOutput),
    (const Field[]){
        PROTOCOL,
        QUOTA("keysUsed", keys_used),
        QUOTA("keysMax", keys_max),
        QUOTA("bytesUsed", bytes_used),
        QUOTA("bytesMax", bytes_max),
        {NULL},
    },
};

const Layout load_error_detail = {
    "error",
    sizeof(LoadErrorDetail),
    (const Field[]){
        PROTOCOL,
        {"reason", FIELD_STRING, offsetof(LoadErrorDetail, reason), 0, LOAD_REASON_SIZE_MAX},
        {NULL},
    },
};

const MethodLayout load_methods[] = {
    {"Load", &load_input, &load_output},
    {"LoadIdentity", &load_identity_input, &load_output},
    {NULL},
};

static const char *const error_names[LOAD_ERROR_MAX] = {
    [LOAD_ERROR_REJECTED] = LOAD_ERROR("Rejected"),       [LOAD_ERROR_QUOTA] = LOAD_ERROR("Quota"),
    [LOAD_ERROR_UNSUPPORTED] = LOAD_ERROR("Unsupported"), [LOAD_ERROR_FORBIDDEN] = LOAD_ERROR("Forbidden"),
    [LOAD_ERROR_UNAVAILABLE] = LOAD_ERROR("Unavailable"),
};

const char *load_error_name(LoadError error)
{
    return (unsigned)error < LOAD_ERROR_MAX ? error_names[error] : NULL;
}

LoadError load_error_from_name(const char *name)
{
    if (!name)
        return LOAD_ERROR_NONE;
    for (LoadError error = LOAD_ERROR_NONE; error < LOAD_ERROR_MAX; error++)
        if (error_names[error] && strcmp(error_names[error], name) == 0)
            return error;
    return LOAD_ERROR_UNKNOWN;
}
