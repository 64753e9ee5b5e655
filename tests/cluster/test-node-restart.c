/* A node over its ends: killed at any moment, damaged files, a full disk, other states, sockets and signals. */
#include "node-fixture.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

/* ---- Killed -------------------------------------------------------------------------------------------------------------------- */

/* Wait until a file is renamed into the directory. */
static void wait_for_rename(int watcher)
{
    struct pollfd poll_fd = {.fd = watcher, .events = POLLIN};
    char events[4096];

    ck_assert_int_eq(poll(&poll_fd, 1, 30000), 1);
    ck_assert_int_gt(read(watcher, events, sizeof(events)), 0);
}

/* A wrong answer; the node is killed as soon as its count is on the disk, before or after the answer was looked at. */
static void try_and_kill(TestNode *node)
{
    const NodeChallengeInput input = {1, {(uint8_t[NODE_ANSWER_SIZE]){1}, NODE_ANSWER_SIZE}};
    _cleanup_link_ Link *link = call_open(node);
    NodeHelloOutput hello = {0};
    char path[PATH_MAX];
    _cleanup_close_ int watcher = inotify_init1(IN_CLOEXEC);

    test_node_path(node, "state/failures", path);
    ck_assert_int_ge(inotify_add_watch(watcher, path, IN_MOVED_TO), 0);
    ck_assert_int_eq(call_hello(link, node, &hello), NODE_ERROR_NONE);
    message_clear(&node_hello_output, &hello);
    ck_assert_int_eq(link_call(link, NODE_METHOD("AnswerChallenge"), &node_challenge_input, &input), 0);
    wait_for_rename(watcher);
    test_node_restart(node);
}

START_TEST(killing_the_node_gives_no_free_tries)
{
    _cleanup_test_node_ TestNode node = test_node_running();

    for (unsigned i = 0; i < 10; i++)
        try_and_kill(&node);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_PIN_LOCKED);
}
END_TEST

static void wait_some(unsigned microseconds)
{
    const struct timespec time = {0, (long)microseconds * 1000};

    (void)nanosleep(&time, NULL);
}

/* Wholly there or wholly absent, and never anything else on the disk but a share that was set aside. */
static void check_whole(const TestNode *node, Link *link, const DealtKey *key)
{
    const Digest statement = dealt_key_statement(key);
    const bool there = strcmp(call_key_state(link, &key->id), "pending") == 0;
    NodeError error = call_sign(link, &key->id, &statement, NULL);

    ck_assert_msg(error == (there ? NODE_ERROR_NONE : NODE_ERROR_UNKNOWN_KEY), "%s", call_error);
    ck_assert_uint_eq(test_node_count_files(node, "") - test_node_count_files(node, ".set-aside"), there ? 2 : 0);
    if (there)
        ck_assert_int_eq(call_key(link, "DiscardKey", &key->id), NODE_ERROR_NONE);
}

START_TEST(killed_while_preparing)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&key, &node, 1, 1);
    const NodePrepareInput input = {sealed, test_record(1, "label")};
    unsigned seed = (unsigned)time(NULL) ^ (unsigned)getpid();

    (void)printf("# seed %u\n", seed);
    (void)fflush(stdout);
    srand(seed);
    for (unsigned i = 0; i < 25; i++) {
        Link *link = call_open_logged_in(&node);

        ck_assert_int_eq(link_call(link, NODE_METHOD("PrepareKey"), &node_prepare_input, &input), 0);
        wait_some((unsigned)rand() % 4000);
        test_node_restart(&node);
        (void)link_close(link);
        link = call_open_logged_in(&node);
        check_whole(&node, link, &key);
        (void)link_close(link);
    }
}
END_TEST

START_TEST(killed_after_an_answer_nothing_is_forgotten)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&key, &node, 1, 1), partial = {0};
    const Digest statement = dealt_key_statement(&key);
    const NodeRecord record = test_record(2, "second");
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];
    Link *link = call_open_logged_in(&node);

