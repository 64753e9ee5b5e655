#include <errno.h>
#include <string.h>

#include "ctl/labels.h"
#include "ctl/node-place.h"
#include "ctl/reseal.h"
#include "wire/tls.h"

/* One run of the verb. The keys are those in force, and are changed here before they are on the disk. */
typedef struct Rotation {
    NodePlace place;
    NodeKeys keys;
    int lock;
    bool finish, resumed; /* resumed: an earlier run was cut off while the units were stopped */
    const char *recovery_key_file;
} Rotation;

static void rotation_clear(Rotation *rotation)
{
    node_place_clear(&rotation->place);
    node_keys_clear(&rotation->keys);
    cleanup_close(&rotation->lock);
}

static int print_card(const Rotation *rotation, const uint8_t next_tls_pin[32], Problem *problem)
{
    PublicKeys public;
    int r = recovery_public_keys(&rotation->keys, &public, problem);

    return r < 0 ? r : node_place_print_card(&rotation->place, &public, next_tls_pin, problem);
}

static int write_public(const Rotation *rotation, Problem *problem)
{
    PublicKeys public;
    int r = recovery_public_keys(&rotation->keys, &public, problem);

    return r < 0 ? r : node_place_write_public(&rotation->place, &public, problem);
}

/* Who has the recovery key must have every key that is in force, at every moment: so that is wrapped first. */
static int put_to_use(const Rotation *rotation, NodeKeyKind kind, const Secret *key, Problem *problem)
{
    int r = recovery_renew(rotation->place.directory, rotation->place.config.name, &rotation->keys, problem);

    return r < 0 ? r : node_place_write_key(&rotation->place, kind, false, key, NULL, problem);
}

static int restart(const Rotation *rotation, const char *unit, Problem *problem)
{
    if (rotation->place.installed)
        return instance_restart_unit(&rotation->place.instance, unit, problem);
    fprintf(stderr, "Start %s again, so that it uses the new key.\n", unit);
    return 0;
}

/* ---- Keys that wait beside those in force ---- */

/* The one that was made before a crash, or a new one. */
static int make_next(const Rotation *rotation, NodeKeyKind kind, int (*make)(Secret **ret_key), Secret **ret_key, Problem *problem)
{
    _cleanup_secret_ Secret *key = NULL;
    int r = node_place_read_key(&rotation->place, kind, true, ret_key, problem);

    if (r != -ENOENT)
        return r;
    r = make(&key);
    if (r < 0)
        return problem_set(problem, r, "a key cannot be made: %s", strerror(-r));
    r = node_place_write_key(&rotation->place, kind, true, key, NULL, problem);
    if (r == 0)
        *ret_key = TAKE_PTR(key);
    return r;
}

/* `in_force`: the member of rotation->keys; `unit` uses it. The next key goes last: a run that was cut off does all of this again. */
static int switch_to(Rotation *rotation, NodeKeyKind kind, Secret **in_force, Secret *next, const char *unit, Problem *problem)
{
    secret_free(*in_force);
    *in_force = next;

    int r = put_to_use(rotation, kind, next, problem);

    if (r == 0)
        r = write_public(rotation, problem);
    if (r == 0)
        r = restart(rotation, unit, problem);
    return r == 0 ? node_place_remove_next(&rotation->place, kind, problem) : r;
}

/* ---- TLS ---- */

static int begin_tls(Rotation *rotation, Problem *problem)
{
    _cleanup_secret_ Secret *next = NULL;
    uint8_t pin[TLS_PIN_SIZE];
    int r = make_next(rotation, NODE_KEY_TLS, tls_key_new, &next, problem);

    if (r < 0)
        return r;
    r = tls_key_pin(next, pin);
    if (r < 0)
        return problem_set(problem, r, "the next TLS key cannot be used: %s", strerror(-r));
    r = node_place_write_next_pin(&rotation->place, pin, problem);
    if (r < 0)
        return r;
    fprintf(stderr, "The next TLS key is made; the old one is still in use. Give this card, which has both pins, to 'kqctl roster add "
                    "--replace' on every client; then: kqctl node rotate --tls --finish\n");
    return print_card(rotation, pin, problem);
}

static int finish_tls(Rotation *rotation, Problem *problem)
{
    Secret *next = NULL;
    int r = node_place_read_key(&rotation->place, NODE_KEY_TLS, true, &next, problem);

    if (r == -ENOENT)
        return problem_set(problem, r, "no rotation of the TLS key is under way: 'kqctl node rotate --tls' begins one");
    if (r == 0)
        r = switch_to(rotation, NODE_KEY_TLS, &rotation->keys.tls, next, "keyquorum-gate", problem);
    if (r < 0)
        return r;
    fprintf(stderr,
            "The new TLS key is in use. Give this card, which has its pin alone, to 'kqctl roster add --replace' on every client.\n");
    return print_card(rotation, NULL, problem);
}

