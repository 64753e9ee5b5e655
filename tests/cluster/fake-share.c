/* Commitments and signature shares of the fake nodes: honest, and as their script says. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/crypto.h"
#include "fake-internal.h"
#include "threshold/frost-encoding.h"
#include "wire/service-interface.h"

void fake_connection_clear(FakeConnection *connection)
{
    for (unsigned i = 0; i < FAKE_BATCHES_MAX; i++)
        frost_nonces_free(connection->batches[i].nonces);
}

static const FrostKey *frost_key(void)
{
    return threshold_key_frost(quorum_key_threshold(fake.ed25519_key));
}

/* ---- Commitments ------------------------------------------------------------------------------------------------------------ */

static void spoil(FakeNode *node, FakeConnection *connection, Bytes *list)
{
    uint8_t *first = list->data;

    switch ((FakeShare)node->share) {
    case COMMITMENT_NO_POINT:
        memset(first + 1, 0x02, ED25519_POINT_SIZE);
        return;
    case COMMITMENT_IDENTITY:
        memset(first + 1 + ED25519_POINT_SIZE, 0, ED25519_POINT_SIZE);
        first[1 + ED25519_POINT_SIZE] = 1;
        return;
    case COMMITMENT_OF_ANOTHER:
        first[0] = (uint8_t)(node->index % FAKE_NODES + 1);
        return;
    case COMMITMENT_CUT_OFF:
        list->size--;
        return;
    case COMMITMENT_REPEATED:
        if (connection->repeated[0] != 0)
            memcpy(first, connection->repeated, NODE_COMMITMENT_SIZE);
        memcpy(connection->repeated, first, NODE_COMMITMENT_SIZE);
        return;
    case COMMITMENT_EVERYWHERE: /* the same on every connection */
        if (node->repeated[0] != 0)
            memcpy(first, node->repeated, NODE_COMMITMENT_SIZE);
        memcpy(node->repeated, first, NODE_COMMITMENT_SIZE);
        return;
    default:
        return;
    }
}

/* `room` for as many; fewer if the script says so. */
static Bytes hand_out(FakeNode *node, FakeConnection *connection, uint64_t wanted, uint8_t *room)
{
    FakeBatch *batch = &connection->batches[connection->n_batches++ % FAKE_BATCHES_MAX];
    unsigned count = node->share == COMMITMENTS_FEW ? 1 : (unsigned)wanted;
    Bytes list = {room, count * NODE_COMMITMENT_SIZE};

    batch->nonces = frost_nonces_free(batch->nonces);
    ck_assert_int_eq(frost_nonces_new(frost_key(), node->index, fake.ed25519_shares[node->index - 1], count, &batch->nonces), 0);
    batch->left = UINT64_MAX >> (64 - count);
    for (unsigned i = 0; i < count; i++)
        frost_commitments_write(frost_nonces_commitment(batch->nonces, i), 1, room + i * NODE_COMMITMENT_SIZE);
    spoil(node, connection, &list);
    return list;
}

static int reply_commitments(FakeNode *node, ServerCall *call, const void *parameters)
{
    const NodeGetCommitmentsInput *input = parameters;
    FakeConnection *connection = fake_connection(call);
    uint8_t room[NODE_COMMITMENTS_MAX * NODE_COMMITMENT_SIZE];
    NodeCommitmentsOutput output = {0};

    if (connection) /* it may have been closed meanwhile */
        output.commitments = hand_out(node, connection, input->count, room);
    return server_call_reply(call, &output);
}

int fake_on_get_commitments(ServerCall *call, void *parameters, void *userdata)
{
    FakeNode *node = userdata;
    NodeError error = fake_check_logged_in(node, fake_connection(call));

    if (node->too_old)
        return server_call_error(call, SERVICE_METHOD_NOT_FOUND, &service_method_not_found,
                                 &(ServiceText){.text = (char *)(uintptr_t)NODE_METHOD("GetCommitments")});
    if (error != NODE_ERROR_NONE)
        return fake_refuse(call, error, 0);
    node->commits++;
    if (node->sign_error != NODE_ERROR_NONE)
        return fake_refuse(call, node->sign_error, 0);
    return node->commit_delay_ms > 0 ? fake_answer_later(node, call, reply_commitments, parameters, node->commit_delay_ms)
                                     : reply_commitments(node, call, parameters);
}

/* ---- Shares ------------------------------------------------------------------------------------------------------------------- */

