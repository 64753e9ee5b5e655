/*
 * org.keyquorum.Node: the contract between client and node, as C structures and their layouts. The same contract in words
 * is docs/protocol.md, in varlink's language org.keyquorum.Node.varlink (a test compares the two).
 *
 * The parameters of every request, reply and error of this interface carry `protocol` = NODE_PROTOCOL, the format version of the
 * message (a FIELD_CONSTANT of every layout; the structures do not hold it). Sizes are in bytes.
 */
#pragma once

#include "wire/message.h"

#define NODE_PROTOCOL     1
#define NODE_INTERFACE    "org.keyquorum.Node"
#define NODE_METHOD(name) NODE_INTERFACE "." name
#define NODE_ERROR(name)  NODE_INTERFACE "." name

#define NODE_TOKEN_SIZE         16 /* the token's random identifier */
#define NODE_KEY_ID_SIZE        32 /* SHA-256 of the common header */
#define NODE_NONCE_SIZE         32 /* login challenge */
#define NODE_VERIFIER_SIZE      32 /* Ed25519 public key derived from the PIN */
#define NODE_ANSWER_SIZE        64 /* Ed25519 signature */
#define NODE_PUBLIC_KEY_SIZE    32 /* X25519 sealing key, Ed25519 identity key */
#define NODE_HEADER_SIZE_MAX    (16 * 1024)
#define NODE_SEALED_SIZE_MAX    (20 * 1024)
#define NODE_SIGNATURE_SIZE_MAX 512
#define NODE_PARTIAL_SIZE_MAX   512
#define NODE_DIGEST_SIZE_MAX    64
#define NODE_MESSAGE_SIZE_MAX   (64 * 1024) /* that Ed25519 signs */
#define NODE_COMMITMENT_SIZE    65          /* index ‖ D ‖ E */
#define NODE_COMMITMENTS_MAX    64          /* handed out at a time */
#define NODE_RUN_SIZE           16          /* what names a run: random */
#define NODE_RUN_MESSAGE_MAX    4096        /* of one node to another, or to all */
#define NODE_RUN_MESSAGES_MAX   16          /* in one step */
#define NODE_SALT_SIZE_MAX      490         /* of EMSA-PSS: RSA-4096 with SHA-1 */
#define NODE_LABEL_SIZE_MAX     255
#define NODE_CKA_ID_SIZE_MAX    255
#define NODE_NAME_SIZE_MAX      32
#define NODE_TEXT_SIZE_MAX      64 /* version, custody, state, revision, hash, encoding */
#define NODE_REASON_SIZE_MAX    2048
#define NODE_INDEX_MAX          16 /* nodes of a token */
#define NODE_TLS_PIN_SIZE       32 /* SHA-256 of a TLS key's SubjectPublicKeyInfo */
#define NODE_TLS_PINS_MAX       2  /* of one client: the second is for a rotation under way */
#define NODE_ADDRESS_SIZE_MAX   128
#define NODE_CLIENTS_MAX        128 /* authorized at one node */
#define NODE_APPROVALS_MAX      16  /* at one node */
#define NODE_LIST_MAX           500 /* entries of one ListKeys reply; fewer when the reply would pass FRAME_SIZE_MAX otherwise */

/* The end of the year 9999, which a date with four digits for the year can say. */
#define NODE_NOT_AFTER_MAX 253402300799

/* The mutable part of a key. Visible to a client: the newest version that at least k nodes hold identically. */
typedef struct NodeRecord {
    uint64_t version; /* from 1; each change is one more; 0 only in entries of destroyed or unreadable keys */
    char *private_label, *public_label;
    Bytes private_id, public_id; /* CKA_ID of the two PKCS#11 objects */
    bool public_hidden;          /* the public object was destroyed on its own */
    uint64_t created;            /* seconds since 1970, by the creating client's clock; for people only */
    uint64_t not_after;          /* seconds since 1970, at most NODE_NOT_AFTER_MAX; 0: no date; for people only */
} NodeRecord;

typedef struct NodeKeyEntry {
    Bytes key;
    char *state; /* "pending", "active", "unusable" (the share cannot be used: reason), "destroyed" (a tombstone) */
    char *reason;
    NodeRecord record;
    bool locked; /* on this node: it signs only while an operator has unlocked it */
} NodeKeyEntry;

typedef struct NodeHelloInput {
    Bytes token;
    uint64_t index; /* the node's, as the client's roster has it */
} NodeHelloInput;

