/* The state directory: damage to every bit of it, and disks without room. */
#include "store-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"

/* ---- Damage -------------------------------------------------------------------------------------------------------------------------- */

typedef struct Stored {
    Place place;
    char share[PATH_MAX], record[PATH_MAX];
    size_t share_size, record_size;
} Stored;

static size_t size_of(const char *path)
{
    struct stat status;

    ck_assert_int_eq(stat(path, &status), 0);
    return (size_t)status.st_size;
}

static Stored stored_new(void)
{
    _cleanup_bytes_ Bytes sealed = {0};
    _cleanup_stored_key_ StoredKey key = test_key(&sealed);
    Stored stored = {.place = place_new()};
    _cleanup_store_ Store *store = open_store(&stored.place);
    char id[2 * KEY_ID_SIZE + 1];

    ck_assert_int_eq(store_add_key(store, &key, &sealed, NULL), 0);
    ck_assert_int_eq(store_add_key(store, &key, &sealed, NULL), -EEXIST);
    key_id_format(&key.id, id);
    (void)snprintf(stored.share, sizeof(stored.share), "%s/keys/%s.share", stored.place.path, id);
    (void)snprintf(stored.record, sizeof(stored.record), "%s/keys/%s.record", stored.place.path, id);
    stored.share_size = size_of(stored.share);
    stored.record_size = size_of(stored.record);
    return stored;
}

static void flip(const char *path, size_t bit)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
    byte ^= (uint8_t)(1 << bit % 8);
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
}

static void check_damaged(const Stored *stored)
{
    Seen seen = look(&stored->place);

    ck_assert_uint_eq(seen.keys, 1);
    ck_assert_uint_eq(seen.damaged, 1);
    ck_assert_msg(strstr(seen.damage, ".share") || strstr(seen.damage, ".record"), "%s", seen.damage);
}

static void flip_all(const Stored *stored, const char *path, size_t size, size_t step)
{
    for (size_t bit = 0; bit < 8 * size; bit += step) {
        flip(path, bit);
        check_damaged(stored);
        flip(path, bit);
    }
    ck_assert_uint_eq(look(&stored->place).damaged, 0);
}

START_TEST(every_flipped_bit_is_noticed)
{
    Stored stored = stored_new();

    flip_all(&stored, stored.record, stored.record_size, 1);
    flip_all(&stored, stored.share, stored.share_size, 7);
    place_clear(&stored.place);
}
END_TEST

static void cut_all(const Stored *stored, const char *path, size_t size)
{
    _cleanup_free_ char *content = malloc(size);
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);

    ck_assert_int_eq(pread(fd, content, size, 0), (ssize_t)size);
    for (size_t left = 0; left < size; left += 1 + size / 100) {
        ck_assert_int_eq(ftruncate(fd, (off_t)left), 0);
        check_damaged(stored);
        ck_assert_int_eq(pwrite(fd, content, size, 0), (ssize_t)size);
    }
    ck_assert_int_eq(ftruncate(fd, (off_t)size + 1), 0);
    check_damaged(stored);
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    ck_assert_uint_eq(look(&stored->place).damaged, 0);
}

START_TEST(every_cut_is_noticed)
{
    Stored stored = stored_new();

    cut_all(&stored, stored.record, stored.record_size);
    cut_all(&stored, stored.share, stored.share_size);
    ck_assert_int_eq(unlink(stored.share), 0); /* a record without its share is no crash of ours */
    check_damaged(&stored);
    place_clear(&stored.place);
}
END_TEST

START_TEST(a_file_under_another_name_is_noticed)
{
    Stored stored = stored_new();
    char other[PATH_MAX];

    for (unsigned which = 0; which < 2; which++) {
        char *path = which == 0 ? stored.record : stored.share;

        (void)snprintf(other, sizeof(other), "%s", path);
        char *digit = strrchr(other, '/') + 1;

        *digit = *digit == '0' ? '1' : '0';
        ck_assert_int_eq(rename(path, other), 0);
    }

    Seen seen = look(&stored.place);

    ck_assert_uint_eq(seen.keys, 1);
    ck_assert_uint_eq(seen.damaged, 1);
    place_clear(&stored.place);
}
END_TEST

START_TEST(other_files_are_left_alone)
{
    _cleanup_place_ Place place = place_new();
    _cleanup_store_ Store *store = open_store(&place);
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/keys/README.record", place.path);
    ck_assert_int_ge(creat(path, 0600), 0);
    (void)snprintf(path, sizeof(path), "%s/keys/.new-1234", place.path);
    ck_assert_int_ge(creat(path, 0600), 0);
    store = store_close(store);
    ck_assert_uint_eq(look(&place).keys, 0);
    ck_assert_uint_eq(count_files(&place, "keys"), 1); /* the temporary file is gone */
}
END_TEST

