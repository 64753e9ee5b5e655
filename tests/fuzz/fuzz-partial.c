/* Partial signatures from nodes: whatever the numbers, no signature is given out that does not verify. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "threshold-fixture.h"

static Fixture fixture;

/* Input: which node's partial is replaced (one byte), as which index it comes (one byte), and by what. */
static void replace(Partial *partials, unsigned k, const uint8_t *data, size_t size)
{
    size_t width = threshold_key_partial_size(fixture.key);
    Partial *changed = &partials[data[0] % k];

    changed->index = data[1];
    memcpy(changed->bytes, data + 2, size - 2 < width ? size - 2 : width);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Partial partials[THRESHOLD_NODES_MAX];
    uint8_t signature[THRESHOLD_SIGNATURE_SIZE_MAX];

    if (!fixture.key)
        fixture = fixture_of(&rsa2048_3_of_5);

    unsigned k = threshold_key_parameters(fixture.key)->k;

    if (size < 2)
        return 0;
    memcpy(partials, fixture.partials, sizeof(partials));
    replace(partials, k, data, size);
    if (threshold_key_combine(fixture.key, &fixture.digest, partials, signature) == 0 &&
        threshold_key_verify(fixture.key, &fixture.digest, signature, threshold_key_signature_size(fixture.key)) != 0)
        abort();

    int r = threshold_key_check_partial(fixture.key, fixture.partials, &partials[data[0] % k]);

    if (r != 0 && r != THRESHOLD_E_INVALID_PARTIAL && r != -EINVAL)
        abort();
    return 0;
}
