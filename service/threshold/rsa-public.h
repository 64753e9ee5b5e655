/* RSA public keys as the outside knows them: their DER form, and verification that needs nothing but them. */
#pragma once

#include "base/bytes.h"

#define RSA_PUBLIC_SIZE_MIN 64 /* bytes of the modulus, for keys that an application brings */
#define RSA_PUBLIC_SIZE_MAX 1024

/* SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) with rsaEncryption (RFC 8017 A.1). The numbers are big endian, without leading zeros.
 * Errors: -ENOMEM. */
int rsa_public_info(const Bytes *modulus, const Bytes *exponent, Bytes *ret_der) _must_check_;

/* RFC 8017 §5.2.2: signature^e mod n, which of a good signature is the encoded message. `signature` and `ret_encoded`: as many bytes as the
 * modulus. Errors: -EBADMSG the signature is not below the modulus; -ENOMEM. */
int rsa_public_open(const Bytes *modulus, const Bytes *exponent, const uint8_t *signature, uint8_t *ret_encoded) _must_check_;
