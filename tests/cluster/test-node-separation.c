/* Node and loader as two users, which takes root to set up. The test plays the service manager: it holds the loader's socket and starts a
 * loader when somebody connects. */
#include "node-fixture.h"
#include "unit.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <limits.h>

#include "base/crypto.h"

#define NODE_USER   54321
#define LOADER_USER 54322
#define SHARE_SIZE  256 /* bytes, of a 2048-bit key */

static void need_root(void)
{
    if (geteuid() != 0)
        skip_test("only root can run node and loader as two users");
}

static void __attribute__((noreturn)) become_loader(const TestNode *node, uid_t user, int fd)
{
    int program = test_open_program("KEYQUORUM_LOADER");
    char config[PATH_MAX], number[16];

    test_node_path(node, "node.conf", config);
    (void)dup2(fcntl(fd, F_DUPFD, 10), 3);
    test_become_user(user, NODE_USER);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(number, sizeof(number), "%d", (int)getpid());
    (void)setenv("LISTEN_PID", number, 1);
    (void)setenv("LISTEN_FDS", "1", 1);
    (void)fexecve(program, (char *const[]){(char *)"keyquorum-load", (char *)"--config", config, NULL}, environ);
    _exit(127);
}

/* One loader after the other, as long as somebody connects. */
static void __attribute__((noreturn)) activate(const TestNode *node, uid_t user, int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (poll(&poll_fd, 1, -1) == 1) {
        pid_t pid = fork();

        if (pid == 0)
            become_loader(node, user, fd);
        (void)waitpid(pid, NULL, 0);
    }
    _exit(0);
}

static pid_t start_activation(const TestNode *node, uid_t user)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/load.sock", node->directory);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(chown(address.sun_path, NODE_USER, NODE_USER), 0);
    ck_assert_int_eq(listen(fd, 16), 0);

    pid_t pid = fork();

    if (pid == 0)
        activate(node, user, fd);
    return pid;
}

static void give_file(const TestNode *node, const char *name, uid_t user, mode_t mode)
{
    char path[PATH_MAX];

    test_node_path(node, name, path);
    ck_assert_int_eq(chown(path, user, user), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

/* Its files as kqctl would leave them for two users: the private keys are the loader's. */
static TestNode separated_node(void)
{
    TestNode node = test_node_new();
    const uint8_t identity[32] = {1};
    char text[1024];

    (void)snprintf(text, sizeof(text),
                   "[node]\nName=alpha\nState=%s/state\nListen=%s\nCustody=keyring\nSeparation=yes\nLoader=unix:%s/load.sock\n"
                   "SealingKey=%s/sealing.key\nIdentityKey=%s/identity.key\n",
                   node.directory, node.address, node.directory, node.directory, node.directory);
    test_node_put_file(&node, "node.conf", text, strlen(text));
    test_node_put_file(&node, "sealing.key.pub", node.sealing_key, sizeof(node.sealing_key));
    test_node_put_file(&node, "identity.key.pub", identity, sizeof(identity));
    give_file(&node, "", NODE_USER, 0755);
    give_file(&node, "node.conf", 0, 0644);
    give_file(&node, "sealing.key", LOADER_USER, 0600);
    give_file(&node, "identity.key", LOADER_USER, 0600);
    give_file(&node, "sealing.key.pub", 0, 0644);
    give_file(&node, "identity.key.pub", 0, 0644);
    node.user = NODE_USER;
    return node;
}

static void check_sign(Link *link, const DealtKey *key)
{
    const Digest digest = test_digest(HASH_SHA256, 1);
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    _cleanup_bytes_ Bytes partial = {0};
    NodeError error = call_sign(link, &key->id, &digest, &partial);

    ck_assert_msg(error == NODE_ERROR_NONE, "%s: %s", call_error, call_detail.reason);
    dealt_key_combine(key, &digest, &partial, signature);
}

/* What GetStatus tells of the quota is the loader's user's, whom the shares are charged to. */
static void check_quota(Link *link, unsigned n_shares)
{
    NodeStatusOutput status = {0};

    call_well(link, "GetStatus", NULL, &status);
    ck_assert_uint_ge(status.key_quota_used, n_shares);
    ck_assert_uint_ge(status.key_bytes_used, n_shares * SHARE_SIZE);
    ck_assert_uint_eq(status.key_quota_max > 0, n_shares > 0);
    ck_assert_uint_eq(status.key_bytes_max > 0, n_shares > 0);
    message_clear(&node_status_output, &status);
}

START_TEST(two_users_share_no_secret_and_sign)
{
    need_root();

    _cleanup_test_node_ TestNode node = separated_node();
    _cleanup_dealt_key_ DealtKey first = dealt_key(0), second = dealt_key(1);
    pid_t activation = start_activation(&node, LOADER_USER);
    NodeStatusOutput status = {0};

    test_node_start(&node);
    ck_assert(!test_node_logged(&node, "no separation"));
    call_init_token(&node);

    Link *link = call_open_logged_in(&node);

    call_well(link, "GetStatus", NULL, &status);
    ck_assert(status.separation);
    ck_assert_mem_eq(status.sealing_key.data, node.sealing_key, NODE_PUBLIC_KEY_SIZE);
    message_clear(&node_status_output, &status);
    check_quota(link, 0);
    call_make_active(link, &node, &first);
    check_quota(link, 1);
    call_make_active(link, &node, &second);
    check_quota(link, 2);
    check_sign(link, &first);
    (void)link_close(link);
    test_node_restart(&node); /* all are loaded in the background */
    link = call_open_logged_in(&node);
    check_sign(link, &second);
    check_sign(link, &first);
    check_quota(link, 2);
    ck_assert_int_eq(call_key(link, "DestroyKey", &first.id), NODE_ERROR_NONE);
    check_sign(link, &second);
    (void)link_close(link);
    ck_assert_int_eq(test_node_stop(&node, SIGTERM), 0);
    ck_assert(test_node_logged(&node, "all shares are loaded"));
    ck_assert_int_eq(kill(activation, SIGKILL), 0);
}
END_TEST

START_TEST(separation_in_name_only_is_refused)
{
    need_root();

    _cleanup_test_node_ TestNode node = separated_node();
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&key, &node, 1, 1);
    pid_t activation = start_activation(&node, NODE_USER);

    give_file(&node, "sealing.key", NODE_USER, 0600);
    test_node_start(&node);
    call_init_token(&node);

    _cleanup_link_ Link *link = call_open_logged_in(&node);

    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_UNAVAILABLE);
    ck_assert_uint_eq(test_node_count_files(&node, ""), 0);
    ck_assert_int_eq(kill(activation, SIGKILL), 0);
}
END_TEST

START_TEST(without_its_loader_a_node_goes_on)
{
    need_root();

    _cleanup_test_node_ TestNode node = separated_node();
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&key, &node, 1, 1);

    test_node_start(&node);
    call_init_token(&node);

    _cleanup_link_ Link *link = call_open_logged_in(&node);

    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_UNAVAILABLE);
    ck_assert_msg(strstr(call_detail.reason, "loader"), "%s", call_detail.reason);
    ck_assert_uint_eq(test_node_count_files(&node, ""), 0);
    ck_assert_str_eq(call_key_state(link, &key.id), "");

    pid_t activation = start_activation(&node, LOADER_USER);

    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_NONE);
    ck_assert_int_eq(kill(activation, SIGKILL), 0);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, two_users_share_no_secret_and_sign);
    tcase_add_test(cases, separation_in_name_only_is_refused);
    tcase_add_test(cases, without_its_loader_a_node_goes_on);
}

UNIT_MAIN("node-separation", add)
