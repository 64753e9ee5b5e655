#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "quorum/card.h"
#include "quorum/roster.h"
#include "unit.h"

#define KEY_A    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=" /* 32 times 'A' */
#define KEY_B    "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
#define KEY_C    "Q0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0M="
#define KEY_D    "REREREREREREREREREREREREREREREREREREREREREQ="
#define KEY_E    "RUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUU="
#define KEY_F    "RkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkY="
#define KEY_ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

#define TOKEN "[token]\nLabel=an example\nId=000102030405060708090a0b0c0d0e0f\nThreshold=2\n"
#define ALPHA "[node alpha]\nIndex=1\nAddress=unix:/run/alpha\nTlsPin=" KEY_A "\nSealingKey=" KEY_B "\nIdentityKey=" KEY_C "\n"
#define BETA  "[node beta]\nIndex=2\nAddress=unix:/run/beta\nTlsPin=" KEY_D "\nSealingKey=" KEY_E "\nIdentityKey=" KEY_F "\n"

static char directory[] = "/tmp/keyquorum-roster-XXXXXX";
static char path[64];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/token.conf", directory);
}

static void teardown(void)
{
    (void)unlink(path);
    (void)rmdir(directory);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static int read_text(const char *text, Roster **ret_roster, Problem *problem)
{
    write_file(text);
    return roster_read(path, ret_roster, problem);
}

/* ---- Right ones --------------------------------------------------------------------------------------------------------- */

static void check_defaults(const Roster *roster)
{
    ck_assert_str_eq(roster->client, "local");
    ck_assert_uint_eq(roster->timeout, 10 * MICROSECONDS_PER_SECOND);
    ck_assert_uint_eq(roster->connect_timeout, 2 * MICROSECONDS_PER_SECOND);
    ck_assert(roster->deal);
    ck_assert(!roster->allow_sha1);
    ck_assert(roster->show_ed25519);
    ck_assert_int_eq(roster->log, LOG_TARGET_SYSLOG);
}

static void check_nodes(const Roster *roster)
{
    ck_assert_uint_eq(roster->n, 2);
    ck_assert_uint_eq(roster->k, 2);
    ck_assert_str_eq(roster->label, "an example");
    ck_assert_int_eq(roster->token[15], 0x0f);
    ck_assert_str_eq(roster->nodes[0].name, "alpha");
    ck_assert_str_eq(roster->nodes[0].address, "unix:/run/alpha");
    ck_assert_int_eq(roster->nodes[0].tls_pin[31], 'A');
    ck_assert_int_eq(roster->nodes[0].sealing_key[0], 'B');
    ck_assert_int_eq(roster->nodes[0].identity_key[0], 'C');
    ck_assert_str_eq(roster->nodes[1].name, "beta");
}

START_TEST(a_small_one_is_read)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    Problem problem = PROBLEM_INIT;

    /* Sections in any order. */
    ck_assert_msg(read_text("# a comment\n\n" BETA ALPHA TOKEN, &roster, &problem) == 0, "%s", problem.text);
    check_nodes(roster);
    check_defaults(roster);
}
END_TEST

START_TEST(everything_is_read)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    Problem problem = PROBLEM_INIT;

    ck_assert_msg(read_text(TOKEN "Client=signer-1\nTimeout=500ms\nConnectTimeout=1s\nDeal=no\nAllowSha1=yes\nLog=none\nShowEd25519=no\n"
                                  "KernelLabels=*-ksk-*,a key\nKeyringLabels=*\n" ALPHA BETA,
                            &roster, &problem) == 0,
                  "%s", problem.text);
    ck_assert_str_eq(roster->client, "signer-1");
    ck_assert_uint_eq(roster->timeout, 500 * MICROSECONDS_PER_MILLISECOND);
    ck_assert_uint_eq(roster->connect_timeout, MICROSECONDS_PER_SECOND);
    ck_assert(!roster->deal);
    ck_assert(roster->allow_sha1);
    ck_assert(!roster->show_ed25519);
    ck_assert_int_eq(roster->log, LOG_TARGET_NONE);
    ck_assert_str_eq(roster->kernel_labels, "*-ksk-*,a key");
    ck_assert_str_eq(roster->keyring_labels, "*");
}
END_TEST

