/* The life of the module in its process: initialized, finalized, forked. */
#pragma once

#include "pkcs11/token.h"

/* The token with one more reference; NULL if this very process has not initialized the module. */
Token *module_token(void);
/* C_GetInfo of the function list of version 3.0, which says that version. */
CK_RV module_info_3_0(CK_INFO *info);
