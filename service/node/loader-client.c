#include "node/loader-client.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "wire/link.h"
#include "wire/load-interface.h"

#define LOADER_NAME       "keyquorum-load"
#define LOADER_DEADLINE   (15 * MICROSECONDS_PER_SECOND)
#define LOADER_CONNECTION 3 /* the inherited descriptor's number in the loader */

/* A loader may just be exiting, idle, when it is asked. */
#define ATTEMPTS 3

struct LoaderClient {
    const NodeConfig *config;
    char *config_path, *program;
    KeySerial ring;
    Link *link; /* NULL: none yet */
    pthread_mutex_t lock;
    KeyringQuota quota; /* under the lock */
};

int loader_client_new(const NodeConfig *config, const char *config_path, const char *program, KeySerial ring, LoaderClient **ret_loader)
{
    _cleanup_(loader_client_freep) LoaderClient *loader = calloc(1, sizeof(*loader));

    if (!loader)
        return -ENOMEM;
    (void)pthread_mutex_init(&loader->lock, NULL);
    loader->config = config;
    loader->ring = ring;
    loader->config_path = config_path ? strdup(config_path) : NULL;
    loader->program = program ? strdup(program) : NULL;
    if ((config_path && !loader->config_path) || (program && !loader->program))
        return -ENOMEM;
    *ret_loader = TAKE_PTR(loader);
    return 0;
}

LoaderClient *loader_client_free(LoaderClient *loader)
{
    if (!loader)
        return NULL;
    (void)link_close(loader->link);
    (void)pthread_mutex_destroy(&loader->lock);
    free(loader->config_path);
    free(loader->program);
    free(loader);
    return NULL;
}

/* ---- Starting one ------------------------------------------------------------------------------------------------------- */

static void destroy_actions(posix_spawn_file_actions_t *actions)
{
    (void)posix_spawn_file_actions_destroy(actions);
}

static void destroy_attributes(posix_spawnattr_t *attributes)
{
    (void)posix_spawnattr_destroy(attributes);
}

/* The loader starts with signals as a fresh process has them: this thread blocks some, this process ignores some. */
static int reset_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, defaults;

    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGCHLD);
    (void)sigaddset(&defaults, SIGPIPE);

    int r = posix_spawnattr_setsigmask(attributes, &none);

    if (r == 0)
        r = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (r == 0)
        r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return -r;
}

static int spawn(const LoaderClient *loader, int connection)
{
    char number[16];
    char *const arguments[] = {loader->program, (char *)"--connection", number, (char *)"--config", loader->config_path, NULL};
    _cleanup_(destroy_actions) posix_spawn_file_actions_t actions;
    _cleanup_(destroy_attributes) posix_spawnattr_t attributes;
    pid_t pid;

    (void)snprintf(number, sizeof(number), "%d", LOADER_CONNECTION);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);

    int r = reset_signals(&attributes);

    if (r == 0)
        r = -posix_spawn_file_actions_adddup2(&actions, connection, LOADER_CONNECTION);
    if (r == 0)
        r = -posix_spawn(&pid, loader->program, &actions, &attributes, arguments, environ);
    return r;
}

static int start(LoaderClient *loader, Problem *problem)
{
    _cleanup_(stream_closep) Stream *stream = NULL;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return problem_set(problem, -errno, "no connection for the loader: %s", strerror(errno));

    _cleanup_close_ int ours = pair[0], theirs = pair[1];
    int r = spawn(loader, theirs);

    if (r < 0)
        return problem_set(problem, r, "the loader %s cannot be started: %s", loader->program, strerror(-r));
    r = stream_from_unix_fd(ours, &stream);
    if (r < 0)
        return problem_set(problem, r, "no connection to the loader: %s", strerror(-r));
    (void)TAKE_FD(ours);
    r = link_new(stream, &loader->link);
    if (r < 0)
        return problem_set(problem, r, "no connection to the loader: %s", strerror(-r));
    stream = NULL;
    return 0;
}

static int reach(LoaderClient *loader, Problem *problem)
{
    if (loader->link)
        return 0;
    if (!loader->config->separation)
        return start(loader, problem);

    int r = link_open(loader->config->loader, NULL, &loader->link, problem);

    return r < 0 ? problem_prefix(problem, r, "the loader cannot be reached") : 0;
}

/* ---- The quota ----------------------------------------------------------------------------------------------------------- */

static void unlock(pthread_mutex_t *const *lock)
{
    (void)pthread_mutex_unlock(*lock);
}

