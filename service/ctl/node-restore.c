#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/text.h"
#include "ctl/labels.h"
#include "ctl/node-place.h"
#include "ctl/recovery-key.h"
#include "ctl/restore-state.h"
#include "ctl/terminal.h"

#define NODE_USER "kq-node"
#define NO_LIST   "none" /* --destroyed: there is nothing to list */

typedef struct Restore {
    const Call *call;
    Backup backup;
    NodeKeys keys;
    PublicKeys public;
    char *config; /* node.conf as it will be */
    NodePlace place;
    KeyIds destroyed;
    int lock, state_lock;
    RestoreState state;
    const char *made[4]; /* directories that were not there */
    size_t n_made;
    bool done;
} Restore;

/* Those that nothing is in. */
static void remove_made(Restore *restore)
{
    node_place_unlock(&restore->place, &restore->lock);
    while (restore->n_made > 0)
        (void)rmdir(restore->made[--restore->n_made]);
}

static void restore_clear(Restore *restore)
{
    backup_clear(&restore->backup);
    node_keys_clear(&restore->keys);
    free(restore->config);
    node_place_clear(&restore->place);
    key_ids_clear(&restore->destroyed);
    cleanup_close(&restore->state_lock);
    if (!restore->done)
        remove_made(restore);
    cleanup_close(&restore->lock);
}

/* ---- The backup and the keys in it ---- */

static int open_backup(Restore *restore, Problem *problem)
{
    _cleanup_secret_ Secret *recovery_key = NULL;
    int r = backup_read(restore->call->arguments[0], &restore->backup, problem);

    if (r == 0)
        r = recovery_key_read(restore->call->options[OPTION_RECOVERY_KEY_FILE], &recovery_key, problem);
    if (r == 0)
        r = recovery_open(&restore->backup.recovery, recovery_key, &restore->keys, problem);
    if (r == 0)
        r = recovery_public_keys(&restore->keys, &restore->public, problem);
    if (r == 0)
        r = backup_verify(&restore->backup, restore->public.identity, problem);
    return r;
}

/* ---- Where it goes ---- */

/* A configuration as text, read as a file is. */
static int read_config(const char *text, NodeConfig *ret_config, Problem *problem)
{
    _cleanup_close_ int fd = memfd_create(INSTANCE_CONFIG, MFD_CLOEXEC);
    size_t size = strlen(text);
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size)
        return problem_set(problem, -EIO, "the configuration in the backup cannot be read: %s", strerror(errno));

    int r = node_config_read(path, ret_config, problem);

    return r < 0 ? problem_prefix(problem, r, "the configuration in the backup") : 0;
}

/* `text` with `to` in every place of `from`. */
static char *replace_all(const char *text, const char *from, const char *to)
{
    _cleanup_free_ char *result = text_copy("");

    for (const char *at; result && (at = strstr(text, from)); text = at + strlen(from)) {
        char *longer = text_format("%s%.*s%s", result, (int)(at - text), text, to);

        free(result);
        result = longer;
    }
    return result ? text_format("%s%s", result, text) : NULL;
}

/* Everything that was below the node's directory is below the new one now. */
static int move_config(Restore *restore, const NodeConfig *config, const char *directory, Problem *problem)
{
    const char *slash = strrchr(config->sealing_key, '/');
    _cleanup_free_ char *from = text_format("%.*s/", (int)(slash - config->sealing_key), config->sealing_key);
    _cleanup_free_ char *to = text_format("%s/", directory);

    restore->config = from && to ? replace_all(restore->backup.config, from, to) : NULL;
    return restore->config ? 0 : problem_set(problem, -ENOMEM, "out of memory");
}

static int make_directory(Restore *restore, const char *path, mode_t mode, Problem *problem)
{
    if (mkdir(path, mode) == 0)
        restore->made[restore->n_made++] = path;
    else if (errno != EEXIST)
        return problem_set(problem, -errno, "%s cannot be made: %s", path, strerror(errno));
    return 0;
}

static int place_in_directory(Restore *restore, const NodeConfig *config, Problem *problem)
{
    const char *directory = restore->call->options[OPTION_RESTORE_DIRECTORY];
    char resolved[PATH_MAX];

    if (!directory)
        return problem_set(problem, CTL_E_USAGE, "node %s was made with --no-separation: say with --directory DIR where it goes",
                           restore->backup.name);

    int r = make_directory(restore, directory, 0700, problem);

    if (r < 0)
        return r;
    if (!realpath(directory, resolved))
        return problem_set(problem, -errno, "%s: %s", directory, strerror(errno));
    node_place_of(restore->backup.name, resolved, &restore->place);
    return move_config(restore, config, resolved, problem);
}

/* Another node's directory is not taken away from it. */
static int check_other(const Restore *restore, Problem *problem)
{
    _cleanup_node_config_ NodeConfig config = {0};

    if (node_config_read(restore->place.config_path, &config, NULL) < 0 || strcmp(config.name, restore->backup.name) == 0)
        return 0;
    return problem_set(problem, -EEXIST, "%s is of node %s: name another directory for node %s", restore->place.directory, config.name,
                       restore->backup.name);
}

