#include <errno.h>
#include <string.h>

#include "base/ini.h"
#include "ctl/local.h"

/* ---- node lock ---- */

static int lock(const Call *call, LocalNode *node, Problem *problem)
{
    KeyId id;
    int r = local_key(node, call->arguments[0], &id, problem);

    if (r != 0)
        return r;

    const NodeKeyInput input = {.key = {id.bytes, sizeof(id.bytes)}};

    r = local_call(node, NODE_METHOD("LockKey"), &node_key_input, &input, NULL, NULL, problem);
    if (r == 0)
        fprintf(stderr, "Node %s signs with the key no more until it is unlocked there: 'kqctl node unlock'.\n", node->config.name);
    return r;
}

int verb_node_lock(const Call *call, Problem *problem)
{
    _cleanup_local_ LocalNode node = {0};
    int r = local_open(call, &node, problem);

    return r != 0 ? r : lock(call, &node, problem);
}

/* ---- node unlock ---- */

#define SECONDS_MAX (31ULL * 86400)
#define COUNT_MAX   1000000000ULL

static int read_limits(const Call *call, NodeUnlockInput *input, Problem *problem)
{
    const char *time = call->options[OPTION_FOR], *count = call->options[OPTION_COUNT];
    Microseconds duration = 0;
    int r = 0;

    input->permanently = call->options[OPTION_PERMANENTLY] != NULL;
    if (input->permanently ? time || count : !time && !count)
        return problem_set(problem, CTL_E_USAGE,
                           "say for how long (--for TIME), for how many signatures (--count N), or both; or --permanently alone");
    if (time)
        r = ini_parse_duration(time, &duration, problem);
    if (r == 0 && time && (duration < MICROSECONDS_PER_SECOND || duration > SECONDS_MAX * MICROSECONDS_PER_SECOND))
        r = problem_set(problem, -EINVAL, "'%s' is not between one second and 31 days", time);
    if (r != 0)
        return problem_prefix(problem, CTL_E_USAGE, "--for");
    input->seconds = (duration + MICROSECONDS_PER_SECOND - 1) / MICROSECONDS_PER_SECOND;
    if (count && ini_parse_uint(count, 1, COUNT_MAX, &input->count, problem) != 0)
        return problem_prefix(problem, CTL_E_USAGE, "--count");
    return 0;
}

static void tell(const LocalNode *node, const NodeUnlockInput *input)
{
    char time[48] = "", count[48] = "";

    if (input->permanently) {
        fprintf(stderr, "Node %s has no lock on the key any more.\n", node->config.name);
        return;
    }
    if (input->seconds > 0)
        (void)snprintf(time, sizeof(time), " for %llu s", (unsigned long long)input->seconds);
    if (input->count > 0)
        (void)snprintf(count, sizeof(count), ", %llu signature%s", (unsigned long long)input->count, input->count == 1 ? "" : "s");
    fprintf(stderr, "Node %s signs with the key%s%s; after that, or when the node restarts, it is locked again.\n", node->config.name, time,
            count);
}

static int unlock(const Call *call, LocalNode *node, NodeUnlockInput *input, Problem *problem)
{
    KeyId id;
    int r = local_key(node, call->arguments[0], &id, problem);

    if (r != 0)
        return r;
    input->key = (Bytes){id.bytes, sizeof(id.bytes)};
    r = local_call(node, NODE_METHOD("UnlockKey"), &node_unlock_input, input, NULL, NULL, problem);
    if (r == 0)
        tell(node, input);
    return r;
}

int verb_node_unlock(const Call *call, Problem *problem)
{
    _cleanup_local_ LocalNode node = {0};
    NodeUnlockInput input = {0};
    int r = read_limits(call, &input, problem);

    if (r == 0)
        r = local_open(call, &node, problem);
    return r != 0 ? r : unlock(call, &node, &input, problem);
}
