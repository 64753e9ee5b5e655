/*
 * Quorum: one token as a client sees it. Holds the connections to its nodes, logs in, decides which keys exist, signs with k nodes,
 * finds out who lied, creates, changes and destroys keys. Used by the PKCS#11 module and by kqctl.
 *
 * No threads of its own: every function runs in the caller's thread, waits at most until its deadline, and may be called from many
 * threads at once. Each call checks out one connection per node from the pool for its whole duration. After fork() the
 * child must call quorum_forked() before anything else; it then has no connections and is logged out.
 *
 * Up to min(n-k, k-1) nodes may lie (docs/protocol.md); nothing below believes a single node.
 */
#pragma once

#include "base/clock.h"
#include "base/problem.h"
#include "base/secret.h"
#include "quorum/roster.h"
#include "share/header.h"
#include "threshold/threshold.h"

typedef struct Quorum Quorum;

typedef enum QuorumError {
    QUORUM_E_OK,
    QUORUM_E_TOO_FEW_NODES,       /* the problem names every node and what it said */
    QUORUM_E_PIN_INCORRECT,       /* fewer than k nodes accept and n-k+1 refuse */
    QUORUM_E_PIN_LOCKED,          /* n-k+1 nodes are locked for this client */
    QUORUM_E_PIN_NOT_INITIALIZED, /* the nodes belong to no token yet: kqctl token init */
    QUORUM_E_LOGIN_REQUIRED,      /* quorum_login() first */
    QUORUM_E_UNKNOWN_KEY,         /* not, or no longer, a key of this token */
    QUORUM_E_SIGNATURE,           /* no k of the partial signatures at hand combine to a valid signature */
    QUORUM_E_REFUSED,             /* this token does not do that (Deal=no, AllowSha1=no, unequal custodies, locked keys, no permission …);
                                     the problem says why */
    QUORUM_E_CONFLICT,            /* another client changed the same thing at the same time: try again */
    QUORUM_E_CANCELLED,           /* the progress callback said stop */
    QUORUM_E_MAX,
} QuorumError;

/* What the user of a Quorum wants to hear of. All may be NULL; called in the calling thread. */
typedef struct QuorumHooks {
    void *userdata;
    /* One line for the log; `priority` as syslog's (LOG_WARNING …). */
    void (*log)(void *userdata, int priority, const char *text);
    /* Prime search: candidates tried and expected; non-zero stops it. */
    int (*progress)(void *userdata, uint64_t tried, uint64_t expected);
    /* The next durable step of creation, destruction or change is about to be taken ("prepare 3"): for tests of crashes. */
    void (*step)(void *userdata, const char *name);
} QuorumHooks;

/* Takes over `roster`. Connects to nobody yet. Errors: -ENOMEM. */
int quorum_new(Roster *roster, const QuorumHooks *hooks, Quorum **ret_quorum) _must_check_;
Quorum *quorum_free(Quorum *quorum);
DEFINE_CLEANUP(Quorum, quorum_free)
/* In a forked child: close inherited connections without a word, forget the PIN. Never fails. */
void quorum_forked(Quorum *quorum);
/* As it was given. Addresses and keys of the nodes may be others by now: while the quorum lives, it follows the file the roster was read
 * from, and that of the client's key. What cannot be followed is logged. */
const Roster *quorum_roster(const Quorum *quorum);

/* Close the connections that no call is using. Whoever asks next opens new ones. */
void quorum_disconnect(Quorum *quorum);

/* ---- PIN ----------------------------------------------------------------------------------------------------------- */

#define QUORUM_PIN_TRIES 10 /* wrong ones in a row until a node locks the client: docs/protocol.md */

/* Ask the nodes whether `pin` (secret, 4..255 bytes, not consumed) is right, and remember what is needed to log further connections in.
 * With too few nodes reachable to decide, it is accepted for now: each node checks before it signs. `*ret_decided` (may be NULL) tells.
 * Errors: QUORUM_E_PIN_INCORRECT, _PIN_LOCKED, _PIN_NOT_INITIALIZED; -EINVAL length; -errno. */
