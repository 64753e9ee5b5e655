#include "pkcs11/text.h"

#include <stdlib.h>
#include <string.h>

void text_pad(CK_UTF8CHAR *ret_field, size_t size, const char *text)
{
    memset(ret_field, ' ', size);
    memcpy(ret_field, text, strnlen(text, size));
}

CK_VERSION text_version(void)
{
    char *end;
    unsigned long major = strtoul(KEYQUORUM_VERSION, &end, 10);

    return (CK_VERSION){(unsigned char)major, (unsigned char)strtoul(end + 1, NULL, 10)};
}
