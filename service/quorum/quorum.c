#include "quorum/quorum.h"

#include <errno.h>
#include <stdarg.h>

#include "base/text.h"
#include "quorum/exchange.h"
#include "quorum/state.h"

static const QuorumHooks no_hooks;

int quorum_new(Roster *roster, const QuorumHooks *hooks, Quorum **ret_quorum)
{
    _cleanup_free_ Quorum *quorum = calloc(1, sizeof(*quorum));
    int r;

    if (!quorum)
        return -ENOMEM;
    r = catalog_new(&quorum->catalog);
    if (r < 0)
        return r;
    quorum->roster = roster;
    quorum->hooks = hooks ? *hooks : no_hooks;
    quorum->tries_left = QUORUM_PIN_TRIES;
    (void)pthread_mutex_init(&quorum->lock, NULL);
    follow_init(quorum);
    *ret_quorum = TAKE_PTR(quorum);
    return 0;
}

void quorum_disconnect(Quorum *quorum)
{
    for (unsigned i = 1; i <= quorum->roster->n; i++) {
        peer_end_pending(quorum, i);
        connection_pool_close(quorum, i, false);
    }
}

Quorum *quorum_free(Quorum *quorum)
{
    if (!quorum)
        return NULL;
    quorum_disconnect(quorum);
    login_unref(quorum->login);
    follow_clear(quorum);
    catalog_free(quorum->catalog);
    roster_free(quorum->roster);
    (void)pthread_mutex_destroy(&quorum->lock);
    free(quorum);
    return NULL;
}

/* The parent's threads do not exist here, and its locks may be held by them: nothing of theirs is waited for or released. */
void quorum_forked(Quorum *quorum)
{
    (void)pthread_mutex_init(&quorum->lock, NULL);
    follow_forked(quorum);
    for (unsigned i = 0; i < quorum->roster->n; i++) {
        ConnectionPool pool = quorum->peers[i].pool;

        connection_pool_forked(&pool);
        quorum->peers[i] = (Peer){0};
    }
    quorum->login = NULL; /* its secret reads as zeros here */
    catalog_forked(quorum->catalog);
}

const Roster *quorum_roster(const Quorum *quorum)
{
    return quorum->roster;
}

Roster *quorum_roster_now(Quorum *quorum)
{
    (void)pthread_mutex_lock(&quorum->lock);

    Roster *roster = roster_ref(quorum->current);

    (void)pthread_mutex_unlock(&quorum->lock);
    return roster;
}

Catalog *quorum_catalog(Quorum *quorum)
{
    return quorum->catalog;
}

void quorum_log(Quorum *quorum, int priority, const char *format, ...)
{
    Problem line = PROBLEM_INIT;
    va_list arguments;

    if (!quorum->hooks.log)
        return;
    va_start(arguments, format);
    (void)vsnprintf(line.text, sizeof(line.text), format, arguments);
    va_end(arguments);
    text_clean(line.text); /* some of it comes from a node */
    quorum->hooks.log(quorum->hooks.userdata, priority, line.text);
}

void quorum_step(Quorum *quorum, const char *format, ...)
{
    char name[128];
    va_list arguments;

    if (!quorum->hooks.step)
        return;
    va_start(arguments, format);
    (void)vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    quorum->hooks.step(quorum->hooks.userdata, name);
}
