#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "quorum/card.h"
#include "quorum/roster-check.h"

/* Node `index` against those before it. */
static int check_node(const Roster *roster, unsigned index, Problem *problem)
{
    const NodeCard *card = &roster->nodes[index - 1];
    int r = card_check_name(card->name, problem);

    if (r == 0)
        r = card_check_address(card->address, problem);
    for (unsigned i = 1; r == 0 && i < index; i++) {
        const NodeCard *other = &roster->nodes[i - 1];
        const char *shared = roster_shared_by(other, card);

        if (strcmp(other->name, card->name) == 0)
            r = problem_set(problem, -EINVAL, "there is a node of this name already, with index %u", i);
        else if (shared)
            r = problem_set(problem, -EINVAL, "%s= is that of node %s already", shared, other->name);
    }
    return r < 0 ? problem_prefix(problem, r, "node %s", card->name) : 0;
}

/* Nothing is written that roster_read() would refuse. */
static int check_roster(const Roster *roster, Problem *problem)
{
    int r = roster->n > THRESHOLD_NODES_MAX ? -EINVAL : roster_check_label(roster->label, problem);

    if (r == 0)
        r = client_card_check_name(roster->client, problem);
    if (r == 0)
        r = roster_check_threshold(roster->n, roster->k, problem);
    if (r == 0 && roster->client_key)
        r = roster_check_client_key(roster->client_key, problem);
    if (r == 0 && roster->kernel_labels)
        r = roster_check_labels(roster->kernel_labels, problem);
    if (r == 0 && roster->keyring_labels)
        r = roster_check_labels(roster->keyring_labels, problem);
    for (unsigned i = 1; r == 0 && i <= roster->n; i++)
        r = check_node(roster, i, problem);
    return r;
}

static void write_duration(FILE *file, const char *name, Microseconds duration)
{
    if (duration % MICROSECONDS_PER_SECOND == 0)
        (void)fprintf(file, "%s=%llus\n", name, (unsigned long long)(duration / MICROSECONDS_PER_SECOND));
    else
        (void)fprintf(file, "%s=%llums\n", name, (unsigned long long)(duration / MICROSECONDS_PER_MILLISECOND));
}

static void write_optional(FILE *file, const char *name, const char *value)
{
    if (value)
        (void)fprintf(file, "%s=%s\n", name, value);
}

static void write_token(FILE *file, const Roster *roster)
{
    char id[2 * TOKEN_ID_SIZE + 1];

    hex_encode(roster->token, TOKEN_ID_SIZE, id);
    (void)fprintf(file, "[token]\nLabel=%s\nId=%s\nThreshold=%u\nClient=%s\n", roster->label, id, roster->k, roster->client);
    write_duration(file, "Timeout", roster->timeout);
    write_duration(file, "ConnectTimeout", roster->connect_timeout);
    (void)fprintf(file, "Deal=%s\nAllowSha1=%s\nShowEd25519=%s\nLog=%s\n", roster->deal ? "yes" : "no", roster->allow_sha1 ? "yes" : "no",
                  roster->show_ed25519 ? "yes" : "no", roster_log_targets[roster->log]);
    write_optional(file, "ClientKey", roster->client_key);
    write_optional(file, "KernelLabels", roster->kernel_labels);
    write_optional(file, "KeyringLabels", roster->keyring_labels);
}

static void write_node(FILE *file, const NodeCard *card, unsigned index)
{
    char pins[CARD_PINS_TEXT_SIZE], sealing[CARD_KEY_TEXT_SIZE], identity[CARD_KEY_TEXT_SIZE];

    card_pins_format(card->tls_pin, card->next_tls_pin, pins);
    card_key_format(card->sealing_key, sealing);
    card_key_format(card->identity_key, identity);
    (void)fprintf(file, "\n[node %s]\nIndex=%u\nAddress=%s\nTlsPin=%s\nSealingKey=%s\nIdentityKey=%s\n", card->name, index, card->address,
                  pins, sealing, identity);
}

#define ROSTER_SIZE_MAX (32 * 1024) /* bytes: sixteen nodes with the longest addresses */

static int write_text(const Roster *roster, char *ret_text, size_t size)
{
    _cleanup_fclose_ FILE *file = fmemopen(ret_text, size, "w");

    if (!file)
        return -errno;
    (void)fprintf(file, "# The roster of a Keyquorum token: its nodes, and how to reach and recognise them.\n"
                        "# The PKCS#11 module and kqctl read it: keyquorum-token.conf(5).\n\n");
    write_token(file, roster);
    for (unsigned i = 0; i < roster->n; i++)
        write_node(file, &roster->nodes[i], i + 1);
    return fflush(file) == EOF || ferror(file) ? -ENOMEM : 0;
}

/* Open the folder of `path` and say what the file is called in it. */
static int open_folder(const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *folder = !slash ? text_copy(".") : slash == path ? text_copy("/") : text_copy_of(path, (size_t)(slash - path));

    if (!folder)
        return -ENOMEM;
    *ret_name = slash ? slash + 1 : path;

    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int roster_write(const char *path, const Roster *roster, Problem *problem)
{
    _cleanup_free_ char *text = calloc(1, ROSTER_SIZE_MAX);
    const char *name;
    int r = check_roster(roster, problem);

    if (r < 0)
        return problem_prefix(problem, r, "%s", path);
    r = text ? write_text(roster, text, ROSTER_SIZE_MAX) : -ENOMEM;
    if (r < 0)
        return problem_set(problem, r, "%s: cannot be written: %s", path, strerror(-r));

    _cleanup_close_ int folder = open_folder(path, &name);

    r = folder < 0 ? folder : file_replace(folder, name, text, strlen(text), 0644);
    return r < 0 ? problem_set(problem, r, "%s: cannot be written: %s", path, strerror(-r)) : 0;
}
