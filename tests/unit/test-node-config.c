#include "base/address.h"
#include "base/node-config.h"
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const char COMPLETE[] = "# a node\n"
                               "[node]\n"
                               "Name=alpha_1\n"
                               "State=/var/lib/keyquorum/alpha\n"
                               "Listen=unix:/run/keyquorum/alpha.sock\n"
                               "Custody=kernel\n"
                               "Loader=unix:/run/keyquorum/alpha-load.sock\n"
                               "Separation=yes\n"
                               "SealingKey=/etc/keyquorum/sealing\n"
                               "IdentityKey=/etc/keyquorum/identity\n"
                               "Threads=7\n";

static const char ROOTLESS[] = "[node]\nName=a\nState=/s\nListen=unix:/l\nCustody=keyring\nLoader=\nSeparation=no\n"
                               "SealingKey=/k/sealing\nIdentityKey=/k/identity\n";

static const char GATED[] = "[node]\nName=a\nState=/s\nListen=unix:/l\nCustody=keyring\nSeparation=no\n"
                            "SealingKey=/k/sealing\nIdentityKey=/k/identity\n"
                            "Address=tls:192.0.2.11:7853\nGateSocket=unix:/g\nClients=/c\nTlsKey=/k/tls\n";

static const char SHORT[] = "[node]\nName=a\nState=/s\nListen=unix:/l\nCustody=keyring\nLoader=unix:/loader\n";

static int read_text(const char *text, NodeConfig *ret_config, Problem *problem)
{
    char path[] = "/tmp/test-node-config-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    *problem = PROBLEM_INIT;

    int r = node_config_read(path, ret_config, problem);

    unlink(path);
    if (r != 0)
        ck_assert_msg(strncmp(problem->text, path, strlen(path)) == 0, "%s", problem->text);
    return r;
}

START_TEST(complete)
{
    _cleanup_node_config_ NodeConfig config = {0};
    Problem problem;

    ck_assert_msg(read_text(COMPLETE, &config, &problem) == 0, "%s", problem.text);
    ck_assert_str_eq(config.name, "alpha_1");
    ck_assert_str_eq(config.state, "/var/lib/keyquorum/alpha");
    ck_assert_str_eq(config.listen, "unix:/run/keyquorum/alpha.sock");
    ck_assert_str_eq(config.custody, "kernel");
    ck_assert_str_eq(config.loader, "unix:/run/keyquorum/alpha-load.sock");
    ck_assert(config.separation);
    ck_assert_str_eq(config.sealing_key, "/etc/keyquorum/sealing");
    ck_assert_str_eq(config.identity_key, "/etc/keyquorum/identity");
    ck_assert_uint_eq(config.threads, 7);
}
END_TEST

START_TEST(rootless)
{
    _cleanup_node_config_ NodeConfig config = {0};
    Problem problem;

    ck_assert_msg(read_text(ROOTLESS, &config, &problem) == 0, "%s", problem.text);
    ck_assert(!config.separation);
    ck_assert_ptr_null(config.loader);
    ck_assert_uint_eq(config.threads, 0);
}
END_TEST

START_TEST(keys_default_to_credentials)
{
    _cleanup_node_config_ NodeConfig with = {0}, without = {0};
    Problem problem;

    setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1);
    ck_assert_msg(read_text(SHORT, &with, &problem) == 0, "%s", problem.text);
    ck_assert(with.separation);
    ck_assert_str_eq(with.sealing_key, "/run/credentials/x/sealing-key");
    ck_assert_str_eq(with.identity_key, "/run/credentials/x/identity-key");
    unsetenv("CREDENTIALS_DIRECTORY");
    ck_assert_msg(read_text(SHORT, &without, &problem) == 0, "%s", problem.text);
    ck_assert_ptr_null(without.sealing_key);
    ck_assert_ptr_null(without.identity_key);
}
END_TEST

START_TEST(gate)
{
    _cleanup_node_config_ NodeConfig config = {0}, without = {0}, with = {0};
    char text[1024];
    Problem problem;

    ck_assert_msg(read_text(GATED, &config, &problem) == 0, "%s", problem.text);
    ck_assert_str_eq(config.address, "tls:192.0.2.11:7853");
    ck_assert_str_eq(config.gate_socket, "unix:/g");
    ck_assert_str_eq(config.clients, "/c");
    ck_assert_str_eq(config.tls_key, "/k/tls");
    setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1);
    ck_assert_msg(read_text(SHORT, &without, &problem) == 0, "%s", problem.text);
    ck_assert(!without.address && !without.gate_socket && !without.clients && !without.tls_key);
    (void)snprintf(text, sizeof(text), "%sAddress=tls:[2001:db8::1]:7853\nGateSocket=unix:/g\nClients=/c\n", SHORT);
    ck_assert_msg(read_text(text, &with, &problem) == 0, "%s", problem.text);
    ck_assert_str_eq(with.tls_key, "/run/credentials/x/tls-key");
    unsetenv("CREDENTIALS_DIRECTORY");
}
END_TEST

