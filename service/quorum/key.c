#include "quorum/key.h"

#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "quorum/records.h"

#define ACTIVATION_LABEL "keyquorum activate v1"

struct QuorumKey {
    atomic_uint references;
    KeyCore *core;
    KeyRecord record;
    NodeSet holders;
};

int key_activation_digest(const KeyId *id, Digest *ret_digest)
{
    uint8_t hash[SHA256_SIZE];
    const Bytes parts[] = {
        {(uint8_t *)ACTIVATION_LABEL, strlen(ACTIVATION_LABEL)},
        {(uint8_t *)id->bytes, sizeof(id->bytes)},
    };
    int r = crypto_sha256(parts, ELEMENTS(parts), hash);

    return r < 0 ? r : digest_set(HASH_SHA256, hash, sizeof(hash), ret_digest);
}

static int check_header(const Roster *roster, const KeyId *id, const Bytes *common, Header *ret_header, Problem *problem)
{
    _cleanup_header_ Header header = {0};
    KeyId real;
    int r = header_key_id(common, &real);

    if (r < 0)
        return problem_set(problem, r, "The key id cannot be computed");
    if (!key_id_equal(&real, id))
        return problem_set(problem, -EBADMSG, "It is the header of another key");
    r = header_decode(common, &header, problem);
    if (r < 0)
        return r;
    if (header.parameters.n != roster->n || header.parameters.k != roster->k)
        return problem_set(problem, -ERANGE, "The key is made for %u of %u nodes, the roster says %u of %u", header.parameters.k,
                           header.parameters.n, roster->k, roster->n);
    *ret_header = header;
    header = (Header){0};
    return 0;
}

static int check_activation(const KeyCore *core, const Bytes *activation, Problem *problem)
{
    Digest digest;
    int r = key_activation_digest(&core->id, &digest);

    if (r == 0)
        r = threshold_key_verify(core->threshold, &digest, activation->data, activation->size);
    if (r == THRESHOLD_E_INVALID_SIGNATURE)
        return problem_set(problem, r, "The activation is not valid under the key");
    return r == 0 ? 0 : problem_set(problem, r, "The activation cannot be verified");
}

int key_core_new(const Roster *roster, const KeyId *id, const Bytes *common, const Bytes *activation, KeyCore **ret_core, Problem *problem)
{
    _cleanup_key_core_ KeyCore *core = calloc(1, sizeof(*core));
    int r;

    if (!core)
        return -ENOMEM;
    atomic_init(&core->references, 1);
    core->id = *id;
    r = check_header(roster, id, common, &core->header, problem);
    if (r == 0)
        r = threshold_key_new(&core->header.parameters, &core->header.public_key, &core->header.verification, &core->threshold, problem);
    if (r == 0)
        r = check_activation(core, activation, problem);
    if (r == 0)
        r = bytes_copy(activation->data, activation->size, &core->activation);
    if (r == 0)
        *ret_core = TAKE_PTR(core);
    return r;
}

KeyCore *key_core_ref(KeyCore *core)
{
    atomic_fetch_add_explicit(&core->references, 1, memory_order_relaxed);
    return core;
}

KeyCore *key_core_unref(KeyCore *core)
{
    if (!core || atomic_fetch_sub_explicit(&core->references, 1, memory_order_acq_rel) > 1)
        return NULL;
    threshold_key_free(core->threshold);
    header_clear(&core->header);
    bytes_clear(&core->activation);
    free(core);
    return NULL;
}

int key_new(KeyCore *core, const NodeRecord *record, NodeSet holders, QuorumKey **ret_key)
{
    _cleanup_quorum_key_ QuorumKey *key = calloc(1, sizeof(*key));
    int r;

    if (!key)
        return -ENOMEM;
    atomic_init(&key->references, 1);
    key->core = key_core_ref(core);
    key->holders = holders;
    r = key_record_of(record, &key->record);
    if (r == 0)
        *ret_key = TAKE_PTR(key);
    return r;
}

QuorumKey *quorum_key_ref(QuorumKey *key)
{
    atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
    return key;
}

QuorumKey *quorum_key_unref(QuorumKey *key)
{
    if (!key || atomic_fetch_sub_explicit(&key->references, 1, memory_order_acq_rel) > 1)
        return NULL;
    key_core_unref(key->core);
    key_record_clear(&key->record);
    free(key);
    return NULL;
}

const KeyId *quorum_key_id(const QuorumKey *key)
{
    return &key->core->id;
}

const Header *quorum_key_header(const QuorumKey *key)
{
    return &key->core->header;
}

const ThresholdKey *quorum_key_threshold(const QuorumKey *key)
{
    return key->core->threshold;
}

const KeyRecord *quorum_key_record(const QuorumKey *key)
{
    return &key->record;
}

uint32_t quorum_key_holders(const QuorumKey *key)
{
    return key->holders;
}

KeyCore *key_core(const QuorumKey *key)
{
    return key->core;
}