START_TEST(labels_choose_a_custody)
{
    static const struct {
        const char *settings, *label;
        CustodyKind custody;
    } cases[] = {
        {"", "zone-ksk-1", CUSTODY_INVALID},
        {"KernelLabels=*-ksk-*\nKeyringLabels=*-zsk-*\n", "zone-ksk-1", CUSTODY_KERNEL},
        {"KernelLabels=*-ksk-*\nKeyringLabels=*-zsk-*\n", "zone-zsk-1", CUSTODY_KEYRING},
        {"KernelLabels=*-ksk-*\nKeyringLabels=*-zsk-*\n", "zone-csk-1", CUSTODY_INVALID},
        {"KernelLabels=*-ksk-*\nKeyringLabels=*-zsk-*\n", "", CUSTODY_INVALID},
        {"KernelLabels=*-ksk-*\nKeyringLabels=*\n", "zone-ksk-1", CUSTODY_KERNEL}, /* both: the stronger */
        {"KernelLabels=*-ksk-*\nKeyringLabels=*\n", "", CUSTODY_KEYRING},
        {"KeyringLabels=one,two,*three\n", "two", CUSTODY_KEYRING},
        {"KeyringLabels=one,two,*three\n", "two,", CUSTODY_INVALID},
        {"KeyringLabels=one,two,*three\n", "one,two", CUSTODY_INVALID},
        {"KeyringLabels=one,two,*three\n", "twothree", CUSTODY_KEYRING},
        {"KeyringLabels=one,two,*three\n", "threes", CUSTODY_INVALID},
        {"KeyringLabels=a*b*c\n", "abbcbc", CUSTODY_KEYRING},
        {"KeyringLabels=a*b*c\n", "abbcb", CUSTODY_INVALID},
        {"KeyringLabels=a*b*c\n", "ac", CUSTODY_INVALID},
        {"KeyringLabels=a**\n", "a", CUSTODY_KEYRING},
        {"KeyringLabels=?[a]\n", "ba", CUSTODY_INVALID}, /* nothing but the star stands for others */
        {"KeyringLabels=?[a]\n", "?[a]", CUSTODY_KEYRING},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_(roster_freep) Roster *roster = NULL;
        _cleanup_free_ char *text = text_format("%s%s%s%s", TOKEN, cases[i].settings, ALPHA, BETA);
        Problem problem = PROBLEM_INIT;

        ck_assert_msg(read_text(text, &roster, &problem) == 0, "%s", problem.text);
        ck_assert_msg(roster_custody(roster, cases[i].label) == cases[i].custody, "'%s' with %s", cases[i].label, cases[i].settings);
    }
}
END_TEST

static bool rosters_equal(const Roster *a, const Roster *b)
{
    bool equal = strcmp(a->label, b->label) == 0 && strcmp(a->client, b->client) == 0 &&
                 memcmp(a->token, b->token, sizeof(a->token)) == 0 && a->n == b->n && a->k == b->k && a->timeout == b->timeout &&
                 a->connect_timeout == b->connect_timeout && a->deal == b->deal && a->allow_sha1 == b->allow_sha1 &&
                 a->show_ed25519 == b->show_ed25519 && a->log == b->log && strcmp(a->kernel_labels, b->kernel_labels) == 0 &&
                 strcmp(a->keyring_labels, b->keyring_labels) == 0;

    for (unsigned i = 0; i < a->n && equal; i++)
        equal = strcmp(a->nodes[i].name, b->nodes[i].name) == 0 && strcmp(a->nodes[i].address, b->nodes[i].address) == 0 &&
                memcmp(a->nodes[i].tls_pin, b->nodes[i].tls_pin, 32) == 0 &&
                memcmp(a->nodes[i].sealing_key, b->nodes[i].sealing_key, 32) == 0 &&
                memcmp(a->nodes[i].identity_key, b->nodes[i].identity_key, 32) == 0;
    return equal;
}

