#include <errno.h>
#include <string.h>

#include "wire/server-internal.h"
#include "wire/service-interface.h"
#include "wire/strict-json.h"

static bool name_is(const char *name, const char *wanted, size_t size)
{
    return strlen(name) == size && memcmp(name, wanted, size) == 0;
}

const ServerInterface *server_find_interface(const Server *server, const char *name, size_t size)
{
    if (name_is(server_service_interface.name, name, size))
        return &server_service_interface;
    for (const ServerInterface *const *interface = server->options.interfaces; *interface; interface++)
        if (name_is((*interface)->name, name, size))
            return *interface;
    return NULL;
}

/* `name` is a constant; takes over `value`. */
static int add(json_object *object, const char *name, json_object *value)
{
    if (value && json_object_object_add_ex(object, name, value, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT) == 0)
        return 0;
    json_object_put(value);
    return -ENOMEM;
}

static int append(json_object *array, const char *text)
{
    json_object *value = json_object_new_string(text);

    if (value && json_object_array_add(array, value) == 0)
        return 0;
    json_object_put(value);
    return -ENOMEM;
}

static json_object *interface_names(const Server *server)
{
    _cleanup_json_ json_object *array = json_object_new_array();

    if (!array || append(array, server_service_interface.name) < 0)
        return NULL;
    for (const ServerInterface *const *interface = server->options.interfaces; *interface; interface++)
        if (append(array, (*interface)->name) < 0)
            return NULL;
    return TAKE_PTR(array);
}

/* A list of strings is in no layout of ours: built by hand. */
static int get_info(ServerCall *call, void *parameters, void *userdata)
{
    const ServerOptions *options = &call->connection->server->options;
    const char *const texts[][2] = {
        {"vendor", options->vendor},
        {"product", options->product},
        {"version", options->version},
        {"url", options->url},
    };
    _cleanup_json_ json_object *object = json_object_new_object();

    if (!object)
        return -ENOMEM;
    for (size_t i = 0; i < ELEMENTS(texts); i++)
        if (add(object, texts[i][0], json_object_new_string(texts[i][1])) < 0)
            return -ENOMEM;
    if (add(object, "interfaces", interface_names(call->connection->server)) < 0)
        return -ENOMEM;
    return server_call_finish(call, NULL, TAKE_PTR(object));
}

static int get_interface_description(ServerCall *call, void *parameters, void *userdata)
{
    const ServiceText *input = parameters;
    const ServerInterface *interface = server_find_interface(call->connection->server, input->text, strlen(input->text));

    if (!interface)
        return server_call_error(call, SERVICE_INTERFACE_NOT_FOUND, &service_interface_not_found, input);
    return server_call_reply(call, &(ServiceText){.text = (char *)interface->description});
}

const ServerInterface server_service_interface = {
    .name = SERVICE_INTERFACE,
    .description = service_interface_description,
    .methods =
        (const ServerMethod[]){
            {"GetInfo", NULL, NULL, get_info},
            {"GetInterfaceDescription", &service_description_input, &service_description_output, get_interface_description},
            {NULL},
        },
};
