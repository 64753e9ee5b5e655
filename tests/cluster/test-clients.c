/* Authorizing clients and withdrawing it again, over crashes and with calls in hand; the peers; and what the gate is given to read. */
#include "node-fixture.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "wire/base64.h"

static TestNode gate_node(void)
{
    TestNode node = test_node_new();

    test_node_add_gate(&node);
    test_node_start(&node);
    call_init_token(&node);
    return node;
}

/* ---- What is known ------------------------------------------------------------------------------------------------------------ */

/* "ns1:1+2:list,sign ns2:3:sign", a pin as the byte that fills it. */
static const char *clients_text(const TestNode *node)
{
    static char text[16384];
    _cleanup_link_ Link *link = call_open(node);
    NodeClientsOutput output = {0};
    size_t used = 0;

    text[0] = '\0';
    call_well(link, "ListClients", NULL, &output);
    for (size_t i = 0; i < output.clients.count; i++) {
        const NodeClientEntry *entry = (const NodeClientEntry *)output.clients.items + i;

        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s:", i > 0 ? " " : "", entry->name);
        for (size_t p = 0; p < entry->tls_pins.count; p++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u", p > 0 ? "+" : "",
                                     ((const NodePin *)entry->tls_pins.items)[p].pin.data[0]);
        for (size_t p = 0; p < entry->permissions.count; p++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%c%s", p > 0 ? ',' : ':',
                                     ((const NodeText *)entry->permissions.items)[p].text);
    }
    message_clear(&node_clients_output, &output);
    return text;
}

/* What the gate reads, in the same words but for the permissions: "1:ns1 2:ns1 3:ns2". */
static const char *published_text(const TestNode *node)
{
    static char text[16384];
    _cleanup_bytes_ Bytes content = {0};
    char path[PATH_MAX];
    struct stat status;
    size_t used = 0;

    test_node_path(node, "clients", path);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0644);
    ck_assert_int_eq(file_read(AT_FDCWD, path, 65536, &content), 0);
    text[0] = '\0';
    ck_assert(content.size == 0 || content.data[content.size - 1] == '\n');

    _cleanup_free_ char *copy = strndup((const char *)content.data ?: "", content.size);
    const char *before = "";

    for (char *at = NULL, *line = strtok_r(copy, "\n", &at); line; line = strtok_r(NULL, "\n", &at)) {
        _cleanup_bytes_ Bytes pin = {0};

        ck_assert_int_lt(strcmp(before, line), 0);
        before = line;
        ck_assert_uint_gt(strlen(line), 45);
        ck_assert_int_eq(line[44], ' ');
        ck_assert_int_eq(base64_decode(line, 44, &pin), 0);
        ck_assert_uint_eq(pin.size, NODE_TLS_PIN_SIZE);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u:%s", used > 0 ? " " : "", pin.data[0], line + 45);
    }
    return text;
}

#define CHECK_CLIENTS(node, clients, published)                                                                                            \
    do {                                                                                                                                   \
        ck_assert_str_eq(clients_text(node), clients);                                                                                     \
        ck_assert_str_eq(published_text(node), published);                                                                                 \
    } while (0)

