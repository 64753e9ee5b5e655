#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "ctl/ctl.h"
#include "ctl/node-keys.h"
#include "share/header.h"

#define CONFIG_NAME "node.conf"
#define STATE_NAME  "state"

/* ---- What is asked for ---- */

static int check_options(const Call *call, Problem *problem)
{
    const char *name = call->options[OPTION_NAME], *listen = call->options[OPTION_LISTEN];
    size_t path_size_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (!call->options[OPTION_NO_SEPARATION])
        return problem_set(problem, CTL_E_USAGE,
                           "this version makes only nodes that run as one user, without separation of node and loader: say so with --%s",
                           option_at(OPTION_NO_SEPARATION)->name);
    if (!node_config_name_valid(name))
        return problem_set(problem, CTL_E_USAGE, "'%s' is not a node's name: a lower-case letter, then at most %d of a-z, 0-9 and _", name,
                           NODE_CONFIG_NAME_SIZE_MAX - 1);
    if (custody_from_name(call->options[OPTION_NODE_CUSTODY]) == CUSTODY_INVALID)
        return problem_set(problem, CTL_E_USAGE, "--custody '%s' is neither kernel nor keyring", call->options[OPTION_NODE_CUSTODY]);
    if (strncmp(listen, "unix:/", 6) != 0 || strlen(listen) - 5 > path_size_max)
        return problem_set(problem, CTL_E_USAGE, "--listen '%s' is not unix: and an absolute path of at most %zu bytes", listen,
                           path_size_max);
    return 0;
}

/* Where the directory will be: its parent made absolute, and its name. */
typedef struct Place {
    char parent[PATH_MAX];
    char name[NAME_MAX + 1];
} Place;

static int place_find(const char *directory, Place *ret_place, Problem *problem)
{
    char text[PATH_MAX];
    size_t size = strlen(directory);

    if (size >= sizeof(text))
        return problem_set(problem, -ENAMETOOLONG, "the path of --directory is too long");
    memcpy(text, directory, size + 1);
    while (size > 1 && text[size - 1] == '/')
        text[--size] = '\0';

    char *slash = strrchr(text, '/');
    const char *name = slash ? slash + 1 : text;
    const char *parent = !slash ? "." : slash == text ? "/" : text;

    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > NAME_MAX)
        return problem_set(problem, -EINVAL, "--directory '%s' does not name a directory that can be made", directory);
    (void)snprintf(ret_place->name, sizeof(ret_place->name), "%s", name);
    if (slash && slash != text)
        *slash = '\0';
    if (!realpath(parent, ret_place->parent))
        return problem_set(problem, -errno, "the directory above, %s: %s", parent, strerror(errno));
    if (strcmp(ret_place->parent, "/") == 0)
        ret_place->parent[0] = '\0';
    return 0;
}

/* ---- A directory that appears whole or not at all ---- */

typedef struct Workshop {
    int parent, directory;
    char name[16]; /* while it is being made; empty: there is nothing to remove */
} Workshop;

#define WORKSHOP_INIT                                                                                                                      \
    {                                                                                                                                      \
        .parent = -1, .directory = -1                                                                                                      \
    }

static void workshop_close(Workshop *workshop)
{
    static const char *const files[] = {NODE_KEYS_SEALING, NODE_KEYS_IDENTITY, NODE_KEYS_TLS, CONFIG_NAME};

    if (*workshop->name) {
        for (size_t i = 0; i < ELEMENTS(files); i++)
            (void)unlinkat(workshop->directory, files[i], 0);
        (void)unlinkat(workshop->directory, STATE_NAME, AT_REMOVEDIR);
        (void)unlinkat(workshop->parent, workshop->name, AT_REMOVEDIR);
    }
    cleanup_close(&workshop->directory);
    cleanup_close(&workshop->parent);
}