#define KILLED_HERE()                                                                                                                      \
    do {                                                                                                                                   \
        test_node_restart(&node);                                                                                                          \
        (void)link_close(link);                                                                                                            \
        link = call_open_logged_in(&node);                                                                                                 \
    } while (0)

    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_NONE);
    KILLED_HERE();
    ck_assert_str_eq(call_key_state(link, &key.id), "pending");
    ck_assert_int_eq(call_sign(link, &key.id, &statement, &partial), NODE_ERROR_NONE);
    dealt_key_combine(&key, &statement, &partial, signature);
    ck_assert_int_eq(call_activate(link, &key.id, signature, 256), NODE_ERROR_NONE);
    KILLED_HERE();
    ck_assert_str_eq(call_key_state(link, &key.id), "active");
    ck_assert_int_eq(call_set_record(link, &key.id, &record), NODE_ERROR_NONE);
    KILLED_HERE();
    ck_assert_int_eq(call_set_record(link, &key.id, &record), NODE_ERROR_NONE); /* the same again */
    ck_assert_int_eq(call_key(link, "DestroyKey", &key.id), NODE_ERROR_NONE);
    KILLED_HERE();
    ck_assert_str_eq(call_key_state(link, &key.id), "destroyed");
    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_KEY_DESTROYED);
    (void)link_close(link);
}
END_TEST

/* As a loader's process does that the killed node had not quite started. */
static void hold_for_a_moment(const TestNode *node)
{
    const struct timespec moment = {0, 300 * 1000 * 1000};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    char path[PATH_MAX];

    test_node_path(node, "state", path);

    _cleanup_close_ int directory = open(path, O_RDONLY | O_DIRECTORY);

    ck_assert_int_eq(flock(directory, LOCK_EX | LOCK_NB), 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", node->address + strlen("unix:"));
    (void)unlink(address.sun_path);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    if (fork() == 0) {
        (void)nanosleep(&moment, NULL);
        _exit(0);
    }
}

START_TEST(what_a_killed_node_holds_for_a_moment_is_waited_for)
{
    _cleanup_test_node_ TestNode node = test_node_running();

    (void)test_node_stop(&node, SIGKILL);
    hold_for_a_moment(&node);
    test_node_start(&node);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_NONE);
}
END_TEST

/* ---- Damage -------------------------------------------------------------------------------------------------------------------- */

static void key_file(const TestNode *node, const KeyId *id, const char *suffix, char ret_path[PATH_MAX])
{
    char name[PATH_MAX], text[2 * KEY_ID_SIZE + 1];

    key_id_format(id, text);
    (void)snprintf(name, sizeof(name), "state/keys/%s%s", text, suffix);
    test_node_path(node, name, ret_path);
}

static void flip_bit(const char *path, off_t at)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
}

START_TEST(a_damaged_key_leaves_the_others_alone)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    Link *link = call_open_logged_in(&node);
    DealtKey keys[4] = {dealt_key(0), dealt_key(1), dealt_key(2), dealt_key(3)};
    const Digest digest = test_digest(HASH_SHA256, 1);
    char path[PATH_MAX];

    for (size_t i = 0; i < ELEMENTS(keys); i++)
        call_make_active(link, &node, &keys[i]);
    (void)link_close(link);
    (void)test_node_stop(&node, SIGTERM);
    key_file(&node, &keys[1].id, ".share", path);
    flip_bit(path, 300);
    key_file(&node, &keys[2].id, ".share", path);
    ck_assert_int_eq(truncate(path, 100), 0);
    key_file(&node, &keys[3].id, ".record", path);
    flip_bit(path, 200);
    test_node_start(&node);
    link = call_open_logged_in(&node);
    ck_assert_int_eq(call_sign(link, &keys[0].id, &digest, NULL), NODE_ERROR_NONE);
    for (size_t i = 1; i < ELEMENTS(keys); i++) {
        ck_assert_str_eq(call_key_state(link, &keys[i].id), "unusable");
        ck_assert_int_eq(call_sign(link, &keys[i].id, &digest, NULL), NODE_ERROR_KEY_UNUSABLE);
        ck_assert_int_eq(call_activate(link, &keys[i].id, "x", 1), NODE_ERROR_KEY_UNUSABLE);
        ck_assert_int_ne(call_key(link, "DiscardKey", &keys[i].id), NODE_ERROR_NONE);
        ck_assert_int_eq(call_key(link, "DestroyKey", &keys[i].id), NODE_ERROR_NONE);
        ck_assert_str_eq(call_key_state(link, &keys[i].id), "destroyed");
    }
    ck_assert_int_eq(call_sign(link, &keys[0].id, &digest, NULL), NODE_ERROR_NONE);
    (void)link_close(link);
    for (size_t i = 0; i < ELEMENTS(keys); i++)
        dealt_key_clear(&keys[i]);
}
END_TEST

