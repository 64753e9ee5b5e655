/* Runs of the models: as many steps as real ones have, with nothing in them. What real nodes say is tested in test-run.c. */
#include "model-internal.h"

#include "quorum/records.h"

#include <string.h>

#define MESSAGE "said"

static uint8_t name_memory[NODE_RUN_SIZE], header_memory[NODE_HEADER_SIZE_MAX];
static NodeRunMessage message_memory;

static List say(void)
{
    message_memory = (NodeRunMessage){.message = {(uint8_t *)(uintptr_t)MESSAGE, strlen(MESSAGE)}};
    return (List){&message_memory, 1};
}

ModelReply model_begin_run(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const NodeBeginRunInput *begin = input;

    ck_assert_str_eq(begin->kind, "generate");
    ck_assert_uint_eq(node->run_step, 0);
    node->run_step = 1;
    name_memory[0] = (uint8_t)index;
    output->begun = (NodeBeginRunOutput){.run = {name_memory, sizeof(name_memory)}, .messages = say()};
    return (ModelReply){0};
}

/* One message of each other node. */
static void check_messages(const NodeContinueRunInput *input, unsigned index)
{
    const NodeRunMessage *messages = input->messages.items;
    NodeSet from = 0;

    for (size_t i = 0; i < input->messages.count; i++) {
        ck_assert_uint_eq(from & NODE_SET_OF(messages[i].index), 0);
        from |= NODE_SET_OF(messages[i].index);
    }
    ck_assert_uint_eq(from, node_set_all(model.quorum.roster->n) & ~NODE_SET_OF(index));
}

static ModelReply store(ModelNode *node)
{
    KeyId id;
    ModelKey *key;
    const NodeRecord record = {.version = 1, .private_label = (char *)"made", .public_label = (char *)"made"};

    ck_assert_int_eq(header_key_id(model.run_header, &id), 0);
    key = model_key_insert(node, &id);
    ck_assert_int_eq(bytes_copy(model.run_header->data, model.run_header->size, &key->common), 0);
    ck_assert_int_eq(key_record_of(&record, &key->record), 0);
    return model_changed(node);
}

static Bytes show_header(const ModelNode *node)
{
    const size_t size = model.run_header->size;

    memcpy(header_memory, model.run_header->data, size);
    header_memory[size - 1] ^= node->other_header;
    return (Bytes){header_memory, size};
}

ModelReply model_continue_run(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    const unsigned step = node->run_step, over_at = node->over_at ? node->over_at : MODEL_RUN_STEPS;
    const NodeContinueRunInput *next = input;

    if (step == 0)
        return model_fails(NODE_ERROR_UNKNOWN_RUN);
    ck_assert_uint_eq(next->run.data[0], index);
    check_messages(next, index);
    node->run_step = step < over_at ? step + 1 : 0;
    if (step < over_at)
        output->continued.messages = say();
    else
        output->continued.header = show_header(node);
    return step == MODEL_RUN_STEPS && step == over_at ? store(node) : (ModelReply){0};
}

ModelReply model_end_run(ModelNode *node, unsigned index, const void *input, ModelOutput *output)
{
    node->run_step = 0;
    return (ModelReply){0};
}
