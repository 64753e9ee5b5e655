#include "node/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/run-kind.h"

static const RunKind *const kinds[NODE_RUN_KIND_MAX] = {
    [NODE_RUN_GENERATE] = &run_generate,
    [NODE_RUN_REFRESH] = &run_refresh,
    [NODE_RUN_REPAIR] = &run_repair,
};

const RunKind *run_kind_by_name(const char *name)
{
    const NodeRunKind kind = node_run_kind_from_name(name);

    return kind < NODE_RUN_KIND_MAX ? kinds[kind] : NULL;
}

bool run_kind_needs_approval(const RunKind *kind)
{
    return kind->needs_approval;
}

NodePermission run_kind_permission(const RunKind *kind)
{
    return kind->permission;
}

void run_messages_clear(RunMessages *messages)
{
    for (size_t i = 0; i < messages->count; i++)
        bytes_clear(&messages->items[i].message);
    messages->count = 0;
}

unsigned run_culprit(const Run *run)
{
    return run->culprit;
}

int run_blame(Run *run, unsigned index, Problem *problem, const char *format, ...)
{
    char text[PROBLEM_SIZE_MAX / 2];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    run->culprit = index;
    return problem_set(problem, RUN_E_FAILED, "node %s (%u) %s", run->subject.parties[index - 1].name, index, text);
}

static const RunRound *round_of(const Run *run)
{
    return &run->subject.kind->rounds[run->round - 1];
}

bool run_gives(const Run *run)
{
    const RunRound *rounds = run->subject.kind->rounds;
    unsigned first = 0;

    while (!rounds[first].tell)
        first++;
    return run->round == first + 1;
}

/* ---- Round 0: who takes part, in what ------------------------------------------------------------------------------------------ */

typedef struct Hello {
    uint8_t contribution[32]; /* random: makes the session one that never was */
    uint8_t session_key[HPKE_PUBLIC_KEY_SIZE];
    uint8_t approved;
    uint8_t roster_hash[SHA256_SIZE];
    uint8_t subject_hash[SHA256_SIZE];
} Hello;

_Static_assert(sizeof(Hello) == 129, "bytes only: it is as it is on the wire");

static int say_hello(Run *run, Bytes *ret_body)
{
    Hello hello = {.approved = run->subject.approved};
    int r = crypto_random_kernel(hello.contribution, sizeof(hello.contribution));

    if (r == 0)
        r = hpke_key_new(&run->session_key, hello.session_key);
    memcpy(hello.roster_hash, run->roster_hash, sizeof(hello.roster_hash));
    memcpy(hello.subject_hash, run->subject_hash, sizeof(hello.subject_hash));
    return r == 0 ? bytes_copy(&hello, sizeof(hello), ret_body) : r;
}

static int hear_hello(Run *run, unsigned from, const Bytes *body, Problem *problem)
{
    const Hello *hello = (const Hello *)body->data;

    if (memcmp(hello->subject_hash, run->subject_hash, sizeof(hello->subject_hash)) != 0)
        return run_blame(run, from, problem, "was asked to take part in something else than this node");
    if (hello->approved > 1)
        return run_blame(run, from, problem, "does not say whether its operator has approved it");
    run->approvals += hello->approved;
    memcpy(run->session_keys[from - 1], hello->session_key, sizeof(hello->session_key));
    return 0;
}

/* ---- Messages -------------------------------------------------------------------------------------------------------------------- */

/* What every message after round 0 begins with: the digests of what all said to all last, as its sender saw it. */
static size_t digests_size(const Run *run)
{
    return run->round == 0 ? 0 : run->subject.n * SHA256_SIZE;
}

/* The messages differ from ours in what some node said: to blame is who says so, if it is about us or itself. About a third node, that one
 * or the one that says so lies, and nothing that is seen here tells which. */
static int blame_digests(Run *run, unsigned from, const uint8_t *digests, Problem *problem)
{
    /* Nothing tells the first messages of one run from those of another before all are there. */
    const char *exchanged = run->round == 1 ? "; or a message of another run was put in the place of one of this" : "";
    unsigned i = 0;

    while (memcmp(digests + i * SHA256_SIZE, run->seen[i], SHA256_SIZE) == 0)
        i++;
    if (i + 1 == run->subject.index || i + 1 == from)
        return run_blame(run, from, problem, "says that %s sent something else than it did%s", i + 1 == from ? "it" : "this node",
                         exchanged);
    return problem_set(problem, RUN_E_FAILED,
                       "node %s (%u) says that node %s (%u) sent it something else than this node: one of the two lies%s",
                       run->subject.parties[from - 1].name, from, run->subject.parties[i].name, i + 1, exchanged);
}

