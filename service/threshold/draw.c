#include "threshold/draw.h"

#include <errno.h>
#include <openssl/bn.h>

#include "base/crypto.h"
#include "base/secret.h"

/* What is drawn from is less than twice the limit: that so many draws miss it has a probability below 2^-128. */
#define DRAWS_MAX 128

static int draw_into(Secret *bytes, unsigned bits, BIGNUM *number)
{
    size_t size = secret_size(bytes);

    if (crypto_random(secret_data(bytes), size) < 0)
        return -EIO;
    secret_data(bytes)[0] &= (uint8_t)(0xff >> (8 * size - bits));
    return BN_bin2bn(secret_bytes(bytes), (int)size, number) ? 0 : -EIO;
}

static int buffer_for(unsigned bits, Secret **ret_bytes)
{
    if (bits == 0)
        return -EINVAL;
    return secret_new((bits + 7) / 8, ret_bytes) < 0 ? -EPERM : 0;
}

int draw_bits(unsigned bits, BIGNUM *number)
{
    _cleanup_secret_ Secret *bytes = NULL;
    int r = buffer_for(bits, &bytes);

    return r < 0 ? r : draw_into(bytes, bits, number);
}

int draw_below(const BIGNUM *limit, BIGNUM *number)
{
    _cleanup_secret_ Secret *bytes = NULL;
    unsigned bits = (unsigned)BN_num_bits(limit);
    int r = buffer_for(bits, &bytes);

    for (unsigned i = 0; r == 0 && i < DRAWS_MAX; i++) {
        r = draw_into(bytes, bits, number);
        if (r == 0 && BN_ucmp(number, limit) < 0)
            return 0;
    }
    return r < 0 ? r : -EIO;
}
