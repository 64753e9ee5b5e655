/*
 * What code in a node could do if it were not the node's own. Loaded into keyquorum-node (LD_PRELOAD), it waits for SIGUSR2, and then, in
 * the node's process, with its user, its keyring, its sandbox and its SELinux domain, tries everything below. As a program that root runs
 * it tries the same with a key of its own, to show that each attempt works where nothing stands against it.
 *
 * Its orders are lines in a file: "key KEYID" the key whose share it is after, "loader PID" a loader that is running, "plant HEX" only put
 * this number into the memory. It writes "NAME allowed" or "NAME denied: WHY" for each attempt, and at last "end".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDERS_SIZE_MAX 8192
#define KEY_SIZE        256 /* bytes of a 2048 bit modulus */

static key_serial_t share, ring;
static const char *share_type;
static char share_description[256];
static long loader;
static char orders[ORDERS_SIZE_MAX];

/* ---- The key --------------------------------------------------------------------------------------------------------------------- */

static long key_read(void)
{
    char payload[4096];

    return keyctl_read(share, payload, sizeof(payload));
}

static long key_set_permissions(void)
{
    return keyctl_setperm(share, KEY_POS_ALL | KEY_USR_ALL);
}

static long key_give_away(void)
{
    return keyctl_chown(share, geteuid(), (gid_t)-1);
}

static long key_give_to_group(void)
{
    return keyctl_chown(share, (uid_t)-1, getegid());
}

static long key_update(void)
{
    return keyctl_update(share, "changed", 7);
}

static long key_link_session(void)
{
    return keyctl_link(share, KEY_SPEC_SESSION_KEYRING);
}

static long key_link_user(void)
{
    return keyctl_link(share, KEY_SPEC_USER_KEYRING);
}

static long key_link_process(void)
{
    return keyctl_link(share, KEY_SPEC_PROCESS_KEYRING);
}

static key_serial_t new_ring(void)
{
    return add_key("keyring", "probe", NULL, 0, KEY_SPEC_PROCESS_KEYRING);
}

static long key_link_new_ring(void)
{
    key_serial_t own = new_ring();

    return own < 0 ? own : keyctl_link(share, own);
}

/* What has been described can be asked for by its description, and a ring named that it shall go to. */
static long key_find_into(void)
{
    key_serial_t own = new_ring();

    return own < 0 ? own : keyctl_search(ring, share_type, share_description, own);
}

static long key_request_into(void)
{
    key_serial_t own = new_ring();

    return own < 0 ? own : request_key(share_type, share_description, NULL, own);
}

static long key_move(void)
{
    key_serial_t own = new_ring();
    long r = own < 0 ? own : keyctl_move(share, ring, own, 0);

    if (r == 0)
        (void)keyctl_link(share, ring); /* for the next attempt */
    return r;
}

static long key_unlink(void)
{
    return keyctl_unlink(share, ring);
}

static long key_limit_time(void)
{
    return keyctl_set_timeout(share, 3600);
}

static long key_revoke(void)
{
    return keyctl_revoke(share);
}

static long ring_read(void)
{
    char payload[4096];

    return keyctl_read(ring, payload, sizeof(payload));
}

static long ring_set_permissions(void)
{
    return keyctl_setperm(ring, KEY_POS_ALL | KEY_USR_ALL);
}

static long ring_link_user(void)
{
    return keyctl_link(ring, KEY_SPEC_USER_KEYRING);
}

static long ring_add(void)
{
    return add_key("user", "probe:planted", "planted", 7, ring);
}

static long ring_clear(void)
{
    return keyctl_clear(ring);
}

static long key_describe(void)
{
    char words[256];

    return keyctl_describe(share, words, sizeof(words));
}

static long key_use(void)
{
    uint8_t base[KEY_SIZE] = {[KEY_SIZE - 1] = 2}, power[KEY_SIZE];

    return keyctl_pkey_decrypt(share, "enc=raw", (char *)base, sizeof(base), (char *)power, sizeof(power));
}

