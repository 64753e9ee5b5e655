#include "ctl/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/date.h"
#include "base/file.h"
#include "ctl/terminal.h"

int session_roster(const Call *call, Roster **ret_roster, Problem *problem)
{
    int r = roster_read(call->options[OPTION_CONF], ret_roster, problem);

    if (r == -ENOENT)
        return problem_set(problem, r, "there is no roster %s: 'kqctl roster add' makes it; --conf FILE or $%s names another",
                           call->options[OPTION_CONF] ? call->options[OPTION_CONF] : roster_path(), ROSTER_PATH_VARIABLE);
    return r;
}

static void print_log(void *userdata, int priority, const char *text)
{
    if (priority <= LOG_WARNING)
        fprintf(stderr, "kqctl: %s\n", text);
}

int session_open(const Call *call, int (*progress)(void *userdata, uint64_t tried, uint64_t expected), void *userdata, Quorum **ret_quorum,
                 Problem *problem)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    QuorumHooks hooks = {.userdata = userdata, .log = print_log, .progress = progress};
    int r = session_roster(call, &roster, problem);

    if (r != 0)
        return r;
    r = quorum_new(roster, &hooks, ret_quorum);
    if (r == 0)
        roster = NULL;
    return r == 0 ? 0 : problem_set(problem, r, "out of memory");
}

/* ---- PIN ---- */

/* As for a key. A pipe is nobody's but the two ends'. */
static int check_pin_file(int fd, const char *path, Problem *problem)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return problem_set(problem, -errno, "the PIN file %s: %s", path, strerror(errno));
    if (S_ISREG(status.st_mode) && status.st_mode & FILE_NO_STRANGERS)
        return problem_set(problem, -EKEYREJECTED,
                           "the PIN file %s is open to others (mode %04o): run 'chmod 600 %s', and consider who has read it", path,
                           (unsigned)(status.st_mode & 07777), path);
    return 0;
}

static int read_pin_file(const char *path, Secret **ret_pin, Problem *problem)
{
    bool is_stdin = strcmp(path, "-") == 0;
    _cleanup_close_ int opened = is_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int r;

    if (!is_stdin && opened < 0)
        return problem_set(problem, -errno, "the PIN file %s cannot be opened: %s", path, strerror(errno));
    r = is_stdin ? 0 : check_pin_file(opened, path, problem);
    if (r < 0)
        return r;
    r = terminal_read_line(is_stdin ? STDIN_FILENO : opened, PIN_SIZE_MAX, ret_pin);
    if (r == -ENODATA)
        return problem_set(problem, -EINVAL, "the PIN file %s has no PIN in its first line", path);
    if (r == -EMSGSIZE)
        return problem_set(problem, -EINVAL, "the first line of the PIN file %s is longer than %d bytes", path, PIN_SIZE_MAX);
    return r < 0 ? problem_set(problem, r, "the PIN cannot be read from %s: %s", path, strerror(-r)) : 0;
}

static int ask(const char *question, Secret **ret_pin, Problem *problem)
{
    int r = terminal_ask_secret(question, PIN_SIZE_MAX, ret_pin, problem);

    if (r == -ENODATA)
        return problem_set(problem, r, "no PIN was given; nothing was done");
    return r == -EMSGSIZE ? problem_set(problem, r, "a PIN has %d to %d bytes", PIN_SIZE_MIN, PIN_SIZE_MAX) : r;
}

static int ask_twice(Secret **ret_pin, Problem *problem)
{
    _cleanup_secret_ Secret *again = NULL;
    int r = ask("New PIN", ret_pin, problem);

    if (r == 0)
        r = ask("New PIN, again", &again, problem);
    if (r == 0 && !secret_equal(*ret_pin, again))
        return problem_set(problem, -EINVAL, "the two PINs differ; nothing was changed");
    return r;
}

int session_pin(const Call *call, bool twice, Secret **ret_pin, Problem *problem)
{
    _cleanup_secret_ Secret *pin = NULL;
    const char *path = call->options[OPTION_PIN_FILE];
    int r = path ? read_pin_file(path, &pin, problem) : twice ? ask_twice(&pin, problem) : ask("PIN", &pin, problem);

    if (r != 0)
        return r;
    if (secret_size(pin) < PIN_SIZE_MIN)
        return problem_set(problem, -EINVAL, "a PIN has %d to %d bytes", PIN_SIZE_MIN, PIN_SIZE_MAX);
    *ret_pin = TAKE_PTR(pin);
    return 0;
}

