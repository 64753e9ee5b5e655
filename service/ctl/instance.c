#include "ctl/instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/file.h"
#include "base/text.h"
#include "ctl/labels.h"

#define DROP_INS         "/etc/systemd/system"
#define DROP_IN_SIZE_MAX 4096

#define PUT(field, ...) ((void)snprintf((field), sizeof(field), __VA_ARGS__))

void instance_of(const char *name, Instance *ret_instance)
{
    Instance *instance = ret_instance;

    *instance = (Instance){0};
    PUT(instance->name, "%s", name);
    PUT(instance->directory, INSTANCE_NODES "/%s", instance->name);
    PUT(instance->config, INSTANCE_NODES "/%s/" INSTANCE_CONFIG, instance->name);
    PUT(instance->state, INSTANCE_STATE "/%s", instance->name);
    PUT(instance->listen, "unix:" INSTANCE_RUN "/%s.sock", instance->name);
    PUT(instance->gate, "unix:" INSTANCE_RUN "/%s.gate", instance->name);
    PUT(instance->loader, "unix:" INSTANCE_RUN "/%s.load", instance->name);
    PUT(instance->clients, INSTANCE_RUN "/%s/clients", instance->name);
    PUT(instance->drop_in_directory, DROP_INS "/keyquorum-gate@%s.socket.d", instance->name);
    PUT(instance->drop_in, DROP_INS "/keyquorum-gate@%s.socket.d/listen.conf", instance->name);
    PUT(instance->target, "keyquorum@%s.target", instance->name);
}

/* ---- Which one ---- */

static int config_of_name(const char *name, char ret_path[PATH_MAX], Problem *problem)
{
    Instance instance;

    if (!node_config_name_valid(name))
        return problem_set(problem, CTL_E_USAGE, "--node '%s' is not a node's name", name);
    instance_of(name, &instance);
    if (access(instance.config, F_OK) < 0)
        return problem_set(problem, -errno, "there is no node %s on this host: %s: %s", name, instance.config, strerror(errno));
    (void)snprintf(ret_path, PATH_MAX, "%s", instance.config);
    return 0;
}

/* Adds a name to "alpha, beta"; names that do not fit are left out. */
static void add_name(char *names, size_t size, const char *name)
{
    size_t used = strlen(names);

    (void)snprintf(names + used, size - used, "%s%s", used ? ", " : "", name);
}

static int find_only(char ret_path[PATH_MAX], Problem *problem)
{
    DIR *directory = opendir(INSTANCE_NODES);
    char names[256] = "", only[NODE_CONFIG_NAME_SIZE_MAX + 1] = "";
    unsigned n = 0;

    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!node_config_name_valid(entry->d_name))
            continue;
        (void)snprintf(only, sizeof(only), "%.*s", NODE_CONFIG_NAME_SIZE_MAX, entry->d_name);
        add_name(names, sizeof(names), only);
        n++;
    }
    if (directory)
        (void)closedir(directory);
    if (n == 0)
        return problem_set(problem, CTL_E_USAGE,
                           "there is no node in " INSTANCE_NODES ": for one that was made with --no-separation, give --config FILE");
    if (n > 1)
        return problem_set(problem, CTL_E_USAGE, "there are several nodes on this host (%s): say which with --node NAME", names);
    return config_of_name(only, ret_path, problem);
}

int instance_config_path(const Call *call, char ret_path[PATH_MAX], Problem *problem)
{
    const char *name = call->options[OPTION_NODE], *config = call->options[OPTION_CONFIG];
    struct stat status;

    if (name && config)
        return problem_set(problem, CTL_E_USAGE, "--node and --config both name the node: give one of them");
    if (name)
        return config_of_name(name, ret_path, problem);
    if (!config)
        return find_only(ret_path, problem);
    if (stat(config, &status) == 0 && S_ISDIR(status.st_mode))
        return problem_set(problem, -EISDIR, "%s is a directory: --config names the file " INSTANCE_CONFIG " in it", config);
    if (snprintf(ret_path, PATH_MAX, "%s", config) >= PATH_MAX)
        return problem_set(problem, -ENAMETOOLONG, "the path of --config is too long");
    return 0;
}

