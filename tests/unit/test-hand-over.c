/* Shares that cross from one process to another: between two users, on one user, and everything that must not work. */
#include "key-fixture.h"
#include "keyring/keyring.h"
#include "unit.h"

#include <errno.h>
#include <grp.h>
#include <keyutils.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const KeyId KEY_ID = {.bytes = {0x51, 0x52, 0x53}};

/* What the tests run with; a looped test runs with each. */
static const CustodyKind custodies[] = {CUSTODY_KEYRING, CUSTODY_KERNEL};
static CustodyKind custody = CUSTODY_KEYRING;

static void use_custody(int i)
{
    Problem problem;

    custody = custodies[i];
    if (keyring_custody_check(custody, &problem) == KEYRING_E_UNSUPPORTED)
        skip_test("%s", problem.text);
}

/* Users and groups that own nothing, other ones in each test process: their key quotas are untouched. */
static uid_t unused_id(unsigned i)
{
    return 100000 + 8 * (uid_t)(getpid() % 100000) + i;
}

static void need_root(void)
{
    if (geteuid() != 0)
        skip_test("only root can test with several users");
}

/* ---- Processes that tell each other numbers ------------------------------------------------------------------------ */

typedef struct User {
    uid_t id;          /* user and group; 0: stay as we are */
    gid_t other_group; /* a supplementary group; 0: none */
} User;

typedef void (*Body)(int channel);

typedef struct Process {
    pid_t pid;
    int channel;
} Process;

static void become(User user)
{
    if (user.id == 0)
        return;
    ck_assert_int_eq(setgroups(user.other_group ? 1 : 0, &user.other_group), 0);
    ck_assert_int_eq(setresgid(user.id, user.id, user.id), 0);
    ck_assert_int_eq(setresuid(user.id, user.id, user.id), 0);
}

