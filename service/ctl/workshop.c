#include "ctl/workshop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

#define DEPTH_MAX 16 /* of a tree that is removed: what nodes and kqctl make is not half as deep */

int place_find(const char *directory, Place *ret_place, Problem *problem)
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

/* ---- Removing ---- */

static int remove_tree(int parent, const char *name, unsigned depth);

static int remove_entry(int directory, const char *name, unsigned depth)
{
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR || errno == EPERM ? remove_tree(directory, name, depth) : -errno;
}

static int empty_directory(DIR *directory, unsigned depth)
{
    int r = 0;

    for (struct dirent *entry; r == 0 && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = remove_entry(dirfd(directory), entry->d_name, depth);
    return r;
}

/* `depth`: how many levels the tree may have. Each is open, and on the stack, while those below it go; another user may have made it. */
static int remove_tree(int parent, const char *name, unsigned depth)
{
    _cleanup_close_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    int r = directory ? 0 : -errno;

    if (r == -ENOENT)
        return 0;
    if (r == 0) {
        fd = -1; /* the stream's */
        r = depth > 0 ? empty_directory(directory, depth - 1) : 0;
        (void)closedir(directory);
    }
    if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
        r = -errno;
    return r;
}

int workshop_remove_tree(int parent, const char *name)
{
    return remove_tree(parent, name, DEPTH_MAX);
}

/* ---- Making ---- */

void workshop_close(Workshop *workshop)
{
    if (*workshop->name && workshop_remove_tree(workshop->parent, workshop->name) < 0)
        fprintf(stderr, "kqctl: %s cannot be removed: remove it by hand\n", workshop->path);
    cleanup_close(&workshop->directory);
    cleanup_close(&workshop->parent);
}

int workshop_open(const Place *place, Workshop *workshop, Problem *problem)
{
    struct stat status;

    workshop->parent = open(*place->parent ? place->parent : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (workshop->parent < 0)
        return problem_set(problem, -errno, "%s: %s", place->parent, strerror(errno));
    if (fstatat(workshop->parent, place->name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return problem_set(problem, -EEXIST, "%s/%s exists already: name a directory that does not; nothing is overwritten", place->parent,
                           place->name);
    (void)snprintf(workshop->path, sizeof(workshop->path), "%s/" FILE_TEMPORARY_PREFIX "XXXXXX", place->parent);
    if (!mkdtemp(workshop->path)) /* mode 0700 */
        return problem_set(problem, -errno, "nothing can be made in %s: %s", place->parent, strerror(errno));
    (void)snprintf(workshop->name, sizeof(workshop->name), "%s", workshop->path + strlen(place->parent) + 1);
    workshop->directory = open(workshop->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (workshop->directory < 0)
        return problem_set(problem, -errno, "%s: %s", workshop->path, strerror(errno));
    return 0;
}

int workshop_finish(Workshop *workshop, const Place *place, Problem *problem)
{
    if (fsync(workshop->directory) < 0 || renameat2(workshop->parent, workshop->name, workshop->parent, place->name, RENAME_NOREPLACE) < 0)
        return problem_set(problem, -errno, "%s/%s cannot be made: %s", place->parent, place->name, strerror(errno));
    workshop->name[0] = '\0';
    if (fsync(workshop->parent) < 0)
        return problem_set(problem, -errno, "%s/%s is made, but may not survive a power cut: %s", place->parent, place->name,
                           strerror(errno));
    return 0;
}
