/* org.varlink.service: the part of varlink that every server answers (https://varlink.org/Service): its errors for both ends. */
#pragma once

#include "wire/message.h"

#define SERVICE_INTERFACE   "org.varlink.service"
#define SERVICE_ERROR(name) SERVICE_INTERFACE "." name

#define SERVICE_INTERFACE_NOT_FOUND SERVICE_ERROR("InterfaceNotFound")
#define SERVICE_METHOD_NOT_FOUND    SERVICE_ERROR("MethodNotFound")
#define SERVICE_INVALID_PARAMETER   SERVICE_ERROR("InvalidParameter")

#define SERVICE_DESCRIPTION_SIZE_MAX (64 * 1024)

/* The one member of an error's parameters (the interface, method or parameter meant) and of GetInterfaceDescription's two sides. */
typedef struct ServiceText {
    char *text;
} ServiceText;

extern const Layout service_interface_not_found, service_method_not_found, service_invalid_parameter, service_description_input,
    service_description_output;

/* The text of org.varlink.service.varlink. */
extern const char service_interface_description[];