static Process start(Body body, User user)
{
    Process process;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    process = (Process){.pid = fork(), .channel = ends[0]};
    if (process.pid == 0) {
        close(ends[0]);
        become(user);
        body(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    return process;
}

static void tell(int channel, int number)
{
    ck_assert_int_eq(send(channel, &number, sizeof(number), MSG_NOSIGNAL), sizeof(number));
}

static int hear(int channel)
{
    int number;

    ck_assert_int_eq(recv(channel, &number, sizeof(number), 0), sizeof(number));
    return number;
}

static void finish(const Process *process)
{
    int status;

    ck_assert_int_eq(waitpid(process->pid, &status, 0), process->pid);
    ck_assert_int_eq(status, 0);
    close(process->channel);
}

static void run_alone(Body body, User user)
{
    Process process = start(body, user);

    finish(&process);
}

/* ---- Node and loader --------------------------------------------------------------------------------------------------- */

static KeyringShare *find(KeySerial ring, const ThresholdKey *key)
{
    Problem problem = PROBLEM_INIT;
    KeyringShare *share = NULL;
    int r = keyring_share_find(ring, custody, &KEY_ID, key, &share, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    return share;
}

static void assert_signs(KeySerial ring)
{
    _cleanup_threshold_key_ ThresholdKey *key = fixture_key(&rsa2048_3_of_5);
    _cleanup_secret_ Secret *secret = fixture_share(&rsa2048_3_of_5, 2);
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX], power[THRESHOLD_PARTIAL_SIZE_MAX], expected[THRESHOLD_PARTIAL_SIZE_MAX];
    _cleanup_(keyring_share_freep) KeyringShare *share = find(ring, key);
    Problem problem = PROBLEM_INIT;

    fixture_base(&rsa2048_3_of_5, base);
    ck_assert_int_eq(threshold_key_power(key, secret, base, expected), 0);
    ck_assert_msg(keyring_share_power(share, base, power, &problem) == 0, "%s", problem.text);
    ck_assert_mem_eq(power, expected, 256);
}

static void assert_denied(long answer)
{
    ck_assert_int_eq(answer, -1);
    ck_assert_msg(errno == EACCES || errno == EPERM, "%s", strerror(errno));
}

/* The key's owner and permissions, as the kernel describes them. */
static void assert_permissions(KeySerial serial, const char *permissions)
{
    char *attributes = NULL;

    ck_assert_int_gt(keyctl_describe_alloc(serial, &attributes), 0);
    ck_assert_msg(strstr(attributes, permissions), "%s has not the permissions %s", attributes, permissions);
    free(attributes);
}

/* Nothing but view and search: the share cannot be carried off, changed or opened up. */
static void assert_locked_in(KeySerial ring)
{
    char description[sizeof("keyquorum:") + 64] = "keyquorum:";
    KeySerial serial;

    key_id_format(&KEY_ID, description + strlen(description));
    serial = (KeySerial)keyctl_search(ring, custody == CUSTODY_KERNEL ? "asymmetric" : "user", description, 0);
    ck_assert_int_gt(serial, 0);
    assert_permissions(serial, ";09000000;");
    assert_denied(keyctl_setperm(serial, KEY_POS_ALL));
    assert_denied(keyctl_update(serial, "x", 1));
    assert_denied(keyctl_revoke(serial));
    assert_denied(keyctl_link(serial, KEY_SPEC_PROCESS_KEYRING));
    assert_denied(keyctl_link(serial, KEY_SPEC_SESSION_KEYRING));
    assert_denied(keyctl_chown(serial, getuid(), getgid()));
    assert_denied(keyctl_set_timeout(serial, 1));
    assert_denied(keyctl_move(serial, ring, KEY_SPEC_PROCESS_KEYRING, 0));
}

/* With separation the node cannot even write to its ring. */
static void assert_ring_locked(KeySerial ring)
{
    KeySerial other = add_key("user", "other", "x", 1, KEY_SPEC_PROCESS_KEYRING);

    assert_denied(keyctl_setperm(ring, KEY_POS_ALL));
    assert_denied(keyctl_clear(ring));
    assert_denied(keyctl_revoke(ring));
    assert_denied(keyctl_link(other, ring));
    assert_denied(keyctl_link(ring, KEY_SPEC_SESSION_KEYRING));
    assert_denied(add_key("user", "planted", "x", 1, ring));
}

static void run_node(int channel, Separation separation)
{
    Problem problem = PROBLEM_INIT;
    KeySerial ring;

    ck_assert_msg(keyring_ring_new(separation, &ring, &problem) == 0, "%s", problem.text);
    tell(channel, ring);
    ck_assert_int_eq(hear(channel), 0); /* the loader has inserted */
    assert_signs(ring);
    assert_locked_in(ring);
    if (separation == SEPARATION_USERS)
        assert_ring_locked(ring);
    assert_signs(ring);
    tell(channel, 0);
    ck_assert_int_eq(hear(channel), 0); /* the loader has gone */
    assert_signs(ring);
    ck_assert_int_eq(keyring_share_remove(ring, custody, &KEY_ID), 0);
    ck_assert_int_eq(keyring_share_remove(ring, custody, &KEY_ID), KEYRING_E_GONE);
}

static int insert(KeySerial ring, Separation separation, unsigned index, unsigned share_of, Problem *problem)
{
    _cleanup_threshold_key_ ThresholdKey *key = fixture_key(&rsa2048_3_of_5);
    _cleanup_secret_ Secret *secret = fixture_share(&rsa2048_3_of_5, share_of);

    return keyring_insert(ring, separation, custody, &KEY_ID, index, key, secret, problem);
}

static void run_loader(int channel, Separation separation)
{
    Problem problem = PROBLEM_INIT;
    KeySerial ring = hear(channel);
    key_serial_t left[4];
    int r = insert(ring, separation, 2, 2, &problem);

    ck_assert_msg(r == 0, "%s", problem.text);
    ck_assert_int_eq(keyctl_read(KEY_SPEC_PROCESS_KEYRING, (char *)left, sizeof(left)), 0); /* it keeps nothing */
    ck_assert_int_eq(insert(ring, separation, 2, 2, &problem), -EEXIST);
    tell(channel, r);
}

static void node_apart(int channel)
{
    run_node(channel, SEPARATION_USERS);
}

static void loader_apart(int channel)
{
    run_loader(channel, SEPARATION_USERS);
}

static void node_together(int channel)
{
    run_node(channel, SEPARATION_NONE);
}

static void loader_together(int channel)
{
    run_loader(channel, SEPARATION_NONE);
}

static void pass_a_share(Body node_body, User node_user, Body loader_body, User loader_user)
{
    Process node = start(node_body, node_user), loader = start(loader_body, loader_user);

    tell(loader.channel, hear(node.channel));
    tell(node.channel, hear(loader.channel));
    ck_assert_int_eq(hear(node.channel), 0);
    finish(&loader);
    tell(node.channel, 0);
    finish(&node);
}

START_TEST(between_two_users)
{
    need_root();
    use_custody(_i);
    pass_a_share(node_apart, (User){unused_id(0), 0}, loader_apart, (User){unused_id(1), unused_id(0)});
}
END_TEST

START_TEST(on_one_user)
{
    uid_t user = geteuid() == 0 ? unused_id(2) : 0;

    use_custody(_i);
    pass_a_share(node_together, (User){user, 0}, loader_together, (User){user, 0});
}
END_TEST

/* ---- What is refused --------------------------------------------------------------------------------------------------- */

static void ring_owner(int channel)
{
    KeySerial ring;

    ck_assert_int_eq(keyring_ring_new(SEPARATION_USERS, &ring, NULL), 0);
    tell(channel, ring);
    ck_assert_int_eq(hear(channel), 0);
}

static void stranger_is_forbidden(int channel)
{
    KeySerial ring = hear(channel);
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(insert(ring, SEPARATION_USERS, 2, 2, &problem), KEYRING_E_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(problem.text, "node's group"));
    tell(channel, 0);
}

static void other_separation_is_forbidden(int channel)
{
    KeySerial ring = hear(channel);
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(insert(ring, SEPARATION_NONE, 2, 2, &problem), KEYRING_E_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(problem.text, "no separation"));
    tell(channel, 0);
}

static void offer_ring_to(Body loader_body, User loader_user)
{
    Process node = start(ring_owner, (User){unused_id(0), 0}), loader = start(loader_body, loader_user);

    tell(loader.channel, hear(node.channel));
    tell(node.channel, hear(loader.channel));
    finish(&loader);
    finish(&node);
}

START_TEST(loader_outside_the_group)
{
    need_root();
    offer_ring_to(stranger_is_forbidden, (User){unused_id(1), 0});
}
END_TEST

START_TEST(separation_not_as_configured)
{
    need_root();
    offer_ring_to(other_separation_is_forbidden, (User){unused_id(1), unused_id(0)});
}
END_TEST

START_TEST(one_user_that_claims_separation)
{
    Problem problem = PROBLEM_INIT;
    KeySerial ring;

    ck_assert_int_eq(keyring_ring_new(SEPARATION_USERS, &ring, &problem), 0);
    ck_assert_int_eq(insert(ring, SEPARATION_USERS, 2, 2, &problem), KEYRING_E_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(problem.text, "same user"));
}
END_TEST

START_TEST(not_a_ring)
{
    Problem problem = PROBLEM_INIT;
    KeySerial key = add_key("user", "no ring", "x", 1, KEY_SPEC_PROCESS_KEYRING);

    ck_assert_int_eq(insert(key, SEPARATION_NONE, 2, 2, &problem), KEYRING_E_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(problem.text, "not a keyring"));
    ck_assert_int_eq(insert(INT32_MAX, SEPARATION_NONE, 2, 2, &problem), KEYRING_E_GONE);
}
END_TEST

static unsigned keys_of_this_user(void)
{
    KeyringQuota quota;

    ck_assert_int_eq(keyring_quota(&quota), 0);
    ck_assert_uint_le(quota.keys, quota.keys_max);
    ck_assert_uint_le(quota.bytes, quota.bytes_max);
    return quota.keys;
}

/* The kernel gives an unlinked key's quota back after a grace period of RCU, which membarrier() waits for. */
static void wait_for_keys_of_this_user(unsigned expected)
{
    for (unsigned i = 0; i < 1000 && keys_of_this_user() != expected; i++)
        ck_assert_int_ge(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), 0);
    ck_assert_uint_eq(keys_of_this_user(), expected);
}

/* A share of another node, a share of another size, a damaged share: refused, and no key is left. */
static void wrong_shares(int channel)
{
    _cleanup_threshold_key_ ThresholdKey *key = fixture_key(&rsa2048_3_of_5), *other = fixture_key(&rsa3072_2_of_3);
    _cleanup_secret_ Secret *secret = fixture_share(&rsa2048_3_of_5, 2);
    Problem problem = PROBLEM_INIT;
    KeyringShare *share = NULL;
    key_serial_t left[4];
    KeySerial ring;

    ck_assert_int_eq(keyring_ring_new(SEPARATION_NONE, &ring, &problem), 0);

    unsigned keys = keys_of_this_user();

    ck_assert_int_eq(insert(ring, SEPARATION_NONE, 2, 1, &problem), KEYRING_E_INVALID_SHARE);
    ck_assert_ptr_nonnull(strstr(problem.text, "verification value of node 2"));
    secret_data(secret)[200] ^= 1;
    ck_assert_int_eq(keyring_insert(ring, SEPARATION_NONE, custody, &KEY_ID, 2, key, secret, &problem), KEYRING_E_INVALID_SHARE);
    ck_assert_int_eq(keyring_insert(ring, SEPARATION_NONE, custody, &KEY_ID, 2, other, secret, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, "256 bytes"));
    ck_assert_int_eq(keyring_share_find(ring, custody, &KEY_ID, key, &share, NULL), KEYRING_E_GONE);
    ck_assert_int_eq(keyctl_read(KEY_SPEC_PROCESS_KEYRING, (char *)left, sizeof(left)), sizeof(ring));
    ck_assert_int_eq(left[0], ring);
    wait_for_keys_of_this_user(keys);
    ck_assert_int_eq(insert(ring, SEPARATION_NONE, 2, 2, &problem), 0);
    wait_for_keys_of_this_user(keys + 1);
}

START_TEST(wrong_shares_leave_nothing)
{
    use_custody(_i);
    run_alone(wrong_shares, (User){geteuid() == 0 ? unused_id(3) : 0, 0});
}
END_TEST

/* ---- On the way -------------------------------------------------------------------------------------------------------- */

long __real_keyctl_link(KeySerial key, KeySerial ring);
long __wrap_keyctl_link(KeySerial key, KeySerial ring);
int __real_keyring_share_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem);
int __wrap_keyring_share_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem);

