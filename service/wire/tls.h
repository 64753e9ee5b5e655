/*
 * What both ends of a TLS connection are to each other: a P-256 key, known by its pin. There is no certificate authority; each side
 * compares the SHA-256 of the other's SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) with what its operator gave it, as SSH does. The self-signed
 * certificate that TLS wants around a key is made in memory: nothing of it is looked at but the key, so that nothing expires.
 */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/problem.h"
#include "base/secret.h"
#include "wire/base64.h"

#define TLS_PIN_SIZE      32
#define TLS_PIN_TEXT_SIZE (BASE64_SIZE(TLS_PIN_SIZE) + 1)
#define TLS_KEY_SIZE_MAX  4096 /* bytes of PEM */

/* A fresh P-256 key: PKCS#8 (RFC 5958) in PEM. Errors: -EPERM, -ENOMEM memory cannot be locked; -EIO. */
int tls_key_new(Secret **ret_pem) _must_check_;
/* The pin of the key. Errors: -EINVAL it is no P-256 key in PEM; -EPERM memory cannot be locked; -EIO. */
int tls_key_pin(const Secret *pem, uint8_t ret_pin[TLS_PIN_SIZE]) _must_check_;
/* As on cards: base64 with its NUL. */
void tls_pin_format(const uint8_t pin[TLS_PIN_SIZE], char ret_text[TLS_PIN_TEXT_SIZE]);

/* This side of connections: the key and all that belongs to it. Counted; may be shared by threads. */
typedef struct TlsIdentity TlsIdentity;

/* Errors: those of tls_key_pin(). */
int tls_identity_new(const Secret *pem, TlsIdentity **ret_identity) _must_check_;
/* From a file that is readable for its owner and group at most and belongs to this user or root. Errors: those of file_read_private() and
 * tls_key_pin(); the problem names the file. */
int tls_identity_read(const char *path, TlsIdentity **ret_identity, Problem *problem) _must_check_;
TlsIdentity *tls_identity_ref(TlsIdentity *identity);
TlsIdentity *tls_identity_unref(TlsIdentity *identity); /* NULL is fine */
DEFINE_CLEANUP(TlsIdentity, tls_identity_unref)
#define _cleanup_tls_identity_ _cleanup_(tls_identity_unrefp)
const uint8_t *tls_identity_pin(const TlsIdentity *identity);

/* Is this key one to talk to? 1: yes, 0: no, negative: that cannot be told now. Asked once in a handshake, before the other side has proved
 * that it has the key. */
typedef struct TlsCheck {
    int (*known)(void *userdata, const uint8_t pin[TLS_PIN_SIZE]);
    void *userdata;
} TlsCheck;
