/* What the models' methods have in common: model-quorum.c calls them. */
#pragma once

#include "model-quorum.h"

typedef struct ModelReply {
    NodeError error;
    uint64_t number;
    bool silent; /* the change was made, and the node is gone */
} ModelReply;

/* What a handler fills; it borrows from the model. */
typedef union ModelOutput {
    NodeStatusOutput status;
    NodeListOutput list;
    NodeGetKeyOutput key;
    NodePartialSignOutput partial;
    NodeBeginRunOutput begun;
    NodeContinueRunOutput continued;
} ModelOutput;

typedef ModelReply (*ModelHandler)(ModelNode *node, unsigned index, const void *input, ModelOutput *output);

ModelReply model_fails(NodeError error);
/* A durable change is made. */
ModelReply model_changed(ModelNode *node);

/* model-run.c */
ModelReply model_begin_run(ModelNode *node, unsigned index, const void *input, ModelOutput *output);
ModelReply model_continue_run(ModelNode *node, unsigned index, const void *input, ModelOutput *output);
ModelReply model_end_run(ModelNode *node, unsigned index, const void *input, ModelOutput *output);
