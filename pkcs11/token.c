#include "pkcs11/token.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <syslog.h>

#include "base/crypto.h"
#include "pkcs11/log.h"
#include "pkcs11/rv.h"
#include "pkcs11/session.h"
#include "pkcs11/stored.h"

static void log_hook(void *userdata, int priority, const char *text)
{
    const Token *token = userdata;

    log_line(token->roster->log, priority, text);
}

static Token *free_token(Token *token)
{
    sessions_clear(&token->sessions);
    store_clear(&token->store);
    if (token->quorum)
        quorum_free(token->quorum);
    (void)pthread_mutex_destroy(&token->lock);
    free(token);
    return NULL;
}

/* Nobody has a log yet, so it goes wherever somebody may look. */
static CK_RV report(int r, const Problem *problem)
{
    log_line(LOG_TARGET_STDERR, LOG_ERR, problem->text);
    log_line(LOG_TARGET_SYSLOG, LOG_ERR, problem->text);
    return r == -ENOMEM ? CKR_HOST_MEMORY : CKR_GENERAL_ERROR;
}

/* Neither at the default place nor anywhere else: this host signs nothing. A roster that somebody has named must be there. */
static bool is_no_signer(int r)
{
    const char *named = secure_getenv(ROSTER_PATH_VARIABLE);

    return r == -ENOENT && (!named || !*named);
}

static CK_RV leave_empty(void)
{
    log_line(LOG_TARGET_SYSLOG, LOG_INFO, "no token: there is no " ROSTER_PATH_DEFAULT ", and " ROSTER_PATH_VARIABLE " is not set");
    return CKR_OK;
}

static CK_RV put_in(Token *token, Roster *roster)
{
    token->roster = token->store.roster = roster;

    int r = quorum_new(roster, &(QuorumHooks){.userdata = token, .log = log_hook}, &token->quorum);

    if (r != 0)
        roster_free(roster);
    else
        r = stored_add_profiles(&token->store);
    return rv_of(r);
}

static CK_RV fill(Token *token)
{
    Problem problem = PROBLEM_INIT;
    Roster *roster;
    int r = crypto_check(&problem);

    if (r != 0)
        return report(r, &problem);
    r = roster_read(NULL, &roster, &problem);
    if (is_no_signer(r))
        return leave_empty();
    return r == 0 ? put_in(token, roster) : report(r, &problem);
}

CK_RV token_new(Token **ret_token)
{
    Token *token = calloc(1, sizeof(*token));
    CK_RV rv;

    if (!token)
        return CKR_HOST_MEMORY;
    atomic_init(&token->references, 1);
    (void)pthread_mutex_init(&token->lock, NULL);
    rv = fill(token);
    if (rv == CKR_OK)
        *ret_token = token;
    else
        free_token(token);
    return rv;
}

bool token_present(const Token *token)
{
    return token->quorum;
}

Token *token_ref(Token *token)
{
    atomic_fetch_add(&token->references, 1);
    return token;
}

/* Finalized tokens: logged out, without sessions and connections, but with memory that may need OpenSSL to be released. */
static _Atomic(Token *) finalized;

Token *token_unref(Token *token)
{
    if (!token || atomic_fetch_sub(&token->references, 1) > 1)
        return NULL;
    if (token->quorum) {
        quorum_logout(token->quorum);
        quorum_disconnect(token->quorum);
    }
    token->next = atomic_load(&finalized);
    while (!atomic_compare_exchange_weak(&finalized, &token->next, token))
        ;
    return NULL;
}

void token_release(void)
{
    Token *token = atomic_exchange(&finalized, NULL);

    while (token) {
        Token *next = token->next;

        free_token(token);
        token = next;
    }
}

void token_forked(Token *token)
{
    atomic_store(&finalized, NULL);
    if (token && token->quorum)
        quorum_forked(token->quorum);
}

Token *token_lock(Token *token)
{
    (void)pthread_mutex_lock(&token->lock);
    return token;
}

void token_unlock(Token *const *token)
{
    (void)pthread_mutex_unlock(&(*token)->lock);
}

void token_log(Token *token, int priority, const char *format, ...)
{
    Problem line = PROBLEM_INIT;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line.text, sizeof(line.text), format, arguments);
    va_end(arguments);
    log_line(token->roster->log, priority, line.text);
}

CK_RV token_report(Token *token, const char *function, int r, const Problem *problem)
{
    if (r == 0)
        return CKR_OK;
    if (problem->text[0])
        token_log(token, LOG_ERR, "%s: %s", function, problem->text);
    else
        token_log(token, LOG_ERR, "%s: %s", function, r < 0 ? strerrordesc_np(-r) : "refused");
    return rv_of(r);
}

/* Bring the store up to date, unless this process changed something since `changes`: then the list may be older than that. */
static int sync_store(Token *token, uint64_t changes, QuorumKey *const *keys, size_t n_keys)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);

    return token->store.changes == changes ? store_sync(&token->store, keys, n_keys) : 0;
}

static uint64_t count_changes(Token *token)
{
    _cleanup_token_lock_ Token *locked = token_lock(token);

    return token->store.changes;
}

CK_RV token_refresh(Token *token, Microseconds max_age)
{
    Problem problem = PROBLEM_INIT;
    uint64_t changes = count_changes(token);
    QuorumKey **keys;
    size_t n_keys;
    int r = quorum_keys(token->quorum, max_age, &keys, &n_keys, &problem);

    if (r == QUORUM_E_TOO_FEW_NODES) {
        if (!atomic_exchange(&token->silent, true))
            token_log(token, LOG_WARNING, "no key is known yet: %s", problem.text);
        return CKR_OK;
    }
    if (r != 0)
        return token_report(token, "C_FindObjectsInit", r, &problem);
    atomic_store(&token->silent, false);
    r = sync_store(token, changes, keys, n_keys);
    quorum_keys_free(keys, n_keys);
    return rv_of(r);
}