static int blame_signature(Run *run, unsigned from, const Bytes *message, Problem *problem)
{
    const Hello *hello = (const Hello *)message->data;

    if (run->round == 0 && message->size == sizeof(*hello) + RUN_SIGNATURE_SIZE &&
        memcmp(hello->roster_hash, run->roster_hash, sizeof(hello->roster_hash)) != 0)
        return run_blame(run, from, problem,
                         "knows the nodes of this token by other identity keys than this node, or another threshold: on each node's host, "
                         "'kqctl node peers' with the present cards of all");
    return run_blame(run, from, problem, "did not sign this message for this node in this run: it was changed or exchanged on its way%s",
                     run->round == 0 ? ", or the node has a new identity key, whose card 'kqctl node peers' has to be given" : "");
}

/* Who saw other messages in round 0 is in another session, by which it signs. Otherwise the signature is nobody's. */
static int blame_unsigned(Run *run, unsigned from, const Bytes *message, Problem *problem)
{
    uint8_t session[SHA256_SIZE];
    Bytes body;

    if (run->round == 1 && message->size >= digests_size(run) && memcmp(message->data, run->seen, digests_size(run)) != 0 &&
        run_hash_session(run, message->data, session) == 0 && run_message_open(run, from, session, message, &body) == 0 &&
        body.size >= digests_size(run))
        return blame_digests(run, from, body.data, problem);
    return blame_signature(run, from, message, problem);
}

static int open_message(Run *run, unsigned from, const Bytes *message, Bytes *ret_body, Problem *problem)
{
    int r = run_message_open(run, from, run->session, message, ret_body);

    if (r == -EBADMSG)
        return blame_unsigned(run, from, message, problem);
    if (r < 0)
        return problem_set(problem, r, "a signature cannot be verified: %s", strerror(-r));
    if (run->round == 0 ? ret_body->size != sizeof(Hello) : ret_body->size < digests_size(run))
        return run_blame(run, from, problem, "sent a message of the wrong size");
    if (run->round == 0 || memcmp(ret_body->data, run->seen, digests_size(run)) == 0)
        return 0;
    if (run->round == 1) /* the session, by which it signs, is made of what it denies */
        return run_blame(run, from, problem, "contradicts itself about what it was sent");
    return blame_digests(run, from, ret_body->data, problem);
}

static bool takes_part(const Run *run, unsigned index)
{
    return run->subject.nodes & (uint32_t)1 << (index - 1);
}

/* One from each of the others, in any order. */
static int sort_messages(Run *run, const List *list, const Bytes *ret_messages[NODE_INDEX_MAX], Problem *problem)
{
    const NodeRunMessage *messages = list->items;

    for (size_t i = 0; i < list->count; i++) {
        const unsigned from = (unsigned)messages[i].index;

        if (from < 1 || from > run->subject.n || from == run->subject.index || !takes_part(run, from))
            return problem_set(problem, RUN_E_FAILED, "there is a message of node %u, which is none of the other nodes of this run", from);
        if (ret_messages[from - 1])
            return problem_set(problem, RUN_E_FAILED, "there are two messages of node %s (%u)", run->subject.parties[from - 1].name, from);
        ret_messages[from - 1] = &messages[i].message;
    }
    for (unsigned i = 0; i < run->subject.n; i++)
        if (takes_part(run, i + 1) && i + 1 != run->subject.index && !ret_messages[i])
            return problem_set(problem, RUN_E_FAILED, "there is no message of node %s (%u)", run->subject.parties[i].name, i + 1);
    return 0;
}

static int open_messages(Run *run, const List *list, Bytes ret_bodies[NODE_INDEX_MAX], Problem *problem)
{
    const Bytes *messages[NODE_INDEX_MAX] = {NULL};
    int r = sort_messages(run, list, messages, problem);

    for (unsigned i = 0; i < run->subject.n && r == 0; i++)
        if (messages[i])
            r = open_message(run, i + 1, messages[i], &ret_bodies[i], problem);
    return r;
}

/* ---- What is secret ----------------------------------------------------------------------------------------------------------------- */

/* A sealed message is for one recipient in one round of one session. */
typedef struct Binding {
    uint8_t session[SHA256_SIZE], round, from, to;
} Binding;

static Binding binding_of(const Run *run, unsigned from, unsigned to)
{
    Binding binding = {.round = (uint8_t)run->round, .from = (uint8_t)from, .to = (uint8_t)to};

    memcpy(binding.session, run->session, sizeof(binding.session));
    return binding;
}

