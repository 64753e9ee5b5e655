/* Strings as PKCS#11 wants them: of fixed width, padded with blanks, without a NUL. */
#pragma once

#include "pkcs11/cryptoki.h"

/* Cut where it does not fit. */
void text_pad(CK_UTF8CHAR *ret_field, size_t size, const char *text);
/* The product's version. */
CK_VERSION text_version(void);
