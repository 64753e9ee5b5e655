#include "quorum/records.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"
#include "quorum/catalog.h"
#include "quorum/steps.h"

/* A version that is so far above the visible one is not of an unfinished change. */
#define VERSION_LEAP_MAX 1000

void key_record_clear(KeyRecord *record)
{
    free(record->private_label);
    free(record->public_label);
    bytes_clear(&record->private_id);
    bytes_clear(&record->public_id);
    *record = (KeyRecord){0};
}

NodeRecord key_record_borrow(const KeyRecord *record)
{
    return (NodeRecord){
        .version = record->version,
        .private_label = record->private_label,
        .public_label = record->public_label,
        .private_id = record->private_id,
        .public_id = record->public_id,
        .public_hidden = record->public_hidden,
        .created = record->created,
        .not_after = record->not_after,
    };
}

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

int key_record_of(const NodeRecord *record, KeyRecord *ret_record)
{
    _cleanup_(key_record_clear) KeyRecord copy = {
        .version = record->version,
        .public_hidden = record->public_hidden,
        .created = record->created,
        .not_after = record->not_after,
        .private_label = text_copy(text_or_empty(record->private_label)),
        .public_label = text_copy(text_or_empty(record->public_label)),
    };
    int r = copy.private_label && copy.public_label ? 0 : -ENOMEM;

    if (r == 0)
        r = bytes_copy(record->private_id.data, record->private_id.size, &copy.private_id);
    if (r == 0)
        r = bytes_copy(record->public_id.data, record->public_id.size, &copy.public_id);
    if (r == 0) {
        *ret_record = copy;
        copy = (KeyRecord){0};
    }
    return r;
}

int key_record_copy(const KeyRecord *record, KeyRecord *ret_copy)
{
    NodeRecord borrowed = key_record_borrow(record);

    return key_record_of(&borrowed, ret_copy);
}

static int check_label(const char *which, const char *label, Problem *problem)
{
    size_t size = strlen(text_or_empty(label));

    if (size > NODE_LABEL_SIZE_MAX)
        return problem_set(problem, -EINVAL, "The %s label has %zu bytes; it may have %d", which, size, NODE_LABEL_SIZE_MAX);
    if (!utf8_valid(text_or_empty(label), size))
        return problem_set(problem, -EINVAL, "The %s label is not UTF-8", which);
    return 0;
}

static int check_id(const char *which, const Bytes *id, Problem *problem)
{
    if (id->size > NODE_CKA_ID_SIZE_MAX)
        return problem_set(problem, -EINVAL, "The %s id has %zu bytes; it may have %d", which, id->size, NODE_CKA_ID_SIZE_MAX);
    return 0;
}