int quorum_login(Quorum *quorum, const Secret *pin, bool *ret_decided, Problem *problem) _must_check_;
/* Forget it, and close the connections that were logged in; those of calls under way when their call ends. */
void quorum_logout(Quorum *quorum);
bool quorum_logged_in(const Quorum *quorum);
/* Have the nodes been given a PIN? From the last contact with them; asks them if there was none. */
bool quorum_pin_initialized(Quorum *quorum);
/* How many wrong tries the nodes say are left (the k-th best answer), at the last login; QUORUM_PIN_TRIES if none failed. */
unsigned quorum_pin_tries_left(Quorum *quorum);
/* Change the PIN on at least max(k, n-k+1) nodes or on none. Errors: as quorum_login(); QUORUM_E_TOO_FEW_NODES; QUORUM_E_REFUSED (too many
 * nodes do not permit it). */
int quorum_set_pin(Quorum *quorum, const Secret *old_pin, const Secret *new_pin, Problem *problem) _must_check_;
/* The nodes that the last quorum_set_pin() was not made at, though it succeeded: bit i-1 is node i. `*ret_version`: that of the new PIN. */
uint32_t quorum_pin_missed(Quorum *quorum, uint64_t *ret_version);
/* Give fresh nodes their token and first PIN; with `reset`, replace a forgotten PIN (local callers only; the nodes check). All n nodes must
 * be reachable, unless `reset`: then max(k, n-k+1). Errors: QUORUM_E_TOO_FEW_NODES, QUORUM_E_REFUSED (a node belongs to another token). */
int quorum_init_token(Quorum *quorum, const Secret *pin, bool reset, Problem *problem) _must_check_;

/* ---- Keys ---------------------------------------------------------------------------------------------------------- */

/* The mutable part of a key, as docs/protocol.md "Record". */
typedef struct KeyRecord {
    uint64_t version;
    char *private_label, *public_label; /* UTF-8, at most 255 bytes; never NULL */
    Bytes private_id, public_id;        /* at most 255 bytes */
    bool public_hidden;
    uint64_t created;
    uint64_t not_after; /* 0: no date */
} KeyRecord;

void key_record_clear(KeyRecord *record);
int key_record_copy(const KeyRecord *record, KeyRecord *ret_copy) _must_check_;

/* A key that exists. Immutable and counted: a change makes a new QuorumKey with the same id. */
typedef struct QuorumKey QuorumKey;
QuorumKey *quorum_key_ref(QuorumKey *key);
QuorumKey *quorum_key_unref(QuorumKey *key);
DEFINE_CLEANUP(QuorumKey, quorum_key_unref)
const KeyId *quorum_key_id(const QuorumKey *key);
const Header *quorum_key_header(const QuorumKey *key);
const ThresholdKey *quorum_key_threshold(const QuorumKey *key);
const KeyRecord *quorum_key_record(const QuorumKey *key);
/* Bit i-1: node i reported this key as active. */
uint32_t quorum_key_holders(const QuorumKey *key);

/* The keys that exist, of several generations of one the one that stands for it, newest knowledge first asked for: `*ret_keys` is a
 * malloc'd array of references, in order of key id. Asks the nodes what changed unless they were asked less than `max_age` ago (0: always
 * ask), or too few of them answered a moment ago. Waits at most the roster's connect time-out for their lists and as long again for
 * activations of new keys, longer only while nodes go on showing new keys; and at most the connect time-out for another thread that asks or
 * changes a key. When fewer than k answer, what was known before stays; a key that was known stays while nodes that did not answer may make
 * up its k holders. Never fails for missing nodes: QUORUM_E_TOO_FEW_NODES is returned only if nothing has ever been known. Errors:
 * QUORUM_E_TOO_FEW_NODES, -ENOMEM. */
int quorum_keys(Quorum *quorum, Microseconds max_age, QuorumKey ***ret_keys, size_t *ret_n_keys, Problem *problem) _must_check_;
void quorum_keys_free(QuorumKey **keys, size_t n_keys);

