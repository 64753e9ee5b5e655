#include "threshold/threshold.h"

#include <errno.h>
#include <string.h>

#include "threshold/frost-scheme.h"
#include "threshold/shoup-rsa.h"

static const Scheme *const schemes[] = {
    &shoup_rsa,
    &frost_scheme,
};

/* ---- The table ---- */

const Scheme *threshold_scheme_by_algorithm(uint8_t algorithm)
{
    for (size_t i = 0; i < ELEMENTS(schemes); i++)
        if (schemes[i]->algorithm == algorithm)
            return schemes[i];
    return NULL;
}

const Scheme *threshold_scheme_by_name(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(schemes); i++)
        if (strcmp(schemes[i]->name, name) == 0)
            return schemes[i];
    return NULL;
}

uint8_t threshold_scheme_algorithm(const Scheme *scheme)
{
    return scheme->algorithm;
}

const char *threshold_scheme_name(const Scheme *scheme)
{
    return scheme->name;
}

const unsigned *threshold_scheme_sizes(const Scheme *scheme)
{
    return scheme->sizes;
}

int threshold_scheme_public_info(const Scheme *scheme, const Bytes *public_key, Bytes *ret_der)
{
    for (const unsigned *size = scheme->sizes; *size != 0; size++)
        if (public_key->size == *size / 8)
            return scheme->public_info(public_key, ret_der);
    return -EBADMSG;
}

bool threshold_scheme_has_dealer(const Scheme *scheme)
{
    return scheme->deal;
}

/* ---- Parameters ---- */

static bool offers_size(const Scheme *scheme, unsigned bits)
{
    for (const unsigned *size = scheme->sizes; *size != 0; size++)
        if (*size == bits)
            return true;
    return false;
}

/* "2048, 3072, 4096" */
static void list_sizes(const Scheme *scheme, char *ret_text, size_t size)
{
    size_t used = 0;

    ret_text[0] = '\0';
    for (const unsigned *bits = scheme->sizes; *bits != 0 && used < size; bits++)
        used += (size_t)snprintf(ret_text + used, size - used, "%s%u", bits == scheme->sizes ? "" : ", ", *bits);
}

int threshold_parameters_check(const ThresholdParameters *parameters, Problem *problem)
{
    const Scheme *scheme = threshold_scheme_by_algorithm(parameters->algorithm);
    unsigned n = parameters->n, k = parameters->k;
    char sizes[64];

    if (!scheme)
        return problem_set(problem, -EINVAL, "the signature scheme number %u is unknown", parameters->algorithm);
    list_sizes(scheme, sizes, sizeof(sizes));
    if (!offers_size(scheme, parameters->bits))
        return problem_set(problem, -EINVAL, "%s keys of %u bits are not offered: choose one of %s", scheme->name, parameters->bits, sizes);
    if (n < 2 || n > THRESHOLD_NODES_MAX)
        return problem_set(problem, -EINVAL, "a key for %u nodes is not possible: choose 2 to %u nodes", n, THRESHOLD_NODES_MAX);
    if (k < 2 || k > n)
        return problem_set(problem, -EINVAL, "a threshold of %u is not possible with %u nodes: choose 2 to %u", k, n, n);
    return 0;
}

/* ---- Dealing ---- */

int threshold_deal(const ThresholdParameters *parameters, const DealOptions *options, Deal *ret_deal, Problem *problem)
{
    int r = threshold_parameters_check(parameters, problem);

    if (r < 0)
        return r;

    const Scheme *scheme = threshold_scheme_by_algorithm(parameters->algorithm);

    if (!scheme->deal)
        return problem_set(problem, -EOPNOTSUPP, "%s keys are not dealt: the nodes make them among themselves", scheme->name);
    return scheme->deal(parameters, options, ret_deal, problem);
}

void threshold_deal_clear(Deal *deal)
{
    bytes_clear(&deal->public_key);
    bytes_clear(&deal->verification);
    for (size_t i = 0; i < ELEMENTS(deal->shares); i++)
        deal->shares[i] = secret_free(deal->shares[i]);
}

/* ---- Keys ---- */

int threshold_key_new(const ThresholdParameters *parameters, const Bytes *public_key, const Bytes *verification, ThresholdKey **ret_key,
                      Problem *problem)
{
    int r = threshold_parameters_check(parameters, problem);

    if (r < 0)
        return r;
    return threshold_scheme_by_algorithm(parameters->algorithm)->key_new(parameters, public_key, verification, ret_key, problem);
}

ThresholdKey *threshold_key_free(ThresholdKey *key)
{
    if (key)
        key->scheme->key_free(key);
    return NULL;
}

const ThresholdParameters *threshold_key_parameters(const ThresholdKey *key)
{
    return &key->parameters;
}

size_t threshold_key_share_size(const ThresholdKey *key)
{
    return key->share_size;
}

size_t threshold_key_partial_size(const ThresholdKey *key)
{
    return key->partial_size;
}

