/*
 * Makes keys of the token in no time, since the primes are ready (ready-primes.c):
 *   make-keys one BITS CUSTODY LABEL     one key; CUSTODY "default": as roster and nodes have it
 *   make-keys many COUNT CUSTODY         so many of 2048 bits
 *   make-keys churn CUSTODY              makes keys and destroys every second one, until it is killed or something fails
 * The roster is $KEYQUORUM_CONF, the PIN in the file $PKCS11_PIN_FILE. On standard output, a line for each step as it is begun and for
 * each end: "step prepare 2", "made ID", "destroying ID", "destroyed ID".
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "quorum/quorum.h"

static void must(int r, const char *what, const Problem *problem)
{
    if (r == 0)
        return;
    (void)printf("failed %s: %d %s\n", what, r, problem->text);
    exit(EXIT_FAILURE);
}

static void tell(const char *what, const KeyId *id)
{
    char text[2 * KEY_ID_SIZE + 1];

    key_id_format(id, text);
    (void)printf("%s %s\n", what, text);
    (void)fflush(stdout);
}

static void tell_step(void *userdata, const char *name)
{
    (void)printf("step %s\n", name);
    (void)fflush(stdout);
}

static void log_in(Quorum *quorum)
{
    const char *path = getenv("PKCS11_PIN_FILE");
    _cleanup_secret_ Secret *pin = NULL;
    Problem problem = PROBLEM_INIT;

    must(path ? file_read_secret(AT_FDCWD, path, 300, &pin) : -1, "PKCS11_PIN_FILE", &problem);
    secret_truncate(pin, strcspn((const char *)secret_bytes(pin), "\n"));
    must(quorum_login(quorum, pin, NULL, &problem), "login", &problem);
}

static Quorum *open_token(void)
{
    static const QuorumHooks hooks = {.step = tell_step};
    Problem problem = PROBLEM_INIT;
    Roster *roster = NULL;
    Quorum *quorum = NULL;

    must(roster_read(NULL, &roster, &problem), "roster", &problem);
    must(quorum_new(roster, &hooks, &quorum), "quorum", &problem);
    log_in(quorum);
    return quorum;
}

static void make(Quorum *quorum, unsigned bits, const char *custody, const char *label, KeyId *ret_id)
{
    char private_label[32], public_label[32];
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    Problem problem = PROBLEM_INIT;

    (void)snprintf(private_label, sizeof(private_label), "%s", label);
    (void)snprintf(public_label, sizeof(public_label), "%s", label);

    const GenerateRequest request = {
        .algorithm = THRESHOLD_RSA,
        .bits = bits,
        .custody = custody_from_name(custody),
        .record = {.private_label = private_label, .public_label = public_label},
    };

    must(quorum_generate(quorum, &request, &key, &problem), "generate", &problem);
    *ret_id = *quorum_key_id(key);
    tell("made", ret_id);
}

static void destroy(Quorum *quorum, const KeyId *id)
{
    Problem problem = PROBLEM_INIT;

    tell("destroying", id);
    must(quorum_destroy(quorum, id, &problem), "destroy", &problem);
    tell("destroyed", id);
}

static _Noreturn void churn(Quorum *quorum, const char *custody)
{
    char label[32];
    KeyId id;

    for (unsigned i = 0;; i++) {
        (void)snprintf(label, sizeof(label), "churn%u", i);
        make(quorum, 2048, custody, label, &id);
        if (i % 2 == 1)
            destroy(quorum, &id);
    }
}

static int make_many(Quorum *quorum, unsigned count, const char *custody)
{
    char label[32];
    KeyId id;

    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(label, sizeof(label), "many%u", i);
        make(quorum, 2048, custody, label, &id);
    }
    quorum_free(quorum);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    KeyId id;

    if (argc == 3 && strcmp(argv[1], "churn") == 0)
        churn(open_token(), argv[2]);
    if (argc == 4 && strcmp(argv[1], "many") == 0)
        return make_many(open_token(), (unsigned)atoi(argv[2]), argv[3]);
    if (argc != 5 || strcmp(argv[1], "one") != 0) {
        (void)fprintf(stderr, "usage: make-keys one BITS CUSTODY LABEL | many COUNT CUSTODY | churn CUSTODY\n");
        return 2;
    }

    _cleanup_(quorum_freep) Quorum *quorum = open_token();

    make(quorum, (unsigned)atoi(argv[2]), argv[3], argv[4], &id);
    return EXIT_SUCCESS;
}