START_TEST(two_cannot_use_it_at_once)
{
    _cleanup_place_ Place place = place_new();
    _cleanup_store_ Store *store = open_store(&place);
    Problem problem = PROBLEM_INIT;
    Store *second = NULL;

    ck_assert_int_eq(store_open(place.path, false, &second, &problem), -EBUSY);
    ck_assert_msg(strstr(problem.text, place.path), "%s", problem.text);
}
END_TEST

/* ---- Tokens and failures ---------------------------------------------------------------------------------------------------------------
 */

static int see_failures(void *userdata, const char *client, uint64_t failures)
{
    ck_assert_str_eq(client, "local");
    *(uint64_t *)userdata = failures;
    return 0;
}

static uint64_t read_failures(const Store *store)
{
    uint64_t failures = 0;

    ck_assert_int_eq(store_read_failures(store, see_failures, &failures, NULL), 0);
    return failures;
}

START_TEST(failures_are_counted_and_forgotten)
{
    _cleanup_place_ Place place = place_new();
    _cleanup_store_ Store *store = open_store(&place);
    char path[PATH_MAX];

    ck_assert_uint_eq(read_failures(store), 0);
    ck_assert_int_eq(store_write_failures(store, "local", 7, NULL), 0);
    ck_assert_uint_eq(read_failures(store), 7);
    (void)snprintf(path, sizeof(path), "%s/failures/local.json", place.path);
    flip(path, 8 * 100);
    ck_assert_uint_eq(read_failures(store), STORE_FAILURES_DAMAGED);
    ck_assert_int_eq(store_write_failures(store, "local", 0, NULL), 0);
    ck_assert_int_eq(store_write_failures(store, "local", 0, NULL), 0);
    ck_assert_uint_eq(count_files(&place, "failures"), 0);
}
END_TEST

START_TEST(a_damaged_token_is_an_error)
{
    _cleanup_place_ Place place = place_new();
    _cleanup_store_ Store *store = open_store(&place);
    _cleanup_stored_token_ StoredToken read = {0};
    StoredToken token = test_token();
    Problem problem = PROBLEM_INIT;
    char path[PATH_MAX];

    ck_assert_int_eq(store_read_token(store, &read, NULL), 0);
    ck_assert_uint_eq(read.token.size, 0);
    token.k = 6; /* the layout takes it, k > n is nonsense */
    ck_assert_int_eq(store_write_token(store, &token, NULL), 0);
    ck_assert_int_eq(store_read_token(store, &read, NULL), -EBADMSG);
    token.k = 3;
    ck_assert_int_eq(store_write_token(store, &token, NULL), 0);
    (void)snprintf(path, sizeof(path), "%s/token.json", place.path);
    for (size_t bit = 0; bit < 8 * size_of(path); bit += 5) {
        flip(path, bit);
        ck_assert_int_eq(store_read_token(store, &read, &problem), -EBADMSG);
        flip(path, bit);
    }
    ck_assert_msg(strstr(problem.text, "restore token.json"), "%s", problem.text);
    ck_assert_int_eq(store_read_token(store, &read, NULL), 0);
    ck_assert_uint_eq(read.index, 1);
}
END_TEST

/* ---- A directory that cannot be synced ------------------------------------------------------------------------------------------- */

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

typedef struct Doubtful {
    Store *store;
    StoredKey *key;
    const Bytes *sealed;
} Doubtful;

static int add_key(const Doubtful *with)
{
    return store_add_key(with->store, with->key, with->sealed, NULL);
}

static int write_record(const Doubtful *with)
{
    return store_write_record(with->store, with->key, NULL);
}

static int write_tombstone(const Doubtful *with)
{
    return store_write_tombstone(with->store, &with->key->id, "local", NULL);
}

static int remove_key(const Doubtful *with)
{
    return store_remove_key(with->store, &with->key->id, NULL);
}

static int write_token(const Doubtful *with)
{
    const StoredToken token = test_token();

    return store_write_token(with->store, &token, NULL);
}

static int write_failures(const Doubtful *with)
{
    return store_write_failures(with->store, "local", 1, NULL);
}

static int forget_failures(const Doubtful *with)
{
    return store_write_failures(with->store, "local", 0, NULL);
}

