/*
 * The roster: the one file (INI) that the PKCS#11 module and kqctl read. It says which nodes make up the token and how to reach and
 * recognise them. keyquorum-token.conf(5).
 *
 *   [token]
 *   Label=example            1..32 bytes of UTF-8: the PKCS#11 token label
 *   Id=HEX                   16 bytes: the token's random identifier
 *   Threshold=3              k
 *   Client=signer-1          this client's name; optional, "local" by default
 *   Timeout=10s              the longest a signature may take; optional
 *   ConnectTimeout=2s        the longest a node may take to be connected and say Hello; optional
 *   Deal=yes                 may C_GenerateKeyPair deal RSA keys in the signer's process? optional, yes
 *   AllowSha1=no             sign SHA-1 digests? optional, no
 *   ShowEd25519=yes          may the PKCS#11 module show and make Ed25519 keys? optional, yes
 *   ClientKey=/path          this client's TLS key, for nodes with a tls: address; optional, client-key.pem beside this file
 *   KernelLabels=*-ksk-*     labels of new keys that get kernel custody, with commas between; '*' stands for anything; optional
 *   KeyringLabels=*-zsk-*    and of those that get keyring custody; optional
 *   Log=syslog               where the module logs: syslog, stderr, none; optional
 *
 *   [node alpha]
 *   Index=1
 *   Address=unix:/run/keyquorum/alpha.sock   or tls:192.0.2.11:7853
 *   TlsPin=BASE64            SHA-256 of the node's SPKI, 32 bytes; or two with a comma, while the node changes its TLS key
 *   SealingKey=BASE64        X25519, 32 bytes
 *   IdentityKey=BASE64       Ed25519, 32 bytes
 */
#pragma once

#include <sys/stat.h>

#include "base/clock.h"
#include "base/problem.h"
#include "share/header.h"
#include "share/hpke.h"
#include "threshold/threshold.h"

#define ROSTER_PATH_DEFAULT  "/etc/keyquorum/token.conf"
#define ROSTER_PATH_VARIABLE "KEYQUORUM_CONF"
#define CLIENT_KEY_DEFAULT   "client-key.pem"
#define TOKEN_ID_SIZE        16
#define TOKEN_LABEL_SIZE_MAX 32
#define NODE_NAME_MAX        32
#define PIN_SIZE_MIN         4 /* bytes of UTF-8 */
#define PIN_SIZE_MAX         255

typedef enum LogTarget {
    LOG_TARGET_SYSLOG,
    LOG_TARGET_STDERR,
    LOG_TARGET_NONE,
    LOG_TARGET_MAX,
} LogTarget;

/* What a card says of a node; the roster adds the index. */
typedef struct NodeCard {
    char name[NODE_NAME_MAX + 1]; /* [a-z][a-z0-9_]{0,31} */
    char *address;
    uint8_t tls_pin[32];
    uint8_t next_tls_pin[32]; /* as good as the first, while the node changes its TLS key; zeros: none */
    uint8_t sealing_key[HPKE_PUBLIC_KEY_SIZE];
    uint8_t identity_key[32];
} NodeCard;

typedef struct Roster {
    char label[TOKEN_LABEL_SIZE_MAX + 1];
    char client[NODE_NAME_MAX + 1];
    uint8_t token[TOKEN_ID_SIZE];
    unsigned n, k;
    NodeCard nodes[THRESHOLD_NODES_MAX]; /* nodes[i - 1] has index i */
    Microseconds timeout, connect_timeout;
    char *kernel_labels, *keyring_labels; /* as in the file; NULL: none */
    char *client_key;                     /* an absolute path, or NULL: client-key.pem beside the roster */
    char *path;                           /* of the file it was read from; NULL: none */
    struct stat file;                     /* from just before it was read */
    _Atomic(unsigned) shares;             /* references beside the first: roster_ref() */
    bool deal, allow_sha1, show_ed25519;
    LogTarget log;
} Roster;

/* Read and check a roster; `path` NULL: $KEYQUORUM_CONF (ignored in set-user-ID programs), else the default path. Every mistake is named
 * with file, line and what is wrong: unknown or repeated keys or sections, missing ones, k > n, doubled or missing indices, two nodes with
 * the same address, name or key, bad values. Errors: -errno; -EINVAL, -EBADMSG. */
int roster_read(const char *path, Roster **ret_roster, Problem *problem) _must_check_;
/* One without label, token, threshold and nodes, all else as in a file that says no more; NULL without memory. */
Roster *roster_new(void) _must_check_;
/* One more reference to a roster that nobody changes any more; may be shared by threads. */
Roster *roster_ref(Roster *roster);
/* Release one reference; NULL is fine. */
Roster *roster_free(Roster *roster);
DEFINE_CLEANUP(Roster, roster_free)
/* Write it, whole, atomically. Errors: -errno. */
int roster_write(const char *path, const Roster *roster, Problem *problem) _must_check_;
/* A copy. Errors: -ENOMEM. */
int roster_copy(const Roster *roster, Roster **ret_roster) _must_check_;
/* The file that roster_read(NULL) would read. */
const char *roster_path(void);
/* Where this client's TLS key is: a new string; NULL without memory. */
char *roster_client_key(const Roster *roster) _must_check_;
/* The custody that the roster gives to a new key with this label; CUSTODY_INVALID: it says nothing of it. What both lists match gets the
 * stronger, the kernel's. */
CustodyKind roster_custody(const Roster *roster, const char *label);
/* Is there a node with a tls: address, so that the client's TLS key is needed? */
bool roster_needs_client_key(const Roster *roster);

/*
 * The card of a node: one printable line, to be compared by eye and carried by hand:
 *   keyquorum-node-1 NAME ADDRESS TLSPIN SEALINGKEY IDENTITYKEY CHECK
 * keys in base64 (TLSPIN: one pin or two with a comma, as TlsPin=), CHECK the first 8 hexadecimal digits of the SHA-256 of all before it
 * (without the last space).
 */
#define CARD_SIZE_MAX 512
int card_format(const NodeCard *card, char ret_text[CARD_SIZE_MAX]) _must_check_;
/* Errors: -EINVAL; the problem says what is wrong (a mistyped card: the checksum). The card's address is to be freed with card_clear(). */
int card_parse(const char *text, NodeCard *ret_card, Problem *problem) _must_check_;
void card_clear(NodeCard *card);
/* Short form of all that the card says, for two people to compare: the first 16 bytes of the SHA-256 of what CHECK is of, in 8 groups of 4
 * hexadecimal digits. */
void card_fingerprint(const NodeCard *card, char ret_text[40]);

/*
 * The card of a client, made and checked likewise; `kqctl node authorize` takes it:
 *   keyquorum-client-1 NAME TLSPIN CHECK
 */
#define CLIENT_PINS_MAX 2
typedef struct ClientCard {
    char name[NODE_NAME_MAX + 1]; /* client_card_check_name() */
    uint8_t pins[CLIENT_PINS_MAX][32];
    unsigned n_pins; /* 1, or 2 while the client changes its TLS key */
} ClientCard;

int client_card_format(const ClientCard *card, char ret_text[CARD_SIZE_MAX]) _must_check_;
/* Errors: -EINVAL; the problem says what is wrong. */
int client_card_parse(const char *text, ClientCard *ret_card, Problem *problem) _must_check_;
void client_card_fingerprint(const ClientCard *card, char ret_text[40]);
/* 1 to 32 letters, digits, '.', '_' and '-', the first a letter or digit. Errors: -EINVAL. */
int client_card_check_name(const char *name, Problem *problem) _must_check_;