/* What is known of one key now, without asking. NULL if it does not exist. */
QuorumKey *quorum_key_by_id(Quorum *quorum, const KeyId *id);
/* The generation that stands for this key now (docs/protocol.md "Generations"), without asking: `key` itself, or another one with the same
 * public key. NULL if none exists. */
QuorumKey *quorum_key_shown(Quorum *quorum, const QuorumKey *key);

typedef struct GenerateRequest {
    uint8_t algorithm; /* THRESHOLD_RSA, THRESHOLD_ED25519 */
    unsigned bits;
    CustodyKind custody; /* CUSTODY_INVALID: what the roster says of the label, else what the nodes have as default, if they agree */
    unsigned threads;    /* of the prime search; 0: none is created */
    KeyRecord record;    /* labels and ids; version and created are filled in */
} GenerateRequest;

/* Deal and prepare on all n nodes, or have the nodes make the shares among themselves; test with every node, activate. Needs a login and
 * all n nodes; if anything fails before the first activation, the nodes are told to discard. Succeeds when more than min(n-k, k-1) nodes
 * say that they activated it; with fewer, if it may be active all the same, the problem says that 'kqctl sync' finishes it. Errors:
 * QUORUM_E_LOGIN_REQUIRED, _TOO_FEW_NODES, _REFUSED, _SIGNATURE (a node's test signature, or what it sent while the nodes made the key, is
 * wrong), _CONFLICT (another client discarded it), _CANCELLED, -EINVAL, -EPERM (memory cannot be locked), -errno. */
int quorum_generate(Quorum *quorum, const GenerateRequest *request, QuorumKey **ret_key, Problem *problem) _must_check_;

/* Replace label and ids. `record.version` is that of the record which the caller copied and changed; the new version is above all that
 * nodes hold. Needs a login and k nodes that hold the key; nodes that are away learn it from quorum_sync(). Errors:
 * QUORUM_E_LOGIN_REQUIRED, _TOO_FEW_NODES, _UNKNOWN_KEY; _CONFLICT: another record is visible by now, or another client was faster:
 * quorum_key_by_id() has what is visible now, to be changed and tried again. */
int quorum_set_record(Quorum *quorum, const KeyId *id, const KeyRecord *record, Problem *problem) _must_check_;

/* Destroy with n-k+1 tombstones, or touch nothing; other generations of the key that exist go first. Needs a login. Errors:
 * QUORUM_E_LOGIN_REQUIRED, _TOO_FEW_NODES, _UNKNOWN_KEY, _REFUSED (too many nodes do not permit it, or hold the next generation, pending).
 */
int quorum_destroy(Quorum *quorum, const KeyId *id, Problem *problem) _must_check_;

/* Retire a generation of an Ed25519 key (RetireKey) at all nodes, after its successor has its labels and ids, and only if that is active at
 * all n of them. Needs a login. Errors: QUORUM_E_LOGIN_REQUIRED; _TOO_FEW_NODES the successor is not active everywhere, or some node did
 * not do it: quorum_sync() goes on from there; _UNKNOWN_KEY it has no successor. */
int quorum_retire(Quorum *quorum, const KeyId *id, Problem *problem) _must_check_;

/* Have all n nodes make new shares of an Ed25519 key, in place of those that there are: the same public key, in its next generation, with a
 * key id of its own. Operators of k nodes have approved it (kqctl node approve). Then the old generation is retired; whatever happens, the
 * key signs throughout, and quorum_sync() goes on from where it was cut off. Needs a login. Errors: QUORUM_E_LOGIN_REQUIRED; _UNKNOWN_KEY;
 * _REFUSED (an RSA key, a node does not take part); those of quorum_generate() and quorum_retire(). */
int quorum_refresh(Quorum *quorum, const KeyId *id, QuorumKey **ret_key, Problem *problem) _must_check_;
/* Have the share of node `lost` of an Ed25519 key made anew by k others, of which operators of k of those taking part must have approved it
 * at their nodes. Needs a login, node `lost`, and k others at which the key is active. Nobody but node `lost` learns the share. Errors:
 * QUORUM_E_LOGIN_REQUIRED, _TOO_FEW_NODES, _UNKNOWN_KEY, _REFUSED (an RSA key; it has its share; a node does not take part), _SIGNATURE (a
 * node sent something wrong, or too few operators have approved it). */
