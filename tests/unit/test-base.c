#include "base/bytes.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/date.h"
#include "base/ini.h"
#include "base/problem.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/utf8.h"
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

START_TEST(writer_and_reader_agree)
{
    uint8_t memory[15];
    Writer writer = writer_of(memory, sizeof(memory));
    size_t size;

    write_u8(&writer, 0x01);
    write_u16(&writer, 0x0203);
    write_u32(&writer, 0x04050607);
    write_u64(&writer, 0x08090a0b0c0d0e0f);
    ck_assert_int_eq(writer_finish(&writer, &size), 0);
    ck_assert_uint_eq(size, sizeof(memory));
    for (size_t i = 0; i < size; i++)
        ck_assert_uint_eq(memory[i], i + 1);

    Reader reader = reader_of(memory, size);

    ck_assert_uint_eq(read_u8(&reader), 0x01);
    ck_assert_uint_eq(read_u32(&reader), 0x02030405);
    ck_assert_int_eq(reader_finish(&reader), -EBADMSG);
    ck_assert_uint_eq(read_u8(&reader), 0x06);
    ck_assert_mem_eq(read_bytes(&reader, 9), "\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 9);
    ck_assert_int_eq(reader_finish(&reader), 0);
}
END_TEST

START_TEST(bounds_are_kept)
{
    uint8_t memory[4] = {1, 2, 3, 4}, more[5] = {0};
    Writer writer = writer_of(memory, sizeof(memory));
    Reader reader = reader_of(memory, sizeof(memory));

    write_bytes(&writer, more, sizeof(more));
    ck_assert_int_eq(writer_finish(&writer, NULL), -ENOBUFS);
    ck_assert_uint_eq(memory[0], 1);
    ck_assert_ptr_null(read_bytes(&reader, 5));
    ck_assert_uint_eq(read_u8(&reader), 0); /* failed once, failed for good */
    ck_assert_int_eq(reader_finish(&reader), -EBADMSG);
}
END_TEST

START_TEST(hex_round_trip)
{
    uint8_t bytes[3] = {0x00, 0xab, 0xff}, back[3];
    char text[7];

    hex_encode(bytes, sizeof(bytes), text);
    ck_assert_str_eq(text, "00abff");
    ck_assert_int_eq(hex_decode("00ABff", back, sizeof(back)), 0);
    ck_assert_mem_eq(bytes, back, sizeof(back));
    ck_assert_int_eq(hex_decode("00abf", back, sizeof(back)), -EINVAL);
    ck_assert_int_eq(hex_decode("00abfg", back, sizeof(back)), -EINVAL);
    ck_assert_int_eq(hex_decode("00abff00", back, sizeof(back)), -EINVAL);
}
END_TEST

START_TEST(secret_sizes)
{
    Secret *secret = NULL;

    ck_assert_int_eq(secret_new(0, &secret), -EINVAL);
    ck_assert_int_eq(secret_new(SECRET_SIZE_MAX + 1, &secret), -EINVAL);
    ck_assert_ptr_null(secret);
    ck_assert_int_eq(secret_new_copy("abc", 3, &secret), 0);
    ck_assert_uint_eq(secret_size(secret), 3);
    ck_assert_mem_eq(secret_declassify(secret), "abc", 3);
    secret_truncate(secret, 1);
    ck_assert_uint_eq(secret_size(secret), 1);
    ck_assert_uint_eq(secret_bytes(secret)[1], 0);
    secret_free(secret);
}
END_TEST

START_TEST(secret_comparison)
{
    _cleanup_secret_ Secret *a = NULL, *b = NULL, *c = NULL;

    ck_assert_int_eq(secret_new_copy("same", 4, &a), 0);
    ck_assert_int_eq(secret_new_copy("same", 4, &b), 0);
    ck_assert_int_eq(secret_new_copy("sama", 4, &c), 0);
    ck_assert(secret_equal(a, b));
    ck_assert(!secret_equal(a, c));
}
END_TEST

#ifndef __SANITIZE_ADDRESS__
/* How much of the page that holds `address` is locked: /proc/self/smaps tells. */
static unsigned locked_kilobytes(const void *address)
{
    _cleanup_fclose_ FILE *maps = fopen("/proc/self/smaps", "re");
    char line[512];
    unsigned long start, end;
    unsigned locked = 0;
    bool here = false;

    while (maps && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = (unsigned long)address >= start && (unsigned long)address < end;
        else if (here)
            (void)sscanf(line, "Locked: %u kB", &locked);
    }
    return locked;
}

START_TEST(secret_is_locked)
{
    _cleanup_secret_ Secret *secret = NULL;

    ck_assert_int_eq(secret_new(16, &secret), 0);
    ck_assert_uint_ge(locked_kilobytes(secret_bytes(secret)), 4);
}
END_TEST

/* What a forked child that runs `attempt` dies of: a signal number, or 0. */
static int signal_of_child(void (*attempt)(Secret *secret), Secret *secret)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        attempt(secret);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void read_behind(Secret *secret)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const uint8_t *byte = secret_bytes(secret);
    volatile uint8_t value;

    byte = (const uint8_t *)(((uintptr_t)byte + page) & ~(page - 1));
    value = *byte;
    (void)value;
}