static bool lies_below(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    bool named = false;

    if (strncmp(path, directory, size) != 0 || path[size] != '/')
        return false;
    for (path += size; *path; path += size) {
        path += strspn(path, "/");
        size = strcspn(path, "/");
        if ((size == 1 || size == 2) && strncmp(path, "..", size) == 0)
            return false;
        named = named || size > 0;
    }
    return named;
}

/* What is there is replaced: that may be nobody's but the node's. */
static int check_state(const Restore *restore, Problem *problem)
{
    const NodePlace *place = &restore->place;

    if (place->installed || lies_below(place->config.state, place->directory))
        return 0;
    return problem_set(problem, -EINVAL, "the node in the backup has its state in %s, not below its own directory: it cannot be restored",
                       place->config.state);
}

static int find_user(Restore *restore, Problem *problem)
{
    const struct passwd *user = getpwnam(NODE_USER);

    if (!user)
        return problem_set(problem, -ENOENT, "there is no user " NODE_USER " on this host: install Keyquorum first (systemd-sysusers(8))");
    restore->state.user = user->pw_uid;
    restore->state.group = user->pw_gid;
    return 0;
}

static int place_installed(Restore *restore, const NodeConfig *config, Problem *problem)
{
    int r;

    if (restore->call->options[OPTION_RESTORE_DIRECTORY])
        return problem_set(problem, CTL_E_USAGE, "node %s is an installed one, which has its places: --directory is not for it",
                           restore->backup.name);
    r = instance_check_host("node restore", problem);
    if (r == 0)
        r = find_user(restore, problem);
    if (r < 0)
        return r;
    node_place_of(restore->backup.name, NULL, &restore->place);
    if (strcmp(config->state, restore->place.instance.state) != 0)
        return problem_set(problem, -EINVAL, "the node in the backup has its state in %s instead of %s", config->state,
                           restore->place.instance.state);
    restore->config = text_copy(restore->backup.config);
    r = restore->config ? make_directory(restore, "/etc/keyquorum", 0755, problem) : problem_set(problem, -ENOMEM, "out of memory");
    if (r == 0)
        r = make_directory(restore, INSTANCE_NODES, 0755, problem);
    if (r == 0)
        r = make_directory(restore, INSTANCE_STATE, 0755, problem);
    return r == 0 ? make_directory(restore, restore->place.directory, 0755, problem) : r;
}

static int find_place(Restore *restore, Problem *problem)
{
    _cleanup_node_config_ NodeConfig config = {0};
    int r = read_config(restore->backup.config, &config, problem);

    if (r == 0 && strcmp(config.name, restore->backup.name) != 0)
        r = problem_set(problem, -EBADMSG, "the backup is of node %s, but its configuration of %s", restore->backup.name, config.name);
    if (r < 0)
        return r;
    restore->state.separation = config.separation;
    r = config.separation ? place_installed(restore, &config, problem) : place_in_directory(restore, &config, problem);
    if (r == 0)
        r = check_other(restore, problem);
    if (r == 0)
        r = read_config(restore->config, &restore->place.config, problem);
    if (r == 0)
        r = check_state(restore, problem);
    if (r == 0)
        restore->state.path = restore->place.config.state;
    return r == 0 ? node_place_lock(&restore->place, &restore->lock, problem) : r;
}

/* ---- What is there already ---- */

static int confirm(const Restore *restore, Problem *problem)
{
    char warning[PATH_MAX + 256];

    (void)snprintf(
        warning, sizeof(warning),
        "Node %s is on this host already, in %s: its keys are replaced by those of the backup, and its state too (the present one is "
        "kept beside); what was made since the backup is then missing",
        restore->backup.name, restore->state.path);
    return terminal_confirm(restore->call, warning, problem);
}