int key_record_check(const KeyRecord *record, Problem *problem)
{
    int r = check_label("private", record->private_label, problem);

    if (r == 0)
        r = check_label("public", record->public_label, problem);
    if (r == 0)
        r = check_id("private", &record->private_id, problem);
    if (r == 0)
        r = check_id("public", &record->public_id, problem);
    if (r == 0 && record->not_after > NODE_NOT_AFTER_MAX)
        return problem_set(problem, -EINVAL, "A key's last day has to be one of the years 1970 to 9999");
    return r;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_bytes(const Bytes *a, const Bytes *b)
{
    size_t common = a->size < b->size ? a->size : b->size;
    int order = common > 0 ? memcmp(a->data, b->data, common) : 0;

    return order != 0 ? order : compare_numbers(a->size, b->size);
}

int record_compare(const NodeRecord *a, const NodeRecord *b)
{
    const int orders[] = {
        compare_numbers(a->version, b->version),
        strcmp(text_or_empty(a->private_label), text_or_empty(b->private_label)),
        strcmp(text_or_empty(a->public_label), text_or_empty(b->public_label)),
        compare_bytes(&a->private_id, &b->private_id),
        compare_bytes(&a->public_id, &b->public_id),
        compare_numbers(a->public_hidden, b->public_hidden),
        compare_numbers(a->created, b->created),
        compare_numbers(a->not_after, b->not_after),
    };

    for (size_t i = 0; i < ELEMENTS(orders); i++)
        if (orders[i] != 0)
            return orders[i];
    return 0;
}

/* Node i+1's record of the key; NULL if it has none. */
static const NodeRecord *record_at(const Group *group, unsigned i)
{
    if (!group->of[i] || group->in[KEY_DESTROYED] & NODE_SET_OF(i + 1) || group->of[i]->record.version == 0)
        return NULL;
    return &group->of[i]->record;
}

NodeSet record_holders(const Group *group, const NodeRecord *record)
{
    NodeSet holders = 0;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        if (record_at(group, i) && record_compare(record_at(group, i), record) == 0)
            holders |= NODE_SET_OF(i + 1);
    return holders;
}

/* Among those with k holders: the newer; the more widely held; the later in order. */
static bool newer(const NodeRecord *a, unsigned a_holders, const NodeRecord *b, unsigned b_holders)
{
    if (a->version != b->version)
        return a->version > b->version;
    return a_holders != b_holders ? a_holders > b_holders : record_compare(a, b) > 0;
}

/* Among those with fewer: the more widely held; the later in order. */
static bool more_common(const NodeRecord *a, unsigned a_holders, const NodeRecord *b, unsigned b_holders)
{
    return a_holders != b_holders ? a_holders > b_holders : record_compare(a, b) > 0;
}

typedef bool (*RecordPreference)(const NodeRecord *a, unsigned a_holders, const NodeRecord *b, unsigned b_holders);

static const NodeRecord *choose(const Group *group, unsigned holders_min, RecordPreference prefer)
{
    const NodeRecord *best = NULL;
    unsigned best_holders = 0;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        const NodeRecord *record = record_at(group, i);
        unsigned holders = record ? node_set_count(record_holders(group, record)) : 0;

        if (record && holders >= holders_min && (!best || prefer(record, holders, best, best_holders))) {
            best = record;
            best_holders = holders;
        }
    }
    return best;
}

/* The group's own copy of `before`; NULL if no node holds it. */
static const NodeRecord *find(const Group *group, const NodeRecord *before)
{
    for (unsigned i = 0; before && i < THRESHOLD_NODES_MAX; i++)
        if (record_at(group, i) && record_compare(record_at(group, i), before) == 0)
            return record_at(group, i);
    return NULL;
}

const NodeRecord *record_visible(const Group *group, unsigned k, const NodeRecord *before)
{
    const NodeRecord *record = choose(group, k, newer);

    if (!record)
        record = find(group, before);
    return record ? record : choose(group, 1, more_common);
}

uint64_t record_next_version(const Group *group, const NodeRecord *visible)
{
    uint64_t highest = visible->version;

    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        const NodeRecord *record = record_at(group, i);

        if (record && record->version > highest && record->version - visible->version <= VERSION_LEAP_MAX)
            highest = record->version;
    }
    return highest + 1;
}

int record_store(Quorum *quorum, const Group *group, const NodeRecord *visible, const NodeRecord *record, NodeSet nodes,
                 NodeAnswers *answers)
{
    NodeSetRecordInput input = {.key = {(uint8_t *)group->id.bytes, KEY_ID_SIZE}, .record = *record};
    const void *inputs[] = {&input};
    const Step step = {"set record", NODE_METHOD("SetRecord"),          &node_set_record_input, inputs,
                       .same = true, .enough = quorum_roster(quorum)->k};
    NodeSet last = nodes & record_holders(group, visible);
    int r = steps_take(quorum, &step, nodes & ~last, answers);

    return r == 0 ? steps_take(quorum, &step, last, answers) : r;
}

static int conflict(Problem *problem)
{
    return problem_set(problem, QUORUM_E_CONFLICT, "Another client changed the labels or ids of this key at the same time: try again");
}

