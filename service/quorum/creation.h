/*
 * The second half of a key's creation, the same for every scheme: the nodes hold their shares as pending (dealt and sent by generate.c, or
 * made among themselves), each of them is tested, the key is activated, and this process knows it. If a test fails, the nodes are told to
 * discard.
 */
#pragma once

#include "quorum/ask.h"

/* A key on its way. */
typedef struct Creation {
    Quorum *quorum;
    Roster *roster; /* with the sealing keys of now */
    NodeSet all;
    KeyId id;
    char id_text[2 * KEY_ID_SIZE + 1];
    Bytes common;
    ThresholdKey *threshold;
    NodeRecord record; /* borrowed from the request */
    NodeSet stored;    /* nodes that hold their share as pending, or may hold it */
    Bytes activation;
} Creation;

/* A key with this common header (taken over) and record (borrowed). Errors: those of header_decode() and threshold_key_new(). */
int creation_begin(Quorum *quorum, Bytes *common, const NodeRecord *record, Creation *ret_creation, Problem *problem) _must_check_;
/* The first record of a new key: what the request says, created now. It is borrowed from there. */
NodeRecord creation_record(const KeyRecord *requested);
void creation_clear(Creation *creation);
#define _cleanup_creation_ _cleanup_(creation_clear)

/* Test with every node, activate, make known; needs a login. When the test fails, the nodes in `stored` are told to discard. Errors: as
 * quorum_generate(). */
int creation_finish(Creation *creation, QuorumKey **ret_key, Problem *problem) _must_check_;
/* Remove what is stored. Nodes that cannot be told keep a pending key, which does no harm; the log and the problem say which. */
void creation_discard(const Creation *creation, Problem *problem);

/* Every node signs the activation statement at least once, and every one's answer is looked at; wrong ones are named.
 * `creation->activation` becomes the signature. Part of creation_finish(). Errors: QUORUM_E_TOO_FEW_NODES, _REFUSED, _SIGNATURE, -errno. */
int creation_test(Creation *creation, Problem *problem) _must_check_;
