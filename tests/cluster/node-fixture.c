#include "node-fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/crypto.h"
#include "base/file.h"

#define READY_TIMEOUT (30 * 1000) /* milliseconds */

/* ---- Files ---- */

void test_node_path(const TestNode *node, const char *name, char *ret_path)
{
    ck_assert_int_lt(snprintf(ret_path, PATH_MAX, "%s/%s", node->directory, name), PATH_MAX);
}

void test_node_put_file(const TestNode *node, const char *name, const void *content, size_t size)
{
    char path[PATH_MAX];

    test_node_path(node, name, path);

    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, size), (ssize_t)size);
}

static void put_keys(TestNode *node)
{
    _cleanup_secret_ Secret *sealing = NULL;
    uint8_t seed[32];

    ck_assert_int_eq(hpke_key_new(&sealing, node->sealing_key), 0);
    test_node_put_file(node, "sealing.key", secret_bytes(sealing), secret_size(sealing));
    ck_assert_int_eq(crypto_random(seed, sizeof(seed)), 0);
    test_node_put_file(node, "identity.key", seed, sizeof(seed));
}

static void put_config(const TestNode *node)
{
    char text[2048];
    int size = snprintf(text, sizeof(text),
                        "[node]\nName=alpha\nState=%s/state\nListen=%s\nCustody=keyring\nSeparation=no\n"
                        "SealingKey=%s/sealing.key\nIdentityKey=%s/identity.key\n",
                        node->directory, node->address, node->directory, node->directory);

    if (node->gate)
        size += snprintf(text + size, sizeof(text) - (size_t)size,
                         "Address=tls:127.0.0.1:7853\nGateSocket=unix:%s/gate.sock\nClients=%s/clients\nTlsKey=%s/tls.key\n",
                         node->directory, node->directory, node->directory);
    test_node_put_file(node, "node.conf", text, (size_t)size);
}

void test_node_add_gate(TestNode *node)
{
    node->gate = true;
    put_config(node);
}

TestNode test_node_new(void)
{
    TestNode node = {.directory = "/tmp/test-node-XXXXXX", .index = 1, .n = 5, .k = 3, .pin_version = 1};

    ck_assert_ptr_nonnull(mkdtemp(node.directory));
    (void)snprintf(node.address, sizeof(node.address), "unix:%s/node.sock", node.directory);
    ck_assert_int_eq(crypto_random(node.token, sizeof(node.token)), 0);
    ck_assert_int_eq(crypto_random(node.pin_seed, sizeof(node.pin_seed)), 0);
    put_keys(&node);
    put_config(&node);
    return node;
}

void test_node_clear(TestNode *node)
{
    char command[128];

    if (node->pid > 0)
        (void)test_node_stop(node, SIGKILL);
    (void)snprintf(command, sizeof(command), "rm -rf %s", node->directory);
    ck_assert_int_eq(system(command), 0);
}

unsigned test_node_count_logged(const TestNode *node, const char *text)
{
    _cleanup_bytes_ Bytes log = {0};
    char path[PATH_MAX];

    test_node_path(node, "log", path);
    ck_assert_int_eq(file_read(AT_FDCWD, path, 1024 * 1024, &log), 0);

    unsigned count = 0;

    for (const uint8_t *at = log.data, *end = at + log.size; at && (at = memmem(at, (size_t)(end - at), text, strlen(text))); at++)
        count++;
    return count;
}

bool test_node_logged(const TestNode *node, const char *text)
{
    return test_node_count_logged(node, text) > 0;
}

unsigned test_node_count_files(const TestNode *node, const char *suffix)
{
    char path[PATH_MAX];
    unsigned count = 0;

    test_node_path(node, "state/keys", path);

    DIR *directory = opendir(path);

    ck_assert_ptr_nonnull(directory);
    for (const struct dirent *entry; (entry = readdir(directory));) {
        const size_t size = strlen(entry->d_name);

        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && size >= strlen(suffix) &&
                 strcmp(entry->d_name + size - strlen(suffix), suffix) == 0;
    }
    (void)closedir(directory);
    return count;
}

int32_t test_node_ring(const TestNode *node)
{
    char path[PATH_MAX], line[1024];
    int32_t ring = 0;

    test_node_path(node, "log", path);

    FILE *file = fopen(path, "r");

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        const char *at = strstr(line, ", ring ");

        if (at)
            ring = atoi(at + strlen(", ring "));
    }
    (void)fclose(file);
    ck_assert_int_gt(ring, 0);
    return ring;
}

/* ---- The process ---- */

static void check_variables(void)
{
    ck_assert_msg(getenv("KEYQUORUM_NODE") && getenv("KEYQUORUM_LOADER"), "KEYQUORUM_NODE and KEYQUORUM_LOADER are not set");
}

void test_become_user(uid_t user, gid_t extra)
{
    if (setgroups(extra ? 1 : 0, &extra) < 0 || setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0)
        _exit(126);
}

