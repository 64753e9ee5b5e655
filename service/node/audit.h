/*
 * Who signs what. Signatures are summed up: an event per client and key for each minute in which there was one, and at the end. A key with
 * a lock is signed with in a ceremony: each of its signatures is an event with what was signed. With the floor only (crew.h).
 */
#pragma once

#include "node/change.h"
#include "node/keys.h"

typedef struct Audit Audit;

/* `keys` is the table in which it looks for labels. Errors: -ENOMEM, -errno. */
int audit_new(sd_event *event, const Keys *keys, Audit **ret_audit) _must_check_;
/* Without telling what was counted. */
Audit *audit_free(Audit *audit);
DEFINE_CLEANUP(Audit, audit_free)

/* A call for a partial signature has ended so. */
void audit_signature(Audit *audit, const char *client, const Key *key, const Digest *digest, const Outcome *outcome);
/* Tell what was counted since the last time. */
void audit_tell(Audit *audit);
