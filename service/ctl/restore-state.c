#include "ctl/restore-state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/file.h"
#include "ctl/folder.h"
#include "ctl/workshop.h"

#define BESIDE   ".restoring"
#define REPLACED ".replaced"
#define UNFIT    "unfinished" /* is in a directory until that is in its place */
#define LIST_MAX ((size_t)4 * 1024 * 1024)
#define RESTORER "restore"
#define HEADING  "KEY "
#define HEX_ID   ((size_t)2 * KEY_ID_SIZE)

/* ---- Ids of destroyed keys ---- */

void key_ids_clear(KeyIds *ids)
{
    free(ids->ids);
    *ids = (KeyIds){0};
}

static bool has_id(const KeyIds *ids, const KeyId *id)
{
    for (size_t i = 0; i < ids->n; i++)
        if (key_id_equal(&ids->ids[i], id))
            return true;
    return false;
}

static int add_id(KeyIds *ids, const KeyId *id)
{
    if (has_id(ids, id))
        return 0;
    if (ids->n == ids->room) {
        size_t room = ids->room ? 2 * ids->room : 64;
        KeyId *more = array_resize(ids->ids, room, sizeof(*more));

        if (!more)
            return -ENOMEM;
        ids->ids = more;
        ids->room = room;
    }
    ids->ids[ids->n++] = *id;
    return 0;
}

/* `line` has no newline. */
static int add_line(KeyIds *ids, const char *line, size_t size, size_t number, Problem *problem)
{
    char text[HEX_ID + 1];
    KeyId id;
    bool ends = size == HEX_ID || (size > HEX_ID && (line[HEX_ID] == ' ' || line[HEX_ID] == '\r'));

    if (size == 0 || line[0] == '#' || (size >= strlen(HEADING) && memcmp(line, HEADING, strlen(HEADING)) == 0))
        return 0;
    (void)snprintf(text, sizeof(text), "%.*s", (int)(size < HEX_ID ? size : HEX_ID), line);
    if (!ends || key_id_parse(text, &id) < 0)
        return problem_set(problem, -EINVAL, "line %zu does not begin with a key id of %zu hexadecimal digits", number, HEX_ID);
    return add_id(ids, &id);
}

int key_ids_read(const char *path, KeyIds *ret_ids, Problem *problem)
{
    _cleanup_bytes_ Bytes file = {0};
    int r = file_read(AT_FDCWD, path, LIST_MAX, &file);
    size_t number = 1;

    if (r < 0)
        return problem_set(problem, r, "the list of destroyed keys %s cannot be read: %s", path, strerror(-r));
    for (size_t at = 0; r == 0 && at < file.size; number++) {
        const char *line = (const char *)file.data + at, *end = memchr(line, '\n', file.size - at);
        size_t size = end ? (size_t)(end - line) : file.size - at;

        r = add_line(ret_ids, line, size, number, problem);
        at += size + 1;
    }
    return r < 0 ? problem_prefix(problem, r, "the list of destroyed keys %s", path) : 0;
}

int key_ids_add_name(KeyIds *ids, const char *name)
{
    KeyId id;

    return state_file_kind(name, &id) == STATE_TOMBSTONE ? add_id(ids, &id) : 0;
}

static int add_names(KeyIds *ids, DIR *stream)
{
    for (;;) {
        errno = 0;

        const struct dirent *entry = readdir(stream);

        if (!entry)
            return -errno;

        char name[STATE_FILE_NAME_SIZE + NAME_MAX];

        (void)snprintf(name, sizeof(name), STATE_KEYS "/%s", entry->d_name);

        int r = key_ids_add_name(ids, name);

        if (r < 0)
            return r;
    }
}

