#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "ctl/backup.h"
#include "ctl/node-place.h"

#define CONFIG_SIZE_MAX ((size_t)64 * 1024)

static void on_lost(void *userdata, const char *name, const char *words)
{
    fprintf(stderr, "Left out: %s: %s\n", name, words);
}

static int read_text(const char *path, char **ret_text, Problem *problem)
{
    _cleanup_bytes_ Bytes content = {0};
    int r = file_read(AT_FDCWD, path, CONFIG_SIZE_MAX, &content);

    if (r < 0)
        return problem_set(problem, r, "%s cannot be read: %s", path, strerror(-r));
    *ret_text = text_copy_of((const char *)content.data, content.size);
    return *ret_text ? 0 : problem_set(problem, -ENOMEM, "out of memory");
}

static int read_listen(const NodePlace *place, Backup *backup, Problem *problem)
{
    int r = place->installed ? instance_read_drop_in(&place->instance, &backup->listen, problem) : 0;

    return r == -ENOENT ? 0 : r;
}

static int read_recovery(const NodePlace *place, Backup *backup, Problem *problem)
{
    int r = recovery_read(place->directory, &backup->recovery, problem);

    if (r == -ENOENT)
        return problem_set(problem, r,
                           "node %s has no recovery key, without which no other host could use its backup: 'kqctl node rotate --recovery' "
                           "makes one",
                           place->config.name);
    return r;
}

/* The contents move from one list to the other. */
static int take_files(StateCopy *copy, Backup *backup, Problem *problem)
{
    BackupFile *files = calloc(copy->n ? copy->n : 1, sizeof(*files));

    if (!files)
        return problem_set(problem, -ENOMEM, "out of memory");
    for (size_t i = 0; i < copy->n; i++)
        files[i] = (BackupFile){TAKE_PTR(copy->files[i].name), bytes_take(&copy->files[i].content)};
    backup->files = (List){files, copy->n};
    return 0;
}

static int fill(const NodePlace *place, StateCopy *copy, Backup *backup, Problem *problem)
{
    int r = read_recovery(place, backup, problem);

    if (r == 0)
        r = read_text(place->config_path, &backup->config, problem);
    if (r == 0)
        r = read_listen(place, backup, problem);
    if (r < 0)
        return r;
    backup->name = text_copy(place->config.name);
    backup->version = text_copy(KEYQUORUM_VERSION);
    return backup->name && backup->version ? take_files(copy, backup, problem) : problem_set(problem, -ENOMEM, "out of memory");
}

/* Who restores it knows the identity key that is wrapped. While that is exchanged it may be the next one already. */
static int check_signature(const Backup *backup, Problem *problem)
{
    uint8_t identity[32];
    int r = recovery_identity(&backup->recovery, identity, problem);

    if (r == 0 && backup_verify(backup, identity, NULL) < 0)
        r = problem_set(problem, -EKEYREJECTED,
                        RECOVERY_FILE " has another identity key than the one in force: finish what was cut off with 'kqctl node rotate "
                                      "--identity'");
    return r;
}

static int sign(const NodePlace *place, Backup *backup, Problem *problem)
{
    _cleanup_secret_ Secret *identity = NULL;
    int r = node_place_read_key(place, NODE_KEY_IDENTITY, false, &identity, problem);

    if (r < 0)
        return r;
    r = backup_sign(backup, identity);
    return r < 0 ? problem_set(problem, r, "the backup cannot be signed: %s", strerror(-r)) : check_signature(backup, problem);
}

static size_t count_kind(const Backup *backup, StateKind kind)
{
    const BackupFile *files = backup->files.items;
    size_t n = 0;
    KeyId id;

    for (size_t i = 0; i < backup->files.count; i++)
        n += state_file_kind(files[i].name, &id) == kind;
    return n;
}

int verb_node_backup(const Call *call, Problem *problem)
{
    _cleanup_node_place_ NodePlace place = {0};
    _cleanup_state_copy_ StateCopy copy = {0};
    _cleanup_backup_ Backup backup = {0};
    _cleanup_close_ int lock = -1;
    size_t lost = 0;
    int r = node_place_open(call, &place, problem);

    if (r == 0)
        r = node_place_lock(&place, &lock, problem);
    if (r == 0)
        r = state_copy_read(place.config.state, &copy, problem);
    if (r == 0) {
        lost = state_copy_sift(&copy, on_lost, NULL);
        r = fill(&place, &copy, &backup, problem);
    }
    if (r == 0)
        r = sign(&place, &backup, problem);
    if (r == 0)
        r = backup_write(call->arguments[0], &backup, problem);
    if (r != 0)
        return r;
    fprintf(stderr, "Node %s is in %s: %zu keys, %zu tombstones. It is of use only with the recovery key, and only as old as it is.\n",
            backup.name, call->arguments[0], count_kind(&backup, STATE_RECORD), count_kind(&backup, STATE_TOMBSTONE));
    return lost > 0 ? CTL_E_ATTENTION : 0;
}
