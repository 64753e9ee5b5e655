/* Takes the place of threshold/safe-prime.c in test programs that make keys again and again: the same primes each time. Every deal draws
 * its own polynomial, so the shares and the key id differ all the same. These keys protect nothing. */
#include <errno.h>
#include <openssl/bn.h>

#include "threshold/bn.h"
#include "threshold/safe-prime.h"

// clang-format off
static const char *const ready_primes[] = {
    "c085804f74e3f46ef8739b10424e4f12988f5ebca9b31a39c77c7fb9c21179b78950252b9866a8194ddac32daff554a945d3b8a304383773be5114b3"
    "caf2a748d1f769fcadbe8f41d4147bb9dc2c51212d9ff0fd44dfaad3adf0c539f476958fac6f4ebf00b5aca9a3852294fab170a2cae66d6386758e4b"
    "613d2bca5b4828af",
    "ff54e182016adf9cba6160928d82db44a653802d47568d86ede5a7e4200c61edca8d6b663650dc00f25e926a142a57210ac515e79fca65e5501b5c48"
    "98d886b0f8858b14637d60c9eb7bdd7911e4e168bb5e0c0e8ba134cf0c44df0abef69eec7922f2ada9b4e770d935f914862e149e4cc8501acff8140f"
    "1700b5044a4f074f",
    "ddf2cf39b3baa6fd258edfd73172f0447fd68a37410eb050f3737eb6d1d58958ef057185da97c63dfe81f2293db0d5f21f1ec909e7ec6984489c19b5"
    "a5effaa67726e73e3969215fc9c419461146f87c5536d62c53a5daa0a6c3c295e3fd392521df52650bf2a9c7dd8300638f419ea9f56fc63291ba83ae"
    "343f9d58008b415c612e650ccc9de35585e7f9e6ae48d01921ef17130b178b32fb49b44c3355729b1faa93f77a246254851343f2bd9238a10f41987e"
    "8bc9520720050e937f84a8def3080d87ed453e8682acd6b745402afdc2a7550dadd975a4b587607a80aa4f963cae6c7ff81b7a14f0a29b6213a61b98"
    "962d71604805ce8b9cd2618925df85bf",
    "ceb4f507b11428990a312c09e46257eaffd3ff48c126884ad3713da2fda7d45dc7c07f2b4068f1287bf273b9e24ae9ec6d80412f1a6cdc6e50a32525"
    "9a54e6d7c19e294cc2619aa01f79bd60b3280dfb3f9f851d4e260f9fc0eefdc23af9927f0d4bafcede1ad2c12dc4f7dd8bd0ad6730c4aa7000c51cd2"
    "07c39d84a2733fdc71d0c27f37ccb50dcb6c1acb10f0853cd33536629eac0f1c50fd39ea9f323a4f556f8dc9c486d12c3ad6ca12abc29fd371d10980"
    "cb63e5f1db7c541245cbb0d567a5b4a09606629c51ab79d8a6de59100b5c5d2cc9c1ceee05d5a02e3f4e22cc0a5462a28a8c7abb771f3b91f2f595c8"
    "4859616a023ceb628dc8dc2838e48bcb",
};
// clang-format on

int safe_primes_find(unsigned bits, size_t count, const DealOptions *options, BIGNUM **ret_primes)
{
    size_t found = 0;

    for (size_t i = 0; i < ELEMENTS(ready_primes) && found < count; i++) {
        _cleanup_bn_ BIGNUM *prime = BN_secure_new();

        if (!prime || BN_hex2bn(&prime, ready_primes[i]) == 0)
            return -EIO;
        BN_set_flags(prime, BN_FLG_CONSTTIME);
        if (BN_num_bits(prime) == (int)bits)
            ret_primes[found++] = TAKE_PTR(prime);
    }
    return found == count ? 0 : -EINVAL;
}
