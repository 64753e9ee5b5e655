/* The loader as a process: configuration, sealing key and sealed share on disk; a request on a socket; the power in the asker's ring. */
#include "key-fixture.h"
#include "keyring/keyring.h"
#include "share/sealed.h"
#include "unit.h"
#include "wire/link.h"
#include "wire/load-interface.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <keyutils.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define INDEX      2
#define SHARE_SIZE 256

/* ---- A node's files ---------------------------------------------------------------------------------------------------- */

typedef struct Scene {
    char directory[64];
    char share_path[256];
    KeyId id;
    Bytes encoded;
    KeySerial ring;
} Scene;

static void write_file(const char *path, const void *data, size_t size, mode_t mode)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    fclose(file);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static void put_file(const Scene *scene, const char *name, const void *data, size_t size, mode_t mode)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", scene->directory, name);
    write_file(path, data, size, mode);
}

static void put_config(const Scene *scene, bool separation)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
                   "[node]\nName=test\nState=%s/state\nListen=unix:%s/node.sock\nCustody=keyring\nSeparation=%s\n"
                   "SealingKey=%s/sealing-key\nIdentityKey=%s/identity-key\n%s",
                   scene->directory, scene->directory, separation ? "yes" : "no", scene->directory, scene->directory,
                   separation ? "Loader=unix:/loader.sock\n" : "");
    put_file(scene, "config", text, strlen(text), 0644);
}

static void put_share(Scene *scene, const Bytes *encoded)
{
    write_file(scene->share_path, encoded->data, encoded->size, 0644);
}

/* Seal node INDEX's share of the fixed key to a new sealing key; both go to disk. `index`: whose share the file says it is. */
static void seal(Scene *scene, unsigned index)
{
    _cleanup_header_ Header header = fixture_header(&rsa2048_3_of_5, CUSTODY_KEYRING);
    _cleanup_secret_ Secret *private_key = NULL, *share = fixture_share(&rsa2048_3_of_5, INDEX);
    _cleanup_bytes_ Bytes common = {0};
    uint8_t public_key[HPKE_PUBLIC_KEY_SIZE];
    char text[2 * KEY_ID_SIZE + 1];

    bytes_clear(&scene->encoded);
    ck_assert_int_eq(hpke_key_new(&private_key, public_key), 0);
    ck_assert_int_eq(header_encode(&header, &common), 0);
    ck_assert_int_eq(header_key_id(&common, &scene->id), 0);
    ck_assert_int_eq(sealed_share_new(&common, index, public_key, share, &scene->encoded), 0);
    key_id_format(&scene->id, text);
    (void)snprintf(scene->share_path, sizeof(scene->share_path), "%s/state/keys/%s.share", scene->directory, text);
    put_share(scene, &scene->encoded);
    put_file(scene, "sealing-key", secret_bytes(private_key), HPKE_PRIVATE_KEY_SIZE, 0600);
}