START_TEST(clients_are_added_replaced_and_withdrawn)
{
    _cleanup_test_node_ TestNode node = gate_node();

    CHECK_CLIENTS(&node, "", "");
    ck_assert_int_eq(call_authorize(&node, "ns2", 3, 0, "sign,list,sign"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_authorize(&node, "ns1", 2, 1, ""), NODE_ERROR_NONE);
    CHECK_CLIENTS(&node, "ns1:2+1 ns2:3:list,sign", "1:ns1 2:ns1 3:ns2");
    ck_assert_int_eq(call_authorize(&node, "ns1", 2, 0, "admin"), NODE_ERROR_NONE);
    CHECK_CLIENTS(&node, "ns1:2:admin ns2:3:list,sign", "2:ns1 3:ns2");
    ck_assert_int_eq(call_authorize(&node, "ns3", 3, 4, "list"), NODE_ERROR_REJECTED); /* ns2's pin */
    ck_assert_ptr_nonnull(strstr(call_detail.reason, "ns2"));
    ck_assert_int_eq(call_authorize(&node, "ns1", 5, 3, "list"), NODE_ERROR_REJECTED);
    CHECK_CLIENTS(&node, "ns1:2:admin ns2:3:list,sign", "2:ns1 3:ns2");
    test_node_restart(&node);
    CHECK_CLIENTS(&node, "ns1:2:admin ns2:3:list,sign", "2:ns1 3:ns2");
    ck_assert_int_eq(call_deauthorize(&node, "ns2"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_deauthorize(&node, "ns2"), NODE_ERROR_UNKNOWN_CLIENT);
    ck_assert_int_eq(call_deauthorize(&node, "local"), NODE_ERROR_UNKNOWN_CLIENT);
    ck_assert_int_eq(call_authorize(&node, "ns3", 3, 0, "list"), NODE_ERROR_NONE); /* now it is free */
    CHECK_CLIENTS(&node, "ns1:2:admin ns3:3:list", "2:ns1 3:ns3");
    test_node_restart(&node);
    CHECK_CLIENTS(&node, "ns1:2:admin ns3:3:list", "2:ns1 3:ns3");
}
END_TEST

START_TEST(what_is_no_client_is_named)
{
    _cleanup_test_node_ TestNode node = gate_node();
    static const char *const names[] = {".a", "_a", "-a", "a b", "../a", "a/b", "a\nb", "a\x7f", "\xc3\xa4", "a,b", "a:b", "local"};
    static const char *const permissions[] = {"all", "List", " sign", "list,\n", "sign,everything"};

    for (size_t i = 0; i < ELEMENTS(names); i++) {
        ck_assert_msg(call_authorize(&node, names[i], 1, 0, "list") == NODE_ERROR_UNKNOWN, "%s: %s %s", names[i], call_error,
                      call_detail.reason);
        ck_assert_str_eq(call_error, "org.varlink.service.InvalidParameter");
    }
    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 1, "list"), NODE_ERROR_UNKNOWN); /* twice the same pin */
    ck_assert_str_eq(call_error, "org.varlink.service.InvalidParameter");
    for (size_t i = 0; i < ELEMENTS(permissions); i++) {
        ck_assert_msg(call_authorize(&node, "ns1", 1, 0, permissions[i]) == NODE_ERROR_UNKNOWN, "%s", permissions[i]);
        ck_assert_str_eq(call_error, "org.varlink.service.InvalidParameter");
    }
    CHECK_CLIENTS(&node, "", "");
}
END_TEST