static int workshop_open(const Place *place, Workshop *workshop, Problem *problem)
{
    char path[PATH_MAX + sizeof(workshop->name)];
    struct stat status;

    workshop->parent = open(*place->parent ? place->parent : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (workshop->parent < 0)
        return problem_set(problem, -errno, "%s: %s", place->parent, strerror(errno));
    if (fstatat(workshop->parent, place->name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return problem_set(problem, -EEXIST, "%s/%s exists already: name a directory that does not; nothing is overwritten", place->parent,
                           place->name);
    (void)snprintf(path, sizeof(path), "%s/" FILE_TEMPORARY_PREFIX "XXXXXX", place->parent);
    if (!mkdtemp(path)) /* mode 0700 */
        return problem_set(problem, -errno, "nothing can be made in %s: %s", place->parent, strerror(errno));
    (void)snprintf(workshop->name, sizeof(workshop->name), "%s", path + strlen(place->parent) + 1);
    workshop->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (workshop->directory < 0)
        return problem_set(problem, -errno, "%s: %s", path, strerror(errno));
    return 0;
}

static int workshop_finish(Workshop *workshop, const Place *place, Problem *problem)
{
    if (fsync(workshop->directory) < 0 || renameat2(workshop->parent, workshop->name, workshop->parent, place->name, RENAME_NOREPLACE) < 0)
        return problem_set(problem, -errno, "%s/%s cannot be made: %s", place->parent, place->name, strerror(errno));
    workshop->name[0] = '\0';
    if (fsync(workshop->parent) < 0)
        return problem_set(problem, -errno, "%s/%s is made, but may not survive a power cut: %s", place->parent, place->name,
                           strerror(errno));
    return 0;
}

/* ---- Configuration ---- */

static int write_config(const Call *call, const Place *place, int directory, Problem *problem)
{
    _cleanup_free_ char *text = NULL;
    int size = asprintf(&text,
                        "# keyquorum-node.conf(5)\n"
                        "[node]\n"
                        "Name=%s\n"
                        "State=%s/%s/" STATE_NAME "\n"
                        "Listen=%s\n"
                        "Custody=%s\n"
                        "Separation=no\n"
                        "SealingKey=%s/%s/" NODE_KEYS_SEALING "\n"
                        "IdentityKey=%s/%s/" NODE_KEYS_IDENTITY "\n",
                        call->options[OPTION_NAME], place->parent, place->name, call->options[OPTION_LISTEN],
                        call->options[OPTION_NODE_CUSTODY], place->parent, place->name, place->parent, place->name);
    int r;

    if (size < 0) {
        text = NULL;
        return problem_set(problem, -ENOMEM, "out of memory");
    }
    r = file_create(directory, CONFIG_NAME, text, (size_t)size, 0600);
    return r < 0 ? problem_set(problem, r, CONFIG_NAME " cannot be written: %s", strerror(-r)) : 0;
}

/* An INI file cannot hold every path (blanks at the ends, comment signs, long ones): read what was written, and compare. */
static int check_config(const Call *call, const Place *place, const Workshop *workshop, Problem *problem)
{
    _cleanup_node_config_ NodeConfig config = {0};
    char path[2 * PATH_MAX];
    size_t parent_size = strlen(place->parent), name_size = strlen(place->name);
    Problem details = PROBLEM_INIT;

    (void)snprintf(path, sizeof(path), "%s/%s/" CONFIG_NAME, place->parent, workshop->name);
    if (node_config_read(path, &config, &details) == 0 && strcmp(config.listen, call->options[OPTION_LISTEN]) == 0 &&
        strncmp(config.state, place->parent, parent_size) == 0 && config.state[parent_size] == '/' &&
        strncmp(config.state + parent_size + 1, place->name, name_size) == 0 &&
        strcmp(config.state + parent_size + 1 + name_size, "/" STATE_NAME) == 0)
        return 0;
    return problem_set(problem, -EINVAL, "a configuration file cannot hold these paths: choose shorter and plainer ones%s%s",
                       *details.text ? ": " : "", details.text);
}

static int fill(const Call *call, const Place *place, const NodeKeys *keys, const Workshop *workshop, Problem *problem)
{
    int r = node_keys_write(keys, workshop->directory, problem);

    if (r == 0)
        r = write_config(call, place, workshop->directory, problem);
    if (r == 0)
        r = check_config(call, place, workshop, problem);
    if (r == 0 && mkdirat(workshop->directory, STATE_NAME, 0700) < 0)
        r = problem_set(problem, -errno, "the state directory cannot be made: %s", strerror(errno));
    return r;
}

static int make(const Call *call, const Place *place, const NodeKeys *keys, Problem *problem)
{
    _cleanup_(workshop_close) Workshop workshop = WORKSHOP_INIT;
    int r = workshop_open(place, &workshop, problem);

    if (r == 0)
        r = fill(call, place, keys, &workshop, problem);
    if (r == 0)
        r = workshop_finish(&workshop, place, problem);
    return r;
}

int verb_node_init(const Call *call, Problem *problem)
{
    _cleanup_node_keys_ NodeKeys keys = {0};
    _cleanup_(card_clear) NodeCard card = {0};
    Place place;
    int r = check_options(call, problem);

    if (r == 0)
        r = place_find(call->options[OPTION_DIRECTORY], &place, problem);
    if (r == 0)
        r = node_keys_new(&keys, problem);
    if (r == 0)
        r = node_keys_card(&keys, call->options[OPTION_NAME], call->options[OPTION_LISTEN], &card, problem);
    if (r == 0)
        r = make(call, &place, &keys, problem);
    if (r != 0)
        return r;
    fprintf(stderr, "Made %s/%s: sealing key, identity key, TLS key, " CONFIG_NAME " and state, for this user alone.\n", place.parent,
            place.name);
    fprintf(stderr, "To start the node: keyquorum-node --config %s/%s/" CONFIG_NAME "\n", place.parent, place.name);
    return node_keys_print_card(&card, problem);
}
