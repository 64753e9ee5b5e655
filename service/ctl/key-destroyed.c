#include "ctl/key-destroyed.h"

#include <errno.h>
#include <string.h>

#include "ctl/document.h"
#include "ctl/session.h"
#include "quorum/listing.h"
#include "quorum/state.h"

typedef struct Tombstone {
    KeyId id;
    unsigned nodes;
} Tombstone;

typedef struct Tombstones {
    Listing listings[THRESHOLD_NODES_MAX];
    Tombstone *all; /* by id */
    size_t n;
    unsigned n_nodes;
} Tombstones;

static void tombstones_clear(Tombstones *tombstones)
{
    for (size_t i = 0; i < THRESHOLD_NODES_MAX; i++)
        listing_clear(&tombstones->listings[i]);
    free(tombstones->all);
}

static bool is_destroyed(const NodeKeyEntry *entry)
{
    return key_state_from_name(entry->state) == KEY_DESTROYED && entry->key.size == KEY_ID_SIZE;
}

static int compare(const void *a, const void *b)
{
    return memcmp(((const Tombstone *)a)->id.bytes, ((const Tombstone *)b)->id.bytes, KEY_ID_SIZE);
}

/* One entry per key instead of one per node. */
static void merge(Tombstones *tombstones)
{
    size_t n = 0;

    if (tombstones->n > 0)
        qsort(tombstones->all, tombstones->n, sizeof(Tombstone), compare);
    for (size_t i = 0; i < tombstones->n; i++) {
        if (n > 0 && key_id_equal(&tombstones->all[n - 1].id, &tombstones->all[i].id))
            tombstones->all[n - 1].nodes++;
        else
            tombstones->all[n++] = tombstones->all[i];
    }
    tombstones->n = n;
}

static int collect(Tombstones *tombstones, Problem *problem)
{
    size_t room = 1;

    for (size_t i = 0; i < THRESHOLD_NODES_MAX; i++)
        room += tombstones->listings[i].count;
    tombstones->all = calloc(room, sizeof(Tombstone));
    if (!tombstones->all)
        return problem_set(problem, -ENOMEM, "out of memory");
    for (size_t i = 0; i < THRESHOLD_NODES_MAX; i++)
        for (size_t j = 0; j < tombstones->listings[i].count; j++) {
            const NodeKeyEntry *entry = &tombstones->listings[i].entries[j];

            if (!is_destroyed(entry))
                continue;
            memcpy(tombstones->all[tombstones->n].id.bytes, entry->key.data, KEY_ID_SIZE);
            tombstones->all[tombstones->n++].nodes = 1;
        }
    merge(tombstones);
    return 0;
}

static void print_text(const Tombstones *tombstones)
{
    if (tombstones->n == 0)
        fprintf(stderr, "No key was destroyed.\n");
    else
        printf("%-*s  %s\n", 2 * KEY_ID_SIZE, "KEY", "NODES");
    for (size_t i = 0; i < tombstones->n; i++) {
        char id[2 * KEY_ID_SIZE + 1];

        key_id_format(&tombstones->all[i].id, id);
        printf("%s  %u of %u\n", id, tombstones->all[i].nodes, tombstones->n_nodes);
    }
}

static void print_document(const Tombstones *tombstones)
{
    Document *list = document_list();

    for (size_t i = 0; i < tombstones->n; i++) {
        Document *tombstone = document_new();

        document_hex(tombstone, "id", tombstones->all[i].id.bytes, KEY_ID_SIZE);
        document_number(tombstone, "nodes", tombstones->all[i].nodes);
        document_append(list, tombstone);
    }
    document_print(list);
}

static int ask(Quorum *quorum, Tombstones *tombstones, bool *ret_all, Problem *problem)
{
    _cleanup_node_answers_ NodeAnswers answers = {0};
    NodeSet changed = 0, nodes = node_set_all(quorum->roster->n);
    int r = listing_update(quorum, nodes, tombstones->listings, &changed, &answers);

    if (r < 0)
        return problem_set(problem, r, "the nodes cannot be asked: %s", strerror(-r));
    if (!node_answers_good(&answers)) {
        node_answers_describe(quorum, &answers, problem);
        return QUORUM_E_TOO_FEW_NODES;
    }
    tombstones->n_nodes = quorum->roster->n;
    *ret_all = node_answers_good(&answers) == nodes;
    if (!*ret_all) {
        Problem silent = PROBLEM_INIT;

        node_answers_describe(quorum, &answers, &silent);
        fprintf(stderr, "Not every node has told: %s\n", silent.text);
    }
    return collect(tombstones, problem);
}

int key_destroyed_list(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    _cleanup_(tombstones_clear) Tombstones tombstones = {0};
    bool all = false;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = ask(quorum, &tombstones, &all, problem);
    if (r != 0)
        return r;
    if (call->options[OPTION_JSON])
        print_document(&tombstones);
    else
        print_text(&tombstones);
    return all ? 0 : CTL_E_ATTENTION;
}
