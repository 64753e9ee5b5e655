/* The steps of HPKE (RFC 9180) that the published test vectors look at one by one; everyone else uses hpke.h. */
#pragma once

#include "share/hpke.h"

#define HPKE_SECRET_SIZE     32
#define HPKE_AEAD_KEY_SIZE   32
#define HPKE_AEAD_NONCE_SIZE 12
#define HPKE_AEAD_TAG_SIZE   16

/* What the key schedule yields for one direction of base mode. */
typedef struct HpkeSchedule {
    Secret *key;
    uint8_t base_nonce[HPKE_AEAD_NONCE_SIZE];
} HpkeSchedule;

void hpke_schedule_clear(HpkeSchedule *schedule);
#define _cleanup_hpke_schedule_ _cleanup_(hpke_schedule_clear)

/* Encap() with the given ephemeral key (§4.1); `ret_enc` is its public half. Errors: -EINVAL the public key is of small order; -EIO;
 * those of secret_new(). */
int hpke_encap(const Secret *ephemeral, const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], Secret **ret_shared,
               uint8_t ret_enc[HPKE_PUBLIC_KEY_SIZE]) _must_check_;
/* Decap() (§4.1). Errors: -EINVAL `enc` is of small order; -EIO; those of secret_new(). */
int hpke_decap(const Secret *private_key, const uint8_t enc[HPKE_PUBLIC_KEY_SIZE], Secret **ret_shared) _must_check_;
/* KeySchedule() of base mode (§5.1). Errors: -EIO; those of secret_new(). */
int hpke_schedule(const Secret *shared, const char *info, HpkeSchedule *ret_schedule) _must_check_;
/* AES-256-GCM: `ret_ciphertext` has room for the plaintext and the tag behind it. Errors: -EIO. */
int hpke_encrypt(const Secret *key, const uint8_t nonce[HPKE_AEAD_NONCE_SIZE], const Bytes *associated_data, const Secret *plaintext,
                 uint8_t *ret_ciphertext) _must_check_;
/* hpke_seal() with the given ephemeral key, which must never be used twice. */
int hpke_seal_with(const Secret *ephemeral, const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], const char *info, const Bytes *associated_data,
                   const Secret *plaintext, Bytes *ret_sealed) _must_check_;