START_TEST(there_is_an_end_to_it)
{
    _cleanup_test_node_ TestNode node = gate_node();
    char name[16];

    for (unsigned i = 1; i <= NODE_CLIENTS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "ns%03u", i);
        ck_assert_int_eq(call_authorize(&node, name, (uint8_t)i, i < NODE_CLIENTS_MAX ? (uint8_t)(NODE_CLIENTS_MAX + i) : 0,
                                        "list,sign,generate,destroy,admin"),
                         NODE_ERROR_NONE);
    }
    ck_assert_int_eq(call_authorize(&node, "more", 255, 0, "list"), NODE_ERROR_REJECTED); /* ns127's */
    ck_assert_int_eq(call_authorize(&node, "ns127", 127, 0, "list"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_authorize(&node, "more", 255, 0, "list"), NODE_ERROR_UNAVAILABLE);
    test_node_restart(&node);
    ck_assert_ptr_nonnull(strstr(clients_text(&node), "ns126:126+254:list,sign,generate,destroy,admin ns127:127:list ns128:128:"));
    ck_assert_ptr_nonnull(strstr(published_text(&node), "254:ns126"));
    ck_assert_int_eq(call_deauthorize(&node, "ns001"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_authorize(&node, "more", 255, 0, "list"), NODE_ERROR_NONE);
}
END_TEST

/* ---- At the start -------------------------------------------------------------------------------------------------------------- */

START_TEST(a_start_publishes_what_is_right)
{
    _cleanup_test_node_ TestNode node = gate_node();
    char path[PATH_MAX];

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list"), NODE_ERROR_NONE);
    (void)test_node_stop(&node, SIGTERM);
    test_node_put_file(&node, "clients", "stale\n", 6);
    test_node_start(&node);
    CHECK_CLIENTS(&node, "ns1:1:list", "1:ns1");
    (void)test_node_stop(&node, SIGKILL);
    test_node_path(&node, "clients", path);
    ck_assert_int_eq(unlink(path), 0);
    test_node_start(&node);
    CHECK_CLIENTS(&node, "ns1:1:list", "1:ns1");
    /* A gate that goes by an old list must not be served. */
    (void)test_node_stop(&node, SIGTERM);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    ck_assert_int_eq(test_node_start_in_vain(&node, NULL), 1);
    ck_assert(test_node_logged(&node, "the gate's list of clients"));
}
END_TEST

static void check_damage(TestNode *node, const char *file, const char *advice)
{
    static const char *const damages[] = {"", "{", "{}\n", "{\"checksum\":\"00\",\"content\":{}}\n"};
    _cleanup_bytes_ Bytes good = {0};
    char path[PATH_MAX];

    test_node_path(node, file, path);
    ck_assert_int_eq(file_read(AT_FDCWD, path, 65536, &good), 0);
    for (size_t i = 0; i < ELEMENTS(damages); i++) {
        test_node_put_file(node, file, damages[i], strlen(damages[i]));
        ck_assert_msg(test_node_start_in_vain(node, NULL) == 1, "%s", damages[i]);
    }
    for (size_t at = 0; at < good.size; at += 7) {
        good.data[at] ^= 1;
        test_node_put_file(node, file, good.data, good.size);
        ck_assert_int_eq(test_node_start_in_vain(node, NULL), 1);
        good.data[at] ^= 1;
    }
    ck_assert(test_node_logged(node, advice));
    test_node_put_file(node, file, good.data, good.size);
}

static void set_peers(Link *link, const NodePeer *peers, size_t n)
{
    const NodePeers input = {{(void *)(uintptr_t)peers, n}};

    call_well(link, "SetPeers", &input, NULL);
}

static uint8_t fills[8][32]; /* fills[i]: 32 times i */

static NodePeer some_peer(const char *name, unsigned index)
{
    for (unsigned i = 0; i < ELEMENTS(fills); i++)
        memset(fills[i], (int)i, sizeof(fills[i]));
    return (NodePeer){
        .name = (char *)(uintptr_t)name,
        .index = index,
        .address = (char *)"tls:192.0.2.11:7853",
        .tls_pin = {fills[index], 32},
        .sealing_key = {fills[index], 32},
        .identity_key = {fills[index], 32},
    };
}

START_TEST(damage_stops_the_start)
{
    _cleanup_test_node_ TestNode node = gate_node();
    _cleanup_link_ Link *link = call_open(&node);
    const NodePeer peers[] = {some_peer("beta", 2)};

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list"), NODE_ERROR_NONE);
    set_peers(link, peers, 1);
    (void)test_node_stop(&node, SIGTERM);
    check_damage(&node, "state/clients.json", "restore clients.json from a backup, or remove it and authorize the clients anew");
    check_damage(&node, "state/peers.json", "restore peers.json from a backup, or remove it and make the nodes known anew");
    test_node_start(&node);
    CHECK_CLIENTS(&node, "ns1:1:list", "1:ns1");
}
END_TEST

/* ---- Crashes -------------------------------------------------------------------------------------------------------------------- */

/* Killed at any moment of a change: then it is as before or as after, and what was answered stays. */
START_TEST(killed_while_changing)
{
    _cleanup_test_node_ TestNode node = gate_node();
    unsigned seed = (unsigned)time(NULL);
    unsigned changed = 0;

    printf("# seed %u\n", seed);
    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list"), NODE_ERROR_NONE);
    for (unsigned i = 0; i < 40; i++) {
        const bool out = i % 2 == 0; /* is ns1 to be withdrawn? */
        const NodeNameInput name = {(char *)"ns1"};
        const NodePin pin = {{fills[0], 32}};
        const NodeText permission = {(char *)"list"};
        const NodeAuthorizeInput authorize = {(char *)"ns1", {(void *)&pin, 1}, {(void *)&permission, 1}};
        const struct timespec some = {0, (long)(rand_r(&seed) % 3000) * 1000};
        Link *link = call_open(&node);

        memset(fills[0], 1, 32);
        ck_assert_int_eq(out ? link_call(link, NODE_METHOD("DeauthorizeClient"), &node_name_input, &name)
                             : link_call(link, NODE_METHOD("AuthorizeClient"), &node_authorize_input, &authorize),
                         0);
        (void)nanosleep(&some, NULL);
        test_node_restart(&node);
        (void)link_close(link);

        const bool there = strcmp(clients_text(&node), "ns1:1:list") == 0;

        CHECK_CLIENTS(&node, there ? "ns1:1:list" : "", there ? "1:ns1" : "");
        changed += there != out;
        ck_assert_int_eq(out ? call_deauthorize(&node, "ns1") : call_authorize(&node, "ns1", 1, 0, "list"),
                         out && !there ? NODE_ERROR_UNKNOWN_CLIENT : NODE_ERROR_NONE);
    }
    printf("# %u of 40 changes were there after the crash\n", changed);
}
END_TEST

/* ---- Connections of those who lose something ---------------------------------------------------------------------------------------- */

static void check_alive(Link *link)
{
    NodeStatusOutput status = {0};

    call_well(link, "GetStatus", NULL, &status);
    message_clear(&node_status_output, &status);
}

START_TEST(whoever_loses_something_is_cut_off)
{
    _cleanup_test_node_ TestNode node = gate_node();
    static const struct {
        uint8_t pin, next;
        const char *permissions;
        bool stays;
    } changes[] = {
        {1, 0, "list,sign", true},          {1, 2, "list,sign", true},
        {1, 2, "list,sign,destroy", true},  {2, 1, "list,sign,destroy", true},
        {2, 0, "list,sign,destroy", false}, {2, 0, "list,sign", false},
        {3, 2, "list,sign", true},          {4, 0, "admin", false},
    };

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "list,sign"), NODE_ERROR_NONE);
    ck_assert_int_eq(call_authorize(&node, "ns2", 9, 0, "list"), NODE_ERROR_NONE);

    _cleanup_link_ Link *other = call_open_as(&node, "ns2");

    for (size_t i = 0; i < ELEMENTS(changes); i++) {
        _cleanup_link_ Link *a = call_open_as(&node, "ns1"), *b = call_open_logged_in_as(&node, "ns1");

        check_alive(a);
        ck_assert_int_eq(call_authorize(&node, "ns1", changes[i].pin, changes[i].next, changes[i].permissions), NODE_ERROR_NONE);
        if (changes[i].stays) {
            check_alive(a);
            check_alive(b);
        } else {
            call_wait_closed(a);
            call_wait_closed(b);
        }
        check_alive(other);
    }

    _cleanup_link_ Link *link = call_open_as(&node, "ns1");

    check_alive(link);
    ck_assert_int_eq(call_deauthorize(&node, "ns1"), NODE_ERROR_NONE);
    call_wait_closed(link);

    _cleanup_link_ Link *again = call_open_as(&node, "ns1");

    call_wait_closed(again);
    check_alive(other);
}
END_TEST

