/*
 * The types of keys, as one table: what a public key consists of as an application sees it, what follows from that, and which of the
 * token's keys are of the type. Adding one is adding a row.
 */
#pragma once

#include "pkcs11/cryptoki.h"
#include "quorum/roster.h"

#define KEY_PARTS 2

typedef struct KeyType {
    CK_KEY_TYPE type;
    uint8_t algorithm;                  /* THRESHOLD_… */
    CK_MECHANISM_TYPE generation;       /* makes such keys */
    CK_ATTRIBUTE_TYPE parts[KEY_PARTS]; /* of a public key: RSA: modulus and exponent; Edwards curves: curve and point */
    unsigned own;                       /* which part a key of the token has to itself: its threshold_key_public() */
    Bytes common;                       /* the other one, of all keys of the token */
    /* Of the parts that an application gave, the one form that is given back: RSA: big endian, without leading zeros; Edwards curves: the
     * curve as an object identifier, the point as a DER OCTET STRING. Errors: -EINVAL no key could have them; -EDOM those are no domain
     * parameters; -EOPNOTSUPP another curve; -ENOMEM. */
    int (*take)(const Bytes given[KEY_PARTS], Bytes ret_parts[KEY_PARTS]);
    int (*info)(const Bytes parts[KEY_PARTS], Bytes *ret_der); /* SubjectPublicKeyInfo. Errors: -ENOMEM */
    unsigned (*bits)(const Bytes parts[KEY_PARTS]);
    size_t (*signature_size)(const Bytes parts[KEY_PARTS]); /* bytes */
    bool (*shown)(const Roster *roster);                    /* NULL: always */
} KeyType;

extern const KeyType key_type_rsa, key_type_edwards;

/* By CKK_…, by THRESHOLD_…; NULL if unknown. */
const KeyType *key_type_find(CK_KEY_TYPE type);
const KeyType *key_type_by_algorithm(uint8_t algorithm);
/* Does the roster let applications see and make such keys? */
bool key_type_shown(const KeyType *type, const Roster *roster);

/* Is it the curve of Ed25519, as an object identifier (RFC 8410 §3) or as a name (PKCS#11 3.0 Current Mechanisms, §2.3.5)? Errors: -EDOM,
 * -EOPNOTSUPP, as above. */
int key_type_check_curve(const Bytes *parameters) _must_check_;
/* The 32 bytes within a point, which comes as a DER OCTET STRING or without any wrapping; NULL: it is none. */
const uint8_t *key_type_point(const Bytes *point);
/* What is said to an application of a part that was not taken. */
CK_RV key_type_rv(int r);
