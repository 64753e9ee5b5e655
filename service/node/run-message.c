#include <errno.h>
#include <string.h>

#include "node/identity.h"
#include "node/run-kind.h"

/* Labels are followed by fields of fixed width, or with their length in front: nothing can be read in two ways. */
#define LABEL_ROSTER  "keyquorum roster v1"
#define LABEL_SUBJECT "keyquorum run subject v1"
#define LABEL_SESSION "keyquorum session v1"
#define LABEL_MESSAGE "keyquorum run v1"

#define LITERAL(text)                                                                                                                      \
    {                                                                                                                                      \
        (uint8_t *)(uintptr_t)(text), sizeof(text) - 1                                                                                     \
    }
#define FIELD(array)                                                                                                                       \
    {                                                                                                                                      \
        (uint8_t *)(uintptr_t)(array), sizeof(array)                                                                                       \
    }

int run_hash_roster(const RunSubject *subject, uint8_t ret_hash[SHA256_SIZE])
{
    const uint8_t size[] = {(uint8_t)subject->n, (uint8_t)subject->k};
    Bytes parts[3 + NODE_INDEX_MAX] = {LITERAL(LABEL_ROSTER), FIELD(subject->token), FIELD(size)};

    for (unsigned i = 0; i < subject->n; i++)
        parts[3 + i] = (Bytes)FIELD(subject->parties[i].identity_key);
    return crypto_sha256(parts, 3 + subject->n, ret_hash);
}

static void write_string(Writer *writer, const void *data, size_t size)
{
    write_u16(writer, (uint16_t)size);
    write_bytes(writer, data, size);
}

int run_hash_subject(const RunSubject *subject, uint8_t ret_hash[SHA256_SIZE])
{
    const NodeRecord *record = subject->record;
    uint8_t text[128 + 4 * (2 + NODE_LABEL_SIZE_MAX)];
    Writer writer = writer_of(text, sizeof(text));
    KeyId key = {{0}};
    size_t size;

    if (subject->common && header_key_id(subject->common, &key) < 0)
        return -EIO;
    write_bytes(&writer, LABEL_SUBJECT, strlen(LABEL_SUBJECT));
    write_u8(&writer, subject->kind->number);
    write_u32(&writer, subject->nodes);
    write_u8(&writer, (uint8_t)subject->lost);
    write_bytes(&writer, key.bytes, sizeof(key.bytes));
    write_u64(&writer, record->version);
    write_string(&writer, record->private_label, strlen(record->private_label));
    write_string(&writer, record->public_label, strlen(record->public_label));
    write_string(&writer, record->private_id.data, record->private_id.size);
    write_string(&writer, record->public_id.data, record->public_id.size);
    write_u8(&writer, record->public_hidden);
    write_u64(&writer, record->created);
    write_u64(&writer, record->not_after);

    int r = writer_finish(&writer, &size);

    return r < 0 ? r : crypto_sha256(&(Bytes){text, size}, 1, ret_hash);
}

int run_hash_session(const Run *run, const uint8_t *digests, uint8_t ret_hash[SHA256_SIZE])
{
    const uint8_t kind[] = {run->subject.kind->number};
    const Bytes parts[] = {
        LITERAL(LABEL_SESSION),
        FIELD(kind),
        FIELD(run->roster_hash),
        {(uint8_t *)(uintptr_t)digests, run->subject.n * SHA256_SIZE},
    };

    return crypto_sha256(parts, ELEMENTS(parts), ret_hash);
}

/* ---- Signatures ------------------------------------------------------------------------------------------------------------- */

#define STATEMENT_SIZE (sizeof(LABEL_MESSAGE) - 1 + 1 + SHA256_SIZE + 3 + 2 * SHA256_SIZE)

static int make_statement(const Run *run, const uint8_t session[SHA256_SIZE], unsigned from, unsigned to, const Bytes *body,
                          uint8_t ret_statement[STATEMENT_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    Writer writer = writer_of(ret_statement, STATEMENT_SIZE);
    int r = crypto_sha256(body, 1, digest);

    write_bytes(&writer, LABEL_MESSAGE, strlen(LABEL_MESSAGE));
    write_u8(&writer, run->subject.kind->number);
    write_bytes(&writer, session, SHA256_SIZE);
    write_u8(&writer, (uint8_t)run->round);
    write_u8(&writer, (uint8_t)from);
    write_u8(&writer, (uint8_t)to);
    write_bytes(&writer, run->roster_hash, sizeof(run->roster_hash));
    write_bytes(&writer, digest, sizeof(digest));
    return r < 0 ? r : writer_finish(&writer, NULL);
}

int run_message_sign(const Run *run, unsigned to, const Bytes *body, Bytes *ret_message, Problem *problem)
{
    _cleanup_bytes_ Bytes message = {0};
    uint8_t statement[STATEMENT_SIZE];
    int r = make_statement(run, run->session, run->subject.index, to, body, statement);

    if (r == 0)
        r = bytes_new(body->size + RUN_SIGNATURE_SIZE, &message);
    if (r < 0)
        return problem_set(problem, r, "a message of the run cannot be made: %s", strerror(-r));
    memcpy(message.data, body->data, body->size);
    r = run->subject.sign(run->subject.userdata, &(Bytes)FIELD(statement), message.data + body->size, problem);
    if (r == 0)
        *ret_message = bytes_take(&message);
    return r;
}

/* Messages of rounds in which each gets its own name their recipient. */
static unsigned recipient(const Run *run)
{
    return run->round > 0 && run->subject.kind->rounds[run->round - 1].tell ? run->subject.index : 0;
}

int run_message_open(const Run *run, unsigned from, const uint8_t session[SHA256_SIZE], const Bytes *message, Bytes *ret_body)
{
    uint8_t statement[STATEMENT_SIZE];

    if (message->size <= RUN_SIGNATURE_SIZE)
        return -EBADMSG;

    const Bytes body = {message->data, message->size - RUN_SIGNATURE_SIZE};
    int r = make_statement(run, session, from, recipient(run), &body, statement);

    if (r == 0)
        r = identity_verify(run->subject.parties[from - 1].identity_key, &(Bytes)FIELD(statement), body.data + body.size);
    if (r == 0)
        *ret_body = body;
    return r;
}
