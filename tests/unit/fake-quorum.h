/*
 * A quorum without nodes, for tests of the module above it: the whole of quorum.h with plain RSA and Ed25519 keys, and knobs to make it
 * fail. Keys stay when a Quorum goes, as they would on nodes.
 */
#pragma once

#include <openssl/evp.h>

#include "quorum/quorum.h"

typedef struct FakeQuorum {
    Roster roster;     /* what roster_read() gives; filled in by fake_reset() */
    int roster_result; /* not 0: roster_read() fails so */
    char pin[PIN_SIZE_MAX + 1];
    /* Not 0: these functions fail so. */
    int login_result, keys_result, sign_result, record_result, destroy_result, generate_result;
    unsigned tries_left;
    /* How often they were called. */
    unsigned logins, lists, signatures;
    GenerateRequest last_request; /* record: only public_hidden is kept */
    Microseconds last_max_age;    /* of quorum_keys() */
    bool stale;                   /* a list that need not be new has no key in it */
    /* Called in quorum_sign(), quorum_login(), quorum_keys(), when the answer is fixed already. */
    void (*while_signing)(void), (*while_logging_in)(void), (*while_listing)(void);
    void (*while_changing)(void);         /* called in quorum_set_record(), before anything is looked at */
    unsigned alive, forked, disconnected; /* Quorums that are not freed; calls of quorum_forked(), quorum_disconnect() */
} FakeQuorum;

extern FakeQuorum fake;

/* No keys, PIN "1234", all knobs off. */
void fake_reset(void);
/* Another client makes a key, RSA or Ed25519, or destroys the key again. */
void fake_add_key(const char *label, const char *id);
void fake_add_ed25519_key(const char *label, const char *id);
void fake_remove_key(const char *label);
/* Another client has its shares refreshed. */
void fake_refresh_key(const char *label);
/* Another client changes the id of the private half. */
void fake_change_id(const char *label, const char *id);
/* The key that all fake RSA keys are: 2048 bits; and that all Ed25519 keys are. */
EVP_PKEY *fake_key(void);
EVP_PKEY *fake_ed25519_key(void);
