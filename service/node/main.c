#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "base/journal.h"
#include "node/bus.h"
#include "node/node.h"

#define EXIT_USAGE   2
#define FILES_WANTED 4096 /* more than all doors let in (callers.c) */
#define GO_ON        (-1)

static const char help[] = "keyquorum-node --config FILE [OPTION…]\n"
                           "One node of a quorum: keeps its shares of the keys and computes partial signatures with them.\n"
                           "\n"
                           "  --config FILE          the node's configuration (keyquorum-node.conf(5))\n"
                           "  --loader PROGRAM       the loader to start when the configuration says Separation=no\n"
                           "  --require-separation   refuse a configuration that says Separation=no\n"
                           "  --bus BUS              the message bus to be on: no (the default), system, or an address\n"
                           "  --help, --version\n"
                           "\n"
                           "Listening sockets passed in by the service manager are served in place of Listen=.\n"
                           "Exit status: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage.\n";

static int refuse_usage(const char *program)
{
    fprintf(stderr, "%s: see --help\n", program);
    return EXIT_USAGE;
}

/* GO_ON, or the exit status. */
static int read_options(int argc, char **argv, NodeOptions *options)
{
    static const struct option table[] = {
        {"config", required_argument, NULL, 'c'},
        {"loader", required_argument, NULL, 'l'},
        {"require-separation", no_argument, NULL, 'r'},
        {"bus", required_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL},
    };

    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (c) {
        case 'c':
            options->config_path = optarg;
            break;
        case 'l':
            options->loader_path = optarg;
            break;
        case 'r':
            options->require_separation = true;
            break;
        case 'b':
            options->bus = optarg;
            break;
        case 'h':
            return fputs(help, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        case 'v':
            return puts("keyquorum-node " KEYQUORUM_VERSION) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        default:
            return refuse_usage(argv[0]);
        }
    }
    return options->config_path && optind == argc ? GO_ON : refuse_usage(argv[0]);
}

/* Nobody attaches to this process, and nothing of it ends up in a core file. Every file that it makes says itself who may read it: the gate
 * its clients' pins, the loader the shares. */
static int harden(void)
{
    const struct rlimit none = {0, 0};

    (void)umask(0022);
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return -errno;
    return 0;
}

/* A descriptor for each connection: the usual limit is for programs that use select(2). */
static void allow_connections(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= FILES_WANTED)
        return;
    files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static int fail(const Problem *problem)
{
    journal_log(LOG_ERR, "%s", problem->text);
    return EXIT_FAILURE;
}

static int refuse_library(const Problem *problem)
{
    journal_event(EVENT_SELF_CHECK_FAILED, (JournalFields){[JOURNAL_REASON] = problem->text}, "%s", problem->text);
    return EXIT_FAILURE;
}

static int run(const NodeOptions *options)
{
    Problem problem = PROBLEM_INIT;
    Node *node = NULL;

    if (harden() < 0)
        return fail(&(Problem){.text = "this process cannot be protected from being looked into"});
    allow_connections();
    if (crypto_check(&problem) < 0)
        return refuse_library(&problem);
    if (node_new(options, &node, &problem) != 0)
        return fail(&problem);

    int status = node_run(node) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

    /* A thread that hangs, on a disk or the loader, does not keep us: every state on the disk is one to start from. */
    if (!node_idle(node)) {
        listeners_close(&node->listeners);
        _exit(status);
    }
    (void)node_free(node);
    return status;
}

int main(int argc, char **argv)
{
    NodeOptions options = {.bus = BUS_NONE};
    int r = read_options(argc, argv, &options);

    return r == GO_ON ? run(&options) : r;
}
