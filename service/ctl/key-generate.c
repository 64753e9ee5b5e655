#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/ini.h"
#include "ctl/session.h"

/* ---- Progress on standard error ---- */

typedef struct Progress {
    bool shown, terminal;
    Microseconds start, last;
} Progress;

static Progress progress_start(const Call *call)
{
    bool terminal = isatty(STDERR_FILENO) == 1;

    return (Progress){.shown = terminal || call->options[OPTION_PROGRESS], .terminal = terminal, .start = clock_now()};
}

/* A line that is written over on a terminal, a line a second elsewhere. The search has no end that is known: each candidate may be it. */
static int progress_show(void *userdata, uint64_t tried, uint64_t expected)
{
    Progress *progress = userdata;
    Microseconds now = clock_now(), pause = progress->terminal ? MICROSECONDS_PER_SECOND / 5 : MICROSECONDS_PER_SECOND;

    if (!progress->shown || (progress->last > 0 && now - progress->last < pause))
        return 0;
    progress->last = now;
    fprintf(stderr, "%ssearching for primes: %" PRIu64 " candidates tried, about %" PRIu64 " expected (%" PRIu64 " %%), %.1f s%s",
            progress->terminal ? "\r\033[K" : "", tried, expected, expected > 0 ? tried * 100 / expected : 0,
            (double)(now - progress->start) / (double)MICROSECONDS_PER_SECOND, progress->terminal ? "" : "\n");
    return 0;
}

static void progress_end(const Progress *progress, bool done)
{
    if (progress->terminal && progress->last > 0)
        fprintf(stderr, "\r\033[K");
    if (progress->shown && done)
        fprintf(stderr, "Made and tested on all nodes in %.1f s.\n",
                (double)(clock_now() - progress->start) / (double)MICROSECONDS_PER_SECOND);
}

/* ---- The request ---- */

static int read_custody(const char *name, CustodyKind *ret_custody, Problem *problem)
{
    *ret_custody = name ? custody_from_name(name) : CUSTODY_INVALID;
    if (name && *ret_custody == CUSTODY_INVALID)
        return problem_set(problem, CTL_E_USAGE, "--custody '%s' is neither kernel nor keyring", name);
    return 0;
}

static int read_algorithm(const char *name, uint8_t *ret_algorithm, Problem *problem)
{
    const Scheme *scheme = threshold_scheme_by_name(name ? name : "rsa");

    if (!scheme)
        return problem_set(problem, CTL_E_USAGE, "--algorithm '%s' is not known: rsa and ed25519 are", name);
    *ret_algorithm = threshold_scheme_algorithm(scheme);
    return 0;
}

/* "2048, 3072 and 4096" */
static void name_sizes(const unsigned *sizes, char *ret_text, size_t room)
{
    size_t used = 0;

    for (size_t i = 0; sizes[i] && used < room; i++)
        used += (size_t)snprintf(ret_text + used, room - used, "%s%u", i == 0 ? "" : sizes[i + 1] ? ", " : " and ", sizes[i]);
}

/* The smallest is the default. */
static int read_bits(const char *text, uint8_t algorithm, unsigned *ret_bits, Problem *problem)
{
    const Scheme *scheme = threshold_scheme_by_algorithm(algorithm);
    const unsigned *sizes = threshold_scheme_sizes(scheme);
    uint64_t bits = sizes[0];
    char names[64] = "";

    if (text && ini_parse_uint(text, 0, UINT32_MAX, &bits, NULL) < 0)
        bits = 0;
    for (size_t i = 0; sizes[i]; i++)
        if (sizes[i] == bits) {
            *ret_bits = sizes[i];
            return 0;
        }
    name_sizes(sizes, names, sizeof(names));
    return problem_set(problem, CTL_E_USAGE, "--bits '%s' is no size of %s keys: there %s %s", text, threshold_scheme_name(scheme),
                       sizes[1] ? "are" : "is", names);
}

static int read_request(const Call *call, GenerateRequest *request, Problem *problem)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int r = read_algorithm(call->options[OPTION_ALGORITHM], &request->algorithm, problem);

    if (r == 0)
        r = read_bits(call->options[OPTION_BITS], request->algorithm, &request->bits, problem);
    if (r == 0)
        r = read_custody(call->options[OPTION_KEY_CUSTODY], &request->custody, problem);
    if (r == 0)
        r = session_record(call, &request->record, problem);
    request->threads = processors > 0 ? (unsigned)processors : 1;
    return r;
}

/* Two keys with one label are two keys: who names them by it is told. */
static void note_namesakes(Quorum *quorum, const char *label)
{
    QuorumKey **keys = NULL;
    size_t n_keys = 0, n_named = 0;

    if (quorum_keys(quorum, 0, &keys, &n_keys, NULL) != 0)
        return;
    for (size_t i = 0; i < n_keys; i++)
        n_named += strcmp(quorum_key_record(keys[i])->private_label, label) == 0;
    quorum_keys_free(keys, n_keys);
    if (n_named > 1)
        fprintf(stderr, "kqctl: %zu keys have the label '%s' now: name them by their key ids\n", n_named, label);
}

static int generate(const Call *call, const GenerateRequest *request, Progress *progress, QuorumKey **ret_key, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    int r = session_open(call, progress_show, progress, &quorum, problem);

    if (r == 0)
        r = session_login(call, quorum, NULL, problem);
    if (r != 0)
        return r;
    *progress = progress_start(call);
    r = quorum_generate(quorum, request, ret_key, problem);
    progress_end(progress, r == 0);
    if (r == 0)
        note_namesakes(quorum, request->record.private_label);
    return r;
}

static void request_clear(GenerateRequest *request)
{
    key_record_clear(&request->record);
}

int verb_key_generate(const Call *call, Problem *problem)
{
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    _cleanup_(request_clear) GenerateRequest request = {0};
    Progress progress = {0};
    char id[2 * KEY_ID_SIZE + 1];
    int r = read_request(call, &request, problem);

    if (r == 0)
        r = generate(call, &request, &progress, &key, problem);
    if (r != 0)
        return r;
    key_id_format(quorum_key_id(key), id);
    puts(id);
    return 0;
}
