/*
 * Threshold signatures: the mathematics behind one table of schemes, without I/O and without a clock. Nodes have indices 1..n,
 * any k of them sign; 2 <= k <= n <= THRESHOLD_NODES_MAX.
 *
 * Two schemes: Shoup's threshold RSA ("Practical Threshold Signatures", Eurocrypt 2000), in shoup-rsa.c, whose shares are dealt and used
 * through an oracle; and FROST(Ed25519, SHA-512) (RFC 9591), in frost-scheme.c, whose shares the nodes make among themselves
 * (frost-dkg.h), and which signs with pairs of nonces (frost.h). What only the first offers says so with -EOPNOTSUPP for the other.
 * Everything a ThresholdKey holds is public; shares come in as Secret.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/problem.h"
#include "base/secret.h"
#include "threshold/digest.h"

#define THRESHOLD_NODES_MAX          16
#define THRESHOLD_PARTIAL_SIZE_MAX   512 /* bytes: RSA-4096 */
#define THRESHOLD_SIGNATURE_SIZE_MAX 512 /* bytes: RSA-4096 */

typedef struct Scheme Scheme;
typedef struct ThresholdKey ThresholdKey;
typedef struct FrostKey FrostKey;

typedef enum ThresholdError {
    THRESHOLD_E_OK,
    THRESHOLD_E_INVALID_SIGNATURE, /* the combination (or the signature given) does not verify */
    THRESHOLD_E_INVALID_PARTIAL,   /* this partial signature is not the node's honest answer */
    THRESHOLD_E_INVALID_SHARE,     /* the share does not fit the verification values */
    THRESHOLD_E_CANCELLED,         /* the progress callback asked to stop */
    THRESHOLD_E_MAX,
} ThresholdError;

/* What a key is: scheme, size, threshold. */
typedef struct ThresholdParameters {
    uint8_t algorithm; /* the number in a share's header: THRESHOLD_RSA, THRESHOLD_ED25519 */
    unsigned bits;     /* RSA: exact size of the modulus; Ed25519: 256 */
    unsigned n;
    unsigned k;
} ThresholdParameters;

#define THRESHOLD_RSA     1
#define THRESHOLD_ED25519 2

/* A row of the table of schemes by its number in a header, by its name ("rsa", "ed25519"); NULL if unknown. */
const Scheme *threshold_scheme_by_algorithm(uint8_t algorithm);
const Scheme *threshold_scheme_by_name(const char *name);
uint8_t threshold_scheme_algorithm(const Scheme *scheme);
const char *threshold_scheme_name(const Scheme *scheme);
/* The sizes the scheme offers, ascending, ended by 0: 2048, 3072, 4096 for RSA, 256 for Ed25519. */
const unsigned *threshold_scheme_sizes(const Scheme *scheme);
/* SubjectPublicKeyInfo (RFC 5280 §4.1.2.7; RFC 8017 §A.1, RFC 8410 §4) of one of its public keys, which is as threshold_key_public() gives
 * it. Errors: -EBADMSG it is not as long as any; -ENOMEM. */
int threshold_scheme_public_info(const Scheme *scheme, const Bytes *public_key, Bytes *ret_der) _must_check_;
/* Are its keys dealt (threshold_deal()), and its shares used through an oracle, which may be the kernel? Otherwise the nodes make the keys
 * among themselves, each computes with its share itself, and messages are signed, not digests: threshold_key_frost(). */
bool threshold_scheme_has_dealer(const Scheme *scheme);

/* Are these parameters allowed? Errors: -EINVAL, and the problem says which value is out of which range. */
int threshold_parameters_check(const ThresholdParameters *parameters, Problem *problem) _must_check_;

/* ---- Dealing -------------------------------------------------------------------------------------------------- */

typedef struct DealOptions {
    unsigned threads; /* threads that search for primes, 16 at most are used; 0: in the calling thread, no thread is created */
    /* Called now and then from the calling thread with the number of candidates tried and the expected number;
     * a non-zero answer stops the search (THRESHOLD_E_CANCELLED). May be NULL. */
    int (*progress)(void *userdata, uint64_t tried, uint64_t expected);
    void *userdata;
} DealOptions;

typedef struct Deal {
    Bytes public_key;                    /* scheme's encoding; RSA: the modulus N, bits/8 bytes big endian; e is 65537 */
    Bytes verification;                  /* RSA: v, v_1, …, v_n, each bits/8 bytes big endian */
    Secret *shares[THRESHOLD_NODES_MAX]; /* shares[i - 1] for node i; RSA: s_i, bits/8 bytes big endian */
} Deal;

/* Make a key and its n shares. All other secrets (p, q, d, the polynomial) are wiped before it returns.
 * Errors: -EINVAL parameters; -EOPNOTSUPP; -EPERM memory cannot be locked (nothing was dealt); -EIO the library failed or is out of
 * randomness; THRESHOLD_E_CANCELLED. */
int threshold_deal(const ThresholdParameters *parameters, const DealOptions *options, Deal *ret_deal, Problem *problem) _must_check_;
void threshold_deal_clear(Deal *deal); /* wipes what is left of the shares */

/* ---- A public key with its verification values -------------------------------------------------------------------- */

/* Parse and check (RSA: exact size, odd, values in range, v and v_i invertible; Ed25519: frost_key_new()).
 * Errors: -EINVAL parameters; -EBADMSG malformed values; -ENOMEM; -EIO the library is unsafe or does not start. */
int threshold_key_new(const ThresholdParameters *parameters, const Bytes *public_key, const Bytes *verification, ThresholdKey **ret_key,
                      Problem *problem) _must_check_;
ThresholdKey *threshold_key_free(ThresholdKey *key);
DEFINE_CLEANUP(ThresholdKey, threshold_key_free)
#define _cleanup_threshold_key_ _cleanup_(threshold_key_freep)

