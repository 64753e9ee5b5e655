#include "pkcs11/module.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "pkcs11/call.h"
#include "pkcs11/text.h"

/* The process that the lock and the token belong to; negative while it takes them over. A forked child finds its parent's here, and then
 * touches neither (another thread may have held the lock) until it initializes. */
static _Atomic(pid_t) owner;
static pthread_mutex_t lock;
static Token *current;

static bool is_mine(void)
{
    return atomic_load(&owner) == getpid();
}

/* Whatever was inherited is the parent's. */
static void take_over(void)
{
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    token_forked(current);
    current = NULL;
}

static void make_mine(void)
{
    pid_t pid = getpid(), before = atomic_load(&owner);

    while (before != pid) {
        if (before != -pid && atomic_compare_exchange_strong(&owner, &before, -pid)) {
            take_over();
            atomic_store(&owner, pid);
            return;
        }
        (void)sched_yield();
        before = atomic_load(&owner);
    }
}

static void unlock(pthread_mutex_t *const *locked)
{
    (void)pthread_mutex_unlock(*locked);
}

static pthread_mutex_t *lock_module(void)
{
    (void)pthread_mutex_lock(&lock);
    return &lock;
}

#define _cleanup_lock_ _cleanup_(unlock) __attribute__((unused))

Token *module_token(void)
{
    if (!is_mine())
        return NULL;

    _cleanup_lock_ pthread_mutex_t *locked = lock_module();

    return current ? token_ref(current) : NULL;
}

/* All four functions or none. They are not needed: the module makes no threads, and its own locks are those of the system
 * that its caller's threads come from. */
static bool are_valid(const CK_C_INITIALIZE_ARGS *arguments)
{
    bool any = arguments->CreateMutex || arguments->DestroyMutex || arguments->LockMutex || arguments->UnlockMutex;
    bool all = arguments->CreateMutex && arguments->DestroyMutex && arguments->LockMutex && arguments->UnlockMutex;

    return !arguments->pReserved && any == all;
}

CK_RV C_Initialize(void *arguments)
{
    if (arguments && !are_valid(arguments))
        return CKR_ARGUMENTS_BAD;
    make_mine();

    _cleanup_lock_ pthread_mutex_t *locked = lock_module();

    if (current)
        return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    token_release();
    return token_new(&current);
}

CK_RV C_Finalize(void *reserved)
{
    if (reserved)
        return CKR_ARGUMENTS_BAD;
    if (!is_mine())
        return CKR_CRYPTOKI_NOT_INITIALIZED;

    _cleanup_lock_ pthread_mutex_t *locked = lock_module();

    if (!current)
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    token_unref(TAKE_PTR(current));
    return CKR_OK;
}

static CK_RV get_info(CK_VERSION version, CK_INFO *info)
{
    _cleanup_call_ Call call = {0};
    CK_RV rv = call_begin(&call);

    if (rv != CKR_OK)
        return rv;
    if (!info)
        return CKR_ARGUMENTS_BAD;
    *info = (CK_INFO){.cryptokiVersion = version, .libraryVersion = text_version()};
    text_pad(info->manufacturerID, sizeof(info->manufacturerID), "Keyquorum");
    text_pad(info->libraryDescription, sizeof(info->libraryDescription), "Keyquorum threshold HSM");
    return CKR_OK;
}

CK_RV C_GetInfo(CK_INFO *info)
{
    return get_info((CK_VERSION){2, 40}, info);
}

CK_RV module_info_3_0(CK_INFO *info)
{
    return get_info((CK_VERSION){3, 0}, info);
}