static void check_doubt(int (*doing)(const Doubtful *with), bool key_is_there)
{
    _cleanup_place_ Place place = place_new();
    _cleanup_bytes_ Bytes sealed = {0};
    _cleanup_stored_key_ StoredKey key = test_key(&sealed);
    _cleanup_store_ Store *store = open_store(&place);
    const Doubtful with = {store, &key, &sealed};

    if (key_is_there)
        ck_assert_int_eq(add_key(&with), 0);
    ck_assert_int_eq(write_failures(&with), 0);
    ck_assert(!store_in_doubt(store));
    directories_cannot_be_synced = true;
    ck_assert_int_eq(doing(&with), -EUCLEAN);
    directories_cannot_be_synced = false;
    ck_assert(store_in_doubt(store));
    store = store_close(store);
    store = open_store(&place);
    ck_assert(!store_in_doubt(store));
}

START_TEST(what_is_not_synced_leaves_the_store_in_doubt)
{
    check_doubt(add_key, false);
    check_doubt(write_record, true);
    check_doubt(write_tombstone, true);
    check_doubt(remove_key, true);
    check_doubt(write_token, false);
    check_doubt(write_failures, false);
    check_doubt(forget_failures, false);
}
END_TEST

/* ---- No room ------------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_full_disk_leaves_nothing_behind)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip_test("no file system can be mounted here: %s", strerror(errno));

    _cleanup_place_ Place place = place_new();
    _cleanup_bytes_ Bytes sealed = {0}, more = {0};
    _cleanup_stored_key_ StoredKey key = test_key(&sealed);
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    bool failed = false, stored = false;

    ck_assert_int_eq(mount("tiny", place.path, "tmpfs", 0, "size=32k"), 0);

    Store *store = open_store(&place);

    /* Less and less stands in the way, until it fits. */
    for (size_t pages = 8; !stored; pages--) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/filling", place.path);

        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        for (size_t i = 0; i < pages; i++) {
            _cleanup_free_ char *zeros = calloc(1, page);

            if (write(fd, zeros, page) < 0)
                break;
        }
        (void)close(fd);

        int r = store_add_key(store, &key, &sealed, NULL);

        ck_assert(r == 0 || r == -ENOSPC);
        stored = r == 0;
        failed |= !stored;
        ck_assert_uint_eq(count_files(&place, "keys"), stored ? 2 : 0);
    }
    ck_assert(failed);
    (void)store_close(store);
    ck_assert_int_eq(umount2(place.path, MNT_DETACH), 0);
}
END_TEST

/* The same where nothing can be mounted: no file may grow past a limit. */
START_TEST(a_limit_leaves_nothing_behind)
{
    _cleanup_place_ Place place = place_new();
    _cleanup_store_ Store *store = open_store(&place);
    _cleanup_bytes_ Bytes sealed = {0};
    _cleanup_stored_key_ StoredKey key = test_key(&sealed);
    const struct rlimit limits[] = {{0, RLIM_INFINITY}, {100, RLIM_INFINITY}}, none = {RLIM_INFINITY, RLIM_INFINITY};

    (void)signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < ELEMENTS(limits); i++) {
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limits[i]), 0);

        int r = store_add_key(store, &key, &sealed, NULL);

        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
        ck_assert_int_eq(r, -EFBIG);
        check_nothing_else(&place, 0);
    }
}
END_TEST

/* ---- A share without its record ------------------------------------------------------------------------------------------------ */

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

START_TEST(a_share_that_lost_its_record_is_kept)
{
    Stored stored = stored_new();
    char saved[PATH_MAX], aside[PATH_MAX];

    (void)snprintf(saved, sizeof(saved), "%s/saved", stored.place.path);
    (void)snprintf(aside, sizeof(aside), "%.*s.set-aside", (int)(strlen(stored.share) - strlen(".share")), stored.share);
    ck_assert_int_eq(rename(stored.record, saved), 0);
    for (unsigned times = 0; times < 2; times++) {
        const Seen seen = look(&stored.place);

        ck_assert_uint_eq(seen.keys, 0);
        ck_assert_uint_eq(seen.set_aside, times == 0);
        ck_assert(is_there(aside) && !is_there(stored.share));
    }
    ck_assert_int_eq(rename(saved, stored.record), 0); /* from a backup */
    for (unsigned times = 0; times < 2; times++) {
        const Seen seen = look(&stored.place);

        ck_assert_uint_eq(seen.keys, 1);
        ck_assert_uint_eq(seen.damaged, 0);
        ck_assert(!is_there(aside) && is_there(stored.share));
    }
    place_clear(&stored.place);
}
END_TEST