/* The loader finds out what the hash does not: a share that was right for another sealing key. */
START_TEST(a_share_that_the_loader_refuses_is_unusable)
{
    _cleanup_test_node_ TestNode node = test_node_running(), other = test_node_new();
    Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    const Digest digest = test_digest(HASH_SHA256, 1);
    char from[PATH_MAX], to[PATH_MAX];

    call_make_active(link, &node, &key);
    (void)link_close(link);
    (void)test_node_stop(&node, SIGTERM);
    test_node_path(&other, "sealing.key", from);
    test_node_path(&node, "sealing.key", to);
    ck_assert_int_eq(rename(from, to), 0);
    test_node_start(&node);
    link = call_open_logged_in(&node);
    ck_assert_str_eq(call_key_state(link, &key.id), "active"); /* not loaded yet */
    ck_assert_int_eq(call_sign(link, &key.id, &digest, NULL), NODE_ERROR_KEY_UNUSABLE);
    ck_assert_str_eq(call_key_state(link, &key.id), "unusable");
    ck_assert_int_eq(call_sign(link, &key.id, &digest, NULL), NODE_ERROR_KEY_UNUSABLE);
    (void)link_close(link);
}
END_TEST

START_TEST(a_share_that_is_gone_is_loaded_again)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    const Digest digest = test_digest(HASH_SHA256, 1);

    call_make_active(link, &node, &key);
    for (unsigned i = 0; i < 3; i++) {
        _cleanup_bytes_ Bytes partial = {0};
        uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];

        ck_assert_int_eq(keyctl_clear(test_node_ring(&node)), 0);
        ck_assert_int_eq(call_sign(link, &key.id, &digest, &partial), NODE_ERROR_NONE);
        dealt_key_combine(&key, &digest, &partial, signature);
    }
}
END_TEST

/* ---- States that are refused ------------------------------------------------------------------------------------------------------ */

static void put_text(const TestNode *node, const char *name, const char *text)
{
    test_node_put_file(node, name, text, strlen(text));
}

START_TEST(states_that_it_does_not_know_are_refused)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    char path[PATH_MAX];

    (void)test_node_stop(&node, SIGKILL);
    put_text(&node, "state/format", "keyquorum node state 2\n");
    ck_assert_int_eq(test_node_start_in_vain(&node, NULL), 1);
    ck_assert(test_node_logged(&node, "use the version that wrote it"));
    test_node_path(&node, "state/format", path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(test_node_start_in_vain(&node, NULL), 1);
    ck_assert(test_node_logged(&node, "restore that from a backup"));
    put_text(&node, "state/format", "keyquorum node state 1\n");
    test_node_path(&node, "state/token.json", path);
    flip_bit(path, 150);
    ck_assert_int_eq(test_node_start_in_vain(&node, NULL), 1);
    ck_assert(test_node_logged(&node, "restore token.json from a backup"));
    flip_bit(path, 150);
    test_node_start(&node);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_NONE);
}
END_TEST

START_TEST(a_damaged_count_of_failures_is_a_lock)
{
    _cleanup_test_node_ TestNode node = test_node_running();

    ck_assert_int_eq(call_log_in(&node, (const uint8_t[PIN_SEED_SIZE]){1}, NULL), NODE_ERROR_PIN_INCORRECT);
    (void)test_node_stop(&node, SIGKILL);
    put_text(&node, "state/failures/local.json", "{}");
    test_node_start(&node);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_PIN_LOCKED);
}
END_TEST

