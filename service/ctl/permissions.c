#include "ctl/permissions.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "ctl/ctl.h"

static int unknown(const char *name, Problem *problem)
{
    char names[PERMISSIONS_TEXT_SIZE];

    permissions_format(NODE_PERMISSIONS_ALL, names);
    return problem_set(problem, CTL_E_USAGE, "--allow: '%s' is no permission; there are %s", name, names);
}

int permissions_parse(const char *text, unsigned *ret_permissions, Problem *problem)
{
    _cleanup_free_ char *copy = text_copy(text);
    unsigned permissions = 0;

    if (!copy)
        return problem_set(problem, -ENOMEM, "out of memory");
    for (char *rest = copy, *name; (name = strsep(&rest, ","));) {
        NodePermission permission = node_permission_from_name(name);

        if (permission == NODE_PERMISSION_MAX)
            return unknown(name, problem);
        permissions |= 1u << permission;
    }
    *ret_permissions = permissions;
    return 0;
}

size_t permissions_list(unsigned permissions, NodeText ret_list[NODE_PERMISSION_MAX])
{
    size_t n = 0;

    for (NodePermission permission = 0; permission < NODE_PERMISSION_MAX; permission++)
        if (permissions & 1u << permission)
            ret_list[n++].text = (char *)(uintptr_t)node_permission_name(permission);
    return n;
}

void permissions_format(unsigned permissions, char ret_text[PERMISSIONS_TEXT_SIZE])
{
    size_t used = 0;

    ret_text[0] = '\0';
    for (NodePermission permission = 0; permission < NODE_PERMISSION_MAX; permission++)
        if (permissions & 1u << permission)
            used +=
                (size_t)snprintf(ret_text + used, PERMISSIONS_TEXT_SIZE - used, "%s%s", used ? "," : "", node_permission_name(permission));
}
