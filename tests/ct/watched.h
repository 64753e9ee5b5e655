/* Nodes that run under valgrind (under-valgrind.c, watched-node.c): how they end. */
#pragma once

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "node-fixture.h"
#include "unit.h"

#define WATCHED_COMPLAINS 99

static inline void watched_print(const TestNode *node)
{
    char path[PATH_MAX], line[1024];

    test_node_path(node, "log", path);

    _cleanup_fclose_ FILE *file = fopen(path, "re");

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "==", 2) == 0)
            (void)printf("# %s", line);
    (void)fflush(stdout);
}

/* Stop the node: 0, or WATCHED_COMPLAINS after all that valgrind had to say of it has been printed. */
static inline int watched_stop(TestNode *node)
{
    const int status = test_node_stop(node, SIGTERM);

    ck_assert(WIFEXITED(status));
    watched_print(node);
    return WEXITSTATUS(status);
}
