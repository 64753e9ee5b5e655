#include "wire/node-interface.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */

/* One row of a layout: the structure's member, its name on the wire, its range. */
#define ROW(type, structure, member, wire, ...) {wire, FIELD_##type, offsetof(structure, member), __VA_ARGS__}
#define PROTOCOL                                {.name = "protocol", .type = FIELD_CONSTANT, .min = NODE_PROTOCOL}
#define LAYOUT(wire, structure, ...)            {wire, sizeof(structure), (const Field[]){__VA_ARGS__, {NULL}}}

#define EXACTLY(size) size, size
#define UP_TO(size)   0, size
#define SOME(size)    1, size
#define TEXT          SOME(NODE_TEXT_SIZE_MAX)
#define ANY           UP_TO(INT64_MAX)
#define FROM_ONE      SOME(INT64_MAX)
#define INDEX         SOME(NODE_INDEX_MAX)
#define NODES         2, NODE_INDEX_MAX
#define OF_RECORD     .of = &node_record
#define OPTIONAL      .optional = true
#define NAME          SOME(NODE_NAME_SIZE_MAX)
#define PINS          SOME(NODE_TLS_PINS_MAX), &pin_layout
#define PERMISSIONS   UP_TO(NODE_PERMISSION_MAX), &text_layout

const Layout node_no_parameters = {"NoParameters", 0, (const Field[]){PROTOCOL, {NULL}}};

static const Layout pin_layout = LAYOUT("pin", NodePin,
    ROW(BYTES, NodePin, pin, "pin", EXACTLY(NODE_TLS_PIN_SIZE)));

static const Layout text_layout = LAYOUT("text", NodeText,
    ROW(STRING, NodeText, text, "text", TEXT));

const Layout node_record = LAYOUT("Record", NodeRecord,
    ROW(UINT,   NodeRecord, version,       "version",      ANY),
    ROW(STRING, NodeRecord, private_label, "privateLabel", UP_TO(NODE_LABEL_SIZE_MAX)),
    ROW(STRING, NodeRecord, public_label,  "publicLabel",  UP_TO(NODE_LABEL_SIZE_MAX)),
    ROW(BYTES,  NodeRecord, private_id,    "privateId",    UP_TO(NODE_CKA_ID_SIZE_MAX)),
    ROW(BYTES,  NodeRecord, public_id,     "publicId",     UP_TO(NODE_CKA_ID_SIZE_MAX)),
    ROW(BOOL,   NodeRecord, public_hidden, "publicHidden"),
    ROW(UINT,   NodeRecord, created,       "created",      ANY),
    ROW(UINT,   NodeRecord, not_after,     "notAfter",     UP_TO(NODE_NOT_AFTER_MAX), OPTIONAL));