static int rotate_tls(Rotation *rotation, Problem *problem)
{
    return rotation->finish ? finish_tls(rotation, problem) : begin_tls(rotation, problem);
}

/* ---- Identity ---- */

static int rotate_identity(Rotation *rotation, Problem *problem)
{
    Secret *next = NULL;
    int r = make_next(rotation, NODE_KEY_IDENTITY, node_keys_new_identity, &next, problem);

    if (r == 0)
        r = switch_to(rotation, NODE_KEY_IDENTITY, &rotation->keys.identity, next, "keyquorum-node", problem);
    if (r < 0)
        return r;
    fprintf(stderr, "The new identity key is in use. Give this card to 'kqctl roster add --replace' on every client, and with the other "
                    "nodes' to 'kqctl node peers' on every node.\n");
    return print_card(rotation, NULL, problem);
}

/* ---- Sealing ---- */

/* New and old, in this order, as the loader tries them. */
static int begin_sealing(Rotation *rotation, Problem *problem)
{
    _cleanup_secret_ Secret *new_key = NULL, *both = NULL;
    uint8_t public[HPKE_PUBLIC_KEY_SIZE];
    int r = write_public(rotation, problem); /* the old one's: where only private keys are, the node cannot read two in a file */

    if (r < 0)
        return r;
    r = hpke_key_new(&new_key, public);
    if (r == 0)
        r = secret_new(2 * HPKE_PRIVATE_KEY_SIZE, &both);
    if (r < 0)
        return problem_set(problem, r, "a sealing key cannot be made: %s", strerror(-r));
    memcpy(secret_data(both), secret_bytes(new_key), HPKE_PRIVATE_KEY_SIZE);
    memcpy(secret_data(both) + HPKE_PRIVATE_KEY_SIZE, secret_bytes(rotation->keys.sealing), HPKE_PRIVATE_KEY_SIZE);
    secret_free(rotation->keys.sealing);
    rotation->keys.sealing = TAKE_PTR(both);
    return put_to_use(rotation, NODE_KEY_SEALING, rotation->keys.sealing, problem);
}

static int seal_shares(const Rotation *rotation, Problem *problem)
{
    _cleanup_close_ int state = -1;
    ResealCount count;
    int r = node_place_lock_state(rotation->place.config.state, &state, problem);

    if (r == 0)
        r = reseal_all(state, rotation->keys.sealing, &count, problem);
    if (r < 0)
        return r;
    fprintf(stderr, "%zu shares are sealed to the new key.\n", count.done + count.already);
    if (count.neither > 0)
        fprintf(stderr, "%zu shares open with neither key, or are damaged, and are left as they were.\n", count.neither);
    return 0;
}

/* The old key goes only when nothing is sealed to it any more; from where the node has it last, since that says whether there is one. */
static int drop_old(Rotation *rotation, Problem *problem)
{
    secret_truncate(rotation->keys.sealing, HPKE_PRIVATE_KEY_SIZE);

    return put_to_use(rotation, NODE_KEY_SEALING, rotation->keys.sealing, problem);
}

static int seal_and_switch(Rotation *rotation, Problem *problem)
{
    int r = seal_shares(rotation, problem);

    if (r == 0)
        r = write_public(rotation, problem);
    if (r == 0 && rotation->finish)
        r = drop_old(rotation, problem);
    return r;
}

static int await_node(const Rotation *rotation, Problem *problem)
{
    PublicKeys public;
    int r = recovery_public_keys(&rotation->keys, &public, problem);

    return r < 0 ? r : instance_await(&rotation->place.instance, public.sealing, problem);
}

static int start(const Rotation *rotation, Problem *problem)
{
    int r = instance_start(&rotation->place.instance, problem);

    return r == 0 ? node_place_remove(&rotation->place, INSTANCE_HALTED, problem) : r;
}

/* Nothing of the node runs while its shares are exchanged; whatever happens there, it runs again afterwards: after a kill, by the next run,
 * which finds the mark. */
static int seal_at_rest(Rotation *rotation, Problem *problem)
{
    if (!rotation->place.installed)
        return seal_and_switch(rotation, problem);

    int r = node_place_write(&rotation->place, INSTANCE_HALTED, "", 0, 0600, problem);

    if (r < 0)
        return r;
    r = instance_halt(&rotation->place.instance, problem);
    if (r == 0)
        r = seal_and_switch(rotation, problem);

    int started = start(rotation, r == 0 ? problem : NULL);

    return r != 0 ? r : started < 0 ? started : await_node(rotation, problem);
}

