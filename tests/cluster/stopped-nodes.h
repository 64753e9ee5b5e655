/*
 * The three nodes that tests/with-quorum has started, stopped for a while as hosts that hang.
 */
#pragma once

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit.h"

#define STOPPED_NODES 3

/* The state follows the name of the thread, which is in parentheses. */
static inline bool thread_has_stopped(const char *directory, const char *thread)
{
    char path[64], line[512], *name_end = NULL;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%.20s/stat", directory, thread);
    file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s: %m", path);
    if (fgets(line, sizeof(line), file))
        name_end = strrchr(line, ')');
    (void)fclose(file);
    return name_end && name_end[2] == 'T';
}

/* Each thread of a node may be the one that reads what comes. */
static inline bool process_has_stopped(int pid)
{
    char path[32];
    bool stopped = true;
    DIR *directory;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
    directory = opendir(path);
    ck_assert_msg(directory != NULL, "%s: %m", path);
    for (const struct dirent *entry; (entry = readdir(directory));)
        stopped = stopped && (entry->d_name[0] == '.' || thread_has_stopped(path, entry->d_name));
    (void)closedir(directory);
    return stopped;
}

static inline void signal_nodes(unsigned nodes, int signal_number)
{
    int pids[STOPPED_NODES];

    ck_assert_int_eq(sscanf(getenv("QUORUM_PIDS"), "%d %d %d", &pids[0], &pids[1], &pids[2]), STOPPED_NODES);
    for (unsigned i = 0; i < STOPPED_NODES; i++) {
        if (!(nodes & (1U << i)))
            continue;
        ck_assert_int_eq(kill(pids[i], signal_number), 0);
        while (signal_number == SIGSTOP && !process_has_stopped(pids[i]))
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Stop the nodes of a bit mask; they have stopped when this returns. */
static inline void stop_nodes(unsigned nodes)
{
    signal_nodes(nodes, SIGSTOP);
}

static inline void wake_nodes(void)
{
    signal_nodes((1U << STOPPED_NODES) - 1, SIGCONT);
}