const Layout node_key_entry = LAYOUT("KeyEntry", NodeKeyEntry,
    ROW(BYTES,  NodeKeyEntry, key,    "key",    EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(STRING, NodeKeyEntry, state,  "state",  TEXT),
    ROW(STRING, NodeKeyEntry, reason, "reason", UP_TO(NODE_REASON_SIZE_MAX), OPTIONAL),
    ROW(STRUCT, NodeKeyEntry, record, "record", OF_RECORD),
    ROW(BOOL,   NodeKeyEntry, locked, "locked", OPTIONAL));

const Layout node_hello_input = LAYOUT("Hello", NodeHelloInput,
    PROTOCOL,
    ROW(BYTES, NodeHelloInput, token, "token", EXACTLY(NODE_TOKEN_SIZE)),
    ROW(UINT,  NodeHelloInput, index, "index", INDEX));

const Layout node_hello_output = LAYOUT("Hello", NodeHelloOutput,
    PROTOCOL,
    ROW(STRING, NodeHelloOutput, version,          "version",        TEXT),
    ROW(STRING, NodeHelloOutput, name,             "name",           SOME(NODE_NAME_SIZE_MAX)),
    ROW(STRING, NodeHelloOutput, custody,          "custody",        TEXT),
    ROW(STRING, NodeHelloOutput, revision,         "revision",       TEXT),
    ROW(UINT,   NodeHelloOutput, pin_version,      "pinVersion",     FROM_ONE),
    ROW(UINT,   NodeHelloOutput, next_pin_version, "nextPinVersion", FROM_ONE, OPTIONAL),
    ROW(BYTES,  NodeHelloOutput, nonce,            "nonce",          EXACTLY(NODE_NONCE_SIZE)),
    ROW(BOOL,   NodeHelloOutput, pin_locked,       "pinLocked"));

const Layout node_status_output = LAYOUT("GetStatus", NodeStatusOutput,
    PROTOCOL,
    ROW(STRING, NodeStatusOutput, version,        "version",      TEXT),
    ROW(STRING, NodeStatusOutput, name,           "name",         SOME(NODE_NAME_SIZE_MAX)),
    ROW(STRING, NodeStatusOutput, custody,        "custody",      TEXT),
    ROW(BOOL,   NodeStatusOutput, separation,     "separation"),
    ROW(BOOL,   NodeStatusOutput, initialized,    "initialized"),
    ROW(BYTES,  NodeStatusOutput, token,          "token",        EXACTLY(NODE_TOKEN_SIZE), OPTIONAL),
    ROW(UINT,   NodeStatusOutput, index,          "index",        INDEX, OPTIONAL),
    ROW(UINT,   NodeStatusOutput, n,              "n",            NODES, OPTIONAL),
    ROW(UINT,   NodeStatusOutput, k,              "k",            NODES, OPTIONAL),
    ROW(UINT,   NodeStatusOutput, pin_version,    "pinVersion",   FROM_ONE, OPTIONAL),
    ROW(BYTES,  NodeStatusOutput, sealing_key,    "sealingKey",   EXACTLY(NODE_PUBLIC_KEY_SIZE)),
    ROW(BYTES,  NodeStatusOutput, identity_key,   "identityKey",  EXACTLY(NODE_PUBLIC_KEY_SIZE)),
    ROW(UINT,   NodeStatusOutput, active,         "active",       ANY),
    ROW(UINT,   NodeStatusOutput, pending,        "pending",      ANY),
    ROW(UINT,   NodeStatusOutput, unusable,       "unusable",     ANY),
    ROW(UINT,   NodeStatusOutput, destroyed,      "destroyed",    ANY),
    ROW(UINT,   NodeStatusOutput, signatures,     "signatures",   ANY),
    ROW(UINT,   NodeStatusOutput, key_quota_used, "keyQuotaUsed", ANY),
    ROW(UINT,   NodeStatusOutput, key_quota_max,  "keyQuotaMax",  ANY),
    ROW(UINT,   NodeStatusOutput, key_bytes_used, "keyBytesUsed", ANY, OPTIONAL),
    ROW(UINT,   NodeStatusOutput, key_bytes_max,  "keyBytesMax",  ANY, OPTIONAL),
    ROW(UINT,   NodeStatusOutput, time,           "time",         ANY, OPTIONAL),
    ROW(STRING, NodeStatusOutput, client,         "client",       NAME, OPTIONAL),
    ROW(VALUES, NodeStatusOutput, permissions,    "permissions",  PERMISSIONS, OPTIONAL));

const Layout node_init_token_input = LAYOUT("InitToken", NodeInitTokenInput,
    PROTOCOL,
    ROW(BYTES, NodeInitTokenInput, token,       "token",      EXACTLY(NODE_TOKEN_SIZE)),
    ROW(UINT,  NodeInitTokenInput, index,       "index",      INDEX),
    ROW(UINT,  NodeInitTokenInput, n,           "n",          NODES),
    ROW(UINT,  NodeInitTokenInput, k,           "k",          NODES),
    ROW(BYTES, NodeInitTokenInput, verifier,    "verifier",   EXACTLY(NODE_VERIFIER_SIZE)),
    ROW(BOOL,  NodeInitTokenInput, reset_pin,   "resetPin",   OPTIONAL),
    ROW(UINT,  NodeInitTokenInput, pin_version, "pinVersion", FROM_ONE));

const Layout node_challenge_input = LAYOUT("AnswerChallenge", NodeChallengeInput,
    PROTOCOL,
    ROW(UINT,  NodeChallengeInput, pin_version, "pinVersion", FROM_ONE),
    ROW(BYTES, NodeChallengeInput, answer,      "answer",     EXACTLY(NODE_ANSWER_SIZE)));

const Layout node_prepare_pin_input = LAYOUT("PreparePin", NodePinInput,
    PROTOCOL,
    ROW(UINT,  NodePinInput, version,  "version",  FROM_ONE),
    ROW(BYTES, NodePinInput, verifier, "verifier", EXACTLY(NODE_VERIFIER_SIZE)));

const Layout node_commit_pin_input = LAYOUT("CommitPin", NodePinInput,
    PROTOCOL,
    ROW(UINT, NodePinInput, version, "version", FROM_ONE));

const Layout node_list_input = LAYOUT("ListKeys", NodeListInput,
    PROTOCOL,
    ROW(BYTES,  NodeListInput, after,          "after",         EXACTLY(NODE_KEY_ID_SIZE), OPTIONAL),
    ROW(STRING, NodeListInput, known_revision, "knownRevision", TEXT, OPTIONAL));

const Layout node_list_output = LAYOUT("ListKeys", NodeListOutput,
    PROTOCOL,
    ROW(STRING, NodeListOutput, revision,  "revision",  TEXT),
    ROW(BOOL,   NodeListOutput, unchanged, "unchanged", OPTIONAL),
    ROW(BOOL,   NodeListOutput, more,      "more",      OPTIONAL),
    ROW(LIST,   NodeListOutput, keys,      "keys",      UP_TO(NODE_LIST_MAX), &node_key_entry, OPTIONAL));

const Layout node_key_input = LAYOUT("KeyInput", NodeKeyInput,
    PROTOCOL,
    ROW(BYTES, NodeKeyInput, key, "key", EXACTLY(NODE_KEY_ID_SIZE)));

const Layout node_get_key_output = LAYOUT("GetKey", NodeGetKeyOutput,
    PROTOCOL,
    ROW(BYTES, NodeGetKeyOutput, header,     "header",     SOME(NODE_HEADER_SIZE_MAX)),
    ROW(BYTES, NodeGetKeyOutput, activation, "activation", SOME(NODE_SIGNATURE_SIZE_MAX), OPTIONAL));

const Layout node_prepare_input = LAYOUT("PrepareKey", NodePrepareInput,
    PROTOCOL,
    ROW(BYTES,  NodePrepareInput, sealed, "sealed", SOME(NODE_SEALED_SIZE_MAX)),
    ROW(STRUCT, NodePrepareInput, record, "record", OF_RECORD));

const Layout node_activate_input = LAYOUT("ActivateKey", NodeActivateInput,
    PROTOCOL,
    ROW(BYTES, NodeActivateInput, key,        "key",        EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(BYTES, NodeActivateInput, activation, "activation", SOME(NODE_SIGNATURE_SIZE_MAX)));

const Layout node_set_record_input = LAYOUT("SetRecord", NodeSetRecordInput,
    PROTOCOL,
    ROW(BYTES,  NodeSetRecordInput, key,    "key",    EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(STRUCT, NodeSetRecordInput, record, "record", OF_RECORD));

const Layout node_partial_sign_input = LAYOUT("PartialSign", NodePartialSignInput,
    PROTOCOL,
    ROW(BYTES,  NodePartialSignInput, key,      "key",      EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(STRING, NodePartialSignInput, hash,     "hash",     TEXT),
    ROW(BYTES,  NodePartialSignInput, digest,   "digest",   SOME(NODE_DIGEST_SIZE_MAX)),
    ROW(STRING, NodePartialSignInput, encoding, "encoding", TEXT, OPTIONAL),
    ROW(BYTES,  NodePartialSignInput, salt,     "salt",     SOME(NODE_SALT_SIZE_MAX), OPTIONAL));

const Layout node_partial_sign_output = LAYOUT("PartialSign", NodePartialSignOutput,
    PROTOCOL,
    ROW(BYTES, NodePartialSignOutput, partial, "partial", SOME(NODE_PARTIAL_SIZE_MAX)));

const Layout node_get_commitments_input = LAYOUT("GetCommitments", NodeGetCommitmentsInput,
    PROTOCOL,
    ROW(BYTES, NodeGetCommitmentsInput, key,   "key",   EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(UINT,  NodeGetCommitmentsInput, count, "count", SOME(NODE_COMMITMENTS_MAX)));

const Layout node_commitments_output = LAYOUT("GetCommitments", NodeCommitmentsOutput,
    PROTOCOL,
    ROW(BYTES, NodeCommitmentsOutput, commitments, "commitments", SOME(NODE_COMMITMENTS_MAX * NODE_COMMITMENT_SIZE)));

const Layout node_sign_share_input = LAYOUT("SignShare", NodeSignShareInput,
    PROTOCOL,
    ROW(BYTES, NodeSignShareInput, key,         "key",         EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(BYTES, NodeSignShareInput, message,     "message",     UP_TO(NODE_MESSAGE_SIZE_MAX)),
    ROW(BYTES, NodeSignShareInput, commitments, "commitments", SOME(NODE_INDEX_MAX * NODE_COMMITMENT_SIZE)),
    ROW(UINT,  NodeSignShareInput, more,        "more",        UP_TO(NODE_COMMITMENTS_MAX), OPTIONAL));

const Layout node_sign_share_output = LAYOUT("SignShare", NodeSignShareOutput,
    PROTOCOL,
    ROW(BYTES, NodeSignShareOutput, partial,     "partial",     SOME(NODE_PARTIAL_SIZE_MAX)),
    ROW(BYTES, NodeSignShareOutput, commitments, "commitments", SOME(NODE_COMMITMENTS_MAX * NODE_COMMITMENT_SIZE), OPTIONAL));

const Layout node_run_message = LAYOUT("RunMessage", NodeRunMessage,
    ROW(UINT,  NodeRunMessage, index,   "index",   UP_TO(NODE_INDEX_MAX)),
    ROW(BYTES, NodeRunMessage, message, "message", SOME(NODE_RUN_MESSAGE_MAX)));

const Layout node_begin_run_input = LAYOUT("BeginRun", NodeBeginRunInput,
    PROTOCOL,
    ROW(STRING, NodeBeginRunInput, kind,    "kind",    TEXT),
    ROW(BYTES,  NodeBeginRunInput, key,     "key",     EXACTLY(NODE_KEY_ID_SIZE), OPTIONAL),
    ROW(BYTES,  NodeBeginRunInput, header,  "header",  SOME(NODE_HEADER_SIZE_MAX), OPTIONAL),
    ROW(UINT,   NodeBeginRunInput, lost,    "lost",    INDEX, OPTIONAL),
    ROW(BYTES,  NodeBeginRunInput, helpers, "helpers", SOME(NODE_INDEX_MAX), OPTIONAL),
    ROW(STRUCT, NodeBeginRunInput, record,  "record",  OF_RECORD));

const Layout node_begin_run_output = LAYOUT("BeginRun", NodeBeginRunOutput,
    PROTOCOL,
    ROW(BYTES, NodeBeginRunOutput, run,      "run",      EXACTLY(NODE_RUN_SIZE)),
    ROW(LIST,  NodeBeginRunOutput, messages, "messages", SOME(NODE_RUN_MESSAGES_MAX), &node_run_message));

const Layout node_continue_run_input = LAYOUT("ContinueRun", NodeContinueRunInput,
    PROTOCOL,
    ROW(BYTES, NodeContinueRunInput, run,      "run",      EXACTLY(NODE_RUN_SIZE)),
    ROW(LIST,  NodeContinueRunInput, messages, "messages", UP_TO(NODE_RUN_MESSAGES_MAX), &node_run_message));

const Layout node_continue_run_output = LAYOUT("ContinueRun", NodeContinueRunOutput,
    PROTOCOL,
    ROW(LIST,  NodeContinueRunOutput, messages, "messages", UP_TO(NODE_RUN_MESSAGES_MAX), &node_run_message, OPTIONAL),
    ROW(BYTES, NodeContinueRunOutput, header,   "header",   SOME(NODE_HEADER_SIZE_MAX), OPTIONAL));

const Layout node_run_input = LAYOUT("EndRun", NodeRunInput,
    PROTOCOL,
    ROW(BYTES, NodeRunInput, run, "run", EXACTLY(NODE_RUN_SIZE)));

const Layout node_announce_input = LAYOUT("AnnounceClient", NodeAnnounceInput,
    PROTOCOL,
    ROW(STRING, NodeAnnounceInput, name,    "name",   NAME),
    ROW(BYTES,  NodeAnnounceInput, tls_pin, "tlsPin", EXACTLY(NODE_TLS_PIN_SIZE), OPTIONAL));

const Layout node_authorize_input = LAYOUT("AuthorizeClient", NodeAuthorizeInput,
    PROTOCOL,
    ROW(STRING, NodeAuthorizeInput, name,        "name",        NAME),
    ROW(VALUES, NodeAuthorizeInput, tls_pins,    "tlsPins",     PINS),
    ROW(VALUES, NodeAuthorizeInput, permissions, "permissions", PERMISSIONS));

const Layout node_name_input = LAYOUT("NameInput", NodeNameInput,
    PROTOCOL,
    ROW(STRING, NodeNameInput, name, "name", NAME));

const Layout node_client_entry = LAYOUT("ClientEntry", NodeClientEntry,
    ROW(STRING, NodeClientEntry, name,        "name",        NAME),
    ROW(VALUES, NodeClientEntry, tls_pins,    "tlsPins",     PINS),
    ROW(VALUES, NodeClientEntry, permissions, "permissions", PERMISSIONS),
    ROW(UINT,   NodeClientEntry, connections, "connections", ANY));

const Layout node_clients_output = LAYOUT("ListClients", NodeClientsOutput,
    PROTOCOL,
    ROW(LIST, NodeClientsOutput, clients, "clients", UP_TO(NODE_CLIENTS_MAX), &node_client_entry));

const Layout node_peer = LAYOUT("Peer", NodePeer,
    ROW(STRING, NodePeer, name,         "name",        NAME),
    ROW(UINT,   NodePeer, index,        "index",       INDEX),
    ROW(STRING, NodePeer, address,      "address",     SOME(NODE_ADDRESS_SIZE_MAX)),
    ROW(BYTES,  NodePeer, tls_pin,      "tlsPin",      EXACTLY(NODE_TLS_PIN_SIZE), OPTIONAL),
    ROW(BYTES,  NodePeer, sealing_key,  "sealingKey",  EXACTLY(NODE_PUBLIC_KEY_SIZE)),
    ROW(BYTES,  NodePeer, identity_key, "identityKey", EXACTLY(NODE_PUBLIC_KEY_SIZE)));

const Layout node_peers = LAYOUT("Peers", NodePeers,
    PROTOCOL,
    ROW(LIST, NodePeers, peers, "peers", UP_TO(NODE_INDEX_MAX), &node_peer));

const Layout node_unlock_input = LAYOUT("UnlockKey", NodeUnlockInput,
    PROTOCOL,
    ROW(BYTES, NodeUnlockInput, key,         "key",         EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(UINT,  NodeUnlockInput, seconds,     "seconds",     UP_TO(INT32_MAX)),
    ROW(UINT,  NodeUnlockInput, count,       "count",       ANY),
    ROW(BOOL,  NodeUnlockInput, permanently, "permanently", OPTIONAL));

const Layout node_approve_input = LAYOUT("ApproveRun", NodeApprovalInput,
    PROTOCOL,
    ROW(STRING, NodeApprovalInput, kind,         "kind",        TEXT),
    ROW(BYTES,  NodeApprovalInput, key,          "key",         EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(UINT,   NodeApprovalInput, lost,         "lost",        INDEX, OPTIONAL),
    ROW(BYTES,  NodeApprovalInput, identity_key, "identityKey", EXACTLY(NODE_PUBLIC_KEY_SIZE), OPTIONAL));

const Layout node_withdraw_input = LAYOUT("WithdrawApproval", NodeApprovalInput,
    PROTOCOL,
    ROW(STRING, NodeApprovalInput, kind, "kind", TEXT),
    ROW(BYTES,  NodeApprovalInput, key,  "key",  EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(UINT,   NodeApprovalInput, lost, "lost", INDEX, OPTIONAL));

const Layout node_approval_entry = LAYOUT("Approval", NodeApprovalEntry,
    ROW(STRING, NodeApprovalEntry, kind,    "kind",    TEXT),
    ROW(BYTES,  NodeApprovalEntry, key,     "key",     EXACTLY(NODE_KEY_ID_SIZE)),
    ROW(UINT,   NodeApprovalEntry, lost,    "lost",    INDEX, OPTIONAL),
    ROW(UINT,   NodeApprovalEntry, seconds, "seconds", ANY));

const Layout node_approvals_output = LAYOUT("ListApprovals", NodeApprovalsOutput,
    PROTOCOL,
    ROW(LIST, NodeApprovalsOutput, approvals, "approvals", UP_TO(NODE_APPROVALS_MAX), &node_approval_entry));

const Layout node_error_detail = LAYOUT("error", NodeErrorDetail,
    PROTOCOL,
    ROW(STRING, NodeErrorDetail, reason, "reason", UP_TO(NODE_REASON_SIZE_MAX)),
    ROW(UINT,   NodeErrorDetail, number, "number", ANY, OPTIONAL));

const MethodLayout node_methods[] = {
    {"GetStatus",         &node_no_parameters,      &node_status_output},
    {"InitToken",         &node_init_token_input,   &node_no_parameters},
    {"Hello",             &node_hello_input,        &node_hello_output},
    {"AnswerChallenge",   &node_challenge_input,    &node_no_parameters},
    {"PreparePin",        &node_prepare_pin_input,  &node_no_parameters},
    {"CommitPin",         &node_commit_pin_input,   &node_no_parameters},
    {"ListKeys",          &node_list_input,         &node_list_output},
    {"GetKey",            &node_key_input,          &node_get_key_output},
    {"PrepareKey",        &node_prepare_input,      &node_no_parameters},
    {"ActivateKey",       &node_activate_input,     &node_no_parameters},
    {"DiscardKey",        &node_key_input,          &node_no_parameters},
    {"SetRecord",         &node_set_record_input,   &node_no_parameters},
    {"DestroyKey",        &node_key_input,          &node_no_parameters},
    {"RetireKey",         &node_key_input,          &node_no_parameters},
    {"PartialSign",       &node_partial_sign_input, &node_partial_sign_output},
    {"AnnounceClient",    &node_announce_input,     &node_no_parameters},
    {"AuthorizeClient",   &node_authorize_input,    &node_no_parameters},
    {"DeauthorizeClient", &node_name_input,         &node_no_parameters},
    {"ListClients",       &node_no_parameters,      &node_clients_output},
    {"SetPeers",          &node_peers,              &node_no_parameters},
    {"ListPeers",         &node_no_parameters,      &node_peers},
    {"LockKey",           &node_key_input,          &node_no_parameters},
    {"UnlockKey",         &node_unlock_input,       &node_no_parameters},
    {"GetCommitments",    &node_get_commitments_input, &node_commitments_output},
    {"SignShare",         &node_sign_share_input,   &node_sign_share_output},
    {"BeginRun",          &node_begin_run_input,    &node_begin_run_output},
    {"ContinueRun",       &node_continue_run_input, &node_continue_run_output},
    {"EndRun",            &node_run_input,          &node_no_parameters},
    {"ApproveRun",        &node_approve_input,      &node_no_parameters},
    {"WithdrawApproval",  &node_withdraw_input,     &node_no_parameters},
    {"ListApprovals",     &node_no_parameters,      &node_approvals_output},
    {NULL},
};

static const char *const error_names[NODE_ERROR_MAX] = {
    [NODE_ERROR_HELLO_REQUIRED]      = NODE_ERROR("HelloRequired"),
    [NODE_ERROR_NOT_INITIALIZED]     = NODE_ERROR("NotInitialized"),
    [NODE_ERROR_ALREADY_INITIALIZED] = NODE_ERROR("AlreadyInitialized"),
    [NODE_ERROR_WRONG_TOKEN]         = NODE_ERROR("WrongToken"),
    [NODE_ERROR_NOT_LOCAL]           = NODE_ERROR("NotLocal"),
    [NODE_ERROR_LOGIN_REQUIRED]      = NODE_ERROR("LoginRequired"),
    [NODE_ERROR_PIN_INCORRECT]       = NODE_ERROR("PinIncorrect"),
    [NODE_ERROR_PIN_LOCKED]          = NODE_ERROR("PinLocked"),
    [NODE_ERROR_UNKNOWN_KEY]         = NODE_ERROR("UnknownKey"),
    [NODE_ERROR_KEY_EXISTS]          = NODE_ERROR("KeyExists"),
    [NODE_ERROR_KEY_DESTROYED]       = NODE_ERROR("KeyDestroyed"),
    [NODE_ERROR_KEY_PENDING]         = NODE_ERROR("KeyPending"),
    [NODE_ERROR_KEY_ACTIVE]          = NODE_ERROR("KeyActive"),
    [NODE_ERROR_KEY_UNUSABLE]        = NODE_ERROR("KeyUnusable"),
    [NODE_ERROR_INVALID_ACTIVATION]  = NODE_ERROR("InvalidActivation"),
    [NODE_ERROR_STALE_VERSION]       = NODE_ERROR("StaleVersion"),
    [NODE_ERROR_REJECTED]            = NODE_ERROR("Rejected"),
    [NODE_ERROR_UNAVAILABLE]         = NODE_ERROR("Unavailable"),
    [NODE_ERROR_PERMISSION_DENIED]   = NODE_ERROR("PermissionDenied"),
    [NODE_ERROR_KEY_LOCKED]          = NODE_ERROR("KeyLocked"),
    [NODE_ERROR_UNKNOWN_CLIENT]      = NODE_ERROR("UnknownClient"),
    [NODE_ERROR_UNKNOWN_COMMITMENT]  = NODE_ERROR("UnknownCommitment"),
    [NODE_ERROR_UNKNOWN_RUN]         = NODE_ERROR("UnknownRun"),
    [NODE_ERROR_RUN_FAILED]          = NODE_ERROR("RunFailed"),
};

static const char *const permission_names[NODE_PERMISSION_MAX] = {
    [NODE_PERMISSION_LIST]     = "list",
    [NODE_PERMISSION_SIGN]     = "sign",
    [NODE_PERMISSION_GENERATE] = "generate",
    [NODE_PERMISSION_DESTROY]  = "destroy",
    [NODE_PERMISSION_ADMIN]    = "admin",
};

static const char *const run_kind_names[NODE_RUN_KIND_MAX] = {
    [NODE_RUN_GENERATE] = "generate",
    [NODE_RUN_REFRESH]  = "refresh",
    [NODE_RUN_REPAIR]   = "repair",
};

/* clang-format on */

const char *node_run_kind_name(NodeRunKind kind)
{
    return (unsigned)kind < NODE_RUN_KIND_MAX ? run_kind_names[kind] : NULL;
}

NodeRunKind node_run_kind_from_name(const char *name)
{
    NodeRunKind kind = 0;

    while (kind < NODE_RUN_KIND_MAX && strcmp(run_kind_names[kind], name) != 0)
        kind++;
    return kind;
}

const char *node_permission_name(NodePermission permission)
{
    return (unsigned)permission < NODE_PERMISSION_MAX ? permission_names[permission] : NULL;
}

NodePermission node_permission_from_name(const char *name)
{
    NodePermission permission = 0;

    while (permission < NODE_PERMISSION_MAX && strcmp(permission_names[permission], name) != 0)
        permission++;
    return permission;
}

const char *node_error_name(NodeError error)
{
    return (unsigned)error < NODE_ERROR_MAX ? error_names[error] : NULL;
}

NodeError node_error_from_name(const char *name)
{
    if (!name)
        return NODE_ERROR_NONE;
    for (NodeError error = NODE_ERROR_NONE; error < NODE_ERROR_MAX; error++)
        if (error_names[error] && strcmp(error_names[error], name) == 0)
            return error;
    return NODE_ERROR_UNKNOWN;
}