/* What is given counts at once, on open connections too. */
START_TEST(what_is_given_counts_at_once)
{
    _cleanup_test_node_ TestNode node = gate_node();
    const NodeListInput list = {0};
    NodeListOutput output = {0};

    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "sign"), NODE_ERROR_NONE);

    _cleanup_link_ Link *link = call_open_logged_in_as(&node, "ns1");

    ck_assert_int_eq(call(link, "ListKeys", &list, &output), NODE_ERROR_PERMISSION_DENIED);
    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "sign,list"), NODE_ERROR_NONE);
    ck_assert_int_eq(call(link, "ListKeys", &list, &output), NODE_ERROR_NONE);
    message_clear(&node_list_output, &output);
}
END_TEST

/* Stored and not published: the gate goes by what was, until the same is asked again. */
START_TEST(what_could_not_be_published_is_published_later)
{
    _cleanup_test_node_ TestNode node = gate_node();
    _cleanup_bytes_ Bytes published = {0};
    char path[PATH_MAX];

    test_node_path(&node, "clients", path);
    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "sign"), NODE_ERROR_NONE);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0); /* stands in the way of the file */
    for (unsigned times = 0; times < 2; times++) {
        ck_assert_int_eq(call_deauthorize(&node, "ns1"), NODE_ERROR_UNAVAILABLE);
        ck_assert_ptr_nonnull(strstr(call_detail.reason, "stored, but"));
    }
    ck_assert_int_eq(call_authorize(&node, "ns2", 2, 0, "sign"), NODE_ERROR_UNAVAILABLE);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(call_deauthorize(&node, "ns1"), NODE_ERROR_NONE);
    ck_assert_int_eq(file_read(AT_FDCWD, path, 4096, &published), 0);
    ck_assert_uint_gt(published.size, 0);
    ck_assert(!memmem(published.data, published.size, "ns1", 3) && memmem(published.data, published.size, "ns2", 3));
    ck_assert_int_eq(call_deauthorize(&node, "ns1"), NODE_ERROR_UNKNOWN_CLIENT);
    ck_assert_int_eq(call_authorize(&node, "ns2", 2, 0, "sign"), NODE_ERROR_NONE);
    (void)test_node_stop(&node, SIGTERM);
    ck_assert_uint_eq(test_node_count_logged(&node, "client ns1 is not authorized any more"), 1);
}
END_TEST