START_TEST(what_is_written_is_read)
{
    _cleanup_(roster_freep) Roster *first = NULL, *second = NULL, *copy = NULL;
    Problem problem = PROBLEM_INIT;
    struct stat status;

    ck_assert_int_eq(read_text(TOKEN
                               "Client=signer-1\nTimeout=1500ms\nDeal=no\nLog=stderr\nKernelLabels=a b,c*\nKeyringLabels=*\n" ALPHA BETA,
                               &first, &problem),
                     0);
    ck_assert_msg(roster_write(path, first, &problem) == 0, "%s", problem.text);
    ck_assert_msg(roster_read(path, &second, &problem) == 0, "%s", problem.text);
    ck_assert(rosters_equal(first, second));
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0644);
    ck_assert_int_eq(roster_copy(first, &copy), 0);
    ck_assert(rosters_equal(first, copy));
}
END_TEST

START_TEST(what_could_not_be_read_is_not_written)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(read_text(TOKEN ALPHA BETA, &roster, &problem), 0);
    roster->k = 3;
    ck_assert_int_eq(roster_write(path, roster, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, "Threshold=3"));
    roster->k = 2;
    (void)snprintf(roster->label, sizeof(roster->label), "a ; b");
    ck_assert_int_eq(roster_write(path, roster, &problem), -EINVAL);
    (void)snprintf(roster->label, sizeof(roster->label), "a");
    memcpy(roster->nodes[0].name, "beta", 5);
    ck_assert_int_eq(roster_write(path, roster, &problem), -EINVAL);
    memcpy(roster->nodes[0].name, "alpha", 6);
    roster->keyring_labels = text_copy("a,");
    ck_assert_int_eq(roster_write(path, roster, &problem), -EINVAL);
    free(roster->keyring_labels);
    roster->keyring_labels = NULL;
    ck_assert_int_eq(roster_write("/nonexistent/token.conf", roster, &problem), -ENOENT);
}
END_TEST

START_TEST(the_environment_names_the_file)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(unsetenv(ROSTER_PATH_VARIABLE), 0);
    ck_assert_str_eq(roster_path(), ROSTER_PATH_DEFAULT);
    write_file(TOKEN ALPHA BETA);
    ck_assert_int_eq(setenv(ROSTER_PATH_VARIABLE, path, 1), 0);
    ck_assert_int_eq(roster_read(NULL, &roster, &problem), 0);
    ck_assert_int_eq(setenv(ROSTER_PATH_VARIABLE, "/nonexistent", 1), 0);
    ck_assert_int_eq(roster_read(NULL, &roster, &problem), -ENOENT);
    ck_assert_ptr_nonnull(strstr(problem.text, "/nonexistent: "));
}
END_TEST

