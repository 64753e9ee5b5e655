/*
 * A keyquorum-node as a child process on a temporary directory of its own, and callers of it. The program is $KEYQUORUM_NODE, its loader
 * $KEYQUORUM_LOADER. What a helper cannot do fails the test. A node dies with the test.
 */
#pragma once

#include <check.h>
#include <sys/types.h>

#include "share/sealed.h"
#include "threshold/threshold.h"
#include "wire/link.h"
#include "wire/node-interface.h"

#define PIN_SEED_SIZE 32

typedef struct TestNode {
    char directory[64]; /* has node.conf, state/, node.sock, log */
    char address[96];
    unsigned index, n, k;
    uint8_t token[NODE_TOKEN_SIZE];
    uint8_t sealing_key[HPKE_PUBLIC_KEY_SIZE];
    uint8_t pin_seed[PIN_SEED_SIZE]; /* the Ed25519 seed that a client would derive from the PIN */
    uint64_t pin_version;
    uid_t user;               /* and group, that it runs as; 0: ours */
    bool activated;           /* its sockets are made by the test and passed in, as a service manager would */
    bool gate;                /* it has Address=, GateSocket= and Clients=: gate.sock and clients in its directory */
    const char *socket_names; /* with `activated`, LISTEN_FDNAMES; NULL: what is right */
    const char *bus;          /* --bus=…; NULL: none */
    pid_t pid;                /* 0: it does not run */
} TestNode;

/* Its files, on disk; it does not run yet. Node 1 of a 3-of-5 token. */
TestNode test_node_new(void);
void test_node_clear(TestNode *node);
#define _cleanup_test_node_ _cleanup_(test_node_clear)

/* Start it and wait until it says that it is ready. */
void test_node_start(TestNode *node);
/* Start it with one more argument (may be NULL) and expect it to end by itself; returns its exit status. */
int test_node_start_in_vain(TestNode *node, const char *argument);
/* Send the signal and wait for its end; returns the status of waitpid(). */
int test_node_stop(TestNode *node, int signal);
void test_node_restart(TestNode *node); /* SIGKILL, start */
/* Give it a gate's socket; before it is started. */
void test_node_add_gate(TestNode *node);
/* Its loader is to say its process id; before it is started. The process there is after the first load. */
void test_node_put_known_loader(const TestNode *node);
pid_t test_node_loader(const TestNode *node);
/* A new one, started, part of a token. */
TestNode test_node_running(void);
/* Does the text stand in its log? */
bool test_node_logged(const TestNode *node, const char *text);
unsigned test_node_count_logged(const TestNode *node, const char *text);
/* The serial number of its ring, from the log. */
int32_t test_node_ring(const TestNode *node);
/* Put a file into its directory. */
void test_node_put_file(const TestNode *node, const char *name, const void *content, size_t size);
/* In a child: give up being root for that user and its group, and join `extra` (0: none). */
void test_become_user(uid_t user, gid_t extra);
/* The program that the environment variable names, for fexecve(): opened before the user changes, so that its directory may be anybody's.
 */
int test_open_program(const char *variable);
/* Path of a file in its directory; `ret_path` has room for PATH_MAX. */
void test_node_path(const TestNode *node, const char *name, char *ret_path);
/* The names in state/keys, however many; of those that end in `suffix`. */
unsigned test_node_count_files(const TestNode *node, const char *suffix);

/* ---- Callers ---- */

/* Connect. */
Link *call_open(const TestNode *node);
/* Connect to the gate's socket, and say nothing. */
Link *call_open_gate(const TestNode *node);
/* As the gate does it: oneway. `pin_byte` fills the pin that the client proved; 0: the gate does not say. */
void call_announce(Link *link, const char *name, uint8_t pin_byte);
/* Connect to the gate's socket as that client; and log in. */
Link *call_open_as(const TestNode *node, const char *name);
Link *call_open_logged_in_as(const TestNode *node, const char *name);
/* Wait until the other side closes the connection, without a word. */
void call_wait_closed(Link *link);
/* Over a connection of its own to the local socket. Pins are filled with those bytes; the second may be 0: none. `permissions`:
 * "list,sign". */
