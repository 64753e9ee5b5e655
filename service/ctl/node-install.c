/* node init of an instance: files, credentials, units, and the node running; or nothing of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "ctl/authorize.h"
#include "ctl/instance.h"
#include "ctl/labels.h"
#include "ctl/lock-file.h"
#include "ctl/node-init.h"
#include "ctl/node-keys.h"
#include "ctl/recovery-key.h"
#include "ctl/recovery.h"
#include "ctl/workshop.h"

#define CONFIGURATIONS "/etc/keyquorum"

typedef struct Install {
    const Call *call;
    const NodePlan *plan;
    Instance instance;
    int nodes, lock; /* the directory of all instances, and the lock of it */
    NodeKeys keys;
    NodeCard card;
    char *protector;
    bool has_client;
    ClientCard client;
    unsigned permissions;
    bool has_recovery_key; /* it is shown already */
    bool begun;            /* there is something to undo */
} Install;

static void install_clear(Install *install)
{
    cleanup_close(&install->nodes);
    cleanup_close(&install->lock);
    node_keys_clear(&install->keys);
    card_clear(&install->card);
    free(install->protector);
}

/* ---- Taking away what is not whole ---- */

static int remove_below(const char *parent, const char *name)
{
    _cleanup_close_ int directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (directory < 0)
        return errno == ENOENT ? 0 : -errno;
    return workshop_remove_tree(directory, name);
}

/* The directory goes last, and at once, by its name: until then the mark in it says that there is something to remove. */
static int remove_directory(const Instance *instance, int nodes)
{
    char aside[sizeof(FILE_TEMPORARY_PREFIX) + NODE_CONFIG_NAME_SIZE_MAX];

    (void)snprintf(aside, sizeof(aside), FILE_TEMPORARY_PREFIX "%s", instance->name);
    if (renameat(nodes, instance->name, nodes, aside) < 0)
        return errno == ENOENT ? 0 : -errno;
    return workshop_remove_tree(nodes, aside);
}

/* The node was never finished: nobody can have given it a share. */
static void undo(const Instance *instance, int nodes)
{
    instance_stop(instance);
    instance_remove_drop_in(instance);
    if (remove_below(INSTANCE_STATE, instance->name) < 0 || remove_directory(instance, nodes) < 0)
        fprintf(stderr, "kqctl: %s and %s could not be removed: remove them before you try again\n", instance->directory, instance->state);
}