static void read_own(Secret *secret)
{
    if (secret_bytes(secret)[0] != 0)
        _exit(1);
}

/* A scope that a fork leaves twice ends twice. */
static void free_twice(Secret *secret)
{
    if (secret_free(secret) || secret_free(secret))
        _exit(1);
}

START_TEST(secret_is_guarded_and_absent_in_children)
{
    _cleanup_secret_ Secret *secret = NULL;

    ck_assert_int_eq(secret_new_copy("x", 1, &secret), 0);
    ck_assert_int_eq(signal_of_child(read_behind, secret), SIGSEGV);
    ck_assert_int_eq(signal_of_child(read_own, secret), 0);
    ck_assert_int_eq(signal_of_child(free_twice, secret), 0);
    ck_assert_uint_eq(secret_bytes(secret)[0], 'x');
}
END_TEST
#endif

START_TEST(problem_text)
{
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(problem_set(&problem, -EIO, "node %s: %d", "al\npha", 7), -EIO);
    ck_assert_str_eq(problem.text, "node al?pha: 7");
    ck_assert_int_eq(problem_prefix(&problem, 3, "file:%d", 12), 3);
    ck_assert_str_eq(problem.text, "file:12: node al?pha: 7");
    ck_assert_int_eq(problem_set(NULL, 5, "nobody listens"), 5);
}
END_TEST

/* ISO 6429: a terminal obeys U+009B as it does ESC [. */
START_TEST(texts_are_cleaned)
{
    static const struct {
        const char *text, *clean;
    } cases[] = {
        {"", ""},
        {"K\xc3\xa4se\xc2\xa0\xe2\x82\xac", "K\xc3\xa4se\xc2\xa0\xe2\x82\xac"},
        {"a\033[2Jb\nc\x7f", "a?[2Jb?c?"},
        {"a\xc2\x9b"
         "2J\xc2\x80\xc2\x9f",
         "a??2J????"},
        {"\x9b\xc2", "??"},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *text = text_copy(cases[i].text);

        ck_assert_ptr_nonnull(text);
        text_clean(text);
        ck_assert_str_eq(text, cases[i].clean);
    }
}
END_TEST

/* One sentence around a text of `size` bytes that ends with `end`. */
static void assert_cut(size_t size, const char *end, size_t expected)
{
    char text[PROBLEM_SIZE_MAX + 8];
    Problem problem = PROBLEM_INIT;

    memset(text, 'x', sizeof(text));
    (void)snprintf(text + size, sizeof(text) - size, "%s", end);
    (void)problem_set(&problem, 0, "%s", text);
    ck_assert(utf8_valid(problem.text, strlen(problem.text)));
    ck_assert_uint_eq(strlen(problem.text), expected);
    ck_assert_ptr_null(strchr(problem.text, '?'));
}

/* RFC 3629; whatever comes in, a message can carry it. */
START_TEST(problem_is_utf8)
{
    static const struct {
        char text[8], expected[8];
    } bad[] = {
        {"\xff", "?"},
        {"\xc3", "?"},
        {"\x80", "?"},
        {"\xc0\xaf", "??"},
        {"\xed\xa0\x80", "???"},
        {"\xf0\x9f\x98", "???"},
        {"\xf5\x80\x80\x80", "????"},
        {"\xc3.\xa4", "?.?"},
    };
    char expected[16];
    Problem problem = PROBLEM_INIT;

    (void)problem_set(&problem, 0, "%s", "K\xc3\xa4se \xe2\x82\xac \xf0\x9f\x98\x80");
    ck_assert_str_eq(problem.text, "K\xc3\xa4se \xe2\x82\xac \xf0\x9f\x98\x80");
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        (void)problem_set(&problem, 0, "%s", bad[i].text);
        ck_assert_str_eq(problem.text, bad[i].expected);
        (void)problem_set(&problem, 0, "'%s'", bad[i].text);
        (void)snprintf(expected, sizeof(expected), "'%s'", bad[i].expected);
        ck_assert_str_eq(problem.text, expected);
    }
}
END_TEST

