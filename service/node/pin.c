#include "node/pin.h"

#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"

#define LOGIN_LABEL        "keyquorum login v1"
#define LOGIN_MESSAGE_SIZE (sizeof(LOGIN_LABEL) - 1 + NODE_TOKEN_SIZE + 1 + 8 + NODE_NONCE_SIZE)

bool pin_answer_is_right(const StoredToken *token, uint64_t pin_version, const Bytes *verifier, const uint8_t nonce[NODE_NONCE_SIZE],
                         const Bytes *answer)
{
    _cleanup_pkey_ EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(crypto_context(), "ED25519", NULL, verifier->data, verifier->size);
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t message[LOGIN_MESSAGE_SIZE];
    Writer writer = writer_of(message, sizeof(message));

    write_bytes(&writer, LOGIN_LABEL, sizeof(LOGIN_LABEL) - 1);
    write_bytes(&writer, token->token.data, token->token.size);
    write_u8(&writer, (uint8_t)token->index);
    write_u64(&writer, pin_version);
    write_bytes(&writer, nonce, NODE_NONCE_SIZE);
    return key && ctx && writer_finish(&writer, NULL) == 0 && writer.left == 0 &&
           EVP_DigestVerifyInit_ex(ctx, NULL, NULL, crypto_context(), NULL, key, NULL) == 1 &&
           EVP_DigestVerify(ctx, answer->data, answer->size, message, sizeof(message)) == 1;
}

void pin_failures_clear(PinFailures *failures)
{
    free(failures->items);
    *failures = (PinFailures){0};
}

uint64_t pin_failures_of(const PinFailures *failures, const char *client)
{
    for (size_t i = 0; i < failures->n; i++)
        if (strcmp(failures->items[i].client, client) == 0)
            return failures->items[i].count;
    return 0;
}

bool pin_locked(const PinFailures *failures, const char *client)
{
    return pin_failures_of(failures, client) >= PIN_FAILURES_MAX;
}

uint64_t *pin_failures_entry(PinFailures *failures, const char *client)
{
    for (size_t i = 0; i < failures->n; i++)
        if (strcmp(failures->items[i].client, client) == 0)
            return &failures->items[i].count;

    PinFailure *more = reallocarray(failures->items, failures->n + 1, sizeof(*more));

    if (!more)
        return NULL;
    failures->items = more;
    more[failures->n] = (PinFailure){0};
    (void)snprintf(more[failures->n].client, sizeof(more[failures->n].client), "%s", client);
    return &more[failures->n++].count;
}