static int resume(Rotation *rotation, Problem *problem)
{
    char mark[PATH_MAX + sizeof("/" INSTANCE_HALTED)];
    int r;

    (void)snprintf(mark, sizeof(mark), "%s/" INSTANCE_HALTED, rotation->place.directory);
    if (!rotation->place.installed || access(mark, F_OK) < 0)
        return 0;
    fprintf(stderr, "An earlier 'kqctl node rotate' was cut off while the node was stopped: it is started again.\n");
    rotation->resumed = true;
    r = start(rotation, problem);
    return r == 0 ? await_node(rotation, problem) : r;
}

static int report_sealing(const Rotation *rotation, Problem *problem)
{
    fprintf(stderr, "%s\n",
            rotation->finish
                ? "The old sealing key is gone: only shares that are sealed to the new one are taken."
                : "Shares that are sealed to the old key are still taken. Give this card to 'kqctl roster add --replace' on every "
                  "client that makes keys; then: kqctl node rotate --sealing --finish");
    return print_card(rotation, NULL, problem);
}

static int rotate_sealing(Rotation *rotation, Problem *problem)
{
    bool under_way = secret_size(rotation->keys.sealing) == 2 * HPKE_PRIVATE_KEY_SIZE;
    int r = 0;

    if (rotation->finish && !under_way && rotation->resumed) /* what was cut off had dropped the old key already */
        return report_sealing(rotation, problem);
    if (rotation->finish && !under_way)
        return problem_set(problem, -ENOENT, "no rotation of the sealing key is under way: 'kqctl node rotate --sealing' begins one");
    if (!under_way)
        r = begin_sealing(rotation, problem);
    if (r == 0)
        r = seal_at_rest(rotation, problem);
    return r == 0 ? report_sealing(rotation, problem) : r;
}

/* ---- The recovery key ---- */

static int rotate_recovery(Rotation *rotation, Problem *problem)
{
    int r = recovery_begin(rotation->place.directory, rotation->place.config.name, &rotation->keys, rotation->recovery_key_file, problem);

    if (r != 0)
        return r;
    fprintf(stderr, "Backups that are made from now on need this recovery key; those made before, the one before.\n");
    return 0;
}

/* ---- The verb ---- */

typedef struct What {
    OptionId option;
    bool has_finish;
    int (*rotate)(Rotation *rotation, Problem *problem);
} What;

static const What whats[] = {
    {OPTION_TLS, true, rotate_tls},
    {OPTION_IDENTITY, false, rotate_identity},
    {OPTION_SEALING, true, rotate_sealing},
    {OPTION_RECOVERY, false, rotate_recovery},
};

static int find_what(const Call *call, const What **ret_what, Problem *problem)
{
    const What *found = NULL;

    for (size_t i = 0; i < ELEMENTS(whats); i++) {
        if (!call->options[whats[i].option])
            continue;
        if (found)
            return problem_set(problem, CTL_E_USAGE, "one key at a time: --%s or --%s", option_at(found->option)->name,
                               option_at(whats[i].option)->name);
        found = &whats[i];
    }
    if (!found)
        return problem_set(problem, CTL_E_USAGE, "say which key: --tls, --identity, --sealing or --recovery");
    if (call->options[OPTION_FINISH] && !found->has_finish)
        return problem_set(problem, CTL_E_USAGE, "--%s is done at once: it has no --finish", option_at(found->option)->name);
    if (call->options[OPTION_RECOVERY_KEY_FILE] && found->option != OPTION_RECOVERY)
        return problem_set(problem, CTL_E_USAGE, "--recovery-key-file goes with --recovery: every other key is wrapped without it");
    *ret_what = found;
    return 0;
}

int verb_node_rotate(const Call *call, Problem *problem)
{
    _cleanup_(rotation_clear) Rotation rotation = {
        .lock = -1, .finish = call->options[OPTION_FINISH] != NULL, .recovery_key_file = call->options[OPTION_RECOVERY_KEY_FILE]};
    const What *what = NULL;
    int r = find_what(call, &what, problem);

    if (r == 0)
        r = node_place_open(call, &rotation.place, problem);
    if (r == 0)
        r = node_place_lock(&rotation.place, &rotation.lock, problem);
    if (r == 0)
        r = node_place_read_keys(&rotation.place, &rotation.keys, problem);
    if (r == 0)
        r = resume(&rotation, problem);
    if (r != 0)
        return r;
    r = what->rotate(&rotation, problem);
    if (rotation.place.installed)
        labels_restore(rotation.place.directory);
    return r;
}