START_TEST(problem_is_cut_between_characters)
{
    const size_t room = PROBLEM_SIZE_MAX - 1;
    Problem problem = PROBLEM_INIT;

    assert_cut(room - 4, "\xf0\x9f\x98\x80", room);
    for (size_t before = 1; before < 4; before++)
        assert_cut(room - before, "\xf0\x9f\x98\x80", room - before);
    assert_cut(room - 2, "\xe2\x82\xac", room - 2);
    assert_cut(room - 1, "\xc3\xa4", room - 1);
    (void)problem_set(&problem, 0, "%0*d\xc3\xa4", (int)(room - 4), 0);
    (void)problem_prefix(&problem, 0, "x");
    ck_assert_uint_eq(strlen(problem.text), room - 1);
    ck_assert(utf8_valid(problem.text, room - 1));
}
END_TEST

static const struct {
    const char *text;
    int result;
    uint64_t seconds;
} dates[] = {
    {"19700101", 0, 86399},    {"20271231", 0, 1830297599}, {"20240229", 0, 1709251199}, {"99991231", 0, 253402300799},
    {"20230229", -EINVAL, 0},  {"20270631", -EINVAL, 0},    {"20271301", -EINVAL, 0},    {"20270001", -EINVAL, 0},
    {"20270100", -EINVAL, 0},  {"19691231", -EINVAL, 0},    {"00000000", -EINVAL, 0},    {"2027123", -EINVAL, 0},
    {"202712311", -EINVAL, 0}, {"+0271231", -EINVAL, 0},    {"2027 131", -EINVAL, 0},    {"", -EINVAL, 0},
};

START_TEST(dates_are_days)
{
    uint64_t seconds = 0;
    char text[DATE_SIZE + 1];

    ck_assert_int_eq(date_parse(dates[_i].text, strlen(dates[_i].text), &seconds), dates[_i].result);
    ck_assert_uint_eq(seconds, dates[_i].seconds);
    if (dates[_i].result != 0)
        return;
    date_format(seconds, text);
    ck_assert_str_eq(text, dates[_i].text);
    date_format(seconds - 86399, text);
    ck_assert_str_eq(text, dates[_i].text);
}
END_TEST

START_TEST(poll_timeouts)
{
    Microseconds now = clock_now();

    ck_assert_int_eq(clock_poll_timeout(MICROSECONDS_FOREVER), -1);
    ck_assert_int_eq(clock_poll_timeout(0), 0);
    ck_assert_int_eq(clock_poll_timeout(now), 0);
    ck_assert_int_eq(clock_poll_timeout(MICROSECONDS_FOREVER - 1), INT_MAX);
    ck_assert_int_eq(clock_poll_timeout(now + (Microseconds)INT_MAX * MICROSECONDS_PER_MILLISECOND * 2), INT_MAX);

    /* Never too early: whoever polls so long finds the deadline passed. */
    Microseconds deadline = clock_now() + 1500;
    int timeout = clock_poll_timeout(deadline);

    ck_assert_int_le(timeout, 2);
    (void)poll(NULL, 0, timeout);
    ck_assert_uint_ge(clock_now(), deadline);
    ck_assert_int_eq(clock_poll_timeout(deadline), 0);
}
END_TEST

typedef struct IniSeen {
    unsigned lines[4];
    size_t count;
} IniSeen;

static int see(void *userdata, const char *section, const char *name, const char *value, unsigned line, Problem *problem)
{
    IniSeen *seen = userdata;

    if (strcmp(name, "Bad") == 0)
        return problem_set(problem, -EINVAL, "[%s] %s=%s is bad", section, name, value);
    ck_assert_uint_lt(seen->count, ELEMENTS(seen->lines));
    seen->lines[seen->count++] = line;
    return 0;
}