static unsigned links_to_look_at;

/* From the link on the node could do what the permissions allow a possessor. */
long __wrap_keyctl_link(KeySerial key, KeySerial ring)
{
    if (links_to_look_at > 0) {
        links_to_look_at--;
        assert_permissions(key, ";09300000;"); /* possessor: view, search; owner: link, setattr */
    }

    return __real_keyctl_link(key, ring);
}

START_TEST(possessor_never_has_more_than_view_and_search)
{
    Problem problem = PROBLEM_INIT;
    KeySerial ring;

    use_custody(_i);
    ck_assert_int_eq(keyring_ring_new(SEPARATION_NONE, &ring, &problem), 0);
    links_to_look_at = 1;
    ck_assert_msg(insert(ring, SEPARATION_NONE, 2, 2, &problem) == 0, "%s", problem.text);
    ck_assert_uint_eq(links_to_look_at, 0);
}
END_TEST

static const uint8_t *only_right_for; /* a base; NULL: right for all */

int __wrap_keyring_share_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem)
{
    int r = __real_keyring_share_power(share, base, ret_power, problem);

    if (only_right_for && memcmp(base, only_right_for, 256) != 0)
        ret_power[100] ^= 1;
    return r;
}

/* A kernel that knows v_i by heart but computes nothing. */
START_TEST(right_for_the_verification_value_only)
{
    _cleanup_bytes_ Bytes v = {0};
    Problem problem = PROBLEM_INIT;
    KeySerial ring;

    ck_assert_int_eq(bytes_new(256, &v), 0);
    ck_assert_int_eq(hex_decode(rsa2048_3_of_5.verification[0], v.data, v.size), 0);
    ck_assert_int_eq(keyring_ring_new(SEPARATION_NONE, &ring, &problem), 0);
    only_right_for = v.data;
    ck_assert_int_eq(insert(ring, SEPARATION_NONE, 2, 2, &problem), KEYRING_E_INVALID_SHARE);
    ck_assert_ptr_nonnull(strstr(problem.text, "does not compute the power"));
}
END_TEST