static int open_nodes(int *ret_nodes, int *ret_lock, Problem *problem)
{
    _cleanup_close_ int nodes = -1;
    int r;

    if ((mkdir(CONFIGURATIONS, 0755) < 0 && errno != EEXIST) || (mkdir(INSTANCE_NODES, 0755) < 0 && errno != EEXIST))
        return problem_set(problem, -errno, INSTANCE_NODES " cannot be made: %s", strerror(errno));
    nodes = open(INSTANCE_NODES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (nodes < 0)
        return problem_set(problem, -errno, INSTANCE_NODES ": %s", strerror(errno));
    r = lock_file_take(nodes, INSTANCE_NODES, "another 'kqctl node init' is at work on this host: wait for its end", ret_lock, problem);
    if (r == 0)
        *ret_nodes = TAKE_FD(nodes);
    return r;
}

/* Directories that were being filled when something cut that off; under the lock nobody fills any. */
static void remove_workshops(int nodes)
{
    int copy = openat(nodes, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);

    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (strncmp(entry->d_name, FILE_TEMPORARY_PREFIX, strlen(FILE_TEMPORARY_PREFIX)) == 0)
            (void)workshop_remove_tree(nodes, entry->d_name);
    if (directory)
        (void)closedir(directory);
}

static bool is_there(const char *directory, const char *name)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static int clear_unfinished(const Install *install, Problem *problem)
{
    const Instance *instance = &install->instance;

    remove_workshops(install->nodes);
    if (!is_there(instance->directory, INSTANCE_UNFINISHED))
        return 0;
    if (is_there(instance->state, "token.json"))
        return problem_set(problem, -EEXIST,
                           "'kqctl node init' of %s was cut off, and yet the node belongs to a token by now: to keep it, remove %s/%s",
                           instance->name, instance->directory, INSTANCE_UNFINISHED);
    fprintf(stderr, "An earlier 'kqctl node init' of %s was cut off: what it left is removed.\n", instance->name);
    undo(instance, install->nodes);
    return 0;
}

static int check_fresh(const Instance *instance, Problem *problem)
{
    if (access(instance->directory, F_OK) == 0)
        return problem_set(problem, -EEXIST,
                           "node %s exists on this host already: 'kqctl node card --node %s' prints its card; nothing is overwritten",
                           instance->name, instance->name);
    if (access(instance->state, F_OK) == 0)
        return problem_set(problem, -EEXIST,
                           "%s is there already, from an earlier node %s: bring that one back with 'kqctl node restore', or move the "
                           "directory away",
                           instance->state, instance->name);
    return 0;
}

/* ---- Making ---- */

static int prepare(Install *install, Problem *problem)
{
    const Call *call = install->call;
    const char *client = call->options[OPTION_CLIENT_CARD];
    int r = 0;

    install->has_client = client != NULL;
    if (!call->options[OPTION_RECOVERY_KEY] && call->options[OPTION_RECOVERY_KEY_FILE])
        r = problem_set(problem, CTL_E_USAGE, "--recovery-key-file says where the key goes that --recovery-key makes");
    if (r == 0 && !client && call->options[OPTION_ALLOW])
        r = problem_set(problem, CTL_E_USAGE, "--allow says what a client may do: it needs --client CARD");
    if (r == 0 && client && !install->plan->address)
        r = problem_set(problem, CTL_E_USAGE, "--client needs --listen tls:IP:PORT: local callers need no authorization");
    if (r == 0 && client)
        r = authorize_permissions(call, &install->permissions, problem);
    if (r == 0 && install->plan->socket && strcmp(install->plan->socket, install->instance.listen) != 0)
        r = problem_set(problem, CTL_E_USAGE,
                        "--listen '%s': the socket of an installed node %s is %s always; for clients on other hosts, --listen tls:IP:PORT",
                        install->plan->socket, install->plan->name, install->instance.listen);
    if (r == 0)
        r = instance_check_host("node init", problem);
    if (r == 0 && client)
        r = authorize_read_card(client, &install->client, problem);
    if (r == 0 && call->options[OPTION_RECOVERY_KEY])
        r = recovery_key_check(call->options[OPTION_RECOVERY_KEY_FILE], problem);
    return r;
}

static int fill(Install *install, const Workshop *workshop, Problem *problem)
{
    const Call *call = install->call;
    int r = node_keys_write_credentials(&install->keys, workshop->path, workshop->directory, &install->protector, problem);

    if (r == 0)
        r = instance_write_config(&install->instance, workshop->directory, install->plan->address, install->plan->custody, problem);
    if (r == 0 && call->options[OPTION_RECOVERY_KEY])
        r = recovery_begin(workshop->path, install->plan->name, &install->keys, call->options[OPTION_RECOVERY_KEY_FILE], problem);
    install->has_recovery_key = r == 0 && call->options[OPTION_RECOVERY_KEY];
    if (r == 0)
        r = file_create(workshop->directory, INSTANCE_UNFINISHED, "", 0, 0600);
    if (r == 0 && fchmod(workshop->directory, 0755) < 0)
        r = -errno;
    return r != 0 && !*problem->text ? problem_set(problem, r, "%s cannot be filled: %s", workshop->path, strerror(-r)) : r;
}

static int make_directory(Install *install, Problem *problem)
{
    _cleanup_workshop_ Workshop workshop = WORKSHOP_INIT;
    Place place;
    int r = place_find(install->instance.directory, &place, problem);

    if (r == 0)
        r = workshop_open(&place, &workshop, problem);
    if (r == 0)
        r = fill(install, &workshop, problem);
    if (r == 0) {
        install->begun = true;
        r = workshop_finish(&workshop, &place, problem);
    }
    return r;
}

/* ---- Starting ---- */

static int authorize_client(const Install *install, Problem *problem)
{
    _cleanup_local_ LocalNode node = {0};
    int r = install->has_client ? local_open_config(install->instance.config, &node, problem) : 0;

    return install->has_client && r == 0 ? authorize(&node, &install->client, install->permissions, problem) : r;
}

static int label_and_start(const Instance *instance, Problem *problem)
{
    labels_restore(instance->directory);
    return instance_start(instance, problem);
}

static int bring_up(Install *install, Problem *problem)
{
    int r = make_directory(install, problem);

    if (r == 0 && install->plan->bind)
        r = instance_write_drop_in(&install->instance, install->plan->bind, problem);
    if (r == 0)
        r = label_and_start(&install->instance, problem);
    if (r == 0)
        r = instance_await(&install->instance, install->card.sealing_key, problem);
    if (r == 0)
        r = authorize_client(install, problem);
    return r;
}

static int mark_finished(const Install *install, Problem *problem)
{
    _cleanup_close_ int directory = openat(install->nodes, install->plan->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = directory < 0 ? -errno : file_remove(directory, INSTANCE_UNFINISHED);

    return r < 0 ? problem_set(problem, r, "%s/" INSTANCE_UNFINISHED " cannot be removed: %s", install->instance.directory, strerror(-r))
                 : 0;
}

/* Its keys are gone: nobody shall keep it. */
static void take_back_recovery_key(const Install *install)
{
    const char *file = install->call->options[OPTION_RECOVERY_KEY_FILE];

    if (install->has_recovery_key && file)
        (void)unlink(file);
    else if (install->has_recovery_key)
        fprintf(stderr, "kqctl: the recovery key that was shown is of no use: throw it away\n");
}

static int make(Install *install, Problem *problem)
{
    const char *address = install->plan->address ? install->plan->address : install->instance.listen;
    int r = node_keys_new(&install->keys, problem);

    if (r == 0)
        r = node_keys_card(&install->keys, install->plan->name, address, &install->card, problem);
    if (r == 0)
        r = bring_up(install, problem);
    if (r == 0)
        r = mark_finished(install, problem);
    if (r != 0)
        take_back_recovery_key(install);
    if (r != 0 && install->begun) {
        undo(&install->instance, install->nodes);
        return problem_prefix(problem, r, "node %s is not made, and nothing of it is left", install->plan->name);
    }
    return r;
}

int node_install(const Call *call, const NodePlan *plan, Problem *problem)
{
    _cleanup_(install_clear) Install install = {.call = call, .plan = plan, .nodes = -1, .lock = -1};
    int r;

    instance_of(plan->name, &install.instance);
    r = prepare(&install, problem);
    if (r == 0)
        r = open_nodes(&install.nodes, &install.lock, problem);
    if (r == 0)
        r = clear_unfinished(&install, problem);
    if (r == 0)
        r = check_fresh(&install.instance, problem);
    if (r == 0)
        r = make(&install, problem);
    if (r != 0)
        return r;
    fprintf(stderr, "Node %s runs; %s is enabled. Its keys are in %s, sealed to: %s.\n", plan->name, install.instance.target,
            install.instance.directory, install.protector);
    return node_keys_print_card(&install.card, problem);
}
