/* Encrypted credentials, with systemd-creds and a host key of our own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "ctl/credentials.h"
#include "unit.h"
#include "wire/base64.h"

static char directory[] = "/tmp/keyquorum-credentials.XXXXXX";

static void path_of(const char *name, char ret_path[PATH_MAX])
{
    (void)snprintf(ret_path, PATH_MAX, "%s/%s", directory, name);
}

/* $SYSTEMD_CREDENTIAL_SECRET is where systemd-creds keeps the host key, which it makes when it needs one. */
static void set_up(void)
{
    char path[PATH_MAX];

    ck_assert_ptr_nonnull(mkdtemp(directory));
    path_of("host-key", path);
    ck_assert_int_eq(setenv("SYSTEMD_CREDENTIAL_SECRET", path, 1), 0);
}

static void clean_up(void)
{
    static const char *const names[] = {"host-key", "one.cred", "two.cred", "fake.cred"};

    for (size_t i = 0; i < ELEMENTS(names); i++) {
        char path[PATH_MAX];

        path_of(names[i], path);
        (void)unlink(path);
    }
    (void)rmdir(directory);
}

static void need_systemd_creds(void)
{
    if (geteuid() != 0 || access("/usr/bin/systemd-creds", X_OK) < 0)
        skip_test("sealing credentials needs root and systemd-creds");
}

static Secret *secret_of(const char *text)
{
    Secret *secret;

    ck_assert_int_eq(secret_new_copy(text, strlen(text), &secret), 0);
    return secret;
}

START_TEST(comes_back)
{
    need_systemd_creds();

    _cleanup_secret_ Secret *plain = secret_of("what is sealed"), *opened = NULL;
    _cleanup_free_ char *words = NULL, *again = NULL;
    Problem problem = PROBLEM_INIT;
    char path[PATH_MAX];
    struct stat status;

    ck_assert_msg(credential_write(directory, "one", plain, &words, &problem) == 0, "%s", problem.text);
    ck_assert_str_eq(words, "host key");
    ck_assert_int_eq(credential_protector(directory, "one", &again, &problem), 0);
    ck_assert_str_eq(again, words);
    path_of("one.cred", path);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_int_eq(credential_read(directory, "one", &opened, &problem), 0);
    ck_assert(secret_equal(plain, opened));
}
END_TEST

START_TEST(is_replaced)
{
    need_systemd_creds();

    _cleanup_secret_ Secret *first = secret_of("first"), *second = secret_of("second"), *opened = NULL;

    ck_assert_int_eq(credential_write(directory, "one", first, NULL, NULL), 0);
    ck_assert_int_eq(credential_write(directory, "one", second, NULL, NULL), 0);
    ck_assert_int_eq(credential_read(directory, "one", &opened, NULL), 0);
    ck_assert(secret_equal(second, opened));
}
END_TEST

/* A credential that is put under another name is not that one. */
START_TEST(is_bound_to_its_name)
{
    need_systemd_creds();

    _cleanup_secret_ Secret *plain = secret_of("named"), *opened = NULL;
    Problem problem = PROBLEM_INIT;
    char one[PATH_MAX], two[PATH_MAX];

    ck_assert_int_eq(credential_write(directory, "one", plain, NULL, NULL), 0);
    path_of("one.cred", one);
    path_of("two.cred", two);
    ck_assert_int_eq(rename(one, two), 0);
    ck_assert_int_eq(credential_read(directory, "two", &opened, &problem), -ENOKEY);
    ck_assert_ptr_nonnull(strstr(problem.text, "'one'"));
    ck_assert_ptr_null(opened);
}
END_TEST

