/*
 * An object as an application sees it: one half of a key pair. Immutable and counted; a change (of a label, say) makes a new Object that
 * takes the old one's handle, so nobody who reads one needs a lock.
 */
#pragma once

#include <stdatomic.h>

#include "pkcs11/cryptoki.h"
#include "quorum/quorum.h"

typedef enum KeyRole {
    ROLE_PUBLIC,
    ROLE_PRIVATE,
    ROLE_MAX,
} KeyRole;

#define OBJECT_UNIQUE_ID_SIZE_MAX 80

typedef struct Object {
    atomic_uint references;
    CK_OBJECT_HANDLE handle;
    CK_SESSION_HANDLE session; /* the session that it dies with; 0: an object of the token */
    const Roster *roster;      /* outlives the object */
    KeyRole role;
    CK_KEY_TYPE key_type;
    QuorumKey *key; /* NULL: a public key that the application brought */
    bool destroyed; /* this process destroyed the key pair through the other half: good for one C_DestroyObject */
    char unique_id[OBJECT_UNIQUE_ID_SIZE_MAX];
    Bytes label, id;
    Bytes modulus, exponent; /* big endian, no leading zeros */
    unsigned bits;           /* of the modulus */
    Bytes info;              /* DER SubjectPublicKeyInfo */
} Object;

Object *object_ref(Object *object);
Object *object_unref(Object *object);
DEFINE_CLEANUP(Object, object_unref)
#define _cleanup_object_ _cleanup_(object_unrefp)

/* One half of a key of the token. Errors: -ENOMEM. */
int object_of_key(const Roster *roster, QuorumKey *key, KeyRole role, Object **ret_object) _must_check_;
/* A public key from outside. Leading zeros are dropped. Errors: -EINVAL no numbers that could be an RSA key; -ENOMEM. */
int object_of_rsa_public(const Roster *roster, const void *modulus, size_t modulus_size, const void *exponent, size_t exponent_size,
                         Object **ret_object) _must_check_;
/* A copy that belongs to nobody yet: no handle, no session. Errors: -ENOMEM. */
int object_copy(const Object *object, Object **ret_object) _must_check_;

/* Is it hidden before the login? */
bool object_is_private(const Object *object);
