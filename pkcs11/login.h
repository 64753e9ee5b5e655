/* The end of a login that nobody asked for. */
#pragma once

#include "pkcs11/token.h"

/* As token_report(), for what needs a login: if the nodes refuse the PIN that C_Login had to take on trust, nobody is logged in after all.
 * Then the token is logged out, so that C_Login can be called again, and the value is CKR_USER_NOT_LOGGED_IN. */
CK_RV login_report(Token *token, const char *function, int r, const Problem *problem);
