/* The parameters of RSA-PSS mechanisms (PKCS#11 Current Mechanisms 2.40, §2.1.9). */
#pragma once

#include "pkcs11/mechanism.h"
#include "pkcs11/object.h"

typedef struct PssParameters {
    HashAlgorithm hash; /* of the data, and in MGF1 */
    size_t salt_size;
} PssParameters;

/* CKR_MECHANISM_PARAM_INVALID they are missing, of another size, contradict the mechanism or one another (MGF1 has to be over the hash
 * that the data is digested with), or the key has no room for so long a salt; CKR_KEY_SIZE_RANGE it has room for none. */
CK_RV pss_read(const Mechanism *mechanism, const CK_MECHANISM *given, const Object *key, PssParameters *ret_parameters);
