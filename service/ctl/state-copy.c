#include "ctl/state-copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#define PATIENCE (5 * MICROSECONDS_PER_SECOND) /* with a node that changes it */

static void file_clear(StateFile *file)
{
    free(file->name);
    bytes_clear(&file->content);
}

void state_copy_clear(StateCopy *copy)
{
    for (size_t i = 0; i < copy->n; i++)
        file_clear(&copy->files[i]);
    free(copy->files);
    *copy = (StateCopy){0};
}

/* What the node's user puts into its directory must not lead root, who makes backups, anywhere else. */
static int open_below(int state, const char *name, int flags)
{
    const struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    long fd = syscall(SYS_openat2, state, name, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

/* ---- What is there ---- */

/* A file is replaced by another, never written in place: a new inode or time says that it changed. */
typedef struct Entry {
    char name[STATE_FILE_NAME_SIZE];
    ino_t inode;
    off_t size;
    struct timespec changed;
} Entry;

typedef struct Entries {
    Entry *entries;
    size_t n, room;
} Entries;

static void entries_clear(Entries *entries)
{
    free(entries->entries);
    *entries = (Entries){0};
}

static int add_entry(Entries *entries, const char *name, const struct stat *status)
{
    if (entries->n == STATE_COPY_FILES_MAX)
        return -E2BIG;
    if (entries->n == entries->room) {
        size_t room = entries->room ? 2 * entries->room : 64;
        Entry *more = array_resize(entries->entries, room, sizeof(*more));

        if (!more)
            return -ENOMEM;
        entries->entries = more;
        entries->room = room;
    }

    Entry *entry = &entries->entries[entries->n++];

    memset(entry, 0, sizeof(*entry));
    (void)strcpy(entry->name, name); /* state_file_kind() has seen that it fits */
    entry->inode = status->st_ino;
    entry->size = status->st_size;
    entry->changed = status->st_mtim;
    return 0;
}

static int look_at(Entries *entries, int directory, const char *below, const char *file)
{
    char name[STATE_FILE_NAME_SIZE + NAME_MAX];
    struct stat status;
    KeyId id;

    (void)snprintf(name, sizeof(name), "%s%s%s", below, *below ? "/" : "", file);
    if (state_file_kind(name, &id) == STATE_UNKNOWN)
        return 0;
    if (fstatat(directory, file, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno; /* it has just gone; the second look will say so */
    return S_ISREG(status.st_mode) ? add_entry(entries, name, &status) : 0;
}

static int list_directory(Entries *entries, int state, const char *below)
{
    int fd = open_below(state, *below ? below : ".", O_RDONLY | O_DIRECTORY);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    int r = 0;

    if (!stream) {
        r = fd < 0 ? fd : -errno;
        cleanup_close(&fd);
        return r == -ENOENT ? 0 : r;
    }
    while (r == 0) {
        errno = 0;

        const struct dirent *entry = readdir(stream);

        if (!entry) {
            r = -errno;
            break;
        }
        r = look_at(entries, fd, below, entry->d_name);
    }
    (void)closedir(stream);
    return r;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const Entry *)a)->name, ((const Entry *)b)->name);
}

static int list_all(int state, Entries *ret_entries)
{
    static const char *const directories[] = {"", STATE_FAILURES, STATE_KEYS};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ELEMENTS(directories); i++)
        r = list_directory(ret_entries, state, directories[i]);
    if (r == 0 && ret_entries->n > 0)
        qsort(ret_entries->entries, ret_entries->n, sizeof(Entry), compare_entries);
    return r;
}

static bool entries_equal(const Entries *a, const Entries *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const Entry *left = &a->entries[i], *right = &b->entries[i];

        if (strcmp(left->name, right->name) != 0 || left->inode != right->inode || left->size != right->size ||
            left->changed.tv_sec != right->changed.tv_sec || left->changed.tv_nsec != right->changed.tv_nsec)
            return false;
    }
    return true;
}

/* ---- Reading ---- */

static int read_entry(int state, const Entry *entry, StateFile *ret_file)
{
    _cleanup_close_ int fd = open_below(state, entry->name, O_PATH);
    _cleanup_bytes_ Bytes content = {0};
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* this very file, whatever the name stands for now */

    int r = fd < 0 ? fd : file_read(AT_FDCWD, path, STATE_FILE_SIZE_MAX, &content);

    if (r < 0)
        return r;
    ret_file->name = text_copy(entry->name);
    if (!ret_file->name)
        return -ENOMEM;
    ret_file->content = bytes_take(&content);
    return 0;
}

