#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "ctl/client-key.h"
#include "ctl/folder.h"
#include "ctl/terminal.h"
#include "wire/tls.h"

#define PEM_SUFFIX ".pem"
#define NEXT       "-next"

#define NAMES_SIZE       (THRESHOLD_NODES_MAX * (NODE_NAME_MAX + 2) + 1)
#define DESCRIPTION_SIZE (2 * NAMES_SIZE + 128)

/* The key in force and the one that follows it: client-key.pem, client-key-next.pem. */
typedef struct Rotation {
    char *path, *next_path;
    Secret *key, *next;
    char name[NODE_NAME_MAX + 1];
} Rotation;

static void rotation_clear(Rotation *rotation)
{
    free(rotation->path);
    free(rotation->next_path);
    secret_free(rotation->key);
    secret_free(rotation->next);
}

static char *next_of(const char *path)
{
    size_t size = strlen(path), suffix = strlen(PEM_SUFFIX);
    bool is_pem = size > suffix && strcmp(path + size - suffix, PEM_SUFFIX) == 0;

    return text_format("%.*s" NEXT "%s", (int)(is_pem ? size - suffix : size), path, is_pem ? PEM_SUFFIX : "");
}

static int read_name(const Call *call, Rotation *rotation, Problem *problem)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    int r = *rotation->name ? 0 : roster_read(call->options[OPTION_CONF], &roster, problem);

    if (r == 0 && roster)
        (void)snprintf(rotation->name, sizeof(rotation->name), "%s", roster->client);
    return r;
}

static int read_keys(const Call *call, Rotation *rotation, Problem *problem)
{
    char ignored[NODE_NAME_MAX + 1];
    int r = client_key_path(call, &rotation->path, problem);

    if (r != 0)
        return r;
    rotation->next_path = next_of(rotation->path);
    if (!rotation->next_path)
        return problem_set(problem, -ENOMEM, "out of memory");
    r = client_key_read(rotation->path, &rotation->key, rotation->name, problem);
    if (r == -ENOENT)
        return problem_set(problem, r, "there is no %s: 'kqctl client init' makes this client's key", rotation->path);
    if (r == 0)
        r = read_name(call, rotation, problem);
    if (r != 0)
        return r;
    r = client_key_read(rotation->next_path, &rotation->next, ignored, problem);
    return r == -ENOENT ? 0 : r;
}

/* Who may read the old one may read the new one. */
static const char *group_of(const char *path)
{
    struct stat status;
    const struct group *group = stat(path, &status) == 0 && status.st_mode & S_IRGRP ? getgrgid(status.st_gid) : NULL;

    return group ? group->gr_name : NULL;
}

static int make_next(Rotation *rotation, Problem *problem)
{
    int r = tls_key_new(&rotation->next);

    if (r < 0)
        return problem_set(problem, r, "a TLS key cannot be made: %s", strerror(-r));
    return client_key_write(rotation->next_path, rotation->next, rotation->name, group_of(rotation->path), problem);
}

static int begin(Rotation *rotation, Problem *problem)
{
    int r = rotation->next ? 0 : make_next(rotation, problem);

    if (r != 0)
        return r;
    fprintf(stderr,
            "The next key is made; the old one is still in use. Give this card, which has both pins, to 'kqctl node authorize' on every "
            "node's host; then: kqctl client rotate --finish\n");
    return client_key_print_card(rotation->name, rotation->key, rotation->next, problem);
}

/* ---- Who admits the next key? ---- */

typedef struct Admission {
    unsigned n, k, admitting;
    char refusing[NAMES_SIZE], away[NAMES_SIZE];
} Admission;

static void add_name(char names[NAMES_SIZE], const char *name)
{
    size_t used = strlen(names);

    (void)snprintf(names + used, NAMES_SIZE - used, "%s%s", used > 0 ? ", " : "", name);
}

static void sort_nodes(const NodeState *states, Admission *admission)
{
    for (unsigned i = 0; i < admission->n; i++)
        if (states[i].reachable)
            admission->admitting++;
        else
            add_name(states[i].refused ? admission->refusing : admission->away, states[i].name);
}

