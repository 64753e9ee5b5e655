#include <errno.h>
#include <string.h>

#include "keyring/keyring.h"

#define DER_INTEGER      0x02
#define DER_OCTET_STRING 0x04
#define DER_SEQUENCE     0x30
#define N_INTEGERS       9

/* INTEGER 0 (version v1), then AlgorithmIdentifier: rsaEncryption 1.2.840.113549.1.1.1 with NULL parameters (RFC 8017 appendix A.1). */
static const uint8_t PREAMBLE[] = {0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86,
                                   0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

/* A number without leading zeros; one zero byte for zero. */
typedef struct Integer {
    const uint8_t *data;
    size_t size;
} Integer;

/* DER wants the shortest form, so the number of a secret's leading zero bytes shows in the size; only the kernel sees it. */
static Integer integer_of(const uint8_t *data, size_t size)
{
    while (size > 1 && *data == 0) {
        data++;
        size--;
    }
    return (Integer){data, size};
}

/* The content of a DER INTEGER: a zero byte goes before a set top bit. */
static size_t content_size(const Integer *integer)
{
    return integer->size + (integer->data[0] >> 7);
}

static size_t with_tag(size_t size)
{
    return size + (size < 0x80 ? 2 : size < 0x100 ? 3 : 4);
}

static void write_tag(Writer *writer, uint8_t tag, size_t size)
{
    write_u8(writer, tag);
    if (size >= 0x100) {
        write_u8(writer, 0x82);
        write_u16(writer, (uint16_t)size);
        return;
    }
    if (size >= 0x80)
        write_u8(writer, 0x81);
    write_u8(writer, (uint8_t)size);
}

static void write_integer(Writer *writer, const Integer *integer)
{
    write_tag(writer, DER_INTEGER, content_size(integer));
    if (integer->data[0] >> 7)
        write_u8(writer, 0);
    write_bytes(writer, integer->data, integer->size);
}

static void write_private_key_info(Writer *writer, const Integer integers[N_INTEGERS], size_t integers_size)
{
    size_t key_size = with_tag(integers_size);

    write_tag(writer, DER_SEQUENCE, sizeof(PREAMBLE) + with_tag(key_size));
    write_bytes(writer, PREAMBLE, sizeof(PREAMBLE));
    write_tag(writer, DER_OCTET_STRING, key_size);
    write_tag(writer, DER_SEQUENCE, integers_size);
    for (size_t i = 0; i < N_INTEGERS; i++)
        write_integer(writer, &integers[i]);
}

static int encode(const Integer integers[N_INTEGERS], Secret **ret_pkcs8)
{
    _cleanup_secret_ Secret *pkcs8 = NULL;
    size_t integers_size = 0;

    for (size_t i = 0; i < N_INTEGERS; i++)
        integers_size += with_tag(content_size(&integers[i]));

    size_t info_size = sizeof(PREAMBLE) + with_tag(with_tag(integers_size));
    int r = secret_new(with_tag(info_size), &pkcs8);

    if (r < 0)
        return r;

    Writer writer = writer_of(secret_data(pkcs8), secret_size(pkcs8));

    write_private_key_info(&writer, integers, integers_size);
    r = writer_finish(&writer, NULL);
    if (r == 0)
        *ret_pkcs8 = TAKE_PTR(pkcs8);
    return r;
}

int keyring_pkcs8_encode(const Bytes *modulus, const Secret *share, Secret **ret_pkcs8)
{
    static const uint8_t zero[] = {0}, one[] = {1}, public_exponent[] = {0x01, 0x00, 0x01};

    if (modulus->size == 0 || modulus->size > THRESHOLD_PARTIAL_SIZE_MAX || secret_size(share) != modulus->size)
        return -EINVAL;

    const Integer n = integer_of(modulus->data, modulus->size), s = integer_of(secret_bytes(share), secret_size(share));
    /* RSAPrivateKey: version, n, e, d, p, q, d mod (p-1), d mod (q-1), q^-1 mod p. */
    const Integer integers[N_INTEGERS] = {
        {zero, sizeof(zero)}, n, {public_exponent, sizeof(public_exponent)}, s, n, {one, sizeof(one)}, s, {one, sizeof(one)},
        {one, sizeof(one)},
    };

    return encode(integers, ret_pkcs8);
}
