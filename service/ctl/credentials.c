#include "ctl/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/text.h"
#include "wire/base64.h"

#define SYSTEMD_CREDS   "/usr/bin/systemd-creds"
#define SEALED_SIZE_MAX ((size_t)(64 * 1024)) /* base64, with the TPM2's part */
#define WORDS_SIZE_MAX  256                   /* of what systemd-creds says when it fails */
#define PIPE_READ       0
#define PIPE_WRITE      1

/* ---- Running systemd-creds -------------------------------------------------------------------------------------------------- */

typedef struct Run {
    int input[2], output[2]; /* pipes */
    int words;               /* its standard error, in memory: nobody needs to drain it */
} Run;

#define RUN_INIT                                                                                                                           \
    {                                                                                                                                      \
        .input = {-1, -1}, .output = {-1, -1}, .words = -1                                                                                 \
    }

static void run_close_end(int *end)
{
    cleanup_close(end);
    *end = -1;
}

static void run_clear(Run *run)
{
    for (size_t i = 0; i < 2; i++) {
        run_close_end(&run->input[i]);
        run_close_end(&run->output[i]);
    }
    run_close_end(&run->words);
}

/* The whole input goes into the pipe before there is a reader: it is small, so nobody waits, and nobody gets SIGPIPE. */
static int run_feed(Run *run, const void *data, size_t size)
{
    if (pipe2(run->input, O_CLOEXEC) < 0 || pipe2(run->output, O_CLOEXEC) < 0)
        return -errno;
    run->words = memfd_create("systemd-creds", MFD_CLOEXEC);
    if (run->words < 0 || fcntl(run->input[PIPE_WRITE], F_SETFL, O_NONBLOCK) < 0)
        return -errno;

    ssize_t wrote = write(run->input[PIPE_WRITE], data, size);

    run_close_end(&run->input[PIPE_WRITE]);
    return wrote < 0 ? -errno : (size_t)wrote == size ? 0 : -EMSGSIZE;
}

static int run_start(Run *run, const char *const *arguments, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0)
        return -r;
    r = posix_spawn_file_actions_adddup2(&actions, run->input[PIPE_READ], STDIN_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, run->output[PIPE_WRITE], STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, run->words, STDERR_FILENO);
    if (r == 0)
        r = posix_spawn(ret_pid, SYSTEMD_CREDS, &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    run_close_end(&run->input[PIPE_READ]);
    run_close_end(&run->output[PIPE_WRITE]);
    return -r;
}

