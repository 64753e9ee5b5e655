/*
 * The immutable header of a share: what the key is, for whom the share is, and the values that verify it. It is the
 * associated data of the sealing, and the key id is the SHA-256 of the header without the index, so that nobody can offer another
 * key under a known id. Encoding (all integers big endian), docs/protocol.md "Header":
 *
 *   8  magic "KQheader"      1  format (1)
 *   1  algorithm             4  bits         1  n    1  k    1  custody    4  generation
 *   4  length of public key, then it         4  length of verification values, then they
 *   1  index: 1..n in a share; the common header, which names the key, ends before it
 *
 * key id = SHA-256("keyquorum key id v1" || common header)
 */
#pragma once

#include "threshold/threshold.h"

#define KEY_ID_SIZE     32
#define HEADER_SIZE_MAX (16 * 1024)

typedef struct KeyId {
    uint8_t bytes[KEY_ID_SIZE];
} KeyId;

typedef enum CustodyKind {
    CUSTODY_KERNEL = 1,  /* "kernel": an asymmetric key, unreadable */
    CUSTODY_KEYRING = 2, /* "keyring": a user key, read for each operation */
    CUSTODY_INVALID = -1,
} CustodyKind;

const char *custody_name(CustodyKind kind);
CustodyKind custody_from_name(const char *name); /* CUSTODY_INVALID if unknown */
/* The kernel computes with RSA keys only: shares of schemes without an oracle are in custody "keyring", always. */
bool custody_can_hold(CustodyKind kind, const Scheme *scheme);

typedef struct Header {
    ThresholdParameters parameters;
    CustodyKind custody;
    uint32_t generation; /* one more with each refresh of the shares; RSA: 0 */
    Bytes public_key;
    Bytes verification;
} Header;

void header_clear(Header *header);
#define _cleanup_header_ _cleanup_(header_clear)

/* Can its shares be made anew? Not those of keys that are dealt: they have no other generation. */
bool header_has_generations(const Header *header);
/* Are they generations of one key, which have nothing but the public key in common? Never of keys that have but one. */
bool header_same_key(const Header *a, const Header *b);

/* The common header (without index). Errors: -EMSGSIZE, -ENOMEM. */
int header_encode(const Header *header, Bytes *ret_common) _must_check_;
/* Strict: every value in range, no byte left over, the threshold parameters allowed.
 * Errors: -EBADMSG malformed; -EPROTONOSUPPORT an unknown format; the problem says which field. */
int header_decode(const Bytes *common, Header *ret_header, Problem *problem) _must_check_;
/* What kind of key it is, of a header that can be decoded; NULL: it cannot be. Cheap. */
const Scheme *header_scheme(const Bytes *common);
/* Errors: -EIO. */
int header_key_id(const Bytes *common, KeyId *ret_id) _must_check_;

bool key_id_equal(const KeyId *a, const KeyId *b);
/* 64 hexadecimal digits. */
void key_id_format(const KeyId *id, char ret_text[2 * KEY_ID_SIZE + 1]);
/* Errors: -EINVAL. */
int key_id_parse(const char *text, KeyId *ret_id) _must_check_;