/* A loader that answers nothing until it is killed: what needs a share stays in hand. Its process id goes to the file "loader". */
static void put_slow_loader(const TestNode *node)
{
    char path[PATH_MAX], text[2 * PATH_MAX];
    int size;

    test_node_path(node, "loader", path);
    size = snprintf(text, sizeof(text), "#!/bin/sh\necho $$ >%s.new && mv %s.new %s\nexec sleep 60\n", path, path, path);
    test_node_put_file(node, "slow", text, (size_t)size);
    test_node_path(node, "slow", path);
    ck_assert_int_eq(chmod(path, 0755), 0);
    ck_assert_int_eq(setenv("KEYQUORUM_LOADER", path, 1), 0);
}

static pid_t wait_for_loader(const TestNode *node)
{
    char path[PATH_MAX], text[32] = "";
    int fd;

    test_node_path(node, "loader", path);
    while ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
    (void)close(fd);
    return (pid_t)atoi(text);
}

START_TEST(what_is_in_hand_is_not_answered_any_more)
{
    _cleanup_free_ char *loader = strdup(getenv("KEYQUORUM_LOADER"));
    _cleanup_test_node_ TestNode node = gate_node();
    _cleanup_dealt_key_ DealtKey key = dealt_key(0);
    const Digest digest = test_digest(HASH_SHA256, 5);
    const NodePartialSignInput sign = {{key.id.bytes, KEY_ID_SIZE}, (char *)"sha256", {(uint8_t *)digest.bytes, digest.size}};
    const NodeKeyInput destroy = {{key.id.bytes, KEY_ID_SIZE}}, unknown = {{fills[0], 32}};
    Link *local = call_open_logged_in(&node);

    call_make_active(local, &node, &key);
    (void)link_close(local);
    ck_assert_int_eq(call_authorize(&node, "ns1", 1, 0, "sign,destroy"), NODE_ERROR_NONE);
    (void)test_node_stop(&node, SIGTERM);
    put_slow_loader(&node);
    test_node_start(&node);

    _cleanup_link_ Link *signing = call_open_logged_in_as(&node, "ns1"), *destroying = call_open_logged_in_as(&node, "ns1");

    ck_assert_int_eq(link_call(signing, NODE_METHOD("PartialSign"), &node_partial_sign_input, &sign), 0);

    pid_t pid = wait_for_loader(&node);

    ck_assert_int_eq(link_call(destroying, NODE_METHOD("DestroyKey"), &node_key_input, &destroy), 0);
    check_alive(local = call_open(&node)); /* the node has read what came before */
    ck_assert_int_eq(call_deauthorize(&node, "ns1"), NODE_ERROR_NONE);
    call_wait_closed(signing);
    call_wait_closed(destroying);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(call(local, "LockKey", &unknown, NULL), NODE_ERROR_UNKNOWN_KEY); /* it stood in line behind the others */
    (void)link_close(local);
    ck_assert_int_eq(WEXITSTATUS(test_node_stop(&node, SIGTERM)), 0);
    ck_assert(test_node_logged(&node, "the authorization of client ns1 was withdrawn meanwhile"));
    ck_assert_int_eq(setenv("KEYQUORUM_LOADER", loader, 1), 0);
    test_node_start(&node);
    local = call_open_logged_in(&node);
    ck_assert_str_eq(call_key_state(local, &key.id), "active");
    ck_assert_int_eq(call_sign(local, &key.id, &digest, NULL), NODE_ERROR_NONE);
    (void)link_close(local);
}
END_TEST