/* Every node is asked with the next key as if it were in its place. No roster: there is nobody to ask yet. */
static int ask_nodes(const Call *call, const Rotation *rotation, Admission *ret_admission, Problem *problem)
{
    _cleanup_(roster_freep) Roster *roster = NULL;
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    NodeState *states = NULL;
    int r = roster_read(call->options[OPTION_CONF], &roster, problem);

    if (r != 0)
        return r == -ENOENT ? 0 : r;
    free(roster->client_key);
    roster->client_key = text_copy(rotation->next_path);
    free(TAKE_PTR(roster->path)); /* the file names the other key */
    r = roster->client_key ? quorum_new(roster, NULL, &quorum) : -ENOMEM;
    if (r < 0)
        return problem_set(problem, r, "out of memory");
    *ret_admission = (Admission){.n = roster->n, .k = roster->k};
    roster = NULL;
    r = quorum_status(quorum, &states, problem);
    if (r != 0)
        return r;
    sort_nodes(states, ret_admission);
    quorum_status_free(states, ret_admission->n);
    return 0;
}

/* The nodes that do not admit the key, and what is to be done for them. */
static void describe(const Admission *admission, char ret_text[DESCRIPTION_SIZE])
{
    size_t used = 0;

    ret_text[0] = '\0';
    if (*admission->refusing)
        used = (size_t)snprintf(ret_text, DESCRIPTION_SIZE, "give the card to 'kqctl node authorize' on %s", admission->refusing);
    if (*admission->away)
        (void)snprintf(ret_text + used, DESCRIPTION_SIZE - used, "%s%s could not be asked: away", used > 0 ? "; " : "", admission->away);
}

/* CTL_E_ATTENTION: enough nodes admit the key, but not all. */
static int check_admission(const Call *call, const Admission *admission, Problem *problem)
{
    char text[DESCRIPTION_SIZE];

    if (admission->admitting == admission->n)
        return 0;
    describe(admission, text);
    if (admission->admitting < admission->k && !call->options[OPTION_YES])
        return problem_set(problem, QUORUM_E_REFUSED,
                           "only %u of %u nodes admit the new key (%u are needed): %s; nothing was changed (--yes does it all the same)",
                           admission->admitting, admission->n, admission->k, text);
    fprintf(stderr, "kqctl: %u of %u nodes admit the new key: %s\n", admission->admitting, admission->n, text);
    return CTL_E_ATTENTION;
}

/* ---- The end ---- */

static int put_in_place(const Rotation *rotation)
{
    const char *name;
    _cleanup_close_ int directory = folder_above(rotation->path, &name);

    if (directory < 0)
        return directory;
    return rename(rotation->next_path, rotation->path) < 0 || fsync(directory) < 0 ? -errno : 0;
}

static int finish(const Call *call, const Rotation *rotation, Problem *problem)
{
    Admission admission = {0};
    int admitted, r;

    if (!rotation->next)
        return problem_set(problem, -ENOENT, "no rotation is under way: 'kqctl client rotate' begins one");
    r = ask_nodes(call, rotation, &admission, problem);
    if (r != 0)
        return r;
    admitted = check_admission(call, &admission, problem);
    if (admitted != 0 && admitted != CTL_E_ATTENTION)
        return admitted;
    r = put_in_place(rotation);
    if (r < 0)
        return problem_set(problem, r, "%s cannot take the place of %s: %s", rotation->next_path, rotation->path, strerror(-r));
    fprintf(stderr,
            "The new key is in its place; programs that run use it for their next connections. Give this card, which has its pin alone, "
            "to 'kqctl node authorize' on every node's host.\n");
    r = client_key_print_card(rotation->name, rotation->next, NULL, problem);
    return r != 0 ? r : admitted;
}

int verb_client_rotate(const Call *call, Problem *problem)
{
    _cleanup_(rotation_clear) Rotation rotation = {0};
    int r = read_keys(call, &rotation, problem);

    if (r != 0)
        return r;
    return call->options[OPTION_FINISH] ? finish(call, &rotation, problem) : begin(&rotation, problem);
}