typedef struct NodeHelloOutput {
    char *version;             /* of the software */
    char *name;                /* the node's own */
    char *custody;             /* the instance's default: "kernel" or "keyring" */
    char *revision;            /* changes whenever the answer of ListKeys may change; new at every start */
    uint64_t pin_version;      /* of the PIN verifier in force; from 1 */
    uint64_t next_pin_version; /* of the one prepared beside it; 0: none */
    Bytes nonce;               /* to be answered on this connection, once, with AnswerChallenge */
    bool pin_locked;           /* for this client */
} NodeHelloOutput;

typedef struct NodeStatusOutput {
    char *version, *name, *custody;
    bool separation; /* false: node and loader share a user */
    bool initialized;
    Bytes token; /* empty before InitToken */
    uint64_t index, n, k, pin_version;
    Bytes sealing_key, identity_key;
    uint64_t active, pending, unusable, destroyed; /* keys by state */
    uint64_t signatures;                           /* partial signatures since the start */
    uint64_t key_quota_used, key_quota_max;        /* kernel keys of the user whom shares are charged to */
    uint64_t key_bytes_used, key_bytes_max;        /* and their bytes; 0: unknown */
    uint64_t time;                                 /* seconds since 1970 by the node's clock; for people to compare, nothing else */
    char *client;                                  /* who asks, as the node knows it; NULL: it does not say, nor what may be done */
    List permissions;                              /* NodeText: what the client may do */
} NodeStatusOutput;

typedef struct NodeInitTokenInput {
    Bytes token;
    uint64_t index, n, k;
    Bytes verifier;
    bool reset_pin;       /* the token exists: replace its verifier, forget failures. Local callers only. */
    uint64_t pin_version; /* 1 at first; with resetPin at least the present one */
} NodeInitTokenInput;

typedef struct NodeChallengeInput {
    uint64_t pin_version; /* which verifier the answer is for */
    Bytes answer;
} NodeChallengeInput;

typedef struct NodePinInput {
    uint64_t version; /* the new one: in force + 1 */
    Bytes verifier;   /* PreparePin: required; not part of CommitPin (node_commit_pin_input), then empty */
} NodePinInput;

typedef struct NodeListInput {
    Bytes after;          /* a key id; entries come in ascending order of id; empty: from the start */
    char *known_revision; /* if it is still so, the answer says unchanged and carries nothing */
} NodeListInput;

typedef struct NodeListOutput {
    char *revision;
    bool unchanged;
    bool more; /* ask again with after = the last entry's id */
    List keys; /* NodeKeyEntry */
} NodeListOutput;

typedef struct NodeKeyInput {
    Bytes key;
} NodeKeyInput;

typedef struct NodeGetKeyOutput {
    Bytes header;     /* the common header */
    Bytes activation; /* signature of the activation statement; empty while pending */
} NodeGetKeyOutput;

typedef struct NodePrepareInput {
    Bytes sealed; /* the sealed share, header included */
    NodeRecord record;
} NodePrepareInput;

typedef struct NodeActivateInput {
    Bytes key;
    Bytes activation;
} NodeActivateInput;

typedef struct NodeSetRecordInput {
    Bytes key;
    NodeRecord record;
} NodeSetRecordInput;

typedef struct NodePartialSignInput {
    Bytes key;
    char *hash; /* "sha1", "sha256", "sha384", "sha512" */
    Bytes digest;
    char *encoding; /* "emsa-pkcs1-v1_5", which NULL means too; "emsa-pss" */
    Bytes salt;     /* of EMSA-PSS; may be empty */
} NodePartialSignInput;

typedef struct NodePartialSignOutput {
    Bytes partial;
} NodePartialSignOutput;

/* ---- Ed25519: nonces, and runs of several nodes (generation, refresh, repair) ---- */

typedef struct NodeGetCommitmentsInput {
    Bytes key;
    uint64_t count; /* 1..NODE_COMMITMENTS_MAX */
} NodeGetCommitmentsInput;

/* Also of SignShare, then with the partial signature. */
typedef struct NodeCommitmentsOutput {
    Bytes commitments; /* NODE_COMMITMENT_SIZE each; may be fewer than were asked for */
} NodeCommitmentsOutput;

typedef struct NodeSignShareInput {
    Bytes key;
    Bytes message;     /* may be empty */
    Bytes commitments; /* k of them, ascending by index: this node's among them */
    uint64_t more;     /* so many new ones are to come with the answer; 0: none */
} NodeSignShareInput;

typedef struct NodeSignShareOutput {
    Bytes partial;     /* R ‖ z, 64 bytes */
    Bytes commitments; /* as asked for with `more`, or fewer; may be empty */
} NodeSignShareOutput;

