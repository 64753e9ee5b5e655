#include "node/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "node/remains.h"
#include "node/state-file.h"
#include "node/store-internal.h"

#define FORMAT_FILE "format"
#define FORMAT_TEXT "keyquorum node state 1\n"
#define TOKEN_FILE  "token.json"

#define STATE_FORMAT 1

#define FAILURES_SUFFIX ".json"

static const Layout token_layout = {
    "token",
    sizeof(StoredToken),
    (const Field[]){
        {.name = "format", .type = FIELD_CONSTANT, .min = STATE_FORMAT},
        {"token", FIELD_BYTES, offsetof(StoredToken, token), NODE_TOKEN_SIZE, NODE_TOKEN_SIZE},
        {"index", FIELD_UINT, offsetof(StoredToken, index), 1, NODE_INDEX_MAX},
        {"n", FIELD_UINT, offsetof(StoredToken, n), 2, NODE_INDEX_MAX},
        {"k", FIELD_UINT, offsetof(StoredToken, k), 2, NODE_INDEX_MAX},
        {"pinVersion", FIELD_UINT, offsetof(StoredToken, pin_version), 1, INT64_MAX},
        {"verifier", FIELD_BYTES, offsetof(StoredToken, verifier), NODE_VERIFIER_SIZE, NODE_VERIFIER_SIZE},
        {"nextPinVersion", FIELD_UINT, offsetof(StoredToken, next_pin_version), 1, INT64_MAX, .optional = true},
        {"nextVerifier", FIELD_BYTES, offsetof(StoredToken, next_verifier), NODE_VERIFIER_SIZE, NODE_VERIFIER_SIZE, .optional = true},
        {NULL},
    },
};

typedef struct Failures {
    uint64_t failures;
} Failures;

static const Layout failures_layout = {
    "failures",
    sizeof(Failures),
    (const Field[]){
        {.name = "format", .type = FIELD_CONSTANT, .min = STATE_FORMAT},
        {"failures", FIELD_UINT, offsetof(Failures, failures), 0, INT64_MAX},
        {NULL},
    },
};

const char *store_write_fault(int r)
{
    if (r == -ENOSPC)
        return "No space left on device: free some space where State= is";
    if (r == -EDQUOT)
        return "Disk quota exceeded: free some space where State= is, or raise the quota";
    if (r == -EUCLEAN)
        return "the disk has not confirmed it: the node stops, and goes by what it finds when it is started again";
    return strerror(-r);
}

int store_wrote(Store *store, int r)
{
    if (r == -EUCLEAN)
        atomic_store(&store->in_doubt, true);
    return r;
}

bool store_in_doubt(const Store *store)
{
    return atomic_load(&store->in_doubt);
}

/* ---- Opening ---------------------------------------------------------------------------------------------------------- */

