#include "quorum/roster-check.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "quorum/card.h"

const char *const roster_log_targets[LOG_TARGET_MAX] = {
    [LOG_TARGET_SYSLOG] = "syslog", [LOG_TARGET_STDERR] = "stderr", [LOG_TARGET_NONE] = "none"};

int roster_check_label(const char *label, Problem *problem)
{
    size_t size = strlen(label);

    if (size < 1 || size > TOKEN_LABEL_SIZE_MAX || !utf8_valid(label, size))
        return problem_set(problem, -EINVAL, "'%s' is not a label: 1 to %d bytes of UTF-8", label, TOKEN_LABEL_SIZE_MAX);
    for (const char *at = label; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f || *at == ';')
            return problem_set(problem, -EINVAL, "a label has neither control characters nor semicolons");
    if (label[0] == ' ' || label[size - 1] == ' ')
        return problem_set(problem, -EINVAL, "a label neither begins nor ends with a space");
    return 0;
}

int roster_check_client_key(const char *path, Problem *problem)
{
    return path[0] == '/' ? 0 : problem_set(problem, -EINVAL, "'%s' is not an absolute path", path);
}

int roster_check_threshold(unsigned n, unsigned k, Problem *problem)
{
    if (n < 2)
        return problem_set(problem, -EINVAL, "there %s %u [node NAME] section%s; a token has 2 to %d nodes", n == 1 ? "is" : "are", n,
                           n == 1 ? "" : "s", THRESHOLD_NODES_MAX);
    if (k < 2 || k > n)
        return problem_set(problem, -EINVAL, "[token] Threshold=%u does not go with %u nodes: it is 2 to %u", k, n, n);
    return 0;
}

/* A node made by hand without TLS has no pin yet: all zeros, which two nodes may share. */
static bool keys_equal(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, CARD_KEY_SIZE) == 0 && card_has_key(a);
}

static bool pins_equal(const NodeCard *a, const NodeCard *b)
{
    return keys_equal(a->tls_pin, b->tls_pin) || keys_equal(a->tls_pin, b->next_tls_pin) || keys_equal(a->next_tls_pin, b->tls_pin) ||
           keys_equal(a->next_tls_pin, b->next_tls_pin);
}

const char *roster_shared_by(const NodeCard *a, const NodeCard *b)
{
    if (a->address && b->address && strcmp(a->address, b->address) == 0)
        return "Address";
    if (pins_equal(a, b))
        return "TlsPin";
    if (keys_equal(a->sealing_key, b->sealing_key))
        return "SealingKey";
    if (keys_equal(a->identity_key, b->identity_key))
        return "IdentityKey";
    return NULL;
}