/* A message of a run: in a reply, `index` is the node that it is for, 0 if it is for all; in a request the node that it is from. */
typedef struct NodeRunMessage {
    uint64_t index;
    Bytes message;
} NodeRunMessage;

/* What a run is for: "generate", "refresh", "repair". */
typedef enum NodeRunKind {
    NODE_RUN_GENERATE,
    NODE_RUN_REFRESH,
    NODE_RUN_REPAIR,
    NODE_RUN_KIND_MAX,
} NodeRunKind;

const char *node_run_kind_name(NodeRunKind kind);
/* NODE_RUN_KIND_MAX: there is none of that name. */
NodeRunKind node_run_kind_from_name(const char *name);

typedef struct NodeBeginRunInput {
    char *kind;
    Bytes key;         /* refresh, repair: which; otherwise empty */
    Bytes header;      /* repair: its common header; otherwise empty */
    uint64_t lost;     /* repair: index of the node whose share is made anew; otherwise 0 */
    Bytes helpers;     /* repair: indices of k others, a byte each, ascending; otherwise empty */
    NodeRecord record; /* of what is stored in the end */
} NodeBeginRunInput;

typedef struct NodeBeginRunOutput {
    Bytes run;
    List messages; /* NodeRunMessage */
} NodeBeginRunOutput;

typedef struct NodeContinueRunInput {
    Bytes run;
    List messages; /* NodeRunMessage: one from each other node */
} NodeContinueRunInput;

typedef struct NodeContinueRunOutput {
    List messages; /* NodeRunMessage; empty in the end */
    Bytes header;  /* in the end: the common header of the key whose share is stored here, as pending; otherwise empty */
} NodeContinueRunOutput;

typedef struct NodeRunInput {
    Bytes run;
} NodeRunInput;

/* ---- Clients, permissions, peers, locks ---- */

/* What a client may do, as on the wire; a set of them is a bit mask of (1 << permission). */
typedef enum NodePermission {
    NODE_PERMISSION_LIST,     /* ListKeys, GetKey */
    NODE_PERMISSION_SIGN,     /* PartialSign, GetCommitments, SignShare */
    NODE_PERMISSION_GENERATE, /* PrepareKey, ActivateKey, DiscardKey, SetRecord, runs */
    NODE_PERMISSION_DESTROY,  /* DestroyKey, RetireKey */
    NODE_PERMISSION_ADMIN,    /* PreparePin, CommitPin, InitToken of a fresh node */
    NODE_PERMISSION_MAX,
} NodePermission;

#define NODE_PERMISSIONS_ALL ((1u << NODE_PERMISSION_MAX) - 1)

const char *node_permission_name(NodePermission permission); /* "sign" */
/* NODE_PERMISSION_MAX: there is none of that name. */
NodePermission node_permission_from_name(const char *name);

/* The entry of a list of byte strings, and of a list of strings (FIELD_VALUES). */
typedef struct NodePin {
    Bytes pin;
} NodePin;

typedef struct NodeText {
    char *text;
} NodeText;

typedef struct NodeAnnounceInput {
    char *name;
    Bytes tls_pin; /* that the client proved; empty: the gate does not say */
} NodeAnnounceInput;

typedef struct NodeAuthorizeInput {
    char *name;
    List tls_pins;    /* NodePin */
    List permissions; /* NodeText */
} NodeAuthorizeInput;

typedef struct NodeNameInput {
    char *name;
} NodeNameInput;

typedef struct NodeClientEntry {
    char *name;
    List tls_pins, permissions;
    uint64_t connections; /* open now */
} NodeClientEntry;

typedef struct NodeClientsOutput {
    List clients; /* NodeClientEntry, by name */
} NodeClientsOutput;

/* What another node's card says. */
typedef struct NodePeer {
    char *name;
    uint64_t index;
    char *address;
    Bytes tls_pin; /* empty: its address is of no TLS */
    Bytes sealing_key, identity_key;
} NodePeer;

/* Of SetPeers and ListPeers. */
typedef struct NodePeers {
    List peers; /* NodePeer, by index */
} NodePeers;

typedef struct NodeUnlockInput {
    Bytes key;
    uint64_t seconds; /* 0: no limit of time */
    uint64_t count;   /* 0: no limit of number; not both 0, unless permanently (then both) */
    bool permanently;
} NodeUnlockInput;

/* What an operator approves: one run. Of ApproveRun and WithdrawApproval. */
typedef struct NodeApprovalInput {
    char *kind; /* "refresh", "repair" */
    Bytes key;
    uint64_t lost;      /* repair: index of the node whose share is made anew; otherwise 0 */
    Bytes identity_key; /* repair: of that node, as the operator has seen it; otherwise empty; not part of WithdrawApproval, then empty */
} NodeApprovalInput;