/* ---- Mistakes ------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    unsigned line; /* 0: the whole file */
    const char *words;
} mistakes[] = {
    {"", 0, "Label= is missing from [token]"},
    {"Label=x\n", 1, "section '[]' is unknown"},
    {"[tokens]\nLabel=x\n", 2, "section '[tokens]' is unknown"},
    {"what\n", 1, "neither a [section]"},
    {"[token]\nLable=x\n", 2, "[token] has no key 'Lable'"},
    {"[token]\nLabel=x\nLabel=y\n", 3, "Label= was given in line 2 already"},
    {"[token]\nLabel=\n", 2, "Label=: '' is not a label"},
    {"[token]\nLabel=123456789012345678901234567890123\n", 2, "Label=: "},
    {"[token]\nLabel=\xff\n", 2, "UTF-8"},
    {"[token]\nLabel=a\tb\n", 2, "control characters"},
    {"[token]\nId=00\n", 2, "Id=: '00' is not 32 hexadecimal digits"},
    {"[token]\nId=000102030405060708090a0b0c0d0e0g\n", 2, "hexadecimal"},
    {"[token]\nThreshold=1\n", 2, "from 2 to 16"},
    {"[token]\nThreshold=17\n", 2, "from 2 to 16"},
    {"[token]\nThreshold=two\n", 2, "Threshold=: 'two'"},
    {"[token]\nClient=-x\n", 2, "Client=: '-x' is not a client's name"},
    {"[token]\nClient=a b\n", 2, "Client="},
    {"[token]\nClient=a123456789012345678901234567890123\n", 2, "Client="},
    {"[token]\nTimeout=10\n", 2, "is not a duration"},
    {"[token]\nTimeout=1ms\n", 2, "between 10ms and 60min"},
    {"[token]\nConnectTimeout=61min\n", 2, "ConnectTimeout=: '61min'"},
    {"[token]\nDeal=maybe\n", 2, "neither yes nor no"},
    {"[token]\nAllowSha1=1\n", 2, "neither yes nor no"},
    {"[token]\nShowEd25519=false\n", 2, "neither yes nor no"},
    {"[token]\nLog=journal\n", 2, "neither syslog, stderr nor none"},
    {"[node Alpha]\nIndex=1\n", 2, "'Alpha' is not a node's name"},
    {"[node ]\nIndex=1\n", 2, "is not a node's name"},
    {"[node a123456789012345678901234567890123]\nIndex=1\n", 2, "is not a node's name"},
    {"[node alpha]\nIndex=0\n", 2, "from 1 to 16"},
    {"[node alpha]\nIndex=1\nIndex=1\n", 3, "Index= was given in line 2 already"},
    {"[node alpha]\nPort=1\n", 2, "[node alpha] has no key 'Port'"},
    {"[node alpha]\nAddress=/run/alpha\n", 2, "Address=: "},
    {"[node alpha]\nAddress=carrier-pigeon:x\n", 2, "Address=: "},
    {"[node alpha]\nTlsPin=AAAA\n", 2, "TlsPin=: 'AAAA' is not 32 bytes in base64"},
    {"[node alpha]\nTlsPin=" KEY_A ",\n", 2, "TlsPin=: "},
    {"[node alpha]\nTlsPin=," KEY_A "\n", 2, "TlsPin=: "},
    {"[node alpha]\nTlsPin=" KEY_A "," KEY_A "\n", 2, "two different ones"},
    {"[node alpha]\nTlsPin=" KEY_A "," KEY_B "," KEY_C "\n", 2, "TlsPin=: "},
    {"[node alpha]\nAddress=tls:alpha.example:7853\n", 2, "no host name is looked up"},
    {"[node alpha]\nAddress=tls:192.0.2.11\n", 2, "and a port"},
    {"[token]\nKernelLabels=\n", 2, "KernelLabels=: '' is not a list of labels"},
    {"[token]\nKeyringLabels=a,,b\n", 2, "KeyringLabels=: 'a,,b' is not a list of labels"},
    {"[token]\nKeyringLabels=a,\n", 2, "one on each side of a comma"},
    {"[token]\nKeyringLabels=,a\n", 2, "one on each side of a comma"},
    {"[token]\nKeyringLabels=a, b\n", 2, "without spaces around"},
    {"[token]\nKeyringLabels=a ,b\n", 2, "without spaces around"},
    {"[token]\nKeyringLabels=\xff\n", 2, "UTF-8"},
    {"[token]\nKeyringLabels=a;b\n", 2, "semicolons"},
    {"[token]\nKernelLabels=a\nKernelLabels=b\n", 3, "KernelLabels= was given in line 2 already"},
    {"[token]\nClientKey=key.pem\n", 2, "ClientKey=: 'key.pem' is not an absolute path"},
    {TOKEN ALPHA "[node beta]\nTlsPin=" KEY_D "," KEY_A "\n", 12, "TlsPin= is that of node alpha already"},
    {"[node alpha]\nSealingKey=x\n", 2, "SealingKey=: "},
    {"[node alpha]\nIdentityKey=" KEY_D "=\n", 2, "IdentityKey=: "},
    {TOKEN ALPHA "[token]\nDeal=no\n", 12, "a section [token] above already"},
    {TOKEN ALPHA BETA "[node alpha]\nIndex=3\n", 18, "a section [node alpha] above already"},
    {TOKEN ALPHA "[node beta]\nIndex=1\n", 12, "Index= is that of node alpha already"},
    {TOKEN ALPHA "[node beta]\nAddress=unix:/run/alpha\n", 12, "Address= is that of node alpha already"},
    {TOKEN ALPHA "[node beta]\nTlsPin=" KEY_A "\n", 12, "TlsPin= is that of node alpha already"},
    {TOKEN ALPHA "[node beta]\nSealingKey=" KEY_B "\n", 12, "SealingKey= is that of node alpha already"},
    {TOKEN ALPHA "[node beta]\nIdentityKey=" KEY_C "\n", 12, "IdentityKey= is that of node alpha already"},
    {ALPHA BETA, 0, "Label= is missing from [token]"},
    {"[token]\nLabel=x\nThreshold=2\n" ALPHA BETA, 0, "Id= is missing from [token]"},
    {TOKEN ALPHA "[node beta]\nIndex=2\n", 0, "Address= is missing from [node beta]"},
    {TOKEN, 0, "there are 0 [node NAME] sections"},
    {TOKEN ALPHA, 0, "there is 1 [node NAME] section;"},
    {"[token]\nLabel=x\nId=000102030405060708090a0b0c0d0e0f\nThreshold=3\n" ALPHA BETA, 0, "Threshold=3 does not go with 2 nodes"},
    {TOKEN ALPHA "[node beta]\nIndex=3\nAddress=unix:/run/beta\nTlsPin=" KEY_ZERO "\nSealingKey=" KEY_E "\nIdentityKey=" KEY_F "\n", 0,
     "[node beta] Index=3, but there are 2 nodes"},
};

