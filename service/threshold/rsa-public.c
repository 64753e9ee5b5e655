#include "threshold/rsa-public.h"

#include <errno.h>
#include <string.h>

#include "threshold/bn.h"

#define DER_INTEGER         0x02
#define DER_BIT_STRING      0x03
#define DER_SEQUENCE        0x30
#define DER_HEADER_SIZE_MAX 4 /* tag and a length below 65536 */

/* AlgorithmIdentifier: rsaEncryption, NULL */
static const uint8_t algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

static size_t header_size(size_t content)
{
    return content < 0x80 ? 2 : content < 0x100 ? 3 : 4;
}

static void write_header(Writer *writer, uint8_t tag, size_t content)
{
    write_u8(writer, tag);
    if (content >= 0x100) {
        write_u8(writer, 0x82);
        write_u16(writer, (uint16_t)content);
        return;
    }
    if (content >= 0x80)
        write_u8(writer, 0x81);
    write_u8(writer, (uint8_t)content);
}

/* A DER integer is signed: one more zero before a set top bit. */
static size_t integer_content(const Bytes *number)
{
    return number->size + (number->data[0] >> 7);
}

static size_t integer_size(const Bytes *number)
{
    return header_size(integer_content(number)) + integer_content(number);
}

static void write_integer(Writer *writer, const Bytes *number)
{
    write_header(writer, DER_INTEGER, integer_content(number));
    if (number->data[0] >> 7)
        write_u8(writer, 0);
    write_bytes(writer, number->data, number->size);
}

int rsa_public_info(const Bytes *modulus, const Bytes *exponent, Bytes *ret_der)
{
    size_t numbers = integer_size(modulus) + integer_size(exponent);
    size_t bits = 1 + header_size(numbers) + numbers; /* the first byte counts unused bits */
    size_t content = sizeof(algorithm) + header_size(bits) + bits;
    _cleanup_bytes_ Bytes der = {0};
    int r = bytes_new(header_size(content) + content, &der);

    if (r < 0)
        return r;

    Writer writer = writer_of(der.data, der.size);

    write_header(&writer, DER_SEQUENCE, content);
    write_bytes(&writer, algorithm, sizeof(algorithm));
    write_header(&writer, DER_BIT_STRING, bits);
    write_u8(&writer, 0);
    write_header(&writer, DER_SEQUENCE, numbers);
    write_integer(&writer, modulus);
    write_integer(&writer, exponent);
    r = writer_finish(&writer, NULL);
    if (r < 0)
        return r;
    *ret_der = bytes_take(&der);
    return 0;
}

int rsa_public_open(const Bytes *modulus, const Bytes *exponent, const uint8_t *signature, uint8_t *ret_encoded)
{
    _cleanup_bn_ctx_ BN_CTX *ctx = bn_public_context();
    _cleanup_bn_ BIGNUM *n = BN_bin2bn(modulus->data, (int)modulus->size, NULL);
    _cleanup_bn_ BIGNUM *e = BN_bin2bn(exponent->data, (int)exponent->size, NULL);
    _cleanup_bn_ BIGNUM *s = BN_bin2bn(signature, (int)modulus->size, NULL);
    _cleanup_bn_ BIGNUM *opened = BN_new();

    if (!ctx || !n || !e || !s || !opened)
        return -ENOMEM;
    if (BN_ucmp(s, n) >= 0)
        return -EBADMSG;
    if (BN_mod_exp_mont(opened, s, e, n, ctx, NULL) != 1)
        return -ENOMEM;
    return BN_bn2binpad(opened, ret_encoded, (int)modulus->size) < 0 ? -ENOMEM : 0;
}