/* What the nodes said to the new record. */
static int judge(Quorum *quorum, const NodeAnswers *answers, Problem *problem)
{
    unsigned k = quorum_roster(quorum)->k;
    unsigned stored = node_set_count(node_answers_good(answers));

    if (stored >= k)
        return 0;
    if (steps_with_error(answers, NODE_ERROR_STALE_VERSION))
        return conflict(problem);
    node_answers_describe(quorum, answers, problem);
    if (stored == 0 && steps_with_error(answers, NODE_ERROR_PERMISSION_DENIED))
        return problem_prefix(problem, QUORUM_E_REFUSED, "Changing a key needs the permission 'generate' at %u nodes; nothing was changed",
                              k);
    return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES,
                          "The change is stored on %u nodes and needs %u; repeat it when more can be reached", stored, k);
}

/* The key, if enough nodes answer to change it. */
static int find_group(Quorum *quorum, const CatalogView *view, const KeyId *id, const QuorumKey *known, const Group **ret_group,
                      Problem *problem)
{
    const Roster *roster = quorum_roster(quorum);
    const Group *group = groups_find(&view->groups, id);

    if (group && group_exists(group, roster->k) && node_set_count(view->groups.answered) >= roster->k) {
        *ret_group = group;
        return 0;
    }
    if (node_set_count(view->groups.answered) >= roster->k && !(known && group_may_exist(group, view->groups.answered, roster)))
        return problem_set(problem, QUORUM_E_UNKNOWN_KEY, "The key is not, or no longer, one of this token");
    node_answers_describe(quorum, &view->answers, problem);
    return problem_prefix(problem, QUORUM_E_TOO_FEW_NODES, "Changing a key needs %u nodes that hold it", roster->k);
}

static bool shown_still(Quorum *quorum, const QuorumKey *known)
{
    _cleanup_quorum_key_ QuorumKey *shown = quorum_key_shown(quorum, known);

    return !shown || key_id_equal(quorum_key_id(shown), quorum_key_id(known));
}

/* The record that the caller started from must be the one that this process would show now. */
static int find_base(Quorum *quorum, const Group *group, const QuorumKey *known, uint64_t base, const NodeRecord **ret_visible,
                     Problem *problem)
{
    NodeRecord before = known ? key_record_borrow(quorum_key_record(known)) : (NodeRecord){0};
    const NodeRecord *visible = record_visible(group, quorum_roster(quorum)->k, known ? &before : NULL);

    if (!visible)
        return problem_set(problem, QUORUM_E_UNKNOWN_KEY, "No node holds labels and ids of the key; 'kqctl sync' says more");
    if (known && !shown_still(quorum, known))
        return conflict(problem); /* another generation stands for it by now */
    if (base != visible->version || (known && record_compare(visible, &before) != 0))
        return conflict(problem);
    *ret_visible = visible;
    return 0;
}

static int set_record(Quorum *quorum, const CatalogView *view, const KeyId *id, const KeyRecord *record, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    _cleanup_quorum_key_ QuorumKey *known = quorum_key_by_id(quorum, id);
    const Group *group = NULL;
    const NodeRecord *visible = NULL;
    NodeRecord next;
    int r = find_group(quorum, view, id, known, &group, problem);

    if (r == 0)
        r = find_base(quorum, group, known, record->version, &visible, problem);
    if (r != 0)
        return r;
    next = key_record_borrow(record);
    next.version = record_next_version(group, visible);
    next.created = visible->created;
    r = record_store(quorum, group, visible, &next, group_live(group) | group->in[KEY_UNUSABLE], &answers);
    return r == 0 ? judge(quorum, &answers, problem) : r;
}

int quorum_set_record(Quorum *quorum, const KeyId *id, const KeyRecord *record, Problem *problem)
{
    _cleanup_catalog_view_ CatalogView view = {0};
    int r = key_record_check(record, problem);

    if (r < 0)
        return r;
    if (!quorum_logged_in(quorum))
        return problem_set(problem, QUORUM_E_LOGIN_REQUIRED, "Changing a key needs the PIN");
    r = catalog_view(quorum, quorum_roster(quorum)->k, &view);
    if (r == 0)
        r = set_record(quorum, &view, id, record, problem);
    catalog_view_close(&view);
    catalog_changed(quorum);
    return r;
}