static int read_ini(const char *text, IniSeen *ret_seen, Problem *problem)
{
    char path[] = "/tmp/keyquorum-ini-XXXXXX";
    _cleanup_close_ int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    int r = ini_read(path, see, ret_seen, problem);
    (void)unlink(path);
    return r;
}

START_TEST(ini_mistakes_have_lines)
{
    IniSeen seen = {0};
    Problem problem = PROBLEM_INIT;
    char long_line[600] = "A=";

    ck_assert_int_eq(read_ini("# c\n[s]\n\nA=1\nB=2\n", &seen, &problem), 0);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_uint_eq(seen.lines[0], 4);
    ck_assert_uint_eq(seen.lines[1], 5);
    ck_assert_int_eq(read_ini("[s]\nA=1\nBad=2\nC=3\n", &seen, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, ":3: [s] Bad=2 is bad"));
    ck_assert_uint_eq(seen.count, 3); /* nothing after the mistake was handed on */
    ck_assert_int_eq(read_ini("[s]\nnonsense\n", &seen, &problem), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(problem.text, ":2: "));
    memset(long_line + 2, 'x', sizeof(long_line) - 3);
    ck_assert_int_eq(read_ini(long_line, &seen, &problem), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(problem.text, ":1: the line is too long"));
    ck_assert_int_eq(ini_read("/nonexistent", see, &seen, &problem), -ENOENT);
}
END_TEST

START_TEST(ini_values)
{
    bool yes;
    uint64_t number;

    ck_assert_int_eq(ini_parse_bool("yes", &yes, NULL), 0);
    ck_assert(yes);
    ck_assert_int_eq(ini_parse_bool("true", &yes, NULL), -EINVAL);
    ck_assert_int_eq(ini_parse_uint("16", 1, 16, &number, NULL), 0);
    ck_assert_uint_eq(number, 16);
    ck_assert_int_eq(ini_parse_uint("17", 1, 16, &number, NULL), -EINVAL);
    ck_assert_int_eq(ini_parse_uint("-1", 0, UINT64_MAX, &number, NULL), -EINVAL);
    ck_assert_int_eq(ini_parse_uint("99999999999999999999", 0, UINT64_MAX, &number, NULL), -EINVAL);
    ck_assert_int_eq(ini_parse_duration("500ms", &number, NULL), 0);
    ck_assert_uint_eq(number, 500000);
    ck_assert_int_eq(ini_parse_duration("2min", &number, NULL), 0);
    ck_assert_uint_eq(number, 120000000);
    ck_assert_int_eq(ini_parse_duration("10", &number, NULL), -EINVAL);
    ck_assert_int_eq(ini_parse_duration("0s", &number, NULL), -EINVAL);
}
END_TEST

/* FIPS 180-2, appendix B.1 */
START_TEST(sha256_of_parts)
{
    uint8_t a[] = {'a'}, bc[] = {'b', 'c'}, digest[SHA256_SIZE];
    Bytes parts[] = {{a, sizeof(a)}, {bc, sizeof(bc)}};
    char text[2 * SHA256_SIZE + 1];

    ck_assert_int_eq(crypto_sha256(parts, ELEMENTS(parts), digest), 0);
    hex_encode(digest, sizeof(digest), text);
    ck_assert_str_eq(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, writer_and_reader_agree);
    tcase_add_test(cases, bounds_are_kept);
    tcase_add_test(cases, hex_round_trip);
    tcase_add_test(cases, secret_sizes);
    tcase_add_test(cases, secret_comparison);
#ifndef __SANITIZE_ADDRESS__ /* it makes mlock() do nothing, and takes SIGSEGV for itself */
    tcase_add_test(cases, secret_is_locked);
    tcase_add_test(cases, secret_is_guarded_and_absent_in_children);
#endif
    tcase_add_test(cases, problem_text);
    tcase_add_test(cases, texts_are_cleaned);
    tcase_add_test(cases, problem_is_utf8);
    tcase_add_test(cases, problem_is_cut_between_characters);
    tcase_add_loop_test(cases, dates_are_days, 0, ELEMENTS(dates));
    tcase_add_test(cases, poll_timeouts);
    tcase_add_test(cases, ini_mistakes_have_lines);
    tcase_add_test(cases, ini_values);
    tcase_add_test(cases, sha256_of_parts);
}

UNIT_MAIN("base", add_tests)
