#include "node/nonces.h"

#include <errno.h>
#include <stdlib.h>

#include "node/node.h"

struct NonceBatch {
    unsigned references; /* of the stock, and of each pair that was taken out */
    Node *node;
    Key *key;
    FrostNonces *pairs;
    uint64_t left;   /* bit i: pair i is in the stock */
    uint64_t number; /* the younger, the greater */
    NonceBatch *next;
};

_Static_assert(NONCES_PAIRS_MAX <= 64, "there is a bit for each pair");

static void batch_unref(NonceBatch *batch)
{
    if (--batch->references > 0)
        return;
    batch->node->nonce_batches--;
    frost_nonces_freep(&batch->pairs);
    key_unrefp(&batch->key);
    free(batch);
}

/* The batch at `link` leaves the stock. Its page may have to stay for a pair that is just being used, so the others are wiped now. */
static void drop(NonceStock *stock, NonceBatch **link, NonceBatch *previous)
{
    NonceBatch *batch = *link;

    *link = batch->next;
    if (stock->newest == batch)
        stock->newest = previous;
    stock->n--;
    for (unsigned i = 0; i < frost_nonces_count(batch->pairs); i++)
        if (batch->left >> i & 1)
            frost_nonces_give_up(batch->pairs, i);
    batch_unref(batch);
}

static void drop_oldest(NonceStock *stock)
{
    drop(stock, &stock->oldest, NULL);
}

/* ---- Putting in ---------------------------------------------------------------------------------------------------------------- */

/* The stock with the oldest batch of all; NULL: there is none. */
static NonceStock *oldest_stock(const Node *node)
{
    NonceStock *found = NULL;

    for (Client *client = node->callers; client; client = client->next) {
        NonceStock *stock = &client->nonces;

        if (stock->n > 0 && (!found || stock->oldest->number < found->oldest->number))
            found = stock;
    }
    return found;
}

/* Room for one more; a batch with pairs in use keeps its page when it is dropped. */
static int make_room(const Node *node, NonceStock *stock)
{
    if (stock->n == NONCES_CONNECTION_MAX)
        drop_oldest(stock);
    while (node->nonce_batches >= NONCES_MAX) {
        NonceStock *from = stock->n > 0 ? stock : oldest_stock(node);

        if (!from)
            return -ENOSPC;
        drop_oldest(from);
    }
    return 0;
}

int nonces_put(Node *node, Client *client, Key *key, FrostNonces **pairs)
{
    _cleanup_frost_nonces_ FrostNonces *taken = TAKE_PTR(*pairs);
    NonceStock *stock = &client->nonces;
    int r = make_room(node, stock);

    if (r < 0)
        return r;

    NonceBatch *batch = malloc(sizeof(*batch));

    if (!batch)
        return -ENOMEM;
    *batch = (NonceBatch){.references = 1,
                          .node = node,
                          .key = key_ref(key),
                          .left = UINT64_MAX >> (64 - frost_nonces_count(taken)),
                          .number = node->nonce_number++};
    batch->pairs = TAKE_PTR(taken);
    *(stock->newest ? &stock->newest->next : &stock->oldest) = batch;
    stock->newest = batch;
    stock->n++;
    node->nonce_batches++;
    return 0;
}

/* ---- Taking out ---------------------------------------------------------------------------------------------------------------- */

static bool find(const NonceBatch *batch, const FrostCommitment *commitment, unsigned *ret_number)
{
    for (unsigned i = 0; i < frost_nonces_count(batch->pairs); i++) {
        const FrostCommitment *mine = frost_nonces_commitment(batch->pairs, i);

        if (batch->left >> i & 1 && mine->index == commitment->index && ed25519_point_equal(&mine->hiding, &commitment->hiding) &&
            ed25519_point_equal(&mine->binding, &commitment->binding)) {
            *ret_number = i;
            return true;
        }
    }
    return false;
}

bool nonces_take(Client *client, const FrostCommitment *commitment, NoncePair *ret_pair)
{
    NonceStock *stock = &client->nonces;
    NonceBatch *previous = NULL;

    for (NonceBatch **link = &stock->oldest; *link; previous = *link, link = &previous->next) {
        NonceBatch *batch = *link;
        unsigned number;

        if (!find(batch, commitment, &number))
            continue;
        batch->references++;
        batch->left &= ~(UINT64_C(1) << number);
        if (batch->left == 0)
            drop(stock, link, previous);
        *ret_pair = (NoncePair){batch, number};
        return true;
    }
    return false;
}

FrostNonces *nonce_pair_of(const NoncePair *pair)
{
    return pair->batch->pairs;
}

const Key *nonce_pair_key(const NoncePair *pair)
{
    return pair->batch->key;
}

void nonce_pair_clear(NoncePair *pair)
{
    NonceBatch *batch = TAKE_PTR(pair->batch);

    if (!batch)
        return;
    frost_nonces_give_up(batch->pairs, pair->number);
    batch_unref(batch);
}

NoncePair nonce_pair_move(NoncePair *pair)
{
    return (NoncePair){TAKE_PTR(pair->batch), pair->number};
}

/* ---- Forgetting ---------------------------------------------------------------------------------------------------------------- */

void nonces_forget_client(Client *client)
{
    while (client->nonces.n > 0)
        drop_oldest(&client->nonces);
}

static void forget_key(NonceStock *stock, const Key *key)
{
    NonceBatch *previous = NULL;

    for (NonceBatch **link = &stock->oldest; *link;)
        if ((*link)->key == key)
            drop(stock, link, previous);
        else {
            previous = *link;
            link = &previous->next;
        }
}

void nonces_forget_key(Node *node, const Key *key)
{
    for (Client *client = node->callers; client; client = client->next)
        forget_key(&client->nonces, key);
}
