#include "quorum/listing.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "quorum/steps.h"

/* One update: what has arrived of each node's new listing, and how it went. */
typedef struct Update {
    Quorum *quorum;
    Listing *old;
    Listing fresh[THRESHOLD_NODES_MAX];
    NodeSet changed;
    NodeAnswers *answers;
    Microseconds deadline; /* for all pages: a list that changes for ever, or does not end, is no answer */
} Update;

KeyState key_state_from_name(const char *name)
{
    static const char *const names[KEY_STATE_MAX] = {"pending", "active", "unusable", "destroyed"};

    for (KeyState state = 0; state < KEY_STATE_MAX; state++)
        if (name && strcmp(name, names[state]) == 0)
            return state;
    return KEY_STATE_INVALID;
}

void listing_clear(Listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        message_clear(&node_key_entry, &listing->entries[i]);
    free(listing->entries);
    free(listing->revision);
    *listing = (Listing){0};
}

static void update_clear(Update *update)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++)
        listing_clear(&update->fresh[i]);
}

static int ask_page(Update *update, NodeSet nodes, NodeAnswers *ret_answers)
{
    const Roster *roster = quorum_roster(update->quorum);
    NodeListInput pages[THRESHOLD_NODES_MAX] = {0};
    const void *inputs[THRESHOLD_NODES_MAX] = {NULL};

    for (unsigned i = 0; i < roster->n; i++) {
        const Listing *fresh = &update->fresh[i];

        inputs[i] = &pages[i];
        if (fresh->count > 0)
            pages[i].after = fresh->entries[fresh->count - 1].key;
        else
            pages[i].known_revision = update->old[i].revision;
    }
    return quorum_ask(update->quorum, nodes, ASK_HELLO, NODE_METHOD("ListKeys"), &node_list_input, inputs, false, &node_list_output,
                      update->deadline, ret_answers);
}

/* NULL if the page continues the listing as it should, else what is wrong with it. */
static const char *page_fault(const Listing *fresh, const NodeListOutput *page)
{
    const NodeKeyEntry *entries = page->keys.items;
    const Bytes *before = fresh->count > 0 ? &fresh->entries[fresh->count - 1].key : NULL;

    if (page->more && page->keys.count == 0)
        return "its list of keys does not end";
    if (fresh->count + page->keys.count > LISTING_KEYS_MAX)
        return "its list of keys is too long";
    for (size_t i = 0; i < page->keys.count; i++) {
        if (key_state_from_name(entries[i].state) == KEY_STATE_INVALID)
            return "it reports a key in an unknown state";
        if (before && memcmp(before->data, entries[i].key.data, KEY_ID_SIZE) >= 0)
            return "its list of keys is not in order";
        before = &entries[i].key;
    }
    return NULL;
}

/* Move the page's entries over. */
static int page_take(Listing *fresh, NodeListOutput *page)
{
    NodeKeyEntry *entries = page->keys.items;

    if (page->keys.count > 0) {
        NodeKeyEntry *larger = array_resize(fresh->entries, fresh->count + page->keys.count, sizeof(*larger));

        if (!larger)
            return -ENOMEM;
        fresh->entries = larger;
        memcpy(fresh->entries + fresh->count, entries, page->keys.count * sizeof(*entries));
        fresh->count += page->keys.count;
        memset(entries, 0, page->keys.count * sizeof(*entries));
    }
    if (!fresh->revision)
        fresh->revision = TAKE_PTR(page->revision);
    return 0;
}

static void refuse(NodeAnswer *answer, const char *fault)
{
    answer->r = -EBADMSG;
    (void)snprintf(answer->words, sizeof(answer->words), "%s", fault);
}

/* One node's page: what is to be asked of it next is in `ret_more`. */
static int take_page(Update *update, unsigned i, NodeAnswer *answer, bool *ret_more)
{
    NodeListOutput *page = answer->output;
    Listing *fresh = &update->fresh[i];
    const char *fault;
    int r;

    *ret_more = false;
    if (page->unchanged && fresh->count == 0 && update->old[i].revision)
        return 0;
    if (fresh->revision && strcmp(fresh->revision, page->revision) != 0) {
        listing_clear(fresh); /* it changed while we read: from the start */
        *ret_more = true;
        return 0;
    }
    fault = page->unchanged ? "it says that an unknown list of keys is unchanged" : page_fault(fresh, page);
    if (fault) {
        refuse(answer, fault);
        return 0;
    }
    r = page_take(fresh, page);
    if (r < 0)
        return r;
    *ret_more = page->more;
    if (!page->more)
        update->changed |= NODE_SET_OF(i + 1);
    return 0;
}

/* Ask each of `nodes` for its next page; `ret_more` are those with a further one. */
static int take_pages(Update *update, NodeSet nodes, NodeSet *ret_more)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    int r = ask_page(update, nodes, &answers);

    *ret_more = 0;
    for (unsigned i = 0; r == 0 && i < THRESHOLD_NODES_MAX; i++) {
        bool more = false;

        if (!(nodes & NODE_SET_OF(i + 1)))
            continue;
        if (answers.of[i].output)
            r = take_page(update, i, &answers.of[i], &more);
        if (more)
            *ret_more |= NODE_SET_OF(i + 1);
        answers.of[i].took += update->answers->of[i].took; /* for all pages */
        node_answer_move(&answers, update->answers, i + 1);
    }
    return r;
}

int listing_update(Quorum *quorum, NodeSet nodes, Listing listings[THRESHOLD_NODES_MAX], NodeSet *ret_changed, NodeAnswers *ret_answers)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    _cleanup_(update_clear) Update update = {.quorum = quorum, .old = listings, .answers = &answers};

    update.deadline = clock_now() + quorum_roster(quorum)->connect_timeout;
    while (nodes != 0) {
        int r = take_pages(&update, nodes, &nodes);

        if (r != 0)
            return r;
    }
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        if (update.changed & NODE_SET_OF(i + 1)) {
            listing_clear(&listings[i]);
            listings[i] = update.fresh[i];
            update.fresh[i] = (Listing){0};
        }
    }
    *ret_changed = update.changed;
    *ret_answers = answers;
    answers = (NodeAnswers){0};
    return 0;
}