bool instance_from_config(const char *path, Instance *ret_instance)
{
    size_t prefix = strlen(INSTANCE_NODES "/");
    char name[NODE_CONFIG_NAME_SIZE_MAX + 1];
    Instance instance;

    if (strncmp(path, INSTANCE_NODES "/", prefix) != 0)
        return false;
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(path + prefix, "/"), path + prefix);
    if (!node_config_name_valid(name))
        return false;
    instance_of(name, &instance);
    if (strcmp(instance.config, path) != 0)
        return false;
    *ret_instance = instance;
    return true;
}

/* ---- Files ---- */

int instance_write_config(const Instance *instance, int directory, const char *address, const char *custody, Problem *problem)
{
    _cleanup_free_ char *federation = address ? text_format("Address=%s\n"
                                                            "GateSocket=%s\n"
                                                            "Clients=%s\n",
                                                            address, instance->gate, instance->clients)
                                              : text_copy("");
    _cleanup_free_ char *text = !federation
                                    ? NULL
                                    : text_format("# keyquorum-node.conf(5)\n"
                                                  "[node]\n"
                                                  "Name=%s\n"
                                                  "State=%s\n"
                                                  "Listen=%s\n"
                                                  "Loader=%s\n"
                                                  "Custody=%s\n"
                                                  "%s",
                                                  instance->name, instance->state, instance->listen, instance->loader, custody, federation);
    int r = text ? file_create(directory, INSTANCE_CONFIG, text, strlen(text), 0644) : -ENOMEM;

    return r < 0 ? problem_set(problem, r, "%s cannot be written: %s", instance->config, strerror(-r)) : 0;
}

static char *drop_in_text(const Instance *instance, const char *listen)
{
    return text_format("# Where clients reach node %s: written by kqctl(1) node init.\n"
                       "[Socket]\n"
                       "ListenStream=\n"
                       "ListenStream=%s\n",
                       instance->name, listen + strlen("tls:"));
}

int instance_write_drop_in(const Instance *instance, const char *listen, Problem *problem)
{
    _cleanup_free_ char *text = drop_in_text(instance, listen);
    _cleanup_close_ int directory = -1;
    int r;

    if (!text)
        return problem_set(problem, -ENOMEM, "out of memory");
    if (mkdir(instance->drop_in_directory, 0755) < 0 && errno != EEXIST)
        return problem_set(problem, -errno, "%s cannot be made: %s", instance->drop_in_directory, strerror(errno));
    directory = open(instance->drop_in_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = directory < 0 ? -errno : file_replace(directory, strrchr(instance->drop_in, '/') + 1, text, strlen(text), 0644);
    if (r < 0)
        return problem_set(problem, r, "%s cannot be written: %s", instance->drop_in, strerror(-r));
    labels_restore(instance->drop_in_directory);
    return 0;
}

/* What follows the last '=', if nothing else is in the file than what is written above. */
int instance_read_drop_in(const Instance *instance, char **ret_listen, Problem *problem)
{
    _cleanup_bytes_ Bytes file = {0};
    int r = file_read(AT_FDCWD, instance->drop_in, DROP_IN_SIZE_MAX, &file);

    if (r < 0)
        return problem_set(problem, r, "%s cannot be read: %s", instance->drop_in, strerror(-r));

    _cleanup_free_ char *text = text_copy_of((const char *)file.data, file.size);
    char *last = text ? strrchr(text, '=') : NULL;
    _cleanup_free_ char *listen = last ? text_format("tls:%.*s", (int)strcspn(last + 1, "\n"), last + 1) : NULL;
    _cleanup_free_ char *written = listen ? drop_in_text(instance, listen) : NULL;

    if (!written || strcmp(text, written) != 0)
        return problem_set(problem, -EINVAL,
                           "%s is not as 'kqctl node init' wrote it: leave the one address in it, and put the rest into a file of its own "
                           "('systemctl edit keyquorum-gate@%s.socket')",
                           instance->drop_in, instance->name);
    *ret_listen = TAKE_PTR(listen);
    return 0;
}

void instance_remove_drop_in(const Instance *instance)
{
    (void)unlink(instance->drop_in);
    (void)rmdir(instance->drop_in_directory);
}

/* ---- This host ---- */

int instance_check_host(const char *what, Problem *problem)
{
    if (sd_booted() <= 0)
        return problem_set(problem, -ENOSYS,
                           "%s needs a host that systemd runs, which this one is not: --no-separation and --directory DIR make a node to "
                           "try things out with",
                           what);
    if (geteuid() != 0)
        return problem_set(problem, -EACCES, "%s needs root: it writes to /etc and starts units", what);
    return 0;
}