/* A state without the file 'format' is an empty directory that somebody has made in advance. */
static int look_at_former(Restore *restore, Problem *problem)
{
    int r = node_place_lock_state(restore->state.path, &restore->state_lock, problem);

    if (r == -ENOENT)
        return 0;
    if (r == -EBUSY)
        return problem_prefix(problem, r, "node %s is not restored", restore->backup.name);
    if (r == 0)
        r = key_ids_add_tombstones(restore->state_lock, &restore->destroyed, problem);
    if (r == 0 && faccessat(restore->state_lock, STATE_FORMAT, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        r = confirm(restore, problem);
    return r;
}

/* All who know of destroyed keys. */
static int gather_destroyed(Restore *restore, Problem *problem)
{
    const char *list = restore->call->options[OPTION_DESTROYED_FILE];
    const BackupFile *files = restore->backup.files.items;
    int r = list && strcmp(list, NO_LIST) != 0 ? key_ids_read(list, &restore->destroyed, problem) : 0;

    for (size_t i = 0; r == 0 && i < restore->backup.files.count; i++)
        r = key_ids_add_name(&restore->destroyed, files[i].name);
    return r;
}

/* ---- Writing ---- */

static int write_keys(const Restore *restore, Problem *problem)
{
    const Secret *const keys[NODE_KEY_KIND_MAX] = {restore->keys.sealing, restore->keys.identity, restore->keys.tls};
    const Bytes *recovery = &restore->backup.recovery;
    _cleanup_free_ char *protector = NULL;
    int r = node_place_write(&restore->place, RECOVERY_FILE, recovery->data, recovery->size, 0644, problem);

    for (NodeKeyKind kind = 0; r == 0 && kind < NODE_KEY_KIND_MAX; kind++) {
        r = node_place_write_key(&restore->place, kind, false, keys[kind], kind == 0 ? &protector : NULL, problem);
        if (r == 0)
            r = node_place_remove_next(&restore->place, kind, problem);
    }
    if (r == 0)
        r = node_place_write_public(&restore->place, &restore->public, problem);
    if (r == 0 && protector)
        fprintf(stderr, "The keys are sealed to this host: %s.\n", protector);
    return r;
}

static int write_listen(const Restore *restore, Problem *problem)
{
    const char *listen = restore->backup.listen;

    return restore->place.installed && listen ? instance_write_drop_in(&restore->place.instance, listen, problem) : 0;
}

/* The configuration comes last of what is beside the keys: without it there is no node. */
static int write_all(Restore *restore, Problem *problem)
{
    mode_t mode = restore->place.installed ? 0644 : 0600;
    int r = restore_state_make(&restore->state, problem);

    if (r == 0)
        r = write_keys(restore, problem);
    if (r == 0)
        r = write_listen(restore, problem);
    if (r == 0)
        r = node_place_write(&restore->place, INSTANCE_CONFIG, restore->config, strlen(restore->config), mode, problem);
    if (r == 0)
        r = node_place_remove(&restore->place, INSTANCE_UNFINISHED, problem); /* a node init that was cut off is over now */
    if (r == 0)
        r = node_place_remove(&restore->place, INSTANCE_HALTED, problem); /* and so is a node rotate */
    return r == 0 ? restore_state_finish(&restore->state, problem) : r;
}

/* ---- Together ---- */

static void report(const Restore *restore)
{
    const RestoreState *state = &restore->state;

    fprintf(stderr, "Node %s is restored: %zu keys, %zu tombstones.\n", restore->backup.name, state->keys, state->tombstones);
    if (state->refused > 0)
        fprintf(stderr, "%zu keys of the backup were destroyed since, and did not come back.\n", state->refused);
    if (!restore->call->options[OPTION_DESTROYED_FILE])
        fprintf(stderr,
                "No list of destroyed keys was given: if a key was destroyed since the backup, its share is back on this host. "
                "'kqctl key list --destroyed' on the signer lists such keys, and 'kqctl sync' there destroys their shares again.\n");
    if (*state->replaced)
        fprintf(stderr, "What was there is in %s: remove it when nothing of it is needed.\n", state->replaced);
    fprintf(stderr, "On this host: 'kqctl node clients', since a client that was deauthorized after the backup is back; 'kqctl node "
                    "reset-pin' if the PIN was changed since. On a client: 'kqctl roster check', 'kqctl sync'.\n");
    if (!restore->place.installed)
        fprintf(stderr, "To start the node: keyquorum-node --config %s\n", restore->place.config_path);
}

/* Disabled as well while it is neither the old node nor the new one: a crash must not start that at the next boot. */
static int restore_node(Restore *restore, Problem *problem)
{
    const Instance *instance = restore->place.installed ? &restore->place.instance : NULL;
    int r;

    if (instance)
        instance_stop(instance);
    r = write_all(restore, problem);
    if (r == 0 && instance) {
        cleanup_close(&restore->state_lock);
        restore->state_lock = -1;
        labels_restore(restore->place.directory);
        r = instance_start(instance, problem);
        if (r == 0)
            r = instance_await(instance, restore->public.sealing, problem);
    }
    return r;
}

int verb_node_restore(const Call *call, Problem *problem)
{
    _cleanup_(restore_clear)
        Restore restore = {.call = call, .lock = -1, .state_lock = -1, .state = {.user = (uid_t)-1, .group = (gid_t)-1}};
    int r = open_backup(&restore, problem);

    if (r == 0)
        r = gather_destroyed(&restore, problem);
    if (r == 0)
        r = find_place(&restore, problem);
    if (r == 0)
        r = look_at_former(&restore, problem);
    restore.state.backup = &restore.backup;
    restore.state.destroyed = &restore.destroyed;
    if (r == 0)
        r = restore_node(&restore, problem);
    if (r != 0)
        return r;
    restore.done = true;
    report(&restore);
    r = node_place_print_card(&restore.place, &restore.public, NULL, problem);
    return r == 0 && !call->options[OPTION_DESTROYED_FILE] ? CTL_E_ATTENTION : r;
}