START_TEST(every_mistake_is_named)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    Problem problem = PROBLEM_INIT;
    char where[128];
    int r = read_text(mistakes[_i].text, &roster, &problem);

    if (mistakes[_i].line != 0)
        (void)snprintf(where, sizeof(where), "%s:%u: ", path, mistakes[_i].line);
    else
        (void)snprintf(where, sizeof(where), "%s: ", path);
    ck_assert_msg(r == -EINVAL || r == -EBADMSG, "%d for: %s", r, mistakes[_i].words);
    ck_assert_msg(strncmp(problem.text, where, strlen(where)) == 0, "'%s' does not start with '%s'", problem.text, where);
    ck_assert_msg(strstr(problem.text, mistakes[_i].words), "'%s' does not say '%s'", problem.text, mistakes[_i].words);
}
END_TEST

START_TEST(seventeen_nodes_are_too_many)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    Problem problem = PROBLEM_INIT;
    char text[4096] = TOKEN;

    for (unsigned i = 1; i <= 17; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "[node n%u]\nAddress=unix:/run/%u\n", i, i);
    ck_assert_int_eq(read_text(text, &roster, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, ":38: there are more than 16 nodes"));
}
END_TEST

/* ---- Cards ------------------------------------------------------------------------------------------------------------------ */

static NodeCard make_card(void)
{
    NodeCard card = {.name = "alpha", .address = (char *)"unix:/run/keyquorum/alpha.sock"};

    for (unsigned i = 0; i < 32; i++) {
        card.tls_pin[i] = (uint8_t)i;
        card.sealing_key[i] = (uint8_t)(100 + i);
        card.identity_key[i] = (uint8_t)(200 + i);
    }
    return card;
}

START_TEST(a_card_goes_round)
{
    NodeCard card = make_card(), read;
    char text[CARD_SIZE_MAX], again[CARD_SIZE_MAX], fingerprint[40];
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(card_format(&card, text), 0);
    ck_assert_int_eq(strncmp(text, "keyquorum-node-1 alpha unix:/run/keyquorum/alpha.sock AAECAw", 60), 0);
    ck_assert_msg(card_parse(text, &read, &problem) == 0, "%s", problem.text);
    ck_assert_int_eq(card_format(&read, again), 0);
    ck_assert_str_eq(text, again);
    ck_assert_mem_eq(read.identity_key, card.identity_key, 32);
    card_fingerprint(&read, fingerprint);
    ck_assert_uint_eq(strlen(fingerprint), 39);
    ck_assert_int_eq(fingerprint[4], ' ');
    card_clear(&read);
}
END_TEST

/* Every change of one character, and every one left out. */
START_TEST(a_mistyped_card_is_noticed)
{
    NodeCard card = make_card(), read;
    char text[CARD_SIZE_MAX], wrong[CARD_SIZE_MAX];
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(card_format(&card, text), 0);
    for (size_t i = 0; i < strlen(text); i++) {
        (void)snprintf(wrong, sizeof(wrong), "%s", text);
        wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
        ck_assert_msg(card_parse(wrong, &read, &problem) == -EINVAL, "%s", wrong);
        (void)snprintf(wrong, sizeof(wrong), "%.*s%s", (int)i, text, text + i + 1);
        ck_assert_msg(card_parse(wrong, &read, &problem) == -EINVAL, "%s", wrong);
    }
}
END_TEST

