/* What the kernel's refusals mean, as KEYRING_E_ codes and in words. */
#pragma once

#include "keyring/keyring.h"

/* `error`: the errno of `call` ("add_key", "keyctl(KEYCTL_LINK)"). Returns KEYRING_E_QUOTA, _FORBIDDEN, _GONE or -error. */
int errors_explain(int error, const char *call, Problem *problem);
/* The same for a call that uses a share which was found before: what this process may do rests on possession alone, and the one thing
 * that ends possession is that the key has been removed. */
int errors_explain_use(int error, const char *call, Problem *problem);
