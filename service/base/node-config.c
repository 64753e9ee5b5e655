#include "base/node-config.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/ini.h"
#include "base/text.h"

/* One key of [node]: its check looks at a value that is there; an empty value counts as absent where `optional`. */
typedef struct Setting {
    const char *name;
    size_t offset; /* of the char * in NodeConfig that keeps the text; SIZE_MAX: the check stores what it read */
    int (*check)(const char *value, NodeConfig *config, Problem *problem);
    bool optional;
} Setting;

#define NOT_KEPT SIZE_MAX

bool node_config_name_valid(const char *name)
{
    size_t size = strlen(name);

    return size >= 1 && size <= NODE_CONFIG_NAME_SIZE_MAX && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == size;
}

bool client_name_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(name);

    return size >= 1 && size <= NODE_CONFIG_NAME_SIZE_MAX && strspn(name, allowed) == size && !strchr("._-", name[0]);
}

static int check_name(const char *value, NodeConfig *config, Problem *problem)
{
    if (!node_config_name_valid(value))
        return problem_set(problem, -EINVAL, "'%s' is not a name: a lower-case letter, then at most %d of a-z, 0-9 and _", value,
                           NODE_CONFIG_NAME_SIZE_MAX - 1);
    return 0;
}

static int check_path(const char *value, NodeConfig *config, Problem *problem)
{
    if (value[0] != '/')
        return problem_set(problem, -EINVAL, "'%s' is not an absolute path", value);
    return 0;
}

static int check_address(const char *value, NodeConfig *config, Problem *problem)
{
    static const size_t path_size_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (strncmp(value, "unix:/", 6) != 0)
        return problem_set(problem, -EINVAL, "'%s' is not an address of the form unix:/path", value);
    if (strlen(value) - 5 > path_size_max)
        return problem_set(problem, -EINVAL, "'%s' is too long for a socket: the path may have %zu bytes", value, path_size_max);
    return 0;
}

static int check_tls_address(const char *value, NodeConfig *config, Problem *problem)
{
    struct sockaddr_storage address;
    socklen_t size;

    return address_parse_tls(value, &address, &size, problem);
}

static int check_custody(const char *value, NodeConfig *config, Problem *problem)
{
    if (strcmp(value, "kernel") != 0 && strcmp(value, "keyring") != 0)
        return problem_set(problem, -EINVAL, "'%s' is neither kernel nor keyring", value);
    return 0;
}

static int read_separation(const char *value, NodeConfig *config, Problem *problem)
{
    return ini_parse_bool(value, &config->separation, problem);
}

static int read_threads(const char *value, NodeConfig *config, Problem *problem)
{
    uint64_t threads;
    int r = ini_parse_uint(value, 0, NODE_CONFIG_THREADS_MAX, &threads, problem);

    if (r == 0)
        config->threads = (unsigned)threads;
    return r;
}

enum {
    SETTING_NAME,
    SETTING_STATE,
    SETTING_LISTEN,
    SETTING_CUSTODY,
    SETTING_LOADER,
    SETTING_SEPARATION,
    SETTING_SEALING_KEY,
    SETTING_IDENTITY_KEY,
    SETTING_ADDRESS,
    SETTING_GATE_SOCKET,
    SETTING_CLIENTS,
    SETTING_TLS_KEY,
    SETTING_THREADS,
    SETTING_MAX,
};

static const Setting settings[SETTING_MAX] = {
    [SETTING_NAME] = {"Name", offsetof(NodeConfig, name), check_name, false},
    [SETTING_STATE] = {"State", offsetof(NodeConfig, state), check_path, false},
    [SETTING_LISTEN] = {"Listen", offsetof(NodeConfig, listen), check_address, false},
    [SETTING_CUSTODY] = {"Custody", offsetof(NodeConfig, custody), check_custody, false},
    [SETTING_LOADER] = {"Loader", offsetof(NodeConfig, loader), check_address, true},
    [SETTING_SEPARATION] = {"Separation", NOT_KEPT, read_separation, true},
    [SETTING_SEALING_KEY] = {"SealingKey", offsetof(NodeConfig, sealing_key), check_path, true},
    [SETTING_IDENTITY_KEY] = {"IdentityKey", offsetof(NodeConfig, identity_key), check_path, true},
    [SETTING_ADDRESS] = {"Address", offsetof(NodeConfig, address), check_tls_address, true},
    [SETTING_GATE_SOCKET] = {"GateSocket", offsetof(NodeConfig, gate_socket), check_address, true},
    [SETTING_CLIENTS] = {"Clients", offsetof(NodeConfig, clients), check_path, true},
    [SETTING_TLS_KEY] = {"TlsKey", offsetof(NodeConfig, tls_key), check_path, true},
    [SETTING_THREADS] = {"Threads", NOT_KEPT, read_threads, true},
};

typedef struct Reading {
    NodeConfig config;
    const char *path;
    unsigned lines[SETTING_MAX]; /* where each was set; 0: not yet */
} Reading;

static char **setting_text(NodeConfig *config, const Setting *setting)
{
    return (char **)(void *)((char *)config + setting->offset);
}