int session_login(const Call *call, Quorum *quorum, Secret **ret_pin, Problem *problem)
{
    _cleanup_secret_ Secret *pin = NULL;
    int r = session_pin(call, false, &pin, problem);

    if (r == 0)
        r = quorum_login(quorum, pin, NULL, problem);
    if (r == 0 && ret_pin)
        *ret_pin = TAKE_PTR(pin);
    return r;
}

/* ---- Keys ---- */

#define PREFIX_MIN 8

static bool id_starts_with(const QuorumKey *key, const char *text)
{
    char id[2 * KEY_ID_SIZE + 1];
    size_t size = strlen(text);

    key_id_format(quorum_key_id(key), id);
    return size >= PREFIX_MIN && strncasecmp(id, text, size) == 0;
}

static bool is_named(const QuorumKey *key, const char *text)
{
    const KeyRecord *record = quorum_key_record(key);

    return id_starts_with(key, text) || strcmp(record->private_label, text) == 0 || strcmp(record->public_label, text) == 0;
}

static int find_key(QuorumKey **keys, size_t n_keys, const char *text, QuorumKey **ret_key, Problem *problem)
{
    QuorumKey *found = NULL;
    size_t n_found = 0;

    for (size_t i = 0; i < n_keys; i++)
        if (is_named(keys[i], text)) {
            found = keys[i];
            n_found++;
        }
    if (n_found == 0)
        return problem_set(problem, QUORUM_E_UNKNOWN_KEY, "no key has the key id or label '%s'", text);
    if (n_found > 1)
        return problem_set(problem, -EINVAL, "'%s' fits %zu keys: give more of the key id, as 'kqctl key list' shows it", text, n_found);
    *ret_key = quorum_key_ref(found);
    return 0;
}

int session_key(Quorum *quorum, const char *text, QuorumKey **ret_key, Problem *problem)
{
    QuorumKey **keys = NULL;
    size_t n_keys = 0;
    int r = quorum_keys(quorum, 0, &keys, &n_keys, problem);

    if (r != 0)
        return r;
    r = find_key(keys, n_keys, text, ret_key, problem);
    quorum_keys_free(keys, n_keys);
    return r;
}

#define TEXT_MAX 255 /* bytes of a label, of a CKA_ID */

static int set_label(const char *label, char **field, Problem *problem)
{
    char *copy;

    if (strlen(label) > TEXT_MAX)
        return problem_set(problem, -EINVAL, "a label has at most %d bytes", TEXT_MAX);
    copy = strdup(label);
    if (!copy)
        return problem_set(problem, -ENOMEM, "out of memory");
    free(*field);
    *field = copy;
    return 0;
}

static int set_id(const char *hex, Bytes *field, Problem *problem)
{
    uint8_t bytes[TEXT_MAX];
    size_t size = strlen(hex) / 2;

    if (strlen(hex) % 2 != 0 || size > sizeof(bytes) || hex_decode(hex, bytes, size) < 0)
        return problem_set(problem, CTL_E_USAGE, "--id '%s' is not 1 to %d bytes in hexadecimal", hex, TEXT_MAX);
    bytes_clear(field);
    return bytes_copy(bytes, size, field) < 0 ? problem_set(problem, -ENOMEM, "out of memory") : 0;
}

/* "2027-12-31", or "none". */
static int set_not_after(const char *text, uint64_t *field, Problem *problem)
{
    char digits[DATE_SIZE + 1];

    if (strcmp(text, "none") == 0) {
        *field = 0;
        return 0;
    }
    if (strlen(text) != DATE_SIZE + 2 || text[4] != '-' || text[7] != '-')
        return problem_set(problem, CTL_E_USAGE, "--not-after '%s' is not a date such as 2027-12-31", text);
    (void)snprintf(digits, sizeof(digits), "%.4s%.2s%.2s", text, text + 5, text + 8);
    if (date_parse(digits, DATE_SIZE, field) < 0)
        return problem_set(problem, CTL_E_USAGE, "--not-after '%s' is no day of the years 1970 to 9999", text);
    return 0;
}

int session_record(const Call *call, KeyRecord *record, Problem *problem)
{
    const char *label = call->options[OPTION_LABEL], *id = call->options[OPTION_ID], *not_after = call->options[OPTION_NOT_AFTER];
    int r = 0;

    if (label)
        r = set_label(label, &record->private_label, problem);
    if (r == 0 && label)
        r = set_label(label, &record->public_label, problem);
    if (r == 0 && id)
        r = set_id(id, &record->private_id, problem);
    if (r == 0 && id)
        r = set_id(id, &record->public_id, problem);
    if (r == 0 && not_after)
        r = set_not_after(not_after, &record->not_after, problem);
    return r;
}