static int seal(Run *run, unsigned to, Bytes *ret_sealed, Problem *problem)
{
    Binding binding = binding_of(run, run->subject.index, to);
    _cleanup_secret_ Secret *content = NULL;
    int r = round_of(run)->tell(run, to, &content, problem);

    if (r != 0 || !content)
        return r;
    r = hpke_seal(run->session_keys[to - 1], RUN_INFO, &(Bytes){(uint8_t *)&binding, sizeof(binding)}, content, ret_sealed);
    if (r == -EINVAL)
        return run_blame(run, to, problem, "gave a key for this run that nothing can be sealed to");
    return r == 0 ? 0 : problem_set(problem, r, "a message cannot be sealed: %s", strerror(-r));
}

static int unseal(Run *run, unsigned from, const Bytes *sealed, Problem *problem)
{
    Binding binding = binding_of(run, from, run->subject.index);
    _cleanup_secret_ Secret *content = NULL;
    int r = sealed->size == 0 ? 0 : hpke_open(run->session_key, RUN_INFO, &(Bytes){(uint8_t *)&binding, sizeof(binding)}, sealed, &content);

    if (r == -EBADMSG)
        return run_blame(run, from, problem, "sealed its message to something else than this node in this run");
    if (r < 0)
        return problem_set(problem, r, "a message cannot be opened: %s", strerror(-r));
    return round_of(run)->learn(run, from, content, problem);
}

/* ---- Saying -------------------------------------------------------------------------------------------------------------------------- */

/* The digests of the last round that was to all, then the content. */
static int make_body(const Run *run, const Bytes *content, Bytes *ret_body)
{
    const size_t front = digests_size(run);
    int r = bytes_new(front + content->size, ret_body);

    if (r < 0)
        return r;
    if (front > 0)
        memcpy(ret_body->data, run->seen, front);
    if (content->size > 0)
        memcpy(ret_body->data + front, content->data, content->size);
    return 0;
}

static int add_message(const Run *run, unsigned to, const Bytes *body, RunMessages *messages, Problem *problem)
{
    NodeRunMessage *message = &messages->items[messages->count];
    int r = run_message_sign(run, to, body, &message->message, problem);

    message->index = to;
    messages->count += r == 0;
    return r;
}

static int no_message(int r, Problem *problem)
{
    return problem_set(problem, r, "no message for the other nodes: %s", strerror(-r));
}

static int say(Run *run, RunMessages *messages, Problem *problem)
{
    _cleanup_bytes_ Bytes content = {0}, body = {0};
    int r = run->round == 0 ? 0 : round_of(run)->say(run, &content, problem);

    if (r != 0)
        return r;
    r = run->round == 0 ? say_hello(run, &body) : make_body(run, &content, &body);
    if (r < 0)
        return no_message(r, problem);
    r = add_message(run, 0, &body, messages, problem);
    /* The messages that come in were signed with what was seen before: so the own one is not among that yet. */
    if (r == 0)
        r = crypto_sha256(&body, 1, run->own_digest);
    return r;
}

static int tell(Run *run, RunMessages *messages, Problem *problem)
{
    int r = 0;

    for (unsigned to = 1; to <= run->subject.n && r == 0; to++) {
        _cleanup_bytes_ Bytes sealed = {0}, body = {0};

        if (to == run->subject.index || !takes_part(run, to))
            continue;
        r = seal(run, to, &sealed, problem);
        if (r != 0)
            return r;
        r = make_body(run, &sealed, &body);
        if (r < 0)
            return no_message(r, problem);
        r = add_message(run, to, &body, messages, problem);
    }
    return r;
}

static int speak(Run *run, RunMessages *ret_messages, Problem *problem)
{
    _cleanup_run_messages_ RunMessages messages = {0};
    int r = run->round > 0 && round_of(run)->tell ? tell(run, &messages, problem) : say(run, &messages, problem);

    if (r == 0) {
        *ret_messages = messages;
        messages.count = 0;
    }
    return r;
}

/* ---- Hearing ----------------------------------------------------------------------------------------------------------------------------
 */

static int take_content(Run *run, unsigned from, const Bytes *body, Problem *problem)
{
    const size_t front = digests_size(run);
    const Bytes content = {body->data + front, body->size - front};

    if (run->round == 0)
        return hear_hello(run, from, body, problem);
    return round_of(run)->tell ? unseal(run, from, &content, problem) : round_of(run)->hear(run, from, &content, problem);
}

static int extend_transcript(Run *run)
{
    const Bytes parts[] = {{run->transcript, SHA256_SIZE}, {run->seen[0], run->subject.n * SHA256_SIZE}};

    return crypto_sha256(parts, ELEMENTS(parts), run->transcript);
}