/* ---- Peers -------------------------------------------------------------------------------------------------------------------------- */

static void check_peers(const TestNode *node, const char *expected)
{
    _cleanup_link_ Link *link = call_open(node);
    NodePeers output = {0};
    char text[256] = "";

    call_well(link, "ListPeers", NULL, &output);
    for (size_t i = 0; i < output.peers.count; i++) {
        const NodePeer *peer = (const NodePeer *)output.peers.items + i;

        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u:%s@%s", i > 0 ? " " : "", (unsigned)peer->index, peer->name,
                       peer->address);
        ck_assert(peer->tls_pin.size == 0 || peer->tls_pin.data[31] == peer->index);
        ck_assert_int_eq(peer->sealing_key.data[0], (int)peer->index);
        ck_assert_int_eq(peer->identity_key.data[0], (int)peer->index);
    }
    message_clear(&node_peers, &output);
    ck_assert_str_eq(text, expected);
}

START_TEST(peers_are_replaced_as_a_whole)
{
    _cleanup_test_node_ TestNode node = gate_node();
    _cleanup_link_ Link *link = call_open(&node);
    NodePeer peers[] = {some_peer("gamma", 3), some_peer("beta", 2)};

    check_peers(&node, "");
    peers[1].address = (char *)"unix:/run/beta.sock";
    peers[1].tls_pin = (Bytes){0};
    set_peers(link, peers, 2);
    check_peers(&node, "2:beta@unix:/run/beta.sock 3:gamma@tls:192.0.2.11:7853");
    test_node_restart(&node);
    check_peers(&node, "2:beta@unix:/run/beta.sock 3:gamma@tls:192.0.2.11:7853");
    (void)link_close(link);
    link = call_open(&node);
    set_peers(link, peers, 1);
    check_peers(&node, "3:gamma@tls:192.0.2.11:7853");
    set_peers(link, NULL, 0);
    check_peers(&node, "");
    test_node_restart(&node);
    check_peers(&node, "");
}
END_TEST

START_TEST(peers_that_cannot_be_are_refused)
{
    _cleanup_test_node_ TestNode node = gate_node();
    _cleanup_link_ Link *link = call_open(&node);
    const NodePeers input = {{NULL, 0}};
    static const char *const addresses[] = {"tls:node.example:7853", "tls:192.0.2.11", "tls:192.0.2.11:0", "unix:relative", "http://x"};

    for (unsigned which = 0; which < 6 + ELEMENTS(addresses); which++) {
        NodePeer peers[] = {some_peer("beta", 2), some_peer("gamma", 3)};
        NodePeers changed = input;

        switch (which) {
        case 0:
            peers[1].name = peers[0].name;
            break;
        case 1:
            peers[1].index = 2;
            break;
        case 2:
            peers[1].tls_pin = peers[0].tls_pin;
            break;
        case 3:
            peers[1].sealing_key = peers[0].sealing_key;
            break;
        case 4:
            peers[1].identity_key = peers[0].identity_key;
            break;
        case 5:
            peers[1].tls_pin = (Bytes){0}; /* and its address is of TLS */
            break;
        default:
            peers[1].address = (char *)(uintptr_t)addresses[which - 6];
        }
        changed.peers = (List){peers, 2};
        call_invalid(link, "SetPeers", &changed);
    }
    check_peers(&node, "");
}
END_TEST

static void add(TCase *cases)
{
    tcase_add_test(cases, clients_are_added_replaced_and_withdrawn);
    tcase_add_test(cases, what_is_no_client_is_named);
    tcase_add_test(cases, there_is_an_end_to_it);
    tcase_add_test(cases, a_start_publishes_what_is_right);
    tcase_add_test(cases, damage_stops_the_start);
    tcase_add_test(cases, killed_while_changing);
    tcase_add_test(cases, whoever_loses_something_is_cut_off);
    tcase_add_test(cases, what_is_given_counts_at_once);
    tcase_add_test(cases, what_could_not_be_published_is_published_later);
    tcase_add_test(cases, what_is_in_hand_is_not_answered_any_more);
    tcase_add_test(cases, peers_are_replaced_as_a_whole);
    tcase_add_test(cases, peers_that_cannot_be_are_refused);
}

UNIT_MAIN("clients", add)
