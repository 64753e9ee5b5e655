#include "ctl/labels.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARKER  "/sys/fs/selinux/enforce"
#define PROGRAM "/usr/sbin/restorecon"

/* Standard output is the verb's result: what the program says goes to standard error. */
static int spawn(const char *program, const char *path, pid_t *ret_process)
{
    const char *const words[] = {program, "-R", "--", path, NULL};
    char *const *arguments = (char *const *)(uintptr_t)words; /* posix_spawn() changes none */
    char *const environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0)
        return -r;
    r = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn(ret_process, program, &actions, NULL, arguments, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int await(pid_t process)
{
    pid_t ended;
    int status;

    do
        ended = waitpid(process, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended < 0)
        return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int labels_restore_with(const char *marker, const char *program, const char *path)
{
    pid_t process;

    if (access(marker, F_OK) < 0 || access(program, X_OK) < 0)
        return 0;

    int r = spawn(program, path, &process);

    return r < 0 ? r : await(process);
}

void labels_restore(const char *path)
{
    if (labels_restore_with(MARKER, PROGRAM, path) < 0)
        fprintf(stderr, "kqctl: warning: the SELinux labels of %s could not be set: run 'restorecon -R %s'\n", path, path);
}
