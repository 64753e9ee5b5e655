#include "quorum/commitments.h"

#include <errno.h>
#include <string.h>

#include "quorum/state.h"

/* Of one key: a ring. */
typedef struct Stock {
    KeyId key;
    uint64_t used; /* the turn in which it was used last; 0: the place is free */
    unsigned first, count;
    FrostCommitment of[COMMITMENTS_MAX];
} Stock;

struct Commitments {
    uint64_t turn;
    Stock stocks[COMMITMENTS_KEYS_MAX];
};

static Stock *find(const Connection *connection, const KeyId *key)
{
    for (unsigned i = 0; connection->commitments && i < COMMITMENTS_KEYS_MAX; i++) {
        Stock *stock = &connection->commitments->stocks[i];

        if (stock->used > 0 && key_id_equal(&stock->key, key))
            return stock;
    }
    return NULL;
}

/* The stock of the key, empty if there was none, in the place of the one not used for longest. NULL: out of memory. */
static Stock *find_or_make(Connection *connection, const KeyId *key)
{
    Stock *stock = find(connection, key);

    if (stock)
        return stock;
    if (!connection->commitments)
        connection->commitments = calloc(1, sizeof(*connection->commitments));
    if (!connection->commitments)
        return NULL;
    stock = &connection->commitments->stocks[0];
    for (unsigned i = 1; i < COMMITMENTS_KEYS_MAX; i++)
        if (connection->commitments->stocks[i].used < stock->used)
            stock = &connection->commitments->stocks[i];
    *stock = (Stock){.key = *key};
    return stock;
}

/* ---- What a node has handed out ------------------------------------------------------------------------------------------- */

static uint64_t fingerprint(const FrostCommitment *commitment)
{
    uint64_t hiding, binding;

    memcpy(&hiding, commitment->hiding.bytes, sizeof(hiding));
    memcpy(&binding, commitment->binding.bytes, sizeof(binding));
    return hiding ^ (binding << 1 | binding >> 63);
}

static bool is_new(CommitmentsSeen *seen, uint64_t mark)
{
    uint64_t *ways = seen->of[mark % COMMITMENTS_SEEN_SETS];
    uint8_t *oldest = &seen->oldest[mark % COMMITMENTS_SEEN_SETS];

    for (unsigned i = 0; i < COMMITMENTS_SEEN_WAYS; i++)
        if (ways[i] == mark)
            return false;
    ways[*oldest] = mark;
    *oldest = (uint8_t)((*oldest + 1) % COMMITMENTS_SEEN_WAYS);
    return true;
}

static bool all_new(Quorum *quorum, unsigned index, const FrostCommitment *commitments, unsigned count)
{
    bool new = true;

    (void)pthread_mutex_lock(&quorum->lock);
    for (unsigned i = 0; i < count; i++)
        new = is_new(&quorum->peers[index - 1].seen, fingerprint(&commitments[i])) && new;
    (void)pthread_mutex_unlock(&quorum->lock);
    return new;
}

/* ---- The stock --------------------------------------------------------------------------------------------------------------- */

int commitments_add(Quorum *quorum, Connection *connection, const KeyId *key, const Bytes *bytes)
{
    FrostCommitment commitments[NODE_COMMITMENTS_MAX];
    unsigned count;

    if (frost_commitments_read(bytes, ELEMENTS(commitments), commitments, &count) < 0)
        return COMMITMENTS_E_FOREIGN;
    for (unsigned i = 0; i < count; i++)
        if (commitments[i].index != connection->index)
            return COMMITMENTS_E_FOREIGN;
    if (!all_new(quorum, connection->index, commitments, count))
        return COMMITMENTS_E_REPEATED;

    Stock *stock = find_or_make(connection, key);

    if (!stock)
        return -ENOMEM;
    stock->used = ++connection->commitments->turn;
    for (unsigned i = 0; i < count && stock->count < COMMITMENTS_MAX; i++)
        stock->of[(stock->first + stock->count++) % COMMITMENTS_MAX] = commitments[i];
    return 0;
}

unsigned commitments_count(const Connection *connection, const KeyId *key)
{
    const Stock *stock = find(connection, key);

    return stock ? stock->count : 0;
}

bool commitments_take(Connection *connection, const KeyId *key, FrostCommitment *ret_commitment)
{
    Stock *stock = find(connection, key);

    if (!stock || stock->count == 0)
        return false;
    stock->used = ++connection->commitments->turn;
    *ret_commitment = stock->of[stock->first];
    stock->first = (stock->first + 1) % COMMITMENTS_MAX;
    stock->count--;
    return true;
}

void commitments_forget(Connection *connection, const KeyId *key)
{
    Stock *stock = find(connection, key);

    if (stock)
        *stock = (Stock){0};
}

Commitments *commitments_free(Commitments *commitments)
{
    free(commitments);
    return NULL;
}
