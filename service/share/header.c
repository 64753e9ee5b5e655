#include "share/header.h"

#include <errno.h>
#include <string.h>

#include "base/crypto.h"

#define HEADER_MAGIC      "KQheader"
#define HEADER_MAGIC_SIZE 8
#define HEADER_FORMAT     1
#define HEADER_FIXED_SIZE (HEADER_MAGIC_SIZE + 1 + 1 + 4 + 1 + 1 + 1 + 4 + 4 + 4)

static const char KEY_ID_LABEL[] = "keyquorum key id v1";

static const struct {
    CustodyKind kind;
    const char *name;
} custodies[] = {{CUSTODY_KERNEL, "kernel"}, {CUSTODY_KEYRING, "keyring"}};

const char *custody_name(CustodyKind kind)
{
    for (size_t i = 0; i < ELEMENTS(custodies); i++)
        if (custodies[i].kind == kind)
            return custodies[i].name;
    return NULL;
}

CustodyKind custody_from_name(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(custodies); i++)
        if (name && strcmp(custodies[i].name, name) == 0)
            return custodies[i].kind;
    return CUSTODY_INVALID;
}

bool custody_can_hold(CustodyKind kind, const Scheme *scheme)
{
    return kind == CUSTODY_KEYRING || threshold_scheme_has_dealer(scheme);
}

void header_clear(Header *header)
{
    bytes_clear(&header->public_key);
    bytes_clear(&header->verification);
    *header = (Header){0};
}

bool header_has_generations(const Header *header)
{
    return !threshold_scheme_has_dealer(threshold_scheme_by_algorithm(header->parameters.algorithm));
}

bool header_same_key(const Header *a, const Header *b)
{
    return header_has_generations(a) && a->parameters.algorithm == b->parameters.algorithm && bytes_equal(&a->public_key, &b->public_key);
}

static void write_block(Writer *writer, const Bytes *block)
{
    write_u32(writer, (uint32_t)block->size);
    write_bytes(writer, block->data, block->size);
}

int header_encode(const Header *header, Bytes *ret_common)
{
    const ThresholdParameters *parameters = &header->parameters;
    _cleanup_bytes_ Bytes common = {0};

    if (header->public_key.size > HEADER_SIZE_MAX || header->verification.size > HEADER_SIZE_MAX)
        return -EMSGSIZE;

    size_t size = HEADER_FIXED_SIZE + header->public_key.size + header->verification.size;

    if (size > HEADER_SIZE_MAX || parameters->n > UINT8_MAX || parameters->k > UINT8_MAX)
        return -EMSGSIZE;

    int r = bytes_new(size, &common);

    if (r < 0)
        return r;

    Writer writer = writer_of(common.data, common.size);

    write_bytes(&writer, HEADER_MAGIC, HEADER_MAGIC_SIZE);
    write_u8(&writer, HEADER_FORMAT);
    write_u8(&writer, parameters->algorithm);
    write_u32(&writer, parameters->bits);
    write_u8(&writer, (uint8_t)parameters->n);
    write_u8(&writer, (uint8_t)parameters->k);
    write_u8(&writer, (uint8_t)header->custody);
    write_u32(&writer, header->generation);
    write_block(&writer, &header->public_key);
    write_block(&writer, &header->verification);
    r = writer_finish(&writer, NULL);
    if (r == 0)
        *ret_common = bytes_take(&common);
    return r;
}

static int read_magic(Reader *reader, Problem *problem)
{
    const uint8_t *magic = read_bytes(reader, HEADER_MAGIC_SIZE);
    uint8_t format = read_u8(reader);

    if (!magic || memcmp(magic, HEADER_MAGIC, HEADER_MAGIC_SIZE) != 0)
        return problem_set(problem, -EBADMSG, "this is not the header of a share: it does not start with " HEADER_MAGIC);
    if (!reader->failed && format != HEADER_FORMAT)
        return problem_set(problem, -EPROTONOSUPPORT, "the header has format %u; this version reads format %u", format, HEADER_FORMAT);
    return 0;
}