START_TEST(a_wrong_card_is_explained)
{
    static const struct {
        const char *text, *words;
    } wrong[] = {
        {"", "this is not a node's card"},
        {"hello", "this is not a node's card"},
        {"keyquorum-node-2 a b c d e f", "this is not a node's card"},
        {"keyquorum-node-1 alpha", "2 words instead of 7"},
        {"keyquorum-node-1 alpha unix:/x " KEY_A " " KEY_B " " KEY_C " 00000000 x", "8 words instead of 7"},
        {"keyquorum-node-1 alpha unix:/x " KEY_A " " KEY_B " " KEY_C " 00000000", "mistyped: its checksum is"},
    };
    NodeCard card;

    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        Problem problem = PROBLEM_INIT;

        ck_assert_int_eq(card_parse(wrong[i].text, &card, &problem), -EINVAL);
        ck_assert_msg(strstr(problem.text, wrong[i].words), "'%s' does not say '%s'", problem.text, wrong[i].words);
    }
}
END_TEST

/* ---- TLS -------------------------------------------------------------------------------------------------------------------------- */

#define TWO_NODES                                                                                                                          \
    "[node alpha]\nIndex=1\nAddress=tls:192.0.2.11:7853\nTlsPin=" KEY_A "," KEY_B "\nSealingKey=" KEY_A "\nIdentityKey=" KEY_A "\n"        \
    "[node beta]\nIndex=2\nAddress=tls:[2001:db8::1]:7853\nTlsPin=" KEY_C "\nSealingKey=" KEY_B "\nIdentityKey=" KEY_B "\n"

START_TEST(nodes_elsewhere_are_read)
{
    _cleanup_(roster_freep) Roster *roster = NULL, *again = NULL, *copy = NULL;
    _cleanup_free_ char *key = NULL, *default_key = NULL;
    Problem problem = PROBLEM_INIT;
    char beside[512];

    ck_assert_msg(read_text(TOKEN TWO_NODES, &roster, &problem) == 0, "%s", problem.text);
    ck_assert(roster_needs_client_key(roster));
    ck_assert_ptr_null(roster->client_key);
    default_key = roster_client_key(roster);
    (void)snprintf(beside, sizeof(beside), "%.*s/client-key.pem", (int)(strrchr(path, '/') - path), path);
    ck_assert_str_eq(default_key, beside);
    ck_assert_int_eq(roster->nodes[0].tls_pin[31], 'A');
    ck_assert_int_eq(roster->nodes[0].next_tls_pin[31], 'B');
    ck_assert(!card_has_key(roster->nodes[1].next_tls_pin));

    roster->client_key = text_copy("/elsewhere/key.pem");
    ck_assert_msg(roster_write(path, roster, &problem) == 0, "%s", problem.text);
    ck_assert_msg(roster_read(path, &again, &problem) == 0, "%s", problem.text);
    ck_assert_int_eq(roster_copy(again, &copy), 0);
    key = roster_client_key(copy);
    ck_assert_str_eq(key, "/elsewhere/key.pem");
    ck_assert_mem_eq(copy->nodes[0].next_tls_pin, roster->nodes[0].next_tls_pin, 32);
    ck_assert_str_eq(copy->nodes[1].address, "tls:[2001:db8::1]:7853");
}
END_TEST

START_TEST(a_card_may_have_two_pins)
{
    NodeCard card = make_card(), read;
    char text[CARD_SIZE_MAX], fingerprint[40], before[40];
    Problem problem = PROBLEM_INIT;

    card_fingerprint(&card, before);
    memset(card.next_tls_pin, 9, 32);
    ck_assert_int_eq(card_format(&card, text), 0);
    ck_assert_msg(card_parse(text, &read, &problem) == 0, "%s", problem.text);
    ck_assert_mem_eq(read.tls_pin, card.tls_pin, 32);
    ck_assert_mem_eq(read.next_tls_pin, card.next_tls_pin, 32);
    card_fingerprint(&read, fingerprint);
    ck_assert_str_ne(fingerprint, before);
    card_clear(&read);
}
END_TEST