NodeError call_authorize(const TestNode *node, const char *name, uint8_t pin_byte, uint8_t next_pin_byte, const char *permissions);
NodeError call_deauthorize(const TestNode *node, const char *name);
/* Call, wait, parse. What the error's parameters said stays in call_detail. An error that is not this interface's is NODE_ERROR_UNKNOWN;
 * its name stays in call_error. */
NodeError call(Link *link, const char *method, const void *input, void *ret_output);
extern NodeErrorDetail call_detail;
extern char call_error[128];
/* Succeeds. */
void call_well(Link *link, const char *method, const void *input, void *ret_output);

/* Fails with org.varlink.service.InvalidParameter. */
void call_invalid(Link *link, const char *method, const void *input);

void call_init_token(const TestNode *node);
NodeError call_hello(Link *link, const TestNode *node, NodeHelloOutput *ret_output);
/* The right answer if seed and version are the node's. */
NodeError call_answer(Link *link, const TestNode *node, const NodeHelloOutput *hello, const uint8_t seed[PIN_SEED_SIZE], uint64_t version);
/* Connect, Hello, answer; the outcome of the answer. */
NodeError call_log_in(const TestNode *node, const uint8_t seed[PIN_SEED_SIZE], Link **ret_link);
/* All of that with success. */
Link *call_open_logged_in(const TestNode *node);
/* The public half, to be cleared. */
Bytes seed_verifier(const uint8_t seed[PIN_SEED_SIZE]);

/* ---- Keys ---- */

/* A fixed 2048-bit 3-of-5 key with all its shares. Keys of different `variant` have the same shares and different ids (their verification
 * values are squared so often). */
typedef struct DealtKey {
    KeyId id;
    Bytes common;
    ThresholdKey *key;
    Secret *shares[THRESHOLD_NODES_MAX];
} DealtKey;

DealtKey dealt_key(unsigned variant);
void dealt_key_clear(DealtKey *key);
#define _cleanup_dealt_key_ _cleanup_(dealt_key_clear)

/* Node `of`'s share, sealed to `node` as if it were the share of its node `as`. To be cleared. */
Bytes dealt_key_seal(const DealtKey *key, const TestNode *node, unsigned of, unsigned as);
/* The activation statement. */
Digest dealt_key_statement(const DealtKey *key);
/* The node's own partial signature, in `from_node`, combined with those of nodes 2 and 3 made here; fails if that does not verify. */
void dealt_key_combine(const DealtKey *key, const Digest *digest, const Bytes *from_node, uint8_t *ret_signature);

/* A record that borrows its label. */
#define TEST_NOT_AFTER 1830297599 /* the end of 2027-12-31 */
NodeRecord test_record(uint64_t version, const char *label);
NodeError call_prepare(Link *link, const Bytes *sealed);
NodeError call_key(Link *link, const char *method, const KeyId *id); /* DiscardKey, DestroyKey */
NodeError call_sign(Link *link, const KeyId *id, const Digest *digest, Bytes *ret_partial);
/* Wait for the reply to a PartialSign that was sent with link_call(); fails unless it combines. */
void call_take_partial(Link *link, const DealtKey *key, const Digest *digest);
/* A digest of that byte over and over. */
Digest test_digest(HashAlgorithm hash, uint8_t byte);
NodeError call_activate(Link *link, const KeyId *id, const void *activation, size_t size);
NodeError call_set_record(Link *link, const KeyId *id, const NodeRecord *record);
/* Prepare, sign the statement, activate. */
void call_make_active(Link *link, const TestNode *node, const DealtKey *key);
/* The state of the key in ListKeys; "" if it is not there. */
const char *call_key_state(Link *link, const KeyId *id);
