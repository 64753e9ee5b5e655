#include <errno.h>
#include <string.h>

#include "ctl/client-key.h"
#include "wire/tls.h"

/* ---- client init ---- */

/* The host's name as a client's: up to the first dot, without what a client's name may not have. */
static void name_of_host(char ret_name[NODE_NAME_MAX + 1])
{
    char host[256] = "";
    size_t size = 0;

    (void)gethostname(host, sizeof(host) - 1);
    for (const char *at = host; *at && *at != '.' && size < NODE_NAME_MAX; at++)
        if ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || (size > 0 && strchr("_-", *at)))
            ret_name[size++] = *at;
    ret_name[size] = '\0';
}

static int choose_name(const Call *call, char ret_name[NODE_NAME_MAX + 1], Problem *problem)
{
    const char *name = call->options[OPTION_CLIENT_NAME];

    if (name && client_card_check_name(name, problem) != 0)
        return problem_prefix(problem, CTL_E_USAGE, "--name");
    if (name)
        (void)snprintf(ret_name, NODE_NAME_MAX + 1, "%s", name);
    else
        name_of_host(ret_name);
    if (strcmp(ret_name, "local") == 0)
        return problem_set(problem, CTL_E_USAGE, "a node calls those on its own host 'local': give this client another --name");
    return *ret_name ? 0 : problem_set(problem, CTL_E_USAGE, "this host has no name for its client to be called by: give --name NAME");
}

int verb_client_init(const Call *call, Problem *problem)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_secret_ Secret *pem = NULL;
    char name[NODE_NAME_MAX + 1];
    int r = choose_name(call, name, problem);

    if (r == 0)
        r = client_key_path(call, &path, problem);
    if (r != 0)
        return r;
    r = tls_key_new(&pem);
    if (r != 0)
        return problem_set(problem, r, "a TLS key cannot be made: %s", strerror(-r));
    r = client_key_write(path, pem, name, call->options[OPTION_GROUP], problem);
    if (r != 0)
        return r;
    fprintf(stderr, "Made %s, this client's TLS key: whoever reads it can be the client %s.\n", path, name);
    return client_key_print_card(name, pem, NULL, problem);
}

/* ---- client card ---- */

int verb_client_card(const Call *call, Problem *problem)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_secret_ Secret *pem = NULL;
    _cleanup_(roster_freep) Roster *roster = NULL;
    const char *conf = call->options[OPTION_CONF];
    char name[NODE_NAME_MAX + 1];
    int r = client_key_path(call, &path, problem);

    if (r == 0)
        r = client_key_read(path, &pem, name, problem);
    if (r == -ENOENT)
        return problem_set(problem, r, "there is no %s: 'kqctl client init' makes this client's key", path);
    if (r == 0 && !*name)
        r = roster_read(conf, &roster, problem);
    if (r == 0 && roster)
        (void)snprintf(name, sizeof(name), "%s", roster->client);
    return r != 0 ? r : client_key_print_card(name, pem, NULL, problem);
}