/* Out of the way of passed sockets. */
int test_open_program(const char *variable)
{
    int fd = open(getenv(variable), O_RDONLY | O_CLOEXEC);

    return fcntl(fd, F_DUPFD_CLOEXEC, 10);
}

static void pass_socket(const TestNode *node, const char *name, int as)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", node->directory, name);
    (void)unlink(address.sun_path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0 || dup2(fd, as) < 0)
        _exit(125);
    if (fd != as)
        (void)close(fd);
}

/* sd_listen_fds(3). The gate's comes first, so that only the names say which is which. */
static void pass_sockets(const TestNode *node)
{
    char number[16];
    int fd = 3;

    if (node->gate)
        pass_socket(node, "gate.sock", fd++);
    pass_socket(node, "node.sock", fd++);
    (void)snprintf(number, sizeof(number), "%d", (int)getpid());
    (void)setenv("LISTEN_PID", number, 1);
    (void)setenv("LISTEN_FDS", node->gate ? "2" : "1", 1);
    (void)setenv("LISTEN_FDNAMES", node->socket_names ? node->socket_names : node->gate ? "gate:local" : "local", 1);
}

static void __attribute__((noreturn)) become_node(const TestNode *node, const char *argument, const char *notify)
{
    char config[PATH_MAX], log[PATH_MAX];
    sigset_t none;

    test_node_path(node, "node.conf", config);
    test_node_path(node, "log", log);

    int program = test_open_program("KEYQUORUM_NODE");
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)dup2(fd, STDERR_FILENO);
    (void)dup2(fd, STDOUT_FILENO);
    if (node->activated)
        pass_sockets(node);
    if (node->user)
        test_become_user(node->user, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)(notify ? setenv("NOTIFY_SOCKET", notify, 1) : unsetenv("NOTIFY_SOCKET"));

    char *const arguments[] = {
        (char *)"keyquorum-node",
        (char *)"--config",
        config,
        (char *)"--loader",
        getenv("KEYQUORUM_LOADER"),
        (char *)"--bus",
        (char *)(node->bus ? node->bus : "no"),
        (char *)argument,
        NULL,
    };

    (void)fexecve(program, arguments, environ);
    _exit(127);
}

static int open_notify_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    ck_assert_int_lt(snprintf(address.sun_path, sizeof(address.sun_path), "%s", path), (int)sizeof(address.sun_path));
    (void)unlink(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(chmod(path, 0666), 0); /* for a node that runs as another user */
    return fd;
}

static void wait_for_ready(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char text[512];
    ssize_t size;

    do {
        ck_assert_msg(poll(&poll_fd, 1, READY_TIMEOUT) == 1, "the node does not become ready");
        size = recv(fd, text, sizeof(text) - 1, 0);
        ck_assert_int_ge(size, 0);
        text[size] = '\0';
    } while (!strstr(text, "READY=1"));
}

void test_node_start(TestNode *node)
{
    char path[PATH_MAX];

    test_node_path(node, "notify.sock", path);

    _cleanup_close_ int notify = open_notify_socket(path);

    check_variables();
    node->pid = fork();
    ck_assert_int_ge(node->pid, 0);
    if (node->pid == 0)
        become_node(node, NULL, path);
    wait_for_ready(notify);
}

int test_node_start_in_vain(TestNode *node, const char *argument)
{
    int status;

    check_variables();

    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        become_node(node, argument, NULL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int test_node_stop(TestNode *node, int signal)
{
    int status;

    ck_assert_int_eq(kill(node->pid, signal), 0);
    ck_assert_int_eq(waitpid(node->pid, &status, 0), node->pid);
    node->pid = 0;
    return status;
}

void test_node_restart(TestNode *node)
{
    (void)test_node_stop(node, SIGKILL);
    test_node_start(node);
}

void test_node_put_known_loader(const TestNode *node)
{
    char path[PATH_MAX], text[3 * PATH_MAX];
    int size;

    test_node_path(node, "loader", path);
    size = snprintf(text, sizeof(text), "#!/bin/sh\necho $$ >%s\nexec %s \"$@\"\n", path, getenv("KEYQUORUM_LOADER"));
    test_node_put_file(node, "known", text, (size_t)size);
    test_node_path(node, "known", path);
    ck_assert_int_eq(chmod(path, 0755), 0);
    ck_assert_int_eq(setenv("KEYQUORUM_LOADER", path, 1), 0);
}

pid_t test_node_loader(const TestNode *node)
{
    char path[PATH_MAX], text[32] = "";

    test_node_path(node, "loader", path);

    FILE *file = fopen(path, "re");

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    (void)fclose(file);
    return (pid_t)atoi(text);
}

TestNode test_node_running(void)
{
    TestNode node = test_node_new();

    test_node_start(&node);
    call_init_token(&node);
    return node;
}