/* One mistake each: what is put in place of what in COMPLETE or ROOTLESS, and what must be said. */
static const struct {
    const char *text, *replace, *by, *words;
} mistakes[] = {
    {COMPLETE, "Name=alpha_1", "Name=Alpha", ":3: Name=: 'Alpha' is not a name"},
    {COMPLETE, "Name=alpha_1", "Name=", ":3: Name=: '' is not a name"},
    {COMPLETE, "Name=alpha_1", "Name=a-b", ":3: Name="},
    {COMPLETE, "Name=alpha_1", "Name=1a", ":3: Name="},
    {COMPLETE, "Name=alpha_1", "Name=abcdefghijklmnopqrstuvwxyz0123456", ":3: Name="},
    {COMPLETE, "Name=alpha_1\n", "", ": Name= is missing from [node]"},
    {COMPLETE, "/var/lib", "var/lib", ":4: State=: 'var/lib/keyquorum/alpha' is not an absolute path"},
    {COMPLETE, "State=/var/lib/keyquorum/alpha\n", "", ": State= is missing"},
    {COMPLETE, "unix:/run/keyquorum/alpha.sock", "/run/alpha.sock", ":5: Listen=: '/run/alpha.sock' is not an address"},
    {COMPLETE, "unix:/run/keyquorum/alpha.sock", "unix:run", ":5: Listen="},
    {COMPLETE, "unix:/run/keyquorum/alpha.sock",
     "unix:/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789/0123456",
     ":5: Listen=: 'unix:/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789/0123456' is "
     "too long for a socket: the path may have 107 bytes"},
    {COMPLETE, "Listen=", "Listen=unix:/one\nListen=", ":6: Listen= was given in line 5 already"},
    {COMPLETE, "Custody=kernel\n", "", ": Custody= is missing"},
    {COMPLETE, "Custody=kernel", "Custody=Kernel", ":6: Custody=: 'Kernel' is neither kernel nor keyring"},
    {COMPLETE, "Loader=unix:/run/keyquorum/alpha-load.sock\n", "", ": Loader= is missing"},
    {COMPLETE, "Loader=unix:/run/keyquorum/alpha-load.sock", "Loader=", ": Loader= is missing"},
    {COMPLETE, "Separation=yes", "Separation=no", ":7: Loader= cannot go with Separation=no"},
    {COMPLETE, "Separation=yes", "Separation=true", ":8: Separation=: 'true' is neither yes nor no"},
    {COMPLETE, "SealingKey=/", "SealingKey=", ":9: SealingKey=: 'etc/keyquorum/sealing' is not an absolute path"},
    {COMPLETE, "Threads=7", "Threads=-1", ":11: Threads=: '-1' is not a whole number from 0 to 256"},
    {COMPLETE, "Threads=7", "Threads=257", ":11: Threads="},
    {COMPLETE, "Threads=7", "Thread=7", ":11: [node] has no key 'Thread'"},
    {COMPLETE, "[node]", "[nodes]", ":3: Name= stands in the unknown section '[nodes]'"},
    {COMPLETE, "Name=alpha_1", "Name", ":3: "},
    {ROOTLESS, "SealingKey=/k/sealing\n", "", ": SealingKey= is missing from [node]; Separation=no needs it"},
    {GATED, "Address=tls:192.0.2.11:7853\n", "", ": Address= is missing from [node]; Address=, GateSocket= and Clients= come together"},
    {GATED, "GateSocket=unix:/g\n", "", ": GateSocket= is missing from [node]; Address="},
    {GATED, "Clients=/c\n", "Clients=\n", ": Clients= is missing from [node]; Address="},
    {GATED, "TlsKey=/k/tls\n", "", ": TlsKey= is missing from [node]; Separation=no needs it"},
    {GATED, "192.0.2.11", "node.example", ":9: Address=: 'tls:node.example:7853' is not an address of the form tls:192.0.2.11:7853"},
    {GATED, "192.0.2.11", "node.example", "no host name is looked up"},
    {GATED, "tls:192.0.2.11:7853", "unix:/x", ":9: Address=: 'unix:/x' is not an address"},
    {GATED, "GateSocket=unix:/g", "GateSocket=/g", ":10: GateSocket=: '/g' is not an address"},
    {GATED, "GateSocket=unix:/g", "GateSocket=unix:/l", ":10: GateSocket= and Listen= cannot be the same socket"},
    {GATED, "Clients=/c", "Clients=c", ":11: Clients=: 'c' is not an absolute path"},
    {ROOTLESS, "IdentityKey=/k/identity\n", "", ": IdentityKey= is missing from [node]; Separation=no needs it"},
};

