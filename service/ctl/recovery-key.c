#include "ctl/recovery-key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/crypto.h"
#include "base/file.h"
#include "ctl/folder.h"
#include "ctl/terminal.h"

#define CHECK_SIZE     3
#define CODED_SIZE     (RECOVERY_KEY_SIZE + CHECK_SIZE)
#define DIGITS         (CODED_SIZE * 8 / 5)
#define GROUP          4
#define TEXT_SIZE      (DIGITS + DIGITS / GROUP - 1)
#define INPUT_SIZE_MAX 256
#define CHECK_PURPOSE  "keyquorum recovery key v1"
#define SHOW           "show the recovery key on"
#define ASK            "ask for the recovery key"

_Static_assert(CODED_SIZE * 8 % 5 == 0 && DIGITS % GROUP == 0, "nothing is padded");

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* ---- As text ---- */

static int check_sum(const uint8_t *key, uint8_t ret_check[CHECK_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    const Bytes parts[] = {{(uint8_t *)(uintptr_t)CHECK_PURPOSE, sizeof(CHECK_PURPOSE) - 1},
                           {(uint8_t *)(uintptr_t)key, RECOVERY_KEY_SIZE}};
    int r = crypto_sha256(parts, ELEMENTS(parts), digest);

    if (r == 0)
        memcpy(ret_check, digest, CHECK_SIZE);
    return r;
}

/* RFC 4648 §6. Five bytes are eight digits. */
static void encode(const uint8_t coded[CODED_SIZE], uint8_t *ret_text)
{
    for (size_t digit = 0; digit < DIGITS; digit++) {
        size_t bit = digit * 5;
        unsigned pair = (unsigned)coded[bit / 8] << 8 | (bit / 8 + 1 < CODED_SIZE ? coded[bit / 8 + 1] : 0u);

        if (digit > 0 && digit % GROUP == 0)
            *ret_text++ = '-';
        *ret_text++ = (uint8_t)alphabet[pair >> (11 - bit % 8) & 31];
    }
}

static int format(const Secret *key, Secret **ret_text)
{
    _cleanup_secret_ Secret *coded = NULL, *text = NULL;
    int r = secret_new(CODED_SIZE, &coded);

    if (r == 0)
        r = secret_new(TEXT_SIZE + 1, &text);
    if (r < 0)
        return r;
    memcpy(secret_data(coded), secret_bytes(key), RECOVERY_KEY_SIZE);
    r = check_sum(secret_bytes(key), secret_data(coded) + RECOVERY_KEY_SIZE);
    if (r < 0)
        return r;
    encode(secret_bytes(coded), secret_data(text));
    secret_data(text)[TEXT_SIZE] = '\n';
    *ret_text = TAKE_PTR(text);
    return 0;
}

static int digit_value(uint8_t digit)
{
    const char *at = digit >= 'a' && digit <= 'z' ? strchr(alphabet, digit - 'a' + 'A') : digit ? strchr(alphabet, digit) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

/* What people put between digits does not count. */
static bool is_filler(uint8_t byte)
{
    return byte == '-' || byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void put_digit(uint8_t *coded, size_t digit, unsigned value)
{
    for (unsigned i = 0; i < 5; i++) {
        size_t bit = digit * 5 + i;

        if (value >> (4 - i) & 1)
            coded[bit / 8] = (uint8_t)(coded[bit / 8] | 0x80u >> bit % 8);
    }
}

static int decode(const Secret *text, uint8_t *coded, Problem *problem)
{
    size_t digits = 0;

    for (size_t i = 0; i < secret_size(text); i++) {
        uint8_t byte = secret_bytes(text)[i];
        int value = digit_value(byte);

        if (is_filler(byte))
            continue;
        if (value < 0)
            return problem_set(problem, -EINVAL, "the recovery key is mistyped in group %zu: it is made of the letters A to Z and 2 to 7",
                               digits / GROUP + 1);
        if (digits < DIGITS)
            put_digit(coded, digits, (unsigned)value);
        digits++;
    }
    if (digits != DIGITS)
        return problem_set(problem, -EINVAL, "the recovery key is mistyped: it has %zu letters and digits, not %d groups of %d", digits,
                           DIGITS / GROUP, GROUP);
    return 0;
}

static int parse(const Secret *text, Secret **ret_key, Problem *problem)
{
    _cleanup_secret_ Secret *coded = NULL;
    uint8_t check[CHECK_SIZE];
    int r = secret_new(CODED_SIZE, &coded);

    if (r < 0)
        return problem_set(problem, r, "memory for the recovery key cannot be locked: %s", strerror(-r));
    r = decode(text, secret_data(coded), problem);
    if (r == 0)
        r = check_sum(secret_bytes(coded), check);
    if (r == 0 && !memory_equal(check, secret_bytes(coded) + RECOVERY_KEY_SIZE, CHECK_SIZE))
        r = problem_set(problem, -EINVAL, "the recovery key is mistyped: its check sum is wrong; compare every group");
    if (r < 0)
        return r;
    secret_truncate(coded, RECOVERY_KEY_SIZE);
    *ret_key = TAKE_PTR(coded);
    return 0;
}

/* ---- Showing ---- */

static int write_file(const Secret *text, const char *path, Problem *problem)
{
    const char *name;
    _cleanup_close_ int directory = folder_above(path, &name);
    int r = directory < 0 ? directory : file_create(directory, name, secret_declassify(text), secret_size(text), 0600); /* the operator's */

    return r < 0 ? problem_set(problem, r, "the recovery key cannot be written to %s: %s", path, strerror(-r)) : 0;
}

static int open_terminal(const char *what_for, int *ret_fd, Problem *problem)
{
    int fd = open("/dev/tty", O_WRONLY | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return problem_set(problem, CTL_E_USAGE, "there is no terminal to %s: give --recovery-key-file FILE", what_for);
    *ret_fd = fd;
    return 0;
}

static int write_terminal(const Secret *text, const char *name, Problem *problem)
{
    _cleanup_close_ int terminal = -1;
    int r = open_terminal(SHOW, &terminal, problem);

    if (r != 0)
        return r;
    (void)dprintf(terminal, "The recovery key of node %s. It is shown this once: write it down, and keep it away from this host.\n\n  ",
                  name);
    if (write(terminal, secret_declassify(text), secret_size(text)) != (ssize_t)secret_size(text)) /* for the person in front of it */
        return problem_set(problem, -EIO, "the terminal did not take the recovery key: %s", strerror(errno));
    (void)dprintf(terminal, "\n");
    return 0;
}

int recovery_key_show(const Secret *key, const char *name, const char *path, Problem *problem)
{
    _cleanup_secret_ Secret *text = NULL;
    int r = format(key, &text);

    if (r < 0)
        return problem_set(problem, r, "the recovery key cannot be written down: %s", strerror(-r));
    return path ? write_file(text, path, problem) : write_terminal(text, name, problem);
}

int recovery_key_check(const char *path, Problem *problem)
{
    _cleanup_close_ int terminal = -1;

    if (!path)
        return open_terminal(SHOW, &terminal, problem);
    if (access(path, F_OK) == 0)
        return problem_set(problem, -EEXIST, "%s exists already: name a file that does not, for the recovery key", path);
    return 0;
}

/* ---- Reading ---- */

static int ask(Secret **ret_text, Problem *problem)
{
    _cleanup_close_ int terminal = -1;
    int r = open_terminal(ASK, &terminal, problem);

    return r != 0 ? r : terminal_ask_secret("Recovery key", INPUT_SIZE_MAX, ret_text, problem);
}

int recovery_key_read(const char *path, Secret **ret_key, Problem *problem)
{
    _cleanup_secret_ Secret *text = NULL;
    int r = path ? file_read_private(path, INPUT_SIZE_MAX, FILE_OWNER_ONLY, &text, problem) : ask(&text, problem);

    if (r < 0 && path)
        return problem_prefix(problem, r, "the recovery key");
    return r == 0 ? parse(text, ret_key, problem) : r;
}