size_t threshold_key_signature_size(const ThresholdKey *key)
{
    return key->signature_size;
}

const Bytes *threshold_key_public(const ThresholdKey *key)
{
    return &key->public_key;
}

const Scheme *threshold_key_scheme(const ThresholdKey *key)
{
    return key->scheme;
}

/* ---- The node's part ---- */

int threshold_key_base(const ThresholdKey *key, const Digest *digest, uint8_t *ret_base)
{
    return key->scheme->base ? key->scheme->base(key, digest, ret_base) : -EOPNOTSUPP;
}

int threshold_key_power(const ThresholdKey *key, const Secret *share, const uint8_t *base, uint8_t *ret_power)
{
    return key->scheme->power ? key->scheme->power(key, share, base, ret_power) : -EOPNOTSUPP;
}

int threshold_key_power_pair(const ThresholdKey *const keys[2], const Secret *const shares[2], const uint8_t *const bases[2],
                             uint8_t *const ret_powers[2])
{
    if (keys[0]->scheme != keys[1]->scheme || keys[0]->parameters.bits != keys[1]->parameters.bits)
        return -EINVAL;
    return keys[0]->scheme->power_pair ? keys[0]->scheme->power_pair(keys, shares, bases, ret_powers) : -EOPNOTSUPP;
}

bool threshold_pair_is_faster(const ThresholdKey *key)
{
    return key->scheme->pair_is_faster && key->scheme->pair_is_faster(key);
}

static bool is_node(const ThresholdKey *key, unsigned index)
{
    return index >= 1 && index <= key->parameters.n;
}

int threshold_key_check_share(const ThresholdKey *key, unsigned index, ThresholdOracle oracle, void *userdata)
{
    if (!key->scheme->check_share)
        return -EOPNOTSUPP;
    return is_node(key, index) ? key->scheme->check_share(key, index, oracle, userdata) : -EINVAL;
}

int threshold_key_check_secret(const ThresholdKey *key, unsigned index, const Secret *share)
{
    if (!key->scheme->check_secret)
        return -EOPNOTSUPP;
    return is_node(key, index) ? key->scheme->check_secret(key, index, share) : -EINVAL;
}

/* ---- Statements ---- */

static const char STATEMENT_LABEL[] = "keyquorum statement v1";

#define STATEMENT_LABEL_SIZE (sizeof(STATEMENT_LABEL) - 1)

_Static_assert(STATEMENT_LABEL_SIZE + DIGEST_SIZE_MAX <= THRESHOLD_STATEMENT_SIZE_MAX, "every digest fits behind the label");

size_t threshold_statement(const Digest *digest, uint8_t ret_message[THRESHOLD_STATEMENT_SIZE_MAX])
{
    memcpy(ret_message, STATEMENT_LABEL, STATEMENT_LABEL_SIZE);
    memcpy(ret_message + STATEMENT_LABEL_SIZE, digest->bytes, digest->size);
    return STATEMENT_LABEL_SIZE + digest->size;
}

bool threshold_is_statement(const void *message, size_t size)
{
    return size >= STATEMENT_LABEL_SIZE && memcmp(message, STATEMENT_LABEL, STATEMENT_LABEL_SIZE) == 0;
}

/* ---- The client's part ---- */

/* The nodes of k partial signatures, one bit each; 0 if one is repeated or is no node of this key. */
static uint32_t nodes_of(const ThresholdKey *key, const Partial *partials)
{
    uint32_t nodes = 0;

    for (unsigned i = 0; i < key->parameters.k; i++) {
        if (!is_node(key, partials[i].index) || (nodes >> partials[i].index & 1))
            return 0;
        nodes |= 1U << partials[i].index;
    }
    return nodes;
}

int threshold_key_combine(const ThresholdKey *key, const Digest *digest, const Partial *partials, uint8_t *ret_signature)
{
    if (!key->scheme->combine)
        return -EOPNOTSUPP;
    return nodes_of(key, partials) != 0 ? key->scheme->combine(key, digest, partials, ret_signature) : -EINVAL;
}

int threshold_key_check_partial(const ThresholdKey *key, const Partial *good, const Partial *candidate)
{
    uint32_t nodes = nodes_of(key, good);

    if (!key->scheme->check_partial)
        return -EOPNOTSUPP;
    if (nodes == 0 || !is_node(key, candidate->index) || (nodes >> candidate->index & 1))
        return -EINVAL;
    return key->scheme->check_partial(key, good, candidate);
}

int threshold_key_verify(const ThresholdKey *key, const Digest *digest, const void *signature, size_t size)
{
    return key->scheme->verify(key, digest, signature, size);
}

int threshold_key_verify_message(const ThresholdKey *key, const void *message, size_t message_size, const void *signature, size_t size)
{
    if (!key->scheme->verify_message)
        return -EOPNOTSUPP;
    return key->scheme->verify_message(key, message, message_size, signature, size);
}