/* A ThresholdKey is immutable after threshold_key_new() and may be used by many threads at once. */
const ThresholdParameters *threshold_key_parameters(const ThresholdKey *key);
size_t threshold_key_share_size(const ThresholdKey *key);     /* bytes; RSA: bits/8; Ed25519: 32 */
size_t threshold_key_partial_size(const ThresholdKey *key);   /* bytes; RSA: bits/8; Ed25519: 64 */
size_t threshold_key_signature_size(const ThresholdKey *key); /* bytes; RSA: bits/8; Ed25519: 64 */
const Bytes *threshold_key_public(const ThresholdKey *key);
const Scheme *threshold_key_scheme(const ThresholdKey *key);
/* For schemes without a dealer; NULL for others. Belongs to `key`. */
const FrostKey *threshold_key_frost(const ThresholdKey *key);

/* ---- A node's part --------------------------------------------------------------------------------------------- */

/* What the node exponentiates for this digest: RSA: x^2 mod N with x the encoded digest (digest.h), made here and nowhere
 * else: a node never exponentiates a number it was given. `ret_base`: threshold_key_partial_size() bytes.
 * Errors: -EMSGSIZE the key is too small for it (EMSA-PSS: for so long a salt); -EIO. */
int threshold_key_base(const ThresholdKey *key, const Digest *digest, uint8_t *ret_base) _must_check_;

/* base^share mod N in constant time with libcrypto. `share` is secret. `base` and `ret_power`: partial_size bytes, may be the same.
 * Errors: -EINVAL share or base of the wrong size or range; -EPERM memory cannot be locked; -EIO. */
int threshold_key_power(const ThresholdKey *key, const Secret *share, const uint8_t *base, uint8_t *ret_power) _must_check_;

/* Two of them at once, of equal bits (the keys may be the same or differ). Errors: as threshold_key_power(). */
int threshold_key_power_pair(const ThresholdKey *const keys[2], const Secret *const shares[2], const uint8_t *const bases[2],
                             uint8_t *const ret_powers[2]) _must_check_;

/* Does this machine compute a pair of this size at least 10 % faster than two single ones? Measured at the first call for each
 * size (sixteen exponentiations), then remembered. Thread-safe; nobody waits: while one thread measures, others are told false. */
bool threshold_pair_is_faster(const ThresholdKey *key);

/* Some way to compute base^s mod N with the share of one node: the keyring's, or threshold_key_power(). */
typedef int (*ThresholdOracle)(void *userdata, const uint8_t *base, uint8_t *ret_power);

/* Does the oracle hold node `index`'s share? RSA: v^s = v_i.
 * Errors: THRESHOLD_E_INVALID_SHARE; whatever the oracle returns; -EINVAL index; -EOPNOTSUPP. */
int threshold_key_check_share(const ThresholdKey *key, unsigned index, ThresholdOracle oracle, void *userdata) _must_check_;

/* For schemes without an oracle: is it node `index`'s share? Ed25519: s·B = PK_i. `share` is secret. In constant time but for the answer.
 * Errors: THRESHOLD_E_INVALID_SHARE; -EINVAL index; -EOPNOTSUPP the scheme has an oracle. */
int threshold_key_check_secret(const ThresholdKey *key, unsigned index, const Secret *share) _must_check_;

/* ---- Statements of the quorum's own ------------------------------------------------------------------------------ */

/* What is signed of a digest with a key that signs messages, when it is no signer's message but a statement of the quorum's own (the
 * activation of a key): a label, with which no signer's message may begin, and the digest's bytes. */
#define THRESHOLD_STATEMENT_SIZE_MAX 96
/* Returns the size in bytes. */
size_t threshold_statement(const Digest *digest, uint8_t ret_message[THRESHOLD_STATEMENT_SIZE_MAX]);
/* Does it begin as statements do? */
bool threshold_is_statement(const void *message, size_t size);

/* ---- The client's part ----------------------------------------------------------------------------------------- */

typedef struct Partial {
    unsigned index;                            /* of the node */
    uint8_t bytes[THRESHOLD_PARTIAL_SIZE_MAX]; /* partial_size used */
} Partial;

/* Combine exactly k partial signatures of distinct nodes and verify the result. `ret_signature`: signature_size bytes, written
 * only if it verifies. Errors: THRESHOLD_E_INVALID_SIGNATURE some partial is wrong, also one that is
 * out of range (0, or not below the modulus); -EINVAL repeated or out-of-range index; -EIO. */
int threshold_key_combine(const ThresholdKey *key, const Digest *digest, const Partial *partials, uint8_t *ret_signature) _must_check_;

/* Given k partials that combined to a valid signature, was `candidate` (another node's) honest? Formula 2 of the blame steps:
 * (x_j^Δ)^2 = (Π x_i^λ_{j,i})^2. Errors: THRESHOLD_E_INVALID_PARTIAL also if the candidate's value is out of range; -EINVAL the
 * indices, the candidate is one of `good`, or a good value is out of range; -EIO. */
int threshold_key_check_partial(const ThresholdKey *key, const Partial *good, const Partial *candidate) _must_check_;

/* Plain verification of a finished signature; Ed25519: of threshold_statement().
 * Errors: THRESHOLD_E_INVALID_SIGNATURE; -EIO. */
int threshold_key_verify(const ThresholdKey *key, const Digest *digest, const void *signature, size_t size) _must_check_;
/* The same of a message, for schemes without a dealer. Errors: as above; -EOPNOTSUPP the scheme signs digests. */
int threshold_key_verify_message(const ThresholdKey *key, const void *message, size_t message_size, const void *signature, size_t size)
    _must_check_;