int key_ids_add_tombstones(int state, KeyIds *ids, Problem *problem)
{
    int fd = openat(state, STATE_KEYS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return 0;

    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    int r = stream ? add_names(ids, stream) : -errno;

    if (stream)
        (void)closedir(stream);
    else
        cleanup_close(&fd);
    return r < 0 ? problem_set(problem, r, "the tombstones that are on this host cannot be read: %s", strerror(-r)) : 0;
}

/* ---- Directories ---- */

static int make_directory(int parent, const char *name, int *ret_fd)
{
    if (mkdirat(parent, name, 0700) < 0)
        return -errno;

    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

/* Last, when it is full: before, nobody else can put anything into it, and lead us astray. */
static int give_directory(const RestoreState *restore, int directory, bool for_loader)
{
    if (restore->user != (uid_t)-1 && fchown(directory, restore->user, restore->group) < 0)
        return -errno;
    return fchmod(directory, for_loader && restore->separation ? 0750 : 0700) < 0 ? -errno : 0;
}

/* ---- Files ---- */

typedef struct Making {
    RestoreState *restore;
    int directory, keys, failures;
} Making;

static void making_clear(Making *making)
{
    cleanup_close(&making->failures);
    cleanup_close(&making->keys);
    cleanup_close(&making->directory);
}

static int put(const Making *making, const char *name, StateKind kind, const Bytes *content)
{
    const char *slash = strrchr(name, '/');
    const char *file = slash ? slash + 1 : name;
    int directory = !slash                                                       ? making->directory
                    : strncmp(name, STATE_KEYS "/", strlen(STATE_KEYS "/")) == 0 ? making->keys
                                                                                 : making->failures;
    const RestoreState *restore = making->restore;
    int r = file_create(directory, file, content->data, content->size, state_file_mode(kind, restore->separation));

    if (r == 0 && restore->user != (uid_t)-1 && fchownat(directory, file, restore->user, restore->group, AT_SYMLINK_NOFOLLOW) < 0)
        r = -errno;
    return r;
}

static int put_file(const Making *making, const BackupFile *file)
{
    RestoreState *restore = making->restore;
    KeyId id;
    StateKind kind = state_file_kind(file->name, &id);

    if (kind == STATE_TOMBSTONE)
        return 0; /* they come together */
    if (kind != STATE_PLAIN && has_id(restore->destroyed, &id)) {
        restore->refused += kind == STATE_RECORD;
        return 0;
    }
    restore->keys += kind == STATE_RECORD;
    return put(making, file->name, kind, &file->content);
}

static int put_tombstone(const Making *making, const KeyId *id)
{
    char name[STATE_FILE_NAME_SIZE];
    _cleanup_bytes_ Bytes made = {0};

    state_file_name(id, STATE_TOMBSTONE, name);

    const BackupFile *file = backup_find(making->restore->backup, name);
    int r = file ? 0 : state_file_tombstone(id, RESTORER, &made);

    if (r == 0)
        r = put(making, name, STATE_TOMBSTONE, file ? &file->content : &made);
    making->restore->tombstones += r == 0;
    return r;
}

/* The tombstones first: nobody can see a key here that is destroyed, not even after a crash. */
static int put_files(const Making *making)
{
    const RestoreState *restore = making->restore;
    const BackupFile *files = restore->backup->files.items;
    int r = 0;

    for (size_t i = 0; r == 0 && i < restore->destroyed->n; i++)
        r = put_tombstone(making, &restore->destroyed->ids[i]);
    for (size_t i = 0; r == 0 && i < restore->backup->files.count; i++)
        r = put_file(making, &files[i]);
    return r;
}

static int fill(RestoreState *restore, int parent, const char *name)
{
    _cleanup_(making_clear) Making making = {restore, -1, -1, -1};
    int r = make_directory(parent, name, &making.directory);

    if (r == 0)
        r = file_create(making.directory, UNFIT, "", 0, 0600);
    if (r == 0)
        r = make_directory(making.directory, STATE_KEYS, &making.keys);
    if (r == 0)
        r = make_directory(making.directory, STATE_FAILURES, &making.failures);
    if (r == 0)
        r = put_files(&making);
    if (r == 0)
        r = give_directory(restore, making.keys, true);
    if (r == 0)
        r = give_directory(restore, making.failures, false);
    if (r == 0)
        r = give_directory(restore, making.directory, true);
    return r == 0 && fsync(parent) < 0 ? -errno : r;
}

/* ---- Together ---- */

static bool is_there(int directory, const char *name)
{
    return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A state that was a node's is never removed. */
static int set_aside(int parent, const char *name, const char *beside, char ret_replaced[NAME_MAX + 1])
{
    for (unsigned i = 0; i < 1000; i++) {
        if (snprintf(ret_replaced, NAME_MAX + 1, i == 0 ? "%s" REPLACED : "%s" REPLACED "-%u", name, i) > NAME_MAX)
            return -ENAMETOOLONG;
        if (renameat2(parent, beside, parent, ret_replaced, RENAME_NOREPLACE) == 0)
            return fsync(parent) < 0 ? -errno : 0;
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

static int remove_mark(int parent, const char *name)
{
    _cleanup_close_ int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = directory < 0 ? -errno : file_remove(directory, UNFIT);

    return r == -ENOENT ? 0 : r;
}

/* What a crash left: one that was never in its place can go; the former state cannot. */
static int clear_beside(RestoreState *restore, int parent, const char *beside, const char *name)
{
    _cleanup_close_ int directory = openat(parent, beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    char replaced[NAME_MAX + 1];

    if (directory < 0)
        return errno == ENOENT ? 0 : -errno;
    if (is_there(directory, UNFIT))
        return workshop_remove_tree(parent, beside);
    return set_aside(parent, name, beside, replaced);
}

static int beside_name(const char *name, char ret_beside[NAME_MAX + 1])
{
    return snprintf(ret_beside, NAME_MAX + 1, "%s" BESIDE, name) > NAME_MAX ? -ENAMETOOLONG : 0;
}

int restore_state_make(RestoreState *restore, Problem *problem)
{
    const char *name;
    char beside[NAME_MAX + 1];
    _cleanup_close_ int parent = folder_above(restore->path, &name);
    int r = parent < 0 ? parent : beside_name(name, beside);

    if (r == 0)
        r = remove_mark(parent, name);
    if (r == 0)
        r = clear_beside(restore, parent, beside, name);
    if (r == 0)
        r = fill(restore, parent, beside);
    return r < 0 ? problem_set(problem, r, "the state cannot be made beside %s: %s", restore->path, strerror(-r)) : 0;
}

/* An empty directory, such as systemd makes, is no state. */
static int keep_former(RestoreState *restore, int parent, const char *name, const char *beside)
{
    char replaced[NAME_MAX + 1];

    if (unlinkat(parent, beside, AT_REMOVEDIR) == 0)
        return 0;

    int r = set_aside(parent, name, beside, replaced);

    if (r == 0)
        (void)snprintf(restore->replaced, sizeof(restore->replaced), "%.*s%s", (int)(strrchr(restore->path, '/') - restore->path) + 1,
                       restore->path, replaced);
    return r;
}

int restore_state_finish(RestoreState *restore, Problem *problem)
{
    const char *name;
    char beside[NAME_MAX + 1];
    _cleanup_close_ int parent = folder_above(restore->path, &name);
    int r = parent < 0 ? parent : beside_name(name, beside);
    bool exchanged = r == 0 && is_there(parent, name);

    if (r == 0 && renameat2(parent, beside, parent, name, exchanged ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0)
        r = -errno;
    if (r == 0 && fsync(parent) < 0)
        r = -errno;
    if (r == 0)
        r = remove_mark(parent, name);
    if (r == 0 && exchanged)
        r = keep_former(restore, parent, name, beside);
    return r < 0 ? problem_set(problem, r, "the state cannot be put in its place, %s: %s", restore->path, strerror(-r)) : 0;
}