START_TEST(is_bound_to_the_host)
{
    need_systemd_creds();

    _cleanup_secret_ Secret *plain = secret_of("here"), *opened = NULL;
    Problem problem = PROBLEM_INIT;
    char path[PATH_MAX];

    ck_assert_int_eq(credential_write(directory, "one", plain, NULL, NULL), 0);
    path_of("host-key", path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(credential_read(directory, "one", &opened, &problem), -ENOKEY);
    ck_assert_str_ne(problem.text, "");
}
END_TEST

START_TEST(is_bounded)
{
    need_systemd_creds();

    _cleanup_secret_ Secret *plain = NULL, *opened = NULL;

    ck_assert_int_eq(secret_new(CREDENTIAL_SIZE_MAX + 1, &plain), 0);
    ck_assert_int_eq(credential_write(directory, "one", plain, NULL, NULL), -EMSGSIZE);
    secret_truncate(plain, CREDENTIAL_SIZE_MAX);
    ck_assert_int_eq(credential_write(directory, "one", plain, NULL, NULL), 0);
    ck_assert_int_eq(credential_read(directory, "one", &opened, NULL), 0);
    ck_assert(secret_equal(plain, opened));
}
END_TEST

START_TEST(none_is_told)
{
    _cleanup_secret_ Secret *opened = NULL;
    _cleanup_free_ char *words = NULL;

    ck_assert_int_eq(credential_read(directory, "nowhere", &opened, NULL), -ENOENT);
    ck_assert_int_eq(credential_protector(directory, "nowhere", &words, NULL), -ENOENT);
}
END_TEST

/* ---- What a credential says it is sealed to: heads that a host without TPM2 does not make ---- */

#define HEAD_SIZE 96

static int protector_of(const uint8_t id[16], uint64_t pcrs, char **ret_words, Problem *problem)
{
    uint8_t head[HEAD_SIZE] = {0};
    char text[BASE64_SIZE(HEAD_SIZE)];
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    memcpy(head, id, 16);
    head[24] = 12; /* the IV's size */
    for (size_t i = 0; i < 8; i++)
        head[48 + i] = (uint8_t)(pcrs >> 8 * i);
    base64_encode(head, sizeof(head), text);
    ck_assert_int_eq(file_replace(fd, "fake.cred", text, sizeof(text), 0600), 0);
    (void)close(fd);
    return credential_protector(directory, "fake", ret_words, problem);
}

static const uint8_t tpm2[16] = {0x0c, 0x7c, 0xc0, 0x7b, 0x11, 0x76, 0x45, 0x91, 0x9c, 0x4b, 0x0b, 0xea, 0x08, 0xbc, 0x20, 0xfe};
static const uint8_t both[16] = {0x93, 0xa8, 0x94, 0x09, 0x48, 0x74, 0x44, 0x90, 0x90, 0xca, 0xf2, 0xfc, 0x93, 0xca, 0xb5, 0x53};
static const uint8_t unknown[16] = {1};
static const uint8_t null_key[16] = {0x05, 0x84, 0x69, 0xda, 0xf6, 0xf5, 0x43, 0x24, 0x80, 0x05, 0x49, 0xda, 0x0f, 0x8e, 0xa2, 0xfb};

START_TEST(protectors)
{
    static const struct {
        const uint8_t *id;
        uint64_t pcrs;
        const char *words;
    } cases[] = {
        {tpm2, 1 << 7, "TPM2 (PCR 7)"},
        {tpm2, 0, "TPM2 (bound to no PCR)"},
        {both, 1 << 7 | 1 << 11 | 1, "host key and TPM2 (PCR 0+7+11)"},
        {unknown, 0, "a protector that this version cannot name"},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *words = NULL;

        ck_assert_int_eq(protector_of(cases[i].id, cases[i].pcrs, &words, NULL), 0);
        ck_assert_str_eq(words, cases[i].words);
    }
}
END_TEST

/* The key that stands for "there is none" is known to everyone. */
START_TEST(no_protector)
{
    _cleanup_free_ char *words = NULL;

    ck_assert_int_eq(protector_of(null_key, 0, &words, NULL), -ENOKEY);
    ck_assert_ptr_null(words);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_checked_fixture(cases, set_up, clean_up);
    tcase_add_test(cases, comes_back);
    tcase_add_test(cases, is_replaced);
    tcase_add_test(cases, is_bound_to_its_name);
    tcase_add_test(cases, is_bound_to_the_host);
    tcase_add_test(cases, is_bounded);
    tcase_add_test(cases, none_is_told);
    tcase_add_test(cases, protectors);
    tcase_add_test(cases, no_protector);
}

UNIT_MAIN("credentials", add_tests)
