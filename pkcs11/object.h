/*
 * An object as an application sees it: one half of a key pair, or one that only holds what it was made with. Immutable and counted; a
 * change (of a label, say) makes a new Object that takes the old one's handle, so nobody who reads one needs a lock.
 */
#pragma once

#include <stdatomic.h>

#include "pkcs11/key-type.h"
#include "quorum/quorum.h"

typedef enum KeyRole {
    ROLE_PUBLIC,
    ROLE_PRIVATE,
    ROLE_MAX,
} KeyRole;

typedef enum ObjectKind {
    KIND_PUBLIC_KEY,
    KIND_PRIVATE_KEY,
    KIND_DATA,
    KIND_CERTIFICATE, /* X.509 */
    KIND_PROFILE,
    KIND_MAX,
} ObjectKind;

/* What objects that are no keys hold (attribute.c says which attribute is which). */
typedef enum ValueSlot {
    VALUE_APPLICATION,
    VALUE_OBJECT_ID,
    VALUE_VALUE,
    VALUE_SUBJECT,
    VALUE_ISSUER,
    VALUE_SERIAL_NUMBER,
    VALUE_CATEGORY,
    VALUE_CHECK,
    VALUE_START_DATE,
    VALUE_END_DATE,
    VALUE_PUBLIC_KEY_INFO,
    VALUE_URL,
    VALUE_SUBJECT_KEY_HASH,
    VALUE_ISSUER_KEY_HASH,
    VALUE_NAME_HASH,
    VALUE_JAVA_DOMAIN,
    VALUE_MAX,
} ValueSlot;

#define OBJECT_UNIQUE_ID_SIZE_MAX 80

typedef struct Object {
    atomic_uint references;
    CK_OBJECT_HANDLE handle;
    CK_SESSION_HANDLE session; /* the session that it dies with; 0: an object of the token */
    const Roster *roster;      /* outlives the object */
    ObjectKind kind;
    const KeyType *key_type;         /* NULL: no key */
    QuorumKey *key;                  /* NULL: a public key that the application brought */
    bool private;                    /* hidden before the login */
    bool fixed, uncopyable, lasting; /* CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE are false */
    bool destroyed;                  /* this process destroyed the key pair through the other half: good for one C_DestroyObject */
    char unique_id[OBJECT_UNIQUE_ID_SIZE_MAX];
    Bytes label, id;
    Bytes parts[KEY_PARTS];  /* of the public key, as its type says */
    unsigned bits;           /* of the key, as its type counts them */
    size_t signature_size;   /* bytes */
    Bytes info;              /* DER SubjectPublicKeyInfo */
    Bytes values[VALUE_MAX]; /* of no key */
    CK_ULONG profile;        /* CKP_… */
} Object;

Object *object_ref(Object *object);
Object *object_unref(Object *object);
DEFINE_CLEANUP(Object, object_unref)
#define _cleanup_object_ _cleanup_(object_unrefp)

/* One half of a key of the token, whose type has to be known. Errors: -ENOMEM; what its type's take() says. */
int object_of_key(const Roster *roster, QuorumKey *key, KeyRole role, Object **ret_object) _must_check_;
/* A public key from outside. Errors: those of the type's take(). */
int object_of_public(const Roster *roster, const KeyType *type, const Bytes given[KEY_PARTS], Object **ret_object) _must_check_;
/* One that holds only what it is given: no values yet. Errors: -ENOMEM. */
int object_of_kind(const Roster *roster, ObjectKind kind, Object **ret_object) _must_check_;
/* A copy that belongs to nobody yet: no handle, no session. Errors: -ENOMEM. */
int object_copy(const Object *object, Object **ret_object) _must_check_;

/* Is it hidden before the login? */
bool object_is_private(const Object *object);
bool object_is_key(const Object *object);
CK_OBJECT_CLASS object_class(const Object *object);
/* Of a key. */
KeyRole object_role(const Object *object);
