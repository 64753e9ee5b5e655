#include "wire/service-interface.h"

#include <stddef.h>

#include "wire/envelope.h"

/* clang-format off */
/* A structure of one string. */
#define TEXT(layout, member, size_max) \
    {layout, sizeof(ServiceText), (const Field[]){{member, FIELD_STRING, offsetof(ServiceText, text), 0, size_max}, {NULL}}}
/* clang-format on */

const Layout service_interface_not_found = TEXT("InterfaceNotFound", "interface", ENVELOPE_METHOD_MAX);
const Layout service_method_not_found = TEXT("MethodNotFound", "method", ENVELOPE_METHOD_MAX);
const Layout service_invalid_parameter = TEXT("InvalidParameter", "parameter", MESSAGE_FIELD_NAME_MAX);
const Layout service_description_input = TEXT("GetInterfaceDescription", "interface", ENVELOPE_METHOD_MAX);
const Layout service_description_output = TEXT("GetInterfaceDescription", "description", SERVICE_DESCRIPTION_SIZE_MAX);
