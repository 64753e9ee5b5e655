#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "ctl/node-place.h"
#include "ctl/recovery-key.h"
#include "ctl/restore-state.h"
#include "ctl/terminal.h"

#define NODE_USER "kq-node"

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
} Restore;

static void restore_clear(Restore *restore)
{
    backup_clear(&restore->backup);
    node_keys_clear(&restore->keys);
    free(restore->config);
    node_place_clear(&restore->place);
    key_ids_clear(&restore->destroyed);
    cleanup_close(&restore->lock);
    cleanup_close(&restore->state_lock);
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

static int make_directory(const char *path, mode_t mode, Problem *problem)
{
    if (mkdir(path, mode) == 0)
        return chmod(path, mode) < 0 ? problem_set(problem, -errno, "%s: %s", path, strerror(errno)) : 0;
    return errno == EEXIST ? 0 : problem_set(problem, -errno, "%s cannot be made: %s", path, strerror(errno));
}

static int place_in_directory(Restore *restore, const NodeConfig *config, Problem *problem)
{
    const char *directory = restore->call->options[OPTION_RESTORE_DIRECTORY];
    char resolved[PATH_MAX];

    if (!directory)
        return problem_set(problem, CTL_E_USAGE, "node %s was made with --no-separation: say with --directory DIR where it goes",
                           restore->backup.name);

    int r = make_directory(directory, 0700, problem);

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
    r = restore->config ? make_directory("/etc/keyquorum", 0755, problem) : problem_set(problem, -ENOMEM, "out of memory");
    if (r == 0)
        r = make_directory(INSTANCE_NODES, 0755, problem);
    if (r == 0)
        r = make_directory(INSTANCE_STATE, 0755, problem);
    return r == 0 ? make_directory(restore->place.directory, 0755, problem) : r;
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
    int r = list ? key_ids_read(list, &restore->destroyed, problem) : 0;

    for (size_t i = 0; r == 0 && i < restore->backup.files.count; i++)
        r = key_ids_add_name(&restore->destroyed, files[i].name);
    return r;
}

/* ---- Writing ---- */

static int write_text(const char *directory_path, const char *name, const void *text, size_t size, mode_t mode, Problem *problem)
{
    _cleanup_close_ int directory = open(directory_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = directory < 0 ? -errno : file_replace(directory, name, text, size, mode);

    if (r == 0 && fchmodat(directory, name, mode, 0) < 0)
        r = -errno;
    return r < 0 ? problem_set(problem, r, "%s/%s cannot be written: %s", directory_path, name, strerror(-r)) : 0;
}

static int write_keys(const Restore *restore, Problem *problem)
{
    const Secret *const keys[NODE_KEY_KIND_MAX] = {restore->keys.sealing, restore->keys.identity, restore->keys.tls};
    const Bytes *recovery = &restore->backup.recovery;
    _cleanup_free_ char *protector = NULL;
    int r = write_text(restore->place.directory, RECOVERY_FILE, recovery->data, recovery->size, 0644, problem);

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
    const Instance *instance = &restore->place.instance;
    const char *listen = restore->backup.listen;

    if (!restore->place.installed || !listen)
        return 0;

    int r = make_directory(instance->drop_in_directory, 0755, problem);

    return r < 0 ? r : write_text(instance->drop_in_directory, strrchr(instance->drop_in, '/') + 1, listen, strlen(listen), 0644, problem);
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
        r = write_text(restore->place.directory, INSTANCE_CONFIG, restore->config, strlen(restore->config), mode, problem);
    if (r == 0)
        r = node_place_remove(&restore->place, INSTANCE_UNFINISHED, problem); /* a node init that was cut off is over now */
    return r == 0 ? restore_state_finish(&restore->state, problem) : r;
}

/* ---- Together ---- */

static void report(const Restore *restore)
{
    const RestoreState *state = &restore->state;

    fprintf(stderr, "Node %s is restored: %zu keys, %zu tombstones.\n", restore->backup.name, state->keys, state->tombstones);
    if (state->refused > 0)
        fprintf(stderr, "%zu keys of the backup were destroyed since, and did not come back.\n", state->refused);
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
    report(&restore);
    return node_place_print_card(&restore.place, &restore.public, NULL, problem);
}