START_TEST(mistake)
{
    _cleanup_node_config_ NodeConfig config = {0};
    const char *text = mistakes[_i].text, *at = strstr(text, mistakes[_i].replace);
    char changed[2048];
    Problem problem;

    ck_assert_ptr_nonnull(at);
    (void)snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, mistakes[_i].by, at + strlen(mistakes[_i].replace));
    ck_assert_int_lt(read_text(changed, &config, &problem), 0);
    ck_assert_msg(strstr(problem.text, mistakes[_i].words), "'%s' should say '%s'", problem.text, mistakes[_i].words);
    ck_assert_ptr_null(config.name);
}
END_TEST

START_TEST(no_file)
{
    _cleanup_node_config_ NodeConfig config = {0};
    Problem problem;

    ck_assert_int_eq(node_config_read("/nonexistent/node.conf", &config, &problem), -ENOENT);
    ck_assert_ptr_nonnull(strstr(problem.text, "/nonexistent/node.conf"));
}
END_TEST

START_TEST(names)
{
    ck_assert(node_config_name_valid("a"));
    ck_assert(node_config_name_valid("abcdefghijklmnopqrstuvwxyz012345"));
    ck_assert(!node_config_name_valid("abcdefghijklmnopqrstuvwxyz0123456"));
    ck_assert(!node_config_name_valid(""));
    ck_assert(!node_config_name_valid("_a"));
    ck_assert(!node_config_name_valid("a\n"));
}
END_TEST

static const char *const good_addresses[] = {
    "tls:192.0.2.11:7853",    "tls:0.0.0.0:1", "tls:255.255.255.255:65535",
    "tls:[2001:db8::1]:7853", "tls:[::]:7853", "tls:[::ffff:192.0.2.1]:7",
};

static const char *const bad_addresses[] = {
    "",
    "tls:",
    "tls",
    "tls::",
    "192.0.2.11:7853",
    "tls:192.0.2.11",
    "tls:192.0.2.11:",
    "tls:192.0.2.11:0",
    "tls:192.0.2.11:65536",
    "tls:192.0.2.11:078",
    "tls:192.0.2.11:-1",
    "tls:192.0.2.11: 7",
    "tls:192.0.2.11:7 ",
    "tls:192.0.2:7853",
    "tls:192.0.2.011:7853",
    "tls:192.0.2.256:7853",
    "tls:2001:db8::1:7853",
    "tls:[2001:db8::1:7853",
    "tls:2001:db8::1]:7853",
    "tls:[192.0.2.1]:7853",
    "tls:[]:7853",
    "tls:[:7853",
    "tls:]:7853",
    "tls:[::1%eth0]:7853",
    "tls:localhost:7853",
    "TLS:192.0.2.11:7853",
    "tls:[2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:7853",
    "tls:192.0.2.11:99999999999999999999",
};

START_TEST(addresses)
{
    struct sockaddr_storage address;
    socklen_t size;

    for (size_t i = 0; i < ELEMENTS(good_addresses); i++) {
        ck_assert_msg(address_parse_tls(good_addresses[i], &address, &size, NULL) == 0, "%s", good_addresses[i]);
        ck_assert_int_eq(address.ss_family, strchr(good_addresses[i], '[') ? AF_INET6 : AF_INET);
    }
    ck_assert_int_eq(address_parse_tls("tls:192.0.2.11:7853", &address, &size, NULL), 0);
    ck_assert_uint_eq(size, sizeof(struct sockaddr_in));
    ck_assert_uint_eq(((struct sockaddr_in *)&address)->sin_port, htons(7853));
    ck_assert_uint_eq(((struct sockaddr_in *)&address)->sin_addr.s_addr, htonl(0xc000020b));
    for (size_t i = 0; i < ELEMENTS(bad_addresses); i++)
        ck_assert_msg(address_parse_tls(bad_addresses[i], &address, &size, NULL) == -EINVAL, "%s", bad_addresses[i]);
}
END_TEST

START_TEST(client_names)
{
    ck_assert(client_name_valid("ns1") && client_name_valid("NS1.example-net_a") && client_name_valid("0"));
    ck_assert(client_name_valid("abcdefghijklmnopqrstuvwxyz012345"));
    ck_assert(!client_name_valid("abcdefghijklmnopqrstuvwxyz0123456"));
    ck_assert(!client_name_valid("") && !client_name_valid(".a") && !client_name_valid("-a") && !client_name_valid("a b"));
    ck_assert(!client_name_valid("a/b") && !client_name_valid("a\n") && !client_name_valid("\xc3\xa4"));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, gate);
    tcase_add_test(cases, addresses);
    tcase_add_test(cases, client_names);
    tcase_add_test(cases, complete);
    tcase_add_test(cases, rootless);
    tcase_add_test(cases, keys_default_to_credentials);
    tcase_add_loop_test(cases, mistake, 0, sizeof(mistakes) / sizeof(mistakes[0]));
    tcase_add_test(cases, no_file);
    tcase_add_test(cases, names);
}

UNIT_MAIN("node-config", add_tests)
