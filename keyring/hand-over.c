#include <errno.h>
#include <keyutils.h>
#include <string.h>

#include "base/crypto.h"
#include "keyring/custody.h"
#include "keyring/errors.h"

/* While it is handed over: the possessor, already the node, may view and search; linking and closing are the owner's, the loader's. */
#define PERMISSIONS_HANDING_OVER (KEY_POS_VIEW | KEY_POS_SEARCH | KEY_USR_LINK | KEY_USR_SETATTR)
#define PERMISSIONS_FINAL        (KEY_POS_VIEW | KEY_POS_SEARCH)

/* A key of this process that is not the node's yet. */
typedef struct Candidate {
    KeySerial serial;
    bool handed_over;
} Candidate;

static void candidate_clear(Candidate *candidate)
{
    if (candidate->serial <= 0)
        return;
    if (candidate->handed_over)
        (void)keyctl_unlink(candidate->serial, KEY_SPEC_PROCESS_KEYRING);
    else
        custody_discard(candidate->serial);
}

/* Is the ring's owner whom the separation says? */
static int check_owner(KeySerial ring, Separation separation, Problem *problem)
{
    _cleanup_free_ char *description = NULL;
    unsigned uid;

    if (keyctl_describe_alloc(ring, &description) < 0)
        return errors_explain(errno, "looking at the node's ring", problem);
    if (sscanf(description, "keyring;%u;", &uid) != 1)
        return problem_set(problem, KEYRING_E_FORBIDDEN, "the node's ring (%d) is not a keyring", ring);
    if (separation == SEPARATION_USERS && uid == geteuid())
        return problem_set(problem, KEYRING_E_FORBIDDEN,
                           "node and loader are the same user (%u), but the configuration says that they are separated", uid);
    if (separation == SEPARATION_NONE && uid != geteuid())
        return problem_set(problem, KEYRING_E_FORBIDDEN,
                           "node (user %u) and loader (user %u) are different users, but the configuration says 'no separation'", uid,
                           (unsigned)geteuid());
    return 0;
}

/* The loader may search the ring but not the node's finished keys: a search that matches ends in EACCES, one that does not in ENOKEY. */
static int check_vacant(KeySerial ring, const char *type, const char *description, Problem *problem)
{
    if (keyctl_search(ring, type, CUSTODY_DESCRIPTION_PREFIX "nothing", 0) < 0 && errno != ENOKEY)
        return errors_explain(errno, "searching the node's ring", problem);
    if (keyctl_search(ring, type, description, 0) < 0 && errno != EACCES)
        return 0;
    return problem_set(problem, -EEXIST, "the share is in the node's ring already");
}

static int check_ring(KeySerial ring, Separation separation, const char *type, const char *description, Problem *problem)
{
    int r = check_owner(ring, separation, problem);

    return r != 0 ? r : check_vacant(ring, type, description, problem);
}

typedef struct Oracle {
    KeyringShare *share;
    Problem *problem;
    int result; /* ours: the codes of two modules would otherwise meet in one int */
} Oracle;

static int ask_key(void *userdata, const uint8_t *base, uint8_t *ret_power)
{
    Oracle *oracle = userdata;

    oracle->result = keyring_share_power(oracle->share, base, ret_power, oracle->problem);
    return oracle->result == 0 ? 0 : -ECANCELED;
}

static int verdict(int r, unsigned index, Problem *problem)
{
    if (r == THRESHOLD_E_INVALID_SHARE)
        return problem_set(problem, KEYRING_E_INVALID_SHARE, "the share does not fit the verification value of node %u", index);
    return r == 0 ? 0 : problem_set(problem, r, "the share could not be checked: %s", strerror(-r));
}

static int prove_verification_value(KeyringShare *share, unsigned index, Problem *problem)
{
    Oracle oracle = {.share = share, .problem = problem};
    int r = threshold_key_check_share(share->key, index, ask_key, &oracle);

    if (oracle.result != 0)
        return oracle.result;
    return verdict(r, index, problem);
}

typedef struct Candidacy {
    const ThresholdKey *key;
    unsigned index;
} Candidacy;

static int check_secret(void *userdata, const Secret *share)
{
    const Candidacy *candidacy = userdata;

    return threshold_key_check_secret(candidacy->key, candidacy->index, share);
}

/* Of a share that the node computes with itself: what it will read is right. */
static int prove_secret(KeyringShare *share, unsigned index, Problem *problem)
{
    Candidacy candidacy = {share->key, index};
    bool used;
    int r = keyring_share_use(share, check_secret, &candidacy, &used, problem);

    return used ? verdict(r, index, problem) : r;
}