/* All that comes, which is of unknown size, straight into locked memory. */
static int run_collect(const Run *run, Secret **ret_output)
{
    _cleanup_secret_ Secret *output = NULL;
    size_t used = 0;
    int r = secret_new(SEALED_SIZE_MAX, &output);

    while (r == 0) {
        ssize_t got = read(run->output[PIPE_READ], secret_data(output) + used, secret_size(output) - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        used += (size_t)got;
        if (used == secret_size(output))
            return -EMSGSIZE;
    }
    if (r == 0 && used == 0)
        r = -ENODATA;
    if (r < 0)
        return r;
    secret_truncate(output, used);
    *ret_output = TAKE_PTR(output);
    return 0;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOKEY;
}

/* The last line is the reason; the lines before it are remarks. */
static void last_words(const Run *run, char ret_words[WORDS_SIZE_MAX])
{
    off_t end = lseek(run->words, 0, SEEK_END);
    off_t start = end > WORDS_SIZE_MAX - 1 ? end - (WORDS_SIZE_MAX - 1) : 0;
    ssize_t got = end > 0 ? pread(run->words, ret_words, WORDS_SIZE_MAX - 1, start) : 0;

    ret_words[got > 0 ? got : 0] = '\0';
    for (size_t size = strlen(ret_words); size > 0 && ret_words[size - 1] == '\n'; size--)
        ret_words[size - 1] = '\0';

    const char *line = strrchr(ret_words, '\n');

    if (line)
        memmove(ret_words, line + 1, strlen(line + 1) + 1);
}

static int run_whole(Run *run, const char *const *arguments, const void *input, size_t input_size, Secret **ret_output)
{
    _cleanup_secret_ Secret *output = NULL;
    pid_t pid;
    int r = run_feed(run, input, input_size);

    if (r == 0)
        r = run_start(run, arguments, &pid);
    if (r < 0)
        return r;
    r = run_collect(run, &output);
    run_close_end(&run->output[PIPE_READ]); /* one that has more to say does not wait for us for ever */

    int ended = wait_for(pid);

    if (ended < 0)
        return ended;
    if (r == 0)
        *ret_output = TAKE_PTR(output);
    return r;
}

static int run_creds(const char *const *arguments, const char *what, const void *input, size_t input_size, Secret **ret_output,
                     Problem *problem)
{
    _cleanup_(run_clear) Run run = RUN_INIT;
    char words[WORDS_SIZE_MAX] = "";
    int r = run_whole(&run, arguments, input, input_size, ret_output);

    if (r == -ENOENT)
        return problem_set(problem, -EOPNOTSUPP, "%s: there is no " SYSTEMD_CREDS " on this host; it comes with systemd 250 and later",
                           what);
    if (r == -ENOKEY)
        last_words(&run, words);
    return r < 0 ? problem_set(problem, r, "%s: systemd-creds failed: %s", what, *words ? words : strerror(-r)) : 0;
}

/* ---- What a credential is sealed to ---------------------------------------------------------------------------------------- */

/* The format in systemd's sources (shared/creds-util): a 128-bit id that says which keys are in it, four 32-bit sizes (little endian; the
 * third that of the IV), the IV, padding to eight bytes; where there is a TPM2, the mask of its PCRs comes next. */
#define KIND_SIZE  16
#define IV_SIZE_AT 24
#define IV_AT      32
#define PCR_MAX    24
#define HEAD_TEXT  128 /* base64 digits that are looked at */

typedef struct Kind {
    uint8_t id[KIND_SIZE];
    const char *words;
    bool tpm2;
} Kind;

static const Kind kinds[] = {
    {{0x5a, 0x1c, 0x6a, 0x86, 0xdf, 0x9d, 0x40, 0x96, 0xb1, 0xd5, 0xa6, 0x5e, 0x08, 0x62, 0xf1, 0x9a}, "host key"},
    {{0x0c, 0x7c, 0xc0, 0x7b, 0x11, 0x76, 0x45, 0x91, 0x9c, 0x4b, 0x0b, 0xea, 0x08, 0xbc, 0x20, 0xfe}, "TPM2", true},
    {{0xfa, 0xf7, 0xeb, 0x93, 0x41, 0xe3, 0x41, 0x2c, 0xa1, 0xa4, 0x36, 0xf9, 0x5a, 0x29, 0x36, 0x2f}, "TPM2 with signed policy", true},
    {{0x93, 0xa8, 0x94, 0x09, 0x48, 0x74, 0x44, 0x90, 0x90, 0xca, 0xf2, 0xfc, 0x93, 0xca, 0xb5, 0x53}, "host key and TPM2", true},
    {{0xaf, 0x49, 0x50, 0xa8, 0x49, 0x13, 0x4e, 0xb1, 0xa7, 0x38, 0x46, 0x30, 0x4f, 0xf3, 0x0c, 0x05},
     "host key and TPM2 with signed policy",
     true},
    {{0x05, 0x84, 0x69, 0xda, 0xf6, 0xf5, 0x43, 0x24, 0x80, 0x05, 0x49, 0xda, 0x0f, 0x8e, 0xa2, 0xfb}, NULL}, /* a key everyone knows */
};

static const Kind *find_kind(const Bytes *head)
{
    for (size_t i = 0; i < ELEMENTS(kinds); i++)
        if (head->size > IV_AT && memcmp(head->data, kinds[i].id, KIND_SIZE) == 0)
            return &kinds[i];
    return NULL;
}

/* The first bytes of the credential, whose base64 is broken into lines. */
static int decode_head(const Bytes *text, Bytes *ret_head)
{
    char head[HEAD_TEXT];
    size_t size = 0;

    for (size_t i = 0; i < text->size && size < sizeof(head); i++)
        if (text->data[i] != '\n')
            head[size++] = (char)text->data[i];
    return base64_decode(head, size / 4 * 4, ret_head);
}

static uint64_t little_endian(const uint8_t *data, size_t size)
{
    uint64_t value = 0;

    while (size-- > 0)
        value = value << 8 | data[size];
    return value;
}

static void format_pcrs(uint64_t mask, char ret_text[4 * PCR_MAX])
{
    char *at = ret_text;

    *at = '\0';
    for (unsigned i = 0; i < PCR_MAX; i++)
        if (mask >> i & 1)
            at += sprintf(at, "%s%u", at == ret_text ? "" : "+", i);
}

static char *tpm2_words(const Kind *kind, const Bytes *head)
{
    char pcrs[4 * PCR_MAX];
    uint64_t at = (IV_AT + little_endian(head->data + IV_SIZE_AT, 4) + 7) / 8 * 8;

    if (at > head->size || head->size - at < 8)
        return text_copy(kind->words);
    format_pcrs(little_endian(head->data + at, 8), pcrs);
    return *pcrs ? text_format("%s (PCR %s)", kind->words, pcrs) : text_format("%s (bound to no PCR)", kind->words);
}

static int protector_words(const Bytes *text, char **ret_words, Problem *problem)
{
    _cleanup_bytes_ Bytes head = {0};
    int r = decode_head(text, &head);

    if (r == 0 && head.size <= IV_AT)
        r = -EINVAL;
    if (r < 0)
        return problem_set(problem, r == -EINVAL ? -EBADMSG : r, "this is not an encrypted credential of systemd");

    const Kind *kind = find_kind(&head);

    if (kind && !kind->words)
        return problem_set(problem, -ENOKEY, "systemd-creds has no key of this host to seal with: 'systemd-creds setup' makes one");

    char *words = !kind        ? text_copy("a protector that this version cannot name")
                  : kind->tpm2 ? tpm2_words(kind, &head)
                               : text_copy(kind->words);

    if (!words)
        return problem_set(problem, -ENOMEM, "out of memory");
    *ret_words = words;
    return 0;
}

/* ---- Files ---------------------------------------------------------------------------------------------------------------- */

static int file_path(const char *directory, const char *name, char ret_path[PATH_MAX], Problem *problem)
{
    if (snprintf(ret_path, PATH_MAX, "%s/%s" CREDENTIAL_SUFFIX, directory, name) < PATH_MAX)
        return 0;
    return problem_set(problem, -ENAMETOOLONG, "the path of %s" CREDENTIAL_SUFFIX " is too long", name);
}

static int read_sealed(const char *directory, const char *name, Bytes *ret_sealed, Problem *problem)
{
    char path[PATH_MAX];
    int r = file_path(directory, name, path, problem);

    if (r < 0)
        return r;
    r = file_read(AT_FDCWD, path, SEALED_SIZE_MAX, ret_sealed);
    return r < 0 ? problem_set(problem, r, "the credential %s cannot be read: %s", path, strerror(-r)) : 0;
}

static int put_sealed(const char *directory, const char *name, const Bytes *sealed, Problem *problem)
{
    _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char file[NAME_MAX];
    int r = fd < 0 ? -errno : 0;

    if (snprintf(file, sizeof(file), "%s" CREDENTIAL_SUFFIX, name) >= (int)sizeof(file))
        r = -ENAMETOOLONG;
    if (r == 0)
        r = file_replace(fd, file, sealed->data, sealed->size, 0600);
    return r < 0 ? problem_set(problem, r, "the credential %s/%s" CREDENTIAL_SUFFIX " cannot be written: %s", directory, name, strerror(-r))
                 : 0;
}

/* ---- Together --------------------------------------------------------------------------------------------------------------- */

static int name_option(const char *name, char ret_option[NAME_MAX], Problem *problem)
{
    if (snprintf(ret_option, NAME_MAX, "--name=%s", name) < NAME_MAX)
        return 0;
    return problem_set(problem, -ENAMETOOLONG, "the name of a credential is too long");
}

static int seal(const char *name, const Secret *plain, Bytes *ret_sealed, Problem *problem)
{
    _cleanup_secret_ Secret *sealed = NULL;
    char option[NAME_MAX];
    int r = name_option(name, option, problem);

    if (r < 0)
        return r;

    const char *arguments[] = {SYSTEMD_CREDS, "--with-key=auto", option, "encrypt", "-", "-", NULL};

    r = run_creds(arguments, name, secret_bytes(plain), secret_size(plain), &sealed, problem);
    if (r == 0)
        r = bytes_copy(secret_declassify(sealed), secret_size(sealed), ret_sealed); /* it is ciphertext */
    return r;
}

int credential_write(const char *directory_path, const char *name, const Secret *plain, char **ret_protector_words, Problem *problem)
{
    _cleanup_bytes_ Bytes sealed = {0};
    _cleanup_free_ char *words = NULL;
    int r;

    if (secret_size(plain) > CREDENTIAL_SIZE_MAX)
        return problem_set(problem, -EMSGSIZE, "%s is too large for a credential", name);
    r = seal(name, plain, &sealed, problem);
    if (r == 0)
        r = protector_words(&sealed, &words, problem);
    if (r == 0)
        r = put_sealed(directory_path, name, &sealed, problem);
    if (r == 0 && ret_protector_words)
        *ret_protector_words = TAKE_PTR(words);
    return r;
}

int credential_read(const char *directory_path, const char *name, Secret **ret_plain, Problem *problem)
{
    _cleanup_bytes_ Bytes sealed = {0};
    char option[NAME_MAX];
    int r = read_sealed(directory_path, name, &sealed, problem);

    if (r == 0)
        r = name_option(name, option, problem);
    if (r < 0)
        return r;

    const char *arguments[] = {SYSTEMD_CREDS, option, "decrypt", "-", "-", NULL};

    return run_creds(arguments, name, sealed.data, sealed.size, ret_plain, problem);
}

int credential_protector(const char *directory_path, const char *name, char **ret_words, Problem *problem)
{
    _cleanup_bytes_ Bytes sealed = {0};
    int r = read_sealed(directory_path, name, &sealed, problem);

    return r < 0 ? r : protector_words(&sealed, ret_words, problem);
}