static Scene scene_new(void)
{
    Scene scene = {.directory = "/tmp/test-load-XXXXXX"};
    char path[128];

    ck_assert_ptr_nonnull(mkdtemp(scene.directory));
    ck_assert_int_eq(chmod(scene.directory, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/state", scene.directory);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/state/keys", scene.directory);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    put_config(&scene, false);
    seal(&scene, INDEX);
    return scene;
}

static void scene_clear(Scene *scene)
{
    char command[128];

    bytes_clear(&scene->encoded);
    (void)snprintf(command, sizeof(command), "rm -r %s", scene->directory);
    ck_assert_int_eq(system(command), 0);
}

#define _cleanup_scene_ _cleanup_(scene_clear)

/* ---- The loader as a child ---------------------------------------------------------------------------------------------- */

/* In the child: become the loader. The binary is opened before the user changes, so that its directory may be anybody's. */
static void __attribute__((noreturn)) become_loader(const Scene *scene, uid_t user, gid_t group, char *connection)
{
    char config[128];
    const char *path = getenv("KEYQUORUM_LOADER");
    int program = open(path ? path : "service/load/keyquorum-load", O_RDONLY | O_CLOEXEC);
    char name[] = "keyquorum-load", config_option[] = "--config", connection_option[] = "--connection";
    char *const arguments[] = {name, config_option, config, connection ? connection_option : NULL, connection, NULL};

    (void)snprintf(config, sizeof(config), "%s/config", scene->directory);
    if (program < 0 || (user > 0 && (setgroups(1, &group) < 0 || setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0)))
        _exit(126);
    /* A process that cannot be traced cannot look for its own leaks. */
    (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    (void)fexecve(program, arguments, environ);
    _exit(127);
}

typedef struct Loader {
    pid_t pid;
    Link *link;
    FILE *errors; /* its standard error */
} Loader;

static Loader start_loader(const Scene *scene)
{
    Loader loader;
    char number[] = "9";
    Stream *stream;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    loader.errors = tmpfile();
    loader.pid = fork();
    if (loader.pid == 0) {
        dup2(fileno(loader.errors), STDERR_FILENO);
        if (ends[1] == 9)
            fcntl(9, F_SETFD, 0);
        else
            dup2(ends[1], 9);
        become_loader(scene, 0, 0, number);
    }
    close(ends[1]);
    ck_assert_int_eq(stream_from_unix_fd(ends[0], &stream), 0);
    ck_assert_int_eq(link_new(stream, &loader.link), 0);
    return loader;
}

static int wait_exit(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Hang up; it goes by itself. Returns its exit status, and what it has said. */
static int stop_loader(Loader *loader, char *ret_words, size_t size)
{
    loader->link = link_close(loader->link);

    int status = wait_exit(loader->pid);

    rewind(loader->errors);
    ret_words[fread(ret_words, 1, size - 1, loader->errors)] = '\0';
    fclose(loader->errors);
    return status;
}

/* Keyring custody: the share itself counts, and the quota is its loader's user's. */
static void check_quota(const Reply *reply, size_t bytes)
{
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    LoadOutput output;

    ck_assert_msg(reply_parse(reply, &load_output, &output, field) == 0, "%s", field);
    ck_assert_uint_ge(output.keys_used, 1);
    ck_assert_uint_ge(output.keys_max, output.keys_used);
    ck_assert_uint_ge(output.bytes_used, bytes);
    ck_assert_uint_ge(output.bytes_max, output.bytes_used);
}

/* One request; what went wrong is put into `ret_reason`. */
static LoadError request_by(Link *link, const char *method, const Layout *layout, const void *input,
                            char ret_reason[LOAD_REASON_SIZE_MAX + 1])
{
    _cleanup_(reply_freep) Reply *reply = NULL;
    char field[MESSAGE_FIELD_NAME_MAX];
    LoadErrorDetail detail = {0};

    ret_reason[0] = '\0';
    ck_assert_int_eq(link_call_wait(link, method, layout, input, clock_now() + 20 * MICROSECONDS_PER_SECOND, &reply), 0);
    if (!reply_error(reply)) {
        check_quota(reply, layout == &load_input ? SHARE_SIZE : KEYRING_IDENTITY_SIZE);
        return LOAD_ERROR_NONE;
    }
    ck_assert_int_eq(reply_parse(reply, &load_error_detail, &detail, field), 0);
    (void)snprintf(ret_reason, LOAD_REASON_SIZE_MAX + 1, "%s", detail.reason);
    message_clear(&load_error_detail, &detail);
    return load_error_from_name(reply_error(reply));
}

static LoadError request(Link *link, const Scene *scene, bool separation, char ret_reason[LOAD_REASON_SIZE_MAX + 1])
{
    const LoadInput input = {{(uint8_t *)scene->id.bytes, KEY_ID_SIZE}, (uint64_t)scene->ring, separation};

    return request_by(link, LOAD_METHOD("Load"), &load_input, &input, ret_reason);
}

static LoadError request_identity(Link *link, const Scene *scene, bool separation, char ret_reason[LOAD_REASON_SIZE_MAX + 1])
{
    const LoadIdentityInput input = {(uint64_t)scene->ring, separation};

    return request_by(link, LOAD_METHOD("LoadIdentity"), &load_identity_input, &input, ret_reason);
}

static void assert_power(const Scene *scene)
{
    _cleanup_threshold_key_ ThresholdKey *key = fixture_key(&rsa2048_3_of_5);
    _cleanup_secret_ Secret *secret = fixture_share(&rsa2048_3_of_5, INDEX);
    _cleanup_(keyring_share_freep) KeyringShare *share = NULL;
    uint8_t base[THRESHOLD_PARTIAL_SIZE_MAX], power[THRESHOLD_PARTIAL_SIZE_MAX], expected[THRESHOLD_PARTIAL_SIZE_MAX];
    Problem problem = PROBLEM_INIT;

    fixture_base(&rsa2048_3_of_5, base);
    ck_assert_msg(keyring_share_find(scene->ring, CUSTODY_KEYRING, &scene->id, key, &share, &problem) == 0, "%s", problem.text);
    ck_assert_int_eq(keyring_share_power(share, base, power, &problem), 0);
    ck_assert_int_eq(threshold_key_power(key, secret, base, expected), 0);
    ck_assert_mem_eq(power, expected, 256);
}

/* Start a loader, ask once, hang up. */
static LoadError ask_once(const Scene *scene, char ret_reason[LOAD_REASON_SIZE_MAX + 1])
{
    Loader loader = start_loader(scene);
    char words[1024];
    LoadError error = request(loader.link, scene, false, ret_reason);

    ck_assert_int_eq(stop_loader(&loader, words, sizeof(words)), 0);
    return error;
}

static void assert_refused(const Scene *scene, LoadError expected, const char *words)
{
    char reason[LOAD_REASON_SIZE_MAX + 1];
    LoadError error = ask_once(scene, reason);

    ck_assert_msg(error == expected, "error %d: %s", error, reason);
    ck_assert_msg(strstr(reason, words), "'%s' should say '%s'", reason, words);
}

static void make_ring(Scene *scene)
{
    ck_assert_int_eq(keyring_ring_new(SEPARATION_NONE, &scene->ring, NULL), 0);
}

/* ---- Tests ---------------------------------------------------------------------------------------------------------------- */

START_TEST(from_disk_to_ring)
{
    _cleanup_scene_ Scene scene = scene_new();
    char reason[LOAD_REASON_SIZE_MAX + 1], words[1024];
    Loader loader;

    make_ring(&scene);
    loader = start_loader(&scene);
    ck_assert_msg(request(loader.link, &scene, false, reason) == LOAD_ERROR_NONE, "%s", reason);
    assert_power(&scene);
    ck_assert_int_eq(request(loader.link, &scene, false, reason), LOAD_ERROR_NONE); /* again: nothing to do */
    ck_assert_int_eq(keyring_share_remove(scene.ring, CUSTODY_KEYRING, &scene.id), 0);
    ck_assert_int_eq(request(loader.link, &scene, false, reason), LOAD_ERROR_NONE);
    ck_assert_int_eq(stop_loader(&loader, words, sizeof(words)), 0);
    ck_assert_ptr_nonnull(strstr(words, "no separation"));
    ck_assert_ptr_null(strstr(strstr(words, "no separation") + 1, "no separation")); /* once, not per request */
    assert_power(&scene);
}
END_TEST

START_TEST(share_not_there)
{
    _cleanup_scene_ Scene scene = scene_new();

    make_ring(&scene);
    scene.id.bytes[0] ^= 1;
    assert_refused(&scene, LOAD_ERROR_UNAVAILABLE, "No such file");
}
END_TEST

START_TEST(share_under_another_name)
{
    _cleanup_scene_ Scene scene = scene_new();
    char text[2 * KEY_ID_SIZE + 1];

    make_ring(&scene);
    scene.id.bytes[0] ^= 1;
    key_id_format(&scene.id, text);
    (void)snprintf(scene.share_path, sizeof(scene.share_path), "%s/state/keys/%s.share", scene.directory, text);
    put_share(&scene, &scene.encoded);
    assert_refused(&scene, LOAD_ERROR_REJECTED, "another key");
}
END_TEST

START_TEST(share_damaged)
{
    _cleanup_scene_ Scene scene = scene_new();
    _cleanup_bytes_ Bytes large = {0};
    const Bytes half = {scene.encoded.data, scene.encoded.size / 2};

    make_ring(&scene);
    scene.encoded.data[scene.encoded.size - 1] ^= 1;
    put_share(&scene, &scene.encoded);
    assert_refused(&scene, LOAD_ERROR_REJECTED, "does not open");
    put_share(&scene, &half);
    assert_refused(&scene, LOAD_ERROR_REJECTED, "ends before");
    ck_assert_int_eq(bytes_new(SEALED_SHARE_SIZE_MAX + 1, &large), 0);
    put_share(&scene, &large);
    assert_refused(&scene, LOAD_ERROR_REJECTED, "too large");
    scene.encoded.data[scene.encoded.size - 1] ^= 1;
    scene.encoded.data[8] = 2;
    put_share(&scene, &scene.encoded);
    assert_refused(&scene, LOAD_ERROR_REJECTED, "format 2");
}
END_TEST

/* Sealed properly, but the dealer has given this node another one's share. */
START_TEST(share_of_another_node)
{
    _cleanup_scene_ Scene scene = scene_new();

    make_ring(&scene);
    seal(&scene, INDEX + 1);
    assert_refused(&scene, LOAD_ERROR_REJECTED, "verification value of node 3");
}
END_TEST

START_TEST(sealing_key_wrong)
{
    _cleanup_scene_ Scene scene = scene_new();
    uint8_t key[HPKE_PRIVATE_KEY_SIZE + 1] = {1, 2, 3};
    char path[128];

    make_ring(&scene);
    put_file(&scene, "sealing-key", key, HPKE_PRIVATE_KEY_SIZE, 0600);
    assert_refused(&scene, LOAD_ERROR_REJECTED, "another node's key");
    put_file(&scene, "sealing-key", key, HPKE_PRIVATE_KEY_SIZE, 0640);
    assert_refused(&scene, LOAD_ERROR_UNAVAILABLE, "chmod 0600");
    put_file(&scene, "sealing-key", key, HPKE_PRIVATE_KEY_SIZE - 1, 0600);
    assert_refused(&scene, LOAD_ERROR_UNAVAILABLE, "has 31 bytes");
    put_file(&scene, "sealing-key", key, HPKE_PRIVATE_KEY_SIZE + 1, 0600);
    assert_refused(&scene, LOAD_ERROR_UNAVAILABLE, "has 33 bytes");
    (void)snprintf(path, sizeof(path), "%s/sealing-key", scene.directory);
    ck_assert_int_eq(unlink(path), 0);
    assert_refused(&scene, LOAD_ERROR_UNAVAILABLE, "No such file");
}
END_TEST

START_TEST(ring_wrong)
{
    _cleanup_scene_ Scene scene = scene_new();

    scene.ring = INT32_MAX;
    assert_refused(&scene, LOAD_ERROR_FORBIDDEN, "not there");
    ck_assert_int_eq(keyring_ring_new(SEPARATION_USERS, &scene.ring, NULL), 0);
    assert_refused(&scene, LOAD_ERROR_FORBIDDEN, "the node's ring");
}
END_TEST

START_TEST(separation_not_as_said)
{
    _cleanup_scene_ Scene scene = scene_new();
    char reason[LOAD_REASON_SIZE_MAX + 1], words[1024];
    Loader loader;

    make_ring(&scene);
    loader = start_loader(&scene);
    ck_assert_int_eq(request(loader.link, &scene, true, reason), LOAD_ERROR_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(reason, "Separation=no"));
    ck_assert_int_eq(stop_loader(&loader, words, sizeof(words)), 0);
}
END_TEST

START_TEST(connection_needs_no_separation)
{
    _cleanup_scene_ Scene scene = scene_new();
    char words[1024];
    Loader loader;

    put_config(&scene, true);
    loader = start_loader(&scene);
    ck_assert_int_eq(stop_loader(&loader, words, sizeof(words)), 1);
    ck_assert_ptr_nonnull(strstr(words, "only for Separation=no"));
}
END_TEST

static int run_with(const char *options)
{
    const char *path = getenv("KEYQUORUM_LOADER");
    char command[512];

    (void)snprintf(command, sizeof(command), "%s %s >/dev/null 2>&1", path ? path : "service/load/keyquorum-load", options);

    int status = system(command);

    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(command_line)
{
    ck_assert_int_eq(run_with("--help"), 0);
    ck_assert_int_eq(run_with("--version"), 0);
    ck_assert_int_eq(run_with(""), 2);
    ck_assert_int_eq(run_with("--config"), 2);
    ck_assert_int_eq(run_with("--nonsense"), 2);
    ck_assert_int_eq(run_with("--config /nonexistent more"), 2);
    ck_assert_int_eq(run_with("--config /nonexistent --connection 2"), 2);
    ck_assert_int_eq(run_with("--config /nonexistent"), 1);
}
END_TEST

/* ---- With separation: another user, a listening socket as systemd passes it ---------------------------------------------------- */

static uid_t unused_id(unsigned i)
{
    return 100000 + 8 * (uid_t)(getpid() % 100000) + i;
}

static int listening_socket(const Scene *scene, uid_t user)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/load.sock", scene->directory);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(chown(address.sun_path, user, user), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    return fd;
}

static pid_t start_listening_loader(const Scene *scene, int listener, uid_t user, gid_t node_group)
{
    pid_t pid = fork();
    char number[16];

    if (pid != 0)
        return pid;
    if (listener == 3)
        fcntl(3, F_SETFD, 0);
    else
        dup2(listener, 3);
    (void)snprintf(number, sizeof(number), "%d", getpid());
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDS", "1", 1);
    become_loader(scene, user, node_group, NULL);
}

static void become(uid_t user)
{
    ck_assert_int_eq(setgroups(0, NULL), 0);
    ck_assert_int_eq(setresgid(user, user, user), 0);
    ck_assert_int_eq(setresuid(user, user, user), 0);
}

/* The node: make the ring, ask through the socket, use the share, or be refused with these words. */
static void run_node(Scene *scene, LoadError expected, const char *words)
{
    char reason[LOAD_REASON_SIZE_MAX + 1], address[128];
    Problem problem = PROBLEM_INIT;
    Link *link = NULL;

    ck_assert_int_eq(keyring_ring_new(SEPARATION_USERS, &scene->ring, NULL), 0);
    (void)snprintf(address, sizeof(address), "unix:%s/load.sock", scene->directory);
    ck_assert_msg(link_open(address, NULL, &link, &problem) == 0, "%s", problem.text);
    ck_assert_msg(request(link, scene, true, reason) == expected, "%s", reason);
    ck_assert_msg(strstr(reason, words), "'%s' should say '%s'", reason, words);
    (void)link_close(link);
    if (expected == LOAD_ERROR_NONE)
        assert_power(scene);
}

static void check_between_users(uid_t node_user, uid_t load_user, mode_t key_mode, LoadError expected, const char *words)
{
    char path[128];

    if (geteuid() != 0)
        skip_test("only root can test with several users");

    _cleanup_scene_ Scene scene = scene_new();

    put_config(&scene, true);
    (void)snprintf(path, sizeof(path), "%s/sealing-key", scene.directory);
    ck_assert_int_eq(chown(path, load_user, load_user), 0);
    ck_assert_int_eq(chmod(path, key_mode), 0);

    int listener = listening_socket(&scene, node_user);
    pid_t loader = start_listening_loader(&scene, listener, load_user, node_user), node = fork();

    if (node == 0) {
        become(node_user);
        run_node(&scene, expected, words);
        _exit(0);
    }
    ck_assert_int_eq(wait_exit(node), 0);
    ck_assert_int_eq(wait_exit(loader), 0); /* idle: it has gone by itself */
    close(listener);
}

START_TEST(between_users_through_a_listening_socket)
{
    check_between_users(unused_id(0), unused_id(1), 0600, LOAD_ERROR_NONE, "");
}
END_TEST

/* A credential's access list shows as the group's bits; nothing makes one readable for everybody. */
START_TEST(sealing_key_is_private_between_users_too)
{
    check_between_users(unused_id(0), unused_id(1), 0440, LOAD_ERROR_NONE, "");
    check_between_users(unused_id(0), unused_id(1), 0604, LOAD_ERROR_UNAVAILABLE, "is open to others");
}
END_TEST

static void fill_quota(void)
{
    char name[32];
    unsigned i = 0;

    do
        (void)snprintf(name, sizeof(name), "filler %u", i++);
    while (add_key("user", name, "x", 1, KEY_SPEC_PROCESS_KEYRING) > 0);
    ck_assert_int_eq(errno, EDQUOT);
}

/* The user's quota is used up as long as this child lives. */
static pid_t start_filler(uid_t user)
{
    int ends[2];
    char byte;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);

    pid_t pid = fork();

    if (pid == 0) {
        become(user);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        fill_quota();
        ck_assert_int_eq(write(ends[1], "", 1), 1);
        (void)pause();
        _exit(1);
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

START_TEST(quota_of_the_loader_is_used_up)
{
    if (geteuid() != 0)
        skip_test("only root can test with several users");

    uid_t node_user = unused_id(2), load_user = unused_id(3);
    pid_t filler = start_filler(load_user);

    check_between_users(node_user, load_user, 0600, LOAD_ERROR_QUOTA, "raise the sysctl kernel.keys.maxkeys or kernel.keys.maxbytes");
    check_between_users(node_user, load_user, 0600, LOAD_ERROR_QUOTA, " keys and "); /* how many are used: it can tell */
    ck_assert_int_eq(kill(filler, SIGKILL), 0);
    ck_assert_int_eq(waitpid(filler, NULL, 0), filler);
}
END_TEST

/* ---- The identity key ----------------------------------------------------------------------------------------------------- */

static void put_identity(const Scene *scene, uint8_t byte, size_t size)
{
    uint8_t seed[2 * KEYRING_IDENTITY_SIZE];

    memset(seed, byte, sizeof(seed));
    put_file(scene, "identity-key", seed, size, 0600);
}

static void assert_identity(const Scene *scene, uint8_t byte)
{
    _cleanup_secret_ Secret *seed = NULL;
    uint8_t expected[KEYRING_IDENTITY_SIZE];
    Problem problem = PROBLEM_INIT;

    memset(expected, byte, sizeof(expected));
    ck_assert_msg(keyring_identity_read(scene->ring, &seed, &problem) == 0, "%s", problem.text);
    ck_assert_uint_eq(secret_size(seed), sizeof(expected));
    ck_assert_mem_eq(secret_bytes(seed), expected, sizeof(expected));
}

/* After a rotation the new one takes the old one's place. */
START_TEST(identity_key_from_disk_to_ring)
{
    _cleanup_scene_ Scene scene = scene_new();
    char reason[LOAD_REASON_SIZE_MAX + 1], words[1024];
    Loader loader;

    make_ring(&scene);
    ck_assert_int_eq(keyring_identity_read(scene.ring, &(Secret *){NULL}, NULL), KEYRING_E_GONE);
    loader = start_loader(&scene);
    put_identity(&scene, 7, KEYRING_IDENTITY_SIZE);
    for (int i = 0; i < 2; i++)
        ck_assert_msg(request_identity(loader.link, &scene, false, reason) == LOAD_ERROR_NONE, "%s", reason);
    assert_identity(&scene, 7);
    put_identity(&scene, 8, KEYRING_IDENTITY_SIZE);
    ck_assert_msg(request_identity(loader.link, &scene, false, reason) == LOAD_ERROR_NONE, "%s", reason);
    assert_identity(&scene, 8);
    ck_assert_int_eq(stop_loader(&loader, words, sizeof(words)), 0);
    assert_identity(&scene, 8);
}
END_TEST

START_TEST(identity_key_wrong)
{
    _cleanup_scene_ Scene scene = scene_new();
    char reason[LOAD_REASON_SIZE_MAX + 1], words[1024];
    Loader loader;

    make_ring(&scene);
    loader = start_loader(&scene);
    ck_assert_int_eq(request_identity(loader.link, &scene, false, reason), LOAD_ERROR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(reason, "the identity key: "));
    put_identity(&scene, 7, KEYRING_IDENTITY_SIZE + 1);
    ck_assert_int_eq(request_identity(loader.link, &scene, false, reason), LOAD_ERROR_REJECTED);
    ck_assert_ptr_nonnull(strstr(reason, "33 bytes; it must have 32"));
    put_identity(&scene, 7, KEYRING_IDENTITY_SIZE);
    ck_assert_int_eq(request_identity(loader.link, &scene, true, reason), LOAD_ERROR_FORBIDDEN);
    scene.ring = 1;
    ck_assert_int_ne(request_identity(loader.link, &scene, false, reason), LOAD_ERROR_NONE);
    ck_assert_int_eq(stop_loader(&loader, words, sizeof(words)), 0);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, identity_key_from_disk_to_ring);
    tcase_add_test(cases, identity_key_wrong);
    tcase_add_test(cases, from_disk_to_ring);
    tcase_add_test(cases, share_not_there);
    tcase_add_test(cases, share_under_another_name);
    tcase_add_test(cases, share_damaged);
    tcase_add_test(cases, share_of_another_node);
    tcase_add_test(cases, sealing_key_wrong);
    tcase_add_test(cases, ring_wrong);
    tcase_add_test(cases, separation_not_as_said);
    tcase_add_test(cases, connection_needs_no_separation);
    tcase_add_test(cases, command_line);
    tcase_add_test(cases, between_users_through_a_listening_socket);
    tcase_add_test(cases, sealing_key_is_private_between_users_too);
    tcase_add_test(cases, quota_of_the_loader_is_used_up);
}

UNIT_MAIN("load", add_tests)
