#include "ctl/node-init.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/file.h"
#include "base/text.h"
#include "ctl/node-keys.h"
#include "ctl/workshop.h"
#include "share/header.h"

#define CONFIG_NAME "node.conf"
#define STATE_NAME  "state"

/* ---- What is asked for ---- */

static bool is_wildcard(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

    return address->ss_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr) : v4->sin_addr.s_addr == htonl(INADDR_ANY);
}

static int parse_tls(OptionId id, const char *text, bool *ret_wildcard, Problem *problem)
{
    struct sockaddr_storage address;
    socklen_t size;

    if (address_parse_tls(text, &address, &size, problem) < 0)
        return problem_prefix(problem, CTL_E_USAGE, "--%s", option_at(id)->name);
    *ret_wildcard = is_wildcard(&address);
    return 0;
}

static int plan_tls(const Call *call, NodePlan *plan, Problem *problem)
{
    const char *address = call->options[OPTION_ADDRESS];
    bool wildcard;
    int r = parse_tls(OPTION_LISTEN, plan->bind, &wildcard, problem);

    if (r != 0)
        return r;
    if (wildcard && !address)
        return problem_set(problem, CTL_E_USAGE,
                           "--listen '%s' is every address of this host, but the card must say where clients find the node: give "
                           "--address tls:IP:PORT as well",
                           plan->bind);
    plan->address = address ? address : plan->bind;
    r = address ? parse_tls(OPTION_ADDRESS, address, &wildcard, problem) : 0;
    if (r == 0 && address && wildcard)
        r = problem_set(problem, CTL_E_USAGE, "--address '%s' is no address that clients can find the node at", address);
    return r;
}

static int plan_listen(const Call *call, NodePlan *plan, Problem *problem)
{
    const char *listen = call->options[OPTION_LISTEN];
    size_t path_size_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (listen && address_is_tls(listen)) {
        plan->bind = listen;
        return plan_tls(call, plan, problem);
    }
    if (listen && (strncmp(listen, "unix:/", 6) != 0 || strlen(listen) - 5 > path_size_max))
        return problem_set(problem, CTL_E_USAGE, "--listen '%s' is neither tls:IP:PORT nor unix: and an absolute path of at most %zu bytes",
                           listen, path_size_max);
    if (call->options[OPTION_ADDRESS])
        return problem_set(problem, CTL_E_USAGE, "--address needs --listen tls:IP:PORT");
    plan->socket = listen;
    return 0;
}

static int make_plan(const Call *call, NodePlan *plan, Problem *problem)
{
    const char *name = call->options[OPTION_NAME], *custody = call->options[OPTION_NODE_CUSTODY];

    plan->name = name;
    plan->custody = custody ? custody : custody_name(CUSTODY_KERNEL);
    if (!node_config_name_valid(name))
        return problem_set(problem, CTL_E_USAGE, "'%s' is not a node's name: a lower-case letter, then at most %d of a-z, 0-9 and _", name,
                           NODE_CONFIG_NAME_SIZE_MAX - 1);
    if (custody_from_name(plan->custody) == CUSTODY_INVALID)
        return problem_set(problem, CTL_E_USAGE, "--custody '%s' is neither kernel nor keyring", plan->custody);
    return plan_listen(call, plan, problem);
}

/* Options that only the other kind of node has. */
static int check_kind(const Call *call, Problem *problem)
{
    static const OptionId installed[] = {OPTION_CLIENT_CARD, OPTION_ALLOW, OPTION_ADDRESS, OPTION_RECOVERY_KEY, OPTION_RECOVERY_KEY_FILE};

    if (!call->options[OPTION_NO_SEPARATION]) {
        if (call->options[OPTION_DIRECTORY])
            return problem_set(problem, CTL_E_USAGE,
                               "--directory is for a node to try things out with: say so with --no-separation. An installed node has its "
                               "places in /etc/keyquorum and /var/lib/keyquorum");
        return 0;
    }
    for (size_t i = 0; i < ELEMENTS(installed); i++)
        if (call->options[installed[i]])
            return problem_set(problem, CTL_E_USAGE, "--%s does not go with --no-separation: it is for an installed node",
                               option_at(installed[i])->name);
    if (!call->options[OPTION_DIRECTORY] || !call->options[OPTION_LISTEN])
        return problem_set(problem, CTL_E_USAGE, "--no-separation needs --directory DIR and --listen ADDRESS");
    return 0;
}

/* ---- Configuration of a node in a directory ---- */

/* "unix:/…" of the node's own socket. */
static char *socket_of(const NodePlan *plan, const Place *place)
{
    return plan->socket ? text_copy(plan->socket) : text_format("unix:%s/%s/node.sock", place->parent, place->name);
}

static char *federation_text(const NodePlan *plan, const char *directory)
{
    if (!plan->address)
        return text_copy("");
    return text_format("Address=%s\n"
                       "GateSocket=unix:%s/gate.sock\n"
                       "Clients=%s/clients\n"
                       "TlsKey=%s/" NODE_KEYS_TLS "\n",
                       plan->address, directory, directory, directory);
}

