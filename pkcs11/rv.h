/* The border: errors of the libraries become return values of PKCS#11 here and nowhere else. */
#pragma once

#include "base/problem.h"
#include "pkcs11/cryptoki.h"

/* `r`: 0, -errno, or a positive QUORUM_E_*. */
CK_RV rv_of(int r);
