#include "ctl/node-place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "ctl/credentials.h"
#include "ctl/lock-file.h"
#include "wire/tls.h"

#define NEXT_SUFFIX "-next"
#define MOMENT      60 /* seconds */

/* ---- The two stores ---- */

struct KeyStore {
    const char *names[NODE_KEY_KIND_MAX];
    const char *public_names[NODE_KEY_KIND_MAX]; /* NULL: kept nowhere */
    const char *file_suffix;                     /* of the file that a name stands for */
    int (*read)(const char *directory, const char *name, Secret **ret_key, Problem *problem);
    int (*write)(const char *directory, const char *name, const Secret *key, char **ret_protector, Problem *problem);
};

static int read_file(const char *directory, const char *name, Secret **ret_key, Problem *problem)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
        return problem_set(problem, -ENAMETOOLONG, "the path of %s is too long", name);

    int r = file_read_private(path, CREDENTIAL_SIZE_MAX, FILE_OWNER_ONLY, ret_key, problem);

    return r < 0 ? problem_prefix(problem, r, "the key") : 0;
}

static int put_file(const char *directory_path, const char *name, const void *content, size_t size, mode_t mode, Problem *problem)
{
    _cleanup_close_ int directory = open(directory_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = directory < 0 ? -errno : file_replace(directory, name, content, size, mode);

    return r < 0 ? problem_set(problem, r, "%s/%s cannot be written: %s", directory_path, name, strerror(-r)) : 0;
}

static int write_file(const char *directory, const char *name, const Secret *key, char **ret_protector, Problem *problem)
{
    int r = put_file(directory, name, secret_declassify(key), secret_size(key), 0600, problem); /* a plain file is what was asked for */

    if (r == 0 && ret_protector)
        *ret_protector = NULL;
    return r;
}

static const KeyStore files = {
    {NODE_KEYS_SEALING, NODE_KEYS_IDENTITY, NODE_KEYS_TLS},
    {NODE_KEYS_SEALING ".pub", NODE_KEYS_IDENTITY ".pub", NULL},
    "",
    read_file,
    write_file,
};

static const KeyStore credentials = {
    {INSTANCE_SEALING, INSTANCE_IDENTITY, INSTANCE_TLS},
    {INSTANCE_SEALING_PUB, INSTANCE_IDENTITY_PUB, INSTANCE_TLS_PIN},
    CREDENTIAL_SUFFIX,
    credential_read,
    credential_write,
};

/* ---- Where ---- */

void node_place_clear(NodePlace *place)
{
    node_config_clear(&place->config);
}

static void parent_of(const char *path, char ret_directory[PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    (void)snprintf(ret_directory, PATH_MAX, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

/* One that was made by hand may have its keys anywhere; to put others in their place would be to guess. */
static int check_files(const NodePlace *place, Problem *problem)
{
    const char *const paths[] = {place->config.sealing_key, place->config.identity_key};

    for (NodeKeyKind kind = NODE_KEY_SEALING; kind <= NODE_KEY_IDENTITY; kind++) {
        char directory[PATH_MAX];
        const char *slash = paths[kind] ? strrchr(paths[kind], '/') : NULL;

        if (slash)
            parent_of(paths[kind], directory);
        if (!slash || strcmp(slash + 1, files.names[kind]) != 0 || strcmp(directory, place->directory) != 0)
            return problem_set(problem, -EINVAL, "the configuration names other keys than %s/%s, which 'kqctl node init' makes",
                               place->directory, files.names[kind]);
    }
    return 0;
}

/* Absolute, as the configuration's own paths are. */
static int find_directory(NodePlace *place, Problem *problem)
{
    char resolved[PATH_MAX];

    if (!realpath(place->config_path, resolved))
        return problem_set(problem, -errno, "%s: %s", place->config_path, strerror(errno));
    (void)snprintf(place->config_path, sizeof(place->config_path), "%s", resolved);
    parent_of(resolved, place->directory);
    return 0;
}

int node_place_open_config(const char *config_path, NodePlace *ret_place, Problem *problem)
{
    _cleanup_node_place_ NodePlace place = {0};
    int r = node_config_read(config_path, &place.config, problem);

    if (r < 0)
        return r;
    (void)snprintf(place.config_path, sizeof(place.config_path), "%s", config_path);
    r = find_directory(&place, problem);
    place.installed = instance_from_config(place.config_path, &place.instance);
    place.store = place.config.separation ? &credentials : &files;
    if (r == 0 && place.config.separation && !place.installed)
        r = problem_set(problem, -EINVAL, "%s is not of an installed node, whose configuration is below " INSTANCE_NODES, config_path);
    if (r == 0 && !place.config.separation)
        r = check_files(&place, problem);
    if (r == 0) {
        *ret_place = place;
        place.config = (NodeConfig){0};
    }
    return r;
}

int node_place_open(const Call *call, NodePlace *ret_place, Problem *problem)
{
    char path[PATH_MAX];
    int r = instance_config_path(call, path, problem);

    return r != 0 ? r : node_place_open_config(path, ret_place, problem);
}

void node_place_of(const char *name, const char *directory, NodePlace *ret_place)
{
    NodePlace *place = ret_place;

    *place = (NodePlace){.installed = !directory, .store = directory ? &files : &credentials};
    if (place->installed)
        instance_of(name, &place->instance);
    (void)snprintf(place->directory, sizeof(place->directory), "%s", directory ? directory : place->instance.directory);
    (void)snprintf(place->config_path, sizeof(place->config_path), "%.*s/" INSTANCE_CONFIG, PATH_MAX - (int)sizeof("/" INSTANCE_CONFIG),
                   place->directory);
}

/* ---- Keys ---- */

static void key_name(const NodePlace *place, NodeKeyKind kind, bool next, char ret_name[NAME_MAX])
{
    (void)snprintf(ret_name, NAME_MAX, "%s%s", place->store->names[kind], next ? NEXT_SUFFIX : "");
}

int node_place_read_key(const NodePlace *place, NodeKeyKind kind, bool next, Secret **ret_key, Problem *problem)
{
    char name[NAME_MAX];

    key_name(place, kind, next, name);
    return place->store->read(place->directory, name, ret_key, problem);
}

int node_place_write_key(const NodePlace *place, NodeKeyKind kind, bool next, const Secret *key, char **ret_protector, Problem *problem)
{
    char name[NAME_MAX];

    key_name(place, kind, next, name);
    return place->store->write(place->directory, name, key, ret_protector, problem);
}

int node_place_write(const NodePlace *place, const char *name, const void *content, size_t size, mode_t mode, Problem *problem)
{
    return put_file(place->directory, name, content, size, mode, problem);
}

int node_place_remove(const NodePlace *place, const char *name, Problem *problem)
{
    _cleanup_close_ int directory = open(place->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = directory < 0 ? -errno : file_remove(directory, name);

    return r < 0 && r != -ENOENT ? problem_set(problem, r, "%s/%s cannot be removed: %s", place->directory, name, strerror(-r)) : 0;
}

int node_place_remove_next(const NodePlace *place, NodeKeyKind kind, Problem *problem)
{
    char name[NAME_MAX];
    int r = kind == NODE_KEY_TLS ? node_place_remove(place, INSTANCE_TLS_NEXT_PIN, problem) : 0;

    (void)snprintf(name, sizeof(name), "%s" NEXT_SUFFIX "%s", place->store->names[kind], place->store->file_suffix);
    return r < 0 ? r : node_place_remove(place, name, problem);
}

int node_place_write_next_pin(const NodePlace *place, const uint8_t pin[32], Problem *problem)
{
    return place->installed ? put_file(place->directory, INSTANCE_TLS_NEXT_PIN, pin, 32, 0644, problem) : 0;
}

int node_place_read_keys(const NodePlace *place, NodeKeys *ret_keys, Problem *problem)
{
    _cleanup_node_keys_ NodeKeys keys = {0};
    int r = node_place_read_key(place, NODE_KEY_SEALING, false, &keys.sealing, problem);

    if (r == 0)
        r = node_place_read_key(place, NODE_KEY_IDENTITY, false, &keys.identity, problem);
    if (r == 0)
        r = node_place_read_key(place, NODE_KEY_TLS, false, &keys.tls, problem);
    if (r == 0) {
        *ret_keys = keys;
        keys = (NodeKeys){0};
    }
    return r;
}

int node_place_write_public(const NodePlace *place, const PublicKeys *keys, Problem *problem)
{
    const uint8_t *const values[NODE_KEY_KIND_MAX] = {keys->sealing, keys->identity, keys->tls_pin};
    int r = 0;

    for (NodeKeyKind kind = 0; r == 0 && kind < NODE_KEY_KIND_MAX; kind++)
        if (place->store->public_names[kind])
            r = put_file(place->directory, place->store->public_names[kind], values[kind], 32, 0644, problem);
    return r;
}

/* ---- For people ---- */

int node_place_print_card(const NodePlace *place, const PublicKeys *keys, const uint8_t next_tls_pin[32], Problem *problem)
{
    const char *address = place->config.address ? place->config.address : place->config.listen;
    NodeCard card = {.address = (char *)(uintptr_t)address}; /* borrowed */

    (void)snprintf(card.name, sizeof(card.name), "%s", place->config.name);
    memcpy(card.sealing_key, keys->sealing, sizeof(card.sealing_key));
    memcpy(card.identity_key, keys->identity, sizeof(card.identity_key));
    memcpy(card.tls_pin, keys->tls_pin, sizeof(card.tls_pin));
    if (next_tls_pin)
        memcpy(card.next_tls_pin, next_tls_pin, sizeof(card.next_tls_pin));
    return node_keys_print_card(&card, problem);
}

/* ---- Locks ---- */

static int open_directory(const char *path, int *ret_fd, Problem *problem)
{
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? problem_set(problem, -errno, "%s cannot be opened: %s", path, strerror(errno)) : 0;
}

/* The directory itself, as a node does: nobody else can open it. */
int node_place_lock_state(const char *state, int *ret_fd, Problem *problem)
{
    _cleanup_close_ int fd = -1;
    int r = open_directory(state, &fd, problem);

    if (r < 0)
        return r;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return problem_set(problem, errno == EWOULDBLOCK ? -EBUSY : -errno, "%s: %s", state,
                           errno == EWOULDBLOCK ? "the node is running: stop it first" : strerror(errno));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* A kill leaves temporary files, and in them may be a key. A node in a directory of its own has some there too, for a moment each. */
static void remove_temporaries(int directory)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    time_t now = time(NULL);
    struct stat status;

    for (const struct dirent *entry; stream && (entry = readdir(stream));)
        if (strncmp(entry->d_name, FILE_TEMPORARY_PREFIX, strlen(FILE_TEMPORARY_PREFIX)) == 0 &&
            fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
            (status.st_mtime < now - MOMENT || status.st_mtime > now + MOMENT))
            (void)unlinkat(directory, entry->d_name, 0);
    if (stream)
        (void)closedir(stream);
}

int node_place_lock(const NodePlace *place, int *ret_fd, Problem *problem)
{
    _cleanup_close_ int directory = -1;
    int r = open_directory(place->directory, &directory, problem);

    if (r == 0)
        r = lock_file_take(directory, place->directory, "another kqctl is at work on this node", ret_fd, problem);
    if (r == 0)
        remove_temporaries(directory);
    return r;
}

void node_place_unlock(const NodePlace *place, int *fd)
{
    _cleanup_close_ int directory = open(place->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (*fd >= 0 && directory >= 0)
        lock_file_remove(directory);
    cleanup_close(fd);
    *fd = -1;
}
