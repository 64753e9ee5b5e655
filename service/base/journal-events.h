/*
 * What the daemons tell the journal beyond words: the kinds of events, each with a MESSAGE_ID that never changes, and the fields that they
 * carry. Adding one is adding a row here, in journal-events.c, in units/keyquorum.catalog and in keyquorum-journal(7); a test compares.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum JournalField {
    JOURNAL_NODE, /* every entry of a daemon that knows its node has it: journal_set_node() */
    JOURNAL_CLIENT,
    JOURNAL_KEY,   /* the key id, in hexadecimal */
    JOURNAL_LABEL, /* of the key */
    JOURNAL_OPERATION,
    JOURNAL_RESULT,   /* "done", or the name of the error */
    JOURNAL_REASON,   /* of a result that is not "done" */
    JOURNAL_DIGEST,   /* what is signed, in hexadecimal */
    JOURNAL_HASH,     /* its algorithm */
    JOURNAL_ENCODING, /* what is put around it: "emsa-pkcs1-v1_5", "emsa-pss" */
    JOURNAL_COUNT,
    JOURNAL_FAILED, /* how many of COUNT's kind failed */
    JOURNAL_SECONDS,
    JOURNAL_PERMISSIONS,
    JOURNAL_PIN,      /* of a TLS key: SHA-256 of its public key, in base64 as on cards */
    JOURNAL_PEER,     /* network address and port of the other end */
    JOURNAL_REPAIRED, /* of a repair: the node whose share is made anew */
    JOURNAL_FIELD_MAX,
} JournalField;

typedef enum JournalEvent {
    EVENT_LOST,
    EVENT_SELF_CHECK_FAILED,
    EVENT_NODE_STARTED,
    EVENT_NODE_STOPPED,
    EVENT_TOKEN_INITIALISED,
    EVENT_KEY_PREPARED,
    EVENT_KEY_ACTIVATED,
    EVENT_KEY_DISCARDED,
    EVENT_KEY_DESTROYED,
    EVENT_KEY_RETIRED,
    EVENT_KEY_RECORD_CHANGED,
    EVENT_KEY_LOCKED,
    EVENT_KEY_UNLOCKED,
    EVENT_CHANGE_FAILED,
    EVENT_SHARE_LOADED,
    EVENT_SHARE_UNUSABLE,
    EVENT_SHARE_LOAD_FAILED,
    EVENT_CLIENT_AUTHORIZED,
    EVENT_CLIENT_DEAUTHORIZED,
    EVENT_CLIENT_ANNOUNCED,
    EVENT_CLIENT_CONNECTED,
    EVENT_CLIENT_DISCONNECTED,
    EVENT_CLIENT_UNKNOWN,
    EVENT_CONNECTION_REFUSED,
    EVENT_PERMISSION_DENIED,
    EVENT_REPEATED,
    EVENT_PEERS_CHANGED,
    EVENT_APPROVAL_GIVEN,
    EVENT_APPROVAL_WITHDRAWN,
    EVENT_APPROVAL_USED,
    EVENT_RUN_JOINED,
    EVENT_PIN_WRONG,
    EVENT_PIN_LOCKED,
    EVENT_PIN_RESET,
    EVENT_PIN_PREPARED,
    EVENT_PIN_CHANGED,
    EVENT_SIGNATURES,
    EVENT_SIGNATURE,
    EVENT_SIGNATURE_FAILED,
    EVENT_GATE_STARTED,
    EVENT_GATE_STOPPED,
    EVENT_MAX,
} JournalEvent;

/* Bit i: the field i. */
typedef uint32_t JournalFieldSet;

#define JOURNAL_FIELD_BIT(field) ((JournalFieldSet)1 << (field))

typedef struct JournalEventRow {
    const char *name; /* for people: what it is called in keyquorum-journal(7) */
    const char *id;   /* MESSAGE_ID: 32 hexadecimal digits */
    int priority;
    JournalFieldSet fields; /* what it may carry, besides JOURNAL_NODE */
} JournalEventRow;

const JournalEventRow *journal_event_row(JournalEvent event);
/* "KEYQUORUM_KEY" … */
const char *journal_field_name(JournalField field);
