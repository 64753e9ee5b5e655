/* keyquorum-load: opens sealed shares and hands them to the kernel keyring of the node. Lives as long as it is asked. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/crypto.h"
#include "base/ini.h"
#include "base/journal.h"
#include "base/node-config.h"
#include "load/serve.h"

#define EXIT_USAGE 2

static const char HELP[] = "Usage: keyquorum-load --config FILE [--connection FD]\n"
                           "\n"
                           "Opens the sealed shares of a Keyquorum node and puts them into the node's kernel keyring.\n"
                           "Serves the listening socket that systemd passes, until nobody asks any more.\n"
                           "\n"
                           "  --config FILE    the node's configuration file\n"
                           "  --connection FD  serve this connected socket instead; only with Separation=no\n"
                           "  --help           print this text\n"
                           "  --version        print the version\n"
                           "\n"
                           "Exit status: 0 served, 1 failed, 2 wrong usage.\n";

typedef struct Options {
    const char *config;
    int connection; /* -1: none */
    bool help, version;
} Options;

enum {
    OPTION_CONFIG = 1,
    OPTION_CONNECTION,
    OPTION_HELP,
    OPTION_VERSION,
};

static int read_connection(const char *value, int *ret_fd, Problem *problem)
{
    uint64_t fd;
    int r = ini_parse_uint(value, 3, INT32_MAX, &fd, problem);

    if (r < 0)
        return problem_prefix(problem, r, "--connection");
    *ret_fd = (int)fd;
    return 0;
}

static int read_option(int option, Options *options, Problem *problem)
{
    switch (option) {
    case OPTION_CONFIG:
        options->config = optarg;
        return 0;
    case OPTION_CONNECTION:
        return read_connection(optarg, &options->connection, problem);
    case OPTION_HELP:
        options->help = true;
        return 0;
    case OPTION_VERSION:
        options->version = true;
        return 0;
    default:
        return problem_set(problem, -EINVAL, "unknown option or missing value; see --help");
    }
}

static int read_options(int argc, char **argv, Options *ret_options, Problem *problem)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"connection", required_argument, NULL, OPTION_CONNECTION},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL},
    };
    int option, r = 0;

    opterr = 0;
    while (r == 0 && (option = getopt_long(argc, argv, "", known, NULL)) != -1)
        r = read_option(option, ret_options, problem);
    if (r < 0 || ret_options->help || ret_options->version)
        return r;
    if (optind < argc)
        return problem_set(problem, -EINVAL, "unexpected argument '%s'; see --help", argv[optind]);
    return ret_options->config ? 0 : problem_set(problem, -EINVAL, "--config FILE is missing; see --help");
}

/* Nobody looks into this process, and it leaves no core. */
static int harden(Problem *problem)
{
    const struct rlimit none = {0};

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return problem_set(problem, -errno, "cannot forbid core dumps: %s", strerror(errno));
    return 0;
}

static int serve_given(const NodeConfig *config, int fd, Problem *problem)
{
    if (config->separation)
        return problem_set(problem, -EPERM, "--connection is only for Separation=no; with separation the loader has its own socket");
    if (sd_is_socket_unix(fd, SOCK_STREAM, 0, NULL, 0) <= 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return problem_set(problem, -EBADF, "--connection %d is not a connected unix socket", fd);
    journal_log(LOG_WARNING, "no separation: the node and its loader are one user, who can read every share");
    return serve_connection(config, fd, problem);
}

static int serve_activated(const NodeConfig *config, Problem *problem)
{
    int count = sd_listen_fds(1);

    if (count != 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0)
        return problem_set(problem, -EBADF, "there is no listening unix socket from systemd (or systemd-socket-activate) to serve");
    if (!config->separation)
        return problem_set(problem, -EPERM, "Separation=no is not for a loader with its own socket: the node starts the loader itself");
    return serve_listener(config, SD_LISTEN_FDS_START, problem);
}

static int run(const Options *options, Problem *problem)
{
    _cleanup_node_config_ NodeConfig config = {0};
    int r = harden(problem);

    if (r == 0)
        r = crypto_check(problem);
    if (r == 0)
        r = node_config_read(options->config, &config, problem);
    if (r < 0)
        return r;
    journal_set_node(config.name);
    return options->connection >= 0 ? serve_given(&config, options->connection, problem) : serve_activated(&config, problem);
}

static int refuse_usage(const Problem *problem)
{
    (void)fprintf(stderr, "keyquorum-load: %s\n", problem->text);
    return EXIT_USAGE;
}

static int fail(const Problem *problem)
{
    journal_log(LOG_ERR, "%s", problem->text);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    Options options = {.connection = -1};
    Problem problem = PROBLEM_INIT;

    if (read_options(argc, argv, &options, &problem) < 0)
        return refuse_usage(&problem);
    if (options.help || options.version) {
        (void)fputs(options.help ? HELP : "keyquorum-load " KEYQUORUM_VERSION "\n", stdout);
        return EXIT_SUCCESS;
    }
    return run(&options, &problem) < 0 ? fail(&problem) : EXIT_SUCCESS;
}