typedef struct NodeApprovalEntry {
    char *kind;
    Bytes key;
    uint64_t lost;
    uint64_t seconds; /* until it expires */
} NodeApprovalEntry;

typedef struct NodeApprovalsOutput {
    List approvals; /* NodeApprovalEntry, in the order in which they were given */
} NodeApprovalsOutput;

/* Parameters of every error of this interface. */
typedef struct NodeErrorDetail {
    char *reason;    /* one sentence for people */
    uint64_t number; /* PinIncorrect: tries left; StaleVersion: the version held; RunFailed: who; else absent */
} NodeErrorDetail;

/* Record fields are required always (labels and ids may be empty). node_no_parameters has nothing but the protocol: its structure has no
 * size and may be NULL in message_build(). PreparePin and CommitPin share the structure NodePinInput. */
extern const Layout node_hello_input, node_hello_output, node_status_output, node_init_token_input, node_challenge_input,
    node_prepare_pin_input, node_commit_pin_input, node_list_input, node_list_output, node_key_input, node_get_key_output,
    node_prepare_input, node_activate_input, node_set_record_input, node_partial_sign_input, node_partial_sign_output, node_error_detail,
    node_record, node_key_entry, node_announce_input, node_authorize_input, node_name_input, node_client_entry, node_clients_output,
    node_peer, node_peers, node_unlock_input, node_get_commitments_input, node_commitments_output, node_sign_share_input,
    node_sign_share_output, node_run_message, node_begin_run_input, node_begin_run_output, node_continue_run_input,
    node_continue_run_output, node_run_input, node_approve_input, node_withdraw_input, node_approval_entry, node_approvals_output,
    node_no_parameters;

/* Every method of the interface with its layouts; ended by a NULL name. */
extern const MethodLayout node_methods[];

typedef enum NodeError {
    NODE_ERROR_NONE,
    NODE_ERROR_HELLO_REQUIRED,      /* the method needs Hello first */
    NODE_ERROR_NOT_INITIALIZED,     /* the node belongs to no token yet */
    NODE_ERROR_ALREADY_INITIALIZED, /* it belongs to one */
    NODE_ERROR_WRONG_TOKEN,         /* another token, index, n or k */
    NODE_ERROR_NOT_LOCAL,           /* only for local callers */
    NODE_ERROR_LOGIN_REQUIRED,
    NODE_ERROR_PIN_INCORRECT,
    NODE_ERROR_PIN_LOCKED,
    NODE_ERROR_UNKNOWN_KEY,
    NODE_ERROR_KEY_EXISTS,
    NODE_ERROR_KEY_DESTROYED,
    NODE_ERROR_KEY_PENDING,  /* it is not active yet */
    NODE_ERROR_KEY_ACTIVE,   /* it is active already and does not revert */
    NODE_ERROR_KEY_UNUSABLE, /* the share cannot be loaded: reason */
    NODE_ERROR_INVALID_ACTIVATION,
    NODE_ERROR_STALE_VERSION,      /* a record or PIN version that is not the next one */
    NODE_ERROR_REJECTED,           /* what was given does not fit: the share of another node, a changed header, another client's pin … */
    NODE_ERROR_UNAVAILABLE,        /* this node cannot now: disk full, key quota, loader away … */
    NODE_ERROR_PERMISSION_DENIED,  /* the client is not permitted to: the reason names the permission */
    NODE_ERROR_KEY_LOCKED,         /* nobody has unlocked it on this node */
    NODE_ERROR_UNKNOWN_CLIENT,     /* no client of that name is authorized */
    NODE_ERROR_UNKNOWN_COMMITMENT, /* the commitment is none of this connection's that is still good: ask for others, and sign again */
    NODE_ERROR_UNKNOWN_RUN,        /* no such run of this client: it is over, or the node has started anew */
    NODE_ERROR_RUN_FAILED, /* a run is over, at this node: what some node sent is wrong; `number` is its index, 0 if nobody is to blame */
    NODE_ERROR_UNKNOWN,    /* none of these: not this interface's */
    NODE_ERROR_MAX,
} NodeError;

/* "org.keyquorum.Node.WrongToken"; and back (NODE_ERROR_NONE for NULL, NODE_ERROR_UNKNOWN for a foreign name). */
const char *node_error_name(NodeError error); /* NULL for NODE_ERROR_NONE and NODE_ERROR_UNKNOWN */
NodeError node_error_from_name(const char *name);

/* The text of org.keyquorum.Node.varlink. */
extern const char node_interface_description[];