START_TEST(one_node_for_one_state_and_one_socket)
{
    _cleanup_test_node_ TestNode node = test_node_running(), other = test_node_new();
    char text[1024], path[PATH_MAX];

    ck_assert_int_eq(test_node_start_in_vain(&node, NULL), 1);
    ck_assert(test_node_logged(&node, "another node uses it"));
    (void)snprintf(text, sizeof(text),
                   "[node]\nName=beta\nState=%s/state\nListen=%s\nCustody=keyring\nSeparation=no\nSealingKey=%s/sealing.key\n"
                   "IdentityKey=%s/identity.key\n",
                   other.directory, node.address, other.directory, other.directory);
    put_text(&other, "node.conf", text);
    ck_assert_int_eq(test_node_start_in_vain(&other, NULL), 1);
    ck_assert(test_node_logged(&other, "somebody listens on"));
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_NONE); /* undisturbed */

    /* Its socket file, left behind by SIGKILL, is no obstacle; another kind of file is. */
    test_node_restart(&node);
    (void)test_node_stop(&node, SIGTERM);
    test_node_path(&node, "node.sock", path);
    ck_assert_int_eq(access(path, F_OK), -1);
    put_text(&node, "node.sock", "precious");
    ck_assert_int_eq(test_node_start_in_vain(&node, NULL), 1);
    ck_assert(test_node_logged(&node, "is not a socket"));
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(sockets_that_are_passed_in_are_served)
{
    _cleanup_test_node_ TestNode node = test_node_new();
    char path[PATH_MAX];

    node.activated = true;
    test_node_start(&node);
    call_init_token(&node);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_NONE);
    (void)test_node_stop(&node, SIGTERM);
    test_node_path(&node, "node.sock", path);
    ck_assert_int_eq(access(path, F_OK), 0); /* it is not the node's to remove */
}
END_TEST

START_TEST(no_separation_can_be_refused)
{
    _cleanup_test_node_ TestNode node = test_node_new();

    ck_assert_int_eq(test_node_start_in_vain(&node, "--require-separation"), 1);
    ck_assert(test_node_logged(&node, "Separation=no, which is refused here"));
    ck_assert_int_eq(test_node_start_in_vain(&node, "--nonsense"), 2);
    ck_assert_int_eq(test_node_start_in_vain(&node, "--help"), 0);
    ck_assert_int_eq(test_node_start_in_vain(&node, "--version"), 0);
    put_text(&node, "node.conf", "[node]\nName=alpha\n");
    ck_assert_int_eq(test_node_start_in_vain(&node, NULL), 1);
}
END_TEST

START_TEST(sockets_and_files_are_private)
{
    static const char *const names[] = {"node.sock", "state", "state/keys", "state/failures", "state/token.json", "state/format"};
    _cleanup_test_node_ TestNode node = test_node_running();
    char path[PATH_MAX];
    struct stat status;

    for (size_t i = 0; i < ELEMENTS(names); i++) {
        test_node_path(&node, names[i], path);
        ck_assert_int_eq(lstat(path, &status), 0);
        ck_assert_msg((status.st_mode & 077) == 0, "%s: %o", names[i], status.st_mode);
    }
}
END_TEST

/* ---- A full disk ----------------------------------------------------------------------------------------------------------------------
 */

/* A tiny file system of our own over the state directory; the node inherits the mount namespace. */
static void mount_tiny(const TestNode *node)
{
    char path[PATH_MAX];

    test_node_path(node, "state", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(mount("tiny", path, "tmpfs", 0, "size=64k,mode=0700"), 0);
}

/* Leave `left` bytes. */
static void fill(const TestNode *node, size_t left)
{
    static const char zeros[4096];
    char path[PATH_MAX];

    test_node_path(node, "state/filling", path);

    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t size = 0;

    ck_assert_int_ge(fd, 0);
    for (ssize_t wrote; (wrote = write(fd, zeros, sizeof(zeros))) > 0;)
        size += wrote;
    ck_assert_int_eq(errno, ENOSPC);
    ck_assert_int_eq(ftruncate(fd, size > (off_t)left ? size - (off_t)left : 0), 0);
    (void)close(fd);
}

START_TEST(a_full_disk_changes_nothing)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip_test("no file system can be mounted here: %s", strerror(errno));

    _cleanup_test_node_ TestNode node = test_node_new();
    _cleanup_dealt_key_ DealtKey key = dealt_key(0), second = dealt_key(1);
    _cleanup_bytes_ Bytes sealed = dealt_key_seal(&second, &node, 1, 1);
    const NodeRecord record = test_record(2, "second");
    const Digest digest = test_digest(HASH_SHA256, 1);

    mount_tiny(&node);
    test_node_start(&node);
    call_init_token(&node);

    _cleanup_link_ Link *link = call_open_logged_in(&node);

    call_make_active(link, &node, &key);
    for (size_t left = 0; left <= 4096; left += 4096) { /* with room for the share, but not for the record */
        fill(&node, left);
        ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_UNAVAILABLE);
        ck_assert_msg(strstr(call_detail.reason, "No space left"), "%s", call_detail.reason);
        ck_assert_uint_eq(test_node_count_files(&node, ""), 2);
        ck_assert_str_eq(call_key_state(link, &second.id), "");
    }
    fill(&node, 0);
    ck_assert_int_eq(call_set_record(link, &key.id, &record), NODE_ERROR_UNAVAILABLE);
    ck_assert_int_eq(call_key(link, "DestroyKey", &key.id), NODE_ERROR_UNAVAILABLE);
    ck_assert_str_eq(call_key_state(link, &key.id), "active");
    ck_assert_int_eq(call_sign(link, &key.id, &digest, NULL), NODE_ERROR_NONE);
    ck_assert_int_eq(call_log_in(&node, node.pin_seed, NULL), NODE_ERROR_UNAVAILABLE); /* cannot be counted, is not looked at */
    test_node_restart(&node);
    (void)link_close(link);
    link = call_open(&node);

    char path[PATH_MAX];

    test_node_path(&node, "state/filling", path);
    ck_assert_int_eq(unlink(path), 0);
    (void)link_close(link);
    link = call_open_logged_in(&node);
    ck_assert_int_eq(call_prepare(link, &sealed), NODE_ERROR_NONE);
    ck_assert_int_eq(call_set_record(link, &key.id, &record), NODE_ERROR_NONE);

    /* The node leaves the file system before it goes with this process. */
    (void)test_node_stop(&node, SIGTERM);
    test_node_path(&node, "state", path);
    ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
}
END_TEST

