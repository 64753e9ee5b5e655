/* A host that breaks: what the programs do then, and what they say. The broken functions come in with $LD_PRELOAD. */
#include "node-fixture.h"
#include "unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/crypto.h"
#include "base/file.h"
#include "threshold/bn.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    ck_assert_msg(value, "%s is not set", name);
    return value;
}

/* The library is no part of a sanitizer's build. */
static void preload(const char *library)
{
    ck_assert_int_eq(setenv("LD_PRELOAD", variable(library), 1), 0);
    ck_assert_int_eq(setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1), 0);
}

/* Run the command; its exit status must be 1, and its standard error must say the words. */
static void assert_fails(const char *command, const char *words)
{
    char line[2 * PATH_MAX], said[4096];
    FILE *output;
    size_t size;
    int status;

    (void)snprintf(line, sizeof(line), "%s 2>&1 >/dev/null", command);
    output = popen(line, "re");
    ck_assert_ptr_nonnull(output);
    size = fread(said, 1, sizeof(said) - 1, output);
    said[size] = '\0';
    status = pclose(output);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%s: status %d: %s", command, status, said);
    ck_assert_msg(strstr(said, words), "%s: '%s' should say '%s'", command, said, words);
}

/* ---- Without a library context: OpenSSL would take NULL for the host process's own ------------------------------------------------ */

#define NO_CONTEXT "no library context"

START_TEST(programs_do_not_start_without_a_context)
{
    _cleanup_test_node_ TestNode node = test_node_new();
    char command[PATH_MAX];

    preload("BREAK_OPENSSL");
    (void)snprintf(command, sizeof(command), "%s --config %s/node.conf", variable("KEYQUORUM_NODE"), node.directory);
    assert_fails(command, NO_CONTEXT);
    (void)snprintf(command, sizeof(command), "%s --config %s/node.conf", variable("KEYQUORUM_LOADER"), node.directory);
    assert_fails(command, NO_CONTEXT);
    (void)snprintf(command, sizeof(command), "%s roster show", variable("KEYQUORUM_KQCTL"));
    assert_fails(command, NO_CONTEXT);
}
END_TEST

/* This program again, with the broken library before libcrypto. */
static void assert_passes_without_context(const char *what, const char *words)
{
    char command[PATH_MAX];

    preload("BREAK_OPENSSL");
    ck_assert_int_eq(setenv("BROKEN_HOST_PART", what, 1), 0);
    (void)snprintf(command, sizeof(command), "/proc/%d/exe", (int)getpid());
    assert_fails(command, words);
}

static void use_base(void)
{
    uint8_t digest[SHA256_SIZE], random;
    Problem problem = PROBLEM_INIT;

    if (!crypto_context() && crypto_random(&random, 1) == -EIO && crypto_secure_heap() == -EIO && crypto_sha256(NULL, 0, digest) == -EIO &&
        !bn_public_context() && !bn_secret_context() && crypto_check(&problem) == -EIO)
        fprintf(stderr, "all refused: %s\n", problem.text);
}

START_TEST(nothing_is_computed_without_a_context)
{
    assert_passes_without_context("base", "all refused: OpenSSL gives no library context");
}
END_TEST

static void use_module(void)
{
    void *module = dlopen(getenv("PKCS11_MODULE"), RTLD_NOW);
    unsigned long (*initialize)(void *arguments);

    *(void **)&initialize = module ? dlsym(module, "C_Initialize") : NULL;
    if (initialize)
        fprintf(stderr, "C_Initialize: %#lx\n", initialize(NULL));
    else
        fprintf(stderr, "%s\n", dlerror());
}

START_TEST(module_does_not_initialize_without_a_context)
{
    assert_passes_without_context("module", NO_CONTEXT);
    assert_passes_without_context("module", "C_Initialize: 0x5\n"); /* CKR_GENERAL_ERROR */
}
END_TEST

/* ---- A directory that cannot be synced --------------------------------------------------------------------------------------------- */

static void wait_for_end(TestNode *node)
{
    int status;

    ck_assert_int_eq(waitpid(node->pid, &status, 0), node->pid);
    node->pid = 0;
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %d", status);
}

static NodeError prepare_pin(Link *link, const TestNode *node)
{
    _cleanup_bytes_ Bytes verifier = seed_verifier(node->pin_seed);
    const NodePinInput input = {2, verifier};

    return call(link, "PreparePin", &input, NULL);
}

/* The new content is on the disk, the old one in memory: the node says Unavailable, stops, and goes by the disk when it starts again. */
START_TEST(node_in_doubt_stops_and_looks_again)
{
    char flag[PATH_MAX];
    NodeHelloOutput hello = {0};

    preload("BREAK_SYNC_LIBRARY");

    _cleanup_test_node_ TestNode node = test_node_new();

    test_node_path(&node, "flag", flag);
    ck_assert_int_eq(setenv("BREAK_SYNC", flag, 1), 0);
    test_node_start(&node);
    call_init_token(&node);

    Link *link = call_open_logged_in(&node);

    test_node_put_file(&node, "flag", "", 0);
    ck_assert_int_eq(prepare_pin(link, &node), NODE_ERROR_UNAVAILABLE);
    ck_assert_msg(strstr(call_detail.reason, "the disk has not confirmed it"), "%s", call_detail.reason);
    (void)link_close(link);
    wait_for_end(&node);
    ck_assert_int_eq(unlink(flag), 0);
    test_node_start(&node);
    link = call_open(&node);
    ck_assert_int_eq(call_hello(link, &node, &hello), NODE_ERROR_NONE);
    ck_assert_uint_eq(hello.next_pin_version, 2);
    message_clear(&node_hello_output, &hello);
    (void)link_close(link);
}
END_TEST

static void add_tests(TCase *cases)
{
    const char *part = getenv("BROKEN_HOST_PART");

    if (part) {
        strcmp(part, "module") == 0 ? use_module() : use_base();
        exit(EXIT_FAILURE);
    }
    tcase_add_test(cases, programs_do_not_start_without_a_context);
    tcase_add_test(cases, nothing_is_computed_without_a_context);
    tcase_add_test(cases, module_does_not_initialize_without_a_context);
    tcase_add_test(cases, node_in_doubt_stops_and_looks_again);
}

UNIT_MAIN("broken-host", add_tests)
