#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "dbus/bus-internal.h"

#define HEAD                                                                                                                               \
    "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"                                                   \
    "  \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"

typedef struct Part {
    const char *text;
    int size;
} Part;

/* What is inside <node>. */
static Part interfaces_of(const char *xml)
{
    const char *start = strstr(xml, "<node>\n") + strlen("<node>\n");

    return (Part){start, (int)(strstr(start, "</node>") - start)};
}

int bus_introspection_reply(sd_bus_message *request, const char *interface_xml, bool manager)
{
    const Part standard = interfaces_of(bus_standard_xml), own = interfaces_of(interface_xml);
    const Part object_manager = manager ? interfaces_of(bus_object_manager_xml) : (Part){"", 0};
    _cleanup_free_ char *text = text_format(HEAD "<node>\n%.*s%.*s%.*s%s</node>\n", standard.size, standard.text, object_manager.size,
                                            object_manager.text, own.size, own.text, manager ? "  <node name=\"key\"/>\n" : "");

    return text ? sd_bus_reply_method_return(request, "s", text) : -ENOMEM;
}

void bus_key_path(const uint8_t id[NODE_KEY_ID_SIZE], char ret_path[sizeof(BUS_KEY_PATH) + BUS_ID_TEXT_SIZE])
{
    memcpy(ret_path, BUS_KEY_PATH "/", sizeof(BUS_KEY_PATH));
    hex_encode(id, NODE_KEY_ID_SIZE, ret_path + sizeof(BUS_KEY_PATH));
}

int bus_key_from_path(const char *path, uint8_t ret_id[NODE_KEY_ID_SIZE])
{
    if (strncmp(path, BUS_KEY_PATH "/", sizeof(BUS_KEY_PATH)) != 0)
        return -EINVAL;
    path += sizeof(BUS_KEY_PATH);
    /* One object, one path: no upper case. */
    return strspn(path, "0123456789abcdef") == strlen(path) ? hex_decode(path, ret_id, NODE_KEY_ID_SIZE) : -EINVAL;
}
