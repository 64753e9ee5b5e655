/* What a loader asks first: the tables of entry points. Nothing here needs C_Initialize or touches another library. */
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "pkcs11/module.h"

#define ENTRY(name) .name = name,

static CK_FUNCTION_LIST list_2_40 = {.version = {2, 40}, FUNCTIONS_2_40(ENTRY)};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* of the one function that differs */
static CK_FUNCTION_LIST_3_0 list_3_0 = {.version = {3, 0}, FUNCTIONS_2_40(ENTRY) FUNCTIONS_3_0(ENTRY).C_GetInfo = module_info_3_0};
#pragma GCC diagnostic pop

static char interface_name[] = "PKCS 11";

/* The first is the default. */
static CK_INTERFACE interfaces[] = {
    {interface_name, &list_3_0, 0},
    {interface_name, &list_2_40, 0},
};

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    if (!list)
        return CKR_ARGUMENTS_BAD;
    *list = &list_2_40;
    return CKR_OK;
}

CK_RV C_GetInterfaceList(CK_INTERFACE *list, CK_ULONG *count)
{
    CK_ULONG room;

    if (!count)
        return CKR_ARGUMENTS_BAD;
    room = list ? *count : 0;
    *count = ELEMENTS(interfaces);
    if (!list)
        return CKR_OK;
    if (room < ELEMENTS(interfaces))
        return CKR_BUFFER_TOO_SMALL;
    memcpy(list, interfaces, sizeof(interfaces));
    return CKR_OK;
}

static bool is_asked_for(const CK_INTERFACE *interface, const char *name, const CK_VERSION *version, CK_FLAGS flags)
{
    const CK_VERSION *own = interface->pFunctionList; /* every function list starts with its version */

    if (name && strcmp(name, interface->pInterfaceName) != 0)
        return false;
    if (version && (version->major != own->major || version->minor != own->minor))
        return false;
    return (flags & ~interface->flags) == 0;
}

CK_RV C_GetInterface(CK_UTF8CHAR *name, CK_VERSION *version, CK_INTERFACE **interface, CK_FLAGS flags)
{
    if (!interface)
        return CKR_ARGUMENTS_BAD;
    for (size_t i = 0; i < ELEMENTS(interfaces); i++) {
        if (!is_asked_for(&interfaces[i], (const char *)name, version, flags))
            continue;
        *interface = &interfaces[i];
        return CKR_OK;
    }
    return CKR_ARGUMENTS_BAD;
}