static int read_entries(int state, const Entries *entries, StateCopy *copy)
{
    int r = 0;

    copy->files = calloc(entries->n ? entries->n : 1, sizeof(StateFile));
    if (!copy->files)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < entries->n; i++) {
        r = read_entry(state, &entries->entries[i], &copy->files[i]);
        if (r == 0)
            copy->n++;
    }
    return r;
}

/* -EAGAIN: something changed meanwhile. */
static int read_once(int state, StateCopy *ret_copy)
{
    _cleanup_(entries_clear) Entries before = {0}, after = {0};
    _cleanup_state_copy_ StateCopy copy = {0};
    int r = list_all(state, &before);

    if (r == 0)
        r = read_entries(state, &before, &copy);
    if (r == -ENOENT)
        r = -EAGAIN;
    if (r == 0)
        r = list_all(state, &after);
    if (r == 0 && !entries_equal(&before, &after))
        r = -EAGAIN;
    if (r == 0) {
        *ret_copy = copy;
        copy = (StateCopy){0};
    }
    return r;
}

int state_copy_read(const char *state, StateCopy *ret_copy, Problem *problem)
{
    _cleanup_close_ int fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const Microseconds deadline = clock_now() + PATIENCE;
    int r;

    do
        r = fd < 0 ? -errno : read_once(fd, ret_copy);
    while (r == -EAGAIN && clock_now() < deadline);
    if (r == -EAGAIN)
        return problem_set(problem, -EBUSY, "the state directory %s changes all the time: try again when the node is less busy", state);
    if (r == -E2BIG)
        return problem_set(problem, r, "the state directory %s has more than %zu files, which is more than a backup holds", state,
                           STATE_COPY_FILES_MAX);
    return r < 0 ? problem_set(problem, r, "the state directory %s cannot be read: %s", state, strerror(-r)) : 0;
}

static int compare_name(const void *name, const void *file)
{
    return strcmp(name, ((const StateFile *)file)->name);
}

static const StateFile *find_file(const StateCopy *copy, const char *name)
{
    return copy->n > 0 ? bsearch(name, copy->files, copy->n, sizeof(StateFile), compare_name) : NULL;
}

/* ---- Sifting ---- */

/* 0: it stays; -EAGAIN: of no use, and no loss; -EBADMSG: lost. */
static int judge(const StateCopy *copy, const StateFile *file, Problem *problem)
{
    char name[STATE_FILE_NAME_SIZE];
    KeyId id;
    StateKind kind = state_file_kind(file->name, &id);

    if (kind == STATE_TOMBSTONE)
        return 0;
    if (kind == STATE_SHARE) {
        state_file_name(&id, STATE_RECORD, name);
        if (!find_file(copy, name))
            return -EAGAIN;
    }

    int r = state_file_check(file->name, &file->content, problem);

    if (r < 0 || kind != STATE_RECORD)
        return r;
    state_file_name(&id, STATE_SHARE, name);

    const StateFile *share = find_file(copy, name);

    return share ? state_file_check_pair(&file->content, &share->content, problem) : problem_set(problem, -EBADMSG, "its share is missing");
}

/* What is unfit goes; nothing was released before, since one file is judged by another. */
static void drop_unfit(StateCopy *copy)
{
    size_t kept = 0;

    for (size_t i = 0; i < copy->n; i++)
        if (copy->files[i].unfit)
            file_clear(&copy->files[i]);
        else
            copy->files[kept++] = copy->files[i];
    copy->n = kept;
}

size_t state_copy_sift(StateCopy *copy, void (*tell)(void *userdata, const char *name, const char *words), void *userdata)
{
    size_t lost = 0;

    for (size_t i = 0; i < copy->n; i++) {
        Problem problem = PROBLEM_INIT;
        int r = judge(copy, &copy->files[i], &problem);

        copy->files[i].unfit = r < 0;
        if (r < 0 && r != -EAGAIN) {
            tell(userdata, copy->files[i].name, problem.text);
            lost++;
        }
    }
    drop_unfit(copy);
    return lost;
}