/* ---- Quota --------------------------------------------------------------------------------------------------------------- */

static void fill_quota(void)
{
    char name[32];
    unsigned i = 0;

    do
        (void)snprintf(name, sizeof(name), "filler %u", i++);
    while (add_key("user", name, "x", 1, KEY_SPEC_PROCESS_KEYRING) > 0);
    ck_assert_int_eq(errno, EDQUOT);
}

static void full_quota(int channel)
{
    Problem problem = PROBLEM_INIT;
    KeySerial ring, second;

    ck_assert_int_eq(keyring_ring_new(SEPARATION_NONE, &ring, &problem), 0);
    fill_quota();

    unsigned keys = keys_of_this_user();

    ck_assert_int_eq(insert(ring, SEPARATION_NONE, 2, 2, &problem), KEYRING_E_QUOTA);
    ck_assert_ptr_nonnull(strstr(problem.text, "kernel.keys.maxkeys"));
    ck_assert_ptr_nonnull(strstr(problem.text, "kernel.keys.maxbytes"));
    ck_assert_int_eq(keyring_ring_new(SEPARATION_NONE, &second, &problem), KEYRING_E_QUOTA);
    ck_assert_int_eq(keyring_custody_check(custody, &problem), KEYRING_E_QUOTA);
    ck_assert_uint_eq(keys_of_this_user(), keys);
}

