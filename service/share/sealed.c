#include "share/sealed.h"

#include <errno.h>
#include <string.h>

#define SEALED_MAGIC      "KQsealed"
#define SEALED_MAGIC_SIZE 8
#define SEALED_FORMAT     1
#define SEALED_FIXED_SIZE (SEALED_MAGIC_SIZE + 1 + 4 + 1 + 4)
#define SEALED_INFO       "keyquorum share v1"

void sealed_share_clear(SealedShare *share)
{
    header_clear(&share->header);
    bytes_clear(&share->common);
    bytes_clear(&share->sealed);
    *share = (SealedShare){0};
}

/* What the sealing binds the share to: the common header and the index. */
static int associated_data(const Bytes *common, unsigned index, Bytes *ret_data)
{
    int r = bytes_new(common->size + 1, ret_data);

    if (r < 0)
        return r;
    memcpy(ret_data->data, common->data, common->size);
    ret_data->data[common->size] = (uint8_t)index;
    return 0;
}

static int encode(const Bytes *common, unsigned index, const Bytes *sealed, Bytes *ret_encoded)
{
    _cleanup_bytes_ Bytes encoded = {0};
    int r = bytes_new(SEALED_FIXED_SIZE + common->size + sealed->size, &encoded);

    if (r < 0)
        return r;

    Writer writer = writer_of(encoded.data, encoded.size);

    write_bytes(&writer, SEALED_MAGIC, SEALED_MAGIC_SIZE);
    write_u8(&writer, SEALED_FORMAT);
    write_u32(&writer, (uint32_t)common->size);
    write_bytes(&writer, common->data, common->size);
    write_u8(&writer, (uint8_t)index);
    write_u32(&writer, (uint32_t)sealed->size);
    write_bytes(&writer, sealed->data, sealed->size);
    r = writer_finish(&writer, NULL);
    if (r == 0)
        *ret_encoded = bytes_take(&encoded);
    return r;
}

int sealed_share_new(const Bytes *common, unsigned index, const uint8_t public_key[HPKE_PUBLIC_KEY_SIZE], const Secret *share,
                     Bytes *ret_encoded)
{
    _cleanup_bytes_ Bytes data = {0}, sealed = {0};

    if (common->size > HEADER_SIZE_MAX || index > UINT8_MAX ||
        SEALED_FIXED_SIZE + common->size + secret_size(share) + HPKE_OVERHEAD > SEALED_SHARE_SIZE_MAX)
        return -EMSGSIZE;

    int r = associated_data(common, index, &data);

    if (r == 0)
        r = hpke_seal(public_key, SEALED_INFO, &data, share, &sealed);
    return r < 0 ? r : encode(common, index, &sealed, ret_encoded);
}

static int read_start(Reader *reader, Problem *problem)
{
    const uint8_t *magic = read_bytes(reader, SEALED_MAGIC_SIZE);
    uint8_t format = read_u8(reader);

    if (!magic || memcmp(magic, SEALED_MAGIC, SEALED_MAGIC_SIZE) != 0)
        return problem_set(problem, -EBADMSG, "this is not a sealed share: it does not start with " SEALED_MAGIC);
    if (!reader->failed && format != SEALED_FORMAT)
        return problem_set(problem, -EPROTONOSUPPORT, "the sealed share has format %u; this version reads format %u", format,
                           SEALED_FORMAT);
    return 0;
}

static int read_block(Reader *reader, const char *what, Bytes *ret_block, Problem *problem)
{
    uint32_t size = read_u32(reader);
    const uint8_t *data = read_bytes(reader, size);

    if (!data)
        return problem_set(problem, -EBADMSG, "the sealed share ends before its %s", what);
    return bytes_copy(data, size, ret_block);
}

static int read_header(Reader *reader, SealedShare *share, Problem *problem)
{
    int r = read_block(reader, "header", &share->common, problem);

    if (r == 0)
        r = header_decode(&share->common, &share->header, problem);
    return r == 0 ? header_key_id(&share->common, &share->id) : r;
}

static int read_index(Reader *reader, SealedShare *share, Problem *problem)
{
    share->index = read_u8(reader);
    if (reader->failed)
        return problem_set(problem, -EBADMSG, "the sealed share ends before its index");
    if (share->index < 1 || share->index > share->header.parameters.n)
        return problem_set(problem, -EBADMSG, "the sealed share is for node %u; the key has nodes 1 to %u", share->index,
                           share->header.parameters.n);
    return 0;
}

static int read_sealed(Reader *reader, SealedShare *share, Problem *problem)
{
    int r = read_block(reader, "sealed bytes", &share->sealed, problem);

    if (r < 0)
        return r;
    if (reader_finish(reader) < 0)
        return problem_set(problem, -EBADMSG, "the sealed share has %zu bytes too many", reader->left);
    if (share->sealed.size <= HPKE_OVERHEAD)
        return problem_set(problem, -EBADMSG, "the sealed share's sealed bytes are too few to hold a share");
    return 0;
}

int sealed_share_decode(const Bytes *encoded, SealedShare *ret_share, Problem *problem)
{
    _cleanup_sealed_share_ SealedShare share = {0};
    Reader reader = reader_of(encoded->data, encoded->size);

    if (encoded->size > SEALED_SHARE_SIZE_MAX)
        return problem_set(problem, -EBADMSG, "the sealed share has %zu bytes; at most %d are allowed", encoded->size,
                           SEALED_SHARE_SIZE_MAX);

    int r = read_start(&reader, problem);

    if (r == 0)
        r = read_header(&reader, &share, problem);
    if (r == 0)
        r = read_index(&reader, &share, problem);
    if (r == 0)
        r = read_sealed(&reader, &share, problem);
    if (r == 0) {
        *ret_share = share;
        share = (SealedShare){0};
    }
    return r;
}

int sealed_share_open(const SealedShare *share, const Secret *private_key, Secret **ret_share)
{
    _cleanup_bytes_ Bytes data = {0};
    int r = associated_data(&share->common, share->index, &data);

    return r < 0 ? r : hpke_open(private_key, SEALED_INFO, &data, &share->sealed, ret_share);
}
