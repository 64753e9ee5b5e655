#include "node/generations.h"

#include <string.h>

/* The header of a key that is held, if it is one of the same public key. */
static bool is_of(const Key *key, const Bytes *public_key, Header *ret_header)
{
    _cleanup_header_ Header header = {0};

    if (key->stored.destroyed || key->stored.common.size == 0 || header_decode(&key->stored.common, &header, NULL) < 0 ||
        !bytes_equal(&header.public_key, public_key))
        return false;
    *ret_header = header;
    header = (Header){0};
    return true;
}

/* Without decoding the header: whoever asks, asks of every key that is held. */
static bool is_dealt(const Key *key)
{
    const Scheme *scheme = header_scheme(&key->stored.common);

    return scheme && threshold_scheme_has_dealer(scheme);
}

bool generation_of_same_key(const Key *key, const Key *other)
{
    _cleanup_header_ Header header = {0}, held = {0};

    if (key == other)
        return true;
    if (is_dealt(key) || is_dealt(other) || key->stored.common.size == 0 || header_decode(&key->stored.common, &header, NULL) < 0)
        return false;
    return is_of(other, &header.public_key, &held);
}

/* Is none of the same public key pending, besides key `id`? */
static bool none_is_pending(const Keys *keys, const KeyId *id, const Header *header, Outcome *outcome)
{
    for (size_t i = 0; i < keys->n; i++) {
        const Key *key = keys->items[i];
        _cleanup_header_ Header held = {0};

        if (key_state(key) == KEY_PENDING && !key_id_equal(&key->stored.id, id) && is_of(key, &header->public_key, &held))
            return outcome_set(
                outcome, NODE_ERROR_REJECTED,
                "generation %u of this key is here, pending, from a refresh that goes on or was cut off; if it does not go on: "
                "kqctl sync --discard-pending",
                held.generation);
    }
    return true;
}

bool generation_may_go(const Keys *keys, const Key *key, Outcome *outcome)
{
    _cleanup_header_ Header header = {0};

    if (key->stored.common.size == 0 || header_decode(&key->stored.common, &header, NULL) < 0 || !header_has_generations(&header))
        return true;
    return none_is_pending(keys, &key->stored.id, &header, outcome);
}

bool generation_may_come(const Keys *keys, const KeyId *id, const Header *header, Outcome *outcome)
{
    if (!header_has_generations(header))
        return true;
    if (!none_is_pending(keys, id, header, outcome))
        return false;
    for (size_t i = 0; i < keys->n; i++) {
        const Key *key = keys->items[i];
        _cleanup_header_ Header held = {0};

        if (key_id_equal(&key->stored.id, id) || !is_of(key, &header->public_key, &held))
            continue;
        if (held.generation >= header->generation)
            return outcome_set(outcome, NODE_ERROR_REJECTED, "generation %u of this key is here already; this is generation %u",
                               held.generation, header->generation);
    }
    return true;
}

bool generation_is_locked(const Keys *keys, const Header *header)
{
    bool locked = false;

    for (size_t i = 0; i < keys->n && !locked; i++) {
        _cleanup_header_ Header held = {0};

        locked = keys->items[i]->stored.locked && is_of(keys->items[i], &header->public_key, &held);
    }
    return locked;
}

bool generation_is_over(const Keys *keys, const Key *key, Outcome *outcome)
{
    _cleanup_header_ Header header = {0};

    if (key->stored.common.size == 0 || header_decode(&key->stored.common, &header, NULL) < 0)
        return outcome_set(outcome, NODE_ERROR_KEY_UNUSABLE, "%s", key->stored.damage ? key->stored.damage : "its header cannot be read");
    for (size_t i = 0; i < keys->n; i++) {
        _cleanup_header_ Header other = {0};

        if (key_state(keys->items[i]) != KEY_ACTIVE || !is_of(keys->items[i], &header.public_key, &other) ||
            other.generation <= header.generation)
            continue;
        if (key->stored.locked && !keys->items[i]->stored.locked)
            return outcome_set(outcome, NODE_ERROR_REJECTED,
                               "generation %u of this key is locked here, and generation %u is not: lock both with kqctl node lock, or "
                               "unlock generation %u "
                               "for good, with kqctl node unlock",
                               header.generation, other.generation, header.generation);
        return true;
    }
    return outcome_set(outcome, NODE_ERROR_REJECTED, "generation %u of this key is the latest that is active here", header.generation);
}