START_TEST(quota_reached)
{
    need_root();
    use_custody(_i);
    run_alone(full_quota, (User){unused_id(4), 0});
}
END_TEST

/* ---- A system call filter -------------------------------------------------------------------------------------------------- */

static const int filter_errors[] = {EPERM, ENOSYS};

/* As a container's default profile: add_key and keyctl fail, everything else works. */
static void forbid_keys(int error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_add_key, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_keyctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = ELEMENTS(program), .filter = program};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

static void filtered(int error)
{
    _cleanup_threshold_key_ ThresholdKey *key = fixture_key(&rsa2048_3_of_5);
    Problem problem = PROBLEM_INIT;
    KeyringShare *share = NULL;
    KeySerial ring, second;

    ck_assert_int_eq(keyring_ring_new(SEPARATION_NONE, &ring, &problem), 0);
    forbid_keys(error);
    ck_assert_int_eq(keyring_ring_new(SEPARATION_NONE, &second, &problem), KEYRING_E_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(problem.text, "seccomp"));
    ck_assert_int_eq(keyring_custody_check(CUSTODY_KEYRING, &problem), KEYRING_E_FORBIDDEN);
    ck_assert_int_eq(keyring_custody_check(CUSTODY_KERNEL, &problem), KEYRING_E_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(problem.text, "seccomp"));
    ck_assert_int_eq(insert(ring, SEPARATION_NONE, 2, 2, &problem), KEYRING_E_FORBIDDEN);
    ck_assert_int_eq(keyring_share_find(ring, custody, &KEY_ID, key, &share, &problem), KEYRING_E_FORBIDDEN);
}

START_TEST(system_calls_refused)
{
    filtered(filter_errors[_i]);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_loop_test(cases, between_two_users, 0, ELEMENTS(custodies));
    tcase_add_loop_test(cases, on_one_user, 0, ELEMENTS(custodies));
    tcase_add_test(cases, loader_outside_the_group);
    tcase_add_test(cases, separation_not_as_configured);
    tcase_add_test(cases, one_user_that_claims_separation);
    tcase_add_test(cases, not_a_ring);
    tcase_add_loop_test(cases, wrong_shares_leave_nothing, 0, ELEMENTS(custodies));
    tcase_add_loop_test(cases, possessor_never_has_more_than_view_and_search, 0, ELEMENTS(custodies));
    tcase_add_test(cases, right_for_the_verification_value_only);
    tcase_add_loop_test(cases, quota_reached, 0, ELEMENTS(custodies));
    tcase_add_loop_test(cases, system_calls_refused, 0, ELEMENTS(filter_errors));
}

UNIT_MAIN("hand-over", add_tests)