/* The kernel does not promise what we use it for, so it is asked for a random number's power each time a key is loaded. */
static int prove_random_power(KeyringShare *share, const Secret *secret, Problem *problem)
{
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX], got[THRESHOLD_PARTIAL_SIZE_MAX], expected[THRESHOLD_PARTIAL_SIZE_MAX];
    size_t size = threshold_key_partial_size(share->key);
    int r = crypto_random(base, size);

    base[0] &= 0x7f; /* below the modulus, whose top bit is set */
    if (r == 0)
        r = threshold_key_power(share->key, secret, base, expected);
    if (r < 0)
        return problem_set(problem, r, "the share could not be checked: %s", strerror(-r));
    r = keyring_share_power(share, base, got, problem);
    if (r != 0)
        return r;
    if (memcmp(got, expected, size) != 0)
        return problem_set(problem, KEYRING_E_INVALID_SHARE, "the key in the kernel does not compute the power of the share");
    return 0;
}

static int prove(const Custody *custody, KeySerial serial, unsigned index, const ThresholdKey *key, const Secret *secret, Problem *problem)
{
    _cleanup_(keyring_share_freep) KeyringShare *share = NULL;
    int r = custody_open(custody, serial, key, &share);

    if (r != 0)
        return problem_set(problem, r, "the key cannot be used: %s", strerror(-r));
    if (!threshold_scheme_has_dealer(threshold_key_scheme(key)))
        return prove_secret(share, index, problem);
    r = prove_random_power(share, secret, problem);
    return r != 0 ? r : prove_verification_value(share, index, problem);
}

static int set_permissions(KeySerial serial, uint32_t permissions, Problem *problem)
{
    return keyctl_setperm(serial, permissions) < 0 ? errors_explain(errno, "keyctl(KEYCTL_SETPERM)", problem) : 0;
}

static int hand_over(Candidate *candidate, KeySerial ring, Problem *problem)
{
    if (keyctl_link(candidate->serial, ring) < 0)
        return errors_explain(errno, "linking the key into the node's ring", problem);

    int r = set_permissions(candidate->serial, PERMISSIONS_FINAL, problem);

    candidate->handed_over = r == 0;
    return r;
}

static int add_candidate(const Custody *custody, const char *description, const Secret *payload, Candidate *candidate, Problem *problem)
{
    int r = custody_add(custody, description, payload, &candidate->serial, problem);

    return r != 0 ? r : set_permissions(candidate->serial, PERMISSIONS_HANDING_OVER, problem);
}

static int add_share(const Custody *custody, const char *description, const ThresholdKey *key, const Secret *share, Candidate *candidate,
                     Problem *problem)
{
    _cleanup_secret_ Secret *payload = NULL;
    int r = custody->payload(key, share, &payload);

    if (r == -EINVAL)
        return problem_set(problem, r, "the share has %zu bytes; this key's have %zu", secret_size(share), threshold_key_share_size(key));
    if (r < 0)
        return problem_set(problem, r, "no locked memory for the share: %s", strerror(-r));
    return add_candidate(custody, description, payload, candidate, problem);
}

int keyring_insert(KeySerial ring, Separation separation, CustodyKind kind, const KeyId *id, unsigned index, const ThresholdKey *key,
                   const Secret *share, Problem *problem)
{
    _cleanup_(candidate_clear) Candidate candidate = {0};
    const Custody *custody = custody_row(kind);
    char description[CUSTODY_DESCRIPTION_SIZE];

    if (!custody)
        return problem_set(problem, -EINVAL, "there is no custody %d", (int)kind);
    custody_describe(id, description);

    int r = check_ring(ring, separation, custody->type, description, problem);

    if (r == 0)
        r = add_share(custody, description, key, share, &candidate, problem);
    if (r == 0)
        r = prove(custody, candidate.serial, index, key, share, problem);
    if (r == 0)
        r = hand_over(&candidate, ring, problem);
    return r;
}

/* The link takes the place of one to a key of the same name. */
int keyring_identity_insert(KeySerial ring, Separation separation, const Secret *seed, Problem *problem)
{
    _cleanup_(candidate_clear) Candidate candidate = {0};
    int r = check_owner(ring, separation, problem);

    if (r == 0 && secret_size(seed) != KEYRING_IDENTITY_SIZE)
        r = problem_set(problem, -EINVAL, "the identity key has %zu bytes; it must have %d", secret_size(seed), KEYRING_IDENTITY_SIZE);
    if (r == 0)
        r = add_candidate(custody_row(CUSTODY_KEYRING), CUSTODY_IDENTITY, seed, &candidate, problem);
    if (r == 0)
        r = hand_over(&candidate, ring, problem);
    return r;
}