int quorum_repair(Quorum *quorum, const KeyId *id, unsigned lost, Problem *problem) _must_check_;

/* Sign a digest, with an RSA key: ask the k nodes that will answer first, hedge when one is late, combine, verify, blame. `ret_signature`:
 * threshold_key_signature_size() bytes, written only when it verifies. Takes at most the roster's Timeout. Needs a login. A digest for
 * EMSA-PSS comes with its salt; nodes that are too old for it are passed over. Errors: -EINVAL the key is too small for the encoding, or
 * it signs messages; QUORUM_E_LOGIN_REQUIRED, _TOO_FEW_NODES, _SIGNATURE, _REFUSED (SHA-1; so many nodes have the key locked, or do not
 * permit this client to sign, that the others are too few), _PIN_INCORRECT (accepted for now, but the nodes refuse it). */
int quorum_sign(Quorum *quorum, const QuorumKey *key, const Digest *digest, uint8_t *ret_signature, Problem *problem) _must_check_;
/* Sign a message, with an Ed25519 key: `size` bytes, at most FROST_MESSAGE_SIZE_MAX; `message` may be NULL if there are none. A node that
 * is late, down or lies costs another round with k nodes; all else is as above. Errors: -EINVAL the message is too long, or the key signs
 * digests; the others as above. */
int quorum_sign_message(Quorum *quorum, const QuorumKey *key, const void *message, size_t size, uint8_t *ret_signature, Problem *problem)
    _must_check_;

/* ---- The operator's view ---------------------------------------------------------------------------------------------- */

typedef struct NodeState {
    unsigned index;
    const char *name; /* owned by the roster */
    char *address;
    bool reachable;
    bool refused;    /* it is there, but it or its TLS key, or this client's, was not accepted; then it is not reachable */
    bool pin_locked; /* it has locked this client after too many wrong PINs */
    char *problem;   /* what is wrong with it, in words; NULL: nothing */
    char *own_name;  /* as it calls itself; NULL: it did not say */
    char *version, *custody;
    bool separation, initialized;
    uint8_t sealing_key[HPKE_PUBLIC_KEY_SIZE], identity_key[32];
    uint64_t pin_version, active, pending, unusable, destroyed, signatures, key_quota_used, key_quota_max;
    uint64_t key_bytes_used, key_bytes_max; /* 0: it does not say */
    uint64_t time;                          /* seconds since 1970 by its clock, when it answered; 0: it does not say */
    char *client;                           /* who we are to it; NULL: it does not say, nor what we may do */
    unsigned permissions;                   /* what we may do: bit mask of NodePermission (wire/node-interface.h) */
    Microseconds latency;                   /* of one GetStatus */
} NodeState;

/* Ask every node; n entries. Compares with the roster (token, index, n, k, keys, protocol version): differences are in `problem`. Errors:
 * -ENOMEM; those of tls_identity_read() where this client's own key is at fault. */
int quorum_status(Quorum *quorum, NodeState **ret_states, Problem *problem) _must_check_;
void quorum_status_free(NodeState *states, size_t n);

/* One finding of quorum_sync(): what was found or done, one sentence. `done` false: it is left to the operator. */
typedef void (*SyncReport)(void *userdata, bool done, const char *text);
/* Bring the nodes together after crashes and absences: spread activations that a node proves, the newest records that k nodes hold, and
 * tombstones that n-k+1 nodes hold, retire generations whose successors are active at all nodes; report pending keys without activation
 * (with `discard_pending`: discard them), unfinished destructions, keys that too few nodes hold, stale PIN versions (with `pin`: reset them
 * on the stale nodes, local callers only). Needs a login. Changes nothing twice. Errors: QUORUM_E_LOGIN_REQUIRED, _TOO_FEW_NODES (fewer
 * than k reachable). */
int quorum_sync(Quorum *quorum, bool discard_pending, const Secret *pin, SyncReport report, void *userdata, Problem *problem) _must_check_;
