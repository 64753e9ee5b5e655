#include "ctl/reseal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "ctl/state-file.h"
#include "ctl/workshop.h"

#define BESIDE "keys.resealed" /* a node does not know this name */

typedef struct Work {
    int from, to;       /* directories of keys */
    struct stat status; /* of `from` */
    Secret *keys[2];
    uint8_t public_key[HPKE_PUBLIC_KEY_SIZE];
    ResealCount count;
} Work;

#define WORK_INIT                                                                                                                          \
    {                                                                                                                                      \
        .from = -1, .to = -1                                                                                                               \
    }

static void work_clear(Work *work)
{
    cleanup_close(&work->from);
    cleanup_close(&work->to);
    for (size_t i = 0; i < 2; i++)
        work->keys[i] = secret_free(work->keys[i]);
}

/* ---- Directories ---- */

static int each_name(int directory, int (*visit)(void *userdata, const char *name), void *userdata)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    int r = 0;

    if (!stream) {
        r = -errno;
        cleanup_close(&fd);
        return r;
    }
    while (r == 0) {
        errno = 0;

        const struct dirent *entry = readdir(stream);

        if (!entry) {
            r = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = visit(userdata, entry->d_name);
    }
    (void)closedir(stream);
    return r;
}

static int open_keys(int state, Work *work)
{
    work->from = openat(state, STATE_KEYS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (work->from < 0 || fstat(work->from, &work->status) < 0 || mkdirat(state, BESIDE, 0700) < 0)
        return -errno;
    work->to = openat(state, BESIDE, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return work->to < 0 ? -errno : 0;
}

/* ---- One file ---- */

static int keep(const Work *work, const char *name)
{
    return linkat(work->from, name, work->to, name, 0) < 0 ? -errno : 0;
}

/* The node's user and mode stay. */
static int put(const Work *work, const char *name, const Bytes *content)
{
    struct stat status;

    if (fstatat(work->from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;

    int r = file_create(work->to, name, content->data, content->size, status.st_mode & 0777);

    if (r == 0 && fchownat(work->to, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        r = -errno;
    return r;
}

/* 0: it opens with the first key; 1: with the second; -EBADMSG: with neither. */
static int try_keys(const Work *work, const SealedShare *share, Secret **ret_plain)
{
    for (int i = 0; i < 2 && work->keys[i]; i++) {
        int r = sealed_share_open(share, work->keys[i], ret_plain);

        if (r != -EBADMSG)
            return r < 0 ? r : i;
    }
    return -EBADMSG;
}

static int seal_anew(const Work *work, const char *share_name, const char *record_name, const SealedShare *share, const Secret *plain,
                     const Bytes *record)
{
    _cleanup_bytes_ Bytes encoded = {0}, new_record = {0};
    int r = sealed_share_new(&share->common, share->index, work->public_key, plain, &encoded);

    if (r == 0)
        r = state_file_record_for(record, &encoded, &new_record);
    if (r == 0)
        r = put(work, share_name, &encoded);
    return r < 0 ? r : put(work, record_name, &new_record);
}

static int read_pair(const Work *work, const char *share_name, const char *record_name, SealedShare *ret_share, Bytes *ret_record)
{
    _cleanup_bytes_ Bytes encoded = {0};
    int r = file_read(work->from, share_name, SEALED_SHARE_SIZE_MAX, &encoded);

    if (r == 0)
        r = file_read(work->from, record_name, STATE_FILE_SIZE_MAX, ret_record);
    if (r == 0)
        r = state_file_check_pair(ret_record, &encoded, NULL);
    return r < 0 ? r : sealed_share_decode(&encoded, ret_share, NULL);
}

/* Of the negative codes these speak about the share or its record; every other one about this moment. */
static bool is_damage(int r)
{
    return r == -EBADMSG || r == -EPROTONOSUPPORT || r == -ENOENT || r == -EFBIG || r == -EINVAL;
}

/* The record goes with its share. */
static int do_key(Work *work, const char *share_name, const char *record_name)
{
    _cleanup_sealed_share_ SealedShare share = {0};
    _cleanup_secret_ Secret *plain = NULL;
    _cleanup_bytes_ Bytes record = {0};
    int r = read_pair(work, share_name, record_name, &share, &record);

    if (r == 0)
        r = try_keys(work, &share, &plain);
    if (r > 0) {
        work->count.done++;
        return seal_anew(work, share_name, record_name, &share, plain, &record);
    }
    if (r < 0 && !is_damage(r))
        return r;
    if (r == 0)
        work->count.already++;
    else
        work->count.neither++;
    r = keep(work, share_name);
    if (r == 0)
        r = keep(work, record_name);
    return r == -ENOENT ? 0 : r;
}

static bool is_there(int directory, const char *name)
{
    return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The name in keys/ of a key's other file. */
static const char *other_name(const KeyId *id, StateKind kind, char name[STATE_FILE_NAME_SIZE])
{
    state_file_name(id, kind, name);
    return name + strlen(STATE_KEYS "/");
}

static int visit(void *userdata, const char *name)
{
    Work *work = userdata;
    char whole[STATE_FILE_NAME_SIZE + NAME_MAX], other[STATE_FILE_NAME_SIZE];
    KeyId id;

    (void)snprintf(whole, sizeof(whole), STATE_KEYS "/%s", name);

    StateKind kind = state_file_kind(whole, &id);

    if (kind == STATE_UNKNOWN) /* a temporary file, at most: a node removes those itself */
        return 0;
    if (kind == STATE_SHARE && is_there(work->from, other_name(&id, STATE_RECORD, other)))
        return do_key(work, name, other_name(&id, STATE_RECORD, other));
    if (kind == STATE_RECORD && is_there(work->from, other_name(&id, STATE_SHARE, other)))
        return 0; /* with its share */
    return keep(work, name);
}

/* ---- Together ---- */

static int take_keys(Work *work, const Secret *keys)
{
    size_t n = secret_size(keys) / HPKE_PRIVATE_KEY_SIZE;
    int r = n >= 1 && n <= 2 && secret_size(keys) % HPKE_PRIVATE_KEY_SIZE == 0 ? 0 : -EINVAL;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = secret_new_copy(secret_bytes(keys) + i * HPKE_PRIVATE_KEY_SIZE, HPKE_PRIVATE_KEY_SIZE, &work->keys[i]);
    return r == 0 ? hpke_key_public(work->keys[0], work->public_key) : r;
}

/* Given to the node's user only when it is full: before, nobody else can put anything into it, and lead us astray. */
static int exchange(int state, const Work *work)
{
    if (fchown(work->to, work->status.st_uid, work->status.st_gid) < 0 || fchmod(work->to, work->status.st_mode & 07777) < 0)
        return -errno;
    if (fsync(work->to) < 0 || renameat2(state, BESIDE, state, STATE_KEYS, RENAME_EXCHANGE) < 0)
        return -errno;
    return fsync(state) < 0 ? -EUCLEAN : 0;
}

int reseal_all(int state, const Secret *keys, ResealCount *ret_count, Problem *problem)
{
    _cleanup_(work_clear) Work work = WORK_INIT;
    int r = take_keys(&work, keys);

    if (r == 0)
        r = workshop_remove_tree(state, BESIDE); /* what a crash left, before or after the exchange: nothing that the node works with */
    if (r == 0)
        r = open_keys(state, &work);
    if (r == 0)
        r = each_name(work.from, visit, &work);
    if (r == 0 && work.count.done > 0)
        r = exchange(state, &work);
    if (r < 0)
        return problem_set(problem, r, "the shares cannot be sealed to the new key: %s", strerror(-r));
    r = workshop_remove_tree(state, BESIDE);
    if (r < 0)
        return problem_set(problem, r, "the shares are sealed to the new key, but the old ones cannot be removed: %s", strerror(-r));
    *ret_count = work.count;
    return 0;
}