static char *config_text(const NodePlan *plan, const Place *place)
{
    _cleanup_free_ char *directory = text_format("%s/%s", place->parent, place->name);
    _cleanup_free_ char *listen = socket_of(plan, place);
    _cleanup_free_ char *federation = directory ? federation_text(plan, directory) : NULL;

    if (!listen || !federation)
        return NULL;
    return text_format("# keyquorum-node.conf(5)\n"
                       "[node]\n"
                       "Name=%s\n"
                       "State=%s/" STATE_NAME "\n"
                       "Listen=%s\n"
                       "Custody=%s\n"
                       "Separation=no\n"
                       "SealingKey=%s/" NODE_KEYS_SEALING "\n"
                       "IdentityKey=%s/" NODE_KEYS_IDENTITY "\n"
                       "%s",
                       plan->name, directory, listen, plan->custody, directory, directory, federation);
}

static int write_config(const NodePlan *plan, const Place *place, int directory, Problem *problem)
{
    _cleanup_free_ char *text = config_text(plan, place);
    int r = text ? file_create(directory, CONFIG_NAME, text, strlen(text), 0600) : -ENOMEM;

    return r < 0 ? problem_set(problem, r, CONFIG_NAME " cannot be written: %s", strerror(-r)) : 0;
}

/* An INI file cannot hold every path (blanks at the ends, comment signs, long ones): read what was written, and compare. */
static int check_config(const NodePlan *plan, const Place *place, const Workshop *workshop, Problem *problem)
{
    _cleanup_node_config_ NodeConfig config = {0};
    _cleanup_free_ char *path = text_format("%s/" CONFIG_NAME, workshop->path);
    _cleanup_free_ char *state = text_format("%s/%s/" STATE_NAME, place->parent, place->name);
    _cleanup_free_ char *listen = socket_of(plan, place);
    Problem details = PROBLEM_INIT;

    if (!path || !state || !listen)
        return problem_set(problem, -ENOMEM, "out of memory");
    if (node_config_read(path, &config, &details) == 0 && strcmp(config.listen, listen) == 0 && strcmp(config.state, state) == 0)
        return 0;
    return problem_set(problem, -EINVAL, "a configuration file cannot hold these paths: choose shorter and plainer ones%s%s",
                       *details.text ? ": " : "", details.text);
}

static int fill(const NodePlan *plan, const Place *place, const NodeKeys *keys, const Workshop *workshop, Problem *problem)
{
    int r = node_keys_write(keys, workshop->directory, problem);

    if (r == 0)
        r = write_config(plan, place, workshop->directory, problem);
    if (r == 0)
        r = check_config(plan, place, workshop, problem);
    if (r == 0 && mkdirat(workshop->directory, STATE_NAME, 0700) < 0)
        r = problem_set(problem, -errno, "the state directory cannot be made: %s", strerror(errno));
    return r;
}

static int make(const NodePlan *plan, const Place *place, const NodeKeys *keys, Problem *problem)
{
    _cleanup_workshop_ Workshop workshop = WORKSHOP_INIT;
    int r = workshop_open(place, &workshop, problem);

    if (r == 0)
        r = fill(plan, place, keys, &workshop, problem);
    if (r == 0)
        r = workshop_finish(&workshop, place, problem);
    return r;
}

static int make_card(const NodePlan *plan, const Place *place, const NodeKeys *keys, NodeCard *ret_card, Problem *problem)
{
    _cleanup_free_ char *socket = socket_of(plan, place);

    if (!socket)
        return problem_set(problem, -ENOMEM, "out of memory");
    return node_keys_card(keys, plan->name, plan->address ? plan->address : socket, ret_card, problem);
}

static int make_in_directory(const Call *call, const NodePlan *plan, Problem *problem)
{
    _cleanup_node_keys_ NodeKeys keys = {0};
    _cleanup_(card_clear) NodeCard card = {0};
    Place place;
    int r = place_find(call->options[OPTION_DIRECTORY], &place, problem);

    if (r == 0)
        r = node_keys_new(&keys, problem);
    if (r == 0)
        r = make_card(plan, &place, &keys, &card, problem);
    if (r == 0)
        r = make(plan, &place, &keys, problem);
    if (r != 0)
        return r;
    fprintf(stderr, "Made %s/%s: sealing key, identity key, TLS key, " CONFIG_NAME " and state, for this user alone.\n", place.parent,
            place.name);
    fprintf(stderr, "To start the node: keyquorum-node --config %s/%s/" CONFIG_NAME "\n", place.parent, place.name);
    if (plan->address)
        fprintf(stderr, "and its gate:      keyquorum-gate --config %s/%s/" CONFIG_NAME "\n", place.parent, place.name);
    return node_keys_print_card(&card, problem);
}

int verb_node_init(const Call *call, Problem *problem)
{
    NodePlan plan = {0};
    int r = check_kind(call, problem);

    if (r == 0)
        r = make_plan(call, &plan, problem);
    if (r != 0)
        return r;
    return call->options[OPTION_NO_SEPARATION] ? make_in_directory(call, &plan, problem) : node_install(call, &plan, problem);
}