/* ---- The rest of the host ---------------------------------------------------------------------------------------------------------- */

static long try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd >= 0)
        (void)close(fd);
    return fd;
}

static long read_credential(void)
{
    return try_open("/run/credentials/keyquorum-load@one.service/sealing-key", O_RDONLY);
}

static long read_encrypted_credential(void)
{
    return try_open("/etc/keyquorum/nodes/one/sealing-key.cred", O_RDONLY);
}

static long read_host_key(void)
{
    return try_open("/var/lib/systemd/credential.secret", O_RDONLY);
}

static long read_loader_memory(void)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%ld/mem", loader);
    return try_open(path, O_RDONLY);
}

static long trace_loader(void)
{
    long r = ptrace(PTRACE_SEIZE, (pid_t)loader, NULL, NULL);

    if (r == 0)
        (void)ptrace(PTRACE_DETACH, (pid_t)loader, NULL, NULL);
    return r;
}

static long signal_loader(void)
{
    return kill((pid_t)loader, 0);
}

static long make_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        (void)close(fd);
    return fd;
}

static long network_tcp(void)
{
    return make_socket(AF_INET, SOCK_STREAM);
}

static long network_tcp6(void)
{
    return make_socket(AF_INET6, SOCK_STREAM);
}

static long network_udp(void)
{
    return make_socket(AF_INET, SOCK_DGRAM);
}

static long network_raw(void)
{
    return make_socket(AF_PACKET, SOCK_RAW);
}

static long network_netlink(void)
{
    return make_socket(AF_NETLINK, SOCK_RAW);
}

static long execute(void)
{
    char *const arguments[] = {(char *)"true", NULL};
    pid_t child;
    int r = posix_spawn(&child, "/usr/bin/true", NULL, NULL, arguments, environ);

    if (r == 0)
        (void)waitpid(child, NULL, 0);
    errno = r;
    return r == 0 ? 0 : -1;
}

static long core_limit(void)
{
    const struct rlimit limit = {1 << 20, 1 << 20};

    return setrlimit(RLIMIT_CORE, &limit);
}

static long write_configuration(void)
{
    return try_open("/etc/keyquorum/nodes/one/probe", O_WRONLY | O_CREAT);
}

static long write_program(void)
{
    return try_open("/usr/libexec/keyquorum/probe", O_WRONLY | O_CREAT);
}

static long write_runtime(void)
{
    return try_open("/run/probe", O_WRONLY | O_CREAT);
}

static long write_home(void)
{
    return try_open("/root/probe", O_WRONLY | O_CREAT);
}

static long read_kernel_memory(void)
{
    return try_open("/proc/kcore", O_RDONLY);
}

static long read_state(void)
{
    return try_open("/var/lib/keyquorum/one/token.json", O_RDONLY);
}

/* ---- All of it ---------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    long (*attempt)(void); /* negative: denied, and errno says why */
} attempts[] = {
    {"key-describe", key_describe},
    {"key-use", key_use},
    {"read-state", read_state},
    {"key-read", key_read},
    {"key-set-permissions", key_set_permissions},
    {"key-give-away", key_give_away},
    {"key-give-to-group", key_give_to_group},
    {"key-update", key_update},
    {"key-link-session", key_link_session},
    {"key-link-user", key_link_user},
    {"key-link-process", key_link_process},
    {"key-link-new-ring", key_link_new_ring},
    {"key-find-into", key_find_into},
    {"key-request-into", key_request_into},
    {"key-move", key_move},
    {"key-limit-time", key_limit_time},
    {"ring-read", ring_read},
    {"ring-set-permissions", ring_set_permissions},
    {"ring-link-user", ring_link_user},
    {"ring-add", ring_add},
    {"key-unlink", key_unlink},
    {"key-revoke", key_revoke},
    {"ring-clear", ring_clear},
    {"read-credential", read_credential},
    {"read-encrypted-credential", read_encrypted_credential},
    {"read-host-key", read_host_key},
    {"read-loader-memory", read_loader_memory},
    {"trace-loader", trace_loader},
    {"signal-loader", signal_loader},
    {"network-tcp", network_tcp},
    {"network-tcp6", network_tcp6},
    {"network-udp", network_udp},
    {"network-raw", network_raw},
    {"network-netlink", network_netlink},
    {"execute", execute},
    {"core-limit", core_limit},
    {"write-configuration", write_configuration},
    {"write-program", write_program},
    {"write-runtime", write_runtime},
    {"write-home", write_home},
    {"read-kernel-memory", read_kernel_memory},
};