/* Dealt shares cannot be refreshed, so they have no later generation; others cannot be used in the kernel (docs/protocol.md, "Header"). */
static int check_kind(const Header *header, Problem *problem)
{
    const Scheme *scheme = threshold_scheme_by_algorithm(header->parameters.algorithm);

    if (threshold_scheme_has_dealer(scheme) && header->generation != 0)
        return problem_set(problem, -EBADMSG, "the header is of generation %u; %s keys have only generation 0", header->generation,
                           threshold_scheme_name(scheme));
    if (!custody_can_hold(header->custody, scheme))
        return problem_set(problem, -EBADMSG, "the header asks for custody %s, which no %s key can have", custody_name(header->custody),
                           threshold_scheme_name(scheme));
    return 0;
}

static int read_parameters(Reader *reader, Header *header, Problem *problem)
{
    ThresholdParameters *parameters = &header->parameters;

    parameters->algorithm = read_u8(reader);
    parameters->bits = read_u32(reader);
    parameters->n = read_u8(reader);
    parameters->k = read_u8(reader);

    uint8_t custody = read_u8(reader);

    header->generation = read_u32(reader);
    if (reader->failed)
        return problem_set(problem, -EBADMSG, "the header ends too early");
    if (threshold_parameters_check(parameters, problem) != 0)
        return problem_prefix(problem, -EBADMSG, "the header");
    if (!custody_name((CustodyKind)custody))
        return problem_set(problem, -EBADMSG, "the header names the unknown custody %u", custody);
    header->custody = (CustodyKind)custody;
    return check_kind(header, problem);
}

static int read_block(Reader *reader, const char *what, Bytes *ret_block, Problem *problem)
{
    uint32_t size = read_u32(reader);
    const uint8_t *data = read_bytes(reader, size);

    if (!data)
        return problem_set(problem, -EBADMSG, "the header ends before its %s", what);
    if (size == 0)
        return problem_set(problem, -EBADMSG, "the header's %s is empty", what);
    return bytes_copy(data, size, ret_block);
}

int header_decode(const Bytes *common, Header *ret_header, Problem *problem)
{
    _cleanup_header_ Header header = {0};
    Reader reader = reader_of(common->data, common->size);

    if (common->size > HEADER_SIZE_MAX)
        return problem_set(problem, -EBADMSG, "the header has %zu bytes; at most %d are allowed", common->size, HEADER_SIZE_MAX);

    int r = read_magic(&reader, problem);

    if (r == 0)
        r = read_parameters(&reader, &header, problem);
    if (r == 0)
        r = read_block(&reader, "public key", &header.public_key, problem);
    if (r == 0)
        r = read_block(&reader, "verification values", &header.verification, problem);
    if (r < 0)
        return r;
    if (reader_finish(&reader) < 0)
        return problem_set(problem, -EBADMSG, "the header has %zu bytes too many", reader.left);
    *ret_header = header;
    header = (Header){0};
    return 0;
}

const Scheme *header_scheme(const Bytes *common)
{
    Reader reader = reader_of(common->data, common->size);

    return read_magic(&reader, NULL) == 0 ? threshold_scheme_by_algorithm(read_u8(&reader)) : NULL;
}

int header_key_id(const Bytes *common, KeyId *ret_id)
{
    const Bytes parts[] = {{(uint8_t *)KEY_ID_LABEL, sizeof(KEY_ID_LABEL) - 1}, *common};

    return crypto_sha256(parts, ELEMENTS(parts), ret_id->bytes);
}

bool key_id_equal(const KeyId *a, const KeyId *b)
{
    return memcmp(a->bytes, b->bytes, KEY_ID_SIZE) == 0;
}

void key_id_format(const KeyId *id, char ret_text[2 * KEY_ID_SIZE + 1])
{
    hex_encode(id->bytes, KEY_ID_SIZE, ret_text);
}

int key_id_parse(const char *text, KeyId *ret_id)
{
    KeyId id;
    int r = hex_decode(text, id.bytes, KEY_ID_SIZE);

    if (r == 0)
        *ret_id = id;
    return r;
}
