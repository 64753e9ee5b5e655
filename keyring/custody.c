#include "keyring/custody.h"

#include <errno.h>
#include <keyutils.h>

static const Custody rows[] = {
    {CUSTODY_KERNEL, "asymmetric", kernel_key_check, kernel_key_payload, kernel_key_explain, kernel_key_open, kernel_key_power, NULL, NULL},
    {CUSTODY_KEYRING, "user", user_key_check, user_key_payload, user_key_explain, user_key_open, user_key_power, user_key_read,
     user_key_power_pair},
};

const Custody *custody_row(CustodyKind kind)
{
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (rows[i].kind == kind)
            return &rows[i];
    return NULL;
}

int custody_open(const Custody *custody, KeySerial serial, const ThresholdKey *key, KeyringShare **ret_share)
{
    _cleanup_(keyring_share_freep) KeyringShare *share = calloc(1, sizeof(*share));

    if (!share)
        return -ENOMEM;
    *share = (KeyringShare){.custody = custody, .serial = serial, .key = key};

    int r = custody->open(share);

    if (r == 0)
        *ret_share = TAKE_PTR(share);
    return r;
}

void custody_describe(const KeyId *id, char ret_description[CUSTODY_DESCRIPTION_SIZE])
{
    char text[2 * KEY_ID_SIZE + 1];

    key_id_format(id, text);
    (void)snprintf(ret_description, CUSTODY_DESCRIPTION_SIZE, CUSTODY_DESCRIPTION_PREFIX "%s", text);
}

int custody_add(const Custody *custody, const char *description, const Secret *payload, KeySerial *ret_serial, Problem *problem)
{
    KeySerial serial = add_key(custody->type, description, secret_bytes(payload), secret_size(payload), KEY_SPEC_PROCESS_KEYRING);

    if (serial < 0)
        return custody->explain(errno, problem);
    *ret_serial = serial;
    return 0;
}

void custody_discard(KeySerial serial)
{
    (void)keyctl_invalidate(serial);
    (void)keyctl_unlink(serial, KEY_SPEC_PROCESS_KEYRING);
}