static int make_directory(int parent, const char *name, mode_t mode, int *ret_fd)
{
    _cleanup_close_ int fd = -1;

    if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (parent != AT_FDCWD && fsync(parent) < 0))
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int try_lock(const void *directory)
{
    if (flock(*(const int *)directory, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? 1 : -errno;
}

static int lock_directory(int directory, Problem *problem)
{
    int r = remains_wait(try_lock, &directory);

    if (r > 0)
        return problem_set(problem, -EBUSY, "another node uses it: stop that one first");
    return r == 0 ? 0 : problem_set(problem, r, "it cannot be locked: %s", strerror(-r));
}

static bool is_there(int directory, const char *name)
{
    return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int begin_format(int directory, Problem *problem)
{
    if (is_there(directory, TOKEN_FILE) || is_there(directory, "keys"))
        return problem_set(problem, -EPROTONOSUPPORT,
                           "it holds a node's files but not the file '" FORMAT_FILE "': restore that from a backup (one line: " FORMAT_TEXT
                           ") or choose another State=");

    int r = file_create(directory, FORMAT_FILE, FORMAT_TEXT, sizeof(FORMAT_TEXT) - 1, 0600);

    return r < 0 ? problem_set(problem, r, "the file '" FORMAT_FILE "' cannot be written: %s", store_write_fault(r)) : 0;
}

static int check_format(int directory, Problem *problem)
{
    _cleanup_bytes_ Bytes content = {0};
    int r = file_read(directory, FORMAT_FILE, 256, &content);

    if (r == -ENOENT)
        return begin_format(directory, problem);
    if (r < 0)
        return problem_set(problem, r, "the file '" FORMAT_FILE "' cannot be read: %s", strerror(-r));
    if (content.size != sizeof(FORMAT_TEXT) - 1 || memcmp(content.data, FORMAT_TEXT, content.size) != 0)
        return problem_set(problem, -EPROTONOSUPPORT,
                           "it is of another format than this version of keyquorum-node knows ('%.*s'): use the version that wrote it",
                           (int)content.size, (const char *)content.data);
    return 0;
}

static int visit_next(DIR *stream, int (*visit)(void *userdata, const char *name), void *userdata, bool *ret_end)
{
    const struct dirent *entry;

    errno = 0;
    entry = readdir(stream);
    *ret_end = !entry;
    if (!entry)
        return -errno;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return 0;
    return visit(userdata, entry->d_name);
}

/* Calls `visit` for each name in the directory that is not "." or "..". */
int store_each_name(int directory, int (*visit)(void *userdata, const char *name), void *userdata)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* with a position of its own */
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    bool end = false;
    int r = 0;

    if (!stream) {
        r = -errno;
        cleanup_close(&fd);
        return r;
    }
    while (r == 0 && !end)
        r = visit_next(stream, visit, userdata, &end);
    (void)closedir(stream);
    return r;
}

static int remove_temporary(void *userdata, const char *name)
{
    const int *directory = userdata;

    if (strncmp(name, FILE_TEMPORARY_PREFIX, strlen(FILE_TEMPORARY_PREFIX)) != 0)
        return 0;
    return unlinkat(*directory, name, 0) < 0 ? -errno : 0;
}

static int clear_temporaries(Store *store)
{
    int *const directories[] = {&store->directory, &store->keys, &store->failures};

    for (size_t i = 0; i < ELEMENTS(directories); i++) {
        int r = store_each_name(*directories[i], remove_temporary, directories[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

static int open_parts(Store *store, const char *path, Problem *problem)
{
    const mode_t mode = store->group_readable ? 0750 : 0700;
    int r = make_directory(AT_FDCWD, path, mode, &store->directory);

    if (r < 0)
        return problem_set(problem, r, "%s", strerror(-r));
    r = lock_directory(store->directory, problem);
    if (r == 0)
        r = check_format(store->directory, problem);
    if (r < 0)
        return r;
    r = make_directory(store->directory, "keys", mode, &store->keys);
    if (r == 0)
        r = make_directory(store->directory, "failures", 0700, &store->failures);
    if (r == 0)
        r = clear_temporaries(store);
    return r < 0 ? problem_set(problem, r, "%s", strerror(-r)) : 0;
}

int store_open(const char *path, bool group_readable, Store **ret_store, Problem *problem)
{
    _cleanup_store_ Store *store = calloc(1, sizeof(*store));

    if (!store)
        return problem_set(problem, -ENOMEM, "out of memory");
    *store = (Store){.directory = -1, .keys = -1, .failures = -1, .group_readable = group_readable};

    int r = open_parts(store, path, problem);

    if (r < 0)
        return problem_prefix(problem, r, "the state directory %s cannot be used", path);
    *ret_store = TAKE_PTR(store);
    return 0;
}

Store *store_close(Store *store)
{
    if (!store)
        return NULL;
    cleanup_close(&store->failures);
    cleanup_close(&store->keys);
    cleanup_close(&store->directory); /* and with it the lock */
    free(store);
    return NULL;
}

/* ---- The token ---------------------------------------------------------------------------------------------------------- */

void stored_token_clear(StoredToken *token)
{
    message_clear(&token_layout, token);
}

int store_read_token(const Store *store, StoredToken *ret_token, Problem *problem)
{
    _cleanup_stored_token_ StoredToken token = {0};
    int r = state_file_read(store->directory, TOKEN_FILE, &token_layout, &token, problem);

    if (r == -ENOENT) {
        *ret_token = (StoredToken){0};
        return 0;
    }
    if (r < 0)
        return problem_prefix(problem, r,
                              "this node cannot know its token; restore " TOKEN_FILE
                              " from a backup, or make the node anew in another state directory and the keys with it");
    if (token.k > token.n || token.index > token.n || (token.next_pin_version != 0) != (token.next_verifier.size != 0))
        return problem_set(problem, -EBADMSG, TOKEN_FILE " contradicts itself; restore it from a backup");
    *ret_token = token;
    token = (StoredToken){0};
    return 0;
}

int store_write_token(Store *store, const StoredToken *token, Problem *problem)
{
    int r = store_wrote(store, state_file_write(store->directory, TOKEN_FILE, 0600, &token_layout, token));

    return r < 0 ? problem_set(problem, r, TOKEN_FILE " cannot be written: %s", store_write_fault(r)) : 0;
}

/* ---- Wrong PINs in a row ------------------------------------------------------------------------------------------------- */

static int failures_name(const char *client, char ret_name[NAME_MAX + 1])
{
    int size = snprintf(ret_name, NAME_MAX + 1, "%s" FAILURES_SUFFIX, client);

    return size < 0 || size > NAME_MAX ? -EINVAL : 0;
}

typedef struct FailuresReader {
    const Store *store;
    int (*found)(void *userdata, const char *client, uint64_t failures);
    void *userdata;
} FailuresReader;

static int read_failures(void *userdata, const char *name)
{
    const FailuresReader *reader = userdata;
    const size_t size = strlen(name), suffix = strlen(FAILURES_SUFFIX);
    char client[NODE_NAME_SIZE_MAX + 1];
    Failures failures = {0};

    if (size <= suffix || size - suffix >= sizeof(client) || strcmp(name + size - suffix, FAILURES_SUFFIX) != 0)
        return 0;
    (void)snprintf(client, sizeof(client), "%.*s", (int)(size - suffix), name);
    if (state_file_read(reader->store->failures, name, &failures_layout, &failures, NULL) < 0)
        failures.failures = STORE_FAILURES_DAMAGED; /* to forget them would give free tries */
    return reader->found(reader->userdata, client, failures.failures);
}

int store_read_failures(const Store *store, int (*found)(void *userdata, const char *client, uint64_t failures), void *userdata,
                        Problem *problem)
{
    FailuresReader reader = {store, found, userdata};
    int r = store_each_name(store->failures, read_failures, &reader);

    return r < 0 ? problem_set(problem, r, "the counts of wrong PINs cannot be read: %s", strerror(-r)) : 0;
}

int store_write_failures(Store *store, const char *client, uint64_t failures, Problem *problem)
{
    const Failures content = {failures};
    char name[NAME_MAX + 1];
    int r = failures_name(client, name);

    if (r < 0)
        return problem_set(problem, r, "'%s' is not a client's name", client);
    if (failures == 0) {
        r = store_wrote(store, file_remove(store->failures, name));
        if (r == -ENOENT)
            r = 0;
    } else {
        r = store_wrote(store, state_file_write(store->failures, name, 0600, &failures_layout, &content));
    }
    return r < 0 ? problem_set(problem, r, "the count of wrong PINs cannot be written: %s", store_write_fault(r)) : 0;
}