/* Whatever of a card is exchanged on its way, two people who compare it see another fingerprint. */
START_TEST(a_fingerprint_is_of_the_whole_card)
{
    enum { NODES = 6, CLIENTS = 3 };

    char nodes[NODES][40], clients[CLIENTS][40];

    for (unsigned i = 0; i < NODES; i++) {
        NodeCard card = make_card();
        uint8_t *keys[] = {card.tls_pin, card.next_tls_pin, card.sealing_key, card.identity_key};

        if (i < ELEMENTS(keys))
            keys[i][31] ^= 1;
        if (i == 4)
            card.name[0] = 'b';
        if (i == 5)
            card.address = (char *)"tls:192.0.2.1:7853";
        card_fingerprint(&card, nodes[i]);
        ck_assert_uint_eq(strlen(nodes[i]), 39);
        for (unsigned other = 0; other < i; other++)
            ck_assert_str_ne(nodes[i], nodes[other]);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        ClientCard card = {.name = "signer", .n_pins = 1};

        if (i == 1)
            card.name[0] = 'S';
        if (i == 2)
            card.pins[0][31] ^= 1;
        client_card_fingerprint(&card, clients[i]);
        for (unsigned other = 0; other < i; other++)
            ck_assert_str_ne(clients[i], clients[other]);
    }
}
END_TEST

START_TEST(a_client_card_goes_round)
{
    ClientCard card = {.name = "signer-1.example", .n_pins = 1}, read;
    char text[CARD_SIZE_MAX], fingerprint[40], again[40];
    Problem problem = PROBLEM_INIT;

    for (unsigned n = 1; n <= 2; n++) {
        memset(card.pins[n - 1], (int)n, 32);
        card.n_pins = n;
        ck_assert_int_eq(client_card_format(&card, text), 0);
        ck_assert_int_eq(strncmp(text, "keyquorum-client-1 signer-1.example AQEB", 40), 0);
        ck_assert_msg(client_card_parse(text, &read, &problem) == 0, "%s", problem.text);
        ck_assert_str_eq(read.name, card.name);
        ck_assert_uint_eq(read.n_pins, n);
        ck_assert_mem_eq(read.pins, card.pins, sizeof(card.pins));
        client_card_fingerprint(&card, fingerprint);
        client_card_fingerprint(&read, again);
        ck_assert_uint_eq(strlen(fingerprint), 39);
        ck_assert_str_eq(fingerprint, again);
    }
    for (size_t i = 0; i < strlen(text); i++) {
        char wrong[CARD_SIZE_MAX];

        (void)snprintf(wrong, sizeof(wrong), "%s", text);
        wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
        ck_assert_msg(client_card_parse(wrong, &read, &problem) == -EINVAL, "%s", wrong);
    }
    ck_assert_int_eq(client_card_parse("keyquorum-node-1 a b c d e f", &read, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, "not a client's card"));
}
END_TEST

START_TEST(names_of_clients)
{
    static const char *const good[] = {"a", "Signer-1.example_2", "0", "abcdefghijklmnopqrstuvwxyz012345"};
    static const char *const bad[] = {"", "-a", ".a", "_a", "a b", "a\"", "abcdefghijklmnopqrstuvwxyz0123456", "\xc3\xa4"};

    for (size_t i = 0; i < ELEMENTS(good); i++)
        ck_assert_int_eq(client_card_check_name(good[i], NULL), 0);
    for (size_t i = 0; i < ELEMENTS(bad); i++)
        ck_assert_int_eq(client_card_check_name(bad[i], NULL), -EINVAL);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_small_one_is_read);
    tcase_add_test(cases, everything_is_read);
    tcase_add_test(cases, labels_choose_a_custody);
    tcase_add_test(cases, what_is_written_is_read);
    tcase_add_test(cases, what_could_not_be_read_is_not_written);
    tcase_add_test(cases, the_environment_names_the_file);
    tcase_add_loop_test(cases, every_mistake_is_named, 0, (int)ELEMENTS(mistakes));
    tcase_add_test(cases, seventeen_nodes_are_too_many);
    tcase_add_test(cases, a_card_goes_round);
    tcase_add_test(cases, a_mistyped_card_is_noticed);
    tcase_add_test(cases, a_wrong_card_is_explained);
    tcase_add_test(cases, nodes_elsewhere_are_read);
    tcase_add_test(cases, a_card_may_have_two_pins);
    tcase_add_test(cases, a_fingerprint_is_of_the_whole_card);
    tcase_add_test(cases, a_client_card_goes_round);
    tcase_add_test(cases, names_of_clients);
}

UNIT_MAIN("roster", add_tests)
