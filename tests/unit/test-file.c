/* Files: written whole or not at all, private ones only when they are. */
#include "base/file.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- A disk that can be made to fail ----------------------------------------------------------------------------------------------- */

static bool directories_cannot_be_synced;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    struct stat status;

    if (directories_cannot_be_synced && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

typedef struct Place {
    char path[32];
    int fd;
} Place;

static Place place_new(void)
{
    Place place = {.path = "/tmp/test-file-XXXXXX"};

    ck_assert_ptr_nonnull(mkdtemp(place.path));
    place.fd = open(place.path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(place.fd, 0);
    return place;
}

/* Fails if anything but the file "a" is left, a temporary one for example. */
static void place_clear(Place *place)
{
    (void)unlinkat(place->fd, "a", 0);
    (void)close(place->fd);
    ck_assert_int_eq(rmdir(place->path), 0);
}

#define _cleanup_place_ _cleanup_(place_clear)

static void assert_content(const Place *place, const char *expected)
{
    _cleanup_bytes_ Bytes content = {0};

    ck_assert_int_eq(file_read(place->fd, "a", 1000, &content), 0);
    ck_assert_uint_eq(content.size, strlen(expected));
    ck_assert_mem_eq(content.data, expected, content.size);
}

/* ---- Writing --------------------------------------------------------------------------------------------------------------------- */

START_TEST(files_are_replaced_whole)
{
    _cleanup_place_ Place place = place_new();
    _cleanup_bytes_ Bytes content = {0};

    ck_assert_int_eq(file_create(place.fd, "a", "one", 3, 0600), 0);
    ck_assert_int_eq(file_create(place.fd, "a", "two", 3, 0600), -EEXIST);
    assert_content(&place, "one");
    ck_assert_int_eq(file_replace(place.fd, "a", "three", 5, 0600), 0);
    ck_assert_int_eq(file_read(place.fd, "a", 4, &content), -EFBIG);
    assert_content(&place, "three");
    ck_assert_int_eq(file_remove(place.fd, "a"), 0);
    ck_assert_int_eq(file_remove(place.fd, "a"), -ENOENT);
}
END_TEST

static void write_too_much(const Place *place)
{
    const struct rlimit limit = {10, 10};
    uint8_t large[100] = {0};

    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        _exit(2);
    _exit(file_replace(place->fd, "a", large, sizeof(large), 0600) == -EFBIG ? 0 : 1);
}

START_TEST(failed_writing_leaves_the_old_content_and_nothing_else)
{
    _cleanup_place_ Place place = place_new();
    pid_t child;
    int status;

    ck_assert_int_eq(file_create(place.fd, "a", "old", 3, 0600), 0);
    child = fork();
    if (child == 0)
        write_too_much(&place);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    assert_content(&place, "old");
}
END_TEST

START_TEST(failed_sync_of_the_directory_has_its_own_error)
{
    _cleanup_place_ Place place = place_new();

    ck_assert_int_eq(file_create(place.fd, "a", "old", 3, 0600), 0);
    directories_cannot_be_synced = true;
    ck_assert_int_eq(file_replace(place.fd, "a", "new", 3, 0600), -EUCLEAN);
    assert_content(&place, "new");
    ck_assert_int_eq(file_remove(place.fd, "a"), -EUCLEAN);
    ck_assert_int_eq(file_create(place.fd, "a", "newer", 5, 0600), -EUCLEAN);
    assert_content(&place, "newer");
    ck_assert_int_eq(file_create(place.fd, "a", "newest", 6, 0600), -EEXIST);
    directories_cannot_be_synced = false;
    ck_assert_int_eq(file_remove(place.fd, "a"), 0);
}
END_TEST

/* ---- Reading --------------------------------------------------------------------------------------------------------------------- */

START_TEST(only_regular_files_are_read)
{
    _cleanup_place_ Place place = place_new();
    _cleanup_bytes_ Bytes content = {0};
    _cleanup_secret_ Secret *secret = NULL;
    Problem problem = PROBLEM_INIT;
    char path[64];

    ck_assert_int_eq(mkfifoat(place.fd, "a", 0600), 0);
    ck_assert_int_eq(file_read(place.fd, "a", 10, &content), -EINVAL);
    ck_assert_int_eq(file_read_secret(place.fd, "a", 10, &secret), -EINVAL);
    ck_assert_int_eq(file_read(AT_FDCWD, "/dev/zero", 10, &content), -EINVAL);
    ck_assert_int_eq(file_read(AT_FDCWD, place.path, 10, &content), -EINVAL);
    (void)snprintf(path, sizeof(path), "%s/a", place.path);
    ck_assert_int_eq(file_read_private(path, 10, FILE_OWNER_ONLY, &secret, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, "not a regular file"));
    ck_assert_ptr_null(secret);
}
END_TEST

static void assert_private(const Place *place, mode_t mode, mode_t forbidden, int expected, const char *words)
{
    _cleanup_secret_ Secret *secret = NULL;
    Problem problem = PROBLEM_INIT;
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/a", place->path);
    ck_assert_int_eq(chmod(path, mode), 0);

    int r = file_read_private(path, 6, forbidden, &secret, &problem);

    ck_assert_msg(r == expected, "mode %04o: %d: %s", (unsigned)mode, r, problem.text);
    ck_assert_msg(strstr(problem.text, words), "'%s' should say '%s'", problem.text, words);
    if (expected == 0)
        ck_assert_mem_eq(secret_bytes(secret), "secret", 6);
    else
        ck_assert_ptr_null(secret);
}

START_TEST(private_files_have_a_private_mode)
{
    _cleanup_place_ Place place = place_new();

    ck_assert_int_eq(file_create(place.fd, "a", "secret", 6, 0600), 0);
    assert_private(&place, 0600, FILE_OWNER_ONLY, 0, "");
    assert_private(&place, 0400, FILE_OWNER_ONLY, 0, "");
    for (mode_t bit = 1; bit <= 040; bit <<= 1) {
        bool group = bit >= 010;

        assert_private(&place, 0600 | bit, FILE_OWNER_ONLY, -EKEYREJECTED, "run 'chmod 0600 /");
        assert_private(&place, 0600 | bit, FILE_NO_STRANGERS, group ? 0 : -EKEYREJECTED, group ? "" : "is open to others");
    }
}
END_TEST

START_TEST(private_files_belong_to_nobody_else)
{
    if (geteuid() != 0)
        skip_test("only root can give a file away");

    _cleanup_place_ Place place = place_new();

    ck_assert_int_eq(file_create(place.fd, "a", "secret", 6, 0600), 0);
    ck_assert_int_eq(fchownat(place.fd, "a", 12345, 0, 0), 0);
    assert_private(&place, 0600, FILE_OWNER_ONLY, -EPERM, "belongs to user 12345");
}
END_TEST

/* A unit's credential: root's, readable by another user. */
START_TEST(private_files_may_be_roots)
{
    if (geteuid() != 0)
        skip_test("only root can leave a file to another user");

    _cleanup_place_ Place place = place_new();
    pid_t child;
    int status;

    ck_assert_int_eq(file_create(place.fd, "a", "secret", 6, 0600), 0);
    ck_assert_int_eq(chmod(place.path, 0755), 0);
    ck_assert_int_eq(fchownat(place.fd, "a", 0, 12345, 0), 0);
    ck_assert_int_eq(fchmodat(place.fd, "a", 0440, 0), 0);
    child = fork();
    if (child == 0) {
        Secret *secret = NULL;
        char path[64];

        (void)snprintf(path, sizeof(path), "%s/a", place.path);
        if (setresgid(12345, 12345, 12345) < 0 || setresuid(12345, 12345, 12345) < 0)
            _exit(2);
        _exit(file_read_private(path, 6, FILE_NO_STRANGERS, &secret, NULL) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, files_are_replaced_whole);
    tcase_add_test(cases, failed_writing_leaves_the_old_content_and_nothing_else);
    tcase_add_test(cases, failed_sync_of_the_directory_has_its_own_error);
    tcase_add_test(cases, only_regular_files_are_read);
    tcase_add_test(cases, private_files_have_a_private_mode);
    tcase_add_test(cases, private_files_belong_to_nobody_else);
    tcase_add_test(cases, private_files_may_be_roots);
}

UNIT_MAIN("file", add_tests)
