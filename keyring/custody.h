/* Custody: how a share is a key of the kernel. A table of functions with one row per custody. */
#pragma once

#include "keyring/blinding.h"
#include "keyring/keyring.h"

typedef struct Custody Custody;

struct KeyringShare {
    const Custody *custody;
    KeySerial serial;
    const ThresholdKey *key;
    Blinding *blinding; /* where the custody's exponentiation needs it; else NULL */
};

struct Custody {
    CustodyKind kind;
    const char *type; /* the kernel's type of key */
    /* Can this kernel do it? Errors: KEYRING_E_UNSUPPORTED, _FORBIDDEN, _QUOTA, -errno. */
    int (*check)(Problem *problem);
    /* What the kernel is given (secret). Errors: -EINVAL the share's size; those of secret_new(). */
    int (*payload)(const ThresholdKey *key, const Secret *share, Secret **ret_payload);
    /* Why add_key() of it failed. */
    int (*explain)(int error, Problem *problem);
    /* Make ready what the custody wants in a KeyringShare. Errors: those of blinding_new(). */
    int (*open)(KeyringShare *share);
    int (*power)(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem);
    /* The share itself into scratch memory, for schemes without an oracle; NULL where nobody can read it. */
    int (*read)(const KeyringShare *share, Secret **ret_secret, Problem *problem);
    /* Two at once; NULL where there is no such thing. */
    int (*power_pair)(KeyringShare *const shares[2], const uint8_t *const bases[2], uint8_t *const ret_powers[2], Problem *problem);
};

/* NULL if there is no such custody. */
const Custody *custody_row(CustodyKind kind);

/* A KeyringShare for a key whose serial number is known. Errors: those of the row's open(); -ENOMEM. */
int custody_open(const Custody *custody, KeySerial serial, const ThresholdKey *key, KeyringShare **ret_share) _must_check_;

/* The description of a key in the kernel: "keyquorum:" and the key id in hexadecimal. */
#define CUSTODY_DESCRIPTION_PREFIX "keyquorum:"
#define CUSTODY_DESCRIPTION_SIZE   (sizeof(CUSTODY_DESCRIPTION_PREFIX) + 2 * KEY_ID_SIZE)
/* Of the node's identity key, a user key. */
#define CUSTODY_IDENTITY CUSTODY_DESCRIPTION_PREFIX "identity"
void custody_describe(const KeyId *id, char ret_description[CUSTODY_DESCRIPTION_SIZE]);

/* Add a key to this process's keyring. Errors: those of the row's explain(). */
int custody_add(const Custody *custody, const char *description, const Secret *payload, KeySerial *ret_serial, Problem *problem)
    _must_check_;
/* End a key that this process has added, wherever it is linked by now, and free its quota. */
void custody_discard(KeySerial serial);

/* The rows. Custody "kernel": an asymmetric key, used through KEYCTL_PKEY_DECRYPT, never read. */
int kernel_key_check(Problem *problem);
int kernel_key_payload(const ThresholdKey *key, const Secret *share, Secret **ret_payload);
int kernel_key_explain(int error, Problem *problem);
int kernel_key_open(KeyringShare *share);
int kernel_key_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem);

/* Custody "keyring": a user key, read into locked scratch memory for the operation. */
int user_key_check(Problem *problem);
int user_key_payload(const ThresholdKey *key, const Secret *share, Secret **ret_payload);
int user_key_explain(int error, Problem *problem);
int user_key_open(KeyringShare *share);
/* The bytes of any user key, into scratch memory; it has `size` of them. Errors: KEYRING_E_GONE, _FORBIDDEN, -errno. */
int user_key_read_payload(KeySerial serial, size_t size, Secret **ret_payload, Problem *problem) _must_check_;
int user_key_read(const KeyringShare *share, Secret **ret_secret, Problem *problem);
int user_key_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem);
int user_key_power_pair(KeyringShare *const shares[2], const uint8_t *const bases[2], uint8_t *const ret_powers[2], Problem *problem);