static pthread_mutex_t *lock_quota(LoaderClient *loader)
{
    (void)pthread_mutex_lock(&loader->lock);
    return &loader->lock;
}

#define _cleanup_lock_ _cleanup_(unlock) __attribute__((unused))

void loader_client_quota(LoaderClient *loader, KeyringQuota *ret_quota)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_quota(loader);

    *ret_quota = loader->quota;
}

static void keep_quota(LoaderClient *loader, const LoadOutput *output)
{
    _cleanup_lock_ pthread_mutex_t *locked = lock_quota(loader);

    loader->quota = (KeyringQuota){
        .keys = (unsigned)output->keys_used,
        .keys_max = (unsigned)output->keys_max,
        .bytes = (unsigned)output->bytes_used,
        .bytes_max = (unsigned)output->bytes_max,
    };
}

/* ---- Asking --------------------------------------------------------------------------------------------------------------- */

static int take_output(LoaderClient *loader, const Reply *reply, Problem *problem)
{
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    LoadOutput output;

    if (reply_parse(reply, &load_output, &output, field) != 0)
        return problem_set(problem, -EPROTO, "the loader's answer has a wrong field '%s'", field);
    keep_quota(loader, &output);
    return 0;
}

static int judge(LoaderClient *loader, const Reply *reply, Problem *problem)
{
    const char *name = reply_error(reply);
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    LoadErrorDetail detail = {0};

    if (!name)
        return take_output(loader, reply, problem);
    if (load_error_from_name(name) == LOAD_ERROR_UNKNOWN || reply_parse(reply, &load_error_detail, &detail, field) != 0)
        return problem_set(problem, -EPROTO, "the loader answered %s", name);
    (void)problem_set(problem, 0, "%s", detail.reason);
    message_clear(&load_error_detail, &detail);
    return load_error_from_name(name) == LOAD_ERROR_REJECTED ? LOADER_E_REJECTED : -EAGAIN;
}

static int ask_once(LoaderClient *loader, const char *method, const Layout *layout, const void *input, Problem *problem)
{
    _cleanup_(reply_freep) Reply *reply = NULL;
    int r = link_call_wait(loader->link, method, layout, input, clock_now() + LOADER_DEADLINE, &reply);

    if (r == 0)
        return judge(loader, reply, problem);
    loader->link = link_close(loader->link);
    if (r == -ETIME)
        return problem_set(problem, r, "the loader does not answer");
    return problem_set(problem, -ECONNRESET, "the connection to the loader broke: %s", strerror(-r));
}

static int ask(LoaderClient *loader, const char *method, const Layout *layout, const void *input, Problem *problem)
{
    int r = -ECONNRESET;

    for (unsigned attempt = 0; attempt < ATTEMPTS && r == -ECONNRESET; attempt++) {
        r = reach(loader, problem);
        if (r == 0)
            r = ask_once(loader, method, layout, input, problem);
    }
    return r;
}

int loader_client_load(LoaderClient *loader, const KeyId *id, Problem *problem)
{
    const LoadInput input = {
        .key = {(uint8_t *)id->bytes, KEY_ID_SIZE},
        .ring = (uint64_t)loader->ring,
        .separation = loader->config->separation,
    };

    return ask(loader, LOAD_METHOD("Load"), &load_input, &input, problem);
}

int loader_client_load_identity(LoaderClient *loader, Problem *problem)
{
    const LoadIdentityInput input = {.ring = (uint64_t)loader->ring, .separation = loader->config->separation};

    return ask(loader, LOAD_METHOD("LoadIdentity"), &load_identity_input, &input, problem);
}

static int beside_this_program(char **ret_path)
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (size < 0)
        return -errno;
    self[size] = '\0';

    char *slash = strrchr(self, '/');

    if (!slash)
        return -ENOENT;
    *slash = '\0';
    return asprintf(ret_path, "%s/" LOADER_NAME, self) < 0 ? -ENOMEM : 0;
}

int loader_program_find(const char *given, char **ret_program, Problem *problem)
{
    static const char installed[] = KEYQUORUM_LIBEXECDIR "/" LOADER_NAME;
    _cleanup_free_ char *program = given ? strdup(given) : NULL;

    if (!given && (beside_this_program(&program) < 0 || access(program, X_OK) < 0)) {
        free(program);
        program = strdup(installed);
    }
    if (!program)
        return problem_set(problem, -ENOMEM, "out of memory");
    if (access(program, X_OK) < 0)
        return problem_set(problem, -ENOENT, "the loader %s cannot be started: %s; name it with --loader", program, strerror(errno));
    *ret_program = TAKE_PTR(program);
    return 0;
}
