/*
 * A key as the client knows it. KeyCore is what never changes: the header, checked against the key id, and the activation, verified; it is
 * shared by all snapshots (QuorumKey) of the key, which add the record and the holders of one moment.
 */
#pragma once

#include <stdatomic.h>

#include "quorum/ask.h"

typedef struct KeyCore {
    atomic_uint references;
    KeyId id;
    Header header;
    ThresholdKey *threshold;
    Bytes activation; /* valid under the key */
    NodeSet told;     /* nodes to which this process has passed the activation; guarded by the catalog */
    NodeSet forbids;  /* nodes that do not permit this client to pass it on; likewise */
} KeyCore;

/* Check everything: the header is the one that `id` names, it fits the roster's n and k, the activation is valid.
 * Errors: -EBADMSG, -EPROTONOSUPPORT the header does not fit; -ERANGE it is of another n or k than the roster;
 * THRESHOLD_E_INVALID_SIGNATURE no valid activation (an empty one included); -ENOMEM, -EIO. The problem says what. */
int key_core_new(const Roster *roster, const KeyId *id, const Bytes *common, const Bytes *activation, KeyCore **ret_core, Problem *problem)
    _must_check_;
KeyCore *key_core_ref(KeyCore *core);
KeyCore *key_core_unref(KeyCore *core);
DEFINE_CLEANUP(KeyCore, key_core_unref)
#define _cleanup_key_core_ _cleanup_(key_core_unrefp)

/* What an activation signs (docs/protocol.md "Activation statement"). Errors: -EIO. */
int key_activation_digest(const KeyId *id, Digest *ret_digest) _must_check_;

/* A snapshot; refers to `core`, copies `record`. Errors: -ENOMEM. */
int key_new(KeyCore *core, const NodeRecord *record, NodeSet holders, QuorumKey **ret_key) _must_check_;
KeyCore *key_core(const QuorumKey *key);
#define _cleanup_quorum_key_ _cleanup_(quorum_key_unrefp)