/* ---- Signals ---------------------------------------------------------------------------------------------------------------------------
 */

START_TEST(a_clean_end_answers_what_is_in_hand)
{
    _cleanup_test_node_ TestNode node = test_node_running();
    _cleanup_link_ Link *link = call_open_logged_in(&node);
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    const Digest digest = test_digest(HASH_SHA256, 1);
    const NodePartialSignInput input = {{key.id.bytes, KEY_ID_SIZE}, (char *)"sha256", {(uint8_t *)digest.bytes, digest.size}};
    NodeStatusOutput status = {0};

    call_make_active(link, &node, &key);
    ck_assert_int_eq(kill(node.pid, SIGHUP), 0);
    call_well(link, "GetStatus", NULL, &status); /* it is still there */
    message_clear(&node_status_output, &status);

    /* A signature in hand: one that was asked for before another caller was answered. */
    ck_assert_int_eq(link_call(link, NODE_METHOD("PartialSign"), &node_partial_sign_input, &input), 0);

    _cleanup_link_ Link *second = call_open(&node);

    call_well(second, "GetStatus", NULL, &status);
    message_clear(&node_status_output, &status);
    ck_assert_int_eq(kill(node.pid, SIGTERM), 0);
    call_take_partial(link, &key, &digest);

    int end;

    ck_assert_int_eq(waitpid(node.pid, &end, 0), node.pid);
    node.pid = 0;
    ck_assert(WIFEXITED(end) && WEXITSTATUS(end) == 0);
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, killing_the_node_gives_no_free_tries);
    tcase_add_test(cases, killed_while_preparing);
    tcase_add_test(cases, killed_after_an_answer_nothing_is_forgotten);
    tcase_add_test(cases, what_a_killed_node_holds_for_a_moment_is_waited_for);
    tcase_add_test(cases, a_damaged_key_leaves_the_others_alone);
    tcase_add_test(cases, a_share_that_the_loader_refuses_is_unusable);
    tcase_add_test(cases, a_share_that_is_gone_is_loaded_again);
    tcase_add_test(cases, states_that_it_does_not_know_are_refused);
    tcase_add_test(cases, a_damaged_count_of_failures_is_a_lock);
    tcase_add_test(cases, one_node_for_one_state_and_one_socket);
    tcase_add_test(cases, sockets_that_are_passed_in_are_served);
    tcase_add_test(cases, no_separation_can_be_refused);
    tcase_add_test(cases, sockets_and_files_are_private);
    tcase_add_test(cases, a_full_disk_changes_nothing);
    tcase_add_test(cases, a_clean_end_answers_what_is_in_hand);
}

UNIT_MAIN("node-restart", add)