static int store(Reading *reading, const Setting *setting, const char *value, Problem *problem)
{
    if (!*value && setting->optional)
        return 0;

    int r = setting->check(value, &reading->config, problem);

    if (r < 0)
        return problem_prefix(problem, r, "%s=", setting->name);
    if (setting->offset == NOT_KEPT)
        return 0;

    char *copy = text_copy(value);

    if (!copy)
        return problem_set(problem, -ENOMEM, "out of memory");
    *setting_text(&reading->config, setting) = copy;
    return 0;
}

static int on_value(void *userdata, const char *section, const char *name, const char *value, unsigned line, Problem *problem)
{
    Reading *reading = userdata;

    if (strcmp(section, "node") != 0)
        return problem_set(problem, -EINVAL, "%s= stands in the unknown section '[%s]'; only [node] is known here", name, section);
    for (size_t i = 0; i < SETTING_MAX; i++) {
        if (strcmp(settings[i].name, name) != 0)
            continue;
        if (reading->lines[i])
            return problem_set(problem, -EINVAL, "%s= was given in line %u already", name, reading->lines[i]);
        reading->lines[i] = line;
        return store(reading, &settings[i], value, problem);
    }
    return problem_set(problem, -EINVAL, "[node] has no key '%s'", name);
}

static int check_missing(const Reading *reading, Problem *problem)
{
    for (size_t i = 0; i < SETTING_MAX; i++)
        if (!settings[i].optional && !reading->lines[i])
            return problem_set(problem, -EINVAL, "%s: %s= is missing from [node]", reading->path, settings[i].name);
    return 0;
}

static int check_loader(const Reading *reading, Problem *problem)
{
    const NodeConfig *config = &reading->config;

    if (config->separation && !config->loader)
        return problem_set(problem, -EINVAL,
                           "%s: Loader= is missing from [node]; only with Separation=no the node starts the loader itself", reading->path);
    if (!config->separation && config->loader)
        return problem_set(problem, -EINVAL, "%s:%u: Loader= cannot go with Separation=no: the node starts the loader itself",
                           reading->path, reading->lines[SETTING_LOADER]);
    return 0;
}

/* All three, or none. */
static int check_gate(const Reading *reading, Problem *problem)
{
    static const size_t together[] = {SETTING_ADDRESS, SETTING_GATE_SOCKET, SETTING_CLIENTS};
    const NodeConfig *config = &reading->config;
    const char *const values[] = {config->address, config->gate_socket, config->clients};
    unsigned n = 0;

    for (size_t i = 0; i < ELEMENTS(values); i++)
        n += values[i] != NULL;
    for (size_t i = 0; n > 0 && i < ELEMENTS(values); i++)
        if (!values[i])
            return problem_set(problem, -EINVAL, "%s: %s= is missing from [node]; Address=, GateSocket= and Clients= come together",
                               reading->path, settings[together[i]].name);
    if (config->gate_socket && strcmp(config->gate_socket, config->listen) == 0)
        return problem_set(problem, -EINVAL, "%s:%u: GateSocket= and Listen= cannot be the same socket", reading->path,
                           reading->lines[SETTING_GATE_SOCKET]);
    return 0;
}

/* With separation the keys are systemd credentials, each visible to the unit that needs it: a missing one is found out by its user. */
static int default_key(const Reading *reading, size_t setting, const char *credential, char **key, Problem *problem)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    if (*key)
        return 0;
    if (!reading->config.separation)
        return problem_set(problem, -EINVAL, "%s: %s= is missing from [node]; Separation=no needs it", reading->path,
                           settings[setting].name);
    if (!directory)
        return 0;
    *key = text_format("%s/%s", directory, credential);
    return *key ? 0 : problem_set(problem, -ENOMEM, "out of memory");
}

static void reading_clear(Reading *reading)
{
    node_config_clear(&reading->config);
}

int node_config_read(const char *path, NodeConfig *ret_config, Problem *problem)
{
    _cleanup_(reading_clear) Reading reading = {.path = path, .config.separation = true};
    int r = ini_read(path, on_value, &reading, problem);

    if (r == 0)
        r = check_missing(&reading, problem);
    if (r == 0)
        r = check_loader(&reading, problem);
    if (r == 0)
        r = check_gate(&reading, problem);
    if (r == 0)
        r = default_key(&reading, SETTING_SEALING_KEY, "sealing-key", &reading.config.sealing_key, problem);
    if (r == 0)
        r = default_key(&reading, SETTING_IDENTITY_KEY, "identity-key", &reading.config.identity_key, problem);
    if (r == 0 && reading.config.address)
        r = default_key(&reading, SETTING_TLS_KEY, "tls-key", &reading.config.tls_key, problem);
    if (r == 0) {
        *ret_config = reading.config;
        reading.config = (NodeConfig){0};
    }
    return r;
}

void node_config_clear(NodeConfig *config)
{
    free(config->name);
    free(config->state);
    free(config->listen);
    free(config->custody);
    free(config->loader);
    free(config->sealing_key);
    free(config->identity_key);
    free(config->address);
    free(config->gate_socket);
    free(config->clients);
    free(config->tls_key);
    *config = (NodeConfig){0};
}
