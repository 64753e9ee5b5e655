/* Waiting until an instance has come up. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "ctl/instance.h"
#include "ctl/local.h"

#define START_PATIENCE (60 * MICROSECONDS_PER_SECOND)
#define START_SILENCE  (3 * MICROSECONDS_PER_SECOND) /* after which a person wants to know what is waited for */

static int check_keys(const Instance *instance, const uint8_t sealing_key[HPKE_PUBLIC_KEY_SIZE], const NodeStatusOutput *status,
                      Problem *problem)
{
    if (status->sealing_key.size == HPKE_PUBLIC_KEY_SIZE && memcmp(status->sealing_key.data, sealing_key, HPKE_PUBLIC_KEY_SIZE) == 0)
        return 0;
    return problem_set(problem, -EIO, "what answers at %s is another node", instance->listen);
}

/* One try at node and gate. -EAGAIN: not yet; what was the matter is in the problem. */
static int look(const Instance *instance, const uint8_t sealing_key[HPKE_PUBLIC_KEY_SIZE], Problem *problem)
{
    _cleanup_local_ LocalNode node = {0};
    NodeStatusOutput status;
    int r = local_open_config(instance->config, &node, problem);

    node.patience = MICROSECONDS_PER_SECOND;
    if (r == 0)
        r = local_status(&node, &status, problem);
    if (r != 0)
        return -EAGAIN;
    r = check_keys(instance, sealing_key, &status, problem);
    message_clear(&node_status_output, &status);
    if (r == 0 && !instance_gate_runs(instance))
        r = problem_set(problem, -EAGAIN, "the node's gate is not up");
    return r;
}

static int say_failed(const char *unit, Problem *problem)
{
    char words[512];

    instance_last_words(unit, words, sizeof(words));
    return problem_set(problem, -EIO, "%s fails%s%s ('journalctl -u %s' has its log)", unit, *words ? ": " : "", words, unit);
}

int instance_await(const Instance *instance, const uint8_t sealing_key[HPKE_PUBLIC_KEY_SIZE], Problem *problem)
{
    Microseconds began = clock_now();
    char unit[INSTANCE_UNIT_SIZE_MAX];
    bool told = false;
    int r;

    while ((r = look(instance, sealing_key, problem)) == -EAGAIN) {
        if (instance_has_failed(instance, unit))
            return say_failed(unit, problem);
        if (clock_now() - began > START_PATIENCE)
            return problem_prefix(problem, -ETIME, "it does not come up ('journalctl -u keyquorum-node@%s' may say why)", instance->name);
        if (!told && clock_now() - began > START_SILENCE)
            fprintf(stderr, "Waiting for node %s to answer ...\n", instance->name);
        told = told || clock_now() - began > START_SILENCE;
        (void)poll(NULL, 0, 100);
    }
    return r;
}
