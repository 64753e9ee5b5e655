/* The life of the module in its process: initialized, finalized, forked. */
#pragma once

#include "pkcs11/token.h"

/* The token with one more reference; NULL if this very process has not initialized the module. */
Token *module_token(void);
