/* The one slot and the token in it, if there is one. */
#include "pkcs11/call.h"
#include "pkcs11/text.h"

CK_RV C_GetSlotList(CK_BBOOL only_present, CK_SLOT_ID *list, CK_ULONG *count)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin(&call);
    CK_ULONG room, slots;

    if (rv != CKR_OK)
        return rv;
    if (!count)
        return CKR_ARGUMENTS_BAD;
    slots = only_present && !token_present(call.token) ? 0 : 1;
    room = list ? *count : 0;
    *count = slots;
    if (!list || slots == 0)
        return CKR_OK;
    if (room < 1)
        return CKR_BUFFER_TOO_SMALL;
    list[0] = TOKEN_SLOT;
    return CKR_OK;
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin(&call);

    if (rv != CKR_OK)
        return rv;
    if (slot != TOKEN_SLOT)
        return CKR_SLOT_ID_INVALID;
    if (!info)
        return CKR_ARGUMENTS_BAD;
    *info = (CK_SLOT_INFO){.hardwareVersion = text_version(), .firmwareVersion = text_version()};
    if (token_present(call.token))
        info->flags |= CKF_TOKEN_PRESENT;
    text_pad(info->slotDescription, sizeof(info->slotDescription), "Keyquorum quorum of nodes");
    text_pad(info->manufacturerID, sizeof(info->manufacturerID), "Keyquorum");
    return CKR_OK;
}

/* What the nodes said at the last login about wrong tries. */
static CK_FLAGS pin_flags(Quorum *quorum)
{
    CK_FLAGS flags = quorum_pin_initialized(quorum) ? CKF_USER_PIN_INITIALIZED : 0;
    unsigned left = quorum_pin_tries_left(quorum);

    if (left < QUORUM_PIN_TRIES)
        flags |= CKF_USER_PIN_COUNT_LOW;
    if (left == 1)
        flags |= CKF_USER_PIN_FINAL_TRY;
    if (left == 0)
        flags |= CKF_USER_PIN_LOCKED;
    return flags;
}

static void describe_token(const Roster *roster, CK_TOKEN_INFO *info)
{
    char model[sizeof(info->model) + 1], serial[sizeof(info->serialNumber) + 1];

    (void)snprintf(model, sizeof(model), "quorum %u of %u", roster->k, roster->n);
    hex_encode(roster->token, sizeof(info->serialNumber) / 2, serial);
    text_pad(info->label, sizeof(info->label), roster->label);
    text_pad(info->manufacturerID, sizeof(info->manufacturerID), "Keyquorum");
    text_pad(info->model, sizeof(info->model), model);
    text_pad(info->serialNumber, sizeof(info->serialNumber), serial);
    text_pad(info->utcTime, sizeof(info->utcTime), ""); /* no clock on this token */
}

static void count_sessions(Token *token, CK_TOKEN_INFO *info)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);

    info->ulSessionCount = token->sessions.count;
    info->ulRwSessionCount = token->n_read_write;
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin_slot(slot, &call);

    if (rv != CKR_OK)
        return rv;
    if (!info)
        return CKR_ARGUMENTS_BAD;
    *info = (CK_TOKEN_INFO){
        .flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_TOKEN_INITIALIZED | pin_flags(call.token->quorum),
        .ulMaxSessionCount = CK_EFFECTIVELY_INFINITE,
        .ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE,
        .ulMaxPinLen = PIN_SIZE_MAX,
        .ulMinPinLen = PIN_SIZE_MIN,
        .ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION,
        .ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION,
        .ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION,
        .ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION,
        .hardwareVersion = text_version(),
        .firmwareVersion = text_version(),
    };
    describe_token(call.token->roster, info);
    count_sessions(call.token, info);
    return CKR_OK;
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin(&call);

    if (rv != CKR_OK)
        return rv;
    if (!slot || reserved)
        return CKR_ARGUMENTS_BAD;
    return flags & CKF_DONT_BLOCK ? CKR_NO_EVENT : CKR_FUNCTION_NOT_SUPPORTED; /* the slot never changes: nobody is to wait for it */
}
