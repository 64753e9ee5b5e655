#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "ctl/client-key.h"
#include "wire/tls.h"

#define PEM_SUFFIX ".pem"
#define NEXT       "-next"

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

/* `second` may be NULL. */
static int print_card(const Rotation *rotation, const Secret *first, const Secret *second, Problem *problem)
{
    ClientCard card = {.n_pins = second ? 2 : 1};
    int r = tls_key_pin(first, card.pins[0]);

    if (r == 0 && second)
        r = tls_key_pin(second, card.pins[1]);
    if (r < 0)
        return problem_set(problem, r, "the keys of client %s cannot be used: %s", rotation->name, strerror(-r));
    (void)snprintf(card.name, sizeof(card.name), "%s", rotation->name);
    return client_key_print_card(&card, problem);
}

static int begin(Rotation *rotation, Problem *problem)
{
    int r = rotation->next ? 0 : make_next(rotation, problem);

    if (r != 0)
        return r;
    fprintf(stderr,
            "The next key is made; the old one is still in use. Give this card, which has both pins, to 'kqctl node authorize' on every "
            "node's host; then: kqctl client rotate --finish\n");
    return print_card(rotation, rotation->key, rotation->next, problem);
}

static int put_in_place(const Rotation *rotation)
{
    const char *slash = strrchr(rotation->path, '/');
    char folder[PATH_MAX];

    (void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - rotation->path) + 1 : 1, slash ? rotation->path : ".");

    _cleanup_close_ int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (directory < 0 || rename(rotation->next_path, rotation->path) < 0 || fsync(directory) < 0)
        return -errno;
    return 0;
}

static int finish(const Rotation *rotation, Problem *problem)
{
    int r;

    if (!rotation->next)
        return problem_set(problem, -ENOENT, "no rotation is under way: 'kqctl client rotate' begins one");
    r = put_in_place(rotation);
    if (r < 0)
        return problem_set(problem, r, "%s cannot take the place of %s: %s", rotation->next_path, rotation->path, strerror(-r));
    fprintf(stderr,
            "The new key is in use by programs that are started from now on. Start the signers again; then give this card, which has "
            "its pin alone, to 'kqctl node authorize' on every node's host.\n");
    return print_card(rotation, rotation->next, NULL, problem);
}

int verb_client_rotate(const Call *call, Problem *problem)
{
    _cleanup_(rotation_clear) Rotation rotation = {0};
    int r = read_keys(call, &rotation, problem);

    if (r != 0)
        return r;
    return call->options[OPTION_FINISH] ? finish(&rotation, problem) : begin(&rotation, problem);
}
