/* keyquorum-gate: the only process of a node that talks to the network. It knows the node's TLS key and no other. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "gate/gate.h"

#define EXIT_USAGE 2
#define GO_ON      (-1)

static const char help[] =
    "keyquorum-gate --config FILE\n"
    "The gate of a Keyquorum node: takes TLS connections from clients whose pins the node knows, and passes on their\n"
    "bytes to the node.\n"
    "\n"
    "  --config FILE   the node's configuration (keyquorum-node.conf(5))\n"
    "  --help, --version\n"
    "\n"
    "Listening sockets passed in by the service manager are served in place of Address=.\n"
    "Exit status: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage.\n";

static int refuse_usage(const char *program)
{
    (void)fprintf(stderr, "%s: see --help\n", program);
    return EXIT_USAGE;
}

static int print(const char *text)
{
    return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* GO_ON, or the exit status. */
static int read_options(int argc, char **argv, const char **ret_config)
{
    static const struct option table[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'v'}, {NULL}};
    const char *config = NULL;

    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (c) {
        case 'c':
            config = optarg;
            break;
        case 'h':
            return print(help);
        case 'v':
            return print("keyquorum-gate " KEYQUORUM_VERSION "\n");
        default:
            return refuse_usage(argv[0]);
        }
    }
    if (!config || optind != argc)
        return refuse_usage(argv[0]);
    *ret_config = config;
    return GO_ON;
}

/* Nobody attaches to this process, and nothing of it ends up in a core file. */
static int harden(void)
{
    const struct rlimit none = {0, 0};

    (void)umask(0077);
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return -errno;
    return 0;
}

static int fail(const char *words)
{
    journal_log(LOG_ERR, "%s", words);
    return EXIT_FAILURE;
}

static int run(const char *config)
{
    Problem problem = PROBLEM_INIT;
    _cleanup_gate_ Gate *gate = NULL;

    if (harden() < 0)
        return fail("this process cannot be protected from being looked into");
    if (crypto_check(&problem) < 0 || gate_new(config, &gate, &problem) != 0)
        return fail(problem.text);
    return gate_run(gate) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *config = NULL;
    int r = read_options(argc, argv, &config);

    return r == GO_ON ? run(config) : r;
}
