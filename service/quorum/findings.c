#include "quorum/findings.h"

#include <string.h>
#include <syslog.h>

#include "quorum/state.h"

/* "Node alpha (1) at unix:… " + text + " (the first is KEY)". */
static const struct {
    int priority;
    const char *text;
} kinds[FINDING_MAX] = {
    [FINDING_ALONE] = {LOG_WARNING, "reports keys that fewer than k nodes report: they are not shown"},
    [FINDING_MISSING] = {LOG_WARNING, "does not report keys that exist: its shares are lost, or it hides them"},
    [FINDING_TOMBSTONE] = {LOG_WARNING,
                           "reports keys as destroyed that exist: a destruction was cut off, or it lies; they are still shown"},
    [FINDING_UNUSABLE] = {LOG_WARNING, "cannot use its shares of keys that exist"},
    [FINDING_RECORD] = {LOG_WARNING,
                        "shows other labels or ids of keys than k nodes do: a change passed it by, or it lies; they are ignored"},
    [FINDING_PENDING] = {LOG_WARNING, "reports keys as pending although it was given their activations"},
    [FINDING_HEADER] = {LOG_ERR, "shows false headers of keys: they are ignored"},
    [FINDING_ACTIVATION] = {LOG_ERR, "shows false activations of keys: they are ignored"},
    [FINDING_ROSTER] = {LOG_ERR,
                        "shows keys that are made for another number of nodes or another threshold than the roster has, which may lack "
                        "a node ('kqctl roster check'): they are not shown"},
};

void findings_add(Findings *findings, unsigned index, FindingKind kind, const KeyId *id, uint64_t detail)
{
    Finding *finding = &findings->of[index - 1][kind];
    uint64_t part;

    if (finding->count++ == 0)
        finding->first = *id;
    memcpy(&part, id->bytes, sizeof(part)); /* ids are hashes: any 8 bytes of them do */
    finding->sum += part ^ detail * 0x9e3779b97f4a7c15U;
}

static void report_one(Quorum *quorum, unsigned index, FindingKind kind, const Finding *finding)
{
    _cleanup_(roster_freep) Roster *roster = quorum_roster_now(quorum);
    const NodeCard *card = &roster->nodes[index - 1];
    char id[2 * KEY_ID_SIZE + 1];

    key_id_format(&finding->first, id);
    quorum_log(quorum, kinds[kind].priority, "Node %s (%u) at %s %s (%zu, the first is %s). 'kqctl sync' says more.", card->name, index,
               card->address, kinds[kind].text, finding->count, id);
}

void findings_report(Quorum *quorum, const Findings *findings, NodeSet answered, Findings *known)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        if (!(answered & NODE_SET_OF(i + 1)))
            continue;
        for (FindingKind kind = 0; kind < FINDING_MAX; kind++) {
            const Finding *now = &findings->of[i][kind];

            if (now->count > 0 && (now->count != known->of[i][kind].count || now->sum != known->of[i][kind].sum))
                report_one(quorum, i + 1, kind, now);
        }
        memcpy(known->of[i], findings->of[i], sizeof(known->of[i]));
    }
}
