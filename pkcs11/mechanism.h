/* The mechanisms of the token, as one table. Adding one is adding a row. */
#pragma once

#include "pkcs11/cryptoki.h"
#include "quorum/roster.h"

typedef struct Mechanism {
    CK_MECHANISM_TYPE type;
    CK_MECHANISM_INFO info;
    HashAlgorithm hash;   /* of the data; HASH_INVALID: it comes as a DigestInfo (EMSA-PSS: as a digest), or there is none */
    Encoding encoding;    /* of the digest that is signed; ENCODING_INVALID: what is signed is the message, there is no digest */
    size_t data_size_max; /* bytes that are signed or digested as they came; mechanisms that hash: 0, any number */
    CK_KEY_TYPE key_type;
    bool (*offered)(const Roster *roster); /* NULL: always */
} Mechanism;

/* The offered mechanism `type` that does `use` (CKF_SIGN, CKF_DIGEST …; 0: anything); NULL if there is none. */
const Mechanism *mechanism_find(const Roster *roster, CK_MECHANISM_TYPE type, CK_FLAGS use);
/* The types of all offered mechanisms with one of `uses` for keys of `key_type` (CK_UNAVAILABLE_INFORMATION: for any, or none);
 * `ret_types` has room for MECHANISMS_MAX, or is NULL. Returns how many. */
#define MECHANISMS_MAX 32
CK_ULONG mechanism_list(const Roster *roster, CK_KEY_TYPE key_type, CK_FLAGS uses, CK_MECHANISM_TYPE *ret_types);