static bool read_orders(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, orders, sizeof(orders) - 1);

    if (fd >= 0)
        (void)close(fd);
    orders[size < 0 ? 0 : size] = '\0';
    return size > 0;
}

/* The rest of the line that begins with `name` and a blank; NULL: there is none. */
static char *order(const char *name, char ret_value[ORDERS_SIZE_MAX])
{
    size_t size = strlen(name);

    for (const char *line = orders; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, size) == 0 && line[size] == ' ') {
            (void)snprintf(ret_value, ORDERS_SIZE_MAX, "%.*s", (int)strcspn(line + size + 1, "\n"), line + size + 1);
            return ret_value;
        }
    }
    return NULL;
}

static void try_all(int output)
{
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        errno = 0;

        long r = attempts[i].attempt();

        if (r < 0)
            (void)dprintf(output, "%s denied: %s\n", attempts[i].name, strerrorname_np(errno));
        else
            (void)dprintf(output, "%s allowed\n", attempts[i].name);
    }
}

static int open_output(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void read_loader(void)
{
    char value[ORDERS_SIZE_MAX];

    loader = order("loader", value) ? strtol(value, NULL, 10) : 0;
}

#ifdef PROBE_PROGRAM
int main(int argc, char **argv)
{
    int output = argc == 3 && read_orders(argv[1]) ? open_output(argv[2]) : -1;

    if (output < 0)
        return EXIT_FAILURE;
    read_loader();
    ring = add_key("keyring", "keyquorum", NULL, 0, KEY_SPEC_PROCESS_KEYRING);
    share_type = "user";
    (void)snprintf(share_description, sizeof(share_description), "keyquorum:probe");
    share = add_key(share_type, share_description, "a share", 7, ring);
    try_all(output);
    (void)dprintf(output, "end\n");
    return EXIT_SUCCESS;
}
#else
#define STATE "/var/lib/keyquorum/one/"

/* Like a share in a number of libcrypto: the last byte first. It stays. */
static void plant(const char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *planted = malloc(size);
    unsigned byte;

    for (size_t i = 0; planted && i < size; i++)
        if (sscanf(hex + 2 * i, "%2x", &byte) == 1)
            planted[size - 1 - i] = (uint8_t)byte;
}

static void find_share(void)
{
    char id[ORDERS_SIZE_MAX];

    ring = (key_serial_t)keyctl_search(KEY_SPEC_PROCESS_KEYRING, "keyring", "keyquorum", 0);
    if (!order("key", id))
        return;
    share_type = "asymmetric";
    (void)snprintf(share_description, sizeof(share_description), "keyquorum:%.64s", id);
    share = (key_serial_t)keyctl_search(ring, share_type, share_description, 0);
}

static void on_signal(int signal)
{
    static char value[ORDERS_SIZE_MAX];
    int output = open_output(STATE "probe-output");

    if (output < 0 || !read_orders(STATE "probe-orders"))
        return;
    if (order("plant", value)) {
        plant(value);
    } else {
        read_loader();
        find_share();
        try_all(output);
    }
    (void)dprintf(output, "end\n");
    (void)close(output);
}

__attribute__((constructor)) static void set_up(void)
{
    (void)signal(SIGUSR2, on_signal);
}
#endif
