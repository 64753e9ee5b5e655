#include "ctl/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int folder_above(const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    char above[PATH_MAX];

    if (snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".") >= (int)sizeof(above))
        return -ENAMETOOLONG;

    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    *ret_name = slash ? slash + 1 : path;
    return fd;
}