/* The pair with this node's commitment in the list, which is used up. */
static FakeBatch *take_pair(FakeNode *node, FakeConnection *connection, const FrostCommitment *list, unsigned *ret_pair)
{
    unsigned at = 0;

    while (list[at].index != node->index)
        ck_assert_uint_lt(++at, FAKE_THRESHOLD);
    for (unsigned i = 0; i < FAKE_BATCHES_MAX; i++) {
        FakeBatch *batch = &connection->batches[i];

        for (unsigned j = 0; batch->nonces && j < frost_nonces_count(batch->nonces); j++) {
            const FrostCommitment *mine = frost_nonces_commitment(batch->nonces, j);

            if (!(batch->left & UINT64_C(1) << j) || !ed25519_point_equal(&mine->hiding, &list[at].hiding) ||
                !ed25519_point_equal(&mine->binding, &list[at].binding))
                continue;
            batch->left &= ~(UINT64_C(1) << j);
            *ret_pair = j;
            return batch;
        }
    }
    return NULL;
}

static void spoil_partial(FakeNode *node, uint8_t *bytes, Bytes *partial)
{
    switch ((FakeShare)node->share) {
    case SHARE_WRONG_R:
        bytes[node->index] ^= 1;
        return;
    case SHARE_WRONG_Z: /* each by another number: so that they do not make up for each other */
        bytes[ED25519_POINT_SIZE + node->index] ^= 1;
        return;
    case SHARE_Z_TOO_LARGE:
        memset(bytes + ED25519_POINT_SIZE, 0xff, ED25519_SCALAR_SIZE);
        return;
    case SHARE_SHORT:
        partial->size--;
        return;
    case SHARE_LONG:
        partial->size++;
        return;
    default:
        return;
    }
}

static int sign(FakeNode *node, FakeBatch *batch, unsigned pair, const FrostCommitment *list, const NodeSignShareInput *input,
                FrostPartial *ret_partial)
{
    const bool other_message = node->share == SHARE_OTHER_MESSAGE;
    const FrostRequest request = {
        .key = frost_key(),
        .commitments = list,
        .message = other_message ? (const void *)"another" : input->message.data,
        .message_size = other_message ? strlen("another") : input->message.size,
    };
    unsigned share = node->share == SHARE_OTHER_NODE ? node->index % FAKE_NODES + 1 : node->index;

    return frost_sign(batch->nonces, pair, &request, node->index, fake.ed25519_shares[share - 1], ret_partial);
}

static int reply_share(FakeNode *node, ServerCall *call, const void *parameters)
{
    const NodeSignShareInput *input = parameters;
    FakeConnection *connection = fake_connection(call);
    FrostCommitment list[FAKE_THRESHOLD];
    uint8_t bytes[FROST_PARTIAL_SIZE + 1] = {0}, room[NODE_COMMITMENTS_MAX * NODE_COMMITMENT_SIZE];
    NodeSignShareOutput output = {.partial = {bytes, FROST_PARTIAL_SIZE}};
    FrostPartial partial;
    FakeBatch *batch;
    unsigned count, pair = 0;

    if (!connection) /* it was closed meanwhile */
        return server_call_reply(call, &output);
    ck_assert_int_eq(frost_commitments_read(&input->commitments, FAKE_THRESHOLD, list, &count), 0);
    ck_assert_uint_eq(count, FAKE_THRESHOLD);
    batch = take_pair(node, connection, list, &pair);
    if (node->forgets > 0) {
        node->forgets--;
        batch = NULL;
    }
    if (!batch)
        return fake_refuse(call, NODE_ERROR_UNKNOWN_COMMITMENT, 0);
    if (sign(node, batch, pair, list, input, &partial) != 0)
        return fake_refuse(call, NODE_ERROR_REJECTED, 0);
    frost_partial_write(&partial, bytes);
    spoil_partial(node, bytes, &output.partial);
    if (input->more > 0 && node->share != COMMITMENTS_FEW)
        output.commitments = hand_out(node, connection, input->more, room);
    return server_call_reply(call, &output);
}

int fake_on_sign_share(ServerCall *call, void *parameters, void *userdata)
{
    FakeNode *node = userdata;
    NodeError error = fake_check_logged_in(node, fake_connection(call));

    if (error != NODE_ERROR_NONE)
        return fake_refuse(call, error, 0);
    node->signs++;
    if (node->hang_up)
        return -EPIPE;
    if (node->sign_error != NODE_ERROR_NONE)
        return fake_refuse(call, node->sign_error, 0);
    return node->delay_ms > 0 ? fake_answer_later(node, call, reply_share, parameters, node->delay_ms)
                              : reply_share(node, call, parameters);
}