/* Remember what all said to all, and with it the session after round 0, the transcript after later ones. */
static int note_round(Run *run, const Bytes bodies[NODE_INDEX_MAX])
{
    int r = 0;

    if (run->round > 0 && round_of(run)->tell)
        return 0;
    for (unsigned i = 0; i < run->subject.n && r == 0; i++)
        if (bodies[i].data)
            r = crypto_sha256(&bodies[i], 1, run->seen[i]);
    memcpy(run->seen[run->subject.index - 1], run->own_digest, sizeof(run->own_digest));
    if (r < 0)
        return r;
    if (run->round > 0)
        return extend_transcript(run);
    r = run_hash_session(run, run->seen[0], run->session);
    memcpy(run->transcript, run->session, sizeof(run->transcript));
    return r;
}

static int take(Run *run, const List *messages, Problem *problem)
{
    Bytes bodies[NODE_INDEX_MAX] = {{0}};
    int r = open_messages(run, messages, bodies, problem);

    for (unsigned i = 0; i < run->subject.n && r == 0; i++)
        if (bodies[i].data)
            r = take_content(run, i + 1, &bodies[i], problem);
    if (r != 0)
        return r;
    r = note_round(run, bodies);
    return r < 0 ? problem_set(problem, r, "the run's messages cannot be hashed: %s", strerror(-r)) : 0;
}

/* No client alone can have it done. */
static int check_approvals(const Run *run, Problem *problem)
{
    if (!run->subject.kind->needs_approval || run->approvals >= run->subject.k)
        return 0;
    return problem_set(
        problem, RUN_E_FAILED,
        "operators of %u of the nodes that take part have approved this, and of %u must have; on the nodes' hosts: kqctl node "
        "approve",
        run->approvals, run->subject.k);
}

int run_step(Run *run, const List *messages, RunMessages *ret_messages, Problem *problem)
{
    const RunKind *kind = run->subject.kind;
    int r = run->round > kind->n_rounds ? problem_set(problem, -EINVAL, "the run is over") : take(run, messages, problem);

    if (r != 0)
        return r;
    if (run->round == 0)
        r = check_approvals(run, problem);
    if (r == 0 && run->round == 0)
        r = kind->begin(run, problem);
    run->round++;
    if (r == 0 && run->round <= kind->n_rounds)
        r = speak(run, ret_messages, problem);
    return r;
}

/* ---- Agreement: the last round ---------------------------------------------------------------------------------------------------------
 */

static int hash_agreement(const Run *run, uint8_t ret_hash[SHA256_SIZE])
{
    const Bytes parts[] = {{(uint8_t *)(uintptr_t)run->transcript, SHA256_SIZE}, {(uint8_t *)(uintptr_t)run->id.bytes, KEY_ID_SIZE}};

    return crypto_sha256(parts, ELEMENTS(parts), ret_hash);
}

int run_say_confirmation(Run *run, Bytes *ret_content, Problem *problem)
{
    uint8_t hash[SHA256_SIZE];
    int r = run->subject.kind->finish(run, problem);

    if (r != 0)
        return r;
    r = hash_agreement(run, hash);
    if (r == 0)
        r = bytes_copy(hash, sizeof(hash), ret_content);
    return r < 0 ? no_message(r, problem) : 0;
}

int run_hear_confirmation(Run *run, unsigned from, const Bytes *content, Problem *problem)
{
    uint8_t hash[SHA256_SIZE];
    int r = hash_agreement(run, hash);

    if (r < 0)
        return problem_set(problem, r, "the run's transcript cannot be hashed: %s", strerror(-r));
    if (content->size != sizeof(hash) || memcmp(content->data, hash, sizeof(hash)) != 0)
        return run_blame(run, from, problem, "does not come to the same key");
    return 0;
}

/* ---- Beginning and end
 * -------------------------------------------------------------------------------------------------------------------- */

int run_new(const RunSubject *subject, Run **ret_run, RunMessages *ret_messages, Problem *problem)
{
    _cleanup_run_ Run *run = calloc(1, sizeof(*run));
    int r = run ? 0 : -ENOMEM;

    if (r == 0) {
        run->subject = *subject;
        run->approvals = subject->approved;
        r = run_hash_roster(subject, run->roster_hash);
    }
    if (r == 0)
        r = run_hash_subject(subject, run->subject_hash);
    if (r < 0)
        return problem_set(problem, r, "no run can be begun: %s", strerror(-r));
    r = speak(run, ret_messages, problem);
    if (r == 0)
        *ret_run = TAKE_PTR(run);
    return r;
}

Run *run_free(Run *run)
{
    if (!run)
        return NULL;
    run->subject.kind->clear(run);
    secret_free(run->session_key);
    secret_free(run->share);
    bytes_clear(&run->common);
    free(run);
    return NULL;
}

bool run_result(const Run *run, RunResult *ret_result)
{
    if (run->round <= run->subject.kind->n_rounds)
        return false;
    *ret_result = (RunResult){&run->common, run->share};
    return true;
}
