/*
 * A sealed share: the bytes that a dealer sends to a node and the node keeps on disk as they came.
 *
 *   8  magic "KQsealed"   1  format (1)   4  length of the common header, then it   1  index
 *   4  length of the HPKE sealed share, then it
 *
 * HPKE info: "keyquorum share v1"; associated data: the common header || index (one byte); plaintext: the share.
 */
#pragma once

#include "share/header.h"
#include "share/hpke.h"

#define SEALED_SHARE_SIZE_MAX (HEADER_SIZE_MAX + 4096)

typedef struct SealedShare {
    Header header;
    Bytes common; /* the encoded common header */
    KeyId id;
    unsigned index;
    Bytes sealed; /* HPKE: enc || ciphertext || tag */
} SealedShare;

void sealed_share_clear(SealedShare *share);
#define _cleanup_sealed_share_ _cleanup_(sealed_share_clear)

/* Seal `share` (secret; not consumed) to node `index`. `common`: the encoded common header. Errors: hpke_seal()'s, -EMSGSIZE. */
int sealed_share_new(const Bytes *common, unsigned index, const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], const Secret *share,
                     Bytes *ret_encoded) _must_check_;
/* Parse without opening. Strict. Errors: -EBADMSG, -EPROTONOSUPPORT, -ENOMEM; the problem says what is wrong. */
int sealed_share_decode(const Bytes *encoded, SealedShare *ret_share, Problem *problem) _must_check_;
/* Open with the node's sealing key. Errors: hpke_open()'s. */
int sealed_share_open(const SealedShare *share, const Secret *private_key, Secret **ret_share) _must_check_;
