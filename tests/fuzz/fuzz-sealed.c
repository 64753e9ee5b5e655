/* Sealed shares and headers: whatever the bytes, an error or a value that encodes to the same bytes. */
#include <stdlib.h>

#include "fuzz.h"
#include "share/sealed.h"

static void check_header(const Bytes *common)
{
    _cleanup_header_ Header header = {0};
    _cleanup_bytes_ Bytes again = {0};
    Problem problem;

    if (header_decode(common, &header, &problem) == 0 && (header_encode(&header, &again) != 0 || !bytes_equal(common, &again)))
        abort();
}

static void check_sealed(const Bytes *encoded)
{
    _cleanup_sealed_share_ SealedShare share = {0};
    Problem problem;

    if (sealed_share_decode(encoded, &share, &problem) != 0)
        return;
    if (share.index < 1 || share.index > share.header.parameters.n || share.sealed.size <= HPKE_OVERHEAD)
        abort();
    check_header(&share.common);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Bytes input = {(uint8_t *)data, size};

    check_header(&input);
    check_sealed(&input);
    return 0;
}
