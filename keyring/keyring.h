/*
 * Shares in the Linux kernel keyring.
 *
 * The node owns a ring (a keyring inside its process keyring, made before any thread starts; it dies with the process). The loader, another
 * process and normally another user, opens a sealed share and puts it into the node's ring; the node then finds and uses it, and can
 * neither change nor re-permit it. Custody decides what kind of key it is; a custody that cannot be had is an error, never
 * another custody.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"
#include "base/secret.h"
#include "share/header.h"
#include "threshold/threshold.h"

typedef int32_t KeySerial; /* the kernel's name of a key: positive */

typedef enum KeyringError {
    KEYRING_E_OK,
    KEYRING_E_UNSUPPORTED,   /* this kernel, or its configuration, cannot do the custody asked for; the problem names what is missing */
    KEYRING_E_QUOTA,         /* the user's key quota is reached; the problem names the sysctl */
    KEYRING_E_FORBIDDEN,     /* add_key/keyctl refused by a system call filter or by permissions; the problem says which */
    KEYRING_E_INVALID_SHARE, /* the key in the kernel does not compute what the verification values demand */
    KEYRING_E_GONE,          /* no such key in the ring any more (removed, revoked), or no such ring */
    KEYRING_E_MAX,
} KeyringError;

/* How the loader and the node are kept apart. */
typedef enum Separation {
    SEPARATION_USERS, /* different users: possessor may view and search, the node's group may view, search and write the ring */
    SEPARATION_NONE,  /* one user (tests, demonstration): the owner's bits are used */
} Separation;

/* ---- The node's side -------------------------------------------------------------------------------------------- */

/* Make this process's ring. Call once, before any thread is created. Errors: KEYRING_E_QUOTA, KEYRING_E_FORBIDDEN, -errno. */
int keyring_ring_new(Separation separation, KeySerial *ret_ring, Problem *problem) _must_check_;

/* Can this kernel hold shares in that custody? Errors: KEYRING_E_UNSUPPORTED, KEYRING_E_FORBIDDEN, -errno. */
int keyring_custody_check(CustodyKind custody, Problem *problem) _must_check_;

/* A share ready for use: found in the ring by its key id. */
typedef struct KeyringShare KeyringShare;

/* Find this node's share of `key` in the ring. `key` must outlive the answer. Errors: KEYRING_E_GONE, -errno. */
int keyring_share_find(KeySerial ring, CustodyKind custody, const KeyId *id, const ThresholdKey *key, KeyringShare **ret_share,
                       Problem *problem) _must_check_;
KeyringShare *keyring_share_free(KeyringShare *share); /* forgets the handle; the key stays in the ring */
DEFINE_CLEANUP(KeyringShare, keyring_share_free)

/* base^share mod N, sizes as threshold_key_power(). Thread-safe for one KeyringShare.
 * Errors: KEYRING_E_GONE, KEYRING_E_FORBIDDEN, -errno. */
int keyring_share_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem) _must_check_;
/* Two at once where the custody and the machine make that worth it; otherwise one after the other. */
int keyring_share_power_pair(KeyringShare *const shares[2], const uint8_t *const bases[2], uint8_t *const ret_powers[2], Problem *problem)
    _must_check_;
/* Would a pair of these be computed faster than one after the other? At once, unless threshold_pair_is_faster() has to measure. */
bool keyring_share_pair_is_faster(const KeyringShare *a, const KeyringShare *b);

/* For schemes without an oracle: read the share into locked memory, let `use` compute with it in this thread, and wipe it. `use` gets the
 * secret and keeps nothing of it; what it returns is returned, and the problem is its own. Thread-safe. `*ret_used`: was it called? If
 * not: KEYRING_E_GONE, KEYRING_E_FORBIDDEN, -EOPNOTSUPP the scheme has an oracle, -errno. */
typedef int (*KeyringUse)(void *userdata, const Secret *share);
int keyring_share_use(KeyringShare *share, KeyringUse use, void *userdata, bool *ret_used, Problem *problem) _must_check_;

/* End the share, which takes it out of the ring; nobody can use it any more when this returns. (It is invalidated: the node itself may
 * not write to its ring, and an unlinked key would live on wherever else it were linked.) Errors: KEYRING_E_GONE, _FORBIDDEN, -errno. */
int keyring_share_remove(KeySerial ring, CustodyKind custody, const KeyId *id) _must_check_;

/* The node's identity key: read for each signature, then wiped. Thread-safe. Errors: KEYRING_E_GONE, _FORBIDDEN, -errno. */
#define KEYRING_IDENTITY_SIZE 32
int keyring_identity_read(KeySerial ring, Secret **ret_seed, Problem *problem) _must_check_;

/* The key quota of this user: keys used and allowed, bytes used and allowed (from /proc/key-users). Errors: -errno. */
typedef struct KeyringQuota {
    unsigned keys, keys_max, bytes, bytes_max;
} KeyringQuota;
int keyring_quota(KeyringQuota *ret_quota) _must_check_;

/* ---- The loader's side -------------------------------------------------------------------------------------------- */

/* Put a share (secret; not consumed) into another process's ring: add, restrict, prove (RSA: for a random c and for v, the kernel's
 * answer equals libcrypto's c^s and v_i; Ed25519: what the kernel gives back is the share of PK_i), link, give up all rights. Nothing is
 * left behind on failure.
 * Errors: KEYRING_E_QUOTA, _FORBIDDEN (also: the ring's owner is not whom `separation` says), _UNSUPPORTED, _INVALID_SHARE, _GONE no such
 * ring, -EEXIST already there, -EINVAL the share's size or the index, -errno. */
int keyring_insert(KeySerial ring, Separation separation, CustodyKind custody, const KeyId *id, unsigned index, const ThresholdKey *key,
                   const Secret *share, Problem *problem) _must_check_;

/* Put the node's identity key (an Ed25519 seed, KEYRING_IDENTITY_SIZE bytes, secret; not consumed) into its ring, in the place of one that
 * is there. Errors: KEYRING_E_QUOTA, _FORBIDDEN (also: the ring's owner), _GONE no such ring, -EINVAL the size, -errno. */
int keyring_identity_insert(KeySerial ring, Separation separation, const Secret *seed, Problem *problem) _must_check_;

/* ---- The kernel's RSA key (exposed for its tests) -------------------------------------------------------------------- */

/* PKCS#8 PrivateKeyInfo (RFC 5208) around an RSAPrivateKey (RFC 8017 A.1.2) with n = N, e = 65537, d = s, p = N, q = 1, dp = s,
 * dq = 1, qinv = 1: both the CRT and the plain code of the kernel then compute c^s mod N. The answer is secret.
 * Errors: -EINVAL sizes; those of secret_new(). */
int keyring_pkcs8_encode(const Bytes *modulus, const Secret *share, Secret **ret_pkcs8) _must_check_;
