#include "quorum/follow.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "base/address.h"
#include "base/file.h"
#include "base/text.h"
#include "quorum/card.h"
#include "quorum/state.h"

/* ---- What may change ---------------------------------------------------------------------------------------------------------- */

int follow_check(const Roster *roster, const Roster *next, Problem *problem)
{
    if (memcmp(roster->token, next->token, TOKEN_ID_SIZE) != 0)
        return problem_set(problem, -ESTALE, "Id= is another token's");
    if (roster->n != next->n)
        return problem_set(problem, -ESTALE, "it has %u nodes instead of %u", next->n, roster->n);
    if (roster->k != next->k)
        return problem_set(problem, -ESTALE, "Threshold= is %u instead of %u", next->k, roster->k);
    for (unsigned i = 0; i < roster->n; i++)
        if (strcmp(roster->nodes[i].name, next->nodes[i].name) != 0)
            return problem_set(problem, -ESTALE, "node %u is %s instead of %s", i + 1, next->nodes[i].name, roster->nodes[i].name);
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

char *follow_settings(const Roster *roster, const Roster *next)
{
    const struct {
        const char *name;
        bool same;
    } settings[] = {
        {"Label=", strcmp(roster->label, next->label) == 0},
        {"Client=", strcmp(roster->client, next->client) == 0},
        {"Timeout=", roster->timeout == next->timeout},
        {"ConnectTimeout=", roster->connect_timeout == next->connect_timeout},
        {"Deal=", roster->deal == next->deal},
        {"AllowSha1=", roster->allow_sha1 == next->allow_sha1},
        {"ShowEd25519=", roster->show_ed25519 == next->show_ed25519},
        {"KernelLabels=", same_text(roster->kernel_labels, next->kernel_labels)},
        {"KeyringLabels=", same_text(roster->keyring_labels, next->keyring_labels)},
        {"Log=", roster->log == next->log},
    };
    char names[128] = "";
    size_t used = 0;

    for (size_t i = 0; i < ELEMENTS(settings); i++)
        if (!settings[i].same)
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", settings[i].name);
    return used ? text_copy(names) : NULL;
}

static bool has_pin(const NodeCard *card, const uint8_t pin[TLS_PIN_SIZE])
{
    return memcmp(card->tls_pin, pin, TLS_PIN_SIZE) == 0 || memcmp(card->next_tls_pin, pin, TLS_PIN_SIZE) == 0;
}

bool follow_keeps(const Roster *roster, const Roster *next, unsigned index)
{
    const NodeCard *before = &roster->nodes[index - 1], *now = &next->nodes[index - 1];

    if (roster == next)
        return true;
    return strcmp(before->address, now->address) == 0 && has_pin(now, before->tls_pin) &&
           (!card_has_key(before->next_tls_pin) || has_pin(now, before->next_tls_pin));
}

static bool same_card(const NodeCard *a, const NodeCard *b)
{
    return strcmp(a->address, b->address) == 0 && memcmp(a->tls_pin, b->tls_pin, sizeof(a->tls_pin)) == 0 &&
           memcmp(a->next_tls_pin, b->next_tls_pin, sizeof(a->next_tls_pin)) == 0 &&
           memcmp(a->sealing_key, b->sealing_key, sizeof(a->sealing_key)) == 0 &&
           memcmp(a->identity_key, b->identity_key, sizeof(a->identity_key)) == 0;
}

/* ---- Looking ------------------------------------------------------------------------------------------------------------------ */

/* 1: it is another than the last time. 0: it is not. Errors: -errno; -ENOTSUP it is no regular file, which might keep us waiting. */
static int look(FollowedFile *file, const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -ENOTSUP;
    if (file_same(&file->status, &status))
        return 0;
    file->status = status; /* of before the reading: what replaces it meanwhile is read the next time */
    return 1;
}

/* Where the file itself is wrong, it is left alone until it is another; otherwise it is tried each time, and spoken of once. */
static void complain(Quorum *quorum, FollowedFile *file, int r, const char *words)
{
    bool wrong = r == -EINVAL || r == -EBADMSG || r == -ESTALE;

    if (wrong || !file->lost)
        quorum_log(quorum, LOG_WARNING, "%s; what was read before stays in use", words);
    file->lost = !wrong;
    if (!wrong)
        file->status = (struct stat){0};
}

/* Look at a file of which something is known. Is it to be read again? */
static bool has_changed(Quorum *quorum, FollowedFile *file, const char *path)
{
    Problem words = PROBLEM_INIT;
    int r = look(file, path);

    if (r >= 0)
        return r > 0;
    (void)problem_set(&words, r, "%s cannot be read any more: %s", path, strerrordesc_np(-r));
    complain(quorum, file, r, words.text);
    return false;
}

/* ---- The roster ---------------------------------------------------------------------------------------------------------------- */

static void log_changes(Quorum *quorum, const Roster *before, const Roster *now)
{
    _cleanup_free_ char *settings = follow_settings(before, now);
    char nodes[THRESHOLD_NODES_MAX * (NODE_NAME_MAX + 2) + 1] = "";
    size_t used = 0;

    for (unsigned i = 0; i < now->n; i++)
        if (!same_card(&before->nodes[i], &now->nodes[i]))
            used += (size_t)snprintf(nodes + used, sizeof(nodes) - used, "%s%s", used ? ", " : "", now->nodes[i].name);
    if (used)
        quorum_log(quorum, LOG_NOTICE, "%s has changed: the new addresses and keys of %s are in use", now->path, nodes);
    if (settings)
        quorum_log(quorum, LOG_NOTICE, "%s has changed: %s is for programs that are started from now on", now->path, settings);
}

static void take_roster(Quorum *quorum, Roster *roster)
{
    Roster *before = quorum->current;

    (void)pthread_mutex_lock(&quorum->lock);
    quorum->current = roster;
    (void)pthread_mutex_unlock(&quorum->lock);
    log_changes(quorum, before, roster);
    roster_free(before);
}

/* Under the lock of the files. */
static void look_at_roster(Quorum *quorum)
{
    FollowedFile *file = &quorum->follow.roster;
    const char *path = quorum->roster->path;
    Problem problem = PROBLEM_INIT;
    _cleanup_(roster_freep) Roster *next = NULL;

    if (!path || !has_changed(quorum, file, path))
        return;

    int r = roster_read(path, &next, &problem);

    if (r == 0) {
        r = follow_check(quorum->roster, next, &problem);
        if (r < 0)
            (void)problem_prefix(&problem, r, "%s has changed, and needs this program to be started again", path);
    }
    if (r < 0) {
        complain(quorum, file, r, problem.text);
        return;
    }
    file->lost = false;
    take_roster(quorum, TAKE_PTR(next));
}

void follow_roster(Quorum *quorum)
{
    (void)pthread_mutex_lock(&quorum->follow.lock);
    look_at_roster(quorum);
    (void)pthread_mutex_unlock(&quorum->follow.lock);
}

/* ---- The client's key ---------------------------------------------------------------------------------------------------------- */

static void take_identity(Quorum *quorum, TlsIdentity *identity)
{
    TlsIdentity *before = quorum->identity;
    char pin[TLS_PIN_TEXT_SIZE];

    (void)pthread_mutex_lock(&quorum->lock);
    quorum->identity = identity;
    (void)pthread_mutex_unlock(&quorum->lock);
    tls_pin_format(tls_identity_pin(identity), pin);
    if (before && memcmp(tls_identity_pin(before), tls_identity_pin(identity), TLS_PIN_SIZE) != 0)
        quorum_log(quorum, LOG_NOTICE, "this client has a new TLS key: its pin is %s", pin);
    tls_identity_unref(before);
}

/* Under the lock of the files. 0: there is one. */
static int look_at_key(Quorum *quorum, Problem *problem)
{
    _cleanup_free_ char *path = roster_client_key(quorum->current);
    FollowedFile *file = &quorum->follow.key;
    TlsIdentity *identity = NULL;
    Problem words = PROBLEM_INIT;

    if (!path)
        return quorum->identity ? 0 : problem_set(problem, -ENOMEM, "out of memory");
    if (quorum->identity && !has_changed(quorum, file, path))
        return 0;
    if (!quorum->identity && look(file, path) < 0)
        file->status = (struct stat){0}; /* reading says why */

    int r = tls_identity_read(path, &identity, &words);

    if (r < 0 && !quorum->identity)
        return problem_set(problem, r, "%s", words.text);
    if (r < 0) {
        complain(quorum, file, r, words.text);
        return 0;
    }
    file->lost = false;
    take_identity(quorum, identity);
    return 0;
}

int follow_key(Quorum *quorum, Problem *problem)
{
    int r = 0;

    (void)pthread_mutex_lock(&quorum->follow.lock);
    if (roster_needs_client_key(quorum->current))
        r = look_at_key(quorum, problem);
    (void)pthread_mutex_unlock(&quorum->follow.lock);
    return r;
}

/* ---- Contacts ------------------------------------------------------------------------------------------------------------------ */

void follow_init(Quorum *quorum)
{
    quorum->current = roster_ref(quorum->roster);
    quorum->follow.roster.status = quorum->roster->file;
    (void)pthread_mutex_init(&quorum->follow.lock, NULL);
    if (roster_needs_client_key(quorum->roster) && look_at_key(quorum, NULL) < 0)
        return; /* follow_contact() will say */
}

void follow_clear(Quorum *quorum)
{
    tls_identity_unref(quorum->identity);
    roster_free(quorum->current);
    (void)pthread_mutex_destroy(&quorum->follow.lock);
}

void follow_forked(Quorum *quorum)
{
    (void)pthread_mutex_init(&quorum->follow.lock, NULL);
}

int follow_contact(Quorum *quorum, unsigned index, Roster **ret_roster, TlsIdentity **ret_identity, Problem *problem)
{
    int r = 0;

    (void)pthread_mutex_lock(&quorum->follow.lock);
    look_at_roster(quorum);

    bool tls = address_is_tls(quorum->current->nodes[index - 1].address);

    if (tls)
        r = look_at_key(quorum, problem);
    if (r == 0) {
        *ret_roster = roster_ref(quorum->current);
        *ret_identity = tls ? tls_identity_ref(quorum->identity) : NULL;
    }
    (void)pthread_mutex_unlock(&quorum->follow.lock);
    return r;
}
