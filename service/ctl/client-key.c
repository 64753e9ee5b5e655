#include "ctl/client-key.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "ctl/labels.h"
#include "wire/tls.h"

#define NAME_LINE "Keyquorum client "

/* ---- Where ---- */

static char *beside(const char *roster_file)
{
    const char *slash = strrchr(roster_file, '/');

    return text_format("%.*s" CLIENT_KEY_DEFAULT, slash ? (int)(slash + 1 - roster_file) : 0, roster_file);
}

int client_key_path(const Call *call, char **ret_path, Problem *problem)
{
    const char *roster_file = call->options[OPTION_CONF] ? call->options[OPTION_CONF] : roster_path();
    _cleanup_(roster_freep) Roster *roster = NULL;
    int r = roster_read(roster_file, &roster, problem);

    if (r != 0 && r != -ENOENT)
        return r;

    char *path = roster ? roster_client_key(roster) : beside(roster_file);

    if (!path)
        return problem_set(problem, -ENOMEM, "out of memory");
    *ret_path = path;
    return 0;
}

/* ---- The file ---- */

static void find_name(const Secret *content, char ret_name[NODE_NAME_MAX + 1])
{
    const char *text = (const char *)secret_bytes(content);
    size_t start = strlen(NAME_LINE), size = start;

    ret_name[0] = '\0';
    if (secret_size(content) < start || memcmp(text, NAME_LINE, start) != 0)
        return;
    while (size < secret_size(content) && text[size] != '\n' && size - start < NODE_NAME_MAX)
        size++;
    memcpy(ret_name, text + start, size - start); /* the line above the key is no secret */
    ret_name[size - start] = '\0';
    if (client_card_check_name(ret_name, NULL) != 0)
        ret_name[0] = '\0';
}

int client_key_read(const char *path, Secret **ret_pem, char ret_name[NODE_NAME_MAX + 1], Problem *problem)
{
    int r = file_read_private(path, TLS_KEY_SIZE_MAX, FILE_NO_STRANGERS, ret_pem, problem);

    if (r == 0)
        find_name(*ret_pem, ret_name);
    return r;
}

static int find_group(const char *name, gid_t *ret_group, Problem *problem)
{
    const struct group *group = getgrnam(name);

    if (!group)
        return problem_set(problem, CTL_E_USAGE, "--group: there is no group '%s'", name);
    *ret_group = group->gr_gid;
    return 0;
}

static int open_folder(const char *path, Problem *problem)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *folder = !slash ? text_copy(".") : slash == path ? text_copy("/") : text_copy_of(path, (size_t)(slash - path));
    int fd;

    if (!folder)
        return problem_set(problem, -ENOMEM, "out of memory");
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        return problem_set(problem, -errno, "%s cannot be made: %s", folder, strerror(errno));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? problem_set(problem, -errno, "%s: %s", folder, strerror(errno)) : fd;
}

static int join(const Secret *pem, const char *name, Secret **ret_content)
{
    _cleanup_secret_ Secret *content = NULL;
    size_t start = strlen(NAME_LINE), name_size = strlen(name), size = start + name_size + 1;
    int r = secret_new(size + secret_size(pem), &content);

    if (r < 0)
        return r;
    memcpy(secret_data(content), NAME_LINE, start);
    memcpy(secret_data(content) + start, name, name_size);
    secret_data(content)[size - 1] = '\n';
    memcpy(secret_data(content) + size, secret_bytes(pem), secret_size(pem));
    *ret_content = TAKE_PTR(content);
    return 0;
}

/* Nobody but the owner can read it until the group is its own. */
static int open_to_group(int folder, const char *file, gid_t group)
{
    _cleanup_close_ int fd = openat(folder, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 || fchown(fd, (uid_t)-1, group) < 0 || fchmod(fd, 0640) < 0 ? -errno : 0;
}

int client_key_write(const char *path, const Secret *pem, const char *name, const char *group, Problem *problem)
{
    const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    _cleanup_secret_ Secret *content = NULL;
    _cleanup_close_ int folder = -1;
    gid_t id = 0;
    int r = group ? find_group(group, &id, problem) : 0;

    if (r != 0)
        return r;
    folder = open_folder(path, problem);
    if (folder < 0)
        return folder;
    r = join(pem, name, &content);
    if (r == 0)
        r = file_create(folder, file, secret_declassify(content), secret_size(content), 0600); /* the operator's own, from here on */
    if (r == -EEXIST)
        return problem_set(problem, r, "%s exists already: 'kqctl client card' prints its card; nothing is overwritten", path);
    if (r == 0 && group) {
        r = open_to_group(folder, file, id);
        if (r < 0)
            (void)unlinkat(folder, file, 0);
    }
    if (r < 0)
        return problem_set(problem, r, "%s cannot be written: %s", path, strerror(-r));
    labels_restore(path);
    return 0;
}

/* ---- For people ---- */

static int make_card(const char *name, const Secret *first, const Secret *second, ClientCard *ret_card)
{
    ClientCard card = {.n_pins = second ? 2 : 1};
    int r = tls_key_pin(first, card.pins[0]);

    if (r == 0 && second)
        r = tls_key_pin(second, card.pins[1]);
    (void)snprintf(card.name, sizeof(card.name), "%s", name);
    if (r == 0)
        *ret_card = card;
    return r;
}

int client_key_print_card(const char *name, const Secret *first, const Secret *second, Problem *problem)
{
    char text[CARD_SIZE_MAX], fingerprint[40];
    ClientCard card;
    int r = make_card(name, first, second, &card);

    if (r == 0)
        r = client_card_format(&card, text);
    if (r != 0)
        return problem_set(problem, r, "the card of client %s cannot be made: %s", name, r == -EINVAL ? "its key is none" : strerror(-r));
    client_card_fingerprint(&card, fingerprint);
    puts(text);
    (void)fflush(stdout);
    fprintf(
        stderr,
        "The line above is the card of client %s: 'kqctl node authorize' takes it on each node's host. Its fingerprint, to be compared by "
        "eye:\n  %s\n",
        name, fingerprint);
    return 0;
}