static void copy_file(const char *from, const char *to, const char *more)
{
    _cleanup_bytes_ Bytes content = {0};
    _cleanup_close_ int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_eq(file_read(AT_FDCWD, from, SEALED_SHARE_SIZE_MAX, &content), 0);
    ck_assert_int_eq(write(fd, content.data, content.size), (ssize_t)content.size);
    ck_assert_int_eq(write(fd, more, strlen(more)), (ssize_t)strlen(more));
}

static void check_content(const char *path, const char *like, size_t more)
{
    _cleanup_bytes_ Bytes content = {0}, expected = {0};

    ck_assert_int_eq(file_read(AT_FDCWD, path, SEALED_SHARE_SIZE_MAX, &content), 0);
    ck_assert_int_eq(file_read(AT_FDCWD, like, SEALED_SHARE_SIZE_MAX, &expected), 0);
    ck_assert_uint_eq(content.size, expected.size + more);
    ck_assert_mem_eq(content.data, expected.data, expected.size);
}

/* The same again takes its place, another one does not. */
START_TEST(a_share_that_is_set_aside_is_not_replaced)
{
    Stored stored = stored_new();
    _cleanup_bytes_ Bytes sealed = {0};
    _cleanup_stored_key_ StoredKey key = test_key(&sealed);
    char saved[PATH_MAX], aside[PATH_MAX];

    (void)snprintf(saved, sizeof(saved), "%s/saved", stored.place.path);
    (void)snprintf(aside, sizeof(aside), "%.*s.set-aside", (int)(strlen(stored.share) - strlen(".share")), stored.share);
    ck_assert_int_eq(unlink(stored.record), 0);
    copy_file(stored.share, saved, "");
    for (unsigned times = 0; times < 2; times++) {
        const Seen seen = look(&stored.place);

        ck_assert_uint_eq(seen.set_aside, 1);
        ck_assert_uint_eq(seen.second, 0);
        ck_assert(is_there(aside) && !is_there(stored.share));
        copy_file(saved, stored.share, times == 0 ? "" : "another");
    }
    for (unsigned times = 0; times < 2; times++) {
        const Seen seen = look(&stored.place);

        ck_assert_uint_eq(seen.keys, 0);
        ck_assert_uint_eq(seen.second, 1);
        check_content(aside, saved, 0);
        check_content(stored.share, saved, strlen("another"));
    }

    Store *store = open_store(&stored.place);

    ck_assert_int_eq(store_add_key(store, &key, &sealed, NULL), -EEXIST);
    (void)store_close(store);
    place_clear(&stored.place);
}
END_TEST

START_TEST(of_a_destroyed_key_nothing_is_kept)
{
    for (unsigned at_start = 0; at_start < 2; at_start++) {
        Stored stored = stored_new();
        _cleanup_bytes_ Bytes sealed = {0};
        _cleanup_stored_key_ StoredKey key = test_key(&sealed);

        ck_assert_int_eq(unlink(stored.record), 0);
        ck_assert_uint_eq(look(&stored.place).set_aside, 1);

        _cleanup_store_ Store *store = open_store(&stored.place);

        ck_assert_int_eq(store_write_tombstone(store, &key.id, "local", NULL), 0);
        if (!at_start)
            ck_assert_int_eq(store_remove_destroyed(store, &key.id, NULL), 0);
        store = store_close(store);
        if (at_start)
            ck_assert_uint_eq(look(&stored.place).destroyed, 1);
        ck_assert_uint_eq(count_files(&stored.place, "keys"), 1);
        place_clear(&stored.place);
    }
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, a_share_that_lost_its_record_is_kept);
    tcase_add_test(cases, a_share_that_is_set_aside_is_not_replaced);
    tcase_add_test(cases, of_a_destroyed_key_nothing_is_kept);
    tcase_add_test(cases, what_is_not_synced_leaves_the_store_in_doubt);
    tcase_add_test(cases, every_flipped_bit_is_noticed);
    tcase_add_test(cases, every_cut_is_noticed);
    tcase_add_test(cases, a_file_under_another_name_is_noticed);
    tcase_add_test(cases, other_files_are_left_alone);
    tcase_add_test(cases, two_cannot_use_it_at_once);
    tcase_add_test(cases, failures_are_counted_and_forgotten);
    tcase_add_test(cases, a_damaged_token_is_an_error);
    tcase_add_test(cases, a_full_disk_leaves_nothing_behind);
    tcase_add_test(cases, a_limit_leaves_nothing_behind);
}

UNIT_MAIN("node-store", add_tests)
