/*
 * Generations: a refresh makes a new key, with an id of its own, that has the same public key and the next generation in its header
 * (docs/protocol.md "Generations"). A node takes part in at most one step forward, and in none backward. With the floor only (crew.h).
 */
#pragma once

#include "node/change.h"
#include "node/keys.h"

/* May a share with this header be stored here? Not if another of the same public key is held that is pending, or of this generation or a
 * later one. false: the outcome says why (Rejected). `id`: the header's key. */
bool generation_may_come(const Keys *keys, const KeyId *id, const Header *header, Outcome *outcome);
/* May this key be destroyed? Not if another of the same public key is pending, which could be brought to life afterwards. false: the
 * outcome says why (Rejected). */
bool generation_may_go(const Keys *keys, const Key *key, Outcome *outcome);
/* Are they one, or generations of one? Damaged and destroyed ones are of none. */
bool generation_of_same_key(const Key *key, const Key *other);
/* Is a key of the same public key locked here? Then its next generation is, too. */
bool generation_is_locked(const Keys *keys, const Header *header);
/* Has it done its part: is a later generation of it active here, and locked if this one is? false: the outcome says what is missing. */
bool generation_is_over(const Keys *keys, const Key *key, Outcome *outcome);
